use dodo_ledger::{
    Error,
    query::{Compared, ListedRecord},
};

use super::{
    CARD_ROWS, Loader,
    attention::plural,
    kind_of,
    money::{Attributed, Flow, Groups, change, none_label},
    payments::listed_source,
    slots::colors,
};
use crate::{
    chart::{Chart, Color, Series, short},
    format::{self, Change},
    page::{Block, Moment, Sheet, Tile},
    question::{By, Interval, Mode, Page, Sort, Versus},
    range::last_day,
    table::{Cell, Kind, Table},
};

/// The smallest share of money without a source that the page explains, in tenths of a percent.
const MUCH_UNKNOWN: i128 = 300;

/// The dimensions that the page reads together, each with the name of its card. The first one is that of the
/// chart; the last one has no card.
const CARDS: [(&str, By); 7] = [
    ("source", By::Source),
    ("campaign", By::Campaign),
    ("product", By::Product),
    ("landing", By::Landing),
    ("country", By::Country),
    ("device", By::Device),
    ("", By::Channel),
];

impl Loader<'_> {
    pub(super) async fn overview(&self) -> Result<Sheet, Error> {
        let mut blocks = Vec::new();
        if self.is_empty {
            blocks.push(Block::Note {
                text: "The ledger holds no payment yet. This list shows what is missing."
                    .to_owned(),
                link: None,
                is_warning: false,
            });
            blocks.push(Block::Checklist(self.checks().await?));
            return Ok(Sheet { blocks, ..Sheet::default() });
        }
        let dimensions = CARDS.map(|(_, by)| by.dimension());
        let order = (Sort::Net, false);
        let (groups, flow) = self.charted(&dimensions, order, None, self.rows(CARD_ROWS)).await?;
        let channels = groups.last().cloned().unwrap_or_default();
        let (totals, attributed) = (channels.total, Attributed::from_channels(&channels));
        blocks.push(self.tiles(&totals, &flow, attributed));
        blocks.extend(self.attention().await?);
        blocks.extend(self.nothing_note(&totals, attributed).await?);
        blocks.extend(self.refunds_without_amount().await?);
        if self.wants("net") {
            blocks.push(Block::Chart(self.chart_of(By::Source, &flow).await?));
        }
        let cards = CARDS.into_iter().zip(groups).filter(|((name, _), _)| !name.is_empty());
        let cards = cards.map(|((name, by), groups)| Block::Table(self.card(name, by, groups)));
        blocks.push(Block::Cards(cards.collect()));
        blocks.push(self.dimensions("Break down by", Page::Breakdown, None));
        blocks.push(self.happened().await?);
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    /// A refund without an amount changes no sum, so the page names it.
    async fn refunds_without_amount(&self) -> Result<Option<Block>, Error> {
        let live = self.mode == Mode::Live;
        let refunds = self.settings.ledger.refunds_without_amount(self.range, live).await?;
        if refunds == 0 {
            return Ok(None);
        }
        let text = format!(
            "{} without amount: an event that names none changes no sum.",
            plural(refunds, "refund", "refunds")
        );
        Ok(Some(Block::Note { text, link: None, is_warning: true }))
    }

    /// The chart of net by a dimension.
    pub(super) async fn chart_of(&self, by: By, flow: &Flow) -> Result<Chart, Error> {
        let dimension = by.dimension();
        let values: Vec<&str> = flow.rows.iter().map(|(value, _)| value.as_str()).collect();
        let colors = colors(&self.slots(dimension).await?, &values);
        let mut stacks: Vec<Series> = flow
            .rows
            .iter()
            .zip(colors)
            .map(|((value, nets), color)| Series {
                label: self.named(dimension, value),
                color,
                values: nets.clone(),
            })
            .collect();
        for (label, color, nets) in [
            ("other", Color::Other, &flow.other),
            (none_label(by), Color::NotAttributed, &flow.none),
        ] {
            if nets.iter().any(|net| *net != 0) {
                stacks.push(Series { label: label.to_owned(), color, values: nets.clone() });
            }
        }
        let line =
            flow.before.as_ref().filter(|nets| nets.iter().any(|net| *net != 0)).map(|nets| {
                Series {
                    label: match self.question.versus {
                        Versus::Year => "a year before".to_owned(),
                        _ => "period before".to_owned(),
                    },
                    color: Color::Before,
                    values: nets.clone(),
                }
            });
        Ok(Chart {
            name: "net",
            title: format!(
                "Net by {}, by {}",
                interval_name(self.interval),
                by.title().to_lowercase()
            ),
            unit: self.unit,
            interval: self.interval,
            buckets: flow.buckets.clone(),
            stacks,
            lines: line.into_iter().collect(),
            totals: true,
        })
    }

    fn tiles(&self, totals: &Compared, flow: &Flow, attributed: Attributed) -> Block {
        let (now, before) = (totals.now, totals.before);
        // A column that is not yet complete looks like a loss.
        let complete = flow.buckets.iter().filter(|bucket| !bucket.running).count();
        let complete = flow.total.get(..complete).unwrap_or_default();
        let mut net = Tile::new("net", "Net revenue", Kind::Money, Cell::Money(now.net));
        net.change = change(totals, |sums| sums.net);
        net.before = Cell::money(before.map(|before| before.net));
        net.trend = complete.iter().map(|sums| sums.net).collect();
        let mut payments = Tile::new("payments", "Payments", Kind::Count, Cell::Count(now.charges));
        payments.change = change(totals, |sums| sums.charges.into());
        payments.before = before.map_or(Cell::Nothing, |before| Cell::Count(before.charges));
        payments.trend = complete.iter().map(|sums| sums.charges.into()).collect();
        let customers = Cell::Count(now.new_customers);
        let mut customers = Tile::new("new_customers", "New customers", Kind::Count, customers);
        customers.change = change(totals, |sums| sums.new_customers.into());
        customers.before = before.map_or(Cell::Nothing, |before| Cell::Count(before.new_customers));
        customers.trend = complete.iter().map(|sums| sums.new_customers.into()).collect();
        let mut average =
            Tile::new("average", "Average payment", Kind::Money, Cell::money(now.average()))
                .hinted("net, before refunds");
        let average_before = before.and_then(|before| before.average());
        average.before = Cell::money(average_before);
        average.change = match (now.average(), average_before) {
            (Some(now), Some(before)) => Change::between(now, before),
            _ => Change::Nothing,
        };
        let mut refunds = Tile::new(
            "refund_rate",
            "Refund rate",
            Kind::Percent,
            Cell::percent(now.refund_rate().map(i128::from)),
        )
        .hinted(format!(
            "of the money; {} for {} payments",
            plural(now.refunds, "refund", "refunds"),
            format::count(now.charges)
        ));
        let rate_before = before.and_then(|before| before.refund_rate()).map(i128::from);
        refunds.before = Cell::percent(rate_before);
        refunds.less_is_better = true;
        refunds.change = Change::points(now.refund_rate().map(i128::from), rate_before);
        let mut known =
            Tile::new("attributed", "Attributed", Kind::Percent, Cell::percent(attributed.now));
        known.before = Cell::percent(attributed.before);
        known.change = Change::points(attributed.now, attributed.before);
        known.hint = attributed.seen.map(|seen| {
            format!(
                "of the net of payments has a campaign or site; with direct visits {}",
                format::percent(seen)
            )
        });
        Block::Tiles(self.unit, vec![net, payments, customers, average, refunds, known])
    }

    /// A hint to the money, if this period or these conditions have none; or the reason why a large
    /// share is not attributed.
    async fn nothing_note(
        &self,
        totals: &Compared,
        attributed: Attributed,
    ) -> Result<Vec<Block>, Error> {
        if totals.now.charges == 0 && totals.now.gross == 0 {
            let zone = self.now.time_zone();
            let text = if self.question.conditions.is_empty() {
                format!(
                    "No revenue in this period, {} to {}.",
                    zone.to_datetime(self.range.from).date(),
                    last_day(self.range, zone)
                )
            } else {
                "No revenue under these conditions in this period. Remove one above.".to_owned()
            };
            let mut last = self.settings.ledger.records().revenue_only().newest_first().limit(1);
            if self.mode == Mode::Test {
                last = last.test_mode();
            }
            let last = last.fetch().await?;
            let link = last.first().map(|record| {
                let day = record.occurred_at.to_zoned(self.now.time_zone().clone()).date();
                let mut to = self.question.at_the_top();
                to.period = crate::question::Period::Days(day, day);
                (format!("The last payment was on {day}"), to)
            });
            return Ok(vec![Block::Note { text, link, is_warning: false }]);
        }
        let unknown = attributed.seen.map_or(0, |seen| 1000 - seen);
        if unknown > MUCH_UNKNOWN {
            let mut to = self.question.on(Page::Breakdown);
            to.by = By::Reason;
            let text =
                format!("{} of the net of payments is not attributed.", format::percent(unknown));
            return Ok(vec![Block::Note {
                text,
                link: Some(("Why".to_owned(), to)),
                is_warning: true,
            }]);
        }
        Ok(Vec::new())
    }

    /// The first rows of a breakdown.
    fn card(&self, name: &'static str, by: By, groups: Groups) -> Table {
        let mut all = self.question.on(Page::Breakdown);
        all.by = by;
        let mut table = self.short_table(name, by, groups);
        table.all = Some(all);
        table.next = None;
        table
    }

    /// The latest changes of money in the period, under the conditions.
    async fn happened(&self) -> Result<Block, Error> {
        let last = self.records_asked().limit(10).page().await?.records;
        let moments = last.iter().map(|listed| self.moment(listed)).collect();
        Ok(Block::Timeline { title: "Last payments and reversals".to_owned(), moments })
    }

    /// A record as a line of a timeline, which leads to its payment.
    fn moment(&self, listed: &ListedRecord) -> Moment {
        let record = &listed.record;
        let mut text = kind_of(&record.kind);
        for part in self.products(record).into_iter().chain([listed_source(listed)]) {
            text.push_str(" · ");
            text.push_str(&short(&part));
        }
        let amount = record.money.as_ref().map(|money| {
            let unit = format::Unit { currency: money.currency, exponent: money.exponent };
            unit.show(money.net.into())
        });
        let link = (!record.payment_id.is_empty())
            .then(|| self.question.about(Page::Payment, &record.payment_id));
        Moment { at: record.occurred_at, text, amount, delivery: None, link }
    }
}

pub(super) const fn interval_name(interval: Interval) -> &'static str {
    match interval {
        Interval::Hour => "hour",
        Interval::Day => "day",
        Interval::Week => "week",
        Interval::Month => "month",
        Interval::Year => "year",
    }
}
