//! An order: the goods of POST /checkouts, /payments and /subscriptions. Their bodies differ, and
//! this module reads all three into a page.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::{
    call::Call,
    collections::COLLECTIONS,
    customers::CUSTOMERS,
    rules::{AMOUNT, NO_ADAPTIVE_CURRENCY, Rule, Rules, at_least},
};
use crate::{
    Error,
    flow::quote::quote,
    id,
    state::{
        SandboxState,
        address::Address,
        session::{AddonItem, Buyer, CartItem, CustomField, OnDemand, Session, SessionOrigin},
    },
};

const DAYS: Rule = Rule::Range(0, 10_000);

/// The rules of all three bodies.
pub(crate) const RULES: Rules = &[
    ("product_cart.quantity", at_least(1)),
    ("product_cart.amount", AMOUNT),
    ("product_cart.credit_entitlements", Rule::Absent("set credits on the product")),
    ("one_time_product_cart.quantity", at_least(1)),
    ("one_time_product_cart.amount", AMOUNT),
    ("customer.email", Rule::Email),
    ("custom_fields", Rule::Items(0, 5)),
    ("mandate_min_amount_inr_paise", at_least(1)),
    ("trial_period_days", DAYS),
    ("subscription_data.trial_period_days", DAYS),
    ("on_demand.product_price", AMOUNT),
    ("on_demand.adaptive_currency_fees_inclusive", NO_ADAPTIVE_CURRENCY),
    ("subscription_data.on_demand.product_price", AMOUNT),
    ("subscription_data.on_demand.adaptive_currency_fees_inclusive", NO_ADAPTIVE_CURRENCY),
    ("customization.force_language", Rule::Language),
    ("customization.theme_config.light.*", Rule::Color),
    ("customization.theme_config.dark.*", Rule::Color),
    ("customization.theme_config.font_primary_url", Rule::Url(&["https"])),
    ("customization.theme_config.font_secondary_url", Rule::Url(&["https"])),
    ("customization.theme_config.radius", Rule::CssLength),
    ("customization.theme_config.pay_button_text", Rule::Length(1, 100)),
];

/// Reads `null` as the default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    value: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(value).map(Option::unwrap_or_default)
}

/// The fields of the three bodies. Each body has a part of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    product_cart: Vec<CartItem>,
    product_id: Option<String>,
    quantity: u32,
    #[serde(deserialize_with = "or_default")]
    addons: Vec<AddonItem>,
    #[serde(deserialize_with = "or_default")]
    one_time_product_cart: Vec<CartItem>,
    product_collection_id: Option<String>,
    customer: Option<Buyer>,
    #[serde(alias = "billing")]
    billing_address: Option<Address>,
    #[serde(deserialize_with = "or_default")]
    metadata: Map<String, Value>,
    return_url: Option<String>,
    cancel_url: Option<String>,
    discount_code: Option<String>,
    discount_codes: Option<Vec<String>>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    custom_fields: Vec<CustomField>,
    trial_period_days: Option<u32>,
    on_demand: Option<OnDemand>,
    #[serde(deserialize_with = "or_default")]
    subscription_data: SubscriptionData,
    allowed_payment_method_types: Option<Vec<String>>,
    force_3ds: Option<bool>,
    billing_currency: Option<String>,
    mandate_min_amount_inr_paise: Option<i64>,
    redirect_immediately: Option<bool>,
    require_phone_number: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct SubscriptionData {
    trial_period_days: Option<u32>,
    on_demand: Option<OnDemand>,
}

/// The options that only the page reads.
const PAGE_OPTIONS: [&str; 4] =
    ["customization", "feature_flags", "minimal_address", "show_saved_payment_methods"];

/// Reads the order of a request into a page that lives for 24 hours. Its cart is priced once, so that
/// Dodo's refusals come here.
///
/// # Errors
/// 404 for an unknown object; 422 for an order that Dodo refuses.
pub(crate) fn read(state: &SandboxState, call: &Call, prefix: &str) -> Result<Session, Error> {
    let mut body: Body = call.body()?;
    if body.tax_id.is_some() && body.billing_address.is_none() {
        return Err(Error::invalid("tax_id needs billing_address.country"));
    }
    check_methods(body.allowed_payment_method_types.as_deref())?;
    let mut page: Map<String, Value> = PAGE_OPTIONS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), call.body.get(*name)?.clone())))
        .collect();
    for (name, value) in [
        ("redirect_immediately", body.redirect_immediately),
        ("require_phone_number", body.require_phone_number),
    ] {
        let flags = page.entry("feature_flags").or_insert_with(|| json!({}));
        if let (Some(flags), Some(value)) = (flags.as_object_mut(), value) {
            flags.insert(name.to_owned(), value.into());
        }
    }
    let cart = cart(state, &mut body)?;
    let life = Duration::from_secs(24 * 60 * 60);
    let session = Session::new(state, id::new(prefix), SessionOrigin::Session, life, cart);
    let data = body.subscription_data;
    let mut session = Session {
        page,
        buyer: body.customer.map(|own| buyer(state, own)).transpose()?.unwrap_or_default(),
        address: body.billing_address,
        metadata: body.metadata,
        return_url: body.return_url,
        cancel_url: body.cancel_url,
        currency: body.billing_currency,
        mandate_min: body.mandate_min_amount_inr_paise,
        discount_codes: codes(body.discount_code, body.discount_codes)?,
        custom_fields: body.custom_fields,
        trial_days: body.trial_period_days.or(data.trial_period_days),
        on_demand: body.on_demand.or(data.on_demand),
        tax_id: body.tax_id,
        business_name: body.customer_business_name,
        force_3ds: body.force_3ds == Some(true),
        ..session
    };
    session.buyer.always_new = session.flag("always_create_new_customer", false);
    session.locked = LOCKABLE
        .into_iter()
        .filter(|field| !session.flag(&format!("allow_customer_editing_{field}"), true))
        .collect();
    quote(state, &session.cart, session.terms())?;
    Ok(session)
}

/// The fields of the page that a feature flag may lock.
const LOCKABLE: [&str; 9] =
    ["email", "name", "country", "city", "state", "street", "zipcode", "tax_id", "business_name"];

/// The positions of an order: of its cart, its subscription, or the first product of its collection.
fn cart(state: &SandboxState, body: &mut Body) -> Result<Vec<CartItem>, Error> {
    let mut cart = std::mem::take(&mut body.product_cart);
    if let Some(id) = body.product_id.take() {
        let (quantity, addons) = (body.quantity, std::mem::take(&mut body.addons));
        cart.push(CartItem { quantity, addons, ..CartItem::one(id) });
    }
    cart.append(&mut body.one_time_product_cart);
    if let Some(id) = &body.product_collection_id {
        let products = collection_products(state, id)?;
        if cart.iter().any(|item| !products.contains(&item.product_id)) {
            return Err(Error::invalid("product_cart: a product is not in the collection"));
        }
        if cart.is_empty() {
            cart.extend(products.into_iter().next().map(CartItem::one));
        }
    }
    Ok(cart)
}

/// The ids of a collection's products on offer.
fn collection_products(state: &SandboxState, id: &str) -> Result<Vec<String>, Error> {
    let collection = state.find(&COLLECTIONS, id)?;
    let offered = |item: &&Value| item.get("status") != Some(&Value::Bool(false));
    let groups = collection.list("groups").iter().filter(offered);
    let items = groups.filter_map(|group| group.get("products")?.as_array()).flatten();
    Ok(items
        .filter(offered)
        .filter_map(|item| Some(item.get("product_id")?.as_str()?.to_owned()))
        .collect())
}

/// An existing customer, or the details of a new one.
fn buyer(state: &SandboxState, given: Buyer) -> Result<Buyer, Error> {
    match &given.customer_id {
        Some(id) => Ok(Buyer::known(state.find(&CUSTOMERS, id)?)),
        None if given.email.is_some() => Ok(given),
        None => Err(Error::invalid("customer: customer_id or email is needed")),
    }
}

/// The codes of an order, given one way or the other.
///
/// # Errors
/// 422 if both ways are used.
pub(crate) fn codes(one: Option<String>, many: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    match (one, many) {
        (Some(_), Some(_)) => {
            Err(Error::invalid("discount_code and discount_codes exclude each other"))
        }
        (one, many) => Ok(many.unwrap_or_default().into_iter().chain(one).collect()),
    }
}

/// The sandbox's customers pay by card.
fn check_methods(allowed: Option<&[String]>) -> Result<(), Error> {
    let card = |name: &String| name == "credit" || name == "debit";
    match allowed.is_none_or(|allowed| allowed.iter().any(card)) {
        true => Ok(()),
        false => Err(Error::unprocessable(
            "NO_ELIGIBLE_PAYMENT_METHODS",
            "allowed_payment_method_types: credit or debit is needed",
        )),
    }
}
