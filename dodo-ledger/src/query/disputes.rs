//! Open disputes.

use std::collections::BTreeMap;

use dodo_core::money::Currency;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Ledger,
    attribution::{Dispute, DisputeStep, Fact, FactKind},
    error::Error,
    store::sql::{Sql, args, sql},
};

const STEPS: Sql = sql!(
    "SELECT id, occurred_at, format, body FROM dodo_fact
     WHERE kind = 'dispute' AND occurred_at >= $1 ORDER BY occurred_at, id"
);
/// The longest time to a decision. An older dispute without a decision does not count as open.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 365);

/// A dispute that Dodo Payments has not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenDispute {
    /// `dp_...`.
    pub dispute_id: String,
    /// The disputed payment.
    pub payment_id: String,
    /// `true`: live mode.
    pub live: bool,
    /// The time of its first event.
    pub opened_at: Timestamp,
    /// Whether the merchant challenged it.
    pub is_challenged: bool,
    /// Minor units. `None`: not known.
    pub amount: Option<i64>,
    /// The currency of the amount. `None`: not known.
    pub currency: Option<Currency>,
    /// The number of decimals of the currency.
    pub exponent: u8,
}

impl Ledger {
    /// Returns the disputes that are opened or challenged and not decided, of live and test mode, oldest
    /// first. It reads the disputes of the last 365 days.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn open_disputes(&self) -> Result<Vec<OpenDispute>, Error> {
        let since = Timestamp::now().checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
        let mut tx = self.shared.store.question().await?;
        let rows = tx.fetch(&STEPS, args![since.as_microsecond()]).await?;
        let mut all: BTreeMap<(bool, String), (DisputeStep, OpenDispute)> = BTreeMap::new();
        for mut row in rows {
            let (id, at) = (row.text(0)?, row.int(1)?);
            let fact = Fact::from_row(id, at, row.int(2)?, &row.text(3)?, None)?;
            let FactKind::Dispute(dispute) = &fact.kind else { continue };
            let (amount, currency) = self.disputed(dispute);
            let known = all
                .entry((fact.live, dispute.dispute_id.clone()))
                .or_insert_with(|| (dispute.step, OpenDispute::from_fact(&fact, dispute)));
            known.0 = dispute.step;
            known.1.is_challenged |= dispute.step == DisputeStep::Challenged;
            if amount.is_some() {
                (known.1.amount, known.1.currency) = (amount, currency);
                let exponent = |currency| self.shared.rules().exponent_of(currency);
                known.1.exponent = currency.map_or(0, exponent);
            }
        }
        let is_open = |step| matches!(step, DisputeStep::Opened | DisputeStep::Challenged);
        let open = all.into_values().filter(|(step, _)| is_open(*step));
        let mut open: Vec<OpenDispute> = open.map(|(_, dispute)| dispute).collect();
        open.sort_by_key(|dispute| dispute.opened_at);
        Ok(open)
    }

    /// The amount of a dispute in minor units.
    pub(super) fn disputed(&self, dispute: &Dispute) -> (Option<i64>, Option<Currency>) {
        let amount = dispute.amount.as_ref().zip(dispute.currency).and_then(|(text, currency)| {
            text.to_minor_units(self.shared.rules().exponent_of(currency))
        });
        (amount, dispute.currency.filter(|_| amount.is_some()))
    }
}

impl OpenDispute {
    fn from_fact(fact: &Fact, dispute: &Dispute) -> Self {
        Self {
            dispute_id: dispute.dispute_id.clone(),
            payment_id: dispute.payment_id.clone(),
            live: fact.live,
            opened_at: fact.occurred_at,
            is_challenged: false,
            amount: None,
            currency: None,
            exponent: 0,
        }
    }
}
