use dodo_core::attribution::Contact;
use dodo_ledger::{
    Error,
    query::{
        ChurnReason, MovementSums, Mrr, MrrMonth, Period as Span, Range, SubscriptionGroup,
        SubscriptionItem, SubscriptionSummary, SubscriptionSums, Subscriptions, Which,
        lifetime_value,
    },
};
use jiff::Timestamp;

use super::{
    CARD_ROWS, Loader, PAGE_ROWS,
    attention::plural,
    money::none_label,
    people::{NAME, name_of},
};
use crate::{
    chart::{Chart, Color, Series},
    format::{self, Change, Unit},
    page::{Block, Sheet, Tile},
    question::{By, Condition, Interval, Mode, Page, Period},
    range::{Bucket, last_day},
    table::{Cell, Column, Kind, Row, Table},
};

static LIST: [Column; 9] = [
    Column::new("subscription", "Subscription", Kind::Id),
    Column::new("customer", "Customer", Kind::Id),
    NAME,
    Column::new("plan", "Plan", Kind::Text),
    Column::new("status", "Status", Kind::Text),
    Column::new("since", "Since", Kind::Time),
    Column::new("amount", "Amount", Kind::Money),
    Column::new("mrr", "MRR", Kind::Money),
    Column::new("next", "Next charge or end", Kind::Time),
];
static PLANS: [Column; 4] = [
    Column::new("value", "Name", Kind::Text),
    Column::new("mrr", "MRR", Kind::Money),
    Column::new("subscriptions", "Subscriptions", Kind::Count),
    Column::new("customers", "Customers", Kind::Count),
];
static REASONS: [Column; 3] = [
    Column::new("reason", "Reason", Kind::Text),
    Column::new("mrr", "MRR", Kind::Money),
    Column::new("customers", "Customers", Kind::Count),
];
static LOSSES: [Column; 4] = [
    Column::new("plan", "Plan", Kind::Text),
    Column::new("reason", "Reason", Kind::Text),
    Column::new("mrr", "MRR", Kind::Money),
    Column::new("customers", "Customers", Kind::Count),
];
/// The months of the charts, this one included.
const MONTHS: i32 = 13;

impl Loader<'_> {
    pub(super) fn subscriptions_asked(&self) -> Subscriptions {
        let asked = self.settings.ledger.subscriptions().currency(self.unit.currency);
        if self.mode == Mode::Test { asked.test_mode() } else { asked }
    }

    /// The currencies of subscriptions.
    pub(super) async fn subscribed(&self, mode: Mode) -> Result<Vec<Unit>, Error> {
        let asked = self.settings.ledger.subscriptions();
        let asked = if mode == Mode::Test { asked.test_mode() } else { asked };
        let found = asked.currencies().await?;
        let unit = |(currency, exponent)| Unit { currency, exponent };
        Ok(found.into_iter().map(unit).collect())
    }

    fn mrr_asked(&self) -> Mrr {
        let asked = self.settings.ledger.mrr().currency(self.unit.currency);
        if self.mode == Mode::Test { asked.test_mode() } else { asked }
    }

    /// MRR, its movements, and the reasons of churn.
    pub(super) async fn subscriptions(&self) -> Result<Sheet, Error> {
        let (now, zone) = (self.now.timestamp(), self.now.time_zone());
        let months = Span::Months(MONTHS).range(now, zone);
        let (months, summary) = tokio::try_join!(
            self.mrr_asked().months(months, zone),
            self.subscriptions_asked().summary()
        )?;
        let summary = summary.into_iter().find(|each| each.currency == self.unit.currency);
        if self.subscriptions_asked().page(1, None).await?.subscriptions.is_empty() {
            let text = "The ledger holds no subscription in this currency.".to_owned();
            let blocks = vec![Block::Note { text, link: None, is_warning: false }];
            return Ok(Sheet { blocks, ..Sheet::default() });
        }
        // Without a summary, none of them counts.
        let sums = |pick: fn(&SubscriptionSummary) -> SubscriptionSums| {
            summary.as_ref().map(pick).unwrap_or_default()
        };
        let (counting, trials) = (sums(|all| all.counting), sums(|all| all.trials));
        let (at_risk, ending) = (sums(|all| all.at_risk), sums(|all| all.ending));
        let mut mrr = Tile::new("mrr", "MRR", Kind::Money, Cell::Money(counting.mrr));
        if let Some(month) = months.last() {
            mrr.before = Cell::Money(month.start);
            mrr.change = Change::between(counting.mrr, month.start);
            mrr.hint = Some("since the month began".to_owned());
        }
        mrr.trend = months.iter().map(|month| month.end).collect();
        let full: Option<&MrrMonth> = months.iter().rev().nth(1);
        let churn = full.and_then(MrrMonth::customer_churn).map(i128::from);
        let net_churn = full.and_then(MrrMonth::net_churn).map(i128::from);
        let quick = full.and_then(MrrMonth::quick_ratio);
        let last_full = months.len().saturating_sub(1);
        let last_three = months.get(last_full.saturating_sub(3)..last_full).unwrap_or_default();
        let arpa = format::average(counting.mrr, counting.customers);
        let tile = |name, label, sums: SubscriptionSums| {
            Tile::new(name, label, Kind::Money, Cell::Money(sums.mrr)).hinted(plural(
                sums.subscriptions,
                "subscription",
                "subscriptions",
            ))
        };
        let trials = Tile::new("trials", "Trials", Kind::Count, Cell::Count(trials.subscriptions))
            .hinted(format!("{} if all convert", self.unit.show(trials.mrr)));
        let tiles = vec![
            mrr,
            Tile::new("arr", "ARR", Kind::Money, Cell::Money(counting.mrr * 12)).hinted("12 × MRR"),
            Tile::new("customers", "Customers", Kind::Count, Cell::Count(counting.customers)),
            Tile::new("arpa", "Per customer", Kind::Money, Cell::money(arpa)).hinted("MRR"),
            Tile::new("churn", "Customer churn", Kind::Percent, Cell::percent(churn))
                .hinted("last full month"),
            Tile::new("net_churn", "Net churn of MRR", Kind::Percent, Cell::percent(net_churn))
                .hinted("last full month"),
            Tile::new(
                "quick_ratio",
                "Quick ratio",
                Kind::Ratio,
                quick.map_or(Cell::Nothing, Cell::Ratio),
            )
            .hinted("won per lost, last full month"),
            Tile::new(
                "ltv",
                "Lifetime value",
                Kind::Money,
                Cell::money(lifetime_value(last_three)),
            )
            .hinted("by the churn of 3 months"),
            tile("at_risk", "At risk", at_risk),
            tile("ending", "Ending", ending),
            trials,
        ];
        let mut blocks = vec![Block::Tiles(self.unit, tiles)];
        blocks.push(Block::Cards(vec![
            Block::Chart(self.mrr_chart(&months)),
            Block::Chart(self.movements(&months)),
        ]));
        let lost = self.lost_range(&months);
        let (plans, sources, losses) = tokio::try_join!(
            self.subscriptions_asked().by_plan(),
            self.subscriptions_asked().by_source(),
            self.losses(lost)
        )?;
        blocks.push(Block::Cards(vec![
            Block::Table(self.plan_table("plans", "By plan", plans, By::Product)),
            Block::Table(self.plan_table(
                "sources",
                "By source of the first charge",
                sources,
                By::Source,
            )),
        ]));
        blocks.push(self.months_of_losses(&months, lost));
        blocks.push(Block::Cards(vec![Block::Table(losses), Block::Table(self.reasons(&months))]));
        blocks.push(Block::Table(self.due().await?));
        blocks.push(Block::Table(self.subscription_list().await?));
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    fn buckets_of(&self, months: &[MrrMonth]) -> Vec<Bucket> {
        let (zone, now) = (self.now.time_zone(), self.now.timestamp());
        months
            .iter()
            .map(|month| Bucket::from_query(&month.bucket, Interval::Month, zone, now))
            .collect()
    }

    fn mrr_chart(&self, months: &[MrrMonth]) -> Chart {
        let values = months.iter().map(|month| month.end).collect();
        Chart {
            name: "mrr",
            title: "MRR by month".to_owned(),
            unit: self.unit,
            interval: Interval::Month,
            buckets: self.buckets_of(months),
            stacks: Vec::new(),
            lines: vec![Series { label: "MRR".to_owned(), color: Color::Main, values }],
            totals: false,
        }
    }

    fn movements(&self, months: &[MrrMonth]) -> Chart {
        let series = |label: &str, color, pick: fn(&MrrMonth) -> MovementSums| Series {
            label: label.to_owned(),
            color,
            values: months.iter().map(|month| pick(month).amount).collect(),
        };
        Chart {
            name: "movements",
            title: "Movements of MRR by month".to_owned(),
            unit: self.unit,
            interval: Interval::Month,
            buckets: self.buckets_of(months),
            stacks: vec![
                series("new", Color::Of(0), |month| month.new),
                series("expansion", Color::Of(2), |month| month.expansion),
                series("reactivation", Color::Of(3), |month| month.reactivation),
                series("contraction", Color::Of(4), |month| month.contraction),
                series("churn", Color::Of(1), |month| month.churn),
            ],
            lines: Vec::new(),
            totals: true,
        }
    }

    fn plan_table(
        &self,
        name: &'static str,
        title: &str,
        mut plans: Vec<SubscriptionGroup>,
        by: By,
    ) -> Table {
        let mut table = Table::new(name, title, &PLANS, self.unit);
        let known = plans.iter().filter(|plan| plan.value.is_some()).count();
        table.count = u64::try_from(known).ok();
        // Not attributed is the last row.
        plans.sort_by_key(|plan| plan.value.is_none());
        let limit = self.rows(CARD_ROWS);
        let rows = plans.into_iter().take(limit).map(|plan| {
            let value = plan.value.as_deref();
            let label = value.map(|value| self.named(by.dimension(), value));
            let label = label.unwrap_or_else(|| none_label(by).to_owned());
            // The money of the plan or source, renewals included.
            let condition = Condition { by, value: plan.value.clone(), excluded: false };
            let to = self.question.on(Page::Overview).with(condition);
            let cells = vec![
                Cell::text(label),
                Cell::Money(plan.sums.mrr),
                Cell::Count(plan.sums.subscriptions),
                Cell::Count(plan.sums.customers),
            ];
            Row { aside: plan.value.is_none(), ..Row::new(cells).linked(to) }
        });
        table.rows = rows.collect();
        table
    }

    /// The reasons of churn in the months of the charts.
    fn reasons(&self, months: &[MrrMonth]) -> Table {
        let mut reasons: Vec<(ChurnReason, i128, u64)> = Vec::new();
        for (reason, lost) in months.iter().flat_map(|month| &month.churn_reasons) {
            match reasons.iter_mut().find(|known| known.0 == *reason) {
                Some(known) => {
                    (known.1, known.2) = (known.1 + lost.amount, known.2 + lost.customers)
                }
                None => reasons.push((*reason, lost.amount, lost.customers)),
            }
        }
        reasons.sort_by_key(|reason| reason.1);
        let mut table =
            Table::new("reasons", "Churn by reason, last 13 months", &REASONS, self.unit);
        table.empty = "No customer left.";
        let rows = reasons.into_iter().map(|(reason, amount, customers)| {
            Row::new(vec![
                Cell::text(churn_label(reason)),
                Cell::Money(amount),
                Cell::Count(customers),
            ])
        });
        table.with_rows(rows.collect())
    }

    /// The days of the table of losses: the chosen month or days, or the last full month.
    fn lost_range(&self, months: &[MrrMonth]) -> Range {
        let zone = self.now.time_zone();
        match (self.question.month, self.question.period, months.iter().rev().nth(1)) {
            (Some(first), ..) => Range::from_days(first, first.last_of_month(), zone),
            (None, Period::Preset(_), Some(month)) => month.bucket.range,
            _ => self.range,
        }
    }

    /// Links to the losses of each month of the charts.
    fn months_of_losses(&self, months: &[MrrMonth], lost: Range) -> Block {
        let choices = self.buckets_of(months).into_iter().zip(months).map(|(bucket, month)| {
            let to = self.question.zoomed(&bucket, Interval::Month);
            (bucket.name(Interval::Month), to, month.bucket.range.from == lost.from)
        });
        Block::Choice { label: "Month of the churn", choices: choices.collect() }
    }

    /// The churn by plan and reason.
    async fn losses(&self, range: Range) -> Result<Table, Error> {
        let zone = self.now.time_zone();
        let first = zone.to_datetime(range.from).date();
        let last = last_day(range, zone);
        let days = match (first, last) == (first.first_of_month(), first.last_of_month()) {
            true => first.strftime("%b %Y").to_string(),
            false => format!("{} to {}", first.strftime("%-d %b"), last.strftime("%-d %b %Y")),
        };
        let title = format!("Churn by plan and reason, {days}, without contraction");
        let mut table = Table::new("losses", title, &LOSSES, self.unit);
        table.empty = "No customer left.";
        let losses = self.mrr_asked().losses(range).await?;
        let rows = losses.into_iter().map(|loss| {
            Row::new(vec![
                Cell::maybe(loss.product_id.as_deref().map(|id| self.product(id)).as_deref()),
                Cell::text(churn_label(loss.reason)),
                Cell::Money(loss.sums.amount),
                Cell::Count(loss.sums.customers),
            ])
        });
        Ok(table.with_rows(rows.collect()))
    }

    async fn subscription_list(&self) -> Result<Table, Error> {
        let after = self.question.cursor().and_then(|after| after.parse().ok());
        let limit = u32::try_from(self.rows(PAGE_ROWS)).unwrap_or(u32::MAX);
        let page = self.subscriptions_asked().page(limit, after).await?;
        let mut table = Table::new("subscriptions", "Subscriptions", &LIST, self.unit);
        table.pages = true;
        table.next = page.next.map(|next| next.to_string());
        self.with_subscriptions(table, &page.subscriptions).await
    }

    /// The subscriptions with a charge in the next 30 days.
    async fn due(&self) -> Result<Table, Error> {
        let until = self.now.timestamp().checked_add(jiff::SignedDuration::from_hours(24 * 30));
        let which = Which::Due(until.unwrap_or(self.now.timestamp()));
        let limit = u32::try_from(self.rows(CARD_ROWS)).unwrap_or(u32::MAX);
        let page = self.subscriptions_asked().only(which).page(limit, None).await?;
        let mut table = Table::new("due", "Due in 30 days", &LIST, self.unit);
        table.empty = "No charge is due in 30 days.";
        self.with_subscriptions(table, &page.subscriptions).await
    }

    async fn with_subscriptions(
        &self,
        table: Table,
        listed: &[SubscriptionItem],
    ) -> Result<Table, Error> {
        let customers = listed.iter().filter_map(|each| each.customer_id.as_deref());
        let contacts = self.contacts(customers).await?;
        let rows = listed.iter().map(|each| {
            let contact = each.customer_id.as_ref().and_then(|id| contacts.get(id));
            self.subscription_row(each, contact)
        });
        Ok(self.without_names(table.with_rows(rows.collect())))
    }

    /// The time of the next charge of a subscription that is paid or in a trial.
    pub(super) fn next_charge(&self, each: &SubscriptionItem) -> Option<Timestamp> {
        let is_ahead = |at: &Timestamp| *at > self.now.timestamp();
        let is_charged =
            !each.ending && (each.mrr > 0 || each.trial_ends_at.is_some_and(|at| is_ahead(&at)));
        each.next_billing_date.filter(|at| is_charged && is_ahead(at))
    }

    fn subscription_row(&self, each: &SubscriptionItem, contact: Option<&Contact>) -> Row {
        let to = self.question.about(Page::Subscription, &each.subscription_id);
        let customer = each.customer_id.as_deref().map(|customer| self.person_page(customer));
        Row::new(vec![
            Cell::text(each.subscription_id.as_str()),
            Cell::maybe(each.customer_id.as_deref()),
            name_of(contact),
            Cell::maybe(each.product_id.as_deref().map(|id| self.product(id)).as_deref()),
            Cell::text(status_of(each)),
            Cell::time(each.since),
            Cell::Money(each.amount.into()),
            Cell::Money(each.mrr.into()),
            Cell::time(each.counts_until.or(self.next_charge(each))),
        ])
        .linked(to)
        .cell_linked("customer", customer)
    }
}

/// The status as text.
pub(super) fn status_of(each: &SubscriptionItem) -> String {
    let mut status = each.status.as_deref().unwrap_or("unknown").replace('_', " ");
    for (is_so, word) in [(each.at_risk, ", at risk"), (each.ending, ", ending")] {
        status.push_str(if is_so { word } else { "" });
    }
    status
}

fn churn_label(reason: ChurnReason) -> String {
    match reason {
        ChurnReason::Asked => "customer canceled".to_owned(),
        ChurnReason::Merchant => "you canceled".to_owned(),
        other => other.as_str().replace('_', " "),
    }
}
