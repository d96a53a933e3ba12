//! Checkout sessions.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    body::{self, quantity},
    call::{Call, Reply},
    collections::COLLECTIONS,
    customers::CUSTOMERS,
    orders, products,
    resource::Resource,
};
use crate::{
    Error, countries,
    flow::{
        checkout::{self, PayForm},
        quote::{Terms, quote},
    },
    id, money,
    state::{
        SandboxState,
        address::Address,
        session::{AddonItem, Buyer, CartItem, CustomField, OnDemand, Session, SessionOrigin},
    },
};

pub(crate) static SESSIONS: Resource = Resource {
    name: "checkout session",
    path: "/checkouts",
    typed: Some(|state| &state.sessions),
    routes: &[
        ("POST /checkouts", create),
        ("POST /checkouts/preview", preview),
        ("GET /checkout/supported_countries", |_, _| {
            Ok(Reply::Json(countries::NAMES.iter().map(|(code, _)| *code).collect()))
        }),
    ],
    ..Resource::PLAIN
};

/// How long a session lives.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long one lives that was created with `confirm`.
const CONFIRMED_LIFE: Duration = Duration::from_secs(15 * 60);

/// A position of a cart, as it is sent.
#[derive(Debug, Deserialize)]
pub(crate) struct CartItemBody {
    product_id: String,
    quantity: i64,
    amount: Option<i64>,
    addons: Option<Vec<AddonItem>>,
    credit_entitlements: Option<Vec<Value>>,
}

impl CartItemBody {
    pub(crate) fn read(items: Vec<Self>) -> Result<Vec<CartItem>, Error> {
        items
            .into_iter()
            .map(|item| {
                let quantity = quantity("product_cart: quantity", item.quantity)?;
                if item.amount.is_some_and(|amount| amount < 0) {
                    return Err(Error::invalid("product_cart: amount must not be negative"));
                }
                if item.credit_entitlements.is_some_and(|credits| !credits.is_empty()) {
                    return Err(Error::invalid(
                        "product_cart: the sandbox does not act out credit_entitlements: set them on the product",
                    ));
                }
                let addons = item.addons.unwrap_or_default();
                Ok(CartItem { product_id: item.product_id, quantity, amount: item.amount, addons })
            })
            .collect()
    }
}

/// A customer, as it is sent: an existing one by id, or a new one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CustomerBody {
    customer_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    phone_number: Option<String>,
}

impl CustomerBody {
    pub(crate) fn read(self, state: &SandboxState) -> Result<Buyer, Error> {
        match (&self.customer_id, &self.email) {
            (Some(id), _) => Ok(Buyer::known(state.find(&CUSTOMERS, id)?)),
            (None, Some(email)) if body::is_email(email) => Ok(Buyer {
                customer_id: None,
                email: self.email,
                name: self.name,
                phone: self.phone_number,
                always_new: false,
            }),
            (None, Some(_)) => Err(Error::invalid("customer: email is not an e-mail address")),
            (None, None) => Err(Error::invalid("customer: customer_id or email is needed")),
        }
    }
}

/// The fields of `subscription_data`.
#[derive(Debug, Default, Deserialize)]
struct SubscriptionData {
    trial_period_days: Option<u32>,
    on_demand: Option<OnDemand>,
}

/// The body of POST /checkouts, beside the options of the page.
#[derive(Debug, Deserialize)]
struct Create {
    product_cart: Vec<CartItemBody>,
    customer: Option<CustomerBody>,
    billing_address: Option<Address>,
    metadata: Option<Map<String, Value>>,
    return_url: Option<String>,
    cancel_url: Option<String>,
    discount_codes: Option<Vec<String>>,
    discount_code: Option<String>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    custom_fields: Option<Vec<CustomField>>,
    subscription_data: Option<SubscriptionData>,
    product_collection_id: Option<String>,
    allowed_payment_method_types: Option<Vec<String>>,
    force_3ds: Option<bool>,
    billing_currency: Option<String>,
    mandate_min_amount_inr_paise: Option<i64>,
}

/// The options that only the page reads.
const PAGE_OPTIONS: [&str; 5] = [
    "customization",
    "feature_flags",
    "minimal_address",
    "show_saved_payment_methods",
    "allowed_payment_method_types",
];

impl Create {
    /// Checks the order and prices the cart once, so that Dodo's refusals come here.
    fn into_session(self, state: &SandboxState, call: &Call) -> Result<Session, Error> {
        if self.product_cart.len() > 20 {
            return Err(Error::invalid("product_cart: at most 20 items"));
        }
        let discount_codes = orders::codes(self.discount_code, self.discount_codes)?;
        let custom_fields = self.custom_fields.unwrap_or_default();
        if custom_fields.len() > 5 {
            return Err(Error::invalid("custom_fields: at most 5"));
        }
        if self.tax_id.is_some() && self.billing_address.is_none() {
            return Err(Error::invalid("tax_id needs billing_address.country"));
        }
        check_methods(self.allowed_payment_method_types.as_deref())?;
        let data = self.subscription_data.unwrap_or_default();
        if data.trial_period_days.is_some_and(|days| days > 10_000) {
            return Err(Error::invalid("subscription_data: trial_period_days is 0 to 10000"));
        }
        let page: Map<String, Value> = PAGE_OPTIONS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), call.body.get(*name)?.clone())))
            .collect();
        let mut buyer = self.customer.map(|c| c.read(state)).transpose()?.unwrap_or_default();
        let flags = call.body.get("feature_flags");
        buyer.always_new = flags.and_then(|flags| flags.get("always_create_new_customer"))
            == Some(&Value::Bool(true));
        let mut cart = CartItemBody::read(self.product_cart)?;
        if let Some(id) = &self.product_collection_id {
            let products = collection_products(state, id)?;
            if cart.iter().any(|item| !products.contains(&item.product_id)) {
                return Err(Error::invalid("product_cart: a product is not in the collection"));
            }
            if let (true, Some(first)) = (cart.is_empty(), products.into_iter().next()) {
                let item =
                    CartItem { product_id: first, quantity: 1, amount: None, addons: Vec::new() };
                cart.push(item);
            }
        }
        let session = Session {
            buyer,
            address: self.billing_address,
            metadata: body::metadata(self.metadata)?,
            return_url: body::page_url("return_url", self.return_url)?,
            cancel_url: body::page_url("cancel_url", self.cancel_url)?,
            currency: self.billing_currency,
            mandate_min: body::mandate_min(self.mandate_min_amount_inr_paise)?,
            discount_codes,
            custom_fields,
            trial_days: data.trial_period_days,
            on_demand: data.on_demand,
            tax_id: self.tax_id,
            business_name: self.customer_business_name,
            force_3ds: self.force_3ds == Some(true),
            locked: locked(flags),
            page,
            ..Session::new(state, id::new("cks_"), SessionOrigin::Session, LIFE, cart)
        };
        quote(state, &session.cart, session.terms())?;
        Ok(session)
    }
}

/// The fields of the page that the feature flags lock once they have a value.
fn locked(flags: Option<&Value>) -> Vec<&'static str> {
    let fields = [
        "email",
        "name",
        "country",
        "city",
        "state",
        "street",
        "zipcode",
        "tax_id",
        "business_name",
    ];
    let is_locked = |field: &&&str| {
        let flag = format!("allow_customer_editing_{field}");
        flags.and_then(|flags| flags.get(flag)) == Some(&Value::Bool(false))
    };
    fields.iter().filter(is_locked).copied().collect()
}

/// The sandbox's customers pay by card.
///
/// # Errors
/// 422 if the list has neither `credit` nor `debit`.
pub(crate) fn check_methods(allowed: Option<&[String]>) -> Result<(), Error> {
    let card = |name: &String| name == "credit" || name == "debit";
    match allowed.is_none_or(|allowed| allowed.iter().any(card)) {
        true => Ok(()),
        false => Err(Error::unprocessable(
            "NO_ELIGIBLE_PAYMENT_METHODS",
            "allowed_payment_method_types: credit or debit is needed",
        )),
    }
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

fn create(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let confirm = call.body.get("confirm") == Some(&Value::Bool(true));
    let method_id = call.text("payment_method_id");
    if method_id.is_some() && !confirm {
        return Err(Error::invalid("payment_method_id needs confirm"));
    }
    let mut session = call.body::<Create>()?.into_session(state, call)?;
    if !confirm {
        let mut url = session.url(state);
        if call.body.get("short_link") == Some(&Value::Bool(true)) {
            url = products::shorten(state, &id::new(""), &url);
        }
        let answer = answer(&session, Some(url), None);
        state.sessions.insert(session);
        return Ok(Reply::Json(answer));
    }
    if session.address.is_none() || session.buyer.email.is_none() {
        return Err(Error::invalid("confirm needs customer and billing_address"));
    }
    session.expires_at = state.after(CONFIRMED_LIFE);
    match method_id {
        Some(method_id) => pay_saved(state, session, method_id),
        None => {
            let payment_id = id::new("pay_");
            session.reserved_payment_id = Some(payment_id.clone());
            let answer = answer(&session, Some(session.url(state)), Some(payment_id));
            state.sessions.insert(session);
            Ok(Reply::Json(answer))
        }
    }
}

fn answer(session: &Session, url: Option<String>, payment_id: Option<String>) -> Value {
    let secret = |prefix: &str| payment_id.as_ref().map(|_| id::new(prefix));
    json!({
        "session_id": session.id,
        "checkout_url": url,
        "client_secret": secret("cs_"),
        "publishable_key": secret("pk_"),
        "payment_id": payment_id,
    })
}

/// The form of a customer who pays with a method of an earlier payment.
///
/// # Errors
/// 404 for an unknown method; 422 without a customer.
pub(crate) fn saved_form(
    state: &SandboxState,
    session: &Session,
    method_id: &str,
) -> Result<PayForm, Error> {
    let Some(customer_id) = session.buyer.customer_id.as_deref() else {
        return Err(Error::invalid("payment_method_id needs customer.customer_id"));
    };
    let method = state.payment_method(customer_id, method_id).cloned();
    Ok(PayForm {
        email: session.buyer.email.clone().unwrap_or_default(),
        name: session.buyer.name.clone().unwrap_or_default(),
        address: session.address.clone().unwrap_or_default(),
        saved: Some(method.ok_or_else(|| Error::not_found("payment method"))?),
        ..PayForm::default()
    })
}

/// Pays at once with a method that the customer has used before.
fn pay_saved(state: &mut SandboxState, session: Session, method_id: &str) -> Result<Reply, Error> {
    let form = saved_form(state, &session, method_id)?;
    let id = session.id.clone();
    state.sessions.insert(session);
    let paid = checkout::pay(state, &id, form)?;
    Ok(Reply::Json(answer(state.sessions.find(&id)?, None, Some(paid.payment_id))))
}

fn preview(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let session = call.body::<Create>()?.into_session(state, call)?;
    let country = session.address.as_ref().map_or("US", |address| &address.country);
    let quote = quote(state, &session.cart, Terms { country, ..session.terms() })?;
    let rate = money::tax_rate(country);
    let items: Vec<_> = quote
        .lines
        .iter()
        .map(|line| {
            json!({
                "currency": quote.currency,
                "description": line.product.description,
                "discount_amount": line.discount,
                "discounted_price": line.subtotal - line.discount,
                "is_subscription": line.recurring().is_some(),
                "is_usage_based": !line.product.meters.is_empty(),
                "meters": line.product.meters.iter().map(|price| price.details(state)).collect::<Vec<_>>(),
                "addons": line.addons.iter().map(|addon| addon.preview(line.product.tax_inclusive, rate)).collect::<Vec<_>>(),
                "name": line.product.name,
                "og_currency": quote.currency,
                "og_price": line.subtotal,
                "product_id": line.product.id,
                "quantity": line.quantity,
                "tax": line.due.tax,
                "tax_category": line.product.tax_category(),
                "tax_inclusive": line.product.tax_inclusive,
                "tax_rate": rate,
            })
        })
        .collect();
    let renewals: i64 = quote.lines.iter().map(|line| line.recurring_amount).sum();
    Ok(Reply::Json(json!({
        "billing_country": country,
        "currency": quote.currency,
        "current_breakup": {
            "discount": quote.discount,
            "subtotal": quote.subtotal,
            "tax": quote.tax,
            "total_amount": quote.total,
        },
        "recurring_breakup": quote.lines.iter().any(|line| line.recurring().is_some()).then(|| json!({
            "discount": 0,
            "subtotal": renewals,
            "total_amount": renewals,
        })),
        "is_byop": false,
        "payment_method_required": true,
        "product_cart": items,
        "total_price": quote.total,
        "total_tax": quote.tax,
    })))
}
