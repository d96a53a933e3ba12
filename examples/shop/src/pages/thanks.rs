//! Where the hosted page sends people back to.
//!
//! The redirect says what Dodo's page believes; it can be typed by anyone. What the page shows as
//! done is what a signed webhook brought.

use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::{
    orders::{Access, Order},
    pages::account::order_row,
};

/// What became of a payment, as far as the shop knows by now.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// A webhook fulfilled it.
    Fulfilled(Order),
    /// A webhook granted the subscription.
    Granted(Access),
    /// The redirect says it went well; no webhook has come yet.
    Waiting,
    /// The redirect says it did not go well.
    NotPaid,
}

pub(crate) fn thanks(chrome: Chrome<'_>, live: &str, tag: &str, outcome: &Outcome) -> Markup {
    chrome.page(
        "Thank you",
        Tab::Elsewhere,
        html! { div.center data-live=(live) data-tag=(tag) aria-live="polite" { (thanks_live(outcome)) } },
    )
}

/// The part that changes when the webhook arrives.
pub(crate) fn thanks_live(outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Fulfilled(order) => html! {
            (mark("M16 27l8 8 15-17", "good"))
            h1 { "Thank you" }
            p.muted { "Your payment arrived, and the order is fulfilled." }
            div.card.overflow { table.table { tbody { (order_row(order)) } } }
            (onwards())
        },
        Outcome::Granted(access) => html! {
            (mark("M16 27l8 8 15-17", "good"))
            h1 { "Welcome aboard" }
            p.muted { "Your subscription to " (access.product) " is active. You have access from now on." }
            (onwards())
        },
        Outcome::Waiting => html! {
            (mark("M27 15v12l8 5", "wait"))
            h1 { "Just a moment" }
            p.muted { "Waiting for Dodo Payments to confirm the payment. This page continues by itself." }
            div.row { a.button.quiet href="/account" { "To your account" } }
        },
        Outcome::NotPaid => html! {
            (mark("M19 19l16 16M35 19L19 35", "bad"))
            h1 { "No payment was made" }
            p.muted { "The payment was declined or cancelled. Nothing was charged, and nothing was ordered." }
            div.row { a.button href="/" { "Back to the shop" } }
        },
    }
}

fn onwards() -> Markup {
    html! {
        div.row {
            a.button href="/account" { "See your account" }
            a.button.quiet href="/" { "Back to the shop" }
        }
    }
}

fn mark(path: &str, tone: &str) -> Markup {
    html! {
        svg class={ "mark tone-" (tone) } viewBox="0 0 54 54" aria-hidden="true" {
            circle cx="27" cy="27" r="25" fill="none" stroke="currentColor" stroke-width="2" {}
            path d=(path) fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}
