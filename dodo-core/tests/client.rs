//! The client over transports that are closures: requests, retries and error texts.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment, Error, ErrorKind, ProductId,
    client::{ApiError, ClientBuilder, TransportError},
};
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};

const KEY: &str = "sk_test_CANARY";

/// What the upstream does with one request.
enum Step {
    Answer(u16, &'static str),
    Headers(u16, &'static str, &'static [(&'static str, &'static str)]),
    Refused,
    Reset,
    ConnectTimeout,
    Hang,
}
use Step::{Answer, ConnectTimeout, Hang, Headers, Refused, Reset};

#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    uri: String,
    headers: HeaderMap,
    body: Bytes,
}

type Log = Arc<Mutex<Vec<Sent>>>;

/// A client whose upstream takes these steps, and the requests that it saw.
fn scripted(steps: impl IntoIterator<Item = Step>) -> (ClientBuilder, Log) {
    scripted_in(Environment::Live, steps)
}

fn scripted_in(
    environment: Environment,
    steps: impl IntoIterator<Item = Step>,
) -> (ClientBuilder, Log) {
    let steps = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<_>>()));
    let log = Log::default();
    let seen = log.clone();
    let transport = move |request: Request<Bytes>| {
        let (parts, body) = request.into_parts();
        let (uri, method) = (parts.uri.to_string(), parts.method);
        seen.lock().unwrap().push(Sent { method, uri, headers: parts.headers, body });
        let step = steps.lock().unwrap().pop_front();
        async move {
            // Calls that start together overlap.
            tokio::task::yield_now().await;
            let answer = |status: u16, body: &'static str| {
                Response::builder().status(status).body(Bytes::from_static(body.as_bytes()))
            };
            match step {
                Some(Answer(status, body)) => Ok(answer(status, body)?),
                Some(Headers(status, body, headers)) => {
                    let mut response = answer(status, body)?;
                    for (name, value) in headers {
                        response.headers_mut().insert(*name, value.parse()?);
                    }
                    Ok(response)
                }
                Some(Refused) => Err(TransportError::new("refused").not_sent().into()),
                Some(ConnectTimeout) => {
                    Err(TransportError::new("slow").not_sent().timed_out().into())
                }
                Some(Reset) => Err(BoxError::from("reset by peer")),
                Some(Hang) => std::future::pending().await,
                None => Err("more requests than the script has".into()),
            }
        }
    };
    (Client::builder(KEY, environment).with_transport(transport), log)
}

fn get(client: &Client) -> dodo_core::client::ApiCall {
    client.call(Method::GET, "/payments", &[], None)
}

fn post(client: &Client) -> dodo_core::client::ApiCall {
    client.call(Method::POST, "/checkouts", &[], Some(&json!({})))
}

#[tokio::test]
async fn sends_the_key_and_json_to_the_environments_host() -> Result<(), Error> {
    for (environment, host) in [
        (Environment::Test, "https://test.dodopayments.com"),
        (Environment::Live, "https://live.dodopayments.com"),
    ] {
        let (builder, log) = scripted_in(environment, [Answer(200, r#"{"a":1}"#)]);
        let client = builder.build()?;
        let body = json!({"x": "ü"});
        let query = [("a", "b c&d"), ("e", "1")];
        let answer = client.call(Method::POST, "/checkouts", &query, Some(&body)).await?;
        assert_eq!(answer, json!({"a": 1}));
        let sent = log.lock().unwrap().remove(0);
        assert_eq!(sent.method, Method::POST);
        assert_eq!(sent.uri, format!("{host}/checkouts?a=b+c%26d&e=1"));
        assert_eq!(sent.headers["authorization"], format!("Bearer {KEY}"));
        assert!(sent.headers["authorization"].is_sensitive());
        assert_eq!(sent.headers["content-type"], "application/json");
        assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), body);
    }
    Ok(())
}

/// Method, script, retries; then the number of requests and the kind of the error.
#[tokio::test(start_paused = true)]
async fn repeats_reads_and_only_creates_that_never_left() -> Result<(), Error> {
    use ErrorKind::{
        CredentialsRefused, NotFound, RateLimited, RejectedByDodo, UpstreamFailed, UpstreamTimeout,
    };
    let down = r#"{"code":"INTERNAL_SERVER_ERROR","message":"x"}"#;
    type Row = (&'static str, Method, Vec<Step>, usize, Option<ErrorKind>);
    let table: Vec<Row> = vec![
        (
            "read, 500 twice",
            Method::GET,
            vec![Answer(500, down), Answer(503, "<html>"), Answer(200, "{}")],
            3,
            None,
        ),
        (
            "read, 500 thrice",
            Method::GET,
            vec![Answer(500, down), Answer(500, down), Answer(500, down)],
            3,
            Some(UpstreamFailed),
        ),
        ("read, reset", Method::GET, vec![Reset, Answer(200, "{}")], 2, None),
        ("read, refused", Method::GET, vec![Refused, Answer(200, "{}")], 2, None),
        ("read, 408", Method::GET, vec![Answer(408, ""), Answer(200, "{}")], 2, None),
        ("read, 429", Method::GET, vec![Answer(429, ""), Answer(200, "{}")], 2, None),
        (
            "read, always 429",
            Method::GET,
            vec![Answer(429, ""), Answer(429, ""), Answer(429, "")],
            3,
            Some(RateLimited),
        ),
        ("read, 404", Method::GET, vec![Answer(404, "")], 1, Some(NotFound)),
        ("read, 401", Method::GET, vec![Answer(401, "")], 1, Some(CredentialsRefused)),
        ("read, 403", Method::GET, vec![Answer(403, "")], 1, Some(CredentialsRefused)),
        ("read, 422", Method::GET, vec![Answer(422, "")], 1, Some(RejectedByDodo)),
        ("read, redirect", Method::GET, vec![Answer(302, "")], 1, Some(UpstreamFailed)),
        ("read, garbage", Method::GET, vec![Answer(200, "{\"a\":")], 1, Some(UpstreamFailed)),
        ("read, hangs", Method::GET, vec![Hang], 1, Some(UpstreamTimeout)),
        (
            "read, no connection in time",
            Method::GET,
            vec![ConnectTimeout, ConnectTimeout, ConnectTimeout],
            3,
            Some(UpstreamTimeout),
        ),
        ("create, refused", Method::POST, vec![Refused, Answer(200, "{}")], 2, None),
        (
            "create, always refused",
            Method::POST,
            vec![Refused, Refused, Refused],
            3,
            Some(UpstreamFailed),
        ),
        ("create, reset", Method::POST, vec![Reset], 1, Some(UpstreamFailed)),
        ("create, 500", Method::POST, vec![Answer(500, down)], 1, Some(UpstreamFailed)),
        ("create, 503", Method::POST, vec![Answer(503, "")], 1, Some(UpstreamFailed)),
        ("create, 408", Method::POST, vec![Answer(408, "")], 1, Some(UpstreamTimeout)),
        ("create, 409", Method::POST, vec![Answer(409, "")], 1, Some(RejectedByDodo)),
        ("create, 410", Method::POST, vec![Answer(410, "")], 1, Some(RejectedByDodo)),
        ("create, 429", Method::POST, vec![Answer(429, "")], 1, Some(RateLimited)),
        ("create, hangs", Method::POST, vec![Hang], 1, Some(UpstreamTimeout)),
        ("change, 500", Method::PATCH, vec![Answer(500, down)], 1, Some(UpstreamFailed)),
        ("delete, reset", Method::DELETE, vec![Reset], 1, Some(UpstreamFailed)),
        ("delete, empty", Method::DELETE, vec![Answer(204, "")], 1, None),
    ];
    for (name, method, steps, requests, expected) in table {
        let (builder, log) = scripted(steps);
        let client = builder.build()?;
        let result = client.call(method, "/things", &[], None).await;
        assert_eq!(result.err().map(|e| e.kind()), expected, "{name}");
        assert_eq!(log.lock().unwrap().len(), requests, "{name}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_retry_outlives_the_deadline_and_no_wish_to_wait_panics() -> Result<(), Error> {
    for (wait, expected) in [
        ("1", 2),
        ("1e30", 1),
        ("-1", 2),
        ("nonsense", 2),
        ("Thu, 31 Dec 2099 23:59:59 GMT", 1),
        ("30", 1),
    ] {
        let headers: &'static [_] = Box::leak(Box::new([("retry-after", wait)]));
        let (builder, log) = scripted([Headers(429, "", headers), Answer(200, "{}")]);
        let client = builder.build()?;
        let result = get(&client).await;
        assert_eq!(log.lock().unwrap().len(), expected, "{wait}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::RateLimited, "{wait}");
            let wait = error.retry_after().unwrap();
            assert!(wait <= Duration::from_secs(3600), "{wait:?}");
        }
    }
    let (builder, log) = scripted([Hang]);
    let client = builder.timeout(Duration::MAX).build()?;
    let result = tokio::time::timeout(Duration::from_secs(5), get(&client).into_future()).await;
    assert!(result.is_err() && log.lock().unwrap().len() == 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn call_has_its_own_timeout_and_retries() -> Result<(), Error> {
    let (builder, log) = scripted([Answer(500, ""), Hang]);
    let client = builder.build()?;
    assert!(get(&client).max_retries(0).await.is_err());
    assert_eq!(log.lock().unwrap().len(), 1);

    let before = tokio::time::Instant::now();
    let error = post(&client).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamTimeout);
    assert_eq!(before.elapsed(), Duration::from_secs(1));
    Ok(())
}

#[tokio::test]
async fn errors_tell_the_log_everything_and_the_answer_nothing() -> Result<(), Error> {
    let body = r#"{"code":"INVALID_DISCOUNT_CODE","message":"sk_test_CANARY used by jane@example.com at 10.0.0.5"}"#;
    let (builder, _) = scripted([Headers(422, body, &[("x-request-id", "req_7")])]);
    let error = post(&builder.build()?).await.unwrap_err();
    let failure = ApiError::from_error(&error).unwrap();
    assert_eq!(failure.status().unwrap(), 422);
    assert_eq!(failure.code(), Some("INVALID_DISCOUNT_CODE"));
    assert_eq!(failure.request_id(), Some("req_7"));
    assert_eq!(failure.message(), Some("****** used by ****** at 10.0.0.5"));
    assert_eq!(error.dodo_code(), Some("INVALID_DISCOUNT_CODE"));
    let answer = error.to_response();
    let shown = format!("{error} {error:?} {failure} {failure:?} {answer:?}");
    for secret in [KEY, "jane", "10.0.0.5"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("req_7"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn text_in_place_of_code_is_not_repeated_to_clients() -> Result<(), Error> {
    for body in [r#"{"code":"<script>"}"#, r#"{"code":""}"#, r#"{"code":5}"#, "[]", "<html>", ""] {
        let (builder, _) = scripted([Answer(422, body)]);
        let error = post(&builder.build()?).await.unwrap_err();
        assert_eq!((error.kind(), error.dodo_code()), (ErrorKind::RejectedByDodo, None), "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn remembers_products_for_a_while() -> Result<(), Error> {
    let product = r#"{"product_id":"pdt_a","is_recurring":true}"#;
    for (time, requests) in [(Duration::from_secs(60), 1), (Duration::ZERO, 2)] {
        let (builder, log) = scripted([Answer(200, product), Answer(200, product)]);
        let client = builder.product_cache_ttl(time).build()?;
        let id = ProductId::new("pdt_a")?;
        for _ in 0..2 {
            assert_eq!(client.product(&id).await?.is_recurring(), Some(true));
        }
        assert_eq!(log.lock().unwrap().len(), requests, "{time:?}");
    }
    let (builder, _) = scripted([Answer(404, r#"{"code":"NOT_FOUND"}"#)]);
    let error = builder.build()?.product(&ProductId::new("pdt_a")?).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "product_not_found"));
    Ok(())
}

#[test]
fn paths_and_addresses_that_lead_elsewhere_are_refused() {
    for (url, ok) in [
        ("https://gateway.example", true),
        ("https://gateway.example/dodo/", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("http://[::1]:8080", true),
        ("http://169.254.169.254", false),
        ("http://gateway.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://127.1", false),
        ("http://2130706433", false),
        ("https://user:pass@gateway.example", false),
        ("https://gateway.example/?a=b", false),
        ("https://gateway.example/#a", false),
        ("ftp://gateway.example", false),
        ("file:///etc/passwd", false),
        ("gateway.example", false),
        ("", false),
    ] {
        let (builder, _) = scripted([]);
        let built = builder.base_url(url).build();
        assert_eq!(built.is_ok(), ok, "{url}: {built:?}");
        let (builder, _) = scripted([]);
        assert_eq!(builder.checkout_url(url).build().is_ok(), ok, "{url}");
    }
}

#[tokio::test]
async fn path_with_dots_is_never_sent() -> Result<(), Error> {
    let (builder, log) = scripted([]);
    let client = builder.build()?;
    for path in ["/customers/../products", "/a?b=c", "//a", "/%2e%2e/a", "https://evil.example/"] {
        let error = client.call(Method::GET, path, &[], None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{path}");
    }
    assert!(log.lock().unwrap().is_empty());
    Ok(())
}

#[test]
fn keys_are_opaque_but_must_be_there_and_never_show() {
    for (key, ok) in [
        ("x", true),
        (KEY, true),
        ("!~", true),
        ("", false),
        ("a b", false),
        (" a\n", true),
        ("\"a\"", false),
        ("'a'", false),
        ("`a`", false),
        ("ä", false),
    ] {
        let builder = Client::builder(key, Environment::Live)
            .with_transport(|_| async { Err::<Response<Bytes>, _>(BoxError::from("x")) });
        let shown = format!("{builder:?}");
        let built = builder.build();
        assert_eq!(built.is_ok(), ok, "{key}");
        assert!(key.len() < 3 || !format!("{built:?} {shown}").contains(key));
    }
}

/// Element counts of the pages that Dodo has; then what `take` returns.
#[tokio::test]
async fn lists_send_their_page_numbers_and_end_at_the_empty_page() -> Result<(), Error> {
    let (builder, log) = scripted([
        Answer(200, r#"{"items":[{"n":1},{"n":2}]}"#),
        Answer(200, r#"{"items":[{"n":3}]}"#),
        Answer(200, r#"{"items":[]}"#),
    ]);
    let client = builder.build()?;
    let all = client.list::<Value>("/payments", &[("status", "succeeded")]).take(10).await?;
    assert_eq!(all, [json!({"n":1}), json!({"n":2}), json!({"n":3})]);
    let uris: Vec<String> = log.lock().unwrap().iter().map(|s| s.uri.clone()).collect();
    for (number, uri) in uris.iter().enumerate() {
        assert!(
            uri.ends_with(&format!("page_number={number}&page_size=100&status=succeeded")),
            "{uri}"
        );
    }

    let (builder, log) = scripted([
        Answer(200, r#"{"data":[{"n":1}],"iterator":"i1","done":false}"#),
        Answer(200, r#"{"data":[{"n":2}],"iterator":"i2","done":true}"#),
    ]);
    let client = builder.build()?;
    assert_eq!(client.list::<Value>("/webhooks", &[]).take(10).await?.len(), 2);
    let uris: Vec<String> = log.lock().unwrap().iter().map(|s| s.uri.clone()).collect();
    assert!(uris[0].ends_with("/webhooks?limit=100"), "{uris:?}");
    assert!(uris[1].ends_with("/webhooks?iterator=i1&limit=100"), "{uris:?}");
    Ok(())
}

#[tokio::test]
async fn list_stops_at_first_error() -> Result<(), Error> {
    let same = r#"{"data":[1],"iterator":"i","done":false}"#;
    let (builder, _) = scripted([Answer(200, same), Answer(200, same), Answer(200, same)]);
    let client = builder.build()?;
    let mut list = client.list::<u32>("/webhooks", &[]);
    assert_eq!(list.next().await?, Some(1));
    assert_eq!(list.next().await.unwrap_err().kind(), ErrorKind::UpstreamFailed);
    assert_eq!(list.next().await?, None);
    Ok(())
}

#[tokio::test]
async fn webhook_endpoints_are_created_once_and_kept_as_wanted() -> Result<(), Error> {
    use dodo_core::EventKind;
    let url = "https://shop.example/api/webhook";
    let events = [EventKind::RefundSucceeded, EventKind::PaymentSucceeded];
    let found = |extra: &str| -> &'static str {
        Box::leak(format!(r#"{{"data":[{{"id":"whk_0","url":"https://other.example"}},{{"id":"whk_1","url":"{url}"{extra}}}],"done":true}}"#).into_boxed_str())
    };
    let secret = Answer(200, r#"{"secret":"whsec_CANARY"}"#);
    let created = r#"{"id":"whk_1","url":"https://shop.example/api/webhook"}"#;
    for (name, steps, requests) in [
        (
            "absent",
            vec![Answer(200, r#"{"data":[],"done":true}"#), Answer(200, created), secret],
            vec!["GET /webhooks", "POST /webhooks", "GET /webhooks/whk_1/secret"],
        ),
        (
            "as wanted",
            vec![
                Answer(200, found(r#","filter_types":["payment.succeeded","refund.succeeded"]"#)),
                Answer(200, r#"{"secret":"whsec_CANARY"}"#),
            ],
            vec!["GET /webhooks", "GET /webhooks/whk_1/secret"],
        ),
        (
            "other events",
            vec![
                Answer(200, found(r#","filter_types":["payment.failed"]"#)),
                Answer(200, "{}"),
                Answer(200, r#"{"secret":"whsec_CANARY"}"#),
            ],
            vec!["GET /webhooks", "PATCH /webhooks/whk_1", "GET /webhooks/whk_1/secret"],
        ),
        (
            "disabled",
            vec![
                Answer(
                    200,
                    found(
                        r#","disabled":true,"filter_types":["payment.succeeded","refund.succeeded"]"#,
                    ),
                ),
                Answer(200, "{}"),
                Answer(200, r#"{"secret":"whsec_CANARY"}"#),
            ],
            vec!["GET /webhooks", "PATCH /webhooks/whk_1", "GET /webhooks/whk_1/secret"],
        ),
    ] {
        let (builder, log) = scripted(steps);
        let client = builder.build()?;
        let endpoint = client.ensure_webhook_endpoint(url, &events).await?;
        assert_eq!(endpoint.secret(), "whsec_CANARY", "{name}");
        assert_eq!(endpoint.created, name == "absent", "{name}");
        assert!(!format!("{endpoint:?}").contains("CANARY"));
        let log = log.lock().unwrap();
        let base = "https://live.dodopayments.com";
        let sent: Vec<String> = log
            .iter()
            .map(|s| {
                format!(
                    "{} {}",
                    s.method,
                    s.uri.trim_start_matches(base).split('?').next().unwrap()
                )
            })
            .collect();
        assert_eq!(sent, requests, "{name}");
        if let Some(change) = log.iter().find(|s| s.method != Method::GET) {
            let body: Value = serde_json::from_slice(&change.body).unwrap();
            assert_eq!(body["filter_types"], json!(["payment.succeeded", "refund.succeeded"]));
        }
    }
    let (builder, log) = scripted([]);
    let client = builder.build()?;
    assert!(client.ensure_webhook_endpoint("http://shop.example/", &events).await.is_err());
    assert!(log.lock().unwrap().is_empty());
    Ok(())
}

/// Path, body, `idempotent()`; then the number of requests after two answers of 503.
#[tokio::test(start_paused = true)]
async fn idempotent_write_is_repeated_like_a_read() -> Result<(), Error> {
    let keyed = json!({"idempotency_key": "k1"});
    for (path, body, declared, requests) in [
        ("/events/ingest", json!({"events": [{"event_id": "e1"}]}), false, 3),
        ("/checkouts/preview", json!({}), false, 3),
        ("/subscriptions/sub_1/change-plan/preview", json!({}), false, 3),
        ("/licenses/validate", json!({}), false, 3),
        ("/webhooks", keyed.clone(), false, 3),
        ("/customers/cus_1/wallets/ledger-entries", keyed.clone(), false, 3),
        ("/credit-entitlements/c/balances/cus_1/ledger-entries", keyed.clone(), false, 3),
        ("/webhooks", json!({"idempotency_key": null}), false, 1),
        ("/webhooks", json!({"idempotency_key": ""}), false, 1),
        ("/webhooks", json!({}), false, 1),
        ("/checkouts", keyed.clone(), false, 1),
        ("/refunds", json!({}), false, 1),
        ("/refunds", json!({}), true, 3),
        ("/subscriptions/sub_1/charge", json!({}), false, 1),
        ("/events/ingest/more", json!({}), false, 1),
    ] {
        let (builder, log) = scripted([Answer(503, ""), Answer(503, ""), Answer(200, "{}")]);
        let client = builder.build()?;
        let call = client.call(Method::POST, path, &[], Some(&body)).max_retries(5);
        let result = if declared { call.idempotent().await } else { call.await };
        assert_eq!(log.lock().unwrap().len(), requests, "{path} {body}");
        assert_eq!(result.is_ok(), requests == 3, "{path} {body}");
    }
    Ok(())
}

/// Answer of the first lookup; then its kind, and the number of requests for ten lookups at once
/// and one after them.
#[tokio::test]
async fn product_has_one_lookup_at_a_time_and_failures_are_kept() -> Result<(), Error> {
    let found = Answer(200, r#"{"product_id":"pdt_a"}"#);
    for (first, kind, requests) in [
        (found, None, 1),
        (Answer(404, "{}"), Some(ErrorKind::NotFound), 1),
        (Answer(401, "{}"), Some(ErrorKind::CredentialsRefused), 1),
        (Answer(422, "{}"), Some(ErrorKind::RejectedByDodo), 1),
    ] {
        let (builder, log) = scripted([first, Answer(200, "{}")]);
        let client = builder.max_retries(0).build()?;
        let mut lookups = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let client = client.clone();
            lookups.spawn(async move { client.product(&ProductId::new("pdt_a")?).await });
        }
        let mut results = lookups.join_all().await;
        results.push(client.product(&ProductId::new("pdt_a")?).await);
        for result in results {
            assert_eq!(result.err().map(|error| error.kind()), kind);
        }
        assert_eq!(log.lock().unwrap().len(), requests, "{kind:?}");
        assert!(client.product(&ProductId::new("pdt_b")?).await.is_ok(), "another id is asked");
    }
    Ok(())
}

/// A caller that leaves while its lookup runs does not hold up the others.
#[tokio::test(start_paused = true)]
async fn dropped_lookup_lets_the_next_caller_ask() -> Result<(), Error> {
    let (builder, log) = scripted([Hang, Answer(200, "{}")]);
    let client = builder.build()?;
    let id = ProductId::new("pdt_a")?;
    let first = tokio::time::timeout(Duration::from_secs(1), client.product(&id));
    let second = async {
        tokio::task::yield_now().await;
        client.product(&id).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err() && second.is_ok());
    assert_eq!(log.lock().unwrap().len(), 2);
    Ok(())
}
