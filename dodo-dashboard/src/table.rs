//! Tables: one description for HTML, JSON and CSV.

use std::borrow::Cow;

use dodo_ledger::query::csv_text;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::{
    format::{self, Change, NOTHING, Unit},
    question::{Format, Question, Sort},
};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// An id, shown in full and in a fixed-width font.
    Id,
    /// Minor units of the table's currency.
    Money,
    Count,
    /// Tenths of a percent.
    Percent,
    /// Hundredths.
    Ratio,
    Change,
    Time,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "id",
            Self::Money => "money",
            Self::Count => "count",
            Self::Percent => "percent",
            Self::Ratio => "ratio",
            Self::Change => "change",
            Self::Time => "time",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::Money | Self::Count | Self::Percent | Self::Ratio | Self::Change)
    }
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The name in files. It never changes its meaning.
    pub(crate) name: Cow<'static, str>,
    pub(crate) title: Cow<'static, str>,
    pub(crate) kind: Kind,
    /// The sort order of the table by this column.
    pub(crate) sort: Option<Sort>,
}

impl Column {
    pub(crate) const fn new(name: &'static str, title: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), title: Cow::Borrowed(title), kind, sort: None }
    }

    /// A column with the amounts of one value, such as a campaign.
    pub(crate) fn from_value(value: &str) -> Self {
        let label = || Cow::Owned(value.to_owned());
        Self { name: label(), title: label(), kind: Kind::Money, sort: None }
    }

    pub(crate) const fn sorted_by(mut self, sort: Sort) -> Self {
        self.sort = Some(sort);
        self
    }
}

/// A value of a table. Its kind is that of the column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Not known, or not defined.
    Nothing,
    Text(String),
    Money(i128),
    Count(u64),
    Percent(i128),
    Ratio(i64),
    Change(Change),
    Time(Timestamp),
    /// The time at which a column of a chart begins, and its name.
    Bucket(DateTime, String),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn percent(tenths: Option<i128>) -> Self {
        tenths.map_or(Self::Nothing, Self::Percent)
    }

    pub(crate) fn money(minor: Option<i128>) -> Self {
        minor.map_or(Self::Nothing, Self::Money)
    }

    pub(crate) fn time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Nothing, Self::Time)
    }

    pub(crate) fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Nothing, Self::text)
    }

    /// The formatted text of the value.
    pub(crate) fn show(&self, unit: Unit, zone: &TimeZone) -> String {
        match self {
            Self::Nothing => NOTHING.to_owned(),
            Self::Text(text) => text.clone(),
            Self::Money(minor) => unit.show(*minor),
            Self::Count(count) => format::count(*count),
            Self::Percent(tenths) => format::percent(*tenths),
            Self::Ratio(hundredths) => format::ratio(*hundredths),
            Self::Change(change) => change.show(unit),
            Self::Time(at) => at.to_zoned(zone.clone()).strftime("%-d %b %Y, %H:%M").to_string(),
            Self::Bucket(_, name) => name.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => text.as_str().into(),
            // Sums beyond 64 bits are texts, as JSON numbers lose digits.
            Self::Money(minor) => {
                i64::try_from(*minor).map_or_else(|_| minor.to_string().into(), Value::from)
            }
            Self::Count(count) => (*count).into(),
            Self::Percent(tenths)
            | Self::Change(Change::Percent(tenths) | Change::Points(tenths)) => {
                format::decimal(*tenths).into()
            }
            Self::Ratio(hundredths) => {
                format::ratio(*hundredths).parse::<f64>().map_or(Value::Null, Value::from)
            }
            Self::Change(_) => Value::Null,
            Self::Time(at) => at.to_string().into(),
            Self::Bucket(starts, _) => starts.to_string().into(),
        }
    }

    fn csv(&self, unit: Unit) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => csv_text(text),
            Self::Money(minor) => unit.plain(*minor),
            Self::Count(count) => count.to_string(),
            Self::Percent(tenths) => format::decimal(*tenths).to_string(),
            Self::Ratio(hundredths) => format::ratio(*hundredths),
            Self::Change(change) => change.plain(unit),
            Self::Time(at) => at.to_string(),
            Self::Bucket(starts, _) => starts.to_string(),
        }
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
    /// The link of the first cell.
    pub(crate) link: Option<Question>,
    /// The links of other cells, by their columns.
    pub(crate) links: Vec<(&'static str, Question)>,
    /// Not attributed, or the sum of smaller rows.
    pub(crate) aside: bool,
    /// The length of the bar below the first cell, in thousandths.
    pub(crate) bar: Option<u32>,
}

impl Row {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self { cells, ..Self::default() }
    }

    pub(crate) fn cell_linked(mut self, column: &'static str, to: Option<Question>) -> Self {
        self.links.extend(to.map(|to| (column, to)));
        self
    }

    pub(crate) fn linked(mut self, to: impl Into<Option<Question>>) -> Self {
        self.link = to.into();
        self
    }
}

/// A table, or the part of it that the page shows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The name in links and files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    pub(crate) total: Option<Vec<Cell>>,
    /// The number of all rows. `None`: not counted.
    pub(crate) count: Option<u64>,
    /// Whether the page of the question is a page of this table.
    pub(crate) pages: bool,
    /// The cursor of the next rows.
    pub(crate) next: Option<String>,
    /// The page with all rows.
    pub(crate) all: Option<Question>,
    pub(crate) unit: Unit,
    /// The text of an empty table.
    pub(crate) empty: &'static str,
    /// Whether the column heads have sort links.
    pub(crate) sorts: bool,
}

impl Table {
    pub(crate) fn new(
        name: &'static str,
        title: impl Into<String>,
        columns: &[Column],
        unit: Unit,
    ) -> Self {
        Self {
            name,
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            total: None,
            count: None,
            pages: false,
            next: None,
            all: None,
            unit,
            empty: "None in this period.",
            sorts: false,
        }
    }

    pub(crate) fn with_rows(mut self, rows: Vec<Row>) -> Self {
        self.rows = rows;
        self
    }

    /// The table with heading, links to all rows and to the file.
    pub(crate) fn card(&self, question: &Question, zone: &TimeZone) -> Markup {
        let id = format!("t-{}", self.name);
        let shown =
            u64::try_from(self.rows.iter().filter(|row| !row.aside).count()).unwrap_or(u64::MAX);
        let skipped = question.skipped();
        html! {
            section.card {
                div.head {
                    h2 id=(id) { (self.title) }
                    p.more {
                        @if let Some(place) = self.place(skipped, shown) {
                            span { (place) }
                            @if let Some(all) = &self.all { a href=(all) { "All" span.vh { " of " (self.title) } } }
                        }
                        @if !self.rows.is_empty() {
                            a href=(question.as_file(Format::Csv, Some(self.name))) download { "CSV" span.vh { " of " (self.title) } }
                        }
                    }
                }
                (self.grid(question, zone, Some(&id)))
                @if self.pages && (self.next.is_some() || question.after.is_some()) {
                    p.pager {
                        @if question.after.is_some() { a href=(question.at_the_top()) { "First page" } }
                        @if let Some(next) = &self.next {
                            @let mut later = question.at_the_top();
                            @let () = later.after = Some(match skipped {
                                Some(skipped) => format!("{}_{next}", skipped.saturating_add(shown)),
                                None => next.clone(),
                            });
                            a href=(later) rel="next" { "Next page" }
                        }
                    }
                }
            }
        }
    }

    /// The place of the shown rows among all, such as `10 of 120` or `51 to 100 of 120`. `None`: these are all.
    fn place(&self, skipped: Option<u64>, shown: u64) -> Option<String> {
        let is_part = self.count.is_some_and(|count| count > shown);
        let of = self.count.map(|count| format!(" of {}", format::count(count)));
        let of = of.unwrap_or_default();
        match skipped.filter(|_| self.pages && shown > 0) {
            Some(skipped) if is_part || skipped > 0 => {
                let (first, last) = (skipped.saturating_add(1), skipped.saturating_add(shown));
                Some(format!("{} to {}{of}", format::count(first), format::count(last)))
            }
            _ => is_part.then(|| format!("{}{of}", format::count(shown))),
        }
    }

    /// The rows alone.
    pub(crate) fn grid(&self, question: &Question, zone: &TimeZone, label: Option<&str>) -> Markup {
        if self.rows.is_empty() {
            return html! { p.empty { (self.empty) } };
        }
        html! {
            div.scroll tabindex="0" role="region" aria-labelledby=[label] aria-label=[label.is_none().then_some(&self.title)] {
                table aria-labelledby=[label] aria-label=[label.is_none().then_some(&self.title)] {
                    thead { tr { @for column in &self.columns { (self.heading(column, question)) } } }
                    tbody { @for row in &self.rows { (self.row(row, zone)) } }
                    @if let Some(total) = &self.total {
                        tfoot { tr {
                            @for (at, (column, cell)) in self.columns.iter().zip(total).enumerate() {
                                @if at == 0 { th scope="row" { (cell.show(self.unit, zone)) } }
                                @else { td.n[column.kind.is_number()] { (self.cell(column.kind, cell, zone)) } }
                            }
                        } }
                    }
                }
            }
        }
    }

    fn heading(&self, column: &Column, question: &Question) -> Markup {
        let sort = column.sort.filter(|_| self.sorts);
        let is_sorted = sort == Some(question.sort);
        let order = match (is_sorted, question.ascending) {
            (true, true) => Some("ascending"),
            (true, false) => Some("descending"),
            _ => None,
        };
        html! {
            th.n[column.kind.is_number()] scope="col" aria-sort=[order] {
                @if let Some(sort) = sort {
                    @let mut sorted = question.at_the_top();
                    @let () = (sorted.sort, sorted.ascending) = (sort, is_sorted && !question.ascending);
                    a href=(sorted) { (column.title) }
                    @if is_sorted { span aria-hidden="true" { @if question.ascending { " ↑" } @else { " ↓" } } }
                } @else { (column.title) }
            }
        }
    }

    fn row(&self, row: &Row, zone: &TimeZone) -> Markup {
        html! {
            tr.aside[row.aside] {
                @for (at, (column, cell)) in self.columns.iter().zip(&row.cells).enumerate() {
                    @if at == 0 {
                        th scope="row" {
                            @if let Some(link) = &row.link { a href=(link) { (self.cell(column.kind, cell, zone)) } }
                            @else { (self.cell(column.kind, cell, zone)) }
                            @if let Some(bar) = row.bar {
                                svg.bar aria-hidden="true" width="100%" height="3" {
                                    rect width=(format!("{}.{}%", bar / 10, bar % 10)) height="3" {}
                                }
                            }
                        }
                    } @else {
                        @let link = row.links.iter().find(|(of, _)| *of == column.name);
                        td.n[column.kind.is_number()].t[column.kind == Kind::Text] {
                            @if let Some((_, link)) = link { a href=(link) { (self.cell(column.kind, cell, zone)) } }
                            @else { (self.cell(column.kind, cell, zone)) }
                        }
                    }
                }
            }
        }
    }

    fn cell(&self, kind: Kind, cell: &Cell, zone: &TimeZone) -> Markup {
        let text = cell.show(self.unit, zone);
        html! {
            @match (kind, cell) {
                (_, Cell::Nothing) => span.none { (text) },
                (Kind::Id, _) => code { (text) },
                (Kind::Text, _) => bdi { (text) },
                (_, Cell::Change(change)) => span.up[change.rose() == Some(true)].down[change.rose() == Some(false)] { (text) },
                (_, Cell::Time(at)) => time datetime=(at) { (text) },
                _ => (text),
            }
        }
    }

    pub(crate) fn json(&self) -> Value {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|column| {
                let (name, kind) = (&column.name, column.kind.name());
                if column.kind != Kind::Money {
                    return json!({ "name": name, "type": kind });
                }
                let (currency, exponent) = (self.unit.currency.as_str(), self.unit.exponent);
                json!({ "name": name, "type": kind, "currency": currency, "exponent": exponent })
            })
            .collect();
        let cells = |cells: &[Cell]| Value::from(cells.iter().map(Cell::json).collect::<Vec<_>>());
        json!({
            "columns": columns,
            "rows": self.rows.iter().map(|row| cells(&row.cells)).collect::<Vec<_>>(),
            "total": self.total.as_ref().map(|total| cells(total)),
            "count": self.count,
            "next": self.next,
        })
    }

    /// RFC 4180, with the names of the columns first.
    pub(crate) fn csv(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| csv_text(&column.name)).collect();
        let mut out = names.join(",");
        out.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(|cell| cell.csv(self.unit)).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
        out
    }
}
