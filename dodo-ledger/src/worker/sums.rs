//! Sums in the time zone of the books: computed again after the zone has changed.

use std::time::Duration;

use tokio::sync::Notify;

use super::{Shutdown, sleep_or_wake};
use crate::ledger::Shared;

/// The time between two checks, because another instance can change the zone.
const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(ledger: &Shared, mut shutdown: Shutdown) {
    let never = Notify::new();
    while shutdown.borrow().is_none() {
        if let Err(error) = ledger.groups().complete_sums().await {
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "sums are not computed yet; questions read the single rows"
            );
        }
        sleep_or_wake(&never, EVERY, &mut shutdown).await;
    }
}
