//! The parts of pages.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::{
    chart::{self, Chart},
    format::{Change, Unit},
    question::Question,
    table::{Cell, Column, Kind, Row, Table},
};

/// A part of a page.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Tiles(Unit, Vec<Tile>),
    Chart(Chart),
    Table(Table),
    /// Cards side by side, where there is room.
    Cards(Vec<Block>),
    /// Names and values.
    Facts {
        title: String,
        unit: Unit,
        facts: Vec<(&'static str, Cell, Option<Question>)>,
    },
    Timeline {
        title: String,
        moments: Vec<Moment>,
    },
    /// Sentences, the first in front of a fold with the others.
    Sentences {
        title: String,
        first: String,
        more: Vec<String>,
        hints: Vec<String>,
    },
    Checklist(Vec<Check>),
    /// One sentence and a link.
    Note {
        text: String,
        link: Option<(String, Question)>,
        is_warning: bool,
    },
    /// A link into the app.
    External {
        label: String,
        to: String,
    },
    /// Links to variants of the page, such as the dimensions of a breakdown. One of them is chosen.
    Choice {
        label: &'static str,
        choices: Vec<(String, Question, bool)>,
    },
}

/// One number of a page.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// The name in files.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) now: Cell,
    /// The same of the period before.
    pub(crate) before: Cell,
    pub(crate) change: Change,
    /// Whether a smaller number is the better one.
    pub(crate) less_is_better: bool,
    /// A note below the number.
    pub(crate) hint: Option<String>,
    pub(crate) trend: Vec<i128>,
}

impl Tile {
    pub(crate) fn new(name: &'static str, label: &'static str, kind: Kind, now: Cell) -> Self {
        Self {
            name,
            label,
            kind,
            now,
            before: Cell::Nothing,
            change: Change::Nothing,
            less_is_better: false,
            hint: None,
            trend: Vec::new(),
        }
    }

    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An event of a timeline.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
    /// The formatted amount.
    pub(crate) amount: Option<String>,
    /// The `webhook-id` of the event.
    pub(crate) delivery: Option<String>,
    pub(crate) link: Option<Question>,
}

/// The state of a part of the set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckState {
    Works,
    Missing,
    /// It can be correct.
    Unknown,
}

/// A line of the checklist.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) state: CheckState,
    /// The evidence.
    pub(crate) found: String,
    /// The code that fixes it.
    pub(crate) fix: &'static str,
}

impl CheckState {
    const fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Missing => "missing",
            Self::Unknown => "not seen",
        }
    }
}

impl Block {
    pub(crate) fn html(&self, question: &Question, zone: &TimeZone) -> Markup {
        match self {
            Self::Tiles(unit, tiles) => html! {
                div.tiles { @for tile in tiles { (tile_html(tile, *unit, zone)) } }
            },
            Self::Chart(chart) => chart.figure(question, zone),
            Self::Table(table) => table.card(question, zone),
            Self::Cards(cards) => {
                html! { div.cards { @for card in cards { (card.html(question, zone)) } } }
            }
            Self::Facts { title, unit, facts } => html! {
                section.card { h2 { (title) } dl {
                    @for (name, cell, link) in facts {
                        div { dt { (name) } dd {
                            @let text = cell.show(*unit, zone);
                            @if let Some(link) = link { a href=(link) { bdi { (text) } } } @else { bdi { (text) } }
                        } }
                    }
                } }
            },
            Self::Timeline { title, moments } => html! {
                section.card { h2 { (title) }
                    @if moments.is_empty() { p.empty { "Nothing is known." } }
                    ol.timeline { @for moment in moments { (moment_html(moment, zone)) } }
                }
            },
            Self::Sentences { title, first, more, hints } => html! {
                section.card { h2 { (title) }
                    p { bdi { (first) } }
                    @if !more.is_empty() {
                        details { summary { "All " (more.len()) " steps" } ol { @for text in more { li { bdi { (text) } } } } }
                    }
                    @if !hints.is_empty() { h3 { "No visitor was found. For the developer of this app:" } ul { @for hint in hints { li { (hint) } } } }
                }
            },
            Self::Checklist(checks) => html! {
                section.card {
                    h2 { "Set-up" }
                    @if checks.iter().any(|check| check.state != CheckState::Works) {
                        p.hint { "For the developer of this app: to add a part, use the code below it." }
                    }
                    ul.checks { @for check in checks {
                        li.(check.state.word().replace(' ', "-")) {
                            b { (check.name) } " " span.state { (check.state.word()) }
                            p { (check.found) }
                            @if check.state != CheckState::Works { pre { code { (check.fix) } } }
                        }
                    } }
                }
            },
            Self::Note { text, link, is_warning } => html! {
                p.note.warning[*is_warning] { (text) " " @if let Some((label, to)) = link { a href=(to) { (label) } } }
            },
            Self::External { label, to } => html! { p.external { a href=(to) { (label) } } },
            Self::Choice { label, choices } => html! {
                nav.choice aria-label=(label) { ul {
                    li.hint aria-hidden="true" { (label) }
                    @for (name, to, is_chosen) in choices {
                        li { a href=(to) aria-current=[is_chosen.then_some("true")] { (name) } }
                    }
                } }
            },
        }
    }

    /// Puts its tables into a JSON object.
    pub(crate) fn tables(&self, question: &Question, out: &mut Vec<Table>) {
        match self {
            Self::Tiles(unit, tiles) => out.push(totals(tiles, *unit)),
            Self::Chart(chart) => out.push(chart.table(question)),
            Self::Table(table) => out.push(table.clone()),
            Self::Cards(cards) => cards.iter().for_each(|card| card.tables(question, out)),
            _ => {}
        }
    }
}

/// The tables of a page by their names.
pub(crate) fn json_tables(tables: &[Table]) -> Value {
    let named = tables.iter().map(|table| (table.name.to_owned(), table.json()));
    Value::Object(named.collect::<Map<_, _>>())
}

/// The tiles of a page, as a table of two rows: now and before.
fn totals(tiles: &[Tile], unit: Unit) -> Table {
    let columns: Vec<Column> = [Column::new("period", "Period", Kind::Text)]
        .into_iter()
        .chain(tiles.iter().map(|tile| Column::new(tile.name, tile.label, tile.kind)))
        .collect();
    let row = |name: &str, pick: fn(&Tile) -> Cell| {
        Row::new([Cell::text(name)].into_iter().chain(tiles.iter().map(pick)).collect())
    };
    let rows = vec![row("now", |tile| tile.now.clone()), row("before", |tile| tile.before.clone())];
    Table::new("totals", "Totals", &columns, unit).with_rows(rows)
}

fn tile_html(tile: &Tile, unit: Unit, zone: &TimeZone) -> Markup {
    let value = tile.now.show(unit, zone);
    let is_better = tile.change.rose().map(|rose| rose != tile.less_is_better);
    html! {
        div.tile data-key=(tile.name) {
            h2 { (tile.label) }
            p.value { (value) }
            @if tile.change != Change::Nothing {
                p.change {
                    span.up[is_better == Some(true)].down[is_better == Some(false)] { (tile.change.show(unit)) }
                    " " span.hint { "from " (tile.before.show(unit, zone)) }
                }
            }
            @if let Some(hint) = &tile.hint { p.hint { (hint) } }
            (chart::sparkline(&tile.trend))
        }
    }
}

fn moment_html(moment: &Moment, zone: &TimeZone) -> Markup {
    let at = Cell::Time(moment.at).show(Unit::default(), zone);
    html! {
        li {
            time datetime=(moment.at) { (at) } " "
            @if let Some(link) = &moment.link { a href=(link) { bdi { (moment.text) } } } @else { bdi { (moment.text) } }
            @if let Some(amount) = &moment.amount { " " b { (amount) } }
            @if let Some(delivery) = &moment.delivery { " " code.delivery title="webhook-id" { (delivery) } }
        }
    }
}

/// A page as JSON, without its surroundings.
pub(crate) fn json_page(
    question: &Question,
    tables: &[Table],
    zone: &TimeZone,
    as_of: Timestamp,
    change: u64,
) -> Value {
    json!({
        "schema": "dodo-dashboard/1",
        "page": question.page.name(),
        "question": question.parameters(),
        "change": change,
        "zone": zone.iana_name(),
        "as_of": as_of.to_string(),
        "tables": json_tables(tables),
    })
}
