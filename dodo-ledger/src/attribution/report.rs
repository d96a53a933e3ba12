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

/// The result of a step for one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepAnswer {
    /// The step found a value.
    Found {
        /// The found value.
        value: String,
        /// The object with the value.
        from: String,
    },
    /// The step found no value.
    Nothing(StepReason),
    /// An earlier step found the value, so this step did not run.
    NotNeeded,
}

/// The reason why a step found no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepReason {
    /// The metadata of the object has no value.
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
    /// The checkout session has no stored context.
    NoContext,
    /// The visit that led to the checkout has no value.
    NotInContext,
    /// The record has no subscription.
    NoSubscription,
    /// The record is the first charge of its subscription, and the metadata of the subscription has
    /// no value.
    NoEarlierCharge,
    /// The earlier charges of the subscription have no attribution.
    EarlierChargesUnattributed,
    /// The payment did not recover an abandoned checkout.
    NotARecovery,
    /// The abandoned checkout has no value either.
    AbandonedUnattributed,
    /// The record has no customer.
    NoCustomer,
    /// The customer has no attributed purchase in the lookback.
    NoEarlierPurchase {
        /// The lookback.
        days: u32,
    },
    /// The record has no e-mail address.
    NoEmail,
    /// No visitor is linked to this e-mail address.
    NotIdentified,
    /// Two visitors share this e-mail address, so the ledger credits neither.
    Ambiguous,
    /// The visitor did not consent.
    ConsentDenied,
    /// The rules do not credit renewals, or not this long after the start of the subscription.
    RenewalNotCredited,
    /// The customer was erased.
    Forgotten,
}

impl StepReason {
    /// The name of the reason in exports and groups, without details.
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
