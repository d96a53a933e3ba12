//! Charts without an axis.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, HEIGHT};

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
