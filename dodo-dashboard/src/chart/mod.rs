//! Charts as SVG, with the same numbers as a table beside each.
//!
//! Geometry is in integers, and position is in attributes: a strict Content-Security-Policy forbids
//! `style=`.

mod axis;
mod draw;
mod small;

pub(crate) use self::{axis::Axis, small::sparkline};
use crate::{
    format::Unit,
    question::{Interval, Question},
    range::Bucket,
    table::{Cell, Column, Kind, Row, Table},
};

/// The most series with a color of their own.
pub(crate) const COLORS: usize = 5;

/// The color of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    /// One of [`COLORS`].
    Of(usize),
    /// The sum of smaller series.
    Other,
    /// Not attributed money.
    NotAttributed,
    /// Of a line.
    Main,
    /// The line of the period before.
    Before,
}

impl Color {
    /// The class of the style sheet.
    fn class(self) -> String {
        match self {
            Self::Of(at) => format!("s{}", at % COLORS),
            Self::Other => "other".to_owned(),
            Self::NotAttributed => "unknown".to_owned(),
            Self::Main => "main".to_owned(),
            Self::Before => "before".to_owned(),
        }
    }
}

/// Amounts, one for each column.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) color: Color,
    pub(crate) values: Vec<i128>,
}

/// A chart of columns, stacked up and down from zero, with at most two lines over them.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) interval: Interval,
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) stacks: Vec<Series>,
    pub(crate) lines: Vec<Series>,
    /// Whether the stacks add up to a total.
    pub(crate) totals: bool,
}

impl Chart {
    fn total(&self, at: usize) -> i128 {
        self.stacks.iter().filter_map(|series| series.values.get(at)).sum()
    }

    /// The numbers of a column in words.
    fn sentence(&self, at: usize, bucket: &Bucket) -> String {
        let mut text = bucket.name(self.interval);
        if bucket.running {
            text.push_str(" (not yet complete)");
        }
        text.push(':');
        if self.totals {
            text.push_str(&format!(" total {};", self.unit.show(self.total(at))));
        }
        let series =
            self.stacks.iter().filter(|series| series.values.get(at).is_some_and(|v| *v != 0));
        for series in series.chain(&self.lines) {
            let value = series.values.get(at).copied().unwrap_or_default();
            text.push_str(&format!(" {} {};", short(&series.label), self.unit.show(value)));
        }
        text.pop();
        text
    }

    /// The same numbers as a table.
    pub(crate) fn table(&self, question: &Question) -> Table {
        let starts = Column::new("starts", "From", Kind::Text);
        let mut columns = vec![starts];
        columns.extend(self.totals.then(|| Column::new("total", "Total", Kind::Money)));
        columns.extend(
            self.stacks.iter().chain(&self.lines).map(|series| Column::from_value(&series.label)),
        );
        let mut table = Table::new(self.name, self.title.clone(), &columns, self.unit);
        let rows = self.buckets.iter().enumerate().map(|(at, bucket)| {
            let mut cells = vec![Cell::Bucket(bucket.starts, bucket.name(self.interval))];
            cells.extend(self.totals.then(|| Cell::Money(self.total(at))));
            let series = self.stacks.iter().chain(&self.lines);
            cells.extend(series.map(|series| Cell::money(series.values.get(at).copied())));
            Row::new(cells).linked(question.zoomed(bucket, self.interval))
        });
        table.rows = rows.collect();
        table
    }
}

/// A name that a tooltip, a legend and a line have room for.
pub(crate) fn short(label: &str) -> String {
    const ROOM: usize = 40;
    if label.chars().count() <= ROOM {
        return label.to_owned();
    }
    label.chars().take(ROOM - 1).chain(['…']).collect()
}
