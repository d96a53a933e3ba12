//! Features that Dodo Payments granted, and plans that the app granted.

use dodo_core::event::{GrantStatus, RevocationReason};
use jiff::Timestamp;

use crate::{
    fact::{AppDecision, GrantFact},
    reason::{ReasonCode as Code, date},
    source::{AccessSource, SourceKind},
    state::AccessState as State,
    subscription::{SubscriptionFold, find},
    until::Until,
};

/// The effect of the last step of a grant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantEffect {
    /// Pending or failed: nothing yet.
    Nothing,
    /// The grant lives as long as its subscription or payment.
    Follows,
    /// The same, while the subscription covers the product of the grant.
    FollowsProduct,
    /// The grant itself was revoked.
    Revoked,
}

/// The effect of one step.
///
/// Dodo Payments revokes at the cancellation or at the first failed charge. The subscription
/// decides these cases, so a revocation with these reasons ends nothing.
pub(crate) fn effect(grant: &GrantFact) -> GrantEffect {
    use RevocationReason as Why;
    match grant.status {
        Some(GrantStatus::Delivered) => GrantEffect::Follows,
        Some(GrantStatus::Revoked) => match grant.revocation_reason {
            Some(
                Why::SubscriptionCancelled
                | Why::SubscriptionOnHold
                | Why::SubscriptionPaused
                | Why::SubscriptionExpired,
            ) => GrantEffect::Follows,
            Some(Why::PlanChanged) => GrantEffect::FollowsProduct,
            _ => GrantEffect::Revoked,
        },
        _ => GrantEffect::Nothing,
    }
}

/// A `feature_flag` grant of Dodo Payments.
pub(crate) struct DodoGrant<'a> {
    id: &'a str,
    feature: &'a str,
    at: Timestamp,
    effect: GrantEffect,
    pub(crate) payment: Option<&'a str>,
    pub(crate) subscription: Option<&'a str>,
    /// The product that the subscription covered when the grant began.
    product: Option<&'a str>,
}

impl<'a> DodoGrant<'a> {
    /// `None`: the grant is not a feature.
    pub(crate) fn new(
        id: &'a str,
        steps: &[(Timestamp, &'a GrantFact)],
        subscriptions: &[SubscriptionFold<'a>],
    ) -> Option<Self> {
        let feature = steps.iter().find_map(|(_, grant)| grant.feature.as_deref())?;
        let (begin, _) = steps.first()?;
        let (at, effect) = last_effect(steps);
        let subscription = steps.iter().find_map(|(_, grant)| grant.subscription_id.as_deref());
        let of = subscription.and_then(|id| find(subscriptions, id));
        Some(Self {
            id,
            feature,
            at,
            effect,
            payment: steps.iter().find_map(|(_, grant)| grant.payment_id.as_deref()),
            subscription,
            product: of.and_then(|subscription| subscription.product_at(*begin)),
        })
    }

    /// The grant, given the sources of its subscription or payment. Without them, the grant decides
    /// alone.
    pub(crate) fn source(&self, origin: Option<&AccessSource>) -> AccessSource {
        let kind = SourceKind::DodoGrant(self.id.to_owned());
        let on = date(self.at);
        let mut source = match (self.effect, origin) {
            (GrantEffect::Nothing, _) => {
                AccessSource::new(kind, State::None, Code::NeverStarted.because("Not delivered."))
            }
            (GrantEffect::FollowsProduct, Some(origin))
                if origin.product.as_deref() != self.product =>
            {
                self.revoked(kind)
            }
            (GrantEffect::Revoked, _) => self.revoked(kind),
            (_, Some(origin)) => AccessSource {
                until: origin.until,
                ended_at: origin.ended_at,
                recoverable: origin.recoverable,
                ..AccessSource::new(kind, origin.state, origin.reason.clone())
            },
            (GrantEffect::FollowsProduct, None) => self.revoked(kind),
            (GrantEffect::Follows, None) => AccessSource::new(
                kind,
                State::Active,
                Code::Granted.because(format!("Granted on {on}.")),
            ),
        };
        source.feature = Some(self.feature.to_owned());
        source
    }

    fn revoked(&self, kind: SourceKind) -> AccessSource {
        let reason = Code::Revoked.because(format!("Revoked on {}.", date(self.at)));
        AccessSource { ended_at: Some(self.at), ..AccessSource::new(kind, State::Ended, reason) }
    }
}

/// The last step with an effect. A revocation comes after a delivery of the same instant.
fn last_effect(steps: &[(Timestamp, &GrantFact)]) -> (Timestamp, GrantEffect) {
    let rank = |grant: &GrantFact| match effect(grant) {
        GrantEffect::Nothing => 0,
        GrantEffect::Follows if grant.status == Some(GrantStatus::Delivered) => 1,
        GrantEffect::Follows | GrantEffect::FollowsProduct => 2,
        GrantEffect::Revoked => 3,
    };
    let last = steps.iter().max_by_key(|(at, grant)| (*at, rank(grant)));
    last.map_or((Timestamp::MIN, GrantEffect::Nothing), |(at, grant)| (*at, effect(grant)))
}

/// A plan that the app granted. `None`: the app withdrew it.
pub(crate) fn app_grant(id: &str, decision: &AppDecision, now: Timestamp) -> Option<AccessSource> {
    let AppDecision::GrantPlan { plan, until, why, .. } = decision else { return None };
    let kind = SourceKind::AppGrant(id.to_owned());
    let reason = Code::Granted.because(match until {
        Some(end) => format!("Granted until {}: {why}.", date(*end)),
        None => format!("Granted: {why}."),
    });
    let over = until.filter(|end| now >= *end);
    let state = if over.is_some() { State::Ended } else { State::Active };
    let mut source = AccessSource::new(kind, state, reason);
    source.plan = Some(plan.clone());
    source.until = source.until.map(|_| Until::from(*until));
    source.ended_at = over;
    Some(source)
}
