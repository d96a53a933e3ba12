use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, Method, Request, Response};

use super::{
    builder::WebhooksBuilder,
    callback::callback_failed,
    callbacks::Callbacks,
    inbox::{Dispatcher, DynInbox, Receipt},
    key::WebhookKey,
    verified::VerifiedEvent,
};
use crate::{
    Error, ErrorKind,
    detached::to_the_end,
    endpoint::{Endpoint, Post, private::Sealed},
    panic::catch,
    time::timeout,
};

/// The `Retry-After` while the store is unavailable.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The longest time to wait for the store. Dodo Payments ends a delivery after 15 seconds.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) body_limit: usize,
    pub(super) body_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { body_limit: 256 * 1024, body_timeout: Duration::from_secs(10) }
    }
}

struct Inner {
    key: WebhookKey,
    callbacks: Arc<Callbacks>,
    inbox: Option<Arc<dyn DynInbox>>,
    settings: Settings,
}

/// The webhook endpoint: verifies over the raw bytes, then runs callbacks or commits to an inbox.
///
/// It answers 200 if the callbacks succeeded or the inbox has stored the event, even for unknown
/// types. It answers 401 without a valid signature, 400 for a signed body that is not an event, 500
/// if a callback failed, and 503 if the inbox is unavailable.
///
/// ```
/// use dodo_core::{BoxError, Environment, Event, WebhookKey, Webhooks, event::Payment};
///
/// async fn mark_paid(event: Event<Payment>) -> Result<(), BoxError> {
///     println!("{} paid {}", event.data.payment_id, event.data.total_amount);
///     Ok(())
/// }
///
/// # fn main() -> Result<(), dodo_core::Error> {
/// let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test)?;
/// let hooks = Webhooks::builder(key)
///     .on_payment_succeeded(mark_paid)
///     .on_subscription_cancelled(|event| async move {
///         println!("{} is over", event.data.subscription_id);
///     })
///     .build()?;
/// # let _ = hooks;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

impl Webhooks {
    /// Starts with the key that deliveries are signed with.
    pub fn builder<S>(key: WebhookKey) -> WebhooksBuilder<S> {
        WebhooksBuilder::new(key)
    }

    pub(super) fn new(
        key: WebhookKey,
        callbacks: Callbacks,
        inbox: Option<Arc<dyn DynInbox>>,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner { key, callbacks: Arc::new(callbacks), inbox, settings }))
    }

    /// Returns the callbacks and the sink, for the workers of an inbox.
    #[must_use]
    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher(self.0.callbacks.clone())
    }

    /// The key that deliveries are verified with.
    #[must_use]
    pub fn key(&self) -> &WebhookKey {
        &self.0.key
    }
}

impl Inner {
    /// Runs the callbacks, or commits to the inbox, and logs the result.
    async fn accept(&self, event: &VerifiedEvent) -> Result<(), Error> {
        let result = match &self.inbox {
            None => self.callbacks.run(event, 1, Extensions::new()).await,
            Some(inbox) => store(&**inbox, event).await,
        };
        match &result {
            Ok(()) => tracing::debug!(
                target: "dodo::webhook",
                webhook_id = event.id(),
                key = event.key_position(),
                "webhook accepted"
            ),
            Err(failed) => log_failure(event, failed),
        }
        result
    }
}

async fn store(inbox: &dyn DynInbox, event: &VerifiedEvent) -> Result<(), Error> {
    let down = || {
        Error::new(ErrorKind::StorageUnavailable, "events cannot be taken now")
            .with_retry_after(RETRY_AFTER)
    };
    match timeout(STORE_TIMEOUT, catch(|| inbox.accept(event))).await {
        Ok(Ok(Ok(Receipt::Stored | Receipt::Duplicate))) => Ok(()),
        Ok(Ok(Err(error))) => Err(down().with_source(error)),
        Ok(Err(_panicked)) => Err(down().with_source("the store panicked")),
        Err(_elapsed) => Err(down().with_source("the store did not answer in time")),
    }
}

impl Sealed for Webhooks {}

impl Endpoint for Webhooks {
    type Methods = Post;

    fn body_limit(&self, _: &Method) -> usize {
        self.0.settings.body_limit
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        self.0.settings.body_timeout
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let event = match self.0.key.verify(&parts.headers, body) {
            Ok(event) => event,
            Err(refused) => {
                self.0.key.log_refusal(&refused);
                return refused.to_response();
            }
        };
        let inner = self.0.clone();
        let accepting = async move { inner.accept(&event).await };
        let result = match &self.0.inbox {
            Some(_) => accepting.await,
            // If the sender disconnects, the callback must still finish.
            None => to_the_end(accepting).await.unwrap_or_else(|_stopped| {
                Err(callback_failed("the server stopped while a webhook callback ran"))
            }),
        };
        match result {
            Ok(()) => Response::new(Bytes::new()),
            Err(failed) => failed.to_response(),
        }
    }
}

fn log_failure(event: &VerifiedEvent, failed: &Error) {
    let kind = event.envelope().ok().map(|envelope| envelope.kind.to_string());
    let cause = failed.source().map(ToString::to_string);
    macro_rules! line {
        ($text:literal) => {
            tracing::error!(
                target: "dodo::webhook",
                kind, webhook_id = event.id(), code = failed.code(), pointer = failed.pointer(), cause,
                $text
            )
        };
    }
    match failed.kind() {
        ErrorKind::StorageUnavailable => {
            line!("webhook not stored; check the database: Dodo Payments sends the event again");
        }
        ErrorKind::UnreadableEvent => line!("webhook unreadable; handle it with on_unreadable"),
        _ => line!("webhook callback failed; fix its cause: Dodo Payments sends the event again"),
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("callbacks", &self.0.callbacks)
            .field("inbox", &self.0.inbox.is_some())
            .finish_non_exhaustive()
    }
}
