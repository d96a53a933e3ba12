//! One booked payment, refund or dispute, and how it found its visitor.

use dodo_core::{capture::Campaign, money::Money};
use dodo_ledger::query::Channel;
use jiff::Timestamp;

use super::Kind;

/// A line of the list of bookings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Booking {
    /// The record's business key, such as `charge:pay_x`.
    pub id: String,
    /// When it happened at Dodo.
    pub at: Timestamp,
    /// What kind of money.
    pub kind: Kind,
    /// The name of the product, if known.
    pub product: Option<String>,
    /// Who brought it.
    pub visitor: Option<String>,
    /// What brought them.
    pub campaign: Campaign,
    /// How the money came in.
    pub channel: Channel,
    /// How much; `None` if Dodo did not say.
    pub money: Option<Money>,
}

/// Why a booking has the visitor and campaign it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The explained booking.
    pub booking: Booking,
    /// Ids and other facts, by name.
    pub facts: Vec<(&'static str, String)>,
    /// The kind, the attribution, and the result of each step, in the ledger's words.
    pub(crate) sentences: Vec<String>,
    /// The places to check if no visitor was found.
    pub(crate) hints: Vec<&'static str>,
}
