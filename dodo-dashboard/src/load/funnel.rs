use dodo_ledger::{
    Error,
    query::{Funnel, FunnelBreakdown, FunnelCompared, FunnelFailure, FunnelSums, FunnelWaits},
};

use super::{Loader, PAGE_ROWS, money::none_label};
use crate::{
    format::{self, Change},
    page::{Block, Sheet, Tile},
    question::{By, Condition, Mode, Page},
    table::{Cell, Column, Kind, Row, Table},
};

static STEPS: [Column; 5] = [
    Column::new("step", "Step", Kind::Text),
    Column::new("sessions", "Sessions", Kind::Count),
    Column::new("of_opened", "Of opened", Kind::Percent),
    Column::new("of_step", "Of the step before", Kind::Percent),
    Column::new("change", "Change", Kind::Change),
];
static ROWS: [Column; 7] = [
    Column::new("value", "Name", Kind::Text),
    Column::new("opened", "Opened", Kind::Count),
    Column::new("tried", "Tried", Kind::Count),
    Column::new("paid", "Paid", Kind::Count),
    Column::new("paid_rate", "Paid of opened", Kind::Percent),
    Column::new("kept", "Kept", Kind::Count),
    Column::new("change", "Change of paid", Kind::Change),
];
static FAILURES: [Column; 3] = [
    Column::new("code", "Code of Dodo Payments", Kind::Text),
    Column::new("sessions", "Sessions", Kind::Count),
    Column::new("recovered", "Paid later", Kind::Count),
];
static WAITS: [Column; 3] = [
    Column::new("wait", "From checkout to payment", Kind::Text),
    Column::new("sessions", "Sessions", Kind::Count),
    Column::new("share", "Share", Kind::Percent),
];

/// The dimensions of a funnel.
pub(super) fn is_counted(by: By) -> bool {
    by.dimension().has_funnel()
}

impl Loader<'_> {
    fn funnel_asked(&self) -> Funnel {
        let asked = self.settings.ledger.funnel().between(self.range).versus(self.before);
        let mut asked = asked.at(self.now.timestamp());
        if self.mode == Mode::Test {
            asked = asked.test_mode();
        }
        for condition in self.question.conditions.iter().filter(|each| is_counted(each.by)) {
            let (dimension, value) = (condition.by.dimension(), condition.value.as_deref());
            asked = match condition.excluded {
                true => asked.exclude(dimension, value),
                false => asked.filter(dimension, value),
            };
        }
        asked
    }

    /// Checkout sessions: opened, tried, paid, kept.
    pub(super) async fn funnel(&self) -> Result<Sheet, Error> {
        let by = if is_counted(self.question.by) { self.question.by } else { By::Source };
        let limit = u32::try_from(self.rows(PAGE_ROWS)).unwrap_or(u32::MAX);
        let rows = self.funnel_asked().group_by(by.dimension()).top(limit).rows().await?;
        let totals = rows.total;
        let heading = "Funnel of checkouts in all currencies".to_owned();
        if totals.now.opened == 0 && totals.before.is_none_or(|before| before.opened == 0) {
            let text = "No checkout was opened in this period. For the developer of this app: the ledger counts the sessions of a checkout that has it as its context store.";
            let link = self
                .permission
                .sees_operations()
                .then(|| ("Settings".to_owned(), self.question.on(Page::Settings)));
            let blocks = vec![Block::Note { text: text.to_owned(), link, is_warning: false }];
            return Ok(Sheet { heading, blocks, ..Sheet::default() });
        }
        let waits = self.funnel_asked().waits().await?;
        let blocks = vec![
            self.funnel_tiles(&totals, &waits),
            Block::Table(self.steps(&totals)),
            self.dimensions("Group by", Page::Funnel, Some(by)),
            Block::Table(self.funnel_rows(by, &rows)),
            Block::Cards(vec![
                Block::Table(self.failures(self.funnel_asked().failures().await?)),
                Block::Table(self.waits(&waits)),
            ]),
        ];
        Ok(Sheet { heading, blocks, ..Sheet::default() })
    }

    fn funnel_tiles(&self, totals: &FunnelCompared, waits: &FunnelWaits) -> Block {
        let (now, before) = (totals.now, totals.before);
        let mut opened = Tile::new("opened", "Opened", Kind::Count, Cell::Count(now.opened));
        opened.change = change(totals, |sums| sums.opened);
        opened.before = before.map_or(Cell::Nothing, |before| Cell::Count(before.opened));
        let rate = |sums: FunnelSums| format::tenths(sums.paid.into(), sums.opened.into());
        let mut paid = Tile::new("paid_rate", "Paid", Kind::Percent, Cell::percent(rate(now)))
            .hinted(format!("{} of {}", format::count(now.paid), format::count(now.opened)));
        paid.before = Cell::percent(before.and_then(rate));
        paid.change = Change::points(rate(now), before.and_then(rate));
        let wait = waits.median.and_then(|wait| std::time::Duration::try_from(wait).ok());
        let wait = wait.map(super::deliveries::duration);
        let tiles = vec![
            opened,
            paid,
            Tile::new("open", "Open now", Kind::Count, Cell::Count(now.open))
                .hinted("under 24 hours old"),
            Tile::new("abandoned", "Abandoned", Kind::Count, Cell::Count(now.abandoned()))
                .hinted("older, and nothing paid; a started free trial counts, too"),
            Tile::new("recovered", "Recovered", Kind::Count, Cell::Count(now.recovered))
                .hinted("paid after a failure"),
            Tile::new("median", "Median time to pay", Kind::Text, Cell::maybe(wait.as_deref())),
        ];
        Block::Tiles(self.unit, tiles)
    }

    fn steps(&self, totals: &FunnelCompared) -> Table {
        type Step = (&'static str, fn(&FunnelSums) -> u64);
        let steps: [Step; 4] = [
            ("Checkout opened", |sums| sums.opened),
            ("Payment tried", |sums| sums.tried),
            ("Paid", |sums| sums.paid),
            ("Kept, after refunds and disputes", |sums| sums.kept),
        ];
        let opened = totals.now.opened;
        let mut last = opened;
        let rows = steps.into_iter().map(|(name, pick)| {
            let sessions = pick(&totals.now);
            let share = format::tenths(sessions.into(), opened.into());
            let of_step = format::tenths(sessions.into(), last.into());
            last = sessions;
            let cells = vec![
                Cell::text(name),
                Cell::Count(sessions),
                Cell::percent(share),
                Cell::percent(of_step),
                Cell::Change(change(totals, pick)),
            ];
            Row { bar: share.and_then(|share| u32::try_from(share).ok()), ..Row::new(cells) }
        });
        let rows = rows.collect();
        Table::new("steps", "Steps", &STEPS, self.unit).with_rows(rows)
    }

    fn funnel_rows(&self, by: By, found: &FunnelBreakdown) -> Table {
        let dimension = by.dimension();
        let row = |name: &str, value: Option<&str>, sums: &FunnelCompared| {
            let condition = Condition { by, value: value.map(str::to_owned), excluded: false };
            Row::new(cells(name, sums)).linked(self.question.with(condition))
        };
        let mut rows: Vec<Row> = found
            .rows
            .iter()
            .map(|each| row(&self.named(dimension, &each.value), Some(&each.value), &each.sums))
            .collect();
        let nothing = FunnelSums::default();
        if found.none.now != nothing || found.none.before.unwrap_or_default() != nothing {
            rows.push(Row { aside: true, ..row(none_label(by), None, &found.none) });
        }
        let title = format!("By {}", by.title().to_lowercase());
        let mut table = Table::new("funnel", title, &ROWS, self.unit);
        table.count = Some(found.count);
        table.total = Some(cells("Total", &found.total));
        table.with_rows(rows)
    }

    fn failures(&self, failures: Vec<FunnelFailure>) -> Table {
        let mut table = Table::new("failures", "Failed payments by reason", &FAILURES, self.unit);
        table.empty = "No payment failed.";
        let limit = self.rows(super::CARD_ROWS);
        table.count = u64::try_from(failures.len()).ok();
        let rows = failures.into_iter().take(limit).map(|failure| {
            let code = failure
                .code
                .map_or_else(|| "no code".to_owned(), |code| code.replace('_', " ").to_lowercase());
            Row::new(vec![
                Cell::text(code),
                Cell::Count(failure.sessions),
                Cell::Count(failure.recovered),
            ])
        });
        table.with_rows(rows.collect())
    }

    fn waits(&self, waits: &FunnelWaits) -> Table {
        let classes = [
            ("up to 1 hour", waits.hour),
            ("up to 1 day", waits.day),
            ("up to 7 days", waits.week),
            ("up to 30 days", waits.month),
            ("longer", waits.longer),
        ];
        let all: u64 = classes.iter().map(|(_, sessions)| sessions).sum();
        let rows = classes.into_iter().map(|(name, sessions)| {
            let share = format::tenths(sessions.into(), all.into());
            let cells = vec![Cell::text(name), Cell::Count(sessions), Cell::percent(share)];
            Row { bar: share.and_then(|share| u32::try_from(share).ok()), ..Row::new(cells) }
        });
        let rows = rows.collect();
        Table::new("waits", "Time to pay", &WAITS, self.unit).with_rows(rows)
    }
}

fn cells(name: &str, sums: &FunnelCompared) -> Vec<Cell> {
    let now = &sums.now;
    vec![
        Cell::text(name),
        Cell::Count(now.opened),
        Cell::Count(now.tried),
        Cell::Count(now.paid),
        Cell::percent(format::tenths(now.paid.into(), now.opened.into())),
        Cell::Count(now.kept),
        Cell::Change(change(sums, |sums| sums.paid)),
    ]
}

fn change(sums: &FunnelCompared, pick: fn(&FunnelSums) -> u64) -> Change {
    let of = |before| Change::between(pick(&sums.now).into(), pick(&before).into());
    sums.before.map_or(Change::Nothing, of)
}
