//! The catalog: products, their images, files, short links, localized prices and collections.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    credits::CREDIT_ENTITLEMENTS,
    entitlements::ENTITLEMENTS,
    meters::METERS,
    resource::Resource,
    rules::{AMOUNT, Rule, at_least},
};
use crate::{
    Error,
    app::App,
    clock::rfc3339,
    id,
    state::{SandboxState, object::Object, product::Product},
};

pub(crate) static PRODUCTS: Resource<Product> = Resource {
    name: "product",
    path: "/products",
    prefix: "pdt_",
    check: resolve,
    write: Some(write),
    filters: &[
        ("brand_id", |state, own, wanted| state.brand_of(own.id()) == wanted),
        ("recurring", |_, own, wanted| own.recurring.is_some().to_string() == wanted),
    ],
    rules: &[&[
        ("name", Rule::Length(1, 512)),
        ("price.price", AMOUNT),
        ("price.fixed_price", AMOUNT),
        ("price.suggested_price", AMOUNT),
        ("price.trial_amount", AMOUNT),
        ("price.discount", Rule::Range(0, 100)),
        ("price.discount_bps", Rule::Range(0, 10_000)),
        ("price.trial_period_days", Rule::Range(0, 10_000)),
        ("price.payment_frequency_count", at_least(1)),
        ("price.subscription_period_count", at_least(1)),
        ("credit_entitlements.credits_amount", Rule::Credits),
        ("credit_entitlements.overage_limit", Rule::Credits),
        ("credit_entitlements.trial_credits", Rule::Credits),
        ("price.meters.price_per_unit", Rule::Credits),
    ]],
    routes: &[
        ("PUT /products/{}/files", |state, call| {
            state.products.find(call.id())?;
            let id = id::license_key();
            Ok(Reply::Json(json!({ "file_id": id, "url": state.url(&["files", &id]) })))
        }),
        ("POST /products/{}/short_links", create_short_link),
    ],
    ..Resource::PLAIN
};

pub(crate) static ADDONS: Resource = Resource {
    name: "addon",
    path: "/addons",
    prefix: "adn_",
    rules: &[&[("price", AMOUNT)]],
    ..Resource::PLAIN
};

pub(crate) static BRANDS: Resource = Resource {
    name: "brand",
    path: "/brands",
    id: "brand_id",
    prefix: "brnd_",
    defaults: |_| {
        json!({
            "enabled": true,
            "verification_enabled": true,
            "verification_status": "Success",
            "statement_descriptor": "SANDBOX",
        })
    },
    routes: &[("POST /brands/{}/archive", archive_brand)],
    ..Resource::PLAIN
};

pub(crate) static LOCALIZED_PRICES: Resource = Resource {
    name: "localized price",
    path: "/products/{}/localized-prices",
    parents: &[&["product_id"]],
    prefix: "lcp_",
    rules: &[&[("amount", AMOUNT)]],
    check: check_localized_price,
    removable: true,
    ..Resource::PLAIN
};

/// By the last part of their address.
pub(crate) static SHORT_LINKS: Resource =
    Resource { name: "short link", path: "/products/short_links", id: "slug", ..Resource::PLAIN };

/// The targets of all short addresses, by the last part of the address.
static REDIRECTS: Resource = Resource { path: "redirects", ..Resource::PLAIN };

/// A short address that leads to this one.
pub(crate) fn shorten(state: &mut SandboxState, slug: &str, url: &str) -> String {
    state.put(&REDIRECTS, slug.to_owned(), json!({ "url": url }));
    state.url(&["s", slug])
}

fn archive_brand(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(state.now());
    let moved_to = call.text("move_products_to").map(str::to_owned);
    if let Some(to) = &moved_to {
        state.find(&BRANDS, to)?;
    }
    state.find_mut(&BRANDS, call.id())?.set("archived_at", now.clone());
    let own = |product: &&mut Product| product.brand_id.as_deref() == Some(call.id());
    let mut moved = 0;
    for product in state.products.iter_mut().filter(own) {
        product.brand_id.clone_from(&moved_to);
        moved += 1;
    }
    Ok(Reply::Json(json!({
        "archived_at": now,
        "brand_id": call.id(),
        "moved_to_brand_id": moved_to,
        "products_moved": moved,
        "collections_moved": 0,
        "subscriptions_moved": 0,
    })))
}

/// Replaces the ids of attached objects by the summaries that answers show.
fn resolve(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for id in list("addons").iter().filter_map(Value::as_str) {
        state.find(&ADDONS, id)?;
    }
    let meters = fields.get_mut("price").and_then(|price| price.get_mut("meters")?.as_array_mut());
    for meter in meters.into_iter().flatten() {
        let id = meter.get("meter_id").and_then(Value::as_str).unwrap_or_default();
        let own = state.find(&METERS, id)?;
        // Dodo takes these from the meter, whatever the request says.
        if let Some(meter) = meter.as_object_mut() {
            for name in ["name", "description", "measurement_unit"] {
                meter.insert(name.to_owned(), own.get(name).cloned().unwrap_or_default());
            }
        }
    }
    let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let id_of = |item: &Value, name: &str| {
        item.get(name).or(item.get("id")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut entitlements = Vec::new();
    for item in list("entitlements") {
        let object = state.find(&ENTITLEMENTS, &id_of(&item, "entitlement_id"))?;
        entitlements.push(Value::Object(object.fields.clone()));
    }
    let mut credits = Vec::new();
    for item in list("credit_entitlements") {
        let object = state.find(&CREDIT_ENTITLEMENTS, &id_of(&item, "credit_entitlement_id"))?;
        let currency = fields.get("price").and_then(|price| price.get("currency"));
        if item.get("currency").is_some_and(|own| !own.is_null() && Some(own) != currency) {
            return Err(Error::invalid("credit_entitlements: currency must be that of the price"));
        }
        credits.push(mapping(object, &item));
    }
    fields.insert("entitlements".to_owned(), entitlements.into());
    fields.insert("credit_entitlements".to_owned(), credits.into());
    Ok(())
}

/// A product's share of a credit entitlement: the product's terms win over the entitlement's own.
fn mapping(entitlement: &Object, attached: &Value) -> Value {
    let mut fields = entitlement.fields.clone();
    fields.extend([
        ("credit_entitlement_id".to_owned(), json!(entitlement.id)),
        ("credit_entitlement_name".to_owned(), json!(entitlement.text("name"))),
        ("credit_entitlement_unit".to_owned(), json!(entitlement.text("unit"))),
        (
            "overage_limit".to_owned(),
            json!(entitlement.number("overage_limit").map(|limit| limit.to_string())),
        ),
        ("id".to_owned(), json!(id::license_key())),
    ]);
    let own = attached.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    fields.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    fields.into()
}

/// The older way to deliver a link or instructions becomes an entitlement of the product.
fn attach_delivery(state: &mut SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let Some(Value::Object(delivery)) = fields.get("digital_product_delivery") else {
        return Ok(());
    };
    let mut files = delivery.clone();
    files.insert("files".to_owned(), json!([]));
    let entitlement = json!({
        "name": fields.get("name"),
        "integration_type": "digital_files",
        "integration_config": { "digital_files": files },
    });
    let entitlement = entitlement.as_object().cloned().unwrap_or_default();
    let id = ENTITLEMENTS.create(state, entitlement)?;
    let attached = fields.entry("entitlements").or_insert_with(|| json!([]));
    if let Some(attached) = attached.as_array_mut() {
        attached.retain(|own| own.get("integration_type") != Some(&json!("digital_files")));
        attached.push(json!({ "entitlement_id": id }));
    }
    Ok(())
}

/// Adds or changes a product. What a change leaves alone stays: its age and the id of its license keys.
fn write(
    resource: &'static Resource<Product>,
    state: &mut SandboxState,
    id: Option<&str>,
    mut fields: Map<String, Value>,
) -> Result<String, Error> {
    let delivery = "digital_product_delivery";
    let old = id.and_then(|id| state.products.get(id)).and_then(|old| old.fields.get(delivery));
    if old != fields.get(delivery) {
        attach_delivery(state, &mut fields)?;
    }
    (resource.check)(state, &mut fields)?;
    let new_id = || id::new(resource.prefix);
    let id = id.map_or_else(new_id, str::to_owned);
    let mut product = Product::from_fields(id.clone(), fields, state.now())?;
    if let Some(old) = state.products.get(&id) {
        product.created_at = old.created_at;
        if let (Some(new), Some(old)) = (&mut product.license, &old.license) {
            new.entitlement_id.clone_from(&old.entitlement_id);
        }
    }
    state.products.insert(product);
    Ok(id)
}

fn create_short_link(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let slug = call.text("slug").unwrap_or_default();
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    if slug.is_empty() || slug.len() > 64 || !slug.bytes().all(plain) {
        return Err(Error::invalid("slug: 1 to 64 letters, digits, '_' and '-'"));
    }
    if state.get(&REDIRECTS, slug).is_some() {
        return Err(Error::conflict("CONFLICT", "slug: another short link has it"));
    }
    let product_id = state.products.find(call.id())?.id().to_owned();
    let mut full_url = state.url(&["buy", &product_id]);
    let parameters = call.body.get("static_checkout_params").and_then(Value::as_object);
    if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
        let pairs = parameters.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        full_url = format!("{full_url}?{query}");
    }
    let short_url = shorten(state, slug, &full_url);
    let fields = json!({ "product_id": product_id, "full_url": full_url, "short_url": short_url });
    state.put(&SHORT_LINKS, slug.to_owned(), fields);
    Ok(Reply::Json(state.json(&SHORT_LINKS, slug)))
}

/// `GET /s/{slug}`: the page behind a short link.
pub(crate) async fn follow_short_link(
    State(app): State<Arc<App>>,
    Path(slug): Path<String>,
) -> Response {
    match app.with(|state| Some(state.get(&REDIRECTS, &slug)?.str("url").to_owned())) {
        Some(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        None => Error::not_found("short link").into_response(),
    }
}

fn check_localized_price(
    state: &SandboxState,
    fields: &mut Map<String, Value>,
) -> Result<(), Error> {
    let id = fields.get("product_id").and_then(Value::as_str).unwrap_or_default();
    let product = state.products.find(id)?;
    let by_country = fields.get("country_code").is_some_and(|country| !country.is_null());
    let mode = if by_country { "by_country" } else { "by_currency" };
    let mode = product
        .fields
        .get("pricing_mode")
        .filter(|own| !own.is_null())
        .cloned()
        .unwrap_or(json!(mode));
    fields.insert("mode".to_owned(), mode);
    Ok(())
}
