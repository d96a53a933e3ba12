//! The fields of products, and of plan changes and charges of subscriptions.

use serde_json::{Value, json};

use super::{Expected::*, Row, World, check, merged};
use dodo_sandbox::cards;

/// The price of a kind of product.
fn price(kind: &str) -> Value {
    let periods = json!({
        "payment_frequency_count": 1, "payment_frequency_interval": "Month",
        "subscription_period_count": 1, "subscription_period_interval": "Year",
    });
    let mut price = json!({
        "type": kind, "currency": "USD", "discount": 0, "purchasing_power_parity": false,
    });
    match kind {
        "usage_based_price" => (price["price"], price["fixed_price"]) = (Value::Null, json!(2000)),
        _ => price["price"] = json!(2000),
    }
    if kind != "one_time_price" {
        price.as_object_mut().unwrap().extend(periods.as_object().unwrap().clone());
    }
    json!({ "price": price })
}

fn rows() -> Vec<Row> {
    let none = || json!({});
    let keys = || json!({ "license_key_enabled": true });
    let once = || price("one_time_price");
    let monthly = || price("recurring_price");
    let metered = || {
        let meter = json!({ "price": { "meters": [{ "meter_id": "METER", "price_per_unit": "5", "free_threshold": 1 }] } });
        merged(&price("usage_based_price"), &meter)
    };
    let trial = |extra: Value| {
        let trial = json!({ "price": { "trial_period_days": 9 } });
        merged(&merged(&monthly(), &trial), &json!({ "price": extra }))
    };
    let credit = |extra: Value| {
        let credit = json!({ "credit_entitlement_id": "CREDIT", "credits_amount": "10" });
        let by_meter = json!({ "price": { "meters": [{ "meter_id": "METER", "credit_entitlement_id": "CREDIT", "meter_units_per_credit": "2" }] } });
        let credits = json!({ "credit_entitlements": [merged(&credit, &extra)] });
        merged(&merged(&price("usage_based_price"), &by_meter), &credits)
    };
    let trial_credit = |extra: Value| {
        merged(
            &trial(json!({})),
            &json!({ "credit_entitlements": credit(extra)["credit_entitlements"] }),
        )
    };
    let overage = || credit(json!({ "overage_enabled": true, "price_per_unit": "100" }));
    let rollover = || credit(json!({ "rollover_enabled": true, "credits_amount": "100" }));
    vec![
        ("addons", monthly(), json!(["ADDON"]), Effect),
        ("brand_id", none(), json!("BRAND"), Effect),
        ("credit_entitlements[].credit_entitlement_id", credit(none()), json!("no_such"), Effect),
        ("credit_entitlements[].credits_amount", credit(none()), json!("11"), Effect),
        ("credit_entitlements[].currency", credit(none()), json!("EUR"), Refused),
        ("credit_entitlements[].expires_after_days", credit(none()), json!(3), Effect),
        ("credit_entitlements[].low_balance_threshold_percent", credit(none()), json!(50), Effect),
        ("credit_entitlements[].max_rollover_count", rollover(), json!(0), Effect),
        ("credit_entitlements[].overage_behavior", overage(), json!("invoice_at_billing"), Effect),
        ("credit_entitlements[].overage_enabled", credit(none()), json!(true), Effect),
        ("credit_entitlements[].overage_limit", overage(), json!("1"), Effect),
        (
            "credit_entitlements[].price_per_unit",
            credit(json!({ "overage_enabled": true, "overage_behavior": "invoice_at_billing" })),
            json!("200"),
            Effect,
        ),
        ("credit_entitlements[].proration_behavior", credit(none()), json!("no_prorate"), Effect),
        (
            "credit_entitlements[].rollover_enabled",
            credit(json!({ "credits_amount": "100" })),
            json!(true),
            Effect,
        ),
        ("credit_entitlements[].rollover_percentage", rollover(), json!(50), Effect),
        ("credit_entitlements[].rollover_timeframe_count", rollover(), json!(1), Effect),
        ("credit_entitlements[].rollover_timeframe_interval", rollover(), json!("Day"), Effect),
        ("credit_entitlements[].trial_credits", trial_credit(none()), json!("3"), Effect),
        (
            "credit_entitlements[].trial_credits_expire_after_trial",
            trial_credit(none()),
            json!(false),
            Effect,
        ),
        ("description", none(), json!("A text"), Effect),
        (
            "digital_product_delivery.external_url",
            none(),
            json!("https://example.com/file"),
            Effect,
        ),
        ("digital_product_delivery.instructions", none(), json!("Unpack it"), Effect),
        ("entitlements[].entitlement_id", none(), json!("ENTITLEMENT"), Effect),
        ("license_key_activation_message", keys(), json!("Enter it"), Effect),
        ("license_key_activations_limit", keys(), json!(4), Effect),
        (
            "license_key_duration.count",
            json!({ "license_key_enabled": true, "license_key_duration": { "count": 1, "interval": "Day" } }),
            json!(2),
            Effect,
        ),
        (
            "license_key_duration.interval",
            json!({ "license_key_enabled": true, "license_key_duration": { "count": 1, "interval": "Day" } }),
            json!("Week"),
            Effect,
        ),
        ("license_key_enabled", none(), json!(true), Effect),
        ("metadata", none(), json!({ "shelf": "3" }), Shown),
        ("name", none(), json!("Other"), Effect),
        ("price.currency", none(), json!("EUR"), Effect),
        ("price.discount", none(), json!(10), Effect),
        ("price.discount_bps", none(), json!(1000), Effect),
        ("price.fixed_price", metered(), json!(2100), Effect),
        ("price.meters[].credit_entitlement_id", metered(), json!("CREDIT"), Effect),
        ("price.meters[].description", metered(), json!("Ignored"), Ignored),
        ("price.meters[].free_threshold", metered(), json!(2), Effect),
        ("price.meters[].measurement_unit", metered(), json!("Ignored"), Ignored),
        ("price.meters[].meter_id", metered(), json!("no_such"), Effect),
        ("price.meters[].meter_units_per_credit", credit(none()), json!("3"), Effect),
        ("price.meters[].name", metered(), json!("Ignored"), Ignored),
        ("price.meters[].price_per_unit", metered(), json!("6"), Effect),
        ("price.pay_what_you_want", once(), json!(true), Effect),
        ("price.payment_frequency_count", monthly(), json!(2), Effect),
        ("price.payment_frequency_interval", monthly(), json!("Week"), Effect),
        ("price.price", none(), json!(2100), Effect),
        ("price.purchasing_power_parity", none(), json!(true), Shown),
        ("price.subscription_period_count", monthly(), json!(2), Effect),
        ("price.subscription_period_interval", monthly(), json!("Day"), Effect),
        (
            "price.suggested_price",
            json!({ "price": { "pay_what_you_want": true } }),
            json!(3000),
            Effect,
        ),
        ("price.tax_inclusive", none(), json!(true), Effect),
        ("price.trial_amount", trial(none()), json!(300), Effect),
        ("price.trial_apply_discounts", trial(json!({ "trial_amount": 300 })), json!(true), Effect),
        ("price.trial_payment_method_optional", trial(none()), json!(true), Effect),
        ("price.trial_period_days", monthly(), json!(9), Effect),
        ("price.type", none(), json!("recurring_price"), Effect),
        (
            "price.zero_amount_payment_method_optional",
            merged(&monthly(), &json!({ "price": { "price": 0 } })),
            json!(true),
            Effect,
        ),
        ("pricing_mode", none(), json!("by_currency"), Effect),
        ("tax_category", none(), json!("saas"), Effect),
    ]
}

fn base() -> Value {
    merged(&price("one_time_price"), &json!({ "name": "Thing", "tax_category": "e_book" }))
}

/// Sells a product, changes its plan where it has one, and looks at all that follows.
async fn sell(world: &mut World, product: &Value) -> Result<String, String> {
    let id = product["product_id"].as_str().unwrap().to_owned();
    let shown = world.make("GET", &format!("/products/{id}"), Value::Null).await?;
    let local = json!({ "amount": 9000, "currency": "INR", "country_code": "IN" });
    world.make("POST", &format!("/products/{id}/localized-prices"), local).await?;
    let order = |country: &str| {
        json!({
            "product_cart": [{ "product_id": id, "quantity": 1 }],
            "customer": { "email": "ada@example.com", "name": "Ada" },
            "billing_address": { "country": country },
            "feature_flags": { "allow_editing_addons": true },
        })
    };
    for country in ["IN", "US"] {
        let preview = world.make("POST", "/checkouts/preview", order(country)).await?;
        world.see("preview", preview);
    }
    // The customer is on another plan first.
    if shown["price"]["type"] != "one_time_price" && shown["price"]["currency"] == "USD" {
        let body = merged(
            &order("US"),
            &json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] }),
        );
        let session = world.make("POST", "/checkouts", body).await?;
        let paid = world.sandbox.pay_session(session["session_id"].as_str().unwrap(), cards::OK);
        let payment = world
            .make("GET", &format!("/payments/{}", paid.unwrap().payment_id), Value::Null)
            .await?;
        world.sandbox.advance(std::time::Duration::from_secs(5 * 86_400)).unwrap();
        let change = json!({ "product_id": id, "quantity": 1, "proration_billing_mode": "prorated_immediately" });
        let path =
            format!("/subscriptions/{}/change-plan", payment["subscription_id"].as_str().unwrap());
        let changed = world.make("POST", &path, change).await?;
        world.see("changed", changed);
    }
    let code = json!({ "discount_codes": ["HALF"] });
    let session = world.make("POST", "/checkouts", merged(&order("US"), &code)).await?;
    world.buy(session["checkout_url"].as_str().unwrap()).await;
    Ok(shown.to_string())
}

#[tokio::test]
async fn product_field_has_effect_or_is_refused() {
    check(("POST", "/products"), base(), rows(), async |world, body| {
        let product = world.make("POST", "/products", body).await?;
        sell(world, &product).await
    })
    .await;
}

#[tokio::test]
async fn changed_product_field_has_effect_or_is_refused() {
    let mut rows = rows();
    let file = json!("00000000-0000-4000-8000-000000000001");
    rows.extend([
        ("digital_product_delivery.files", json!({}), json!([file]), Effect),
        ("image_id", json!({}), file.clone(), Effect),
    ]);
    check(("PATCH", "/products/x"), base(), rows, async |world, body| {
        let product = world.make("POST", "/products", base()).await?;
        let path = format!("/products/{}", product["product_id"].as_str().unwrap());
        world.make("PATCH", &path, body).await?;
        sell(world, &product).await
    })
    .await;
}

/// The id of a paid subscription of a customer with addons on offer.
async fn subscribe(world: &World, product: &str, on_demand: bool, card: &str) -> String {
    let mut body = json!({
        "product_cart": [{ "product_id": product, "quantity": 1 }],
        "customer": { "customer_id": "CUSTOMER" },
        "billing_address": { "country": "US" },
    });
    if on_demand {
        body["subscription_data"] = json!({ "on_demand": { "mandate_only": false } });
    }
    let session = world.make("POST", "/checkouts", body).await.unwrap();
    let id = session["session_id"].as_str().unwrap();
    let paid = world.sandbox.pay_session(id, card);
    let payment = format!("/payments/{}", paid.unwrap().payment_id);
    let payment = world.make("GET", &payment, Value::Null).await.unwrap();
    payment["subscription_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn plan_change_field_has_effect_or_is_refused() {
    let none = || json!({});
    let addon = json!({ "addons": [{ "addon_id": "ADDON", "quantity": 1 }] });
    let rows = vec![
        ("adaptive_currency_fees_inclusive", none(), json!(true), Refused),
        ("addons[].addon_id", addon.clone(), json!("no_such"), Effect),
        ("addons[].quantity", addon, json!(2), Effect),
        ("cancel_scheduled_change_plan", none(), json!(false), Effect),
        ("collect_via_payment_link", none(), json!(true), Refused),
        ("discount_code", none(), json!("HALF"), Effect),
        ("discount_codes", none(), json!(["HALF"]), Effect),
        ("effective_at", none(), json!("next_billing_date"), Effect),
        ("metadata", none(), json!({ "a": "b" }), Effect),
        (
            "on_payment_failure",
            json!({ "metadata": { "card": "fails" } }),
            json!("apply_change"),
            Effect,
        ),
        ("product_id", none(), json!("pdt_book"), Effect),
        ("proration_billing_mode", none(), json!("do_not_bill"), Effect),
        ("quantity", none(), json!(3), Effect),
    ];
    let base = json!({
        "product_id": "pdt_pro", "quantity": 2, "proration_billing_mode": "full_immediately",
        "cancel_scheduled_change_plan": true,
    });
    check(("POST", "/subscriptions/x/change-plan"), base, rows, async |world, body| {
        // Metadata names the card, because a plan change has no other field for it.
        let fails = body["metadata"]["card"] == "fails";
        let card = if fails { cards::RENEWAL_FAILS } else { cards::OK };
        let path = format!(
            "/subscriptions/{}/change-plan",
            subscribe(world, "pdt_pro", false, card).await
        );
        let later = json!({
            "product_id": "pdt_pro", "quantity": 5, "proration_billing_mode": "do_not_bill",
            "effective_at": "next_billing_date",
        });
        world.make("POST", &path, later).await?;
        let (status, answer) = world.call("POST", &path, body).await;
        if status == 422 {
            return Err(answer["message"].to_string());
        }
        world.see("answer", format!("{status} {answer}"));
        world.books().await;
        Ok(String::new())
    })
    .await;
}

#[tokio::test]
async fn refund_field_has_effect_or_is_refused() {
    let none = || json!({});
    let part = || json!({ "items": [{ "item_id": "ITEM", "amount": 100 }] });
    let rows = vec![
        ("items[].amount", part(), json!(200), Effect),
        ("items[].item_id", part(), json!("no_such"), Effect),
        ("items[].tax_inclusive", part(), json!(false), Effect),
        ("metadata", none(), json!({ "a": "b" }), Effect),
        ("payment_id", none(), json!("no_such"), Effect),
        ("reason", none(), json!("Late"), Effect),
    ];
    let base = json!({ "payment_id": "PAYMENT" });
    check(("POST", "/refunds"), base, rows, async |world, body| {
        let list = world.make("GET", "/payments", Value::Null).await?;
        let payment = list["items"][0]["payment_id"].as_str().unwrap();
        let path = format!("/payments/{payment}/line-items");
        let items = world.make("GET", &path, Value::Null).await?;
        world.ids.insert("PAYMENT", payment.to_owned());
        world.ids.insert("ITEM", items["items"][0]["items_id"].as_str().unwrap().to_owned());
        let refund = world.make("POST", "/refunds", body).await?;
        world.see("refund", refund);
        world.books().await;
        Ok(String::new())
    })
    .await;
}

#[tokio::test]
async fn changed_subscription_field_has_effect_or_is_refused() {
    let none = || json!({});
    let cancelled = || json!({ "cancel_at_next_billing_date": true });
    let credit = || json!({ "credit_entitlement_cart": [{ "credit_entitlement_id": "CREDIT", "credits_amount": "5" }] });
    let billing = || json!({ "billing": { "country": "DE" } });
    let mut rows: Vec<Row> = vec![
        ("billing.country", none(), json!("DE"), Effect),
        ("cancel_at_next_billing_date", none(), json!(true), Effect),
        ("cancel_reason", cancelled(), json!("cancelled_by_customer"), Effect),
        ("cancellation_comment", none(), json!("A text"), Effect),
        ("cancellation_feedback", none(), json!("too_expensive"), Effect),
        ("customer_business_name", none(), json!("Ada Ltd"), Effect),
        ("customer_name", none(), json!("Eve"), Effect),
        ("disable_on_demand.next_billing_date", none(), json!("2026-03-20T00:00:00Z"), Effect),
        ("metadata", none(), json!({ "a": "b" }), Effect),
        ("next_billing_date", none(), json!("2026-03-20T00:00:00Z"), Effect),
        ("status", none(), json!("paused"), Effect),
        ("subscription_period_count", none(), json!(2), Effect),
        ("subscription_period_interval", none(), json!("Week"), Effect),
        ("tax_id", none(), json!("DE1"), Effect),
    ];
    for field in ["city", "state", "street", "zipcode"] {
        let place = Box::leak(format!("billing.{field}").into_boxed_str());
        rows.push((place, billing(), json!("given"), Effect));
    }
    let terms = |extra: Value| {
        let own = json!({ "credit_entitlement_id": "CREDIT" });
        json!({ "credit_entitlement_cart": [merged(&own, &extra)] })
    };
    let rollover = || terms(json!({ "credits_amount": "100", "rollover_enabled": true }));
    let overage = || terms(json!({ "overage_enabled": true }));
    for (place, extra, value) in [
        ("credit_entitlement_cart[].credit_entitlement_id", credit(), json!("no_such")),
        ("credit_entitlement_cart[].credits_amount", credit(), json!("6")),
        ("credit_entitlement_cart[].expires_after_days", credit(), json!(3)),
        ("credit_entitlement_cart[].low_balance_threshold_percent", credit(), json!(50)),
        ("credit_entitlement_cart[].max_rollover_count", rollover(), json!(0)),
        ("credit_entitlement_cart[].overage_enabled", credit(), json!(true)),
        ("credit_entitlement_cart[].overage_limit", overage(), json!("1")),
        (
            "credit_entitlement_cart[].rollover_enabled",
            terms(json!({ "credits_amount": "100" })),
            json!(true),
        ),
        ("credit_entitlement_cart[].rollover_percentage", rollover(), json!(50)),
        ("credit_entitlement_cart[].rollover_timeframe_count", rollover(), json!(1)),
        ("credit_entitlement_cart[].rollover_timeframe_interval", rollover(), json!("Day")),
    ] {
        rows.push((place, extra, value, Effect));
    }
    rows.push(("pause", none(), json!({}), Refused));
    check(("PATCH", "/subscriptions/x"), none(), rows, async |world, body| {
        let meter = json!({ "meter_id": "METER", "credit_entitlement_id": "CREDIT", "meter_units_per_credit": "2" });
        let product = json!({
            "name": "Metered", "tax_category": "saas", "price": { "meters": [meter] },
            "credit_entitlements": [{ "credit_entitlement_id": "CREDIT", "credits_amount": "10" }],
        });
        let product = merged(&product, &price("usage_based_price"));
        let product = world.make("POST", "/products", product).await?;
        let id = product["product_id"].as_str().unwrap();
        let path = format!("/subscriptions/{}", subscribe(world, id, false, cards::OK).await);
        world.make("PATCH", &path, body).await?;
        for days in [35, 28] {
            world.sandbox.advance(std::time::Duration::from_secs(days * 86_400)).unwrap();
            world.use_up().await;
            world.books().await;
        }
        Ok(String::new())
    })
    .await;
}

#[tokio::test]
async fn charge_field_has_effect_or_is_refused() {
    let none = || json!({});
    let rows = vec![
        ("adaptive_currency_fees_inclusive", none(), json!(true), Refused),
        ("customer_balance_config.allow_customer_credits_purchase", none(), json!(true), Refused),
        ("customer_balance_config.allow_customer_credits_usage", none(), json!(true), Refused),
        ("metadata", none(), json!({ "a": "b" }), Effect),
        ("product_currency", none(), json!("EUR"), Refused),
        ("product_description", none(), json!("Extra"), Effect),
        ("product_price", none(), json!(600), Effect),
    ];
    let base = json!({ "product_price": 500 });
    check(("POST", "/subscriptions/x/charge"), base, rows, async |world, body| {
        let path =
            format!("/subscriptions/{}/charge", subscribe(world, "pdt_pro", true, cards::OK).await);
        world.make("POST", &path, body).await?;
        world.books().await;
        Ok(String::new())
    })
    .await;
}
