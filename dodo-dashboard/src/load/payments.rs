use dodo_ledger::{
    Error,
    query::{Dimension, ListedRecord, Records},
};

use super::{
    Loader, PAGE_ROWS, kind_of,
    people::{MOST_RECORDS, NAME, name_of},
};
use crate::{
    page::{Block, Sheet},
    question::{Mode, Page},
    table::{Cell, Column, Kind, Row, Table},
};

static COLUMNS: [Column; 9] = [
    Column::new("time", "Time", Kind::Time),
    Column::new("kind", "Kind", Kind::Text),
    Column::new("gross", "Gross", Kind::Money),
    Column::new("net", "Net", Kind::Money),
    Column::new("product", "Product", Kind::Text),
    Column::new("source", "Source", Kind::Text),
    NAME,
    Column::new("customer", "Customer", Kind::Id),
    Column::new("payment", "Payment", Kind::Id),
];

impl Loader<'_> {
    pub(super) async fn payments(&self) -> Result<Sheet, Error> {
        if let Some(wanted) = self.question.search.as_deref() {
            return self.found(wanted).await;
        }
        let blocks = vec![Block::Table(self.payment_list().await?)];
        Ok(Sheet { blocks, ..Sheet::default() })
    }

    /// The page of the object with this id, or of the person with this e-mail address.
    async fn found(&self, id: &str) -> Result<Sheet, Error> {
        if id.contains('@') && self.permission.sees_people() {
            return self.found_by_email(id).await;
        }
        if id.starts_with("sub_") {
            return self.subscription(id).await;
        }
        if id.starts_with("cus_") {
            return self.person(id).await;
        }
        self.payment(id).await
    }

    async fn found_by_email(&self, email: &str) -> Result<Sheet, Error> {
        let live = self.mode == Mode::Live;
        match self.settings.ledger.customers_of_email(email, live).await?.as_slice() {
            [] => Ok(self.unknown("customer", email)),
            [one] => self.person(one).await,
            several => {
                let all = several.iter().fold(self.records(), |asked, customer| {
                    asked.filter(Dimension::Customer, customer.as_str())
                });
                let found = all.limit(MOST_RECORDS).page().await?;
                let table = self.payment_table(&found.records);
                Ok(Sheet { blocks: vec![Block::Table(table)], ..Sheet::default() })
            }
        }
    }

    async fn payment_list(&self) -> Result<Table, Error> {
        let limit = u32::try_from(self.rows(PAGE_ROWS)).unwrap_or(u32::MAX);
        let after = self.question.cursor().and_then(|at| at.parse().ok());
        let page = self.records_asked().limit(limit).after(after).page().await?;
        let mut table = self.payment_table(&page.records);
        table.pages = true;
        table.next = page.next.map(|next| next.to_string());
        Ok(table)
    }

    /// The values that the search finds.
    pub(crate) fn search_label(&self) -> &'static str {
        match self.permission.sees_people() {
            true => "Id or e-mail address",
            false => "Id",
        }
    }

    /// The records of the question: its mode, currency, period and conditions.
    pub(super) fn records_asked(&self) -> Records {
        let mut asked =
            self.records().between(self.range.from, self.range.until).currency(self.unit.currency);
        for condition in &self.question.conditions {
            let (dimension, value) = (condition.by.dimension(), condition.value.as_deref());
            asked = match condition.excluded {
                true => asked.exclude(dimension, value),
                false => asked.filter(dimension, value),
            };
        }
        asked
    }

    /// Records of money, newest first.
    pub(super) fn records(&self) -> Records {
        let records = self.settings.ledger.records().revenue_only().newest_first();
        if self.mode == Mode::Test { records.test_mode() } else { records }
    }

    pub(super) fn payment_table(&self, records: &[ListedRecord]) -> Table {
        let title = "Payments and reversals";
        let table = Table::new("payments", title, &COLUMNS, self.unit);
        let table =
            table.with_rows(records.iter().map(|record| self.payment_row(record)).collect());
        self.without_names(table)
    }

    fn payment_row(&self, listed: &ListedRecord) -> Row {
        let record = &listed.record;
        // The table has one currency, so an amount in another currency has no column.
        let money = record.money.as_ref().filter(|money| money.currency == self.unit.currency);
        let cells = vec![
            Cell::Time(record.occurred_at),
            Cell::text(kind_of(&record.kind)),
            Cell::money(money.map(|money| money.gross.into())),
            Cell::money(money.map(|money| money.net.into())),
            Cell::maybe(self.products(record).as_deref()),
            Cell::text(listed_source(listed)),
            name_of(record.contact.as_ref()),
            Cell::maybe(record.customer_id.as_deref()),
            Cell::text(record.payment_id.as_str()),
        ];
        let to = (!record.payment_id.is_empty())
            .then(|| self.question.about(Page::Payment, &record.payment_id));
        let customer = record.customer_id.as_deref().map(|customer| self.person_page(customer));
        Row::new(cells)
            .linked(to.clone())
            .cell_linked("payment", to)
            .cell_linked("customer", customer)
    }
}

/// The value by which the breakdown groups and conditions filter, and the campaign.
pub(super) fn listed_source(listed: &ListedRecord) -> String {
    let campaign = listed.record.campaign.as_ref();
    let campaign = campaign.and_then(|found| found.value.campaign_id.as_deref());
    match (listed.source.as_deref(), campaign) {
        (Some(source), Some(campaign)) => format!("{source} / {campaign}"),
        (Some(source), None) => source.to_owned(),
        (None, _) => "not attributed".to_owned(),
    }
}
