use serde::{Deserialize, Serialize};

use super::values::PayoutStatus;
use crate::{
    event::{Date, fields},
    money::Currency,
};

/// Money on its way to the merchant, as `payout.*` events carry it.
///
/// `payout_id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Payout {
    /// `pyt_...`.
    #[serde(deserialize_with = "fields::id")]
    pub payout_id: String,
    /// Total, in minor units of `currency`.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub amount: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// State at the time of delivery. `failed` can follow `success`, and the other way.
    pub status: Option<PayoutStatus>,
    /// Fee, in minor units.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub fee: Option<i64>,
    /// Deprecated.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub tax: Option<i64>,
    /// Deprecated.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub refunds: Option<i64>,
    /// Deprecated.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub chargebacks: Option<i64>,
    /// The payout method.
    pub payment_method: Option<String>,
    /// The recipient.
    pub name: Option<String>,
    /// The document.
    pub payout_document_url: Option<String>,
    /// Notes.
    pub remarks: Option<String>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The time of the last change.
    pub updated_at: Option<Date>,
    /// `Payout`.
    pub payload_type: Option<String>,
}
