use std::time::Duration;

use dodo_ledger::{Error, Ledger};
use jiff::Timestamp;

use super::{Loader, PAGE_ROWS};
use crate::{
    format,
    page::{Block, Sheet, Tile},
    table::{Cell, Column, Kind, Row, Table},
};

static SINKS: [Column; 5] = [
    Column::new("sink", "Sink", Kind::Text),
    Column::new("waiting", "Waiting", Kind::Count),
    Column::new("dead", "Dead letters", Kind::Count),
    Column::new("lag", "Longest wait", Kind::Text),
    Column::new("pause", "Paused for", Kind::Text),
];
static FAILED: [Column; 6] = [
    Column::new("delivery", "Delivery", Kind::Id),
    Column::new("type", "Type", Kind::Text),
    Column::new("time", "Received", Kind::Time),
    Column::new("state", "State", Kind::Text),
    Column::new("failures", "Failed attempts", Kind::Count),
    Column::new("error", "Last error", Kind::Text),
];
static LETTERS: [Column; 4] = [
    Column::new("record", "Record", Kind::Id),
    Column::new("sink", "Sink", Kind::Text),
    Column::new("failures", "Failed attempts", Kind::Count),
    Column::new("error", "Last error", Kind::Text),
];
/// The most dead letters of a sink.
const MOST: u32 = 50;

impl Loader<'_> {
    /// The inbox and the sinks.
    pub(super) async fn deliveries(&self) -> Result<Sheet, Error> {
        let ledger = &self.settings.ledger;
        let stats = ledger.stats().await?;
        let last = self.records().limit(1).fetch().await?;
        let last = last.first().map(|record| record.received_at);
        let text = "Dodo Payments sends this app a message about each payment, refund and change of a subscription. Such a message is a delivery.";
        let note = Block::Note { text: text.to_owned(), link: None, is_warning: false };
        let tiles = vec![
            Tile::new("waiting", "Waiting", Kind::Count, Cell::Count(stats.pending))
                .hinted(format!("{} not yet in the numbers", format::count(stats.unbooked))),
            Tile::new("lag", "Longest wait", Kind::Text, Cell::text(duration(stats.lag)))
                .hinted("of a delivery that waits now"),
            Tile::new("dead", "Dead letters", Kind::Count, Cell::Count(stats.dead))
                .hinted("failed too often, not tried again"),
            Tile::new("parked", "Parked", Kind::Count, Cell::Count(stats.parked))
                .hinted("from Dodo Payments, but not readable"),
            Tile::new("last", "Newest payment", Kind::Time, Cell::time(last))
                .hinted("when its delivery arrived"),
        ];
        let mut sinks =
            Table::new("sinks", "Sinks: tools that get a copy of each payment", &SINKS, self.unit);
        sinks.empty = "No tool gets a copy.";
        let mut letters = Vec::new();
        for name in ledger.sinks() {
            let sink = ledger.sink_stats(name).await?;
            let quiet = if sink.paused_for.is_zero() {
                Cell::Nothing
            } else {
                Cell::text(duration(sink.paused_for))
            };
            sinks.rows.push(Row::new(vec![
                Cell::text(name),
                Cell::Count(sink.pending),
                Cell::Count(sink.dead),
                Cell::text(duration(sink.lag)),
                quiet,
            ]));
            letters.extend(ledger.dead_letters(name, MOST).await?);
        }
        let mut failed = Table::new("failed", "Failed deliveries", &FAILED, self.unit);
        failed.empty = "No delivery failed.";
        let limit = u32::try_from(self.rows(PAGE_ROWS)).unwrap_or(u32::MAX);
        let after = self.question.cursor().and_then(|at| at.parse().ok());
        let page = ledger.failed_event_page(limit, after).await?;
        failed.pages = true;
        failed.next = page.next.map(|next| next.to_string());
        failed.rows = page
            .events
            .into_iter()
            .map(|event| {
                Row::new(vec![
                    Cell::text(event.id),
                    Cell::maybe(event.kind.as_deref()),
                    Cell::time(Timestamp::from_millisecond(event.received_at).ok()),
                    Cell::text(event.state),
                    Cell::Count(event.failed_attempts),
                    Cell::maybe(event.last_error.as_deref()),
                ])
            })
            .collect();
        let mut dead = Table::new(
            "dead_letters",
            "Dead letters of sinks: copies that did not arrive",
            &LETTERS,
            self.unit,
        );
        dead.empty = "No copy failed too often.";
        dead.rows = letters
            .into_iter()
            .map(|letter| {
                Row::new(vec![
                    Cell::text(letter.record_id),
                    Cell::text(letter.sink),
                    Cell::Count(letter.failed_attempts),
                    Cell::maybe(letter.reason.as_deref()),
                ])
            })
            .collect();
        let blocks = vec![
            note,
            Block::Tiles(self.unit, tiles),
            Block::Table(failed),
            Block::Table(sinks),
            Block::Table(dead),
        ];
        Ok(Sheet { blocks, ..Sheet::default() })
    }
}

/// The counters of the inbox and of each sink, as the page shows them.
pub(super) async fn queues(ledger: &Ledger) -> Result<String, Error> {
    let inbox = ledger.stats().await?;
    let lag = duration(inbox.lag);
    let mut text =
        format!("{} {} {} {} {lag}", inbox.pending, inbox.unbooked, inbox.dead, inbox.parked);
    for name in ledger.sinks() {
        let sink = ledger.sink_stats(name).await?;
        let (lag, pause) = (duration(sink.lag), duration(sink.paused_for));
        text.push_str(&format!(" {name} {} {} {lag} {pause}", sink.pending, sink.dead));
    }
    Ok(text)
}

/// `0 s`, `45 s`, `12 min`, `3 h`, `2 d`.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds}\u{a0}s"),
        seconds @ 120..7200 => format!("{}\u{a0}min", seconds / 60),
        seconds @ 7200..172_800 => format!("{}\u{a0}h", seconds / 3600),
        seconds => format!("{}\u{a0}d", seconds / 86_400),
    }
}
