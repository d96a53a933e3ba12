//! The pure function of this crate.

use jiff::Timestamp;

use crate::{access::Access, fact::BillingFact, holdings::Holdings, plans::Plans};

/// Derives the access of one owner at `now` from all facts about the owner.
///
/// The result depends on the arguments only: the function reads no clock and performs no I/O. The order of
/// the facts and repeated facts have no effect. All facts are of one mode, test or live.
///
/// ```
/// use dodo_billing::{AccessState, Plan, Plans, derive};
/// use dodo_billing::fact::{BillingFact, BillingFactKind, SubscriptionBody};
/// use dodo_core::{EventKind, event::{SubscriptionStatus, Timestamp}};
///
/// let plans = Plans::builder()
///     .plan(Plan::new("pro").product("pdt_pro").feature("export"))
///     .build()?;
/// let at = |text: &str| text.parse::<Timestamp>();
/// let body = SubscriptionBody {
///     subscription_id: "sub_1".into(),
///     status: Some(SubscriptionStatus::Cancelled),
///     product_id: Some("pdt_pro".into()),
///     next_billing_date: Some(at("2027-01-30T00:00:00Z")?),
///     ..SubscriptionBody::default()
/// };
/// let canceled = BillingFact {
///     id: "msg_1".into(),
///     at: at("2027-01-10T00:00:00Z")?,
///     kind: BillingFactKind::Subscription {
///         event: EventKind::SubscriptionCancelled,
///         attempt_at: None,
///         body: Box::new(body),
///     },
/// };
///
/// let access = derive(&[canceled], &plans, at("2027-01-20T00:00:00Z")?);
/// assert!(access.can("export"));
/// assert_eq!(access.state(), AccessState::Cancelled);
/// assert_eq!(
///     access.reason().text,
///     "Canceled on 10 Jan 2027. Paid until 30 Jan 2027. It does not renew."
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn derive(facts: &[BillingFact], plans: &Plans, now: Timestamp) -> Access {
    Holdings::new(facts, plans).access(plans, now)
}
