//! Charts without an axis.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, HEIGHT};
use crate::format;

/// A line without numbers, for a tile. The tile says the number.
pub(crate) fn sparkline(values: &[i128]) -> Markup {
    if values.len() < 2 || values.iter().all(|value| *value == 0) {
        return html! {};
    }
    let high = values.iter().copied().max().unwrap_or_default();
    let low = values.iter().copied().min().unwrap_or_default();
    let axis = Axis::holding(low, high);
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{command}{} {}", at * 10, axis.y(*value));
    }
    let wide = (values.len() - 1) * 10;
    html! {
        svg.spark viewBox=(format!("0 0 {wide} {HEIGHT}")) preserveAspectRatio="none" aria-hidden="true" {
            path d=(path) {}
        }
    }
}

/// A step of a funnel.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) label: &'static str,
    pub(crate) count: u64,
}

/// The steps of a funnel, each with its share of the first step and of the step before.
pub(crate) fn steps(steps: &[Step]) -> Markup {
    let first = steps.first().map_or(0, |step| step.count);
    let shares = |part: u64, whole: u64| format::tenths(part.into(), whole.into());
    html! {
        ol.steps {
            @for (at, step) in steps.iter().enumerate() {
                @let of_first = shares(step.count, first);
                @let before = at.checked_sub(1).and_then(|before| steps.get(before));
                li {
                    span { (step.label) }
                    b { (format::count(step.count)) }
                    @if let (true, Some(share)) = (at > 0, of_first) { span { (format::percent(share)) " of the first step" } }
                    @if let Some(share) = before.filter(|_| at > 1).and_then(|before| shares(step.count, before.count)) {
                        span { (format::percent(share)) " of the step before" }
                    }
                    svg.bar aria-hidden="true" width="100%" height="10" {
                        rect width=(format!("{}%", of_first.unwrap_or(0).clamp(0, 1000) / 10)) height="10" {}
                    }
                }
            }
        }
    }
}
