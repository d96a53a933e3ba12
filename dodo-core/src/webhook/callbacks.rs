//! What runs for an event, in which order, and how its failures are contained.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use http::Extensions;
use serde::de::DeserializeOwned;

use super::{envelope::Envelope, signed::SignedEvent};
use crate::{
    AttributionRecord, BoxError, BoxFuture, Error, ErrorKind,
    attribution::{DynSink, FactOptions, facts_of},
    event::{Context, Event, EventKind, RawData, Unreadable, Warning, lenient},
    panic::catch,
    time::timeout,
};

/// Under the 15 seconds after which Dodo Payments gives a delivery up.
const DEADLINE: Duration = Duration::from_secs(10);

/// One delivery while it is handled.
pub(super) struct Delivery<'a> {
    signed: &'a SignedEvent,
    envelope: Envelope,
    attempt: u32,
    extensions: Extensions,
}

impl Delivery<'_> {
    fn event<T, S>(&self, data: T, warnings: Arc<[Warning]>, state: S) -> Event<T, S> {
        Event {
            id: self.signed.id().to_owned(),
            kind: self.envelope.kind.clone(),
            timestamp: self.envelope.timestamp,
            business_id: self.envelope.business_id.clone(),
            live: self.signed.live(),
            data,
            state,
            context: Context {
                raw: self.envelope.data.clone(),
                warnings,
                attempt: self.attempt,
                extensions: self.extensions.clone(),
            },
        }
    }

    fn warnings(&self, more: Vec<Warning>) -> Arc<[Warning]> {
        if self.envelope.warnings.is_empty() && more.is_empty() {
            return Arc::default();
        }
        self.envelope.warnings.iter().cloned().chain(more).collect()
    }
}

/// The payloads of one delivery that were read already, by type.
#[derive(Default)]
pub(super) struct Parsed(Vec<Box<dyn Any + Send>>);

#[derive(Clone)]
struct Payload<T> {
    data: T,
    warnings: Arc<[Warning]>,
}

impl Parsed {
    /// Reads `data` as `T`, once however often it is asked for. `last` takes it out.
    fn get<T>(&mut self, delivery: &Delivery<'_>, last: bool) -> Result<Payload<T>, Error>
    where
        T: DeserializeOwned + Clone + Send + 'static,
    {
        let found = self.0.iter().position(|payload| payload.is::<Payload<T>>());
        let payload = match found {
            Some(at) if last => self.0.swap_remove(at).downcast().ok().map(|payload| *payload),
            Some(at) => self.0.get(at).and_then(|payload| payload.downcast_ref().cloned()),
            None => None,
        };
        if let Some(payload) = payload {
            return Ok(payload);
        }
        let text = delivery.envelope.data.as_str().unwrap_or_default();
        let read = lenient::read::<T>(text, "/data")?;
        let payload = Payload { data: read.value, warnings: delivery.warnings(read.warnings) };
        if !last {
            self.0.push(Box::new(payload.clone()));
        }
        Ok(payload)
    }
}

type Running = BoxFuture<Result<(), Error>>;
type Call = Box<dyn Fn(&Delivery<'_>, &mut Parsed, bool) -> Running + Send + Sync>;

/// A callback of the application without its types.
pub(super) struct Callback {
    payload: TypeId,
    /// No callback after it wants the same payload.
    last: bool,
    call: Call,
}

impl Callback {
    /// A callback that gets the payload as `T`.
    pub(super) fn typed<T, S, F, Fut, E>(state: S, callback: F) -> Self
    where
        T: DeserializeOwned + Clone + Send + 'static,
        S: Clone + Send + Sync + 'static,
        F: Fn(Event<T, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let call: Call =
            Box::new(move |delivery, parsed, last| match parsed.get::<T>(delivery, last) {
                Ok(Payload { data, warnings }) => {
                    run(callback(delivery.event(data, warnings, state.clone())))
                }
                Err(error) => Box::pin(ready(Err(error))),
            });
        Self { payload: TypeId::of::<T>(), last: true, call }
    }

    /// A callback that gets the payload unread.
    pub(super) fn raw<S, F, Fut, E>(state: S, callback: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Event<RawData, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let call: Call = Box::new(move |delivery, _, _| {
            let data = delivery.envelope.data.clone();
            let warnings = delivery.warnings(Vec::new());
            run(callback(delivery.event(data, warnings, state.clone())))
        });
        Self { payload: TypeId::of::<RawData>(), last: true, call }
    }
}

fn run<Fut, E>(future: Fut) -> Running
where
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    Box::pin(async move {
        future.await.map_err(|e| callback_failed("a webhook callback failed").with_source(e))
    })
}

fn callback_failed(message: &'static str) -> Error {
    Error::new(ErrorKind::Callback, message)
}

type UnreadableCall = Box<dyn Fn(&Delivery<'_>, Unreadable) -> Running + Send + Sync>;

/// Everything that runs for an event. Filled by the builder.
pub(super) struct Callbacks {
    any: Vec<Callback>,
    unknown: Vec<Callback>,
    by_kind: HashMap<EventKind, Vec<Callback>>,
    unreadable: Vec<UnreadableCall>,
    sink: Option<(Arc<dyn DynSink>, FactOptions)>,
    deadline: Duration,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            any: Vec::new(),
            unknown: Vec::new(),
            by_kind: HashMap::new(),
            unreadable: Vec::new(),
            sink: None,
            deadline: DEADLINE,
        }
    }
}

impl Callbacks {
    pub(super) fn add_any(&mut self, callback: Callback) {
        self.any.push(callback);
    }

    pub(super) fn add_unknown(&mut self, callback: Callback) {
        self.unknown.push(callback);
    }

    pub(super) fn add(&mut self, kind: EventKind, callback: Callback) {
        let callbacks = self.by_kind.entry(kind).or_default();
        for earlier in callbacks.iter_mut().filter(|c| c.payload == callback.payload) {
            earlier.last = false;
        }
        callbacks.push(callback);
    }

    pub(super) fn add_unreadable<S, F, Fut, E>(&mut self, state: S, callback: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Event<Unreadable, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.unreadable.push(Box::new(move |delivery, unreadable| {
            let warnings = delivery.warnings(Vec::new());
            run(callback(delivery.event(unreadable, warnings, state.clone())))
        }));
    }

    pub(super) fn set_sink(&mut self, sink: Arc<dyn DynSink>, options: FactOptions) {
        self.sink = Some((sink, options));
    }

    pub(super) fn set_fact_options(&mut self, options: FactOptions) {
        if let Some((_, current)) = &mut self.sink {
            *current = options;
        }
    }

    pub(super) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    pub(super) fn handles(&self, kind: &EventKind) -> bool {
        !self.any.is_empty()
            || self.by_kind.contains_key(kind)
            || (!kind.is_known() && !self.unknown.is_empty())
            || self.sink.is_some()
    }

    pub(super) async fn run(
        &self,
        signed: &SignedEvent,
        attempt: u32,
        extensions: Extensions,
    ) -> Result<(), Error> {
        let (envelope, fault) = match signed.envelope() {
            Ok(envelope) => (envelope, None),
            Err(fault) => (signed.unreadable_envelope(), Some(fault)),
        };
        let delivery = Delivery { signed, envelope, attempt, extensions };
        let mut parsed = Parsed::default();
        for callback in &self.any {
            self.guard(|| (callback.call)(&delivery, &mut parsed, false)).await?;
        }
        let outcome = match fault {
            None => self.run_readable(&delivery, &mut parsed).await,
            Some(fault) => Err(fault),
        };
        match outcome {
            Err(fault) if fault.kind() == ErrorKind::Unreadable => {
                self.run_unreadable(&delivery, fault).await
            }
            outcome => outcome,
        }
    }

    async fn run_readable(
        &self,
        delivery: &Delivery<'_>,
        parsed: &mut Parsed,
    ) -> Result<(), Error> {
        // Before the callbacks, because the last of them takes the payload.
        let records = match &self.sink {
            Some((_, options)) => facts_of(delivery.signed, &delivery.envelope, options)?,
            None => Vec::new(),
        };
        let kind = &delivery.envelope.kind;
        let unknown = if kind.is_known() { [].iter() } else { self.unknown.iter() };
        let typed = self.by_kind.get(kind).into_iter().flatten();
        for callback in unknown.chain(typed) {
            self.guard(|| (callback.call)(delivery, parsed, callback.last)).await?;
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
        let unreadable = Unreadable {
            body: RawData::whole(delivery.signed.body().clone()),
            pointer: fault.pointer().unwrap_or_default().to_owned(),
            problem: std::error::Error::source(&fault)
                .map_or_else(|| fault.message().to_owned(), ToString::to_string),
        };
        for callback in &self.unreadable {
            self.guard(|| callback(delivery, unreadable.clone())).await?;
        }
        Ok(())
    }

    /// Runs user code: a panic, at the call or at any poll, and a missed deadline are failures.
    async fn guard<F>(&self, start: impl FnOnce() -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        match timeout(self.deadline, catch(start)).await {
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

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.by_kind.keys().map(EventKind::as_str).collect();
        kinds.sort_unstable();
        f.debug_struct("Callbacks")
            .field("kinds", &kinds)
            .field("any", &self.any.len())
            .field("sink", &self.sink.is_some())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
