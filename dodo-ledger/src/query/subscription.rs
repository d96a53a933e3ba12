//! Where a subscription stands.

pub use crate::attribution::SubscriptionStanding;
use crate::{Ledger, attribution, error::Error, schema::Past};

impl Ledger {
    /// Where a subscription stands, by what happened last: deliveries come in any order, so that the event a
    /// callback is given may be older than one that it was given before. `None`: no event of the
    /// subscription was booked.
    ///
    /// The state alone does not say who has access: a cancelled subscription is paid until the end of its
    /// period, and a failed renewal has a time of grace.
    ///
    /// With the ledger as [inbox](dodo_core::webhook::WebhooksBuilder::inbox) the worker books an event
    /// before it runs the callbacks, so the callbacks see at least the state of their event. An
    /// [attribution sink](dodo_core::attribution::AttributionSink) receives only subscriptions that
    /// start or are cancelled: used as one, the ledger has no status for the time between.
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
    ) -> Result<Option<SubscriptionStanding>, Error> {
        let mut past = Past::of(self.shared.store.look().await?);
        attribution::standing(&mut past, subscription_id).await
    }
}
