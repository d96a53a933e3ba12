//! What a merchant can configure at Dodo, and what nobody outside Dodo knows for sure.

use serde::{Deserialize, Serialize};

/// What happens at the end of a grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraceEnd {
    /// `subscription.on_hold`.
    OnHold,
    /// `subscription.cancelled`.
    Cancelled,
}

/// The events of a cancellation at the end of the period: accounts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodEndCancellation {
    /// `subscription.updated` at the click, `subscription.cancelled` at the end.
    CancelledAtEnd,
    /// `subscription.cancelled` at the click, `subscription.expired` at the end.
    ExpiredAtEnd,
}

/// What the bank says to a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOutcome {
    /// `refund.succeeded` at once.
    Succeeded,
    /// `refund.failed` at once.
    Failed,
    /// Nothing until the refund is resolved by hand.
    Pending,
}

/// How the sandbox behaves. The first half is what a merchant sets in Dodo's dashboard; the second
/// are switches for behaviour that is undocumented or reported both ways, so that an app can be
/// tried against either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Behavior {
    /// Days a failed renewal leaves the subscription `past_due` before it ends; `None`: it goes
    /// `on_hold` at once.
    pub grace_days: Option<u32>,
    /// What the end of those days brings.
    pub grace_end: GraceEnd,
    /// Failed renewals are retried after 12 h, 24 h, 48 h, 72 h, 96 h, 120 h, 7 d and 7 d.
    pub automatic_retries: bool,
    /// Failed renewals and cancellations start reminders: `dunning.started`.
    pub dunning: bool,
    /// Unsuccessful payments become `abandoned_checkout.detected` after 60 minutes.
    pub abandoned_checkout_recovery: bool,
    /// What becomes of refunds.
    pub refund_outcome: RefundOutcome,
    /// Requests a minute before 429; `None`: no limit.
    pub rate_limit: Option<u32>,

    /// The first purchase of a subscription sends `subscription.renewed` too.
    pub renewed_at_start: bool,
    /// The start of a trial sends `subscription.renewed`.
    pub renewed_at_trial_start: bool,
    /// The start of a free trial sends `payment.succeeded` with an amount of 0.
    pub zero_payment_at_trial_start: bool,
    /// A new payment method sends the `payment.succeeded` of 0 that checked it.
    pub zero_payment_at_method_update: bool,
    /// A renewal saved by a retry sends `subscription.renewed` beside `subscription.active`.
    pub renewed_after_recovery: bool,
    /// `subscription.updated` follows every change of a subscription.
    pub updated_events: bool,
    /// How a cancellation at the end of the period shows.
    pub period_end_cancel: PeriodEndCancellation,
    /// A second attempt on the same page keeps the `payment_id` of the first.
    pub retry_keeps_payment: bool,
    /// A license key's grant sends `entitlement_grant.delivered` after `.created`.
    pub delivered_after_created: bool,
    /// A dispute that Visa resolves at once sends `dispute.opened` before `dispute.lost`.
    pub opened_before_rdr: bool,
    /// Payloads have the fields that only the newest official client knows (`charge_type`,
    /// `service_periods`, `includes_usage`, `cancelled_by`).
    pub newest_fields: bool,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            grace_days: None,
            grace_end: GraceEnd::OnHold,
            automatic_retries: false,
            dunning: false,
            abandoned_checkout_recovery: false,
            refund_outcome: RefundOutcome::Succeeded,
            rate_limit: None,
            renewed_at_start: true,
            renewed_at_trial_start: false,
            zero_payment_at_trial_start: true,
            zero_payment_at_method_update: false,
            renewed_after_recovery: true,
            updated_events: true,
            period_end_cancel: PeriodEndCancellation::CancelledAtEnd,
            retry_keeps_payment: false,
            delivered_after_created: false,
            opened_before_rdr: true,
            newest_fields: true,
        }
    }
}
