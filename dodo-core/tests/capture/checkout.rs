//! From a visitor's cookie to the call that Dodo Payments gets, through the three checkouts.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment,
    capture::{CheckoutContext, Preset, VisitorCapture, VisitorLayer, consent::Consent},
    checkout::{DynamicCheckout, SessionCheckout, StaticCheckout, request::SessionRequest},
    endpoint::Endpoint,
};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use super::object;

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A client of a Dodo that answers everything, and the list of its calls.
fn dodo() -> (Client, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let transport = move |request: Request<Bytes>| {
        let path = request.uri().path().to_owned();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match &*path {
            "/checkouts" => {
                json!({"session_id": "cks_1", "checkout_url": "https://checkout.dodopayments.com/session/cks_1"})
            }
            "/payments" | "/subscriptions" => {
                json!({"payment_id": "pay_1", "payment_link": "https://checkout.dodopayments.com/pay/1"})
            }
            _ => json!({"product_id": "pdt_book", "is_recurring": path.ends_with("club")}),
        };
        seen.lock().unwrap().push((path, body));
        async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
    };
    let client =
        Client::builder("sk_test", Environment::Live).with_transport(transport).build().unwrap();
    (client, calls)
}

fn post() -> http::request::Builder {
    Request::post("/api/checkout")
        .header("host", "shop.example")
        .header("content-type", "application/json")
}

fn cart() -> Value {
    json!({"product_cart": [{"product_id": "pdt_book", "quantity": 1}]})
}

fn link(product: &str) -> Value {
    json!({"billing": {"country": "DE"}, "customer": {"email": "ada@example.com", "name": "Ada"},
        "product_id": product})
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(object(more));
    body
}

/// Sends a body with these headers. Answers the status and the metadata of the last call.
async fn buy(
    endpoint: impl Endpoint,
    calls: &Calls,
    headers: &[(&str, &str)],
    body: Value,
) -> (u16, Option<Value>) {
    let mut request = post();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = endpoint.handle(request.body(Bytes::from(body.to_string())).unwrap()).await;
    let status = response.status().as_u16();
    let last = calls.lock().unwrap().last().map(|(_, body)| body["metadata"].clone());
    (status, last)
}

const VISITOR: (&str, &str) = ("cookie", "visitor=v1");

#[tokio::test]
async fn session_carries_visitor() {
    let (client, calls) = dodo();
    let endpoint =
        SessionCheckout::builder(client).capture(VisitorCapture::visitors_now()).build().unwrap();
    let (status, metadata) = buy(endpoint, &calls, &[VISITOR], cart()).await;
    assert_eq!((status, metadata), (200, Some(json!({"visitor": "v1"}))));
}

#[tokio::test]
async fn payments_and_subscriptions_of_a_dynamic_link_carry_it_too() {
    for (product, path) in [("pdt_book", "/payments"), ("pdt_club", "/subscriptions")] {
        let (client, calls) = dodo();
        let endpoint = DynamicCheckout::builder(client)
            .capture(VisitorCapture::visitors_now())
            .build()
            .unwrap();
        let (status, metadata) = buy(endpoint, &calls, &[VISITOR], link(product)).await;
        assert_eq!((status, metadata), (200, Some(json!({"visitor": "v1"}))), "{product}");
        assert_eq!(calls.lock().unwrap().last().unwrap().0, path);
    }
}

#[tokio::test]
async fn static_link_carries_visitor_in_query() {
    let (client, _) = dodo();
    let capture = VisitorCapture::visitors_now().preset(Preset::Utm);
    let endpoint = StaticCheckout::builder(client).capture(capture).build().unwrap();
    let uri = "/api/checkout?productId=pdt_book&utm_source=news%20letter&metadata_order=o1&metadata_visitor=evil&gclid=g1";
    let request = Request::get(uri).header("cookie", "visitor=v&1").body(Bytes::new()).unwrap();
    let response = endpoint.handle(request).await;
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let url = answer["checkout_url"].as_str().unwrap();
    let (_, query) = url.split_once('?').unwrap();
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    let expected = [
        ("metadata_order", "o1"),
        ("metadata_utm_source", "news letter"),
        ("metadata_visitor", "v&1"),
        ("quantity", "1"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn checkout_without_cookie_succeeds_without_key() {
    for cookie in ["", "visitor=", "visitor=undefined", &format!("visitor={}", "v".repeat(4096))] {
        let (client, calls) = dodo();
        let endpoint = SessionCheckout::builder(client)
            .capture(VisitorCapture::visitors_now())
            .build()
            .unwrap();
        let (status, metadata) = buy(endpoint, &calls, &[("cookie", cookie)], cart()).await;
        assert_eq!((status, metadata), (200, Some(Value::Null)), "{cookie:.20}");
    }
}

#[tokio::test]
async fn value_of_app_stays_and_value_of_browser_is_dropped() {
    let app = || SessionRequest::new().metadata("visitor", "app");
    let evil = || with(cart(), json!({"metadata": {"visitor": "evil", "order": "o1"}}));
    for (from_app, cookie, express, expected) in [
        (true, "visitor=v1", false, json!({"visitor": "app", "order": "o1"})),
        (true, "", true, json!({"visitor": "app", "order": "o1"})),
        (false, "visitor=v1", false, json!({"visitor": "v1", "order": "o1"})),
        (false, "visitor=v1", true, json!({"visitor": "v1", "order": "o1"})),
        (false, "", false, json!({"order": "o1"})),
        (false, "", true, json!({"visitor": "evil", "order": "o1"})),
    ] {
        let (client, calls) = dodo();
        let mut endpoint = SessionCheckout::builder(client).capture(VisitorCapture::visitors_now());
        if from_app {
            endpoint = endpoint.server_fields(app());
        }
        if express {
            endpoint = endpoint.express_compatible();
        }
        let endpoint = endpoint.build().unwrap();
        let (status, metadata) = buy(endpoint, &calls, &[("cookie", cookie)], evil()).await;
        assert_eq!((status, metadata), (200, Some(expected)), "{from_app} {cookie} {express}");
    }
}

#[tokio::test]
async fn bantico_is_taken_out_of_the_body() {
    let (client, calls) = dodo();
    let endpoint = SessionCheckout::builder(client)
        .capture(VisitorCapture::new().preset(Preset::Bantico))
        .build()
        .unwrap();
    let body = with(cart(), json!({"bantico": {"linkId": "", "source": "x"}}));
    let (status, metadata) = buy(endpoint, &calls, &[], body).await;
    assert_eq!((status, metadata), (200, Some(json!({"source": "x"}))));
    let sent = calls.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(sent.get("bantico"), None);
}

#[tokio::test]
async fn without_its_preset_bantico_is_an_unknown_field() {
    let (client, calls) = dodo();
    let body = with(cart(), json!({"bantico": {"source": "x"}}));
    let (status, metadata) =
        buy(SessionCheckout::builder(client).build().unwrap(), &calls, &[], body).await;
    assert_eq!((status, metadata), (400, None));
}

#[tokio::test]
async fn visitor_comes_before_fifty_pairs_of_the_client() {
    let (client, calls) = dodo();
    let endpoint =
        SessionCheckout::builder(client).capture(VisitorCapture::visitors_now()).build().unwrap();
    let pairs: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n}"), json!(n))).collect();
    let (status, metadata) =
        buy(endpoint, &calls, &[VISITOR], with(cart(), json!({"metadata": pairs}))).await;
    let metadata = metadata.unwrap();
    let sent = metadata.as_object().unwrap();
    assert_eq!((status, sent.len(), sent.contains_key("visitor")), (200, 50, true));
    assert_eq!(sent.keys().filter(|key| pairs.contains_key(*key)).count(), 49);
}

#[tokio::test]
async fn denial_is_stored_and_adds_no_metadata() {
    for headers in [
        &[VISITOR, ("sec-gpc", "1")][..],
        &[("cookie", "visitor=v1; OptanonConsent=groups=C0001:1,C0002:0")],
        &[VISITOR],
    ] {
        let (client, calls) = dodo();
        let contexts: Arc<Mutex<Vec<CheckoutContext>>> = Arc::default();
        let store = Arc::clone(&contexts);
        let capture = VisitorCapture::visitors_now()
            .consent(dodo_core::capture::consent::OneTrust::analytics());
        let endpoint = SessionCheckout::builder(client)
            .capture(capture)
            .context_store(move |id: String, context: CheckoutContext| {
                assert_eq!(id, "cks_1");
                store.lock().unwrap().push(context);
                async { Ok::<_, BoxError>(()) }
            })
            .build()
            .unwrap();
        let (status, metadata) = buy(endpoint, &calls, headers, cart()).await;
        assert_eq!((status, metadata), (200, Some(Value::Null)), "{headers:?}");
        let contexts = contexts.lock().unwrap();
        assert_eq!(contexts.len(), 1);
        assert_eq!((contexts[0].consent, &contexts[0].visitor), (Consent::Denied, &None));
    }
}

#[tokio::test(start_paused = true)]
async fn failing_panicking_or_slow_store_keeps_checkout() {
    let (client, calls) = dodo();
    let session =
        || SessionCheckout::builder(client.clone()).capture(VisitorCapture::visitors_now());
    let fails = session().context_store(|_: String, _: CheckoutContext| async {
        Err::<(), BoxError>("disk full".into())
    });
    let panics = session().context_store(|_: String, _: CheckoutContext| async {
        if true {
            panic!("broken store");
        }
        Ok::<_, BoxError>(())
    });
    let hangs = session().context_store(|_: String, _: CheckoutContext| async {
        std::future::pending::<Result<(), BoxError>>().await
    });
    for endpoint in [fails, panics, hangs] {
        let endpoint = endpoint.build().unwrap();
        let (status, metadata) = buy(endpoint, &calls, &[VISITOR], cart()).await;
        assert_eq!((status, metadata), (200, Some(json!({"visitor": "v1"}))));
    }
}

/// What the layer found on the way in is what the endpoint injects; a capture of the endpoint's own
/// wins over it.
#[tokio::test]
async fn capture_of_layer_reaches_endpoint() {
    for (own, expected) in [
        (None, json!({"visitor": "v1", "linkId": "l1"})),
        (Some(VisitorCapture::new().preset(Preset::Bantico)), json!({"linkId": "l1"})),
    ] {
        let (client, calls) = dodo();
        let mut endpoint = SessionCheckout::builder(client);
        if let Some(own) = own {
            endpoint = endpoint.capture(own);
        }
        let endpoint = endpoint.build().unwrap();
        let layer = VisitorLayer::new(VisitorCapture::visitors_now().preset(Preset::Bantico));
        let body = with(cart(), json!({"bantico": {"linkId": "l1"}}));
        let request = post()
            .header("cookie", "visitor=v1")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let response = layer.layer(endpoint.into_service()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let sent = calls.lock().unwrap().last().unwrap().1.clone();
        assert_eq!(sent["metadata"], expected);
    }
}

/// The user is known to middleware behind the layer, and still reaches the context.
#[tokio::test]
async fn user_found_behind_layer_is_known_at_checkout() {
    #[derive(Clone)]
    struct User(&'static str);
    let (client, calls) = dodo();
    let capture = VisitorCapture::new()
        .preset(Preset::Dub)
        .user_id(|request| Some(request.extensions.get::<User>()?.0.to_owned()));
    let body = cart();
    let request = post()
        .header("cookie", "dub_id=clk")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let service = SessionCheckout::builder(client).build().unwrap().into_service();
    let behind = tower::service_fn(move |mut request: Request<Full<Bytes>>| {
        request.extensions_mut().insert(User("user_7"));
        service.clone().oneshot(request)
    });
    VisitorLayer::new(capture).layer(behind).oneshot(request).await.unwrap();
    let sent = calls.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(sent["metadata"], json!({"dub_click_id": "clk", "dub_external_id": "user_7"}));
}

#[tokio::test]
async fn sessions_that_the_app_builds_itself_carry_the_visitor_too() {
    let (client, calls) = dodo();
    let capture = VisitorCapture::visitors_now().preset(Preset::Utm);
    let captured = capture.capture(&super::request("/buy?utm_source=s", &[VISITOR])).0;
    for (request, expected) in [
        (SessionRequest::new(), json!({"visitor": "v1", "utm_source": "s"})),
        (
            SessionRequest::new().metadata("visitor", "app").metadata("order", 7),
            json!({"visitor": "app", "order": 7, "utm_source": "s"}),
        ),
    ] {
        let product = dodo_core::ProductId::new("pdt_book").unwrap();
        let cart = [dodo_core::checkout::request::CheckoutItem::new(product, 1)];
        client.create_session(request.product_cart(cart).captured(&captured)).await.unwrap();
        assert_eq!(calls.lock().unwrap().last().unwrap().1["metadata"], expected);
    }
    let nothing = super::with_cookies(&capture, "");
    assert_eq!(Value::from(SessionRequest::new().captured(&nothing)), json!({}));
}
