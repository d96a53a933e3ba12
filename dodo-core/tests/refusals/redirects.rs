//! Answers for browsers: the payment page, or the page of the application that shows an error.

use bytes::Bytes;
use dodo_core::{
    ProductId,
    checkout::{SessionCheckout, StaticCheckout},
    endpoint::Endpoint,
};
use http::Request;
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
    let client = Client::builder("sk_test", Environment::Test).transport(transport);
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
