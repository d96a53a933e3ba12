//! Erasing the bodies of finished events when their time has come.

use std::time::Duration;

use super::{Stop, rest};
use crate::{inbox::operate::erase_bodies, ledger::Shared};

/// At most this long between two rounds.
const EVERY: Duration = Duration::from_secs(15 * 60);

pub(super) async fn run(ledger: &Shared, mut stop: Stop) {
    let Some(keep) = ledger.settings.keep_bodies else { return };
    let never = tokio::sync::Notify::new();
    while stop.borrow().is_none() {
        match erase_bodies(&ledger.store, keep).await {
            Ok(0) => {}
            Ok(erased) => {
                tracing::info!(target: "dodo::ledger", erased, "bodies of finished events were erased");
            }
            Err(error) => {
                tracing::warn!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "bodies could not be erased"
                );
            }
        }
        rest(&never, EVERY.min(keep.max(Duration::from_secs(1))), &mut stop).await;
    }
}
