//! The interface to a durable store. It depends on no runtime and no database.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::Extensions;

use super::{callbacks::Callbacks, verified::VerifiedEvent};
use crate::{BoxError, BoxFuture, Error, event::EventKind};

/// The result of [`Inbox::accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Receipt {
    /// The event is new, and the inbox has stored it durably.
    Stored,
    /// The inbox already stores an event with this id. It ignores the body.
    Duplicate,
}

/// Durable storage for verified deliveries. `dodo-ledger` implements it. You can write your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an inbox",
    note = "an inbox commits a delivery before it is answered: see `dodo_ledger::Ledger`"
)]
pub trait Inbox: Send + Sync + 'static {
    /// The reason why a delivery could not be stored.
    type Error: Into<BoxError>;

    /// Returns `Ok` only if the delivery survives a crash. A known id is a duplicate, with any
    /// body: a retry has the current object.
    ///
    /// After an error the route answers 503, and Dodo Payments sends the delivery again.
    fn accept(
        &self,
        event: &VerifiedEvent,
    ) -> impl Future<Output = Result<Receipt, Self::Error>> + Send;
}

impl<I: Inbox> Inbox for Arc<I> {
    type Error = I::Error;

    fn accept(
        &self,
        event: &VerifiedEvent,
    ) -> impl Future<Output = Result<Receipt, I::Error>> + Send {
        (**self).accept(event)
    }
}

type AcceptFuture<'a> = Pin<Box<dyn Future<Output = Result<Receipt, BoxError>> + Send + 'a>>;

/// [`Inbox`] with erased types.
pub(super) trait DynInbox: Send + Sync {
    fn accept<'a>(&'a self, event: &'a VerifiedEvent) -> AcceptFuture<'a>;
}

impl<I: Inbox> DynInbox for I {
    fn accept<'a>(&'a self, event: &'a VerifiedEvent) -> AcceptFuture<'a> {
        Box::pin(async move { Inbox::accept(self, event).await.map_err(Into::into) })
    }
}

/// The callbacks and the sink of a [`Webhooks`](crate::Webhooks), without its inbox. The workers of
/// a store hold it, so that store and callbacks never own each other.
#[derive(Clone)]
pub struct Dispatcher(pub(super) Arc<Callbacks>);

impl Dispatcher {
    /// Runs the callbacks of an event in their order, then the sink. The first error stops; a panic
    /// and a missed deadline are errors.
    ///
    /// `attempt` counts from 1. `extensions` reach the callbacks as
    /// [`Event::extensions`](crate::Event::extensions).
    ///
    /// Fails with [`CallbackFailed`](crate::ErrorKind::CallbackFailed) if a callback or the sink
    /// failed. Fails with [`UnreadableEvent`](crate::ErrorKind::UnreadableEvent) if the event
    /// cannot be read and no `on_unreadable` callback exists; a retry does not help then.
    pub fn dispatch(
        &self,
        event: VerifiedEvent,
        attempt: u32,
        extensions: Extensions,
    ) -> BoxFuture<Result<(), Error>> {
        let callbacks = self.0.clone();
        Box::pin(async move { callbacks.run(&event, attempt, extensions).await })
    }

    /// Whether a callback or the sink gets readable events of this kind. Otherwise
    /// [`dispatch`](Self::dispatch) does nothing with them.
    #[must_use]
    pub fn handles(&self, kind: &EventKind) -> bool {
        self.0.handles(kind)
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
