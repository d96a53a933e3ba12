//! The settings of a merchant's account, and the choices where Dodo's behavior is undocumented.

use serde::{Deserialize, Serialize};

/// The event at the end of a grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraceEnd {
    /// `subscription.on_hold`.
    OnHold,
    /// `subscription.cancelled`.
    Cancelled,
}

/// The events of a cancellation at the end of the period. Accounts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodEndCancellation {
    /// `subscription.updated` at the click, `subscription.cancelled` at the end.
    CancelledAtEnd,
    /// `subscription.cancelled` at the click, `subscription.expired` at the end.
    ExpiredAtEnd,
}

/// The bank's answer to a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOutcome {
    /// `refund.succeeded` at once.
    Succeeded,
    /// `refund.failed` at once.
    Failed,
    /// No event until the refund is resolved by a call.
    Pending,
}

/// The behavior of the sandbox. A merchant sets the first group of fields in Dodo's dashboard. The
/// second group chooses where Dodo's behavior is undocumented or reported both ways. The third group
/// is the sandbox's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Behavior {
    /// The days that a failed renewal leaves the subscription `past_due`. Default: none; the
    /// subscription becomes `on_hold` at once.
    pub grace_days: Option<u32>,
    /// The event at the end of the grace period. Default: `on_hold`.
    pub grace_end: GraceEnd,
    /// Retries failed renewals after 12 h, 24 h, 48 h, 72 h, 96 h, 120 h, 7 d and 7 d. Default: off.
    pub automatic_retries: bool,
    /// Sends `dunning.started` for failed renewals and cancellations. Default: off.
    pub dunning: bool,
    /// Sends `abandoned_checkout.detected` 60 minutes after an unsuccessful payment. Default: off.
    pub abandoned_checkout_recovery: bool,
    /// The bank's answer to refunds. Default: `succeeded`.
    pub refund_outcome: RefundOutcome,
    /// Requests per minute before 429. Default: no limit.
    pub rate_limit: Option<u32>,
    /// The merchant's name on the hosted pages. Default: `Sandbox shop`.
    pub business_name: String,
    /// The address of the merchant's logo. Default: the first letter of the name.
    pub business_logo: Option<String>,

    /// The first purchase of a subscription also sends `subscription.renewed`. Default: on.
    pub renewed_at_start: bool,
    /// The start of a trial sends `subscription.renewed`. Default: off.
    pub renewed_at_trial_start: bool,
    /// The start of a free trial sends `payment.succeeded` with an amount of 0. Default: on.
    pub zero_payment_at_trial_start: bool,
    /// A new payment method sends the `payment.succeeded` of 0 that checked it. Default: off.
    pub zero_payment_at_method_update: bool,
    /// A renewal that a retry recovers sends `subscription.renewed` beside `subscription.active`.
    /// Default: on.
    pub renewed_after_recovery: bool,
    /// `subscription.updated` follows every change of a subscription. Default: on.
    pub updated_events: bool,
    /// The events of a cancellation at the end of the period. Default: `cancelled_at_end`.
    pub period_end_cancellation: PeriodEndCancellation,
    /// A second attempt on the same page keeps the `payment_id` of the first. Default: off.
    pub retry_keeps_payment: bool,
    /// The grant of a license key sends `entitlement_grant.delivered` after `.created`. Default: off.
    pub delivered_after_created: bool,
    /// A dispute that Visa resolves at once sends `dispute.opened` before `dispute.lost`. Default: on.
    pub opened_before_rdr: bool,
    /// Payloads have the fields that only the newest official client knows (`charge_type`,
    /// `service_periods`, `includes_usage`, `cancelled_by`). Default: on.
    pub newest_fields: bool,

    /// Operations for which the sandbox keeps no state answer 501 instead of a sample. Default: off.
    pub strict: bool,
    /// A request that fits the contract answers a sample with the id of its path where the sandbox
    /// would refuse it, as for an unknown object. Default: off.
    pub any_id: bool,
    /// The number of the first page of lists: 0 by Dodo's contract, 1 as the official clients count.
    /// Default: 0.
    pub pages_from: u8,
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
            business_name: "Sandbox shop".to_owned(),
            business_logo: None,
            renewed_at_start: true,
            renewed_at_trial_start: false,
            zero_payment_at_trial_start: true,
            zero_payment_at_method_update: false,
            renewed_after_recovery: true,
            updated_events: true,
            period_end_cancellation: PeriodEndCancellation::CancelledAtEnd,
            retry_keeps_payment: false,
            delivered_after_created: false,
            opened_before_rdr: true,
            newest_fields: true,
            strict: false,
            any_id: false,
            pages_from: 0,
        }
    }
}
