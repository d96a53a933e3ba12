//! The account page: subscriptions, payments, and their actions.

use dodo_billing::{
    AccessSource, AccessState, ChangePreview, ChangeWhen, Reason, ReasonCode, SourceKind,
};
use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::{
    account::{AccountView, Paid},
    catalog::{Catalog, Product},
    money,
};

pub(crate) fn account(chrome: Chrome<'_>, tag: &str, live: Markup) -> Markup {
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
            div.stack data-live="/live/account" data-tag=(tag) aria-live="polite" { (live) }
        },
    )
}

/// The part that changes when a webhook arrives.
pub(crate) fn account_live(catalog: &Catalog, view: &AccountView) -> Markup {
    let AccountView { access, payments } = view;
    html! {
        section.card.overflow #subscriptions {
            div.caption.between {
                h2 { "Subscriptions" }
                @if !access.sources().is_empty() {
                    form method="post" action="/billing/portal" {
                        button.button.quiet { "Manage in the portal" }
                    }
                }
            }
            @if access.subscriptions().next().is_none() {
                p.empty { "No subscription yet." }
            } @else {
                table.table {
                    thead { tr { th { "Subscription" } th { "State" } th { "Why" } th.r { "Change" } } }
                    tbody { @for source in access.subscriptions() { (subscription(catalog, source)) } }
                }
            }
        }
        section.card.overflow #payments {
            div.caption { h2 { "Payments" } }
            @if payments.is_empty() {
                p.empty { "No payment yet. " a href="/" { "To the shop" } }
            } @else {
                table.table {
                    thead { tr { th { "For" } th { "State" } th { "Date" } th.r { "Paid" } } }
                    tbody { @for paid in payments { (payment_row(paid)) } }
                }
            }
        }
    }
}

fn subscription(catalog: &Catalog, source: &AccessSource) -> Markup {
    let SourceKind::Subscription(id) = &source.kind else { return html! {} };
    let product = source.product.as_deref().unwrap_or("Subscription");
    let (tone, text) = pill(source.state);
    html! {
        tr data-subscription=(id) data-state=(source.state.as_str()) data-reason=(source.reason.code) {
            td data-label="" { strong { (catalog.name(product)) } br; code.muted { (id) } }
            td data-label="State" { span class={ "pill " (tone) } { (text) } }
            td data-label="Why" {
                span.reason { (source.reason) }
                @if let Some(change) = &source.scheduled_change {
                    span.scheduled { " It changes to " (catalog.name(&change.product_id)) "." }
                }
                @if source.is_live() { br; a href="/members" { "To the print archive" } }
            }
            td.r data-label="Change" { (actions(catalog, source, id)) }
        }
    }
}

/// The color and the label of a state.
fn pill(state: AccessState) -> (&'static str, &'static str) {
    match state {
        AccessState::Active => ("good", "Active"),
        AccessState::Trialing => ("good", "Trial"),
        AccessState::Cancelled => ("wait", "Canceled"),
        AccessState::Grace => ("wait", "Open for now"),
        AccessState::Paused => ("wait", "Paused"),
        AccessState::Ended => ("bad", "Ended"),
        AccessState::None => ("bad", "Not started"),
    }
}

/// The forms of the actions that work in this state. Each form is for a route of billing.
fn actions(catalog: &Catalog, source: &AccessSource, id: &str) -> Markup {
    let runs = matches!(source.state, AccessState::Active | AccessState::Trialing);
    let is_scheduled =
        matches!(source.reason.code, ReasonCode::CancelScheduled | ReasonCode::TrialCancelled);
    let can_resume = source.state == AccessState::Paused || is_scheduled;
    let others = catalog.products().iter().filter(|product| {
        product.every.is_some() && Some(product.id.as_str()) != source.product.as_deref()
    });
    html! {
        div.actions {
            @if source.recoverable { (action(id, "payment-method", None, "Pay with another card")) }
            @if can_resume { (action(id, "resume", None, "Resume")) }
            @if source.scheduled_change.is_some() { (action(id, "change/drop", None, "Keep this plan")) }
            @else if runs {
                @for other in others {
                    a href={ "/change?product=" (other.id) "&subscription=" (id) } { "Change to " (other.name) }
                }
            }
            @if runs {
                (action(id, "cancel", Some("period_end"), "Cancel"))
                (action(id, "cancel", Some("now"), "Cancel now"))
            }
        }
    }
}

fn action(id: &str, route: &str, when: Option<&str>, text: &str) -> Markup {
    html! {
        form method="post" action={ "/billing/" (route) } {
            input type="hidden" name="subscription" value=(id);
            @if let Some(when) = when { input type="hidden" name="when" value=(when); }
            button.link { (text) }
        }
    }
}

pub(crate) fn payment_row(paid: &Paid) -> Markup {
    let line = &paid.line;
    let (tone, state) = match line.refunded {
        part if part >= line.amount && part > 0 => ("bad", "Refunded"),
        part if part > 0 => ("wait", "Partly refunded"),
        _ if paid.is_disputed => ("bad", "Disputed"),
        _ if paid.is_shipped => ("good", "Fulfilled"),
        _ => ("good", "Paid"),
    };
    let exponent = line.currency.exponent();
    html! {
        tr data-payment=(line.id) data-order[paid.is_order] {
            td data-label="" { strong { (paid.name) } br; code.muted { (line.id) } }
            td data-label="State" { span class={ "pill " (tone) } { (state) } }
            td data-label="Date" { (line.at.strftime("%-d %b %Y")) }
            td.r.num data-label="Paid" {
                (money::display(line.amount, line.currency, exponent))
                @if line.refunded != 0 {
                    br; span.neg.small { (money::display(line.refunded.saturating_neg(), line.currency, exponent)) }
                }
                br; a.small href={ "/billing/invoices/" (line.id) } { "Invoice" }
            }
        }
    }
}

/// The price of another plan, or the reason why there is none.
pub(crate) fn change(
    chrome: Chrome<'_>,
    product: &Product,
    price: Result<&ChangePreview, &dodo_core::Error>,
) -> Markup {
    let money = |minor| money::display(minor, product.currency, product.exponent);
    chrome.page(
        "Change",
        Tab::Account,
        html! {
            h1 { "Change to " (product.name) }
            div.card.pad.form.below {
                @match price {
                    Ok(price) => {
                        p.price.num #due { (money(price.due_now)) small { " now, with tax" } }
                        p.muted #when {
                            @match price.when {
                                ChangeWhen::Now => "The change begins now. The rest of the paid period is set off.",
                                ChangeWhen::PeriodEnd => "The change begins with the next period.",
                            }
                            @if let Some(then) = price.then {
                                " Then " (money(then))
                                @if let Some(every) = &product.every { " a " (every) }
                                ", before tax."
                            }
                        }
                        form method="post" action="/billing/change" {
                            input type="hidden" name="quote" value=(price.quote);
                            button.button { "Change the plan" }
                        }
                    }
                    Err(reason) => p.note { "There is no price: " (reason.message()) "." }
                }
                a href="/account" { "Back to the account" }
            }
        },
    )
}

/// The page that a plan opens.
pub(crate) fn members(chrome: Chrome<'_>, reason: &Reason) -> Markup {
    chrome.page(
        "Print archive",
        Tab::Account,
        html! {
            h1 { "The print archive" }
            p.muted { "Every linocut since the first one, for members." }
            p.reason { (reason) }
            div.row { a.button.quiet href="/account" { "To your account" } }
        },
    )
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
                    label { "E-mail, to find your visit again" input name="email" type="email" value="ada@example.com" maxlength="80" autocomplete="email"; }
                    button.button { "Open a demo account" }
                }
            }
        },
    )
}
