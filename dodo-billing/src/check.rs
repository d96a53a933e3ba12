//! Doubts that a request to Dodo Payments settles, and findings that need a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request for the state of a subscription at Dodo Payments. Its response is a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Check {
    /// `sub_...`.
    pub subscription_id: String,
    /// The doubt.
    pub cause: CheckCause,
    /// The earliest time of the request.
    pub due_at: Timestamp,
}

/// The doubt behind a [`Check`]. New causes may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckCause {
    /// An active subscription has no payment.
    FirstPaymentUnconfirmed,
    /// The paid time is over, and no event about the renewal has arrived.
    RenewalUnconfirmed,
    /// A charge moved the paid-through date, and no snapshot shows it.
    EstimatedEnd,
    /// No fact tells the paid-through date.
    UnknownEnd,
    /// Two facts contradict each other.
    Contradiction,
    /// The subscription is on hold although the time is paid.
    OnHoldButPaid,
    /// The status is unknown.
    UnknownStatus,
    /// Two subscriptions give the same plan.
    DuplicateSubscription,
    /// The last charge was returned, and Dodo Payments still renews.
    RefundedButBilled,
}

/// A finding about an owner. New findings may be added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// Facts about a subscription contradict each other.
    Contradiction {
        /// `sub_...`.
        subscription_id: String,
    },
    /// Two or more subscriptions give the same plan at the same time.
    DuplicateSubscriptions {
        /// The plan.
        plan: String,
    },
    /// The last charge was returned, and Dodo Payments still renews: cancel the subscription.
    RefundedButBilled {
        /// `sub_...`.
        subscription_id: String,
    },
    /// A payment for several items was refunded in part. No event names the item: decide about it.
    PartialRefund {
        /// `pay_...`.
        payment_id: String,
    },
}
