//! The resources that a merchant sets up: their rules, and their effect on sales.

use std::time::Duration;

use dodo_sandbox::{Behavior, Product, Sandbox, cards};
use serde_json::{Value, json};

use crate::support::{Receiver, api, http, session};

const MONTH: Duration = Duration::from_secs(32 * 24 * 60 * 60);

struct Shop {
    sandbox: Sandbox,
    receiver: Receiver,
}

impl Shop {
    async fn new() -> Self {
        Self::with(Behavior::default()).await
    }

    async fn with(behavior: Behavior) -> Self {
        let sandbox = Sandbox::builder()
            .clock_rate(0.0)
            .behavior(behavior)
            .product(Product::one_time("pdt_book", "Book", "USD", 2000))
            .product(Product::one_time("pdt_app", "App", "USD", 5000).license_keys(Some(1)))
            .start()
            .await
            .unwrap();
        let receiver = Receiver::of(&sandbox).await;
        Self { sandbox, receiver }
    }

    /// Calls the API; the answer must have this status.
    async fn call(&self, method: &str, path: &str, body: Value, status: u16) -> Value {
        let body = (!body.is_null()).then_some(body);
        let (found, answer) = api(&self.sandbox, method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null, 200).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, body, 200).await
    }

    /// Sells a cart to an American; the payment.
    async fn sell(&self, cart: Value, extra: Value) -> Value {
        let mut body = json!({ "product_cart": cart, "billing_address": { "country": "US" } });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let id = session(&self.sandbox, body).await;
        let paid = self.sandbox.pay_session(&id, cards::OK).unwrap();
        self.get(&format!("/payments/{}", paid.payment_id)).await
    }

    /// The names of the events since the last look.
    async fn events(&self) -> Vec<String> {
        self.sandbox.wait_until_idle().await;
        self.receiver.take_names()
    }

    /// A monthly product with these further fields.
    async fn plan(&self, price: Value, extra: Value) -> String {
        let mut terms = json!({
            "type": "recurring_price", "currency": "USD", "price": 1900, "discount": 0,
            "purchasing_power_parity": false, "payment_frequency_count": 1,
            "payment_frequency_interval": "Month", "subscription_period_count": 1,
            "subscription_period_interval": "Year",
        });
        terms.as_object_mut().unwrap().extend(price.as_object().unwrap().clone());
        let mut body = json!({ "name": "Plan", "tax_category": "saas", "price": terms });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        text(&self.post("/products", body).await, "product_id")
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}")).to_owned()
}

fn one(product: &str) -> Value {
    json!([{ "product_id": product, "quantity": 1 }])
}

#[tokio::test]
async fn discounts_apply_within_their_limits() {
    let shop = Shop::new().await;
    let create = async |code: &str, extra: Value| {
        let mut body = json!({ "type": "percentage", "amount": 5000, "code": code });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        text(&shop.post("/discounts", body).await, "discount_id")
    };
    create("HALF", json!({})).await;
    create("FLAT", json!({ "type": "flat", "amount": 300 })).await;
    create("OLD", json!({ "expires_at": "2020-01-01T00:00:00Z" })).await;
    create("SOON", json!({ "starts_at": "2200-01-01T00:00:00Z" })).await;
    let once = create("ONCE", json!({ "usage_limit": 1 })).await;
    create("APPS", json!({ "restricted_to": ["pdt_app"] })).await;
    create("NEWCOMER", json!({ "customer_eligibility": "existing" })).await;
    let sold = shop.sell(one("pdt_book"), json!({ "discount_codes": ["half", "FLAT"] })).await;
    assert_eq!(sold["total_amount"], 700);
    assert_eq!(sold["discounts"][1]["code"], "FLAT");
    shop.sell(one("pdt_book"), json!({ "discount_code": "ONCE" })).await;
    assert_eq!(shop.get(&format!("/discounts/{once}")).await["times_used"], 1);
    for (code, refusal) in [
        ("NONE", "INVALID_DISCOUNT_CODE"),
        ("OLD", "DISCOUNT_CODE_EXPIRED"),
        ("SOON", "INVALID_DISCOUNT_CODE"),
        ("ONCE", "DISCOUNT_CODE_USAGE_LIMIT_EXCEEDED"),
        ("APPS", "DISCOUNT_NOT_AVAILABLE_FOR_PRODUCT"),
        ("NEWCOMER", "DISCOUNT_NOT_AVAILABLE_FOR_CUSTOMER"),
    ] {
        let body = json!({ "product_cart": one("pdt_book"), "discount_codes": [code] });
        let answer = shop.call("POST", "/checkouts", body, 422).await;
        assert_eq!(answer["code"], refusal, "{code}");
    }
    let twice = json!({ "type": "percentage", "amount": 1, "code": "half" });
    shop.call("POST", "/discounts", twice, 409).await;
    let found = shop.get("/discounts?discount_type=flat").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn discount_cycles_end_after_their_periods() {
    let shop = Shop::new().await;
    let plan = shop.plan(json!({}), json!({})).await;
    let body =
        json!({ "type": "percentage", "amount": 5000, "code": "TWO", "subscription_cycles": 2 });
    shop.post("/discounts", body).await;
    let first = shop.sell(one(&plan), json!({ "discount_codes": ["TWO"] })).await;
    let id = text(&first, "subscription_id");
    let mut totals = vec![first["total_amount"].clone()];
    for _ in 0..2 {
        shop.sandbox.renew_subscription(&id).unwrap();
        let list = shop.get(&format!("/payments?subscription_id={id}")).await;
        totals.push(list["items"][0]["total_amount"].clone());
    }
    assert_eq!(totals, [950, 950, 1900]);
}

#[tokio::test]
async fn license_keys_count_their_instances_and_need_no_api_key() {
    let shop = Shop::new().await;
    shop.sell(one("pdt_app"), json!({})).await;
    let keys = shop.get("/license_keys").await;
    let (id, key) = (text(&keys["items"][0], "id"), text(&keys["items"][0], "key"));
    let send = async |path: &str, body: Value| {
        let request = http().post(format!("{}/licenses/{path}", shop.sandbox.url())).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let activate = json!({ "license_key": key, "name": "laptop" });
    let (status, instance) = send("activate", activate.clone()).await;
    assert_eq!(status, 201, "{instance}");
    assert_eq!(send("activate", activate.clone()).await.0, 422, "the limit is 1");
    let instance_id = text(&instance, "id");
    let own = json!({ "license_key": key, "license_key_instance_id": instance_id });
    assert_eq!(send("validate", own.clone()).await.1["valid"], true);
    assert_eq!(shop.get(&format!("/license_keys/{id}")).await["instances_count"], 1);
    assert_eq!(send("deactivate", own.clone()).await.0, 200);
    assert_eq!(send("validate", own).await.1["valid"], false);
    let later = (shop.sandbox.now() + Duration::from_secs(60)).to_string();
    shop.call("PATCH", &format!("/license_keys/{id}"), json!({ "expires_at": later }), 200).await;
    assert_eq!(send("activate", activate.clone()).await.0, 201);
    shop.sandbox.advance(Duration::from_secs(61)).unwrap();
    assert_eq!(send("activate", activate).await.0, 403, "expired");
    assert_eq!(shop.get(&format!("/license_keys/{id}")).await["status"], "expired");
}

#[tokio::test]
async fn metered_usage_is_billed_at_the_renewal() {
    let shop = Shop::new().await;
    let meter = json!({
        "name": "Calls", "event_name": "call", "measurement_unit": "call",
        "aggregation": { "type": "sum", "key": "n" },
        "filter": { "conjunction": "and", "clauses": [
            { "key": "region", "operator": "equals", "value": "eu" },
        ] },
    });
    let meter = text(&shop.call("POST", "/meters", meter, 201).await, "id");
    let price = json!({
        "type": "usage_based_price", "fixed_price": 500, "price": null,
        "meters": [{ "meter_id": meter, "price_per_unit": "2.5", "free_threshold": 10 }],
    });
    let mut terms = price.as_object().unwrap().clone();
    terms.remove("price");
    let body = json!({
        "name": "Usage", "tax_category": "saas",
        "price": {
            "type": "usage_based_price", "fixed_price": 500, "currency": "USD", "discount": 0,
            "purchasing_power_parity": false, "payment_frequency_count": 1,
            "payment_frequency_interval": "Month", "subscription_period_count": 1,
            "subscription_period_interval": "Year", "meters": terms["meters"],
        },
    });
    let product = text(&shop.post("/products", body).await, "product_id");
    let first = shop.sell(one(&product), json!({})).await;
    assert_eq!(first["total_amount"], 500);
    let (id, customer) =
        (text(&first, "subscription_id"), first["customer"]["customer_id"].clone());
    let event = |event_id: &str, n: u32, region: &str| {
        json!({
            "event_id": event_id, "customer_id": customer, "event_name": "call",
            "metadata": { "n": n, "region": region },
        })
    };
    let events = json!([event("a", 7, "eu"), event("b", 8, "eu"), event("c", 90, "us")]);
    shop.post("/events/ingest", json!({ "events": events })).await;
    shop.sandbox.advance(MONTH).unwrap();
    let list = shop.get(&format!("/payments?subscription_id={id}")).await;
    assert_eq!(list["items"][0]["total_amount"], 500 + 13, "5 units of 2.5, rounded half up");
    assert_eq!(list["items"][0]["includes_usage"], true);
    let history = shop.get(&format!("/subscriptions/{id}/usage-history")).await;
    let past = &history["items"][1]["meters"][0];
    assert_eq!((&past["consumed_units"], &past["total_price"]), (&json!("15"), &json!(13)));
}

#[tokio::test]
async fn credits_are_granted_used_rolled_over_and_charged() {
    let shop = Shop::new().await;
    let entitlement = json!({
        "name": "Tokens", "unit": "token", "precision": 0, "overage_enabled": true,
        "rollover_enabled": true, "rollover_percentage": 50, "price_per_unit": "3",
        "overage_behavior": "invoice_at_billing",
    });
    let entitlement =
        text(&shop.call("POST", "/credit-entitlements", entitlement, 201).await, "id");
    let meter = json!({
        "name": "Tokens", "event_name": "token", "measurement_unit": "token",
        "aggregation": { "type": "sum", "key": "n" },
    });
    let meter = text(&shop.call("POST", "/meters", meter, 201).await, "id");
    let body = json!({
        "name": "Credits", "tax_category": "saas",
        "credit_entitlements": [{
            "credit_entitlement_id": entitlement, "credits_amount": "100",
            "low_balance_threshold_percent": 20,
        }],
        "price": {
            "type": "usage_based_price", "fixed_price": 1000, "currency": "USD", "discount": 0,
            "purchasing_power_parity": false, "payment_frequency_count": 1,
            "payment_frequency_interval": "Month", "subscription_period_count": 1,
            "subscription_period_interval": "Year",
            "meters": [{
                "meter_id": meter, "credit_entitlement_id": entitlement,
                "meter_units_per_credit": "1",
            }],
        },
    });
    let product = text(&shop.post("/products", body).await, "product_id");
    let first = shop.sell(one(&product), json!({})).await;
    let customer = text(&first["customer"], "customer_id");
    let id = text(&first, "subscription_id");
    let credit = |events: Vec<String>| -> Vec<String> {
        events.into_iter().filter(|name| name.starts_with("credit.")).collect()
    };
    assert_eq!(credit(shop.events().await), ["credit.added"]);
    let use_up = async |event_id: &str, n: u32| {
        let event = json!({
            "event_id": event_id, "customer_id": customer, "event_name": "token",
            "metadata": { "n": n },
        });
        shop.post("/events/ingest", json!({ "events": [event] })).await;
    };
    let path = format!("/credit-entitlements/{entitlement}/balances/{customer}");
    use_up("a", 85).await;
    assert_eq!(credit(shop.events().await), ["credit.balance_low", "credit.deducted"]);
    assert_eq!(shop.get(&path).await["balance"], "15");
    shop.sandbox.renew_subscription(&id).unwrap();
    assert_eq!(
        credit(shop.events().await),
        ["credit.added", "credit.rolled_over", "credit.rollover_forfeited"]
    );
    assert_eq!(shop.get(&path).await["balance"], "107.5", "half of 15 rolled over");
    use_up("b", 117).await;
    assert_eq!(shop.get(&path).await["overage"], "9.5");
    shop.events().await;
    shop.sandbox.renew_subscription(&id).unwrap();
    assert_eq!(
        credit(shop.events().await),
        ["credit.added", "credit.overage_charged", "credit.overage_reset"]
    );
    let list = shop.get(&format!("/payments?subscription_id={id}")).await;
    assert_eq!(list["items"][0]["total_amount"], 1000 + 29, "9.5 tokens of 3, rounded half up");
    let adjust = json!({ "amount": "5", "entry_type": "debit", "idempotency_key": "k" });
    let ledger = format!("{path}/ledger-entries");
    assert_eq!(shop.call("POST", &ledger, adjust.clone(), 201).await["balance_after"], "95");
    shop.call("POST", &ledger, adjust, 409).await;
    assert_eq!(credit(shop.events().await), ["credit.manual_adjustment"]);
    let grant = json!({
        "amount": "4", "entry_type": "credit",
        "expires_at": (shop.sandbox.now() + Duration::from_secs(60)).to_string(),
    });
    shop.call("POST", &ledger, grant, 201).await;
    shop.sandbox.advance(Duration::from_secs(61)).unwrap();
    assert_eq!(credit(shop.events().await), ["credit.expired", "credit.manual_adjustment"]);
    assert_eq!(shop.get(&path).await["balance"], "95");
}

#[tokio::test]
async fn addons_are_part_of_cart_renewal_and_plan_change() {
    let shop = Shop::new().await;
    let addon = json!({ "name": "Seat", "price": 500, "currency": "USD", "tax_category": "saas" });
    let addon = text(&shop.post("/addons", addon).await, "id");
    let plan = shop.plan(json!({}), json!({ "addons": [addon] })).await;
    let other = shop.plan(json!({}), json!({})).await;
    let seats = |count: u32| json!([{ "addon_id": addon, "quantity": count }]);
    let with = |product: &str, count: u32| json!([{ "product_id": product, "quantity": 1, "addons": seats(count) }]);
    let refused = json!({ "product_cart": with(&other, 1) });
    shop.call("POST", "/checkouts", refused, 422).await;
    let first = shop.sell(with(&plan, 2), json!({})).await;
    assert_eq!(first["total_amount"], 2900);
    let id = text(&first, "subscription_id");
    let change = json!({
        "product_id": plan, "quantity": 1, "addons": seats(3),
        "proration_billing_mode": "difference_immediately",
    });
    let path = format!("/subscriptions/{id}/change-plan");
    let preview = shop.post(&format!("{path}/preview"), change.clone()).await;
    assert_eq!(preview["immediate_charge"]["summary"]["total_amount"], 500);
    assert_eq!(preview["new_plan"]["addons"], seats(3));
    shop.post(&path, change).await;
    shop.sandbox.renew_subscription(&id).unwrap();
    let list = shop.get(&format!("/payments?subscription_id={id}")).await;
    assert_eq!(list["items"][0]["total_amount"], 3400);
    assert_eq!(shop.get(&format!("/subscriptions/{id}")).await["addons"], seats(3));
}

#[tokio::test]
async fn failed_renewal_is_retried_by_hand() {
    let shop = Shop::new().await;
    let plan = shop.plan(json!({}), json!({})).await;
    let first = shop.sell(one(&plan), json!({})).await;
    let id = text(&first, "subscription_id");
    let paid = format!("/payments/{}/retry", text(&first, "payment_id"));
    assert_eq!(shop.get(&paid).await["can_retry"], false);
    shop.call("POST", &paid, Value::Null, 409).await;
    shop.sandbox.decline_next_charges("INSUFFICIENT_FUNDS", 2);
    shop.sandbox.renew_subscription(&id).unwrap();
    let failed = shop.get("/payments?status=failed").await;
    let failed = format!("/payments/{}/retry", text(&failed["items"][0], "payment_id"));
    assert_eq!(shop.get(&failed).await["can_retry"], true);
    assert_eq!(shop.post(&failed, Value::Null).await["status"], "failed");
    let saved = shop.post(&failed, Value::Null).await;
    assert_eq!((&saved["status"], &saved["sends_used"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(shop.get(&format!("/subscriptions/{id}")).await["status"], "active");
}

#[tokio::test]
async fn archived_products_are_listed_on_request_and_not_sold() {
    let shop = Shop::new().await;
    let count = async |query: &str| {
        shop.get(&format!("/products{query}")).await["items"].as_array().unwrap().len()
    };
    shop.call("DELETE", "/products/pdt_book", Value::Null, 200).await;
    assert_eq!((count("").await, count("?archived=true").await), (1, 1));
    let answer =
        shop.call("POST", "/checkouts", json!({ "product_cart": one("pdt_book") }), 422).await;
    assert_eq!(answer["code"], "PRODUCT_IS_DELETED");
    shop.post("/products/pdt_book/unarchive", Value::Null).await;
    assert_eq!(count("?brand_id=brnd_none").await, 0);
    assert_eq!(count("").await, 2);
}

#[tokio::test]
async fn short_links_lead_to_their_page() {
    let shop = Shop::new().await;
    let body = json!({ "slug": "book", "static_checkout_params": { "quantity": "2" } });
    let link = shop.post("/products/pdt_book/short_links", body.clone()).await;
    shop.call("POST", "/products/pdt_book/short_links", body, 409).await;
    let answer = http().get(text(&link, "short_url")).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], text(&link, "full_url"));
    let session = json!({ "product_cart": one("pdt_book"), "short_link": true });
    let url = text(&shop.post("/checkouts", session).await, "checkout_url");
    assert_eq!(http().get(url).send().await.unwrap().status(), 303);
}

#[tokio::test]
async fn blocked_customers_lose_their_subscriptions_and_cannot_pay() {
    let shop = Shop::new().await;
    let plan = shop.plan(json!({}), json!({})).await;
    let first = shop.sell(one(&plan), json!({})).await;
    let customer = text(&first["customer"], "customer_id");
    let entry = shop.post("/blocklist/customers", json!({ "customer_id": customer })).await;
    let id = text(&first, "subscription_id");
    assert_eq!(shop.get(&format!("/subscriptions/{id}")).await["status"], "cancelled");
    let body = json!({ "product_cart": one("pdt_book"), "customer": { "customer_id": customer } });
    let blocked = session(&shop.sandbox, body.clone()).await;
    assert_eq!(
        shop.sandbox.pay_session(&blocked, cards::OK).unwrap_err().code(),
        "CUSTOMER_BLOCKED"
    );
    let path = format!("/blocklist/customers/{}", text(&entry, "id"));
    shop.call("DELETE", &path, Value::Null, 200).await;
    shop.sandbox.pay_session(&blocked, cards::OK).unwrap();
}

#[tokio::test]
async fn wallets_book_credits_and_debits() {
    let shop = Shop::new().await;
    let body = json!({ "email": "bob@example.com", "name": "Bob" });
    let customer = text(&shop.post("/customers", body).await, "customer_id");
    let path = format!("/customers/{customer}/wallets/ledger-entries");
    let entry = |amount: u32, kind: &str| json!({ "amount": amount, "currency": "EUR", "entry_type": kind });
    shop.post(&path, entry(500, "credit")).await;
    assert_eq!(shop.post(&path, entry(200, "debit")).await["balance"], 300);
    shop.call("POST", &path, entry(301, "debit"), 422).await;
    assert_eq!(shop.get(&path).await["items"].as_array().unwrap().len(), 2);
    let wallets = shop.get(&format!("/customers/{customer}/wallets")).await;
    assert_eq!(wallets["total_balance_usd"], 324);
}

#[tokio::test]
async fn payouts_pay_the_balance_and_announce_each_status() {
    let shop = Shop::new().await;
    shop.sell(one("pdt_book"), json!({})).await;
    shop.events().await;
    let control = async |path: &str, body: Value| {
        let url = format!("{}/__sandbox{path}", shop.sandbox.url());
        let answer = http().post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.unwrap()
    };
    let id = text(&control("/payouts", json!({})).await, "payout_id");
    for status in ["in_progress", "on_hold", "failed", "success"] {
        control(&format!("/payouts/{id}/resolve"), json!({ "status": status })).await;
    }
    assert_eq!(
        shop.events().await,
        [
            "payout.created",
            "payout.failed",
            "payout.in_progress",
            "payout.on_hold",
            "payout.success"
        ]
    );
    let payout = &shop.get("/payouts").await["items"][0];
    assert_eq!(payout["amount"], 2000 - 80 - 40, "the price without Dodo's share");
    let ledger = shop.get("/balances/ledger").await;
    assert_eq!(ledger["items"][0]["after_balance"], 0);
}

#[tokio::test]
async fn pending_grants_are_delivered_or_fail() {
    let shop = Shop::new().await;
    let body = json!({
        "name": "Chat", "integration_type": "discord",
        "integration_config": { "guild_id": "g_1" },
    });
    let entitlement = text(&shop.post("/entitlements", body).await, "id");
    let plan =
        shop.plan(json!({}), json!({ "entitlements": [{ "entitlement_id": entitlement }] })).await;
    for delivered in [true, false] {
        shop.sell(one(&plan), json!({})).await;
        let grants = shop.get(&format!("/entitlements/{entitlement}/grants?status=Pending")).await;
        let grant = text(&grants["items"][0], "id");
        shop.events().await;
        let url = format!("{}/__sandbox/grants/{grant}/resolve", shop.sandbox.url());
        http().post(url).json(&json!({ "delivered": delivered })).send().await.unwrap();
        let event = if delivered { "delivered" } else { "failed" };
        assert_eq!(shop.events().await, [format!("entitlement_grant.{event}")]);
    }
}

#[tokio::test]
async fn checkout_options_have_an_effect_or_are_refused() {
    let shop = Shop::new().await;
    for (extra, code) in [
        (json!({ "allowed_payment_method_types": ["sofort"] }), "NO_ELIGIBLE_PAYMENT_METHODS"),
        (json!({ "product_collection_id": "pdc_none" }), "NOT_FOUND"),
        (json!({ "customization": { "theme": "pink" } }), "INVALID_REQUEST_BODY"),
        (json!({ "unknown": 1 }), "INVALID_REQUEST_BODY"),
    ] {
        let mut body = json!({ "product_cart": one("pdt_book") });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let (status, answer) = api(&shop.sandbox, "POST", "/checkouts", Some(body)).await;
        assert!(status.is_client_error(), "{extra}");
        assert_eq!(answer["code"], code, "{extra}");
    }
    let paid = shop.sell(one("pdt_book"), json!({ "force_3ds": true })).await;
    assert_eq!(paid["three_ds_status"], "authenticated");
    let collection = json!({
        "name": "Books", "groups": [{ "products": [{ "product_id": "pdt_book" }] }],
    });
    let collection = text(&shop.post("/product-collections", collection).await, "id");
    let paid = shop.sell(json!([]), json!({ "product_collection_id": collection })).await;
    assert_eq!(paid["total_amount"], 2000);
    let known = json!({
        "customer": { "email": "bob@example.com", "name": "Bob" }, "minimal_address": true,
        "feature_flags": { "allow_customer_editing_email": false },
        "product_cart": one("pdt_book"),
    });
    let id = session(&shop.sandbox, known).await;
    let page = http().get(format!("{}/session/{id}", shop.sandbox.url())).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(!page.contains("Postal code"), "the address is minimal");
    assert!(page.contains("readonly"), "the e-mail address is locked");
}

#[tokio::test]
async fn pages_begin_with_the_number_of_the_setting() {
    let mut behavior = Behavior::default();
    behavior.pages_from = 1;
    let shop = Shop::with(behavior).await;
    let ids = async |query: &str| {
        let list = shop.get(&format!("/products?page_size=1{query}")).await;
        text(&list["items"][0], "product_id")
    };
    assert_eq!(ids("").await, ids("&page_number=1").await);
    assert_ne!(ids("&page_number=1").await, ids("&page_number=2").await);
}

#[tokio::test]
async fn events_are_a_millisecond_apart_while_the_clock_stands() {
    let shop = Shop::new().await;
    let plan = shop.plan(json!({}), json!({})).await;
    shop.sell(one(&plan), json!({})).await;
    shop.sandbox.advance(MONTH).unwrap();
    shop.sandbox.wait_until_idle().await;
    let arrivals = shop.receiver.arrivals();
    let mut moments: Vec<jiff::Timestamp> = arrivals
        .iter()
        .map(|own| own.body["timestamp"].as_str().unwrap().parse().unwrap())
        .collect();
    moments.sort();
    assert!(moments.len() > 5);
    for pair in moments.windows(2) {
        assert!(pair[1].duration_since(pair[0]).as_millis() >= 1, "{pair:?}");
    }
}
