//! The dashboard over HTTP: access, headers, pages and files.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Environment, EventKind, RequestHead, WebhookKey, Webhooks,
    endpoint::Endpoint,
    event::{Payment, Refund, Subscription},
    testing::EventBuilder,
    webhook::Inbox,
};
use dodo_dashboard::{Dashboard, Denied, Permission, Scheme, Theme};
use dodo_ledger::{Ledger, Workers};
use http::{Method, Request, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const EVERYTHING: Permission = Permission::view().with_people().with_operations();

async fn get(dashboard: &Dashboard, query: &str) -> Response<Bytes> {
    let request = Request::get(format!("/admin{query}")).body(Bytes::new()).unwrap();
    dashboard.handle(request).await
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

async fn page(dashboard: &Dashboard, query: &str) -> String {
    let response = get(dashboard, query).await;
    assert_eq!(response.status(), StatusCode::OK, "{query}");
    text(&response)
}

async fn json(dashboard: &Dashboard, query: &str) -> Value {
    serde_json::from_str(&page(dashboard, query).await).unwrap()
}

fn over(ledger: &Ledger, permission: Permission) -> Dashboard {
    let allow = move |_: RequestHead| async move { Ok::<_, BoxError>(permission) };
    Dashboard::builder(ledger).allow(allow).build().unwrap()
}

async fn ledger() -> (Ledger, Workers) {
    let ledger = Ledger::in_memory().await.unwrap();
    let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Live);
    let (_, workers) = ledger.attach(Webhooks::builder(key.unwrap())).unwrap();
    (ledger, workers)
}

async fn book(ledger: &Ledger, events: impl IntoIterator<Item = EventBuilder>) {
    for event in events {
        ledger.accept(&event.live(true).to_verified()).await.unwrap();
    }
    ledger.settled().await.unwrap();
}

/// A payment some hours ago.
fn paid(
    id: &str,
    hours: i64,
    (total, tax): (i64, i64),
    code: &str,
    metadata: Value,
) -> EventBuilder {
    let at = Timestamp::now() - SignedDuration::from_hours(hours);
    EventBuilder::new(EventKind::PaymentSucceeded)
        .id(format!("msg_{id}"))
        .timestamp(at)
        .modify(|payment: &mut Payment| {
            payment.payment_id = format!("pay_{id}");
            (payment.total_amount, payment.tax) = (total, Some(tax));
            payment.currency = code.parse().unwrap();
            payment.created_at = Some(at.into());
            payment.customer.customer_id = Some(format!("cus_{id}"));
            payment.customer.email = Some("canary@example.com".to_owned());
            payment.customer.name = Some("Canary Bird".to_owned());
        })
        .unwrap()
        .set_json("metadata", metadata)
}

fn refunded(id: &str, hours: i64, amount: i64) -> EventBuilder {
    let at = Timestamp::now() - SignedDuration::from_hours(hours);
    EventBuilder::new(EventKind::RefundSucceeded)
        .id(format!("msg_ref_{id}_{hours}"))
        .timestamp(at)
        .modify(|refund: &mut Refund| {
            refund.refund_id = format!("ref_{id}_{hours}");
            refund.payment_id = Some(format!("pay_{id}"));
            (refund.amount, refund.is_partial) = (Some(amount), true);
            refund.created_at = Some(at.into());
        })
        .unwrap()
}

fn campaign(source: &str, name: &str) -> Value {
    json!({ "utm_source": source, "utm_campaign": name })
}

const PAGES: [&str; 8] = [
    "overview",
    "breakdown",
    "payments",
    "people",
    "subscriptions",
    "deliveries",
    "settings",
    "payment",
];

/// A subscription of the customer of `paid(id, ..)`.
fn subscribed(id: &str) -> EventBuilder {
    EventBuilder::new(EventKind::SubscriptionActive)
        .id(format!("msg_sub_{id}"))
        .modify(|subscription: &mut Subscription| {
            subscription.currency = "USD".parse().ok();
            subscription.customer.customer_id = Some(format!("cus_{id}"));
            subscription.customer.email = Some("canary@example.com".to_owned());
            subscription.customer.name = Some("Canary Bird".to_owned());
        })
        .unwrap()
}

/// The access of one test: what the app decides, and how often the ledger was asked afterwards.
#[tokio::test]
async fn denied_person_gets_no_number_and_no_query_runs() {
    let (ledger, workers) = ledger().await;
    book(&ledger, [paid("secret", 1, (777_777, 0), "USD", json!({}))]).await;
    workers.shutdown(Duration::from_secs(5)).await;
    // Without its tables every question fails, so an answer other than 503 asked none.
    let broken = Ledger::builder(dodo_ledger::Store::open("sqlite::memory:").await.unwrap());
    let broken = broken.build().unwrap();
    for (denied, query, status) in [
        (Denied::Page, "", 403),
        (Denied::Page, "?format=json", 403),
        (Denied::Page, "?part=live", 403),
        (Denied::NotFound, "?page=payments", 404),
        (Denied::Redirect("/login".into()), "", 303),
        (Denied::Redirect("/login".into()), "?format=csv", 401),
        // Refused before the query is read.
        (Denied::Page, &format!("?q={}", "x".repeat(5000)), 403),
    ] {
        for ledger in [&ledger, &broken] {
            let dashboard = Dashboard::builder(ledger)
                .allow(async |_: RequestHead| Ok::<_, BoxError>(Permission::denied()))
                .denied(denied.clone())
                .build()
                .unwrap();
            let answer = get(&dashboard, query).await;
            assert_eq!(answer.status(), status, "{denied:?} {query}");
            assert!(!text(&answer).contains("7,777"), "{denied:?} {query}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
            assert!(!answer.headers().contains_key(header::ETAG));
            let location = answer.headers().get(header::LOCATION);
            assert_eq!(location.is_some(), status == 303);
        }
    }
    assert_eq!(get(&over(&broken, EVERYTHING), "").await.status(), 503);
}

#[tokio::test]
async fn decision_is_asked_at_each_request_and_its_failure_is_500() {
    let ledger = Ledger::in_memory().await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let dashboard = Dashboard::builder(&ledger)
        .allow(move |head: RequestHead| {
            counted.fetch_add(1, Ordering::Relaxed);
            let failure = head.header("x-fail").map(str::to_owned);
            async move { failure.map_or(Ok(Permission::view()), Err) }
        })
        .build()
        .unwrap();
    let first = get(&dashboard, "").await;
    let tag = first.headers()[header::ETAG].clone();
    let again = Request::get("/admin").header(header::IF_NONE_MATCH, tag).body(Bytes::new());
    assert_eq!(dashboard.handle(again.unwrap()).await.status(), 304);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "304 is a decision, too");
    let failed = Request::get("/admin").header("x-fail", "canary").body(Bytes::new()).unwrap();
    let failed = dashboard.handle(failed).await;
    assert_eq!(failed.status(), 500);
    assert!(!text(&failed).contains("canary"), "{}", text(&failed));
}

#[tokio::test]
async fn options_are_checked() {
    let ledger = Ledger::in_memory().await.unwrap();
    let dashboard =
        || Dashboard::builder(&ledger).allow(async |_: RequestHead| Ok::<_, BoxError>(EVERYTHING));
    for (builder, is_good) in [
        (dashboard(), true),
        (dashboard().theme(Theme::new().accent("#0b6").only(Scheme::Dark)), true),
        (dashboard().theme(Theme::new().accent("#ff0")), false),
        (dashboard().denied(Denied::Redirect("/login".into())), true),
        (dashboard().denied(Denied::Redirect("//evil.example".into())), false),
        (dashboard().denied(Denied::Redirect("https://evil.example".into())), false),
    ] {
        assert_eq!(builder.build().is_ok(), is_good);
    }
}

#[tokio::test]
async fn pages_have_the_headers_of_a_strict_page() {
    let ledger = Ledger::in_memory().await.unwrap();
    let dashboard = over(&ledger, EVERYTHING);
    let answer = get(&dashboard, "").await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert_eq!(policy, dashboard.content_security_policy());
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("nonce"), "{policy}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "private, no-cache"),
        ("vary", "cookie, authorization"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(header(name), value);
    }
    let body = text(&answer);
    for element in ["style", "script"] {
        let (_, rest) = body.split_once(&format!("<{element}>")).unwrap();
        let (inline, _) = rest.split_once(&format!("</{element}>")).unwrap();
        use base64::{Engine, engine::general_purpose::STANDARD};
        use sha2::{Digest, Sha256};
        let hash = STANDARD.encode(Sha256::digest(inline));
        assert!(policy.contains(&format!("{element}-src 'sha256-{hash}'")), "{element}");
    }
    let (_, script) = body.split_once("<script>").unwrap();
    assert!(script.len() < 6 * 1024, "{}", script.len());
}

#[tokio::test]
async fn methods_paths_and_long_queries_are_refused() {
    let ledger = Ledger::in_memory().await.unwrap();
    let dashboard = over(&ledger, EVERYTHING);
    for (method, query, status) in [
        (Method::GET, "", 200),
        (Method::HEAD, "", 200),
        (Method::POST, "", 405),
        (Method::DELETE, "", 405),
        (Method::GET, &format!("?q={}", "x".repeat(201)), 400),
        (Method::GET, &format!("?{}", "x".repeat(4097)), 400),
        (Method::GET, "?format=csv&table=nothing", 400),
    ] {
        let request = Request::builder().method(&method).uri(format!("/admin{query}"));
        let answer = dashboard.handle(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), status, "{method} {}", query.len());
        if status == 405 {
            assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD");
        }
    }
}

/// B of the reference: gross 2261, tax 361. The rows M1 to M3, M6, M7 and M14.
#[tokio::test]
async fn totals_are_those_of_the_worked_rows() {
    let charge = |code, total, tax| paid(code, 30, (total, tax), code, json!({}));
    for (events, code, net, payments, average, rate) in [
        (vec![charge("USD", 2261, 361)], "USD", 1900, 1, json!(1900), json!(0.0)),
        (
            vec![charge("USD", 2261, 361), refunded("USD", 2, 2261)],
            "USD",
            0,
            1,
            json!(1900),
            json!(100.0),
        ),
        (
            vec![charge("USD", 2261, 361), refunded("USD", 3, 1000), refunded("USD", 2, 1000)],
            "USD",
            1900 - 840 - 841,
            1,
            json!(1900),
            json!(88.5),
        ),
        (
            vec![charge("USD", 2261, 361), charge("JPY", 1785, 285)],
            "JPY",
            1500,
            1,
            json!(1500),
            json!(0.0),
        ),
        (
            vec![charge("USD", 2261, 361), charge("KWD", 11_305, 1805)],
            "KWD",
            9500,
            1,
            json!(9500),
            json!(0.0),
        ),
    ] {
        let (ledger, workers) = ledger().await;
        book(&ledger, events).await;
        let dashboard = over(&ledger, EVERYTHING);
        let answer = json(&dashboard, &format!("?format=json&cur={code}")).await;
        assert_eq!(answer["schema"], "dodo-dashboard/1");
        let totals = &answer["tables"]["totals"];
        let names: Vec<&str> = totals["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        let of = |name: &str| {
            let at = names.iter().position(|known| *known == name).unwrap();
            totals["rows"][0][at].clone()
        };
        assert_eq!((of("net"), of("payments")), (json!(net), json!(payments)), "{code}");
        assert_eq!((of("average"), of("refund_rate")), (average, rate), "{code}");
        workers.shutdown(Duration::from_secs(5)).await;
    }
}

/// The row M14: only a refund of an earlier charge.
#[tokio::test]
async fn refund_counts_when_the_money_moved() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("old", 24 * 40, (2261, 361), "USD", json!({})), refunded("old", 2, 2261)])
        .await;
    let dashboard = over(&ledger, EVERYTHING);
    let shown = page(&dashboard, "?range=7d").await;
    assert!(shown.contains("−$19.00"), "the net of the period is negative");
    let answer = json(&dashboard, "?range=7d&format=json").await;
    let totals = &answer["tables"]["totals"]["rows"][0];
    assert_eq!(totals[1], json!(-1900));
    assert!(
        totals.as_array().unwrap().iter().filter(|cell| cell.is_null()).count() >= 2,
        "{totals}"
    );
}

#[tokio::test]
async fn pages_hold_strange_values_as_text() {
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk".repeat(3);
    let (ledger, _workers) = ledger().await;
    book(
        &ledger,
        [
            paid("a", 1, (1000, 0), "USD", campaign("<script>alert(1)</script>", "\"><img src=x>")),
            paid("b", 2, (1000, 0), "USD", campaign(&long, "=HYPERLINK(1)")),
            paid("c", 3, (1000, 0), "USD", campaign("رسالة", "x&y=z")),
            paid("d", 4, (11_305, 1805), "KWD", campaign("newsletter", "spring")),
        ],
    )
    .await;
    let empty = Ledger::in_memory().await.unwrap();
    for dashboard in [over(&ledger, EVERYTHING), over(&empty, EVERYTHING)] {
        for name in PAGES {
            for cur in ["USD", "KWD"] {
                let query = format!("?page={name}&cur={cur}&range=90d&by=campaign&id=pay_a");
                let shown = page(&dashboard, &query).await;
                assert!(shown.len() < 100 * 1024, "{query}: {} bytes", shown.len());
                assert!(!shown.contains("<script>alert") && !shown.contains("<img"), "{query}");
                assert!(!shown.contains(" style="), "{query}");
                assert!(!shown.contains("onclick") && !shown.contains("onerror="), "{query}");
                for (at, _) in shown.match_indices("href=\"").chain(shown.match_indices("src=\"")) {
                    let rest = &shown[at..];
                    let target = rest.split('"').nth(1).unwrap();
                    let is_own =
                        target.starts_with('?') || target.starts_with('#') || target == "data:,";
                    assert!(is_own, "{query}: {target}");
                }
            }
        }
    }
    let full = over(&ledger, EVERYTHING);
    assert!(
        page(&full, "?page=breakdown&by=source")
            .await
            .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
    );
    let file = page(&full, "?page=breakdown&by=campaign&format=csv&table=breakdown").await;
    assert!(file.contains("\"'=HYPERLINK(1)\",10.00,"), "{file}");
    let dinar = page(&full, "?cur=KWD").await;
    assert!(dinar.contains("KWD\u{a0}9.500"));
}

#[tokio::test]
async fn names_and_addresses_are_only_for_people_who_may_see_them() {
    let (ledger, _workers) = ledger().await;
    let payment = paid("a", 1, (1000, 0), "USD", json!({ "user_id": "canary_user" }));
    book(&ledger, [payment, subscribed("a")]).await;
    for permission in [Permission::view(), Permission::view().with_operations()] {
        let dashboard = over(&ledger, permission);
        for name in PAGES.iter().chain(&["person"]) {
            for format in ["html", "json", "csv"] {
                let id = if *name == "person" { "cus_a" } else { "pay_a" };
                let answer =
                    get(&dashboard, &format!("?page={name}&id={id}&format={format}")).await;
                let shown = text(&answer).to_lowercase();
                assert!(!shown.contains("canary"), "{name} {format}");
            }
        }
    }
    let shown = page(&over(&ledger, EVERYTHING), "?page=payment&id=pay_a").await;
    assert!(shown.contains("canary@example.com") && shown.contains("Canary Bird"));
    let hidden = page(&over(&ledger, Permission::view().with_people()), "?page=deliveries").await;
    assert!(hidden.contains("You may not see this page") && !hidden.contains("Dead letters"));
}

#[tokio::test]
async fn search_finds_a_customer_by_address_for_people_who_may_see_it() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({}))]).await;
    let found = page(&over(&ledger, EVERYTHING), "?page=payments&q=Canary@example.com").await;
    assert!(found.contains("Canary Bird · cus_a"), "{found}");
    let other = page(&over(&ledger, EVERYTHING), "?page=payments&q=nobody@example.com").await;
    assert!(other.contains("Enter the whole id of a payment"), "{other}");
    let hidden = over(&ledger, Permission::view());
    let refused = page(&hidden, "?page=payments&q=canary@example.com").await;
    assert!(!refused.contains("cus_a") && !refused.contains("or an e-mail address"), "{refused}");
    // A second customer of the address: the list of both.
    book(&ledger, [paid("b", 1, (2000, 0), "USD", json!({}))]).await;
    let both = page(&over(&ledger, EVERYTHING), "?page=payments&q=canary@example.com").await;
    assert!(both.contains("cus_a") && both.contains("cus_b"), "{both}");
}

#[tokio::test]
async fn detail_page_marks_its_tab_by_link_and_by_search() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({})), subscribed("a")]).await;
    let dashboard = over(&ledger, EVERYTHING);
    let list = json(&dashboard, "?page=subscriptions&format=json").await;
    let subscription = list["tables"]["subscriptions"]["rows"][0][0].as_str().unwrap().to_owned();
    for (query, tab) in [
        ("page=payment&id=pay_a", "Payments"),
        ("page=payments&q=pay_a", "Payments"),
        ("page=person&id=cus_a", "People"),
        ("page=payments&q=cus_a", "People"),
        ("page=payments&q=canary@example.com", "People"),
        (&format!("page=subscription&id={subscription}"), "Subscriptions"),
        (&format!("page=payments&q={subscription}"), "Subscriptions"),
        ("page=payments&q=cus_unknown", "Payments"),
    ] {
        let shown = page(&dashboard, &format!("?{query}")).await;
        let marked: Vec<&str> = shown.split(" aria-current=\"page\">").skip(1).collect();
        assert_eq!(marked.len(), 1, "{query}");
        assert!(marked[0].starts_with(&format!("{tab}</a>")), "{query}: {}", &marked[0][..20]);
    }
}

#[tokio::test]
async fn lists_name_the_customers_for_people_who_may_see_them() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({})), subscribed("a")]).await;
    for (query, table, column, value) in [
        ("?page=people", "people", "name", "Canary Bird"),
        ("?page=people", "people", "email", "canary@example.com"),
        ("?page=payments", "payments", "name", "Canary Bird"),
        ("?page=subscriptions", "subscriptions", "name", "Canary Bird"),
    ] {
        let query = format!("{query}&format=json");
        let cell = async |permission| {
            let answer = json(&over(&ledger, permission), &query).await;
            let columns = answer["tables"][table]["columns"].as_array().unwrap().clone();
            let at = columns.iter().position(|known| known["name"] == column)?;
            let row = &answer["tables"][table]["rows"][0];
            assert_eq!(row.as_array().unwrap().len(), columns.len());
            Some(row[at].clone())
        };
        assert_eq!(cell(EVERYTHING).await, Some(json!(value)), "{query} {column}");
        assert_eq!(cell(Permission::view()).await, None, "{query} {column}");
    }
}

#[tokio::test]
async fn values_and_conditions_have_names() {
    let (ledger, _workers) = ledger().await;
    let german = paid("a", 1, (1000, 0), "USD", json!({}));
    book(&ledger, [german.set_json("billing", json!({ "country": "DE" }))]).await;
    let shown = page(&over(&ledger, EVERYTHING), "?is=country:DE&not=kind:refund").await;
    for text in ["Country is Germany", "Kind is not Refund"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let unfiltered = page(&over(&ledger, EVERYTHING), "?page=subscriptions&is=country:DE").await;
    assert!(unfiltered.contains("This page shows all subscriptions"), "{unfiltered}");
}

#[tokio::test]
async fn breakdown_says_once_that_a_name_filters() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", campaign("newsletter", "spring"))]).await;
    let dashboard = over(&ledger, EVERYTHING);
    let said = async |query: &str| {
        page(&dashboard, query).await.matches("Click a name in the table to filter by it.").count()
    };
    assert_eq!(said("?page=breakdown&by=campaign").await, 1);
    assert_eq!(said("?page=breakdown&by=campaign&range=2020-01-01..2020-01-02").await, 0);
    // Without room for another condition, names are not links.
    let full = "?page=breakdown&by=campaign&is=source:newsletter&is=source:b&is=source:c&is=source:d&is=source:e";
    assert_eq!(said(full).await, 0);
}

#[tokio::test]
async fn tag_changes_with_numbers_questions_and_access() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({}))]).await;
    let tag = async |permission, query: &str| {
        let answer = get(&over(&ledger, permission), query).await;
        answer.headers()[header::ETAG].to_str().unwrap().to_owned()
    };
    let first = tag(EVERYTHING, "").await;
    assert!(first.starts_with("W/\""), "{first}");
    assert_eq!(tag(EVERYTHING, "?range=28d").await, first, "the canonical question is the same");
    assert_eq!(tag(EVERYTHING, "?part=live").await, first, "the script's first request gets 304");
    let dashboard = over(&ledger, EVERYTHING);
    let (page, part) = (get(&dashboard, "").await, get(&dashboard, "?part=live").await);
    assert!(part.body().len() < page.body().len(), "the part is not the page from the cache");
    assert_ne!(tag(EVERYTHING, "?range=7d").await, first);
    assert_ne!(tag(EVERYTHING, "?format=json").await, first);
    assert_ne!(
        tag(Permission::view(), "?page=payment&id=pay_a").await,
        tag(EVERYTHING, "?page=payment&id=pay_a").await
    );
    assert_ne!(tag(EVERYTHING, "?source=x").await, first, "the page names the parameter");
    let payments = tag(EVERYTHING, "?page=payments").await;
    book(&ledger, [paid("b", 1, (1000, 0), "USD", json!({}))]).await;
    assert_ne!(tag(EVERYTHING, "").await, first);
    let booked = tag(EVERYTHING, "?page=payments").await;
    assert_ne!(booked, payments);
    // An erased customer is in the list no more.
    ledger.erase_customer("cus_a").await.unwrap();
    assert_ne!(tag(EVERYTHING, "?page=payments").await, booked);
}

/// A page may show any fact, so the tag follows facts that move no money, too.
#[tokio::test]
async fn each_booking_changes_the_tag_of_each_page() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 2, (1000, 0), "USD", json!({}))]).await;
    let dashboard = over(&ledger, EVERYTHING);
    let tags = async || {
        let mut tags = Vec::new();
        for query in [
            "",
            "?page=breakdown",
            "?page=payments",
            "?page=payments&q=canary%40example.com",
            "?page=payment&id=pay_b",
            "?page=people",
            "?page=person&id=cus_b",
            "?page=subscriptions",
            "?page=subscription&id=sub_b",
            "?page=funnel",
        ] {
            let answer = get(&dashboard, query).await;
            tags.push((query, answer.headers()[header::ETAG].to_str().unwrap().to_owned()));
        }
        tags
    };
    let mut before = tags().await;
    let mut assert_changed = async |step: &str| {
        let after = tags().await;
        for ((query, old), (_, new)) in before.iter().zip(&after) {
            assert_ne!(old, new, "{query} after {step}");
        }
        before = after;
    };
    let failed = EventBuilder::new(EventKind::PaymentFailed)
        .id("msg_failed")
        .modify(|payment: &mut Payment| {
            payment.payment_id = "pay_b".to_owned();
            payment.customer.customer_id = Some("cus_b".to_owned());
        })
        .unwrap();
    book(&ledger, [failed]).await;
    assert_changed("a failed payment").await;
    let on_hold = EventBuilder::new(EventKind::SubscriptionOnHold).id("msg_on_hold");
    book(&ledger, [on_hold]).await;
    assert_changed("a subscription on hold").await;
    ledger.erase_customer("cus_b").await.unwrap();
    assert_changed("an erasure of a customer without money").await;
    ledger.void("charge:pay_a", "an operator", "a test of the shop").await.unwrap();
    assert_changed("a void").await;
}

#[tokio::test]
async fn table_is_paged_to_its_end_and_a_file_holds_all() {
    let (ledger, _workers) = ledger().await;
    let events = (0..120).map(|at| {
        paid(
            &format!("{at:03}"),
            1 + at,
            (1000 + at, 0),
            "USD",
            campaign(&format!("s{at:03}"), "x"),
        )
    });
    book(&ledger, events).await;
    let dashboard = over(&ledger, EVERYTHING);
    for (page_name, table) in
        [("breakdown", "breakdown"), ("payments", "payments"), ("people", "people")]
    {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let answer = json(&dashboard, &format!("?page={page_name}&format=json{after}")).await;
            let table = &answer["tables"][table];
            let rows = table["rows"].as_array().unwrap();
            assert!(rows.len() <= 50);
            seen.extend(rows.iter().map(ToString::to_string));
            match table["next"].as_str() {
                Some(next) => after = format!("&at={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 120, "{page_name}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 120, "{page_name}: each row once");
        let file = page(&dashboard, &format!("?page={page_name}&format=csv&table={table}")).await;
        assert_eq!(file.matches("\r\n").count(), 121, "{page_name}");
    }
    let card = page(&dashboard, "").await;
    assert!(card.contains("10 of 120"));
    for (name, all) in [("breakdown", " of 120"), ("people", " of 120"), ("payments", "")] {
        let mut query = format!("?page={name}");
        for (rows, has_first, has_next) in
            [("1 to 50", false, true), ("51 to 100", true, true), ("101 to 120", true, false)]
        {
            let shown = page(&dashboard, &query).await;
            // Payments are not counted, so their first page has no numbers.
            let is_said = shown.contains(&format!("<span>{rows}{all}</span>"));
            assert_eq!(is_said, has_first || !all.is_empty(), "{query}");
            let first = format!("<a href=\"?page={name}\">First page</a>");
            assert_eq!(shown.contains(&first), has_first, "{query}");
            let next = shown.split_once("\" rel=\"next\">Next page").map(|(before, _)| before);
            assert_eq!(next.is_some(), has_next, "{query}");
            if let Some((_, next)) = next.and_then(|before| before.rsplit_once("href=\"")) {
                query = next.replace("&amp;", "&");
            }
        }
    }
}

#[tokio::test]
async fn only_the_table_of_pages_has_links_to_pages() {
    let (ledger, _workers) = ledger().await;
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({})), subscribed("a")]).await;
    let dashboard = over(&ledger, EVERYTHING);
    for (query, links) in [
        ("?page=subscriptions", 0),
        ("?page=subscriptions&at=50_1.sub_x", 1),
        ("?page=subscriptions&at=1.sub_x", 1),
        ("?page=deliveries&at=50_1.msg_x", 1),
        // A wrong cursor shows the first page.
        ("?page=subscriptions&at=wrong", 0),
    ] {
        let shown = page(&dashboard, query).await;
        assert_eq!(shown.matches("First page</a>").count(), links, "{query}");
    }
}

#[tokio::test]
async fn parts_that_are_not_followed_are_named_on_the_page() {
    let ledger = Ledger::in_memory().await.unwrap();
    let dashboard = over(&ledger, EVERYTHING);
    let shown = page(&dashboard, "?source=newsletter&vs=week&cur=CHF").await;
    assert!(shown.contains("Did you mean is=source:newsletter?"));
    assert!(shown.contains("vs does not take “week”"));
    assert!(shown.contains("The ledger holds no payment in CHF."));
}

#[tokio::test]
async fn empty_ledger_shows_what_is_missing() {
    let ledger = Ledger::in_memory().await.unwrap();
    let shown = page(&over(&ledger, EVERYTHING), "").await;
    for text in ["Deliveries arrive", "ledger.attach(", "VisitorLayer::new"] {
        assert!(shown.contains(text), "{text}");
    }
}

#[tokio::test]
async fn hints_for_a_developer_say_whom_they_address() {
    let (ledger, _workers) = ledger().await;
    let dashboard = over(&ledger, EVERYTHING);
    let addressed = async |query: &str| {
        page(&dashboard, query).await.matches("For the developer of this app:").count()
    };
    assert_eq!(addressed("").await, 1, "first run");
    assert_eq!(addressed("?page=settings").await, 1);
    book(&ledger, [paid("a", 1, (1000, 0), "USD", json!({}))]).await;
    assert_eq!(addressed("?page=funnel").await, 1, "no checkout");
    assert_eq!(addressed("?page=payment&id=pay_a").await, 1, "no visitor");
}

#[tokio::test]
async fn deliveries_page_explains_its_terms() {
    let ledger = Ledger::in_memory().await.unwrap();
    let shown = page(&over(&ledger, EVERYTHING), "?page=deliveries").await;
    for text in [
        "Such a message is a delivery.",
        "0 not yet in the numbers",
        "of a delivery that waits now",
        "failed too often, not tried again",
        "from Dodo Payments, but not readable",
        "Sinks: tools that get a copy of each payment",
        "Dead letters of sinks: copies that did not arrive",
    ] {
        assert!(shown.contains(text), "{text}");
    }
}
