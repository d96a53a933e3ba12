//! Retention: erases bodies of finished events and, if set, of failed ones, contexts of unpaid
//! checkouts, and failed payments.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Shutdown, sleep_or_wake};
use crate::{
    booking::GroupStore,
    error::Error,
    inbox::admin::{erase_failed_bodies, prune_bodies},
    ledger::Shared,
    store::Store,
};

/// The longest time between two rounds.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// The shortest time between two rounds.
const NOT_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(ledger: &Shared, mut shutdown: Shutdown) {
    let retention = ledger.settings.retention;
    let times = [retention.bodies, retention.failed_bodies, retention.contexts];
    let Some(shortest) = times.into_iter().flatten().min() else { return };
    let never = tokio::sync::Notify::new();
    while shutdown.borrow().is_none() {
        if let Some(keep) = retention.bodies {
            log_erased("bodies of finished events", prune_bodies(&ledger.store, keep).await);
        }
        if let Some(keep) = retention.failed_bodies {
            let erased = erase_failed_bodies(&ledger.store, keep).await;
            log_erased("bodies of dead and parked events", erased);
        }
        if let Some(keep) = retention.contexts {
            log_erased(
                "contexts of unpaid checkouts and payments that failed",
                prune_contexts(&ledger.groups(), &ledger.store, keep).await,
            );
        }
        sleep_or_wake(&never, EVERY.min(shortest.max(NOT_EVERY)), &mut shutdown).await;
    }
}

/// Deletes checkouts without a payment that are this old. Returns their number.
pub(crate) async fn prune_contexts(
    groups: &GroupStore,
    store: &Store,
    older_than: Duration,
) -> Result<u64, Error> {
    let age = SignedDuration::try_from(older_than).unwrap_or(SignedDuration::MAX);
    let Ok(before) = Timestamp::now().checked_sub(age) else { return Ok(0) };
    let pruned = groups.prune_unpaid(before).await?;
    if pruned > 0 {
        store.purge_erased().await;
    }
    Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
}

fn log_erased(what: &'static str, erased: Result<u64, Error>) {
    match erased {
        Ok(0) => {}
        Ok(erased) => tracing::info!(target: "dodo::ledger", what, erased, "erased"),
        Err(error) => tracing::warn!(
            target: "dodo::ledger", what, %error, cause = error.cause(), "nothing could be erased"
        ),
    }
}
