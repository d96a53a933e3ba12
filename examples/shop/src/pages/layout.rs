//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

use crate::{consent::Choice, session::Account};

/// The marked entry of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Shop,
    Account,
    Merchant,
    /// No entry.
    Elsewhere,
}

/// The data of the frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chrome<'a> {
    pub(crate) account: &'a Account,
    /// Where payments go, in words: `sandbox`, `test mode` or `live mode`.
    pub(crate) mode: &'a str,
    /// The URL of the dashboard for refunds, renewals and disputes.
    pub(crate) dashboard: Option<&'a str>,
    /// The web framework that serves this, for the foot of the page.
    pub(crate) framework: &'a str,
    /// The visitor's answer to the banner.
    pub(crate) choice: Choice,
    /// The address to return to from the banner.
    pub(crate) back: &'a str,
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
                body data-visit[self.choice == Choice::Granted] {
                    a.skip href="#content" { "Skip to the content" }
                    @if self.choice == Choice::Open { (self.banner()) }
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
                        (entry(Tab::Merchant, "/merchant", "Merchant"))
                    }
                    span.who { (self.account.display_name()) }
                }
            }
        }
    }

    /// The question. It covers nothing, and both answers look the same.
    fn banner(&self) -> Markup {
        html! {
            section.consent aria-labelledby="consent-title" {
                div.wrap {
                    div {
                        h2 #consent-title { "May this shop remember your visit?" }
                        p.small {
                            "With your consent, one cookie names this visit and one keeps the link that you followed. "
                            "The shop learns which link brought which sale. You can buy without it."
                        }
                    }
                    form.row method="post" action="/consent" {
                        input type="hidden" name="back" value=(self.back);
                        button.button.quiet name="choice" value="denied" { "Decline" }
                        button.button.quiet name="choice" value="granted" { "Accept" }
                    }
                }
            }
        }
    }

    /// The visitor's answer, and the way to another one.
    fn choice(&self) -> Markup {
        let text = match self.choice {
            Choice::Open => "Your visit is not remembered.",
            Choice::Granted => "Your visit is remembered.",
            Choice::Denied => "Your visit is not remembered, as you chose.",
            Choice::DeniedByBrowser => {
                "Your visit is not remembered: your browser sends Global Privacy Control."
            }
        };
        html! {
            form.choice method="post" action="/consent" {
                span { (text) }
                @if matches!(self.choice, Choice::Granted | Choice::Denied) {
                    input type="hidden" name="back" value=(self.back);
                    " " button.link name="choice" value="" { "Change" }
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
                    (self.choice())
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
