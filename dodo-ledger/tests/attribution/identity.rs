//! Identifying and forgetting, on every store.

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment, SignedIn,
    attribution::AttributionStep,
    capture::{Campaign, CheckoutContext, CheckoutContextStore as _, VisitorCapture},
    checkout::SessionCheckout,
    endpoint::Endpoint as _,
};
use dodo_ledger::{Identity, attribution::Rules, query::Dimension};
use http::{Request, Response};
use serde_json::json;

use crate::{
    memory::MemoryLedger,
    payloads::{charged, customer, day, paid, payment, refunded, subscription, visitor},
    support::{TestStore, eventually, work},
    world::{World, bind},
};

crate::on_every_store! {
    identify_reaches_back,
    invalid_identity_is_ignored,
    erased_customer_stays_erased,
    checkout_with_an_address_identifies_the_visitor,
    checkout_reads_user_and_address_from_the_sign_in,
    sign_in_identifies_the_captured_visitor,
}

async fn identify_reaches_back(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    world.play(&[paid("pay_1", day(0), 2000, json!({})).into()]).await;
    ledger.identify(Identity::new("ANN@example.com").visitor("v1").user_id("42")).await.unwrap();
    let records = world.records().await;
    assert_eq!(records.visitor("charge:pay_1"), Some(("v1", AttributionStep::EmailMatch)));
    assert!(records.get("charge:pay_1").campaign.is_none());
    assert_eq!(records.get("charge:pay_1").user_id.as_deref(), Some("42"));

    // A campaign is believed like a visitor: as long as there is one only.
    let campaign = |source: &str| {
        let campaign: Campaign = serde_json::from_value(json!({ "source": source })).unwrap();
        Identity::new("ann@example.com").campaign(campaign)
    };
    let source = async |world: &mut World| {
        let records = world.records().await;
        let found = records.get("charge:pay_1").campaign.clone();
        found.map(|found| (found.value.source.unwrap(), found.step))
    };
    ledger.identify(campaign("news")).await.unwrap();
    assert_eq!(source(&mut world).await, Some(("news".to_owned(), AttributionStep::EmailMatch)));
    ledger.identify(campaign("ads")).await.unwrap();
    assert_eq!(source(&mut world).await, None);

    // Also a user, and only together with the visitor of the address.
    ledger.identify(Identity::new("ann@example.com").user_id("42")).await.unwrap();
    let own = visitor("v9");
    let records = world.play(&[paid("pay_2", day(200), 2000, own).into()]).await;
    assert_eq!(records.get("charge:pay_1").user_id.as_deref(), Some("42"));
    assert_eq!(records.get("charge:pay_2").user_id, None);
    ledger.identify(Identity::new("ann@example.com").user_id("43")).await.unwrap();
    let records = world.records().await;
    assert_eq!(records.get("charge:pay_1").user_id, None);
    assert_eq!(records.visitor("charge:pay_1"), Some(("v1", AttributionStep::EmailMatch)));
}

/// Anyone who signs up can choose the values. The ledger keeps two of each, enough to know that the
/// address is ambiguous, and the same two in every order.
#[test]
fn identity_of_an_address_is_bounded() {
    let rules = Rules::default();
    let said = |n: usize| (format!("v{}", n % 7), format!("s{}", n % 5), format!("u{}", n % 3));
    let mut kept = Vec::new();
    let forwards: Vec<usize> = (0..105).collect();
    let backwards: Vec<usize> = (0..105).rev().collect();
    for order in [&forwards, &backwards] {
        let mut ledger = MemoryLedger::new(&rules);
        for n in order {
            let (visitor, source, user) = said(*n);
            let campaign: Campaign = serde_json::from_value(json!({ "source": source })).unwrap();
            let (visitor, user) = (Some(visitor.as_str()), Some(user.as_str()));
            ledger.identify("ann@example.com", visitor, Some(&campaign), user);
        }
        kept.push(ledger.dump());
    }
    assert_eq!(kept[0], kept[1]);
    for (of, many) in [("v", 7), ("s", 5), ("u", 3)] {
        let here = (0..many).filter(|n| kept[0].contains(&format!("{of}{n}")));
        assert_eq!(here.count(), 2, "of {of} in {}", kept[0]);
    }
}

/// Nor is what no capture would take.
async fn invalid_identity_is_ignored(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let long = "x".repeat(600);
    let mut campaign = Campaign::default();
    campaign.source = Some(long.clone());
    let identity = || Identity::new("ann@example.com").visitor("v1");
    ledger.identify(identity().user_id(long.as_str())).await.unwrap();
    ledger.identify(identity().user_id("4\u{0}2")).await.unwrap();
    ledger.identify(identity().campaign(campaign)).await.unwrap();
    let records = world.play(&[paid("pay_1", day(0), 2000, json!({})).into()]).await;
    let charge = records.get("charge:pay_1");
    assert_eq!(records.visitor("charge:pay_1"), Some(("v1", AttributionStep::EmailMatch)));
    assert_eq!((charge.user_id.as_deref(), charge.campaign.as_ref()), (None, None));
}

async fn erased_customer_stays_erased(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let first = charged(
        "pay_1",
        "sub_1",
        day(0),
        2000,
        json!({ "metadata": { "visitor": "v1", "user_id": "42" }, "checkout_session_id": "cks_1" }),
    );
    let story = [
        bind("cks_1", json!({ "visitor": "v1" })),
        subscription("subscription.active", "sub_1", day(0), visitor("v1")).into(),
        first.clone().into(),
        refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true })).into(),
        paid(
            "pay_9",
            day(2),
            1000,
            json!({ "customer": customer("bob"), "metadata": { "visitor": "v9" } }),
        )
        .into(),
    ];
    world.play(&story).await;
    // Deliveries without a record also name people.
    let failed = payment("payment.failed", "pay_2", day(3), 2000, json!({}));
    let credit = paid("crd_1", day(3), 0, json!({ "customer": null, "customer_id": "cus_ann" }));
    let credit = credit.of_kind("credit.added");
    world.play(&[failed.clone().into(), credit.clone().into()]).await;
    let has_body = async |id: &str| ledger.event(id).await.unwrap().unwrap().has_body;
    let workers = work(&ledger, crate::support::hooks());
    eventually("all is done", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(std::time::Duration::from_secs(5)).await;
    assert!(has_body(&failed.id).await && has_body(&credit.id).await && has_body(&first.id).await);
    assert!(ledger.erase_customer("cus_ann").await.unwrap().records >= 3);
    for id in [&failed.id, &credit.id, &first.id] {
        assert!(!has_body(id).await, "the body of {id} is still there");
    }

    // A duplicate of a booked event restores nothing, not even one with an earlier time.
    let mut earlier = first.again_as("msg_0");
    earlier.body["timestamp"] = json!(day(-1).to_string());
    let records = world.play(&[earlier.into()]).await;
    for id in ["charge:pay_1", "refund:ref_1", "subscription:sub_1:started"] {
        let text = serde_json::to_string(records.get(id)).unwrap();
        for trace in ["v1", "cus_ann", "xample.com", "\"42\"", "\"ann\""] {
            assert!(!text.contains(trace), "{trace} is still in {text}");
        }
        assert!(records.get(id).email_sha256.is_none());
    }
    assert_eq!(records.money("charge:pay_1"), Some((2000, 2000)), "the books stay");
    assert_eq!(records.visitor("charge:pay_9"), Some(("v9", AttributionStep::EventMetadata)));
    let rows = ledger.revenue().group_by(Dimension::Visitor).fetch().await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.key(), row.net)).collect();
    assert_eq!(seen, [(None, 1500), (Some("v9"), 1000)]);
    assert_eq!(ledger.erase_customer("cus_ann").await.unwrap().records, 0, "no data is left");
}

/// A checkout by a signed-in user with an address says which visitor the address belongs to.
async fn checkout_with_an_address_identifies_the_visitor(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    world.play(&[paid("pay_1", day(1), 1000, json!({})).into()]).await;
    for (session, visitor, consent) in [("cks_1", "v1", "granted"), ("cks_2", "v2", "denied")] {
        let context = json!({
            "captured_at": day(0).to_string(), "visitor": visitor, "consent": consent,
        });
        let mut context: CheckoutContext = serde_json::from_value(context).unwrap();
        context.email = Some("Ann@Example.com".to_owned());
        ledger.store(session, &context).await.unwrap();
        let stored = serde_json::to_string(&context).unwrap();
        assert!(!stored.to_lowercase().contains("example.com"), "{stored}");
    }
    eventually("the address is known", async || {
        let records = world.records().await;
        records.visitor("charge:pay_1") == Some(("v1", AttributionStep::EmailMatch))
    })
    .await;
    // Two visitors would be ambiguous: the second one denied consent.
    let records = world.play(&[paid("pay_2", day(2), 1000, json!({})).into()]).await;
    assert_eq!(records.visitor("charge:pay_2"), Some(("v1", AttributionStep::EmailMatch)));
}

/// A request of a browser with this cookie, and with what the layer in front of the route captured.
fn visit(cookie: &str, opts_out: bool) -> Request<Bytes> {
    let mut request = Request::post("/").header("content-type", "application/json");
    if opts_out {
        request = request.header("sec-gpc", "1");
    }
    let body = json!({ "product_cart": [{ "product_id": "pdt_1", "quantity": 1 }] });
    let request = request.header("cookie", cookie).body(Bytes::from(body.to_string()));
    let (mut parts, body) = request.unwrap().into_parts();
    let (captured, _) = VisitorCapture::visitors_now().capture(&parts);
    parts.extensions.insert(captured);
    Request::from_parts(parts, body)
}

/// The app's own middleware may sign the user in after the capture: the checkout looks again.
async fn checkout_reads_user_and_address_from_the_sign_in(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    world.play(&[paid("pay_1", day(1), 1000, json!({})).into()]).await;
    let session = json!({ "session_id": "cks_1", "checkout_url": "https://checkout.example/1" });
    let transport = move |_: Request<Bytes>| {
        let answer = Response::new(Bytes::from(session.to_string()));
        async move { Ok::<_, BoxError>(answer) }
    };
    let client = Client::builder("key", Environment::Test).return_url("https://shop.example/");
    let client = client.with_transport(transport).build().unwrap();
    let checkout = SessionCheckout::builder(client).context_store(ledger.clone()).build().unwrap();
    for (cookie, opts_out) in [("visitor=v2", true), ("visitor=v1", false)] {
        let mut request = visit(cookie, opts_out);
        request.extensions_mut().insert(SignedIn::user("42").email("Ann@Example.com"));
        assert_eq!(checkout.handle(request).await.status(), 200, "{cookie}");
    }
    // The payment is of no session: the address alone leads to the visitor.
    eventually("the address is known", async || {
        let records = world.records().await;
        records.visitor("charge:pay_1") == Some(("v1", AttributionStep::EmailMatch))
            && records.get("charge:pay_1").user_id.as_deref() == Some("42")
    })
    .await;
    let records = world.play(&[paid("pay_2", day(2), 1000, json!({})).into()]).await;
    assert_eq!(records.visitor("charge:pay_2"), Some(("v1", AttributionStep::EmailMatch)));
}

async fn sign_in_identifies_the_captured_visitor(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    world.play(&[paid("pay_1", day(1), 1000, json!({})).into()]).await;
    let ann = || SignedIn::user("42").email("ANN@example.com");
    let by_address = |visitor| Some((visitor, AttributionStep::EmailMatch));
    for (cookie, opts_out, user, visitor, user_id) in [
        ("theme=dark", false, ann(), None, None),
        ("visitor=v2", true, ann(), None, None),
        ("visitor=v2", false, SignedIn::user("42"), None, None),
        ("visitor=v1", false, ann(), by_address("v1"), Some("42")),
    ] {
        let (mut parts, _) = visit(cookie, opts_out).into_parts();
        // The browser still shows the user before.
        parts.extensions.insert(SignedIn::user("7").email("bob@example.com"));
        let (captured, _) = VisitorCapture::visitors_now().capture(&parts);
        let identified = ledger.identify_captured(&captured, &user).await.unwrap();
        assert_eq!(identified, visitor.is_some(), "{cookie} {user:?}");
        let records = world.records().await;
        assert_eq!(records.visitor("charge:pay_1"), visitor, "{cookie} {user:?}");
        assert_eq!(records.get("charge:pay_1").user_id.as_deref(), user_id, "{cookie} {user:?}");
    }
}
