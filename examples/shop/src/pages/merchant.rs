//! The merchant's page.

use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::year::Year;

/// The way to the dashboard, and a year of business for an empty one. `year` is `None` without a sandbox.
pub(crate) fn merchant(chrome: Chrome<'_>, tag: &str, year: Option<Year>) -> Markup {
    chrome.page(
        "Merchant",
        Tab::Merchant,
        html! {
            h1 { "For the merchant" }
            p.muted { "Revenue by visitor and campaign, payments, customers, subscriptions and deliveries." }
            div.row.below { a.button href="/revenue" { "Open the dashboard" } }
            @if let Some(year) = year {
                div.below data-live="/live/merchant" data-tag=(tag) aria-live="polite" { (merchant_live(year)) }
            }
        },
    )
}

/// The part that changes while the year arrives.
pub(crate) fn merchant_live(year: Year) -> Markup {
    html! {
        div.card.pad.year {
            h2 { "A year of business" }
            @match year {
                Year::NotAsked | Year::Failed => {
                    @if year == Year::Failed { p.note { "The year did not arrive. The log has the reason." } }
                    p.muted {
                        "A new shop has nothing to show. A sandbox can send it a year of sales, renewals, refunds "
                        "and disputes, as signed webhooks."
                    }
                    form method="post" action="/merchant/year" { button.button.quiet { "Fill with a year of business" } }
                }
                Year::Running => p role="status" { "The events of the year arrive. The dashboard shows them as they are booked." }
                Year::Done { events } => p role="status" { "The year arrived: " (events) " events." }
            }
        }
    }
}

/// The answer to everyone else.
pub(crate) fn merchant_only(chrome: Chrome<'_>) -> Markup {
    let text = "Only the merchant may see the revenue. Open the link that the shop printed when it started.";
    super::notice::notice(chrome, "For the merchant", text)
}
