//! What a stranger, another owner, or another site tries. No foreign data, no foreign effect.

use bytes::Bytes;
use dodo_sandbox::{Fault, FaultKind, cards};
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
    let license = app.buys_a_license("victim").await;
    let activated =
        app.post("victim", "/licenses/activate", json!({ "key": license, "name": "laptop" })).await;
    let instance = activated.body["instance"]["id"].as_str().unwrap().to_owned();
    let victim = app.billing.owner("victim").await.unwrap();
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
        ("thief", "DELETE", "/change", of.clone(), (404, "subscription_not_found")),
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
        (
            "thief",
            "POST",
            "/licenses/activate",
            json!({ "key": license, "name": "x" }),
            (404, "license_not_found"),
        ),
        (
            "thief",
            "POST",
            "/licenses/validate",
            json!({ "key": license }),
            (404, "license_not_found"),
        ),
        (
            "thief",
            "POST",
            "/licenses/deactivate",
            json!({ "key": license, "instance": instance }),
            (404, "license_not_found"),
        ),
        // A link to the portal creates no customer.
        ("thief", "GET", "/portal", json!({}), (404, "no_customer")),
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
        ("", "GET", "/licenses", json!({}), (401, "not_signed_in")),
        ("", "POST", "/licenses/validate", json!({ "key": license }), (401, "not_signed_in")),
        ("v@example.com", "GET", "/", json!({}), (400, "invalid_owner")),
        ("thief", "GET", "/cancel", json!({}), (405, "method_not_allowed")),
        ("thief", "POST", "/", json!({}), (405, "method_not_allowed")),
        ("thief", "DELETE", "/cancel", json!({}), (405, "method_not_allowed")),
        ("thief", "PUT", "/change", json!({}), (405, "method_not_allowed")),
        ("thief", "GET", "/nothing", json!({}), (404, "not_found")),
        ("thief", "GET", "/invoices/", json!({}), (404, "not_found")),
        ("thief", "GET", "/invoices/../payments", json!({}), (404, "not_found")),
    ] {
        let method: Method = method.parse().unwrap();
        let request = match method {
            Method::GET => Request::get(path).body(Bytes::new()).unwrap(),
            _ => json_request(method.clone(), path, &body),
        };
        let sent = app.requests();
        let reply = app.ask(user, request).await;
        assert_eq!(app.requests(), sent, "{user} {method} {path}: a request to Dodo Payments");
        assert_eq!(reply.code(), expected, "{user} {method} {path} {body}: {reply:?}");
        assert_eq!(reply.status == 405, reply.allow.is_some(), "{path}");
        let shown = String::from_utf8_lossy(&reply.raw).into_owned();
        for secret in [subscription, &payment, &license, &instance] {
            assert!(!shown.contains(secret), "{path}: {shown}");
        }
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
    let delete = Request::delete("/change").header("sec-fetch-site", "cross-site");
    let reply = app.ask("victim", delete.body(Bytes::new()).unwrap()).await;
    assert_eq!(reply.code(), (403, "origin_not_allowed"));
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

/// Requests of one owner at the same time, as of an impatient click in two tabs.
#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_create_and_charge_once() {
    let app = App::start().await;
    let checkout = || app.post("user_1", "/checkout", json!({ "plan": "pro" }));
    let portal = || app.post("user_1", "/portal", json!({}));
    let (a, b, c, d) = tokio::join!(checkout(), portal(), checkout(), portal());
    for reply in [&a, &b, &c, &d] {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(a.body, c.body, "one session");
    assert_eq!(app.count("POST /checkouts"), 1);
    let created = app.requests().into_iter().filter(|sent| sent == "POST /customers").count();
    assert_eq!(created, 1, "one customer: {:?}", app.requests());

    app.buys("user_1", "pro", cards::OK).await;
    app.until("user_1", |access| access.can("export") && access.checks().is_empty()).await;
    let quote = app.post("user_1", "/change/preview", json!({ "plan": "team" })).await;
    let quote = json!({ "quote": quote.body["quote"] });
    let change = || app.post("user_1", "/change", quote.clone());
    let (a, b) = tokio::join!(change(), change());
    let mut codes = [a.code(), b.code()];
    codes.sort_unstable();
    assert_eq!(codes, [(200, ""), (409, "price_changed")]);
    assert_eq!(change().await.code(), (409, "price_changed"), "a replay");
    let charges = app.requests().into_iter().filter(|sent| sent.ends_with("/change-plan"));
    assert_eq!(charges.count(), 1);
    app.stop().await;
}

/// Dodo Payments creates the customer, and its answer is lost: the next request finds the customer.
#[tokio::test(flavor = "multi_thread")]
async fn lost_customer_is_found_by_its_signed_owner() {
    let app = App::start().await;
    // Another customer has the same address, and the owner of it is forged.
    let client = crate::client::client(&app);
    let forged = dodo_core::client::NewCustomer::new("user_1@example.com", "Eve");
    client.create_customer(&forged.metadata("dodo_owner", "o1.x.dXNlcl8x.AAAA")).await.unwrap();
    let mut lost = Fault::new(FaultKind::ResetAfter).path_prefix("/customers").times(1);
    lost.method = Some("POST".to_owned());
    app.sandbox.inject_fault(lost);
    let failed = app.post("user_1", "/portal", json!({})).await;
    assert_eq!(failed.code(), (502, "upstream_failed"));
    let opened = app.post("user_1", "/portal", json!({})).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let created = app.requests().into_iter().filter(|sent| sent == "POST /customers").count();
    assert_eq!(created, 2, "one of Eve, and one of the owner");
    app.stop().await;
}
