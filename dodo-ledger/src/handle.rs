//! The handle through which a projection of this project uses its ledger.

use std::sync::{Arc, Weak};

use dodo_core::{
    BoxError,
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::VerifiedEvent,
};

use crate::{
    Ledger, Store,
    attribution::{Batch, FactKind, SubscriptionState, parse_api_object},
    error::Error,
    ledger::Shared,
    notify::WakeSignal,
    projection::ProjectionTx,
    store::Tx,
};

/// A ledger that a projection can use and does not keep alive.
#[derive(Clone, Debug)]
pub struct LedgerHandle {
    store: Store,
    shared: Weak<Shared>,
}

impl Ledger {
    pub(crate) fn handle(&self) -> LedgerHandle {
        let store = self.shared.store.clone();
        LedgerHandle { store, shared: Arc::downgrade(&self.shared) }
    }
}

impl LedgerHandle {
    /// The database.
    #[must_use]
    pub fn database(&self) -> &Store {
        &self.store
    }

    /// The transaction as the projection of this name uses it outside of a booking. The caller commits it.
    pub fn projection_tx<'a>(&self, projection: &'a str, tx: &'a mut Tx) -> ProjectionTx<'a> {
        ProjectionTx::from_booking(projection, tx)
    }

    /// Books an object that the API showed, given as the event that would have brought it. A subscription is
    /// a snapshot at the time of the event.
    ///
    /// # Errors
    /// [`UnreadableEvent`](dodo_core::ErrorKind::UnreadableEvent) for an unusable object; those of the
    /// database; [`Config`](crate::ErrorKind::Config) if the ledger is gone.
    pub async fn book_api_object(&self, event: &VerifiedEvent) -> Result<(), dodo_core::Error> {
        let shared = self.shared()?;
        let Some(mut fact) = parse_api_object(event, shared.rules())? else { return Ok(()) };
        if let FactKind::Subscription(body) = fact.kind {
            fact.id = format!("{}:{}", fact.id, fact.occurred_at.as_microsecond());
            fact.kind = FactKind::ApiSnapshot(body);
        }
        shared.groups().book(Batch::from_facts([fact])).await?;
        shared.offer(WakeSignal::Queued);
        shared.offer(WakeSignal::Booked);
        Ok(())
    }

    /// The state of a subscription by its events and by the answers of the API. `None`: it is unknown.
    ///
    /// # Errors
    /// Those of the database; [`Config`](crate::ErrorKind::Config) if the ledger is gone.
    pub async fn subscription(&self, id: &str) -> Result<Option<SubscriptionState>, Error> {
        self.shared()?.groups().subscription(id).await
    }

    fn shared(&self) -> Result<Arc<Shared>, Error> {
        self.shared.upgrade().ok_or_else(|| {
            Error::config("the ledger is closed: keep it as long as its projections are used")
        })
    }
}

/// Stores the contexts of checkouts that the projection opens.
impl CheckoutContextStore for LedgerHandle {
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        Ok(self.shared()?.book_context(session_id, context).await?)
    }
}
