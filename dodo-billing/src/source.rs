//! One source of access: a subscription, a purchase, or a grant.

use std::cmp::Reverse;

use dodo_core::money::Currency;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    fact::{BoughtItem, PlannedChange},
    reason::Reason,
    state::AccessState,
    until::Until,
};

/// The object that a source comes from, with its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceKind {
    /// A subscription: `sub_...`.
    Subscription(String),
    /// An item of a payment: `pay_...`.
    Purchase(String),
    /// A feature that Dodo Payments granted.
    DodoGrant(String),
    /// A plan that the app granted.
    AppGrant(String),
}

/// The price of one renewal of a subscription. It is the price of this subscription, which can differ from
/// the price of the product today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalPrice {
    /// Minor units before tax.
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
    /// `Day`, `Week`, `Month` or `Year`. `None`: not known.
    pub interval: Option<String>,
    /// The number of intervals between two charges.
    pub interval_count: u16,
}

/// One source of access, at the time of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessSource {
    /// The object.
    pub kind: SourceKind,
    /// The product. `None`: no fact names it, or the source has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The plan that the product sells, or that the app granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The feature of a grant of Dodo Payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// Units of the product.
    pub quantity: u32,
    /// The price of a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<RenewalPrice>,
    /// The add-ons of a subscription.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addons: Vec<BoughtItem>,
    /// The state.
    pub state: AccessState,
    /// The end. `None`: no access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// The time at which the access ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The reason of state and end.
    pub reason: Reason,
    /// A payment brings the access back, or keeps it.
    pub recoverable: bool,
    /// Dodo Payments will charge again.
    pub will_renew: bool,
    /// The paid time that remains after a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<SignedDuration>,
    /// The end is computed from a charge, and no snapshot shows it.
    pub estimated: bool,
    /// The plan change that Dodo Payments will make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_change: Option<PlannedChange>,
}

impl AccessSource {
    /// A source of one unit without a product.
    pub(crate) fn new(kind: SourceKind, state: AccessState, reason: Reason) -> Self {
        Self {
            kind,
            product: None,
            plan: None,
            feature: None,
            quantity: 1,
            price: None,
            addons: Vec::new(),
            state,
            until: state.is_live().then_some(Until::NoEnd),
            ended_at: None,
            reason,
            recoverable: false,
            will_renew: false,
            remaining: None,
            estimated: false,
            scheduled_change: None,
        }
    }

    /// Whether the source gives access.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }

    /// The best source is the least: best state, latest end, then the id.
    pub(crate) fn rank(
        &self,
    ) -> (AccessState, Reverse<Option<Until>>, Reverse<Option<Timestamp>>, &SourceKind) {
        (self.state, Reverse(self.until), Reverse(self.ended_at), &self.kind)
    }
}
