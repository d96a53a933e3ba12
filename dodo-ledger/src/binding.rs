//! What is captured at a checkout: kept at once, past all bookings.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dodo_core::{
    BoxError,
    capture::{CheckoutContext, CheckoutContextStore},
};

use crate::{
    attribution,
    error::Error,
    ledger::{Ledger, Shared},
    news::News,
    people::Identity,
    schema::{self, Past},
    worker::STORE_PAUSE,
};

impl CheckoutContextStore for Ledger {
    /// Waits for no booking: what was captured, consent above all, is kept at once. What was booked of
    /// the session before, as nothing can be while its checkout waits for this, is derived again; what is
    /// booked meanwhile is, too, when that is done.
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        let (key, json) = attribution::context_fact(session_id, context)?;
        schema::put_fact_now(&self.shared.store, &key, &json).await?;
        let email = context.email.as_deref();
        if let Some(identity) = email.and_then(|email| Identity::of_context(email, context)) {
            // A booking, and a checkout waits for none.
            tokio::spawn(identify(self.clone(), identity));
        }
        let mut past = Past::of(self.shared.store.look().await?);
        let late = attribution::is_late(&mut past, session_id).await?;
        drop(past);
        if late {
            self.shared.look_again(&BTreeSet::from([session_id.to_owned()])).await?;
        } else if self.shared.store.is_shared() && self.shared.bound.add(session_id) {
            // SQLite keeps nothing while it books.
            tokio::spawn(look_again(self.shared.clone()));
        }
        Ok(())
    }
}

async fn identify(ledger: Ledger, identity: Identity) {
    if let Err(error) = ledger.identify(identity).await {
        tracing::warn!(
            target: "dodo::ledger", %error, cause = error.cause(),
            "visitor of a checkout not identified; later payments by this address may lack it"
        );
    }
}

/// The sessions whose context was kept, and which a booking that was under way may have missed: it has
/// read what there was, and nobody sees yet what it writes.
#[derive(Debug, Default)]
pub(crate) struct Bound(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    sessions: BTreeSet<String>,
    /// Somebody is at it, and takes what is added.
    looked_after: bool,
}

impl Bound {
    /// Adds a session. Whether nobody is at it.
    fn add(&self, session_id: &str) -> bool {
        let mut waiting = self.waiting();
        waiting.sessions.insert(session_id.to_owned());
        !std::mem::replace(&mut waiting.looked_after, true)
    }

    /// Takes all of them; none are left, and nobody is at it any more.
    fn take(&self) -> Option<BTreeSet<String>> {
        let mut waiting = self.waiting();
        let sessions = std::mem::take(&mut waiting.sessions);
        waiting.looked_after = !sessions.is_empty();
        waiting.looked_after.then_some(sessions)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the same sessions are looked at when the database is in trouble.
const ATTEMPTS: u32 = 20;

/// Looks at the sessions until there are none. All that wait share one turn among the bookings.
async fn look_again(ledger: Arc<Shared>) {
    let at_it = AtIt(&ledger.bound);
    while let Some(sessions) = ledger.bound.take() {
        let mut attempts = 1;
        while let Err(error) = ledger.look_again(&sessions).await {
            if attempts == ATTEMPTS || !error.is_the_databases() {
                tracing::error!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "what was captured at a checkout may not count for what was booked meanwhile"
                );
                break;
            }
            attempts += 1;
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
    std::mem::forget(at_it); // by now somebody else may be
}

/// Whoever stops half-way, as by a panic, is not at it any more.
struct AtIt<'a>(&'a Bound);

impl Drop for AtIt<'_> {
    fn drop(&mut self) {
        self.0.waiting().looked_after = false;
    }
}

impl Shared {
    /// Derives again what follows from the contexts of these sessions, after the bookings under way.
    async fn look_again(&self, sessions: &BTreeSet<String>) -> Result<(), Error> {
        let mut past = self.begin_booking().await?;
        let mut bookings = Vec::new();
        for session_id in sessions {
            bookings.push(attribution::look_again(self.rules(), &mut past, session_id).await?);
        }
        let mut tx = past.write().await?;
        self.enqueue(&mut tx, &bookings).await?;
        tx.commit().await?;
        if bookings.iter().any(|booking| !booking.changes.is_empty()) {
            self.offer(News::Queued);
        }
        Ok(())
    }
}
