//! The attribution steps and their results.

use dodo_core::{
    attribution::{Attributed, AttributionStep},
    capture::Campaign,
};

use super::{fact::Touchpoint, record::Record};
use crate::attribution::StepReason;

/// The steps in their order. The first step with a result wins.
pub(super) const STEPS: [AttributionStep; 7] = [
    AttributionStep::EventMetadata,
    AttributionStep::PaymentRecord,
    AttributionStep::CheckoutContext,
    AttributionStep::SubscriptionRecord,
    AttributionStep::RecoveredFrom,
    AttributionStep::CustomerRecord,
    AttributionStep::EmailMatch,
];

/// Whether a result of this step can give attribution to other purchases. A result that comes from
/// another purchase cannot.
pub(super) fn is_direct(step: AttributionStep) -> bool {
    !matches!(step, AttributionStep::CustomerRecord | AttributionStep::EmailMatch)
}

/// A value and the id of its source object, or the reason for none.
pub(super) type Found<'a, T> = Result<(&'a T, &'a str), StepReason>;

/// The result of one step.
#[derive(Clone, Copy)]
pub(super) struct StepResult<'a> {
    pub(super) visitor: Found<'a, str>,
    pub(super) campaign: Found<'a, Campaign>,
}

impl<'a> StepResult<'a> {
    pub(super) fn none(reason: StepReason) -> Self {
        Self { visitor: Err(reason), campaign: Err(reason) }
    }

    pub(super) fn from_touchpoint(
        touchpoint: &'a Touchpoint,
        from: &'a str,
        otherwise: StepReason,
    ) -> Self {
        Self {
            visitor: touchpoint.visitor.as_deref().map(|value| (value, from)).ok_or(otherwise),
            campaign: touchpoint.campaign.as_ref().map(|value| (value, from)).ok_or(otherwise),
        }
    }

    /// The attribution of a charge. Along a subscription, the source stays the first payment that has
    /// the value.
    pub(super) fn from_charge(charge: &'a Record, otherwise: StepReason) -> Self {
        fn source<'a, T>(found: &'a Attributed<T>, payment: &'a str) -> &'a str {
            if found.step == AttributionStep::SubscriptionRecord { &found.from } else { payment }
        }
        let payment = charge.record.payment_id.as_str();
        let visitor = charge.record.visitor.as_ref();
        let campaign = charge.record.campaign.as_ref();
        Self {
            visitor: visitor.map(|v| (v.value.as_str(), source(v, payment))).ok_or(otherwise),
            campaign: campaign.map(|c| (&c.value, source(c, payment))).ok_or(otherwise),
        }
    }

    /// Takes each part from `self`, else from `other`. If both have none, the reason of `self`
    /// stays.
    pub(super) fn or(self, other: Self) -> Self {
        fn or<T>(a: Result<T, StepReason>, b: Result<T, StepReason>) -> Result<T, StepReason> {
            if a.is_ok() || b.is_err() { a } else { b }
        }
        Self {
            visitor: or(self.visitor, other.visitor),
            campaign: or(self.campaign, other.campaign),
        }
    }
}

/// The known fields of a campaign, for people.
pub(super) fn campaign_text(campaign: &Campaign) -> String {
    let parts = [
        ("source", &campaign.source),
        ("medium", &campaign.medium),
        ("campaign", &campaign.campaign_id),
        ("content", &campaign.content),
        ("term", &campaign.term),
        ("link", &campaign.link_id),
        ("lead", &campaign.lead_id),
    ];
    let known = parts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    known.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}
