//! One callback of the application, with erased types.

use std::{
    any::{Any, TypeId},
    future::{Future, ready},
    sync::Arc,
};

use bytes::Bytes;
use http::Extensions;
use serde::de::DeserializeOwned;

use super::{envelope::Envelope, fast_path, result::CallbackResult, verified::VerifiedEvent};
use crate::{
    BoxFuture, Error, ErrorKind,
    attribution::Payloads,
    event::{Context, Event, FieldWarning, RawJson, lenient},
};

/// A delivery during its processing.
pub(super) struct Delivery<'a> {
    pub(super) signed: &'a VerifiedEvent,
    pub(super) envelope: Envelope,
    pub(super) attempt: u32,
    pub(super) extensions: Extensions,
}

impl Delivery<'_> {
    pub(super) fn event<T, S>(
        &self,
        data: T,
        warnings: Arc<[FieldWarning]>,
        state: S,
    ) -> Event<T, S> {
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

    pub(super) fn warnings(&self, more: Vec<FieldWarning>) -> Arc<[FieldWarning]> {
        if self.envelope.warnings.is_empty() && more.is_empty() {
            return Arc::default();
        }
        self.envelope.warnings.iter().cloned().chain(more).collect()
    }
}

/// The payloads of a delivery that were already read, by type.
#[derive(Default)]
pub(super) struct Parsed(Vec<Payload<dyn Any + Send>>);

/// Boxed, because payloads are large and are moved several times.
struct Payload<T: ?Sized> {
    data: Box<T>,
    warnings: Arc<[FieldWarning]>,
}

impl Parsed {
    /// Reads `data` as `T`, once for all callbacks. `last`: removes the payload from the delivery.
    fn get<T>(&mut self, delivery: &Delivery<'_>, last: bool) -> Result<Payload<T>, Error>
    where
        T: DeserializeOwned + Clone + Send + 'static,
    {
        if let Some(payload) = self.find(last) {
            return Ok(payload);
        }
        let text = delivery.envelope.data.as_str().unwrap_or_default();
        let read = lenient::read::<Box<T>>(text, "/data")?;
        for FieldWarning { pointer, problem, .. } in &read.warnings {
            let webhook_id = delivery.signed.id();
            tracing::warn!(target: "dodo::webhook", webhook_id, pointer, problem, "a field cannot be read");
        }
        let payload = Payload { data: read.value, warnings: delivery.warnings(read.warnings) };
        if !last {
            let Payload { data, warnings } = &payload;
            self.0.push(Payload { data: data.clone(), warnings: warnings.clone() });
        }
        Ok(payload)
    }

    fn find<T: Clone + 'static>(&mut self, last: bool) -> Option<Payload<T>> {
        let at = self.0.iter().position(|payload| payload.data.is::<T>())?;
        if last {
            let Payload { data, warnings } = self.0.swap_remove(at);
            return Some(Payload { data: data.downcast().ok()?, warnings });
        }
        let Payload { data, warnings } = self.0.get(at)?;
        let data: &T = data.downcast_ref()?;
        Some(Payload { data: Box::new(data.clone()), warnings: warnings.clone() })
    }
}

/// Reads a whole delivery in one pass, with the payload type of a callback.
type Read = fn(&Bytes) -> Option<(Envelope, Parsed)>;

fn read_in_one_pass<T>(body: &Bytes) -> Option<(Envelope, Parsed)>
where
    T: DeserializeOwned + Clone + Send + 'static,
{
    let (envelope, data) = fast_path::read::<T>(body)?;
    Some((envelope, Parsed(vec![Payload { data, warnings: Arc::default() }])))
}

/// For the attribution facts: the same payload that the callbacks get.
impl Payloads for (&Delivery<'_>, &mut Parsed) {
    fn read<T>(&mut self) -> Result<T, Error>
    where
        T: DeserializeOwned + Clone + Send + 'static,
    {
        let (delivery, parsed) = self;
        parsed.get(delivery, false).map(|payload: Payload<T>| *payload.data)
    }
}

pub(super) type CallbackFuture = BoxFuture<Result<(), Error>>;
type ErasedCallback<S> =
    Box<dyn Fn(&Delivery<'_>, &mut Parsed, bool, &S) -> CallbackFuture + Send + Sync>;

/// A callback of the application with erased types. `S` is the type of its state.
pub(super) struct Callback<S = ()> {
    payload: TypeId,
    /// No later callback needs the same payload.
    last: bool,
    run: ErasedCallback<S>,
    read: Option<Read>,
}

impl<S> Callback<S> {
    /// Notes that `later` runs after this one.
    pub(super) fn precedes(&mut self, later: &Self) {
        self.last &= self.payload != later.payload;
    }
}

impl Callback {
    /// Whether the callback needs this payload.
    pub(super) fn reads(&self, payload: TypeId) -> bool {
        self.payload == payload
    }

    /// Reads a delivery with the payload of this callback, if the fast path can read it.
    pub(super) fn read(&self, body: &Bytes) -> Option<(Envelope, Parsed)> {
        self.read.and_then(|read| read(body))
    }

    pub(super) fn call(&self, delivery: &Delivery<'_>, parsed: &mut Parsed) -> CallbackFuture {
        (self.run)(delivery, parsed, self.last, &())
    }
}

impl<S: Clone + Send + Sync + 'static> Callback<S> {
    /// Sets the state of the callback.
    pub(super) fn bind(self, state: &Arc<S>) -> Callback {
        let Self { payload, last, run, read } = self;
        let state = state.clone();
        let run: ErasedCallback<()> =
            Box::new(move |delivery, parsed, last, ()| run(delivery, parsed, last, &state));
        Callback { payload, last, run, read }
    }

    /// A callback that gets the payload as `T`.
    pub(super) fn typed<T, F, Fut>(callback: F) -> Self
    where
        T: DeserializeOwned + Clone + Send + 'static,
        F: Fn(Event<T, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        let call: ErasedCallback<S> =
            Box::new(move |delivery, parsed, last, state| match parsed.get::<T>(delivery, last) {
                Ok(Payload { data, warnings }) => {
                    run(callback(delivery.event(*data, warnings, state.clone())))
                }
                Err(error) => Box::pin(ready(Err(error))),
            });
        Self {
            payload: TypeId::of::<T>(),
            last: true,
            run: call,
            read: Some(read_in_one_pass::<T>),
        }
    }

    /// A callback that gets the payload unread.
    pub(super) fn raw<F, Fut>(callback: F) -> Self
    where
        F: Fn(Event<RawJson, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: CallbackResult> + Send + 'static,
    {
        let call: ErasedCallback<S> = Box::new(move |delivery, _, _, state| {
            let data = delivery.envelope.data.clone();
            let warnings = delivery.warnings(Vec::new());
            run(callback(delivery.event(data, warnings, state.clone())))
        });
        Self { payload: TypeId::of::<RawJson>(), last: true, run: call, read: None }
    }
}

pub(super) fn run<Fut>(future: Fut) -> CallbackFuture
where
    Fut: Future<Output: CallbackResult> + Send + 'static,
{
    Box::pin(async move {
        let result = future.await.into_result();
        result.map_err(|e| callback_failed("a webhook callback failed").with_source(e))
    })
}

pub(super) fn callback_failed(message: &'static str) -> Error {
    Error::new(ErrorKind::CallbackFailed, message)
}
