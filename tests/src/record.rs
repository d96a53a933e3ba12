//! Which callbacks ran.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One run of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Callback {
    /// Its name in `@dodopayments/express`: `onPaymentSucceeded`, `onPayload`.
    pub name: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The delivery's `webhook-id`.
    pub webhook_id: String,
}

/// Callbacks in the order they ran.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Callback>>>);

impl Recorder {
    /// Adds one.
    pub fn record(&self, callback: Callback) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    }

    /// Answers and clears what ran.
    #[must_use]
    pub fn take(&self) -> Vec<Callback> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
