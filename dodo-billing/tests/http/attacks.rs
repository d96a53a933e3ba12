//! What a stranger, another owner, or another site tries. No foreign data, no foreign effect.

use bytes::Bytes;
use dodo_sandbox::cards;
use http::{Method, Request};
use serde_json::json;

use crate::app::{App, json_request};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_reaches_another_owner() {
    let app = App::start().await;
    let key = app.buys("victim", "pro", cards::OK).await;
    let victim =
        app.until("victim", |access| access.can("export") && access.checks().is_empty()).await;
    let dodo_billing::SourceKind::Subscription(subscription) =
        &victim.subscriptions().next().unwrap().kind
    else {
        panic!("no subscription");
    };
    let payments = app.get("victim", "/payments").await.body;
    let payment = payments["items"][0]["id"].as_str().unwrap().to_owned();
    let quote = app.post("victim", "/change/preview", json!({ "plan": "team" })).await;
    let quote = quote.body["quote"].as_str().unwrap().to_owned();
    let tampered = format!("A{quote}");
    let of = json!({ "subscription": subscription });
    let price = json!({ "subscription": subscription, "plan": "team" });

    for (user, method, path, body, expected) in [
        // Another owner.
        ("thief", "POST", "/cancel", of.clone(), (404, "subscription_not_found")),
        ("thief", "POST", "/resume", of.clone(), (404, "subscription_not_found")),
        ("thief", "POST", "/payment-method", of.clone(), (404, "subscription_not_found")),
        ("thief", "POST", "/change/preview", price, (404, "subscription_not_found")),
        ("thief", "POST", "/change/drop", of.clone(), (404, "subscription_not_found")),
        ("thief", "POST", "/change", json!({ "quote": quote }), (400, "quote_invalid")),
        ("victim", "POST", "/change", json!({ "quote": tampered }), (400, "quote_invalid")),
        ("thief", "GET", &format!("/invoices/{payment}"), json!({}), (404, "payment_not_found")),
        (
            "thief",
            "GET",
            &format!("/return?checkout={key}"),
            json!({}),
            (404, "checkout_not_found"),
        ),
        // Fields that only the server sets.
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "owner": "victim" }),
            (400, "field_not_allowed"),
        ),
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "metadata": { "dodo_owner": "x" } }),
            (400, "field_not_allowed"),
        ),
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "customer": { "email": "v@example.com" } }),
            (400, "field_not_allowed"),
        ),
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "return_url": "https://evil.example" }),
            (400, "field_not_allowed"),
        ),
        ("thief", "POST", "/cancel", json!({ "customer_id": "cus_1" }), (400, "field_not_allowed")),
        ("thief", "POST", "/portal", json!({ "customer_id": "cus_1" }), (400, "field_not_allowed")),
        // Products that are not declared, and quantities that are none.
        ("thief", "POST", "/checkout", json!({ "product": "pdt_secret" }), (404, "plan_not_found")),
        ("thief", "POST", "/checkout", json!({ "plan": "free" }), (404, "plan_not_found")),
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "quantity": 0 }),
            (400, "quantity_out_of_range"),
        ),
        (
            "thief",
            "POST",
            "/checkout",
            json!({ "plan": "pro", "quantity": -1 }),
            (400, "quantity_out_of_range"),
        ),
        ("thief", "POST", "/checkout", json!({ "plan": ["pro"] }), (400, "invalid_request")),
        ("thief", "POST", "/checkout", json!([]), (400, "invalid_request")),
        // No user, an unknown path, and a wrong method.
        ("", "GET", "/", json!({}), (401, "not_signed_in")),
        ("", "POST", "/cancel", json!({}), (401, "not_signed_in")),
        ("v@example.com", "GET", "/", json!({}), (400, "invalid_owner")),
        ("thief", "GET", "/cancel", json!({}), (405, "method_not_allowed")),
        ("thief", "POST", "/", json!({}), (405, "method_not_allowed")),
        ("thief", "GET", "/nothing", json!({}), (404, "not_found")),
        ("thief", "GET", "/invoices/", json!({}), (404, "not_found")),
        ("thief", "GET", "/invoices/../payments", json!({}), (404, "not_found")),
    ] {
        let method: Method = method.parse().unwrap();
        let request = match method {
            Method::GET => Request::get(path).body(Bytes::new()).unwrap(),
            _ => json_request(method.clone(), path, &body),
        };
        let reply = app.ask(user, request).await;
        assert_eq!(reply.code(), expected, "{user} {method} {path} {body}: {reply:?}");
        assert_eq!(reply.status == 405, reply.allow.is_some(), "{path}");
        let shown = String::from_utf8_lossy(&reply.raw).into_owned();
        assert!(!shown.contains(&**subscription) && !shown.contains(&payment), "{path}: {shown}");
    }
    let after = app.billing.owner("victim").await.unwrap();
    assert_eq!(after, victim, "nothing of the victim changed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_change_nothing() {
    let app = App::start().await;
    app.buys("victim", "pro", cards::OK).await;
    let victim =
        app.until("victim", |access| access.can("export") && access.checks().is_empty()).await;
    let form = |headers: &[(&str, &str)]| {
        let request = Request::post("/cancel")
            .header("host", "app.example")
            .header("content-type", "application/x-www-form-urlencoded");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Bytes::from_static(b"when=now")).unwrap()
    };
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
    ] {
        let reply = app.ask("victim", form(headers)).await;
        assert_eq!(reply.code(), (403, "origin_not_allowed"), "{headers:?}");
    }
    let text = Request::post("/cancel").header("content-type", "text/plain");
    let reply = app.ask("victim", text.body(Bytes::from_static(b"{}")).unwrap()).await;
    assert_eq!(reply.code(), (415, "unsupported_media_type"));
    assert_eq!(app.billing.owner("victim").await.unwrap(), victim);

    // A form of an own page works, and the browser returns to the app.
    let own = form(&[("origin", "http://app.example"), ("sec-fetch-site", "same-origin")]);
    let reply = app.ask("victim", own).await;
    assert_eq!(
        (reply.status.as_u16(), reply.location.as_deref()),
        (303, Some("/account")),
        "{reply:?}"
    );
    let cancelled = app.billing.owner("victim").await.unwrap();
    assert!(!cancelled.will_renew() && cancelled.can("export"), "{cancelled:?}");
    app.stop().await;
}
