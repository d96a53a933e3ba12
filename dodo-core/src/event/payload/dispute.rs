use serde::{Deserialize, Serialize};

use super::{
    Customer,
    values::{DisputeStage, DisputeStatus, PaymentProvider},
};
use crate::{
    event::{Date, Decimal, fields},
    money::Currency,
};

/// A dispute, as `dispute.*` events carry it.
///
/// `dispute_id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dispute {
    /// `dp_...`.
    #[serde(deserialize_with = "fields::id")]
    pub dispute_id: String,
    /// The disputed payment.
    pub payment_id: Option<String>,
    /// The disputed amount. See [`amount_minor`](Self::amount_minor).
    #[serde(default, deserialize_with = "fields::optional_decimal_amount")]
    pub amount: Option<Decimal>,
    /// The currency of `amount`.
    pub currency: Option<Currency>,
    /// State at the time of delivery.
    pub dispute_status: Option<DisputeStatus>,
    /// The stage.
    pub dispute_stage: Option<DisputeStage>,
    /// Whether Visa's Rapid Dispute Resolution refunded it by itself.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_resolved_by_rdr: bool,
    /// The network's reason.
    pub reason: Option<String>,
    /// Notes.
    pub remarks: Option<String>,
    /// The cardholder.
    #[serde(default, deserialize_with = "fields::object")]
    pub customer: Customer,
    /// The payment provider.
    pub payment_provider: Option<PaymentProvider>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// The time of the opening.
    pub created_at: Option<Date>,
    /// `Dispute`.
    pub payload_type: Option<String>,
}

impl Dispute {
    /// `amount` in minor units of `currency`. `None` when either is missing or the amount does not
    /// fit the currency's decimals.
    #[must_use]
    pub fn amount_minor(&self) -> Option<i64> {
        self.amount.as_ref()?.to_minor_units(self.currency?.exponent())
    }
}

/// A dispute in the list of a payment. `Debug` shows the id only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DisputeItem {
    /// `dp_...`.
    pub dispute_id: String,
    /// The disputed payment.
    pub payment_id: Option<String>,
    /// The disputed amount.
    #[serde(default, deserialize_with = "fields::optional_decimal_amount")]
    pub amount: Option<Decimal>,
    /// The currency of `amount`.
    pub currency: Option<Currency>,
    /// Its state.
    pub dispute_status: Option<DisputeStatus>,
    /// The stage.
    pub dispute_stage: Option<DisputeStage>,
    /// Whether Visa's Rapid Dispute Resolution refunded it by itself.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_resolved_by_rdr: bool,
    /// Notes.
    pub remarks: Option<String>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The time of the opening.
    pub created_at: Option<Date>,
}
