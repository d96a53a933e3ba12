//! The landing page.

use maud::{Markup, html};

use super::{Chrome, Tab};
use crate::{art, catalog::Product, consent::Choice, money};

/// The captured data of this visit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trail<'a> {
    pub(crate) visitor: Option<&'a str>,
    pub(crate) campaign: Option<&'a dodo_core::capture::Campaign>,
}

/// `goods`: the products, and whether the account has a subscription of each.
pub(crate) fn storefront(
    chrome: Chrome<'_>,
    goods: Vec<(&Product, bool)>,
    trail: Trail<'_>,
) -> Markup {
    chrome.page(
        "Shop",
        Tab::Shop,
        html! {
            div.hero {
                h1 { "Paper for the long way home" }
                p { "Notebooks, prints and washi from a small press. Made in short runs, sent in plain boxes." }
            }
            p.note #buy-note role="alert" hidden {}
            @if goods.is_empty() {
                div.card.empty {
                    p { "There is nothing to sell yet: this Dodo Payments account has no products." }
                }
            }
            div.goods { @for (product, is_subscribed) in goods { (card(product, is_subscribed)) } }
            div.trail {
                section { h2 { "How this shop knows" } (steps()) }
                section { h2 { "Your visit" } (visit(chrome.choice, trail)) }
            }
        },
    )
}

fn card(product: &Product, is_subscribed: bool) -> Markup {
    let id = product.id.as_str();
    html! {
        article.card.good-card id=(id) {
            (art::picture(id, product.every.is_some()))
            div.body {
                h3 { (product.name) }
                p { (product.description) }
                div.between {
                    span.price.num {
                        (money::display(product.price, product.currency, product.exponent))
                        @if let Some(every) = &product.every { small { " a " (every) } }
                    }
                    @if is_subscribed {
                        a.button.quiet href="/account" { "In your account" }
                    } @else {
                        button.button data-buy=(id) {
                            @if product.every.is_some() { "Subscribe" } @else { "Buy" }
                        }
                    }
                }
            }
        }
    }
}

fn steps() -> Markup {
    html! {
        ol.steps.small {
            li { span { "If you accept, your browser names this visit in one readable cookie, " code { "visitor" }
                ", and the shop remembers the campaign of the link you followed." } }
            li { span { "At checkout, both go into the payment's metadata. You never see it, and neither does a form field." } }
            li { span { "Dodo Payments takes the money and sends a signed webhook. It ships your order and opens your access; the redirect does not." } }
            li { span { "The same webhook books the payment: the " a href="/revenue" { "dashboard" }
                " shows which visitor and campaign earned it." } }
        }
    }
}

fn visit(choice: Choice, trail: Trail<'_>) -> Markup {
    let row = |name: &str, value: Option<&str>| {
        html! { dt { (name) } dd { @match value { Some(v) => code { (v) }, None => span.muted { "none" } } } }
    };
    let campaign = trail.campaign;
    html! {
        div.card.pad {
            @if choice != Choice::Granted {
                p.muted {
                    @match choice {
                        Choice::DeniedByBrowser => "Your browser asks every site not to track it (Global Privacy Control)."
                        Choice::Denied => "You declined."
                        _ => "You have not answered the question at the top."
                    }
                    " The shop captures nothing, and everything else works."
                }
            } @else {
                dl.facts.small {
                    (row("Visitor", trail.visitor))
                    (row("Source", campaign.and_then(|c| c.source.as_deref())))
                    (row("Medium", campaign.and_then(|c| c.medium.as_deref())))
                    (row("Campaign", campaign.and_then(|c| c.campaign_id.as_deref())))
                }
                @if campaign.is_none_or(dodo_core::capture::Campaign::is_empty) {
                    p.small.muted { "Come by a campaign: "
                        a href="/?utm_source=newsletter&utm_medium=email&utm_campaign=autumn" { "the autumn newsletter" } " or "
                        a href="/?utm_source=instagram&utm_medium=social&utm_campaign=washi" { "a post about washi" } "." }
                }
            }
        }
    }
}
