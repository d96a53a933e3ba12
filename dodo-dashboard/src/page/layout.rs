//! The frame of a page.

use jiff::{Zoned, tz::TimeZone};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    block::Block,
    controls::{controls, search},
};
use crate::{
    format::Unit,
    question::{Mode, Notice, Page, Question},
    range::minute,
};

/// The content of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    pub(crate) heading: String,
    /// The page of the object that a search found.
    pub(crate) found: Option<Page>,
    pub(crate) blocks: Vec<Block>,
}

/// The data of the frame.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) back: Option<&'a (String, String)>,
    pub(crate) style: &'a str,
    pub(crate) script: &'a str,
    pub(crate) tag: &'a str,
    pub(crate) question: &'a Question,
    pub(crate) notices: &'a [Notice],
    /// The values that the search finds.
    pub(crate) search_label: &'a str,
    /// The conditions in words, each with the question without it.
    pub(crate) conditions: &'a [(String, Question)],
    /// Each with its net.
    pub(crate) currencies: &'a [(Unit, i128)],
    pub(crate) unit: Unit,
    pub(crate) mode: Mode,
    pub(crate) pages: &'a [Page],
    pub(crate) now: &'a Zoned,
}

impl Frame<'_> {
    /// The whole page.
    pub(crate) fn page(&self, sheet: &Sheet) -> Markup {
        let question = self.question;
        // A search finds one object, of any time.
        let is_dated = question.search.is_none()
            && !matches!(
                question.page,
                Page::Payment
                    | Page::Person
                    | Page::Subscription
                    | Page::Subscriptions
                    | Page::Deliveries
                    | Page::Settings
            );
        let title = format!("{} · {}", sheet.heading, self.title);
        let tab = sheet.found.unwrap_or(question.page).tab();
        document(
            &title,
            self.style,
            Some(self.script),
            html! {
                a.skip href="#main" { "Skip to the numbers" }
                header {
                    div.brand {
                        @if let Some((to, label)) = self.back { a.back href=(to) { "← " (label) } }
                        p.title { a href="?" { (self.title) } }
                        @if self.mode == Mode::Test { span.badge { "TEST" } }
                        span.status role="status" {}
                        (search(question, self.search_label))
                    }
                    nav aria-label="Pages" { ul.tabs {
                        @for page in self.pages {
                            li { a href=(question.on(*page)) aria-current=[(tab == *page).then_some("page")] { (page.title()) } }
                        }
                    } }
                }
                main id="main" data-tag=(self.tag) {
                    h1 { bdi { (sheet.heading) } }
                    @if is_dated || question.page == Page::Subscriptions { (controls(self, is_dated)) }
                    @if self.mode == Mode::Test && question.page == Page::Overview { p.note { "These numbers are from test mode." } }
                    @for notice in self.notices { p.note.warning { (notice) } }
                    (self.live(sheet))
                }
            },
        )
    }

    /// The part that changes.
    pub(crate) fn live(&self, sheet: &Sheet) -> Markup {
        let zone = self.now.time_zone();
        html! {
            div id="live" {
                @for block in &sheet.blocks { (block.html(self.question, zone)) }
                p.foot {
                    "As of " time datetime=(self.now.timestamp()) { (minute(self.now).strftime("%-d %b %Y, %H:%M")) }
                    ", " (zone_name(zone)) ". Net: after refunds and disputes, without tax, before the fees of Dodo Payments."
                }
            }
        }
    }
}

/// The name of the books' zone.
pub(crate) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// A page with one message.
pub(crate) fn message(title: &str, text: &str, style: &str) -> Markup {
    document(title, style, None, html! { main id="main" { h1 { (title) } p { (text) } } })
}

fn document(title: &str, style: &str, script: Option<&str>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                // Without it the browser asks the app for an icon on each page.
                link rel="icon" href="data:,";
                style { (PreEscaped(style)) }
            }
            body {
                (body)
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    }
}
