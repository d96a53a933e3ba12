//! The page after a checkout.
//!
//! The redirect proves nothing, because anyone can type its URL. Billing has the result of the
//! checkout, by the key that the server put into the return URL.

use dodo_billing::AccessSource;
use maud::{Markup, html};

use super::{Chrome, Tab, account::payment_row};
use crate::{account::Paid, catalog::Catalog};

/// The result of a checkout.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is paid. The payment, if the redirect names one of this account.
    Paid(Option<Box<Paid>>),
    /// A subscription began.
    Subscribed(Box<AccessSource>),
    /// There is no result yet.
    Waiting,
    /// The payment failed.
    NotPaid,
    /// This account has no such checkout.
    Unknown,
}

/// `live` is the address of the part, while it can change.
pub(crate) fn thanks(chrome: Chrome<'_>, live: Option<&str>, tag: &str, part: Markup) -> Markup {
    chrome.page(
        "Thank you",
        Tab::Elsewhere,
        html! { div.center data-live=[live] data-tag=(tag) aria-live="polite" { (part) } },
    )
}

/// The part that changes when the payment has a result.
pub(crate) fn thanks_live(catalog: &Catalog, outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Paid(paid) => html! {
            (mark("M16 27l8 8 15-17", "good"))
            h1 { "Thank you" }
            p.muted { "Your payment arrived." }
            @if let Some(paid) = paid { div.card.overflow { table.table { tbody { (payment_row(paid)) } } } }
            (onwards())
        },
        Outcome::Subscribed(source) => html! {
            (mark("M16 27l8 8 15-17", "good"))
            h1 { "Welcome aboard" }
            p.muted { (catalog.name(source.product.as_deref().unwrap_or("Subscription"))) ": " (source.reason) }
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
        Outcome::Unknown => html! {
            (mark("M19 19l16 16M35 19L19 35", "bad"))
            h1 { "No such checkout" }
            p.muted { "This account has no such checkout. If you paid in another browser, look at its account." }
            div.row { a.button.quiet href="/account" { "To your account" } }
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
