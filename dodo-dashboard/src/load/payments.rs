use dodo_core::attribution::AttributionRecord;
use dodo_ledger::{
    Error,
    query::{Dimension, Records},
};
use jiff::Timestamp;

use super::{Loader, PAGE_ROWS, kind_of, source_of};
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
        let limit = self.rows(PAGE_ROWS);
        let records = self.page_of_records(limit).await?;
        let table = self.payment_table("payments", "Payments and reversals", records, limit);
        let blocks = vec![Block::Search { label: "Payment or customer id" }, Block::Table(table)];
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    async fn page_of_records(&self, limit: usize) -> Result<Vec<AttributionRecord>, Error> {
        let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        if let Some(search) = &self.question.search {
            let of_payment = self.records().payment(search.as_str()).limit(most).fetch().await?;
            if !of_payment.is_empty() {
                return Ok(of_payment);
            }
            return self
                .records()
                .only(Dimension::Customer, search.as_str())
                .limit(most)
                .fetch()
                .await;
        }
        let until = self.question.after.as_deref().and_then(|at| at.parse::<i64>().ok());
        let until = until.and_then(|at| Timestamp::from_microsecond(at).ok());
        let until = until.unwrap_or(self.range.until).min(self.range.until);
        let mut asked = self.records().between(self.range.from, until).currency(self.unit.currency);
        for condition in self.question.conditions.iter().filter(|each| !each.excluded) {
            asked = asked.only(condition.by.dimension(), condition.value.as_deref());
        }
        asked.limit(most).fetch().await
    }

    /// Records of money, newest first.
    pub(super) fn records(&self) -> Records {
        let records = self.settings.ledger.records().revenue_only().newest_first();
        if self.mode == Mode::Test { records.test_mode() } else { records }
    }

    pub(super) fn payment_table(
        &self,
        name: &'static str,
        title: &str,
        mut records: Vec<AttributionRecord>,
        limit: usize,
    ) -> Table {
        let mut table = Table::new(name, title, &COLUMNS, self.unit);
        if records.len() > limit {
            records.truncate(limit);
            let last = records.last().map(|record| record.occurred_at.as_microsecond());
            table.next = last.map(|at| at.to_string());
        }
        table.with_rows(records.iter().map(|record| self.payment_row(record)).collect())
    }

    fn payment_row(&self, record: &AttributionRecord) -> Row {
        // Another currency than that of the table has no column here.
        let money = record.money.as_ref().filter(|money| money.currency == self.unit.currency);
        let cells = vec![
            Cell::Time(record.occurred_at),
            Cell::text(kind_of(&record.kind)),
            Cell::text(record.payment_id.as_str()),
            Cell::maybe(self.products(record).as_deref()),
            Cell::text(source_of(record).unwrap_or_else(|| "not attributed".to_owned())),
            Cell::maybe(record.customer_id.as_deref()),
            Cell::money(money.map(|money| money.gross.into())),
            Cell::money(money.map(|money| money.net.into())),
        ];
        let to = (!record.payment_id.is_empty())
            .then(|| self.question.about(Page::Payment, &record.payment_id));
        Row::new(cells).linked(to)
    }
}
