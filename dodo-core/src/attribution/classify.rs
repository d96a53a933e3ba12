//! What a charge is, as far as one payment says.

use super::{Basis, NonRevenueReason, RecordKind};
use crate::{Payment, event::ChargeType};

/// What a charge is, as far as the payment alone says.
pub(super) fn classify(payment: &Payment) -> (RecordKind, Basis) {
    let none = |reason| (RecordKind::NonRevenue { reason }, Basis::Event);
    let has_subscription = payment.subscription_id.is_some()
        || !payment.subscription_ids.is_empty()
        || payment.is_multi_subscription;
    if payment.is_update_payment_method {
        return none(NonRevenueReason::Setup);
    }
    if payment.total_amount == 0 {
        return none(NonRevenueReason::Free);
    }
    if !has_subscription {
        return (RecordKind::OneTime, Basis::Event);
    }
    match payment.charge_type {
        Some(ChargeType::New) => return (RecordKind::SubscriptionNew, Basis::ChargeType),
        Some(ChargeType::Renewal) => return (RecordKind::SubscriptionRenewal, Basis::ChargeType),
        _ => {}
    }
    if payment.is_multi_subscription {
        return (RecordKind::SubscriptionNew, Basis::MultiFlag);
    }
    if payment.retry_attempt.unwrap_or_default() > 0 {
        return (RecordKind::SubscriptionRenewal, Basis::RetryAttempt);
    }
    (RecordKind::SubscriptionNew, Basis::Assumed)
}
