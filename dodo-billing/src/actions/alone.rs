//! Requests that create something at Dodo Payments, one at a time for each owner.

use std::time::{Duration, Instant};

use dodo_core::{
    Error, ErrorKind,
    internals::{catch, to_the_end},
};

use super::{conflict, random_key};
use crate::{owner_handle::Owner, store};

/// How often a waiting request asks for the lease.
const POLL: Duration = Duration::from_millis(50);
/// The longest wait for another request of the owner.
const WAIT: Duration = Duration::from_secs(20);

impl Owner {
    /// Runs work while no other request of the owner runs, in any instance. The work continues if
    /// the caller is dropped, because a disconnect of the browser must not separate a customer from
    /// its owner.
    pub(super) async fn alone<T, Fut>(
        &self,
        work: impl FnOnce(Self) -> Fut + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let owner = self.clone();
        let stopped = || Error::new(ErrorKind::CallbackFailed, "the server stopped a request");
        to_the_end(async move {
            let (billing, id) = (&owner.billing, owner.id()?);
            let (database, live) = (billing.ledger()?.database(), billing.live());
            let name = random_key()?;
            let began = Instant::now();
            while !store::take_lease(database, id, live, &name).await? {
                if began.elapsed() >= WAIT {
                    let message = "another request of this account is running: try again";
                    return Err(conflict("request_in_progress", message));
                }
                tokio::time::sleep(POLL).await;
            }
            let done = catch(|| work(owner.clone())).await;
            if let Err(error) = store::free_lease(database, id, live, &name).await {
                tracing::warn!(
                    target: "dodo::billing", %error,
                    "lease of an owner not released; the next request of the owner waits up to 2 minutes"
                );
            }
            done.map_err(|_panicked| stopped())?
        })
        .await
        .map_err(|_stopped| stopped())?
    }
}
