use std::fmt::Write;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Axis, Chart, Series, axis::HEIGHT, short};
use crate::question::Question;

/// The width of a column with its gaps, in the units of the chart.
const COLUMN: usize = 100;
/// The gap on each side of a column.
const GAP: usize = 12;
/// The most names on the axis of time.
const MOST_LABELS: usize = 6;

impl Chart {
    /// The chart, its legend, and its table behind a fold.
    pub(crate) fn figure(&self, question: &Question, zone: &TimeZone) -> Markup {
        let heading = format!("c-{}", self.name);
        html! {
            section.card.chart data-key=(self.name) {
                h2 id=(heading) { (self.title) }
                @if self.buckets.is_empty() || self.is_flat() {
                    p.empty { "Nothing in this period." }
                } @else {
                    (self.legend())
                    div.plotbox tabindex="0" role="region" aria-labelledby=(heading) { (self.plot(question)) }
                }
                @if !self.buckets.is_empty() {
                    details { summary { "Show as table" }
                        (self.table(question).grid(question, zone, Some(&heading)))
                    }
                }
            }
        }
    }

    fn is_flat(&self) -> bool {
        let mut all = self.stacks.iter().chain(&self.lines).flat_map(|series| &series.values);
        all.all(|value| *value == 0)
    }

    fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for series in &self.stacks {
                    li { svg.key aria-hidden="true" width="12" height="12" { rect.(series.color.class()) width="12" height="12" rx="2" {} } (short(&series.label)) }
                }
                @for series in &self.lines {
                    li { svg.key aria-hidden="true" width="20" height="12" { line.line.(series.color.class()) x1="0" x2="20" y1="6" y2="6" {} } (short(&series.label)) }
                }
                @if self.buckets.last().is_some_and(|bucket| bucket.running) {
                    li { svg.key aria-hidden="true" width="12" height="12" { rect.running width="12" height="12" {} } "not yet complete" }
                }
            }
        }
    }

    fn plot(&self, question: &Question) -> Markup {
        let axis = self.axis();
        let width = self.buckets.len() * COLUMN;
        html! {
            div.plot {
                svg.ys aria-hidden="true" {
                    @for tick in axis.values() {
                        text x="100%" y=(percent(axis.y(tick), HEIGHT)) { (self.unit.show_short(tick)) }
                    }
                }
                svg.area viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="group" aria-label=(self.title) {
                    @for tick in axis.values() {
                        @let y = axis.y(tick);
                        line.grid.zero[tick == 0] x1="0" x2=(width) y1=(y) y2=(y) {}
                    }
                    @if let Some(at) = self.buckets.iter().position(|bucket| bucket.running) {
                        rect.running x=(at * COLUMN) width=(COLUMN) height=(HEIGHT) {}
                    }
                    @for (series, path) in self.stacks.iter().zip(self.stacked(&axis)) {
                        @if !path.is_empty() { path.(series.color.class()) d=(path) {} }
                    }
                    @for series in &self.lines {
                        path.line.(series.color.class()) d=(line(series, &axis)) {}
                    }
                    @for (at, bucket) in self.buckets.iter().enumerate() {
                        a.col href=(question.zoomed(bucket, self.interval)) tabindex="-1" {
                            title { (self.sentence(at, bucket)) }
                            rect x=(at * COLUMN) width=(COLUMN) height=(HEIGHT) {}
                        }
                    }
                }
                svg.xs aria-hidden="true" {
                    @let step = self.buckets.len().div_ceil(MOST_LABELS).max(1);
                    @for (at, bucket) in self.buckets.iter().enumerate().step_by(step) {
                        @let middle = i128::try_from(at * COLUMN + COLUMN / 2).unwrap_or_default();
                        text x=(percent(middle, i128::try_from(width).unwrap_or(1))) y="14" { (bucket.label(self.interval)) }
                    }
                }
            }
        }
    }

    fn axis(&self) -> Axis {
        let (mut low, mut high) = (0_i128, 0_i128);
        for at in 0..self.buckets.len() {
            let values = || self.stacks.iter().filter_map(|series| series.values.get(at));
            high = high.max(values().filter(|value| **value > 0).sum());
            low = low.min(values().filter(|value| **value < 0).sum());
        }
        for value in self.lines.iter().flat_map(|series| &series.values) {
            (low, high) = (low.min(*value), high.max(*value));
        }
        Axis::holding(low, high)
    }

    /// The rectangles of each series as one path.
    fn stacked(&self, axis: &Axis) -> Vec<String> {
        let mut ends = vec![(0_i128, 0_i128); self.buckets.len()];
        let wide = COLUMN - 2 * GAP;
        let path = |series: &Series| {
            let mut path = String::new();
            for (at, (value, (up, down))) in series.values.iter().zip(&mut ends).enumerate() {
                if *value == 0 {
                    continue;
                }
                let end = if *value > 0 { up } else { down };
                let start = *end;
                *end += value;
                let (top, bottom) = (axis.y(start.max(*end)), axis.y(start.min(*end)));
                // Small amounts stay visible.
                let tall = (bottom - top).max(3);
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {top}h{wide}v{tall}h-{wide}z", at * COLUMN + GAP);
            }
            path
        };
        self.stacks.iter().map(path).collect()
    }
}

/// A line through the middle of each column. One column is a short line.
fn line(series: &Series, axis: &Axis) -> String {
    let mut path = String::new();
    for (at, value) in series.values.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", at * COLUMN + COLUMN / 2, axis.y(*value));
    }
    if series.values.len() == 1 {
        let _ = write!(path, "h{}", COLUMN / 2);
    }
    path
}

/// `part` of `whole` as a percentage of two decimals.
fn percent(part: i128, whole: i128) -> String {
    let hundredths = part * 10_000 / whole.max(1);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{chart::Color, format::Unit, question::Interval, range::Bucket};

    fn chart(stacks: &[(&str, &[i128])]) -> Chart {
        let bucket =
            |day: i8, running| Bucket { starts: date(2026, 11, day).at(0, 0, 0, 0), running };
        Chart {
            name: "net",
            title: "Net by day".to_owned(),
            unit: Unit::from_code("USD"),
            interval: Interval::Day,
            buckets: vec![bucket(3, false), bucket(4, true)],
            stacks: stacks
                .iter()
                .enumerate()
                .map(|(at, (label, values))| Series {
                    label: (*label).to_owned(),
                    color: Color::Of(at),
                    values: values.to_vec(),
                })
                .collect(),
            lines: Vec::new(),
            totals: true,
        }
    }

    fn drawn(chart: &Chart) -> String {
        chart.figure(&Question::default(), &TimeZone::UTC).into_string()
    }

    #[test]
    fn columns_are_stacked_from_zero_in_both_directions() {
        let svg = drawn(&chart(&[("newsletter", &[150_000, -50_000]), ("x.com", &[50_000, 0])]));
        // The axis goes from −$500 to $2,000: a fifth of the height lies below zero.
        for part in [
            "viewBox=\"0 0 200 1000\"",
            "<path class=\"s0\" d=\"M12 200h76v600h-76zM112 800h76v200h-76z\">",
            "<path class=\"s1\" d=\"M12 0h76v200h-76z\">",
            "<title>3 Nov 2026: total $2,000.00; newsletter $1,500.00; x.com $500.00</title>",
            "<title>4 Nov 2026 (not yet complete): total −$500.00; newsletter −$500.00</title>",
            "href=\"?range=2026-11-03..2026-11-03\"",
            "<rect class=\"running\" x=\"100\" width=\"100\" height=\"1000\">",
        ] {
            assert!(svg.contains(part), "{part}\n{svg}");
        }
        assert!(!svg.contains(" style="), "{svg}");
    }

    #[test]
    fn chart_table_has_every_number_of_the_chart() {
        let chart = chart(&[("newsletter", &[150_000, -50_000]), ("<b>", &[1, 0])]);
        let svg = drawn(&chart);
        let table = svg.split("<details").nth(1).unwrap();
        for text in ["$1,500.00", "−$500.00", "$0.01", "$1,500.01", "&lt;b&gt;"] {
            assert!(table.contains(text), "{text}\n{table}");
        }
        assert!(!svg.contains("<b>"));
    }

    #[test]
    fn chart_of_nothing_shows_a_sentence() {
        let svg = drawn(&chart(&[("newsletter", &[0, 0])]));
        assert!(svg.contains("Nothing in this period.") && !svg.contains("<path"), "{svg}");
        let mut none = chart(&[]);
        none.buckets.clear();
        assert!(drawn(&none).contains("Nothing in this period."));
    }
}
