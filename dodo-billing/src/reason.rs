//! The reason of an answer: a code for programs and one sentence for people.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($( $(#[$doc:meta])* $variant:ident = $text:literal, )*) => {
        /// The rule that decided. New codes may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ReasonCode { $( $(#[$doc])* #[serde(rename = $text)] $variant, )* }

        impl ReasonCode {
            /// The code as text, such as `cancel_scheduled`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

codes! {
    /// Nothing was bought, or the first payment failed or is not complete.
    NeverStarted = "never_started",
    /// The time is paid.
    Paid = "paid",
    /// The subscription is active and no payment has arrived yet.
    FirstPaymentUnconfirmed = "first_payment_unconfirmed",
    /// The trial runs.
    Trial = "trial",
    /// The trial runs and is canceled.
    TrialCancelled = "trial_cancelled",
    /// The trial is over and no payment method is stored.
    TrialEnded = "trial_ended",
    /// Canceled; the paid time runs.
    CancelledPaid = "cancelled_paid",
    /// The cancellation is scheduled for the end of the paid time.
    CancelScheduled = "cancel_scheduled",
    /// Canceled, and the paid time is over.
    Cancelled = "cancelled",
    /// The app ended the access.
    CancelledNow = "cancelled_now",
    /// Dodo Payments reports the end before the paid time is over.
    Contradiction = "contradiction",
    /// The subscription is on hold although the time is paid.
    OnHoldButPaid = "on_hold_but_paid",
    /// A charge failed.
    PaymentFailed = "payment_failed",
    /// The paid time is over, and no event about the renewal has arrived.
    RenewalUnconfirmed = "renewal_unconfirmed",
    /// The paid time is over, and no payment method is stored.
    NoPaymentMethod = "no_payment_method",
    /// Dodo Payments sent a status that this version does not know.
    UnknownStatus = "unknown_status",
    /// Paused.
    Paused = "paused",
    /// Paused, and the settlement of the pause failed.
    PauseUnpaid = "pause_unpaid",
    /// The last charge was refunded.
    Refunded = "refunded",
    /// The last charge was lost in a dispute.
    Disputed = "disputed",
    /// The term is over.
    Expired = "expired",
    /// The app or Dodo Payments granted it.
    Granted = "granted",
    /// Dodo Payments revoked a grant.
    Revoked = "revoked",
    /// The app blocked the owner.
    Blocked = "blocked",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The code, for programs.
    pub code: ReasonCode,
    /// The text for people: short sentences with dates in UTC.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ReasonCode {
    pub(crate) fn because(self, text: impl Into<String>) -> Reason {
        Reason { code: self, text: text.into() }
    }
}

/// `10 Jan 2027`, in UTC.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%-d %b %Y").to_string()
}
