//! The latest API requests and deliveries, for the pages and for `dodo-sandbox listen`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::fault::RecordedRequest;

/// The number of entries that the log keeps.
const KEPT: usize = 2_000;

/// The part of an answer's body that the log keeps, in bytes.
const ANSWER_LIMIT: usize = 8_192;

/// A bounded log. Each entry has a number; the first is 1.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Mutex<VecDeque<Value>>,
    latest: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: Mutex::default(), latest: watch::Sender::new(0) }
    }
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry, with its number as `seq`.
    pub(crate) fn push(&self, mut entry: Value) {
        let mut entries = self.entries();
        let seq = *self.latest.borrow() + 1;
        if let Some(fields) = entry.as_object_mut() {
            fields.insert("seq".to_owned(), seq.into());
        }
        if entries.len() >= KEPT {
            entries.pop_front();
        }
        entries.push_back(entry);
        self.latest.send_replace(seq);
    }

    /// Adds an API request with its answer; `None` is an answer that was cut.
    pub(crate) async fn request(
        &self,
        request: &RecordedRequest,
        duration: Duration,
        answer: Option<Response>,
    ) -> Option<Response> {
        let mut text = String::new();
        let answer = match answer {
            None => None,
            Some(answer) => {
                let (parts, body) = answer.into_parts();
                let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
                let start = bytes.get(..bytes.len().min(ANSWER_LIMIT)).unwrap_or_default();
                text = String::from_utf8_lossy(start).into_owned();
                Some(Response::from_parts(parts, Body::from(bytes)))
            }
        };
        self.push(json!({
            "kind": "request",
            "method": request.method,
            "path": request.path,
            "body": request.body,
            "status": request.status,
            "answer": text,
            "duration_ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }));
        answer
    }

    /// The entries after this number, oldest first.
    pub(crate) fn after(&self, seq: u64) -> Vec<Value> {
        let newer = |entry: &&Value| entry.get("seq").and_then(Value::as_u64) > Some(seq);
        self.entries().iter().filter(newer).cloned().collect()
    }

    /// Waits until an entry after this number exists.
    pub(crate) async fn wait(&self, seq: u64) {
        let _ = self.latest.subscribe().wait_for(|latest| *latest > seq).await;
    }

    pub(crate) fn latest(&self) -> u64 {
        *self.latest.borrow()
    }
}
