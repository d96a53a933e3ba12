//! Checkout sessions.

use std::{sync::Arc, time::Duration};

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    prepared,
};
use crate::{
    Error,
    app::App,
    countries,
    flow::{
        checkout::{self, PayForm},
        quote::{Terms, quote},
    },
    id, money,
    state::{
        World,
        customer::Address,
        session::{Buyer, CartItem, CustomField, Origin, Progress, Session},
    },
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
                Ok(CartItem { product_id: item.product_id, quantity, amount: item.amount })
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
    pub(crate) fn read(self, world: &World) -> Result<Buyer, Error> {
        match (&self.customer_id, &self.email) {
            (Some(id), _) => {
                let customer = world.customers.find(id)?;
                Ok(Buyer {
                    customer_id: Some(customer.id.clone()),
                    email: Some(customer.email.clone()),
                    name: Some(customer.name.clone()),
                    phone: customer.phone.clone(),
                    always_new: false,
                })
            }
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

/// The part of `subscription_data` that the sandbox acts on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SubscriptionData {
    trial_period_days: Option<u32>,
    on_demand: Option<Value>,
}

/// The part of `feature_flags` that the sandbox acts on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FeatureFlags {
    always_create_new_customer: Option<bool>,
}

/// The body of POST /checkouts. Fields that only change how the page looks are not read.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    product_cart: Vec<CartItemBody>,
    customer: Option<CustomerBody>,
    billing_address: Option<Address>,
    billing_currency: Option<String>,
    metadata: Option<Map<String, Value>>,
    return_url: Option<String>,
    cancel_url: Option<String>,
    discount_codes: Option<Vec<String>>,
    discount_code: Option<String>,
    confirm: Option<bool>,
    payment_method_id: Option<String>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    custom_fields: Option<Vec<CustomField>>,
    subscription_data: Option<SubscriptionData>,
    feature_flags: Option<FeatureFlags>,
}

impl Create {
    /// Checks everything, and prices the cart once so that what cannot be sold is refused here.
    fn into_session(self, world: &World) -> Result<Session, Error> {
        if self.product_cart.len() > 20 {
            return Err(Error::invalid("product_cart: at most 20 items"));
        }
        let discount_codes = prepared::codes(self.discount_code, self.discount_codes)?;
        let custom_fields = self.custom_fields.unwrap_or_default();
        if custom_fields.len() > 5 {
            return Err(Error::invalid("custom_fields: at most 5"));
        }
        if let Some(address) = &self.billing_address {
            country("billing_address", &address.country)?;
        }
        if self.tax_id.is_some() && self.billing_address.is_none() {
            return Err(Error::invalid("tax_id needs billing_address.country"));
        }
        check_currency(self.billing_currency.as_deref())?;
        let data = self.subscription_data.unwrap_or_default();
        if data.trial_period_days.is_some_and(|days| days > 10_000) {
            return Err(Error::invalid("subscription_data: trial_period_days is 0 to 10000"));
        }
        let flags = self.feature_flags.unwrap_or_default();
        let mut buyer = self.customer.map(|c| c.read(world)).transpose()?.unwrap_or_default();
        buyer.always_new = flags.always_create_new_customer.unwrap_or(false);
        let now = world.now();
        let session = Session {
            id: id::new("cks_"),
            origin: Origin::Session,
            created_at: now,
            expires_at: world.after(LIFE),
            cart: CartItemBody::read(self.product_cart)?,
            buyer,
            address: self.billing_address,
            metadata: body::metadata(self.metadata)?,
            return_url: body::web_url("return_url", self.return_url)?,
            cancel_url: body::web_url("cancel_url", self.cancel_url)?,
            discount_codes,
            custom_fields,
            trial_days: data.trial_period_days,
            on_demand: data.on_demand.is_some_and(|on_demand| !on_demand.is_null()),
            tax_id: self.tax_id,
            business_name: self.customer_business_name,
            locked: Vec::new(),
            progress: Progress::Open,
            payment_id: None,
            reserved_payment_id: None,
            recovering: None,
        };
        let terms = Terms {
            country: session.address.as_ref().map_or("", |address| &address.country),
            discount_codes: &session.discount_codes,
            trial_days: session.trial_days,
        };
        quote(world, &session.cart, terms)?;
        Ok(session)
    }
}

/// Checks a country's code.
pub(crate) fn country(place: &str, code: &str) -> Result<(), Error> {
    match code.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(()),
        _ => Err(Error::invalid(format!("{place}: country is an ISO 3166-1 alpha-2 code"))),
    }
}

/// Checks a quantity.
pub(crate) fn quantity(place: &str, given: i64) -> Result<u32, Error> {
    let quantity = u32::try_from(given).ok().filter(|count| *count >= 1);
    quantity
        .ok_or_else(|| Error::invalid(format!("{place} must be at least 1 and not absurdly large")))
}

/// Checks a currency's code.
pub(crate) fn check_currency(code: Option<&str>) -> Result<(), Error> {
    match code.map(str::as_bytes) {
        None => Ok(()),
        Some(code) if code.len() == 3 && code.iter().all(u8::is_ascii_uppercase) => Ok(()),
        Some(_) => Err(Error::invalid("billing_currency is an ISO 4217 code")),
    }
}

/// POST /checkouts
pub(crate) async fn create(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    let (confirm, method_id) = (body.confirm == Some(true), body.payment_method_id.clone());
    if method_id.is_some() && !confirm {
        return Err(Error::invalid("payment_method_id needs confirm"));
    }
    app.change(|world| {
        let mut session = body.into_session(world)?;
        if !confirm {
            let answer = answer(&session, Some(session.url(world)), None);
            world.sessions.insert(session);
            return Ok(Json(answer));
        }
        if session.address.is_none() || session.buyer.email.is_none() {
            return Err(Error::invalid("confirm needs customer and billing_address"));
        }
        session.expires_at = world.after(CONFIRMED_LIFE);
        match method_id {
            Some(method_id) => pay_saved(world, session, &method_id),
            None => {
                let payment_id = id::new("pay_");
                session.reserved_payment_id = Some(payment_id.clone());
                let answer = answer(&session, Some(session.url(world)), Some(payment_id));
                world.sessions.insert(session);
                Ok(Json(answer))
            }
        }
    })
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

/// Pays at once with a method that the customer has used before; nobody sees a page.
fn pay_saved(world: &mut World, session: Session, method_id: &str) -> Answer {
    let Some(customer_id) = session.buyer.customer_id.as_deref() else {
        return Err(Error::invalid("payment_method_id needs customer.customer_id"));
    };
    let method = world.payment_method(customer_id, method_id).cloned();
    let form = PayForm {
        email: session.buyer.email.clone().unwrap_or_default(),
        name: session.buyer.name.clone().unwrap_or_default(),
        address: session.address.clone().unwrap_or_default(),
        saved: Some(method.ok_or_else(|| Error::not_found("payment method"))?),
        ..PayForm::default()
    };
    let id = session.id.clone();
    world.sessions.insert(session);
    let paid = checkout::pay(world, &id, form)?;
    Ok(Json(answer(world.sessions.find(&id)?, None, Some(paid.payment_id))))
}

/// GET /checkouts/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.sessions.find(&id)?.json(world))))
}

/// POST /checkouts/preview
pub(crate) async fn preview(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    app.with(|world| {
        let session = body.into_session(world)?;
        let country = session.address.as_ref().map_or("US", |address| &address.country);
        let terms = Terms {
            country,
            discount_codes: &session.discount_codes,
            trial_days: session.trial_days,
        };
        let quote = quote(world, &session.cart, terms)?;
        let rate = money::tax_rate(country);
        let items: Vec<_> = quote
            .lines
            .iter()
            .map(|line| {
                json!({
                    "addons": null,
                    "credit_entitlements": [],
                    "currency": quote.currency,
                    "description": line.product.description,
                    "discount_amount": line.discount,
                    "discount_cycle": null,
                    "discounted_price": line.subtotal - line.discount,
                    "is_subscription": line.recurring().is_some(),
                    "is_usage_based": false,
                    "meters": [],
                    "name": line.product.name,
                    "og_currency": quote.currency,
                    "og_price": line.subtotal,
                    "product_id": line.product.id,
                    "quantity": line.quantity,
                    "tax": line.due.tax,
                    "tax_category": "digital_products",
                    "tax_inclusive": line.product.tax_inclusive,
                    "tax_rate": rate,
                })
            })
            .collect();
        Ok(Json(json!({
            "billing_country": country,
            "currency": quote.currency,
            "current_breakup": {
                "discount": quote.discount,
                "subtotal": quote.subtotal,
                "tax": quote.tax,
                "total_amount": quote.total,
            },
            "is_byop": false,
            "payment_method_required": true,
            "product_cart": items,
            "total_price": quote.total,
            "total_tax": quote.tax,
        })))
    })
}

/// GET /checkout/supported_countries
pub(crate) async fn countries() -> Json {
    Json(countries::NAMES.iter().map(|(code, _)| *code).collect())
}
