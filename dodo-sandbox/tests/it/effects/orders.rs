//! The fields of orders: checkout sessions, and the older payments and subscriptions.

use serde_json::{Value, json};

use super::{Expected::*, Row, World, check, merged};

const COLORS: [&str; 16] = [
    "bg_primary",
    "bg_secondary",
    "border_primary",
    "border_secondary",
    "button_primary",
    "button_primary_hover",
    "button_secondary",
    "button_secondary_hover",
    "button_text_primary",
    "button_text_secondary",
    "input_focus_border",
    "text_error",
    "text_placeholder",
    "text_primary",
    "text_secondary",
    "text_success",
];

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The fields of an address; `name` is its place.
fn address(name: &str) -> Vec<Row> {
    let at = |field: &str| leak(format!("{name}.{field}"));
    let given = json!({ name: { "country": "DE" } });
    let mut rows = vec![(at("country"), json!({ name: { "country": "US" } }), json!("DE"), Effect)];
    for field in ["city", "state", "street", "zipcode"] {
        rows.push((at(field), given.clone(), json!("given"), Effect));
    }
    rows
}

/// Replaces the new customer by one with a saved card.
fn known_customer() -> Value {
    json!({ "customer": { "email": null, "name": null, "customer_id": "CUSTOMER" } })
}

/// The fields of a new customer, or of an existing one.
fn customer() -> Vec<Row> {
    let new = json!({ "customer": { "email": "bob@example.com", "name": "Bob" } });
    vec![
        ("customer.customer_id", known_customer(), json!("no_such"), Effect),
        ("customer.email", new.clone(), json!("eve@example.com"), Effect),
        ("customer.name", new.clone(), json!("Eve"), Effect),
        ("customer.phone_number", new, json!("+49 30 1"), Effect),
    ]
}

/// The fields that all orders have.
fn common(address_name: &str) -> Vec<Row> {
    let none = || json!({});
    let mut rows = address(address_name);
    rows.extend(customer());
    rows.extend([
        ("allowed_payment_method_types", none(), json!(["klarna"]), Refused),
        ("discount_code", none(), json!("HALF"), Effect),
        ("discount_codes", none(), json!(["HALF"]), Effect),
        ("billing_currency", none(), json!("EUR"), Refused),
        ("customer_business_name", none(), json!("Ada Ltd"), Effect),
        ("force_3ds", none(), json!(true), Effect),
        ("metadata", none(), json!({ "plan": "x" }), Effect),
        ("return_url", none(), json!("https://example.com/done"), Effect),
        ("short_link", none(), json!(true), Effect),
        ("show_saved_payment_methods", known_customer(), json!(true), Effect),
        ("tax_id", none(), json!("DE1"), Effect),
    ]);
    rows
}

#[tokio::test]
async fn checkout_field_has_effect_or_is_refused() {
    let none = || json!({});
    let on_demand = || json!({ "subscription_data": { "on_demand": { "mandate_only": false } } });
    let question = |kind: &str| json!({ "custom_fields": [{ "field_type": kind, "key": "q", "label": "Question", "options": ["a", "b"] }] });
    let item =
        |product: &str| json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    let addon = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1, "addons": [{ "addon_id": "ADDON", "quantity": 1 }] }] });
    let confirmed = merged(&known_customer(), &json!({ "confirm": true }));
    let mut rows = common("billing_address");
    rows.retain(|(place, ..)| *place != "allowed_payment_method_types");
    rows.extend([
        ("allowed_payment_method_types", none(), json!(["klarna"]), Refused),
        ("cancel_url", none(), json!("https://example.com/cart"), Effect),
        ("confirm", none(), json!(true), Effect),
        ("custom_fields[].field_type", question("text"), json!("dropdown"), Effect),
        ("custom_fields[].key", question("text"), json!("other"), Effect),
        ("custom_fields[].label", question("text"), json!("Other"), Effect),
        ("custom_fields[].options", question("dropdown"), json!(["c"]), Effect),
        ("custom_fields[].placeholder", question("text"), json!("Type"), Effect),
        ("custom_fields[].required", question("text"), json!(true), Effect),
        ("customization.force_language", none(), json!("es"), Effect),
        ("customization.show_on_demand_tag", on_demand(), json!(false), Effect),
        ("customization.show_order_details", none(), json!(false), Effect),
        ("customization.theme", none(), json!("dark"), Effect),
        ("customization.theme_config.font_primary_url", none(), json!("https://example.com/a.woff2"), Effect),
        ("customization.theme_config.font_secondary_url", none(), json!("https://example.com/b.woff2"), Effect),
        ("customization.theme_config.font_size", none(), json!("xl"), Effect),
        ("customization.theme_config.font_weight", none(), json!("bold"), Effect),
        ("customization.theme_config.pay_button_text", none(), json!("Subscribe now"), Effect),
        ("customization.theme_config.radius", none(), json!("2px"), Effect),
        ("minimal_address", none(), json!(true), Effect),
        ("mandate_min_amount_inr_paise", json!({ "product_cart": [{ "product_id": "pdt_india", "quantity": 1 }], "billing_address": { "country": "IN" } }), json!(1), Effect),
        ("payment_method_id", confirmed, json!("METHOD"), Effect),
        ("product_cart[].addons[].addon_id", addon.clone(), json!("no_such"), Effect),
        ("product_cart[].addons[].quantity", addon, json!(2), Effect),
        ("product_cart[].amount", item("pdt_tip"), json!(900), Effect),
        ("product_cart[].credit_entitlements[].credit_entitlement_id", none(), json!("CREDIT"), Effect),
        ("product_cart[].credit_entitlements[].credits_amount", none(), json!("6"), Effect),
        ("product_cart[].product_id", none(), json!("pdt_book"), Effect),
        ("product_cart[].quantity", none(), json!(2), Effect),
        ("product_collection_id", item("pdt_book"), json!("COLLECTION"), Effect),
        ("subscription_data.on_demand.adaptive_currency_fees_inclusive", on_demand(), json!(true), Refused),
        ("subscription_data.on_demand.mandate_only", on_demand(), json!(true), Effect),
        ("subscription_data.on_demand.product_currency", on_demand(), json!("EUR"), Refused),
        ("subscription_data.on_demand.product_description", on_demand(), json!("Setup"), Effect),
        ("subscription_data.on_demand.product_price", on_demand(), json!(700), Effect),
        ("subscription_data.trial_period_days", none(), json!(9), Effect),
    ]);
    for mode in ["light", "dark"] {
        for color in COLORS {
            let place = leak(format!("customization.theme_config.{mode}.{color}"));
            rows.push((place, none(), json!("rgb(1, 2, 3)"), Effect));
        }
    }
    let address =
        json!({ "country": "DE", "city": "A", "state": "B", "street": "C", "zipcode": "D" });
    let known = json!({ "billing_address": address, "tax_id": "T", "customer_business_name": "B" });
    for field in [
        "business_name",
        "city",
        "country",
        "email",
        "name",
        "state",
        "street",
        "tax_id",
        "zipcode",
    ] {
        let place = leak(format!("feature_flags.allow_customer_editing_{field}"));
        rows.push((place, known.clone(), json!(false), Effect));
    }
    rows.extend([
        ("feature_flags.allow_currency_selection", item("pdt_book"), json!(false), Effect),
        ("feature_flags.allow_discount_code", none(), json!(false), Effect),
        ("feature_flags.allow_editing_addons", none(), json!(true), Effect),
        ("feature_flags.allow_phone_number_collection", none(), json!(false), Effect),
        ("feature_flags.allow_tax_id", none(), json!(false), Effect),
        ("feature_flags.always_create_new_customer", none(), json!(true), Effect),
        (
            "feature_flags.redirect_immediately",
            json!({ "return_url": "https://example.com/done" }),
            json!(false),
            Effect,
        ),
        ("feature_flags.require_cardholder_name", none(), json!(true), Effect),
        ("feature_flags.require_phone_number", none(), json!(true), Effect),
        ("feature_flags.require_tax_id", none(), json!(true), Effect),
        ("feature_flags.single_page", none(), json!(true), Effect),
    ]);
    let base = json!({
        "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
        "customer": { "email": "ada@example.com", "name": "Ada" },
        "billing_address": { "country": "US" },
    });
    check(("POST", "/checkouts"), base, rows, async |world, body| {
        let price = json!({ "amount": 1800, "currency": "GBP" });
        world.make("POST", "/products/pdt_book/localized-prices", price).await?;
        let answer = world.make("POST", "/checkouts", body).await?;
        world.see("answer", &answer);
        match answer["checkout_url"].as_str() {
            Some(url) => world.buy(url).await,
            None => world.books().await,
        }
        Ok(String::new())
    })
    .await;
}

/// Creates an older order and pays it on its page.
async fn order(world: &mut World, path: &str, body: Value) -> Result<String, String> {
    let answer = world.make("POST", path, body).await?;
    world.see("answer", &answer);
    match answer["payment_link"].as_str() {
        Some(url) => world.buy(url).await,
        None => world.books().await,
    }
    Ok(String::new())
}

/// The fields that only the older orders have.
fn older() -> Vec<Row> {
    let mut rows = common("billing");
    rows.extend([
        ("payment_link", json!({ "payment_link": false }), json!(true), Effect),
        ("payment_method_id", known_customer(), json!("METHOD"), Effect),
        (
            "redirect_immediately",
            json!({ "return_url": "https://example.com/done" }),
            json!(false),
            Effect,
        ),
        ("require_phone_number", json!({}), json!(true), Effect),
    ]);
    rows
}

#[tokio::test]
async fn payment_field_has_effect_or_is_refused() {
    let mut rows = older();
    let item = |product: &str| json!({ "product_cart": [{ "product_id": product, "quantity": 1, "amount": 500 }] });
    rows.extend([
        ("adaptive_currency_fees_inclusive", json!({}), json!(true), Refused),
        ("product_cart[].amount", item("pdt_tip"), json!(900), Effect),
        ("product_cart[].product_id", json!({}), json!("pdt_tip"), Effect),
        ("product_cart[].quantity", json!({}), json!(2), Effect),
    ]);
    let base = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        "customer": { "email": "ada@example.com", "name": "Ada" },
        "billing": { "country": "US" },
        "payment_link": true,
    });
    check(("POST", "/payments"), base, rows, async |world, body| {
        order(world, "/payments", body).await
    })
    .await;
}

#[tokio::test]
async fn subscription_field_has_effect_or_is_refused() {
    let mut rows = older();
    let on_demand = || json!({ "on_demand": { "mandate_only": false } });
    let addon = json!({ "addons": [{ "addon_id": "ADDON", "quantity": 1 }] });
    let cart = json!({ "one_time_product_cart": [{ "product_id": "pdt_tip", "quantity": 1, "amount": 500 }] });
    let india = json!({ "product_id": "pdt_india", "billing": { "country": "IN" } });
    rows.extend([
        ("addons[].addon_id", addon.clone(), json!("no_such"), Effect),
        ("addons[].quantity", addon, json!(2), Effect),
        ("mandate_min_amount_inr_paise", india, json!(1), Effect),
        ("on_demand.adaptive_currency_fees_inclusive", on_demand(), json!(true), Refused),
        ("on_demand.mandate_only", on_demand(), json!(true), Effect),
        ("on_demand.product_currency", on_demand(), json!("EUR"), Refused),
        ("on_demand.product_description", on_demand(), json!("Setup"), Effect),
        ("on_demand.product_price", on_demand(), json!(700), Effect),
        ("one_time_product_cart[].amount", cart.clone(), json!(900), Effect),
        ("one_time_product_cart[].product_id", cart.clone(), json!("pdt_book"), Effect),
        ("one_time_product_cart[].quantity", cart, json!(2), Effect),
        ("product_id", json!({}), json!("pdt_book"), Refused),
        ("quantity", json!({}), json!(2), Effect),
        ("trial_period_days", json!({}), json!(9), Effect),
    ]);
    let base = json!({
        "product_id": "pdt_pro",
        "quantity": 1,
        "customer": { "email": "ada@example.com", "name": "Ada" },
        "billing": { "country": "US" },
        "payment_link": true,
    });
    let act = async |world: &mut World, body| order(world, "/subscriptions", body).await;
    check(("POST", "/subscriptions"), base, rows, act).await;
}
