use std::{fmt, future::Future, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::{
    callback::Callback,
    callbacks::Callbacks,
    endpoint::{Settings, Webhooks},
    inbox::{DynInbox, Inbox},
    key::WebhookKey,
};
use crate::{
    AttributionSink, BoxError,
    attribution::FactOptions,
    event::{
        AbandonedCheckout, CreditBalanceLow, CreditLedgerEntry, Dispute, DunningAttempt,
        EntitlementGrant, Event, EventKind, LicenseKey, Payment, Payout, RawData, Refund,
        Subscription, Unreadable, for_each_event,
    },
};

/// Builds [`Webhooks`]. `S` is the state that callbacks get.
#[must_use = "call `.build()`"]
pub struct WebhooksBuilder<S = ()> {
    key: WebhookKey,
    callbacks: Callbacks,
    inbox: Option<Arc<dyn DynInbox>>,
    settings: Settings,
    fact_options: FactOptions,
    state: S,
}

impl WebhooksBuilder {
    pub(super) fn new(key: WebhookKey) -> Self {
        Self {
            key,
            callbacks: Callbacks::default(),
            inbox: None,
            settings: Settings::default(),
            fact_options: FactOptions::default(),
            state: (),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> WebhooksBuilder<S> {
    /// State for the callbacks that are added *after* this call, as `event.state`.
    pub fn with_state<S2>(self, state: S2) -> WebhooksBuilder<S2> {
        let Self { key, callbacks, inbox, settings, fact_options, state: _ } = self;
        WebhooksBuilder { key, callbacks, inbox, settings, fact_options, state }
    }

    /// Runs `callback` on every event of `kind`, with a payload of your own choice.
    ///
    /// The payload is read leniently if it is one of this crate's; a type of your own is as strict as
    /// you wrote it, except that an optional field that does not fit is left out.
    pub fn on<T, F, Fut, E>(mut self, kind: EventKind, callback: F) -> Self
    where
        T: DeserializeOwned + Clone + Send + 'static,
        F: Fn(Event<T, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.callbacks.add(kind, Callback::typed(self.state.clone(), callback));
        self
    }

    /// Runs `callback` first, on every verified event: known, unknown and unreadable.
    pub fn on_any<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn(Event<RawData, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.callbacks.add_any(Callback::raw(self.state.clone(), callback));
        self
    }

    /// Runs `callback` on events of a type that this version does not know.
    pub fn on_unknown<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn(Event<RawData, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.callbacks.add_unknown(Callback::raw(self.state.clone(), callback));
        self
    }

    /// Runs `callback` on signed bodies that are no event: no JSON, no type, or a required key is
    /// missing. If it succeeds, the answer is 200; without it, 400 and Dodo Payments tries again.
    pub fn on_unreadable<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn(Event<Unreadable, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.callbacks.add_unreadable(self.state.clone(), callback);
        self
    }

    /// Emits the attribution records of each event to `sink`, after the callbacks.
    ///
    /// Not together with the same ledger as [`inbox`](Self::inbox), which books by itself.
    pub fn attribution_sink(mut self, sink: impl AttributionSink) -> Self {
        self.callbacks.set_sink(Arc::new(sink), self.fact_options.clone());
        self
    }

    /// How the attribution records of an event are derived.
    pub fn fact_options(mut self, options: FactOptions) -> Self {
        self.callbacks.set_fact_options(options.clone());
        self.fact_options = options;
        self
    }

    /// Commits deliveries to `inbox` and answers; its workers run the callbacks, with the
    /// [`dispatcher`](Webhooks::dispatcher).
    pub fn inbox(mut self, inbox: impl Inbox) -> Self {
        self.inbox = Some(Arc::new(inbox));
        self
    }

    /// Returns `true` if an inbox is set.
    pub fn has_inbox(&self) -> bool {
        self.inbox.is_some()
    }

    /// Returns the attribution sink if it is a `T`.
    pub fn attribution_sink_as<T: AttributionSink>(&self) -> Option<&T> {
        self.callbacks.sink()?.as_any().downcast_ref()
    }

    /// The longest that one callback may take: 10 seconds by default, as Dodo Payments gives a
    /// delivery up after 15. Needs the `tokio` feature and a tokio runtime.
    pub fn callback_deadline(mut self, deadline: Duration) -> Self {
        self.callbacks.set_deadline(deadline);
        self
    }

    /// The largest body that is read, in bytes: 256 KiB by default. Beyond it the answer is 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// The longest to wait for a body: 10 seconds by default. Beyond it the answer is 408.
    pub fn body_deadline(mut self, deadline: Duration) -> Self {
        self.settings.body_deadline = deadline;
        self
    }

    /// The endpoint.
    #[must_use]
    pub fn build(self) -> Webhooks {
        Webhooks::new(self.key, self.callbacks, self.inbox, self.settings)
    }
}

macro_rules! callbacks {
    ($( $variant:ident = $name:literal => $method:ident($payload:ident, $state:literal); )*) => {
        /// One callback per type. Several for one type run in the order in which they were added.
        impl<S: Clone + Send + Sync + 'static> WebhooksBuilder<S> {
            $(
                #[doc = concat!("Runs `callback` on every `", $name, "` event.")]
                pub fn $method<F, Fut, E>(self, callback: F) -> Self
                where
                    F: Fn(Event<$payload, S>) -> Fut + Send + Sync + 'static,
                    Fut: Future<Output = Result<(), E>> + Send + 'static,
                    E: Into<BoxError>,
                {
                    self.on(EventKind::$variant, callback)
                }
            )*
        }
    };
}

for_each_event!(callbacks);

impl<S> fmt::Debug for WebhooksBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksBuilder")
            .field("key", &self.key)
            .field("callbacks", &self.callbacks)
            .finish_non_exhaustive()
    }
}
