//! What a customer has: orders, subscriptions, and the way to the portal.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::{
    money,
    orders::{Access, Belongings, Order, State},
};

/// What the account page shows.
#[derive(Clone, Debug)]
pub(crate) struct AccountView {
    pub(crate) belongings: Belongings,
    /// Whether there is a customer at Dodo whose portal can be opened.
    pub(crate) has_portal: bool,
}

pub(crate) fn account(chrome: Chrome<'_>, tag: &str, view: &AccountView) -> Markup {
    let me = chrome.account;
    chrome.page(
        "Account",
        Tab::Account,
        html! {
            div.between {
                div {
                    h1 { (me.display_name()) }
                    p.muted.small {
                        "Demo account " code { (me.id) }
                        @if let Some(email) = &me.email { " · " (email) }
                    }
                }
                div.row {
                    @if me.name.is_none() { a.button.quiet href="/sign-in" { "Sign in" } }
                    @else { form method="post" action="/sign-out" { button.button.quiet { "Sign out" } } }
                }
            }
            div.stack data-live="/live/account" data-tag=(tag) aria-live="polite" { (account_live(view)) }
        },
    )
}

/// The part that changes when a webhook arrives.
pub(crate) fn account_live(view: &AccountView) -> Markup {
    let Belongings { orders, subscriptions } = &view.belongings;
    html! {
        section.card.overflow #subscriptions {
            div.caption.between {
                h2 { "Subscriptions" }
                @if view.has_portal { a.button.quiet href="/api/portal" { "Manage in the portal" } }
            }
            @if subscriptions.is_empty() {
                p.empty { "No subscription yet." }
            } @else {
                table.table {
                    thead { tr { th { "Subscription" } th { "Access" } th { "Since" } th.r { "Paid until" } } }
                    tbody { @for access in subscriptions { (access_row(access)) } }
                }
            }
        }
        section.card.overflow #orders {
            div.caption { h2 { "Orders" } }
            @if orders.is_empty() {
                p.empty { "No order yet. " a href="/" { "To the shop" } }
            } @else {
                table.table {
                    thead { tr { th { "Order" } th { "State" } th { "Date" } th.r { "Paid" } } }
                    tbody { @for order in orders { (order_row(order)) } }
                }
            }
        }
    }
}

pub(crate) fn order_row(order: &Order) -> Markup {
    let Order { payment_id, product, paid, refunded, currency, exponent, at } = order;
    let (tone, state) = match *refunded {
        0 => ("good", "Fulfilled"),
        part if part < *paid => ("wait", "Partly refunded"),
        _ => ("bad", "Refunded"),
    };
    html! {
        tr data-order=(payment_id) {
            td data-label="" { strong { (product) } br; code.muted { (payment_id) } }
            td data-label="State" { span class={ "pill " (tone) } { (state) } }
            td data-label="Date" { (at.strftime("%-d %b %Y")) }
            td.r.num data-label="Paid" {
                (money::display(*paid, *currency, *exponent))
                @if *refunded != 0 {
                    br; span.neg.small { (money::display(refunded.saturating_neg(), *currency, *exponent)) }
                }
            }
        }
    }
}

fn access_row(access: &Access) -> Markup {
    let Access { subscription_id, product, state, since, paid_until } = access;
    let (tone, text) = match (access.is_open(Timestamp::now()), state) {
        (true, State::Active) => ("good", "Access granted"),
        (true, State::OnHold) => ("wait", "Open, a charge failed"),
        (true, _) => ("wait", "Ends with this period"),
        (false, State::OnHold | State::Active) => ("bad", "Not paid"),
        (false, State::Paused) => ("wait", "Paused"),
        (false, _) => ("bad", "Access ended"),
    };
    html! {
        tr data-subscription=(subscription_id) {
            td data-label="" { strong { (product) } br; code.muted { (subscription_id) } }
            td data-label="Access" { span class={ "pill " (tone) } { (text) } }
            td data-label="Since" { (since.strftime("%-d %b %Y, %H:%M UTC")) }
            td.r data-label="Paid until" {
                @match paid_until { Some(end) => (end.strftime("%-d %b %Y")), None => "–" }
            }
        }
    }
}

pub(crate) fn sign_in(chrome: Chrome<'_>) -> Markup {
    chrome.page(
        "Sign in",
        Tab::Account,
        html! {
            h1 { "Sign in" }
            div.card.pad.form.below {
                p.small.muted {
                    "This is a demo sign-in without a password, so it always opens a new account. "
                    "A visitor can enter only the accounts of this browser."
                }
                form.form method="post" action="/sign-in" {
                    label { "Name" input name="name" value="Ada Lovelace" required maxlength="80" autocomplete="name"; }
                    label { "E-mail, to fill in the checkout" input name="email" type="email" value="ada@example.com" maxlength="80" autocomplete="email"; }
                    button.button { "Open a demo account" }
                }
            }
        },
    )
}
