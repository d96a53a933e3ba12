use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, CustomerId, CustomerPortal, Error, ErrorKind, SignedIn, endpoint::Endpoint,
};
use http::Request;
use serde_json::{Value, json};

use super::{ask, upstream};

fn get(query: &str) -> Request<Bytes> {
    Request::get(format!("/api/portal{query}")).body(Bytes::new()).unwrap()
}

fn link(url: &str) -> Value {
    json!({ "link": url })
}

const LINK: &str = "https://customer.dodopayments.com/session/x";

#[tokio::test]
async fn portal_opens_for_customer_that_app_names() {
    for (who, status, code) in [
        (Ok(Some("cus_a")), 302, ""),
        (Ok(None), 401, "not_signed_in"),
        (Err("the session store is down"), 500, "callback_failed"),
    ] {
        let (client, calls) = upstream(link(LINK));
        let portal = CustomerPortal::builder(client).customer(move |_| async move {
            let customer = who.map_err(BoxError::from)?;
            Ok::<_, BoxError>(customer.map(|id| CustomerId::new(id).unwrap()))
        });
        let portal = portal.build().unwrap();
        // Whatever the URL says.
        let (got, at, _) = ask(&portal, get("?customer_id=cus_b&send_email=true")).await;
        assert_eq!((got, at.as_str()), (status, code), "{who:?}");
        let calls = calls.lock().unwrap();
        let asked: Vec<&str> = calls.iter().map(|(target, _)| target.as_str()).collect();
        let expected: &[&str] =
            if status == 302 { &["/customers/cus_a/customer-portal/session"] } else { &[] };
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn options_travel_with_the_question() {
    let me = |_| async { Ok::<_, BoxError>(Some(CustomerId::new("cus_a").unwrap())) };
    let (client, calls) = upstream(link(LINK));
    let portal = CustomerPortal::builder(client.clone()).customer(me);
    let portal = portal.send_email(false).return_url("https://shop.example/account");
    let portal = portal.build().unwrap();
    assert_eq!(ask(&portal, get("")).await.0, 302);
    let target = calls.lock().unwrap().pop().unwrap().0;
    assert_eq!(
        target,
        "/customers/cus_a/customer-portal/session?send_email=false&return_url=https%3A%2F%2Fshop.example%2Faccount"
    );
    let error = CustomerPortal::builder(client).return_url("account").build().unwrap_err();
    assert!(error.message().contains("return_url"), "{error}");
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn query_names_one_customer() {
    for (query, status, code, asked) in [
        ("?customer_id=cus_a", 302, "", Some("/customers/cus_a/customer-portal/session")),
        (
            "?customer_id=cus_a&send_email=true",
            302,
            "",
            Some("/customers/cus_a/customer-portal/session?send_email=true"),
        ),
        (
            "?customer_id=cus_a&send_email=1",
            302,
            "",
            Some("/customers/cus_a/customer-portal/session?send_email=false"),
        ),
        ("", 400, "missing_parameter", None),
        ("?customer_id=", 400, "missing_parameter", None),
        ("?customer_id=..%2Fproducts", 400, "invalid_id", None),
        ("?customer_id=cus_a&customer_id=cus_b", 400, "duplicate_parameter", None),
        ("?customer_id=cus_a&send_email=true&send_email=false", 400, "duplicate_parameter", None),
    ] {
        let (client, calls) = upstream(link(LINK));
        let portal = CustomerPortal::builder(client).unprotected_from_query().build().unwrap();
        let (got, at, _) = ask(&portal, get(query)).await;
        assert_eq!((got, at.as_str()), (status, code), "{query}");
        assert_eq!(calls.lock().unwrap().pop().map(|call| call.0).as_deref(), asked, "{query}");
    }
}

#[tokio::test]
async fn only_a_link_that_can_be_trusted_is_followed() {
    for (answer, status) in [
        (link(LINK), 302),
        (link("http://customer.dodopayments.com/session/x"), 502),
        (link("javascript:alert(1)"), 502),
        (link(""), 502),
        (json!({ "link": null }), 502),
        (json!({}), 502),
    ] {
        let (client, _) = upstream(answer.clone());
        let portal = CustomerPortal::builder(client).unprotected_from_query().build().unwrap();
        let response = portal.handle(get("?customer_id=cus_a")).await;
        assert_eq!(response.status(), status, "{answer}");
        let location = response.headers().get("location").map(|to| to.to_str().unwrap());
        assert_eq!(location, (status == 302).then_some(LINK), "{answer}");
    }
}

#[tokio::test]
async fn portal_tells_signed_out_from_no_customer() {
    let user = || SignedIn::user("user_1").email("ada@example.com");
    for (signed_in, creates, status, code, asked) in [
        (None, false, 401, "not_signed_in", 0),
        (None, true, 401, "not_signed_in", 0),
        (Some(user()), false, 404, "no_customer", 0),
        (Some(SignedIn::user("user_1")), true, 404, "no_customer", 0),
        (Some(user()), true, 302, "", 2),
        (Some(user().customer(CustomerId::new("cus_a").unwrap())), true, 302, "", 1),
    ] {
        let answer = json!({ "link": LINK, "customer_id": "cus_new" });
        let (client, calls) = upstream(answer);
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut portal = CustomerPortal::builder(client);
        if creates {
            let kept = kept.clone();
            portal = portal.allow_customer_creation(move |user: SignedIn, customer: CustomerId| {
                kept.lock().unwrap().push((user.user_id, customer.to_string()));
                async { Ok::<_, BoxError>(()) }
            });
        }
        let mut request = get("");
        request.extensions_mut().extend(signed_in.clone().map(into_extensions).unwrap_or_default());
        let (got, at, _) = ask(&portal.build().unwrap(), request).await;
        assert_eq!((got, at.as_str()), (status, code), "{signed_in:?} {creates}");
        let targets: Vec<String> =
            calls.lock().unwrap().iter().map(|(target, _)| target.clone()).collect();
        assert_eq!(targets.len(), asked, "{targets:?}");
        if asked == 2 {
            let session = "/customers/cus_new/customer-portal/session";
            assert_eq!(targets, ["/customers", session]);
            let expected = (Some("user_1".to_owned()), "cus_new".to_owned());
            assert_eq!(*kept.lock().unwrap(), [expected]);
        }
    }
}

fn into_extensions(user: SignedIn) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(user);
    extensions
}

#[tokio::test]
async fn new_customer_that_is_not_stored_opens_no_portal() {
    let (client, calls) = upstream(json!({ "link": LINK, "customer_id": "cus_new" }));
    let portal = CustomerPortal::builder(client)
        .customer(|_| async { Ok::<_, BoxError>(Some(SignedIn::user("u").email("a@b.example"))) })
        .allow_customer_creation(|_, _| async { Err::<(), BoxError>("disk full".into()) });
    let (status, code, _) = ask(&portal.build().unwrap(), get("")).await;
    assert_eq!((status, code.as_str()), (500, "callback_failed"));
    assert_eq!(calls.lock().unwrap().len(), 1, "the customer, and no link");
}

#[tokio::test]
async fn error_of_the_resolver_is_the_answer() {
    let (client, _) = upstream(link(LINK));
    let portal = CustomerPortal::builder(client).customer(|_| async {
        let error = Error::new(ErrorKind::RateLimited, "too many visits: wait");
        Err::<Option<CustomerId>, _>(error.with_code("too_many_visits"))
    });
    let (status, code, _) = ask(&portal.build().unwrap(), get("")).await;
    assert_eq!((status, code.as_str()), (503, "too_many_visits"));
}

#[tokio::test]
async fn browser_is_sent_to_the_error_page() {
    let (client, _) = upstream(link(LINK));
    let portal = CustomerPortal::builder(client.clone()).error_page("/oops").build().unwrap();
    for (accept, status) in [("text/html,*/*;q=0.8", 303), ("application/json", 401)] {
        let mut request = get("");
        request.headers_mut().insert("accept", accept.parse().unwrap());
        let answer = portal.handle(request).await;
        assert_eq!(answer.status(), status, "{accept}");
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap());
        assert_eq!(location, (status == 303).then_some("/oops?code=not_signed_in"), "{accept}");
    }
    assert!(CustomerPortal::builder(client).error_page("oops").build().is_err());
}
