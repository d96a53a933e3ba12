//! The payments of an owner, from the facts of the ledger, and their invoices.

use std::collections::BTreeMap;

use bytes::Bytes;
use dodo_core::{Error, EventKind, client::PaymentId, money::Currency};
use dodo_ledger::attribution::FactKind;
use jiff::Timestamp;
use serde::Serialize;

use super::not_found;
use crate::{fact::BillingFactKind, owner::owned, owner_handle::Owner, store};

/// A payment of an owner. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PaymentLine {
    /// `pay_...`.
    pub id: String,
    /// The time of the payment.
    pub at: Timestamp,
    /// With tax.
    pub amount: i64,
    /// The tax in it. `None`: unknown.
    pub tax: Option<i64>,
    /// The currency.
    pub currency: Currency,
    /// `succeeded`, `failed`, `cancelled` or `processing`.
    pub status: &'static str,
    /// The sum of its refunds.
    pub refunded: i64,
    /// The first item. `None`: the payment names none, as most payments of subscriptions do.
    pub product: Option<String>,
}

impl Owner {
    /// The payments of the owner, the newest first. No request to Dodo Payments.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn payments(&self) -> Result<Vec<PaymentLine>, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let live = billing.live();
        let mut tx = billing.ledger()?.database().read().await?;
        let groups = store::groups_of(&mut tx, &[owner.clone()].into(), live).await?;
        let groups = store::load_groups(&mut tx, &groups).await?;
        let known = store::known(&mut tx, groups.values(), live).await?;
        drop(tx);
        let mut lines: BTreeMap<String, PaymentLine> = BTreeMap::new();
        for timeline in groups.values() {
            let mine = owned(timeline, &known, billing.secrets(), live).facts.remove(owner);
            let mine: Vec<_> = mine
                .into_iter()
                .flatten()
                .filter_map(|fact| match fact.kind {
                    BillingFactKind::Payment(payment) => Some(payment.payment_id),
                    _ => None,
                })
                .collect();
            let mut refunds: BTreeMap<&str, BTreeMap<&str, Option<i64>>> = BTreeMap::new();
            for fact in timeline.facts() {
                match &fact.kind {
                    FactKind::Refund(refund) => {
                        let of_payment = refunds.entry(&refund.payment_id).or_default();
                        of_payment.insert(&refund.refund_id, refund.amount);
                    }
                    FactKind::Charge(charge) if mine.contains(&charge.payment_id) => {
                        let line = PaymentLine {
                            id: charge.payment_id.clone(),
                            at: charge.created_at,
                            amount: charge.total,
                            tax: charge.tax,
                            currency: charge.currency,
                            status: "succeeded",
                            refunded: 0,
                            product: charge.items.first().map(|item| item.id.clone()),
                        };
                        lines.insert(line.id.clone(), line);
                    }
                    FactKind::FailedPayment(payment) if mine.contains(&payment.payment_id) => {
                        lines.entry(payment.payment_id.clone()).or_insert_with(|| PaymentLine {
                            id: payment.payment_id.clone(),
                            at: payment.created_at,
                            amount: payment.total,
                            tax: None,
                            currency: payment.currency,
                            status: match fact.event_type {
                                EventKind::PaymentProcessing => "processing",
                                EventKind::PaymentCancelled => "cancelled",
                                _ => "failed",
                            },
                            refunded: 0,
                            product: payment.items.first().map(|item| item.id.clone()),
                        });
                    }
                    _ => {}
                }
            }
            for (payment, refunds) in refunds {
                if let Some(line) = lines.get_mut(payment) {
                    // No amount: the rest of the payment.
                    let sum = refunds.values().fold(0_i64, |sum, amount| {
                        sum.saturating_add(amount.unwrap_or(line.amount - sum))
                    });
                    line.refunded = sum.min(line.amount);
                }
            }
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        lines.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        Ok(lines)
    }

    /// The invoice of a payment of the owner, as a PDF of at most 10 MB.
    ///
    /// # Errors
    /// [`NotFound`](dodo_core::ErrorKind::NotFound) `payment_not_found`, also for a payment of another
    /// owner; those of [`access`](Self::access) and of [`invoice`](dodo_core::Client::invoice).
    pub async fn invoice(&self, payment_id: &str) -> Result<Bytes, Error> {
        let payments = self.payments().await?;
        if !payments.iter().any(|payment| payment.id == payment_id) {
            return Err(not_found("payment_not_found", "there is no such payment"));
        }
        self.billing.client().invoice(&PaymentId::new(payment_id)?).await
    }
}
