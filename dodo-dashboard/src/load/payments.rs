use dodo_ledger::{
    Error,
    query::{ListedRecord, Records},
};

use super::{Loader, PAGE_ROWS, kind_of};
use crate::{
    page::{Block, Sheet},
    question::{Mode, Page},
    table::{Cell, Column, Kind, Row, Table},
};

static COLUMNS: [Column; 8] = [
    Column::new("time", "Time", Kind::Time),
    Column::new("kind", "Kind", Kind::Text),
    Column::new("payment", "Payment", Kind::Id),
    Column::new("product", "Product", Kind::Text),
    Column::new("source", "Source", Kind::Text),
    Column::new("customer", "Customer", Kind::Id),
    Column::new("gross", "Gross", Kind::Money),
    Column::new("net", "Net", Kind::Money),
];

impl Loader<'_> {
    pub(super) async fn payments(&self) -> Result<Sheet, Error> {
        let search = Block::Search { label: "Id of a payment, customer or subscription" };
        if let Some(wanted) = self.question.search.as_deref() {
            let mut found = self.found(wanted).await?;
            found.blocks.insert(0, search);
            return Ok(found);
        }
        let blocks = vec![search, Block::Table(self.payment_list().await?)];
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    /// The page of the object with this id.
    async fn found(&self, id: &str) -> Result<Sheet, Error> {
        if id.starts_with("sub_") {
            return self.subscription(id).await;
        }
        if id.starts_with("cus_") {
            return self.person(id).await;
        }
        self.payment(id).await
    }

    async fn payment_list(&self) -> Result<Table, Error> {
        let mut asked =
            self.records().between(self.range.from, self.range.until).currency(self.unit.currency);
        for condition in &self.question.conditions {
            let (dimension, value) = (condition.by.dimension(), condition.value.as_deref());
            asked = match condition.excluded {
                true => asked.exclude(dimension, value),
                false => asked.filter(dimension, value),
            };
        }
        let limit = u32::try_from(self.rows(PAGE_ROWS)).unwrap_or(u32::MAX);
        let after = self.question.after.as_deref().and_then(|at| at.parse().ok());
        let page = asked.limit(limit).after(after).page().await?;
        let mut table = self.payment_table(&page.records);
        table.next = page.next.map(|next| next.to_string());
        Ok(table)
    }

    /// Records of money, newest first.
    pub(super) fn records(&self) -> Records {
        let records = self.settings.ledger.records().revenue_only().newest_first();
        if self.mode == Mode::Test { records.test_mode() } else { records }
    }

    pub(super) fn payment_table(&self, records: &[ListedRecord]) -> Table {
        let title = "Payments and reversals";
        let table = Table::new("payments", title, &COLUMNS, self.unit);
        table.with_rows(records.iter().map(|record| self.payment_row(record)).collect())
    }

    fn payment_row(&self, listed: &ListedRecord) -> Row {
        let record = &listed.record;
        // The table has one currency, so an amount in another currency has no column.
        let money = record.money.as_ref().filter(|money| money.currency == self.unit.currency);
        // The value by which the breakdown groups and conditions filter.
        let campaign =
            record.campaign.as_ref().and_then(|found| found.value.campaign_id.as_deref());
        let source = match (listed.source.as_deref(), campaign) {
            (Some(source), Some(campaign)) => format!("{source} / {campaign}"),
            (Some(source), None) => source.to_owned(),
            (None, _) => "not attributed".to_owned(),
        };
        let cells = vec![
            Cell::Time(record.occurred_at),
            Cell::text(kind_of(&record.kind)),
            Cell::text(record.payment_id.as_str()),
            Cell::maybe(self.products(record).as_deref()),
            Cell::text(source),
            Cell::maybe(record.customer_id.as_deref()),
            Cell::money(money.map(|money| money.gross.into())),
            Cell::money(money.map(|money| money.net.into())),
        ];
        let to = (!record.payment_id.is_empty())
            .then(|| self.question.about(Page::Payment, &record.payment_id));
        Row::new(cells).linked(to)
    }
}
