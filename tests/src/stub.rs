//! An upstream that plays Dodo's API, well and badly, and keeps what it was asked.
//!
//! A marker at the end of a product's or customer's id picks the failure, so that a case needs no
//! set-up: `pdt_fail422` is a product whose look-up is a 422, `pdt_post_fail422` one that is found
//! and whose payment is refused.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One call that the stub received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The request's method.
    pub method: String,
    /// Its path, as sent.
    pub path: String,
    /// Its query, as sent, without `?`.
    #[serde(default)]
    pub query: String,
    /// Its body: JSON, text where it is none, null where there is none.
    #[serde(default)]
    pub body: Value,
    /// Headers that are part of the contract with Dodo's API.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

const HEADERS: [&str; 5] =
    ["accept", "authorization", "content-type", "idempotency-key", "user-agent"];

impl Call {
    /// A GET without a body.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, Value::Null)
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(path: &str, body: Value) -> Self {
        Self::new("POST", path, body)
    }

    fn new(method: &str, target: &str, body: Value) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            headers: BTreeMap::new(),
        }
    }

    /// The call without its headers, to compare with what a table says.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self { headers: BTreeMap::new(), ..self.clone() }
    }
}

/// A running stub. It stops when its runtime does.
#[derive(Clone, Debug)]
pub struct Stub {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Stub {
    /// Starts a stub on a free port of this machine, on the current runtime.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let stub = Self { address: listener.local_addr()?, calls: Arc::default() };
        let shared = stub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stub = shared.clone();
                let service = service_fn(move |request| stub.clone().serve(request));
                tokio::spawn(async move {
                    // A reset, asked for by a marker, ends here as an error.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(stub)
    }

    /// The base URL to give to a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers and clears the calls received.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
        let body = match serde_json::from_slice(&body) {
            Ok(json) => json,
            Err(_) if body.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&body).into_owned()),
        };
        let header = |name: &str| {
            let value = parts.headers.get(name)?;
            Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        };
        let call = Call {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body,
            headers: HEADERS.into_iter().filter_map(header).collect(),
        };
        let answer = answer(&call);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        answer.send().await
    }
}

/// Closes the connection without an answer.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stub was asked to break off")
    }
}
impl std::error::Error for Reset {}

enum Answer {
    Json(u16, Value),
    Text(u16, &'static str, &'static str),
    Redirect,
    Slow,
    Hang,
    Reset,
}

impl Answer {
    async fn send(self) -> Result<Response<Full<Bytes>>, Reset> {
        let (status, kind, body) = match self {
            Self::Json(status, body) => (status, "application/json", Bytes::from(body.to_string())),
            Self::Text(status, kind, body) => (status, kind, Bytes::from_static(body.as_bytes())),
            Self::Redirect => (302, "text/html", Bytes::new()),
            Self::Slow => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                (200, "application/json", Bytes::from_static(br#"{"link":"https://x.test/slow"}"#))
            }
            Self::Hang => match std::future::pending::<Infallible>().await {},
            Self::Reset => return Err(Reset),
        };
        let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
        if status == StatusCode::TOO_MANY_REQUESTS {
            response = response.header(header::RETRY_AFTER, "1");
        }
        if status == StatusCode::FOUND {
            response = response.header(header::LOCATION, "https://elsewhere.test/");
        }
        Ok(response.body(Full::new(body)).expect("the parts are constant"))
    }
}

/// Texts that must never reach a caller of the application.
pub const INTERNAL_TEXTS: [&str; 5] =
    ["SECRETHINT", "db row 42", "internal detail 0xdead", "host=10.0.0.5", "internal-host-7"];

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Json(status, json!({"code": code, "message": message}))
}

/// What a marker at the end of an id asks for.
fn failure(id: &str) -> Option<Answer> {
    Some(match id {
        _ if id.ends_with("fail400") => error(400, "BAD_REQUEST", "bad"),
        _ if id.ends_with("fail401") => {
            error(401, "UNAUTHORIZED", "Authentication failed: invalid API key sk_live_SECRETHINT")
        }
        _ if id.ends_with("fail403") => error(403, "FORBIDDEN", "sk_live_SECRETHINT may not write"),
        _ if id.ends_with("fail404") => error(404, "NOT_FOUND", "Resource not found in db row 42"),
        _ if id.ends_with("fail409") => error(409, "CONFLICT", "Conflict"),
        _ if id.ends_with("fail422") => error(
            422,
            "UNPROCESSABLE",
            "Invalid value for field billing.country: internal detail 0xdead",
        ),
        _ if id.ends_with("fail429") => error(429, "RATE_LIMITED", "Too many requests"),
        _ if id.ends_with("fail500") => {
            error(500, "INTERNAL_SERVER_ERROR", "panicked at src/db.rs:42 host=10.0.0.5")
        }
        _ if id.ends_with("fail503html") => Answer::Text(
            503,
            "text/html",
            "<html><body>upstream proxy error for internal-host-7</body></html>",
        ),
        _ if id.ends_with("echo") => {
            error(404, "NOT_FOUND", &format!("Customer {id} does not exist"))
        }
        _ if id.ends_with("redirect") => Answer::Redirect,
        _ if id.ends_with("slow") => Answer::Slow,
        _ if id.ends_with("hang") => Answer::Hang,
        _ if id.ends_with("reset") => Answer::Reset,
        _ if id.ends_with("badjson") => {
            Answer::Text(200, "application/json", r#"{"product_id": "x", "#)
        }
        _ if id.ends_with("empty") => Answer::Text(200, "application/json", ""),
        _ if id.ends_with("text") => Answer::Text(200, "text/plain", "hello"),
        _ => return None,
    })
}

fn answer(call: &Call) -> Answer {
    let decode = |id: &str| percent_decode_str(id).decode_utf8_lossy().into_owned();
    let path: Vec<&str> = call.path.split('/').skip(1).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["products", id]) => product(&decode(id)),
        ("POST", ["payments"]) => {
            let id = first_product(&call.body);
            failure(id).unwrap_or_else(|| payment(id))
        }
        ("POST", ["subscriptions"]) => {
            let id = call.body["product_id"].as_str().unwrap_or_default();
            failure(id).unwrap_or_else(|| subscription(id))
        }
        ("POST", ["checkouts"]) => {
            let id = first_product(&call.body);
            failure(id).unwrap_or_else(|| session(id))
        }
        ("POST", ["customers", id, "customer-portal", "session"]) => {
            let id = decode(id);
            failure(&id).unwrap_or_else(|| portal(&id))
        }
        _ => error(404, "NOT_FOUND", &format!("No route for {} {}", call.method, call.path)),
    }
}

fn first_product(body: &Value) -> &str {
    body["product_cart"][0]["product_id"].as_str().unwrap_or_default()
}

fn product(id: &str) -> Answer {
    if id == "pdt_missing" {
        return error(404, "NOT_FOUND", "Product not found");
    }
    let recurring = id.starts_with("pdt_sub");
    let rest = id.strip_prefix("pdt_").unwrap_or_default();
    let found = rest.strip_prefix("sub_").unwrap_or(rest).starts_with("post_");
    if let (false, Some(failure)) = (found, failure(id)) {
        return failure;
    }
    let kind = if recurring { "recurring_price" } else { "one_time_price" };
    Answer::Json(
        200,
        json!({
            "product_id": id, "business_id": "bus_1", "brand_id": "bus_1", "name": "P",
            "is_recurring": recurring, "tax_category": "saas", "license_key_enabled": false,
            "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
            "price": {
                "type": kind, "currency": "USD", "price": 1000, "discount": 0,
                "purchasing_power_parity": false,
            },
            "metadata": {},
        }),
    )
}

fn link(id: &str, url: &str) -> Value {
    match id {
        _ if id.ends_with("nolink") => Value::Null,
        _ if id.ends_with("badlink") => "not a url".into(),
        _ if id.ends_with("jslink") => "javascript:alert(1)".into(),
        _ => url.into(),
    }
}

fn payment(id: &str) -> Answer {
    Answer::Json(
        200,
        json!({
            "payment_id": "pay_1", "client_secret": "cs", "total_amount": 1000, "metadata": {},
            "customer": {"customer_id": "cus_1", "email": "a@b.co", "name": "A"},
            "payment_link": link(id, "https://test.checkout.dodopayments.com/pay_link_1"),
        }),
    )
}

fn subscription(id: &str) -> Answer {
    Answer::Json(
        200,
        json!({
            "subscription_id": "sub_1", "recurring_pre_tax_amount": 1000, "payment_id": "pay_1",
            "customer": {"customer_id": "cus_1", "email": "a@b.co", "name": "A"},
            "addons": [], "metadata": {}, "client_secret": null, "discount_id": null,
            "payment_link": link(id, "https://test.checkout.dodopayments.com/sub_link_1"),
        }),
    )
}

fn session(id: &str) -> Answer {
    let url = link(id, "https://test.checkout.dodopayments.com/session/cks_1");
    let mut body = json!({"session_id": "cks_1", "checkout_url": url});
    if id.ends_with("nosession") {
        body = json!({"checkout_url": url});
    }
    Answer::Json(200, body)
}

fn portal(id: &str) -> Answer {
    let link = match id {
        _ if id.ends_with("nolink") => return Answer::Json(200, json!({})),
        _ if id.ends_with("badlink") => "https://x.test/a b\u{e9}?q=<script>".into(),
        _ if id.ends_with("jslink") => "javascript:alert(1)".into(),
        _ => format!("https://customer.dodopayments.com/session/{id}"),
    };
    Answer::Json(200, json!({"link": link}))
}
