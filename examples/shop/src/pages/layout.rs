//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

use crate::session::Account;

/// Where one is in the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Shop,
    Account,
    Revenue,
    /// None of them.
    Elsewhere,
}

/// What the frame around a page needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chrome<'a> {
    pub(crate) account: &'a Account,
    /// Where payments go, in words: `sandbox`, `test mode` or `live mode`.
    pub(crate) mode: &'a str,
    /// The dashboard in which one refunds, renews and disputes.
    pub(crate) dashboard: Option<&'a str>,
    /// The web framework that serves this, for the foot of the page.
    pub(crate) framework: &'a str,
}

impl Chrome<'_> {
    /// A whole page.
    pub(crate) fn page(&self, title: &str, tab: Tab, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · Kestrel & Pine" }
                    link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/shop.css";
                    script src="/assets/shop.js" defer {}
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (self.head(tab))
                    main #content .wrap { (content) }
                    (self.foot())
                }
            }
        }
    }

    fn head(&self, tab: Tab) -> Markup {
        let entry = |target: Tab, href: &str, text: &str| {
            html! { a href=(href) aria-current=[(tab == target).then_some("page")] { (text) } }
        };
        html! {
            header.head {
                div.wrap {
                    a.brand href="/" {
                        svg viewBox="0 0 32 32" aria-hidden="true" { (mark()) }
                        "Kestrel & Pine"
                    }
                    nav aria-label="Pages" {
                        (entry(Tab::Shop, "/", "Shop"))
                        (entry(Tab::Account, "/account", "Account"))
                        (entry(Tab::Revenue, "/revenue", "Revenue"))
                    }
                    span.who { (self.account.display_name()) }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        html! {
            footer.foot {
                div.wrap {
                    span {
                        "An example shop on " (self.framework) ". Payments: Dodo Payments, " (self.mode) "."
                        @if let Some(dashboard) = self.dashboard {
                            " " a href=(dashboard) target="_blank" rel="noopener" { "Open the sandbox dashboard" }
                            " to refund, renew or dispute."
                        }
                    }
                    span { "One first-party cookie names your visit; Global Privacy Control is honoured." }
                }
            }
        }
    }
}

/// The shop's mark: a bird over a tree line.
pub(crate) fn mark() -> Markup {
    html! {
        path d="M4 13c5-6 9-6 12-1 3-5 7-5 12 1-5-2-8-2-12 3-4-5-7-5-12-3z" fill="#a8451f" {}
        path d="M7 28l4-7 4 7zM14 28l5-9 5 9z" fill="#5f6f33" {}
    }
}
