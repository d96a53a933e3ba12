use std::collections::BTreeMap;

use dodo_core::{attribution::Contact, event::SubscriptionStatus};
use dodo_ledger::{Error, query::Dimension};

use super::{Loader, PAGE_ROWS, payments::listed_source};
use crate::{
    page::{Block, Sheet, Tile},
    question::{Page, Sort},
    table::{Cell, Column, Kind, Row, Table},
};

/// The columns that only people with [`Permission::with_people`](crate::Permission::with_people) see.
pub(super) const NAME: Column = Column::new("name", "Name", Kind::Text);
const EMAIL: Column = Column::new("email", "E-mail", Kind::Text);
static COLUMNS: [Column; 7] = [
    Column::new("customer", "Customer", Kind::Id),
    NAME,
    EMAIL,
    Column::new("net", "Net", Kind::Money).sorted_by(Sort::Net),
    Column::new("charges", "Payments", Kind::Count).sorted_by(Sort::Charges),
    Column::new("average", "Average", Kind::Money),
    Column::new("refunds", "Refunds with tax", Kind::Money),
];
/// The most records of one person that the page reads.
pub(super) const MOST_RECORDS: u32 = 1000;

impl Loader<'_> {
    /// Customers by their net in the period.
    pub(super) async fn people(&self) -> Result<Sheet, Error> {
        let order = (self.question.sort, self.question.ascending);
        let after = self.question.cursor();
        let limit = self.rows(PAGE_ROWS);
        let asked = self.asked(order, after, limit).versus(None).group_by(Dimension::Customer);
        let groups = super::money::Groups::from(asked.rows().await?);
        let mut table =
            Table::new("people", "Customers with payments or refunds", &COLUMNS, self.unit);
        table.sorts = true;
        table.count = Some(groups.count);
        (table.pages, table.next) = (true, groups.next);
        let customers = groups.rows.iter().map(|(customer, _)| customer.as_str());
        let contacts = self.contacts(customers).await?;
        let rows = groups.rows.iter().map(|(customer, sums)| {
            let (now, contact) = (&sums.now, contacts.get(customer));
            Row::new(vec![
                Cell::text(customer.as_str()),
                name_of(contact),
                Cell::maybe(contact.and_then(|contact| contact.email.as_deref())),
                Cell::Money(now.net),
                Cell::Count(now.charges),
                Cell::money(now.average()),
                Cell::Money(now.refunds_gross),
            ])
            .linked(self.person_page(customer))
        });
        let table = self.without_names(table.with_rows(rows.collect()));
        Ok(Sheet { blocks: vec![Block::Table(table)], ..Sheet::default() })
    }

    /// The contacts of customers, for people who may see them.
    pub(super) async fn contacts(
        &self,
        customers: impl Iterator<Item = &str> + Send,
    ) -> Result<BTreeMap<String, Contact>, Error> {
        match self.permission.sees_people() {
            true => self.settings.ledger.contacts(customers).await,
            false => Ok(BTreeMap::new()),
        }
    }

    /// The table without names and addresses, for people who may not see them.
    pub(super) fn without_names(&self, mut table: Table) -> Table {
        for personal in [NAME.name, EMAIL.name] {
            let at = table.columns.iter().position(|column| column.name == personal);
            if let Some(at) = at.filter(|_| !self.permission.sees_people()) {
                table.columns.remove(at);
                table.rows.iter_mut().for_each(|row| drop(row.cells.remove(at)));
            }
        }
        table
    }

    /// A customer or a visitor: everything that they paid.
    pub(super) async fn person(&self, id: &str) -> Result<Sheet, Error> {
        let mut records = Vec::new();
        for dimension in [Dimension::Customer, Dimension::Visitor] {
            records =
                self.records().filter(dimension, id).limit(MOST_RECORDS).page().await?.records;
            if !records.is_empty() {
                break;
            }
        }
        let listed = records;
        let records: Vec<_> = listed.iter().map(|each| &each.record).collect();
        let (Some(&newest), Some(&oldest)) = (records.first(), records.last()) else {
            return Ok(self.unknown("person", id));
        };
        let own = records.iter().filter_map(|record| record.money.as_ref());
        let own = own.filter(|money| money.currency == self.unit.currency);
        let net: i128 = own.map(|money| i128::from(money.net)).sum();
        let charges = records.iter().filter(|record| record.kind.is_charge()).count();
        let charges = u64::try_from(charges).unwrap_or(u64::MAX);
        let tiles = vec![
            Tile::new("net", "Net", Kind::Money, Cell::Money(net)),
            Tile::new("payments", "Payments", Kind::Count, Cell::Count(charges)),
            Tile::new("first", "First paid", Kind::Time, Cell::Time(oldest.occurred_at)),
            Tile::new("last", "Last change", Kind::Time, Cell::Time(newest.occurred_at)),
        ];
        let mut facts = Vec::new();
        if let Some(customer) = &newest.customer_id {
            facts.push(("Customer", Cell::text(customer.as_str()), None));
        }
        facts.extend(self.contact_facts(newest));
        if let Some(first) = listed.last() {
            facts.push(("Source of the first payment", Cell::text(listed_source(first)), None));
        }
        let mut subscriptions: Vec<&String> =
            records.iter().flat_map(|record| &record.subscription_ids).collect();
        subscriptions.sort_unstable();
        subscriptions.dedup();
        for id in subscriptions.into_iter().take(PAGE_ROWS) {
            if let Some(now) = self.settings.ledger.subscription(id).await? {
                let to = self.question.about(Page::Subscription, id);
                facts.push(("Subscription", Cell::text(self.subscription_line(&now)), Some(to)));
            }
        }
        let mut blocks = vec![Block::Tiles(self.unit, tiles)];
        if let Some(to) = self.own_page(newest) {
            blocks.push(Block::External { label: "This person in the app".to_owned(), to });
        }
        blocks.push(Block::Facts { title: "Person".to_owned(), unit: self.unit, facts });
        let shown = listed.get(..self.rows(PAGE_ROWS)).unwrap_or(&listed);
        let mut table = self.payment_table(shown);
        table.count = u64::try_from(listed.len()).ok();
        blocks.push(Block::Table(table));
        let name = match (self.permission.sees_people(), name_of(newest.contact.as_ref())) {
            (true, Cell::Text(name)) => name,
            _ => Page::Person.title().to_owned(),
        };
        let heading = format!("{name} · {id}");
        Ok(Sheet { heading, found: Some(Page::Person), blocks })
    }

    fn subscription_line(&self, now: &dodo_ledger::query::SubscriptionStatusView) -> String {
        let mut text = now.subscription_id.clone();
        let status = now.status.as_ref().map(|status| status.as_str().replace('_', " "));
        let is_ahead = |at: &jiff::Timestamp| *at > self.now.timestamp();
        let next = now.next_billing_date.filter(is_ahead).map(|at| {
            let day = self.day(at);
            if now.cancel_at_next_billing_date || now.status == Some(SubscriptionStatus::Cancelled)
            {
                format!("ends on {day}")
            } else {
                format!("next charge {day}")
            }
        });
        let plan = now.product_id.as_deref().map(|id| self.product(id));
        for part in [plan, status, next].into_iter().flatten() {
            text.push_str(" · ");
            text.push_str(&part);
        }
        text
    }
}

/// The name of a customer, or the e-mail address.
pub(super) fn name_of(contact: Option<&Contact>) -> Cell {
    let name = contact.and_then(|contact| contact.name.as_deref().or(contact.email.as_deref()));
    Cell::maybe(name)
}
