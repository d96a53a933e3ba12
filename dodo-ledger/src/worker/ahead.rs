//! What Dodo Payments is asked about the events that wait, before the transaction that books them.

use std::{collections::HashSet, sync::Arc};

use crate::{
    attribution::Evidence, error::Error, inbox::Unbooked, ledger::Shared, lookup::Answers,
};

/// The answers for a batch that is going to be taken.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) answers: Answers,
    /// The events that were looked at. `None`: nobody is asked, so that all of them may be booked.
    events: Option<HashSet<String>>,
}

impl Ahead {
    /// Asks about what is due. Fails as the database does, never as Dodo Payments may.
    pub(super) async fn ask(ledger: &Arc<Shared>) -> Result<Self, Error> {
        if ledger.earlier_charges.is_none() {
            return Ok(Self::default());
        }
        let shared = ledger.clone();
        // In a task of its own, as booking is.
        let asked = tokio::spawn(async move { look(&shared).await }).await;
        match asked.unwrap_or_else(|_| Err(Error::corrupt("looking ahead panicked"))) {
            Err(error) if !error.is_the_databases() => {
                tracing::warn!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "nobody is asked about a batch: what spoils it shows when it is booked"
                );
                Ok(Self::default())
            }
            asked => asked,
        }
    }

    /// Leaves what was looked at. The rest came since, and is due in the next round.
    pub(super) fn retain(&self, events: &mut Vec<Unbooked>) {
        if let Some(looked_at) = &self.events {
            events.retain(|event| looked_at.contains(event.event.id()));
        }
    }
}

async fn look(ledger: &Shared) -> Result<Ahead, Error> {
    let mut tx = ledger.store.look().await?;
    let events = tx.unbooked(ledger.store.booking_batch()).await?;
    tx.commit().await?; // they are free to be taken
    let evidence =
        |event: &Unbooked| Evidence::of_event(&event.event, ledger.rules()).ok().flatten();
    let evidence: Vec<Evidence> = events.iter().filter_map(evidence).collect();
    let answers = ledger.ask_about(&evidence).await?;
    let events = events.iter().map(|event| event.event.id().to_owned()).collect();
    Ok(Ahead { answers, events: Some(events) })
}
