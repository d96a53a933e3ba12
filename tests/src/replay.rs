//! Requests that were sent to `@dodopayments/express` 0.2.6, with what it did.
//!
//! `tests/data/vectors/express.json` holds them; the [`stub`](crate::stub) is the one they were
//! recorded against, in Rust.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{case::Case, stub::Call, subject::Observed};

/// One recorded request.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// Its name: area and case.
    pub id: String,
    request: RecordedRequest,
    /// What the adaptor did.
    pub express: Express,
}

#[derive(Clone, Debug, Deserialize)]
struct RecordedRequest {
    method: String,
    path: String,
    #[serde(default)]
    query: Option<String>,
    headers: BTreeMap<String, Value>,
    body: Option<RecordedBody>,
}

/// Large bodies were recorded by their length and their beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RecordedBody {
    Text(String),
    Cut { length: usize, head: String },
}

/// What the adaptor did.
#[derive(Clone, Debug, Deserialize)]
pub struct Express {
    /// The status of its answer.
    pub status: u16,
    /// Its answer, when that was JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// Where it redirected to.
    #[serde(default)]
    pub location: Option<String>,
    /// What it asked of Dodo's API.
    pub upstream: Vec<Call>,
}

/// All recorded requests.
///
/// # Panics
/// If the file cannot be read.
#[must_use]
pub fn recorded() -> Vec<Recorded> {
    let text = include_str!("../data/vectors/express.json");
    serde_json::from_str(text).expect("the vectors are JSON of this shape")
}

impl Recorded {
    /// The request, to be sent again.
    pub fn case(&self) -> Case {
        let request = &self.request;
        let target = match request.query.as_deref() {
            None | Some("") => request.path.clone(),
            Some(query) => format!("{}?{query}", request.path),
        };
        let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut case = Case::new(&self.id, method, &target);
        for (name, value) in &request.headers {
            if name != "content-length" {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                case = case.header(name, text);
            }
        }
        match &request.body {
            None => case,
            Some(RecordedBody::Text(text)) => case.body(text.as_bytes()),
            Some(RecordedBody::Cut { length, head }) => {
                let mut text = head.clone().into_bytes();
                text.resize(*length, b' ');
                case.body(text)
            }
        }
    }

    /// What we did otherwise than the adaptor, in words; nothing if it was the same.
    #[must_use]
    pub fn differences(&self, ours: &Observed) -> Vec<String> {
        let mut found = Vec::new();
        let express = &self.express;
        if ours.status != express.status {
            found.push(format!("status {} -> {}", express.status, ours.status));
        }
        let upstream: Vec<Call> = ours.upstream.iter().map(Call::bare).collect();
        if upstream != express.upstream {
            found.push(format!("upstream {:?} -> {upstream:?}", express.upstream));
        }
        if ours.status == 200
            && let Some(theirs) = &express.body
        {
            let body: Value = serde_json::from_str(&ours.body).unwrap_or_default();
            if !includes(&body, theirs) {
                found.push(format!("body {theirs} -> {body}"));
            }
        }
        let location = ours.headers.get("location").and_then(|values| values.first());
        if ours.status == 302 && location != express.location.as_ref() {
            found.push(format!("location {:?} -> {location:?}", express.location));
        }
        found
    }
}

/// Whether an answer holds everything that another does; it may say more.
fn includes(answer: &Value, other: &Value) -> bool {
    let empty = Map::new();
    let members = answer.as_object().unwrap_or(&empty);
    other.as_object().is_some_and(|o| o.iter().all(|(k, v)| members.get(k) == Some(v)))
}
