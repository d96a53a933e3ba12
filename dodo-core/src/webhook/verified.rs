use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::Extensions;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{envelope::Envelope, fast_path, id::DeliveryId};
use crate::{
    Error, ErrorKind,
    event::{Context, Event, EventKind, Payload, RawJson, lenient},
};

/// A delivery whose signature was checked: only [`WebhookKey`](crate::WebhookKey) creates one, and
/// an inbox restores a stored one. Cheap to clone.
#[derive(Clone)]
pub struct VerifiedEvent {
    id: DeliveryId,
    body: Bytes,
    received_at: Timestamp,
    live: bool,
    key_position: Option<usize>,
    attempt_at: Option<Timestamp>,
}

impl VerifiedEvent {
    pub(super) fn new(id: DeliveryId, body: Bytes, received_at: Timestamp, live: bool) -> Self {
        Self { id, body, received_at, live, key_position: None, attempt_at: None }
    }

    pub(super) fn by_key(mut self, position: usize) -> Self {
        self.key_position = Some(position);
        self
    }

    /// For stores: an event that was verified before it was stored. **Nothing is checked.**
    #[must_use]
    pub fn from_trusted_parts(id: &str, body: Bytes, received_at: Timestamp, live: bool) -> Self {
        Self::new(DeliveryId::new(id), body, received_at, live)
    }

    /// Sets the signed `webhook-timestamp` of the delivery attempt.
    #[must_use]
    #[doc(hidden)]
    pub fn with_attempt_at(mut self, attempt_at: Option<Timestamp>) -> Self {
        self.attempt_at = attempt_at;
        self
    }

    /// The `webhook-id`: the same at every retry and replay.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The body as it was received.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the time of the verification.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// Returns the signed `webhook-timestamp` of the delivery attempt: Dodo Payments renders the body for
    /// each attempt. `None` for an event that no delivery brought.
    #[must_use]
    pub fn attempt_at(&self) -> Option<Timestamp> {
        self.attempt_at
    }

    /// Returns the position of the secret that verified the delivery, from 0. Counts show when the old
    /// secret of a rotation is no longer in use. `None` for an event that a store returned.
    #[must_use]
    pub fn key_position(&self) -> Option<usize> {
        self.key_position
    }

    /// Returns `true` in live mode. The mode comes from the configuration of the key.
    #[must_use]
    pub fn live(&self) -> bool {
        self.live
    }

    /// Returns the parts around `data`, without a look at `data`.
    ///
    /// # Errors
    /// [`UnreadableEvent`](ErrorKind::UnreadableEvent) when the body is not a JSON object or has no
    /// `type`.
    #[doc(hidden)]
    pub fn envelope(&self) -> Result<Envelope, Error> {
        Envelope::read(&self.body, self.received_at)
    }

    /// Decides whether the event can be read, and returns the parts around `data`. Callbacks, extractors
    /// and booking share this decision.
    ///
    /// # Errors
    /// [`UnreadableEvent`](ErrorKind::UnreadableEvent) as [`envelope`](Self::envelope), and when the
    /// payload of a known type lacks its own id, a payment its amount or currency, when an amount is
    /// beyond ±(2^53-1), or when the total of a payment is negative.
    #[doc(hidden)]
    pub fn readable(&self) -> Result<Envelope, Error> {
        let envelope = self.envelope()?;
        envelope.check()?;
        Ok(envelope)
    }

    /// Reads the event with a payload of this crate.
    ///
    /// # Errors
    /// [`UnreadableEvent`](ErrorKind::UnreadableEvent) when it cannot be read, and with the code
    /// `unexpected_event` when it is an event of another payload or of a type this version does not
    /// know.
    pub fn typed<T: Payload>(&self) -> Result<Event<T>, Error> {
        if let Some((envelope, data)) = fast_path::read(&self.body)
            && envelope.kind.payload_type() == Some(T::TYPE)
        {
            return Ok(self.event(envelope, *data));
        }
        let envelope = self.readable()?;
        if envelope.kind.payload_type() != Some(T::TYPE) {
            return Err(Error::new(ErrorKind::UnreadableEvent, "this is an event of another kind")
                .with_code("unexpected_event")
                .with_pointer("/type"));
        }
        self.deserialize_in(envelope)
    }

    /// Reads the event of any kind with your own payload type.
    ///
    /// # Errors
    /// [`UnreadableEvent`](ErrorKind::UnreadableEvent) when it cannot be read.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<Event<T>, Error> {
        self.deserialize_in(self.readable()?)
    }

    /// Returns the event with unread data.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub fn untyped(&self) -> Result<Event<RawJson>, Error> {
        let envelope = self.envelope()?;
        let data = envelope.data.clone();
        Ok(self.event(envelope, data))
    }

    fn deserialize_in<T: DeserializeOwned>(
        &self,
        mut envelope: Envelope,
    ) -> Result<Event<T>, Error> {
        let text = envelope.data.as_str().unwrap_or_default();
        let read = lenient::read(text, "/data")?;
        envelope.warnings.extend(read.warnings);
        Ok(self.event(envelope, read.value))
    }

    fn event<T>(&self, envelope: Envelope, data: T) -> Event<T> {
        let Envelope { kind, timestamp, business_id, data: raw, warnings } = envelope;
        Event {
            id: self.id().to_owned(),
            kind,
            timestamp,
            business_id,
            live: self.live,
            data,
            state: (),
            context: Context {
                raw,
                warnings: if warnings.is_empty() { Arc::default() } else { warnings.into() },
                attempt: 1,
                extensions: Extensions::new(),
            },
        }
    }

    /// The envelope of a body without one.
    pub(super) fn unreadable_envelope(&self) -> Envelope {
        Envelope {
            kind: EventKind::Other("".into()),
            timestamp: self.received_at,
            business_id: String::new(),
            data: RawJson::whole(self.body.clone()),
            warnings: Vec::new(),
        }
    }
}

impl fmt::Debug for VerifiedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedEvent")
            .field("id", &self.id)
            .field("bytes", &self.body.len())
            .field("received_at", &self.received_at)
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}
