//! Events, and their deliveries to endpoints.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::Row;
use crate::{api::resource::Definition, clock::rfc3339};

/// The object of an event. It is rendered anew for each attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subject {
    Object {
        resource: &'static dyn Definition,
        id: String,
    },
    /// Made up by hand: sent as it is.
    Fixed(Value),
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The `webhook-id`.
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) subject: Subject,
    pub(crate) at: Timestamp,
    /// Values that replace those of the body, by their path, such as `data.total_amount`.
    pub(crate) overrides: Vec<(String, Value)>,
}

impl Row for Event {
    fn id(&self) -> &str {
        &self.id
    }
}

/// One request to an endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryAttempt {
    /// The start, by the sandbox's clock.
    pub at: Timestamp,
    /// The status of the endpoint's answer. `None` without an answer.
    pub status: Option<u16>,
    /// The reason for a missing answer, such as "certificate not trusted".
    pub error: Option<String>,
    /// The body of the request.
    pub body: String,
    /// The request's headers, the signature included.
    pub headers: Vec<(String, String)>,
    /// The begin of the answer's body, at most 2 KB.
    pub answer: String,
    /// The time until the answer, by the machine's clock.
    pub duration: Duration,
}

impl DeliveryAttempt {
    /// Whether the endpoint accepted the event.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// Held until it is released.
    Held,
    /// Waits for the moment of its next attempt.
    Scheduled,
    /// Being sent now.
    Sending,
    /// The endpoint answered 2xx.
    Delivered,
    /// All attempts failed.
    Failed,
    /// Lost on purpose.
    Dropped,
}

impl DeliveryState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The delivery of one event to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(crate) id: String,
    /// The `webhook-id`, the same for each attempt.
    pub webhook_id: String,
    /// The endpoint, `whk_...`.
    pub endpoint_id: String,
    /// The event's name, such as `payment.succeeded`.
    pub event_type: String,
    /// The state of the delivery.
    pub state: DeliveryState,
    /// When the next attempt falls due, by the sandbox's clock.
    pub due: Timestamp,
    /// The attempts so far.
    pub attempts: Vec<DeliveryAttempt>,
    /// Whether failures are followed by retries.
    pub(crate) retried: bool,
}

impl Row for Delivery {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Delivery {
    /// The delivery's own id, which replays take.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn json(&self) -> Value {
        let attempts: Vec<_> = self
            .attempts
            .iter()
            .map(|attempt| {
                json!({
                    "at": rfc3339(attempt.at),
                    "status": attempt.status,
                    "error": attempt.error,
                    "body": attempt.body,
                    "headers": attempt.headers,
                    "answer": attempt.answer,
                    "duration_ms": attempt.duration.as_millis() as u64,
                })
            })
            .collect();
        json!({
            "id": self.id,
            "webhook_id": self.webhook_id,
            "endpoint_id": self.endpoint_id,
            "type": self.event_type,
            "state": self.state.as_str(),
            "due": rfc3339(self.due),
            "attempts": attempts,
        })
    }
}
