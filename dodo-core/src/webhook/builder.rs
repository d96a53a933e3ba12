use std::{fmt, future::Future, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::{
    callback::Callback,
    callbacks::Callbacks,
    endpoint::{Settings, Webhooks},
    inbox::{DynInbox, Inbox},
    key::WebhookKey,
    result::{CallbackResult, Given, NoState, StateFor},
};
use crate::{
    Error,
    attribution::{AttributionSink, MetadataMapping},
    event::{
        AbandonedCheckout, CreditBalanceLow, CreditLedgerEntry, Dispute, DunningAttempt,
        EntitlementGrant, Event, EventKind, LicenseKey, Payment, Payout, RawJson, Refund,
        Subscription, UnreadableEvent, for_each_event,
    },
};

/// Builds [`Webhooks`]. `S` is the type of the state for callbacks. `P` shows whether the state is
/// set.
///
/// A callback is an async function or closure that takes an [`Event`]. It returns `()` or
/// `Result<(), BoxError>`.
#[must_use = "call `.build()`"]
pub struct WebhooksBuilder<S = (), P = NoState> {
    key: WebhookKey,
    callbacks: Callbacks<S>,
    inbox: Option<Arc<dyn DynInbox>>,
    settings: Settings,
    metadata_mapping: MetadataMapping,
    state: P,
}

impl<S> WebhooksBuilder<S> {
    pub(super) fn new(key: WebhookKey) -> Self {
        Self {
            key,
            callbacks: Callbacks::default(),
            inbox: None,
            settings: Settings::default(),
            metadata_mapping: MetadataMapping::default(),
            state: NoState,
        }
    }

    /// Sets the state of all callbacks: `event.state`.
    pub fn with_state(self, state: S) -> WebhooksBuilder<S, Given<S>> {
        let Self { key, callbacks, inbox, settings, metadata_mapping, state: NoState } = self;
        WebhooksBuilder { key, callbacks, inbox, settings, metadata_mapping, state: Given(state) }
    }
}

impl<S: Clone + Send + Sync + 'static, P> WebhooksBuilder<S, P> {
    /// Runs `callback` on every event of `kind`, with a payload type of your choice.
    ///
    /// The webhooks read the payload types of this crate leniently. Your own type is as strict as
    /// its `serde` code, except that an optional field of another type is omitted.
    pub fn on<T, F, Fut>(mut self, kind: EventKind, callback: F) -> Self
    where
        T: DeserializeOwned + Clone + Send + 'static,
        F: Fn(Event<T, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        self.callbacks.add(kind, Callback::typed(callback));
        self
    }

    /// Runs `callback` first, on every verified event: known, unknown and unreadable.
    pub fn on_any<F, Fut>(mut self, callback: F) -> Self
    where
        F: Fn(Event<RawJson, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        self.callbacks.add_any(Callback::raw(callback));
        self
    }

    /// Runs `callback` on events of a type that this version does not know.
    pub fn on_unknown<F, Fut>(mut self, callback: F) -> Self
    where
        F: Fn(Event<RawJson, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        self.callbacks.add_unknown(Callback::raw(callback));
        self
    }

    /// Runs `callback` on signed events that cannot be read, after [`on_any`](Self::on_any): the body is
    /// not JSON, it has no type, a required field is missing, or an amount is out of range.
    ///
    /// Without an inbox the answer is 200 if the callback succeeds, and 400 without such a callback. With
    /// an inbox the answer is 200, and the event is parked after the callbacks ran.
    pub fn on_unreadable<F, Fut>(mut self, callback: F) -> Self
    where
        F: Fn(Event<UnreadableEvent, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        self.callbacks.add_unreadable(callback);
        self
    }

    /// Emits the attribution records of each event to `sink`, after the callbacks.
    ///
    /// Do not use it with a ledger that is also the [`inbox`](Self::inbox), because that ledger
    /// books each event itself.
    pub fn attribution_sink(mut self, sink: impl AttributionSink) -> Self {
        self.callbacks.set_sink(Arc::new(sink), self.metadata_mapping.clone());
        self
    }

    /// Sets the mapping from metadata to attribution records.
    pub fn metadata_mapping(mut self, options: MetadataMapping) -> Self {
        self.callbacks.set_metadata_mapping(options.clone());
        self.metadata_mapping = options;
        self
    }

    /// Commits deliveries to `inbox` before the answer. The workers of the inbox run the callbacks,
    /// by the [`dispatcher`](Webhooks::dispatcher).
    pub fn inbox(mut self, inbox: impl Inbox) -> Self {
        self.inbox = Some(Arc::new(inbox));
        self
    }

    /// For inboxes: returns the mapping of metadata.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    pub fn metadata(&self) -> &MetadataMapping {
        &self.metadata_mapping
    }

    /// Returns `true` if an inbox is set.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    pub fn has_inbox(&self) -> bool {
        self.inbox.is_some()
    }

    /// Sets the time limit of one callback. Default: 10 seconds, because Dodo Payments ends a
    /// delivery after 15. Needs the `tokio` feature and a tokio runtime.
    pub fn callback_timeout(mut self, timeout: Duration) -> Self {
        self.callbacks.set_timeout(timeout);
        self
    }

    /// Sets the largest body in bytes. Default: 256 KiB. Above it, the answer is 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// Sets the time limit for the arrival of a body. Default: 10 seconds. After it, the answer is
    /// 408.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.body_timeout = timeout;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if a time limit or the body limit is zero.
    pub fn build(self) -> Result<Webhooks, Error>
    where
        P: StateFor<S>,
    {
        let Settings { body_limit, body_timeout } = self.settings;
        for (is_zero, message) in [
            (body_limit == 0, "`body_limit` of the webhooks is 0: allow at least one byte"),
            (body_timeout.is_zero(), "`body_timeout` of the webhooks is 0: allow some time"),
            (
                self.callbacks.timeout().is_zero(),
                "`callback_timeout` of the webhooks is 0: allow some time",
            ),
        ] {
            if is_zero {
                return Err(Error::config(message));
            }
        }
        let callbacks = self.callbacks.bind(self.state.into_state());
        Ok(Webhooks::new(self.key, callbacks, self.inbox, self.settings))
    }
}

macro_rules! callbacks {
    ($( $variant:ident = $name:literal => $method:ident($payload:ident, $state:literal); )*) => {
        /// One callback per type. Several for one type run in the order in which they were added.
        impl<S: Clone + Send + Sync + 'static, P> WebhooksBuilder<S, P> {
            $(
                #[doc = concat!("Runs `callback` on every `", $name, "` event.")]
                pub fn $method<F, Fut>(self, callback: F) -> Self
                where
                    F: Fn(Event<$payload, S>) -> Fut + Send + Sync + 'static,
                    Fut: Future<Output: CallbackResult> + Send + 'static,
                {
                    self.on(EventKind::$variant, callback)
                }
            )*
        }
    };
}

for_each_event!(callbacks);

impl<S, P> fmt::Debug for WebhooksBuilder<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksBuilder")
            .field("key", &self.key)
            .field("callbacks", &self.callbacks)
            .finish_non_exhaustive()
    }
}
