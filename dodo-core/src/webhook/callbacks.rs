//! The callbacks of an event, their order, and the handling of their failures.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::Extensions;

use super::{
    callback::{Callback, CallbackFuture, Delivery, Parsed, callback_failed, run},
    envelope::Envelope,
    fast_path,
    result::CallbackResult,
    verified::VerifiedEvent,
};
use crate::{
    Error, ErrorKind,
    attribution::{AttributionRecord, DynSink, MetadataMapping, facts_of},
    event::{Event, EventKind, RawJson, UnreadableEvent},
    panic::catch,
    time::timeout,
};

/// Dodo Payments ends a delivery after 15 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

type UnreadableCall<S> =
    Box<dyn Fn(&Delivery<'_>, UnreadableEvent, &S) -> CallbackFuture + Send + Sync>;

/// All callbacks and the sink. The builder fills it. `S` is the type of the state.
pub(super) struct Callbacks<S = ()> {
    any: Vec<Callback<S>>,
    unknown: Vec<Callback<S>>,
    by_kind: HashMap<EventKind, Vec<Callback<S>>>,
    unreadable: Vec<UnreadableCall<S>>,
    sink: Option<(Arc<dyn DynSink>, MetadataMapping)>,
    timeout: Duration,
}

impl<S> Default for Callbacks<S> {
    fn default() -> Self {
        Self {
            any: Vec::new(),
            unknown: Vec::new(),
            by_kind: HashMap::new(),
            unreadable: Vec::new(),
            sink: None,
            timeout: TIMEOUT,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Callbacks<S> {
    pub(super) fn add_unreadable<F, Fut>(&mut self, callback: F)
    where
        F: Fn(Event<UnreadableEvent, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        self.unreadable.push(Box::new(move |delivery, unreadable, state| {
            let warnings = delivery.warnings(Vec::new());
            run(callback(delivery.event(unreadable, warnings, state.clone())))
        }));
    }

    /// Sets the state of each callback.
    pub(super) fn bind(self, state: S) -> Callbacks {
        let state = Arc::new(state);
        let bind = |callbacks: Vec<Callback<S>>| -> Vec<Callback> {
            callbacks.into_iter().map(|callback| callback.bind(&state)).collect()
        };
        let bind_unreadable = |callback: UnreadableCall<S>| -> UnreadableCall<()> {
            let state = state.clone();
            Box::new(move |delivery, unreadable, ()| callback(delivery, unreadable, &state))
        };
        Callbacks {
            any: bind(self.any),
            unknown: bind(self.unknown),
            by_kind: self.by_kind.into_iter().map(|(kind, list)| (kind, bind(list))).collect(),
            unreadable: self.unreadable.into_iter().map(bind_unreadable).collect(),
            sink: self.sink,
            timeout: self.timeout,
        }
    }
}

impl<S> Callbacks<S> {
    pub(super) fn add_any(&mut self, callback: Callback<S>) {
        self.any.push(callback);
    }

    pub(super) fn add_unknown(&mut self, callback: Callback<S>) {
        self.unknown.push(callback);
    }

    pub(super) fn add(&mut self, kind: EventKind, callback: Callback<S>) {
        let callbacks = self.by_kind.entry(kind).or_default();
        callbacks.iter_mut().for_each(|earlier| earlier.precedes(&callback));
        callbacks.push(callback);
    }

    pub(super) fn set_sink(&mut self, sink: Arc<dyn DynSink>, options: MetadataMapping) {
        self.sink = Some((sink, options));
    }

    pub(super) fn set_metadata_mapping(&mut self, options: MetadataMapping) {
        if let Some((_, current)) = &mut self.sink {
            *current = options;
        }
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl Callbacks {
    pub(super) async fn run(
        &self,
        signed: &VerifiedEvent,
        attempt: u32,
        extensions: Extensions,
    ) -> Result<(), Error> {
        let (envelope, mut parsed, fault) = match self.read(signed.body()) {
            Some((envelope, parsed)) => (envelope, parsed, None),
            None => match Envelope::read(signed.body(), signed.received_at()) {
                Ok(envelope) => {
                    let fault = envelope.check().err();
                    (envelope, Parsed::default(), fault)
                }
                Err(fault) => (signed.unreadable_envelope(), Parsed::default(), Some(fault)),
            },
        };
        let delivery = Delivery { signed, envelope, attempt, extensions };
        for callback in &self.any {
            self.guard(|| callback.call(&delivery, &mut parsed)).await?;
        }
        let outcome = match fault {
            None => self.run_readable(&delivery, &mut parsed).await,
            Some(fault) => Err(fault),
        };
        match outcome {
            Err(fault) if fault.kind() == ErrorKind::UnreadableEvent => {
                self.run_unreadable(&delivery, fault).await
            }
            outcome => outcome,
        }
    }

    pub(super) fn handles(&self, kind: &EventKind) -> bool {
        let is_unknown = !kind.is_known() && !self.unknown.is_empty();
        let is_typed = self.by_kind.contains_key(kind);
        is_typed || is_unknown || !self.any.is_empty() || self.sink.is_some()
    }

    /// Reads in one pass, with the payload type of the first callback of this kind.
    fn read(&self, body: &Bytes) -> Option<(Envelope, Parsed)> {
        let kind = fast_path::guess(body)?;
        let first = self.by_kind.get(&kind)?.first()?;
        // A payload type of the application may panic in `Deserialize`. Then it panics again on the
        // slow path, where the panic fails its callback.
        let read = catch_unwind(AssertUnwindSafe(|| first.read(body))).ok()?;
        // The payload type of this crate decides. Another type could also read an event that cannot
        // be booked.
        let is_own = kind.payload_type().is_some_and(|own| first.reads(own.type_id()));
        read.filter(|(envelope, _)| envelope.kind == kind && (is_own || envelope.check().is_ok()))
    }

    async fn run_readable(
        &self,
        delivery: &Delivery<'_>,
        parsed: &mut Parsed,
    ) -> Result<(), Error> {
        // Derive the records before the callbacks, because the last callback takes the payload.
        let records = match &self.sink {
            Some((_, options)) => facts_of(
                delivery.signed,
                &delivery.envelope,
                options,
                &mut (delivery, &mut *parsed),
            )?,
            None => Vec::new(),
        };
        let kind = &delivery.envelope.kind;
        let unknown = if kind.is_known() { [].iter() } else { self.unknown.iter() };
        let typed = self.by_kind.get(kind).into_iter().flatten();
        for callback in unknown.chain(typed) {
            self.guard(|| callback.call(delivery, parsed)).await?;
        }
        for record in &records {
            self.emit(record).await?;
        }
        Ok(())
    }

    async fn emit(&self, record: &AttributionRecord) -> Result<(), Error> {
        let Some((sink, _)) = &self.sink else { return Ok(()) };
        let emitting = || async {
            sink.emit(record).await.map_err(|e| {
                callback_failed("the attribution sink failed")
                    .with_code("sink_failed")
                    .with_source(e)
            })
        };
        self.guard(emitting).await
    }

    async fn run_unreadable(&self, delivery: &Delivery<'_>, fault: Error) -> Result<(), Error> {
        if self.unreadable.is_empty() {
            return Err(fault);
        }
        let unreadable = UnreadableEvent {
            body: RawJson::whole(delivery.signed.body().clone()),
            pointer: fault.pointer().unwrap_or_default().to_owned(),
            problem: std::error::Error::source(&fault)
                .map_or_else(|| fault.message().to_owned(), ToString::to_string),
        };
        for callback in &self.unreadable {
            self.guard(|| callback(delivery, unreadable.clone(), &())).await?;
        }
        Ok(())
    }

    /// Runs user code: a panic, at the call or at any poll, and a missed deadline are failures.
    async fn guard<F>(&self, start: impl FnOnce() -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        match timeout(self.timeout, catch(start)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => {
                Err(callback_failed("a webhook callback failed").with_code("callback_panicked"))
            }
            Err(_elapsed) => {
                Err(callback_failed("a webhook callback failed").with_code("callback_timed_out"))
            }
        }
    }
}

impl<S> fmt::Debug for Callbacks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.by_kind.keys().map(EventKind::as_str).collect();
        kinds.sort_unstable();
        f.debug_struct("Callbacks")
            .field("kinds", &kinds)
            .field("any", &self.any.len())
            .field("sink", &self.sink.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
