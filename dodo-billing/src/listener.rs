//! The notifications of the app about changes of access.

use std::pin::Pin;

use dodo_core::BoxError;
use dodo_ledger::projection::ProjectionTx;
use jiff::Timestamp;

use crate::{access::Access, change::AccessChange, owner::OwnerId};

/// A change of the access of an owner, with the time at which billing found it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessChanged {
    /// The owner.
    pub owner: OwnerId,
    /// The time.
    pub changed_at: Timestamp,
    /// The answers before and after, and the reason.
    pub change: AccessChange,
}

/// Receives changes of access. Give it to
/// [`BillingBuilder::listener`](crate::BillingBuilder::listener).
///
/// After an error, a worker runs the method again, like the callback of a delivery. Its writes
/// through `tx` happen once. On SQLite nothing else writes to the file after the first use of `tx`:
/// do slow work before.
///
/// ```
/// use dodo_billing::{AccessChanged, AccessListener};
/// use dodo_core::BoxError;
/// use dodo_ledger::{projection::ProjectionTx, sqlx};
///
/// struct Audit;
///
/// impl AccessListener for Audit {
///     async fn access_changed(
///         &self,
///         event: &AccessChanged,
///         tx: &mut ProjectionTx<'_>,
///     ) -> Result<(), BoxError> {
///         sqlx::query("INSERT INTO audit (owner, reason) VALUES ($1, $2)")
///             .bind(event.owner.as_str())
///             .bind(event.change.reason.text.as_str())
///             .execute(tx.sqlite().await?)
///             .await?;
///         Ok(())
///     }
/// }
/// ```
pub trait AccessListener: Send + Sync + 'static {
    /// The access of an owner changed: once for each change, after the transaction that found it.
    fn access_changed(
        &self,
        event: &AccessChanged,
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// A trial ends soon: once, the time of
    /// [`trial_notice`](crate::BillingBuilder::trial_notice) before its end. Default: nothing.
    fn trial_ending(
        &self,
        owner: &OwnerId,
        access: &Access,
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _nothing_to_do = (owner, access, tx);
        std::future::ready(Ok(()))
    }
}

type Heard<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

/// The same with an erased type.
pub(crate) trait DynListener: Send + Sync {
    fn access_changed<'a>(
        &'a self,
        event: &'a AccessChanged,
        tx: &'a mut ProjectionTx<'_>,
    ) -> Heard<'a>;

    fn trial_ending<'a>(
        &'a self,
        owner: &'a OwnerId,
        access: &'a Access,
        tx: &'a mut ProjectionTx<'_>,
    ) -> Heard<'a>;
}

impl<L: AccessListener> DynListener for L {
    fn access_changed<'a>(
        &'a self,
        event: &'a AccessChanged,
        tx: &'a mut ProjectionTx<'_>,
    ) -> Heard<'a> {
        Box::pin(AccessListener::access_changed(self, event, tx))
    }

    fn trial_ending<'a>(
        &'a self,
        owner: &'a OwnerId,
        access: &'a Access,
        tx: &'a mut ProjectionTx<'_>,
    ) -> Heard<'a> {
        Box::pin(AccessListener::trial_ending(self, owner, access, tx))
    }
}
