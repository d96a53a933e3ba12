//! The controls above a page: filters, period, currency.

use maud::{Markup, html};

use super::layout::Frame;
use crate::question::{Page, Period, Preset, Question, Versus};

/// The tabs of currencies and, on a page with a period, the conditions and the form of the period.
pub(super) fn controls(frame: &Frame<'_>, is_dated: bool) -> Markup {
    let question = frame.question;
    html! {
        div.controls {
            @if frame.currencies.len() > 1 && question.page != Page::Funnel {
                nav aria-label="Currency" { ul.tabs.small {
                    @for (unit, net) in frame.currencies {
                        @let mut other = question.at_the_top();
                        @let () = other.currency = Some(unit.currency);
                        li { a href=(other) aria-current=[(unit.currency == frame.unit.currency).then_some("true")] {
                            @if unit.has_symbol() { (unit.currency) " " }
                            span.hint { (unit.show_short(*net)) }
                        } }
                    }
                    li.hint { "net of all time" }
                } }
            }
            @if is_dated && (question.page == Page::Funnel || !frame.currencies.is_empty()) { (period(question)) }
        }
        @if is_dated && !frame.conditions.is_empty() {
            ul.chips aria-label="Conditions" {
                @for (condition, without) in frame.conditions {
                    li { bdi { (condition) } " "
                        a href=(without) aria-label=(format!("Remove {condition}")) { "×" } }
                }
            }
        }
    }
}

fn period(question: &Question) -> Markup {
    let days = match question.period {
        Period::Days(first, last) => Some((first, last)),
        Period::Preset(_) => None,
    };
    html! {
        form.period method="get" {
            @for (name, value) in kept(question) { input type="hidden" name=(name) value=(value); }
            label { "Period" select name=(if days.is_some() { "preset" } else { "range" }) {
                @if days.is_some() { option value="" selected { "These days" } }
                @for preset in Preset::ALL {
                    option value=(preset.name()) selected[question.period == Period::Preset(*preset)] { (preset.title()) }
                }
            } }
            label { "From" input type="date" name="from" value=[days.map(|(first, _)| first)]; }
            label { "To" input type="date" name="to" value=[days.map(|(_, last)| last)]; }
            @if question.page.compares() {
                label { "Against" select name="vs" {
                    @for (versus, title) in [(Versus::Before, "the period before"), (Versus::Year, "a year before"), (Versus::Nothing, "nothing")] {
                        option value=(versus.name()) selected[question.versus == versus] { (title) }
                    }
                } }
            }
            button { "Show" }
        }
    }
}

/// The form that finds a payment, a person or a subscription.
pub(super) fn search(question: &Question, label: &str) -> Markup {
    let payments = question.on(Page::Payments);
    html! {
        form.search method="get" role="search" {
            @for (name, value) in pairs(&payments) { input type="hidden" name=(name) value=(value); }
            input type="search" name="q" value=[question.search.as_ref()] autocomplete="off"
                aria-label=(label) placeholder=(label);
            button { "Find" }
        }
    }
}

/// The parameters that the form of the period keeps.
fn kept(question: &Question) -> Vec<(String, String)> {
    let mut other = question.at_the_top();
    other.period = Period::default();
    if question.page.compares() {
        other.versus = Versus::default();
    }
    pairs(&other)
}

fn pairs(question: &Question) -> Vec<(String, String)> {
    let query = question.to_string();
    let query = query.strip_prefix('?').unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
