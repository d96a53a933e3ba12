//! The controls above a page: filters, period, currency.

use maud::{Markup, html};

use super::layout::Frame;
use crate::load::none_label;
use crate::question::{Condition, Page, Period, Preset, Question, Versus};

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
                } }
            }
            @if is_dated && (question.page == Page::Funnel || !frame.currencies.is_empty()) { (period(question)) }
        }
        @if is_dated && !question.conditions.is_empty() {
            ul.chips aria-label="Conditions" {
                @for condition in &question.conditions {
                    li { bdi { (sentence(condition)) } " "
                        a href=(question.without(condition)) aria-label=(format!("Remove {}", sentence(condition))) { "×" } }
                }
            }
        }
    }
}

fn sentence(condition: &Condition) -> String {
    let value = condition.value.as_deref().unwrap_or(none_label(condition.by));
    let verb = if condition.excluded { "is not" } else { "is" };
    format!("{} {verb} {value}", condition.by.title())
}

fn period(question: &Question) -> Markup {
    let days = match question.period {
        Period::Days(first, last) => Some((first, last)),
        Period::Preset(_) => None,
    };
    html! {
        form.period method="get" {
            @for (name, value) in kept(question) { input type="hidden" name=(name) value=(value); }
            label { "Period" select name="range" {
                @if days.is_some() { option value="" selected { "These days" } }
                @for preset in Preset::ALL {
                    option value=(preset.name()) selected[question.period == Period::Preset(*preset)] { (preset.title()) }
                }
            } }
            label { "From" input type="date" name="from" value=[days.map(|(first, _)| first)]; }
            label { "To" input type="date" name="to" value=[days.map(|(_, last)| last)]; }
            label { "Against" select name="vs" {
                @for (versus, title) in [(Versus::Before, "the period before"), (Versus::Year, "a year before"), (Versus::Nothing, "nothing")] {
                    option value=(versus.name()) selected[question.versus == versus] { (title) }
                }
            } }
            button { "Show" }
        }
    }
}

/// The form that finds an object by its id.
pub(super) fn search(question: &Question, label: &str) -> Markup {
    let mut other = question.at_the_top();
    other.search = None;
    html! {
        form.search method="get" role="search" {
            @for (name, value) in pairs(&other) { input type="hidden" name=(name) value=(value); }
            label { (label) input type="search" name="q" value=[question.search.as_ref()] autocomplete="off"; }
            button { "Find" }
            @if question.search.is_some() { a href=(other) { "All payments" } }
        }
    }
}

/// The parameters that the form of the period keeps.
fn kept(question: &Question) -> Vec<(String, String)> {
    let mut other = question.at_the_top();
    (other.period, other.versus) = (Period::default(), Versus::default());
    pairs(&other)
}

fn pairs(question: &Question) -> Vec<(String, String)> {
    let query = question.to_string();
    let query = query.strip_prefix('?').unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
