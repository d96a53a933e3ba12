//! The result of each attribution step, and the reason if a step has none.

use dodo_core::attribution::AttributionStep;
use serde::{Deserialize, Serialize};

/// One step of the chain, for the visitor and for the campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// The step.
    pub step: AttributionStep,
    /// The result for the visitor.
    pub visitor: StepAnswer,
    /// The result for the campaign.
    pub campaign: StepAnswer,
}

/// What a step answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepAnswer {
    /// It knew.
    Found {
        /// The found value.
        value: String,
        /// The object with the value.
        from: String,
    },
    /// It did not know.
    Nothing(StepReason),
    /// An earlier step knew.
    NotNeeded,
}

/// Why a step did not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepReason {
    /// The object's metadata does not name one.
    NotInMetadata,
    /// The record is not a reversal, so it has no payment to inherit from.
    NotAReversal,
    /// The reversed payment is not in the ledger.
    PaymentNotHere,
    /// The reversed payment has no attribution.
    PaymentUnattributed,
    /// The reversed payment was already searched.
    SeeThePayment,
    /// The payment does not come from a checkout session.
    NoSession,
    /// Nothing was captured when the checkout session was made.
    NoContext,
    /// The visit that led to the checkout did not show one.
    NotInContext,
    /// It belongs to no subscription.
    NoSubscription,
    /// It is the first charge of its subscription, and the subscription's metadata does not name one.
    NoEarlierCharge,
    /// The earlier charges of the subscription have no attribution.
    EarlierChargesUnattributed,
    /// It does not make up for an abandoned checkout.
    NotARecovery,
    /// The abandoned checkout does not show one either.
    AbandonedUnattributed,
    /// It names no customer.
    NoCustomer,
    /// The customer bought nothing that could be attributed in the days before.
    NoEarlierPurchase {
        /// The lookback.
        days: u32,
    },
    /// It names no e-mail address.
    NoEmail,
    /// No visitor is linked to this e-mail address.
    NotIdentified,
    /// Two visitors were identified with this e-mail address: neither is credited.
    Ambiguous,
    /// The visitor did not consent.
    ConsentDenied,
    /// Renewals are not credited, or not for so long.
    RenewalNotCredited,
    /// The customer asked to be forgotten.
    Forgotten,
}

impl StepReason {
    /// Its name in exports and groups, without details.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotInMetadata => "not_in_metadata",
            Self::NotAReversal => "not_a_reversal",
            Self::PaymentNotHere => "payment_not_here",
            Self::PaymentUnattributed => "payment_unattributed",
            Self::SeeThePayment => "see_the_payment",
            Self::NoSession => "no_session",
            Self::NoContext => "no_context",
            Self::NotInContext => "not_in_context",
            Self::NoSubscription => "no_subscription",
            Self::NoEarlierCharge => "no_earlier_charge",
            Self::EarlierChargesUnattributed => "earlier_charges_unattributed",
            Self::NotARecovery => "not_a_recovery",
            Self::AbandonedUnattributed => "abandoned_unattributed",
            Self::NoCustomer => "no_customer",
            Self::NoEarlierPurchase { .. } => "no_earlier_purchase",
            Self::NoEmail => "no_email",
            Self::NotIdentified => "not_identified",
            Self::Ambiguous => "ambiguous",
            Self::ConsentDenied => "consent_denied",
            Self::RenewalNotCredited => "renewal_not_credited",
            Self::Forgotten => "forgotten",
        }
    }

    /// The reason with this name. The store keeps no reason with details.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}
