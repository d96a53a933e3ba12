//! One request and what must come of it.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::stub::Call;

/// One request, sent to every framework.
#[derive(Clone, Debug)]
#[must_use]
pub struct Case {
    /// Names the case in failures.
    pub name: String,
    /// The method of the request.
    pub method: Method,
    /// The path, percent-encoded.
    pub path: String,
    /// The query without its `?`, percent-encoded. Empty for none.
    pub query: String,
    /// Headers in the order given; a name may be there twice.
    pub headers: HeaderMap,
    /// The body as it goes over the wire.
    pub body: Vec<u8>,
    /// What must come of it in every framework.
    pub expect: Expect,
}

/// The expected result of a case. `None` is compared between frameworks only.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The status of the answer.
    pub status: Option<u16>,
    /// The stable `code` of a problem document.
    pub code: Option<String>,
    /// The place that a problem document names: a JSON Pointer, or else a parameter's name.
    pub place: Option<String>,
    /// The answer as JSON.
    pub body: Option<Value>,
    /// A header of the answer.
    pub headers: Vec<(&'static str, String)>,
    /// The calls to Dodo's API, in order.
    pub upstream: Option<Vec<Call>>,
    /// The names of the callbacks that ran, in order.
    pub callbacks: Option<Vec<String>>,
}

impl Case {
    /// A request without headers and body.
    pub fn new(name: impl Into<String>, method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            name: name.into(),
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            expect: Expect::default(),
        }
    }

    /// A GET of this path and query.
    pub fn get(name: impl Into<String>, target: &str) -> Self {
        Self::new(name, Method::GET, target)
    }

    /// A POST of a JSON text, as it is.
    pub fn post(name: impl Into<String>, target: &str, json: impl Into<Vec<u8>>) -> Self {
        let case = Self::new(name, Method::POST, target);
        case.header("content-type", "application/json").body(json)
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If `http` cannot represent it; for such requests see [`crate::client::raw`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status that every framework must answer with.
    pub fn status(mut self, status: u16) -> Self {
        self.expect.status = Some(status);
        self
    }

    /// The problem that every framework must answer with.
    pub fn problem(mut self, status: u16, code: &str) -> Self {
        self.expect.code = Some(code.to_owned());
        self.status(status)
    }

    /// The place that the problem must name: a JSON Pointer, or a parameter's name.
    pub fn at(mut self, place: &str) -> Self {
        self.expect.place = Some(place.to_owned());
        self
    }

    /// The JSON that every framework must answer with.
    pub fn answer(mut self, body: Value) -> Self {
        self.expect.body = Some(body);
        self
    }

    /// A header that every framework must answer with.
    pub fn answer_header(mut self, name: &'static str, value: &str) -> Self {
        self.expect.headers.push((name, value.to_owned()));
        self
    }

    /// The calls to Dodo's API that every framework must make: these, and no others.
    pub fn upstream(mut self, calls: impl IntoIterator<Item = Call>) -> Self {
        self.expect.upstream = Some(calls.into_iter().collect());
        self
    }

    /// The callbacks that every framework must run: these, in this order.
    pub fn callbacks<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.expect.callbacks = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Path and query as they go over the wire.
    #[must_use]
    pub fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}
