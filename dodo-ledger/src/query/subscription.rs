//! The current state of a subscription.

use dodo_core::event::SubscriptionStatus;
use jiff::Timestamp;

use crate::{Ledger, error::Error};

/// The state of a subscription: each field from the last event that has it, by the time of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStatusView {
    /// `sub_...`.
    pub subscription_id: String,
    /// `None`: no event has a status.
    pub status: Option<SubscriptionStatus>,
    /// The time of the first event since which the status is the same.
    pub since: Option<Timestamp>,
    /// The plan.
    pub product_id: Option<String>,
    /// The time of the next charge.
    pub next_billing_date: Option<Timestamp>,
    /// Whether the subscription ends at that time instead.
    pub cancel_at_next_billing_date: bool,
}

impl Ledger {
    /// Returns the current state of a subscription, by its latest events. Events arrive in any
    /// order, so a callback may get an older event after a newer one. Returns `None` if no event of
    /// the subscription is booked.
    ///
    /// The state alone does not decide access: a canceled subscription is paid until the end of its
    /// period, and a failed renewal has a grace period.
    ///
    /// With the ledger as [inbox](dodo_core::webhook::WebhooksBuilder::inbox) the ledger books an
    /// event before its callbacks run, so the state that they read includes this event.
    ///
    /// ```
    /// use dodo_core::{BoxError, Event, event::Subscription};
    /// use dodo_ledger::Ledger;
    ///
    /// /// For `on_subscription_active`, `_cancelled`, `_on_hold` and the others alike.
    /// async fn note_state(event: Event<Subscription, Ledger>) -> Result<(), BoxError> {
    ///     let id = &event.data.subscription_id;
    ///     if let Some(now) = event.state.subscription(id).await? {
    ///         println!("{id} is {:?} since {:?}", now.status, now.since);
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = note_state;
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn subscription(
        &self,
        subscription_id: &str,
    ) -> Result<Option<SubscriptionStatusView>, Error> {
        let state = self.shared.groups().subscription(subscription_id).await?;
        Ok(state.map(|state| SubscriptionStatusView {
            subscription_id: subscription_id.to_owned(),
            status: state.status,
            since: state.since,
            product_id: state.product_id,
            next_billing_date: state.terms.next_billing_date,
            cancel_at_next_billing_date: state.terms.cancel_at_next_billing_date,
        }))
    }
}
