//! Answers for browsers: the payment page, or the page of the application that shows an error.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use dodo_core::{
    CustomerPortal, ProductId,
    checkout::{DynamicCheckout, SessionCheckout, StaticCheckout},
    endpoint::{Endpoint, serve},
};
use http::Request;
use http_body::{Body, Frame};
use serde_json::Value;

use super::upstream;

#[tokio::test]
async fn browser_goes_to_the_payment_page_or_to_the_error_page() {
    let (client, _) = upstream(Value::Null);
    let pro = ProductId::new("pdt_pro").unwrap();
    let endpoint = SessionCheckout::builder(client)
        .products_by_slug("plan", [("pro", pro)])
        .error_page("/oops")
        .redirect()
        .build()
        .unwrap();
    for (target, accept, status, location) in [
        ("/?plan=pro", "text/html", 303, Some("https://checkout.example/cks_1")),
        ("/?plan=pro", "application/json", 303, Some("https://checkout.example/cks_1")),
        ("/?plan=gold", "text/html", 303, Some("/oops?code=product_not_found")),
        ("/", "text/html,*/*;q=0.8", 303, Some("/oops?code=missing_parameter")),
        ("/?plan=gold", "application/json", 404, None),
        ("/?plan=gold", "*/*", 404, None),
    ] {
        let request = Request::get(target).header("accept", accept).body(Bytes::new()).unwrap();
        let answer = endpoint.handle(request).await;
        assert_eq!(answer.status(), status, "{target} {accept}");
        let got = answer.headers().get("location").map(|value| value.to_str().unwrap());
        assert_eq!(got, location, "{target} {accept}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

/// A body that stops after so many bytes, without its end.
struct Unfinished(usize);

impl Body for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match std::mem::take(&mut self.0) {
            0 => Poll::Pending,
            size => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; size]))))),
        }
    }
}

/// Sends what is refused before the endpoint reads the request, as a browser and as a script.
async fn refuse_early<E: Endpoint>(name: &str, endpoint: &E, method: &str, allow: &str) {
    for (method, size, status, code) in [
        ("PUT", 1, 405, "method_not_allowed"),
        (method, 1, 408, "body_timeout"),
        (method, 200 << 10, 413, "body_too_large"),
    ] {
        for (accept, browser) in [("text/html", true), ("application/json", false)] {
            let request = Request::builder().method(method).header("accept", accept);
            let answer = serve(endpoint, request.body(Unfinished(size)).unwrap()).await;
            let headers = answer.headers();
            assert_eq!(answer.status(), if browser { 303 } else { status }, "{name} {code}");
            let location = headers.get("location").map(|to| to.to_str().unwrap());
            let page = format!("/oops?code={code}");
            assert_eq!(location, browser.then_some(&*page), "{name}");
            let allowed = headers.get("allow").map(|to| to.to_str().unwrap());
            assert_eq!(allowed, (status == 405).then_some(allow), "{name}");
            assert_eq!(headers["cache-control"], "no-store", "{name} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn early_refusals_send_browsers_to_the_error_page() {
    let (client, _) = upstream(Value::Null);
    let session = || SessionCheckout::builder(client.clone());
    let link = || StaticCheckout::builder(client.clone());
    let with_page = session().error_page("/oops").build().unwrap();
    refuse_early("session", &with_page, "POST", "POST").await;
    let redirect = session().error_page("/oops").redirect().build().unwrap();
    refuse_early("redirect", &redirect, "POST", "GET, POST").await;
    let dynamic = DynamicCheckout::builder(client.clone()).error_page("/oops").build().unwrap();
    refuse_early("dynamic", &dynamic, "POST", "POST").await;
    let link_with_page = link().error_page("/oops").build().unwrap();
    refuse_early("static", &link_with_page, "GET", "GET").await;
    let second = link().build().unwrap().or(with_page);
    refuse_early("page of the second", &second, "POST", "GET, POST").await;
    let first = link_with_page.or(session().build().unwrap());
    refuse_early("page of the first", &first, "GET", "GET, POST").await;
    let portal = CustomerPortal::builder(client).error_page("/oops").build().unwrap();
    refuse_early("portal", &portal, "GET", "GET").await;
}

#[tokio::test]
async fn static_link_redirects_and_keeps_plus_in_an_address() {
    let (client, _) = upstream(Value::Null);
    let endpoint = StaticCheckout::builder(client).redirect().build().unwrap();
    for (email, sent) in [
        ("a+b@c.co", Some("a%2Bb%40c.co")),
        ("a%2Bb@c.co", Some("a%2Bb%40c.co")),
        ("a%20b@c.co", None),
    ] {
        let request = Request::get(format!("/?productId=pdt_a&email={email}"));
        let answer = endpoint.handle(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status() == 303, sent.is_some(), "{email}");
        if let Some(sent) = sent {
            let location = answer.headers()["location"].to_str().unwrap();
            assert!(location.contains(&format!("email={sent}")), "{location}");
        }
    }
}

#[tokio::test]
async fn public_address_decides_which_origin_is_own() {
    use dodo_core::{BoxError, Client, Environment};
    let transport = |_: Request<Bytes>| async {
        let answer = r#"{"session_id":"cks_1","checkout_url":"https://checkout.example/"}"#;
        Ok::<_, BoxError>(http::Response::new(Bytes::from(answer)))
    };
    let client = Client::builder("sk_test", Environment::Test).with_transport(transport);
    let client = client.public_url("https://shop.example").build().unwrap();
    let endpoint = SessionCheckout::builder(client).build().unwrap();
    for (origin, status) in [("https://shop.example", 200), ("http://10.0.0.9", 403)] {
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("host", "10.0.0.9")
            .header("origin", origin)
            .body(Bytes::from(r#"{"productId":"pdt_a"}"#))
            .unwrap();
        assert_eq!(endpoint.handle(request).await.status(), status, "{origin}");
    }
}
