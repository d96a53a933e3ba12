//! The choices of an app about grace and returned money.

use dodo_core::attribution::DisputePolicy;
use jiff::SignedDuration;

use crate::plan::days;

/// The effect of a subscription that was canceled to end now and not with its period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CancelNow {
    /// The paid time remains.
    #[default]
    KeepPaid,
    /// Access ends at once.
    EndNow,
}

/// The effect of a partial refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartialRefund {
    /// Access remains until the refunds add up to the payment.
    #[default]
    Keep,
    /// Access ends with the first refund.
    End,
}

/// The rules of an app. Two apps with equal facts and different rules answer differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) hold_grace: SignedDuration,
    pub(crate) renewal_slack: SignedDuration,
    pub(crate) cancel_now: CancelNow,
    pub(crate) partial_refund: PartialRefund,
    pub(crate) disputes: DisputePolicy,
    pub(crate) strict_first_payment: bool,
    pub(crate) features_from_dodo: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hold_grace: days(3),
            renewal_slack: SignedDuration::from_hours(36),
            cancel_now: CancelNow::default(),
            partial_refund: PartialRefund::default(),
            disputes: DisputePolicy::default(),
            strict_first_payment: false,
            features_from_dodo: false,
        }
    }
}
