use dodo_ledger::{
    Error,
    query::{OpenDispute, Which},
};

use super::Loader;
use crate::{
    format::count,
    page::Block,
    question::{Mode, Page},
    table::{Cell, Column, Kind, Row, Table},
};

static DISPUTES: [Column; 5] = [
    Column::new("dispute", "Dispute", Kind::Id),
    Column::new("payment", "Payment", Kind::Id),
    Column::new("opened", "Opened", Kind::Time),
    Column::new("state", "State", Kind::Text),
    Column::new("amount", "Amount", Kind::Money),
];

impl Loader<'_> {
    /// Tasks that prevent a loss of money: open disputes and failed renewals.
    pub(super) async fn attention(&self) -> Result<Vec<Block>, Error> {
        let disputes = self.disputes_of_mode().await?;
        let asked = self.subscriptions_asked().only(Which::AtRisk);
        let summary = asked.summary().await?.into_iter().find(|s| s.currency == self.unit.currency);
        let mut blocks = Vec::new();
        if let Some(at_risk) = summary.map(|s| s.at_risk).filter(|sums| sums.subscriptions > 0) {
            let text = format!(
                "{} at risk, because the last renewal failed: {} a month.",
                plural(at_risk.subscriptions, "subscription is", "subscriptions are"),
                self.unit.show(at_risk.mrr)
            );
            let link = Some(("Subscriptions".to_owned(), self.question.on(Page::Subscriptions)));
            blocks.push(Block::Note { text, link, is_warning: true });
        }
        if !disputes.is_empty() {
            blocks.push(Block::Table(self.dispute_table(&disputes)));
        } else {
            let mut text = "No dispute is open now, in any currency.".to_owned();
            if blocks.is_empty() {
                text.push_str(&format!(" No subscription in {} is at risk.", self.unit.currency));
            }
            blocks.push(Block::Note { text, link: None, is_warning: false });
        }
        Ok(blocks)
    }

    async fn disputes_of_mode(&self) -> Result<Vec<OpenDispute>, Error> {
        let mut open = self.settings.ledger.open_disputes().await?;
        let live = self.mode == Mode::Live;
        open.retain(|dispute| dispute.live == live);
        Ok(open)
    }

    fn dispute_table(&self, open: &[OpenDispute]) -> Table {
        let title = format!(
            "Needs attention: {} open",
            plural(u64::try_from(open.len()).unwrap_or(u64::MAX), "dispute is", "disputes are")
        );
        let mut table = Table::new("disputes", title, &DISPUTES, self.unit);
        table.rows = open
            .iter()
            .take(self.rows(super::CARD_ROWS))
            .map(|each| self.dispute_row(each))
            .collect();
        table.count = u64::try_from(open.len()).ok();
        table
    }

    fn dispute_row(&self, each: &OpenDispute) -> Row {
        // The table has one currency, so an amount in another currency has no column.
        let amount = each.amount.filter(|_| each.currency == Some(self.unit.currency));
        let state = if each.is_challenged { "challenged" } else { "opened" };
        Row::new(vec![
            Cell::text(each.dispute_id.as_str()),
            Cell::text(each.payment_id.as_str()),
            Cell::Time(each.opened_at),
            Cell::text(state),
            Cell::money(amount.map(i128::from)),
        ])
        .linked(self.question.about(Page::Payment, &each.payment_id))
    }
}

pub(super) fn plural(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}
