//! Payments, and the older way to start one.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    checkouts::{CartItemBody, CustomerBody, check_currency},
    list::{Created, Query, page},
    prepared,
};
use crate::{Error, app::App, state::customer::Address};

/// GET /payments
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let created = Created::of(&query)?;
    app.with(|world| {
        let rows = world.payments.iter().filter(|payment| {
            let product = |id| payment.lines.iter().any(|line| line.product_id == id);
            let subscription = |id: &str| payment.subscription_ids.iter().any(|own| own == id);
            created.covers(payment.created_at)
                && query.matches("brand_id", Some(&world.brand_id))
                && query.matches("currency", Some(&payment.currency))
                && query.matches("customer_id", Some(&payment.customer_id))
                && query.matches("status", payment.status)
                && query.get("product_id").is_none_or(product)
                && query.get("subscription_id").is_none_or(subscription)
        });
        page(&query, rows, |payment| payment.list_json(world))
    })
}

/// GET /payments/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.payments.find(&id)?.json(world))))
}

/// GET /payments/{id}/line-items
pub(crate) async fn line_items(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.payments.find(&id)?.lines_json())))
}

/// The body of POST /payments.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    billing: Address,
    customer: CustomerBody,
    product_cart: Vec<CartItemBody>,
    #[serde(default)]
    payment_link: Option<bool>,
    #[serde(default)]
    return_url: Option<String>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    billing_currency: Option<String>,
    #[serde(default)]
    discount_code: Option<String>,
    #[serde(default)]
    discount_codes: Option<Vec<String>>,
    #[serde(default)]
    tax_id: Option<String>,
    #[serde(default)]
    customer_business_name: Option<String>,
}

/// POST /payments: a payment that waits for somebody to pay it on its page.
pub(crate) async fn create(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    if !(1..=100).contains(&body.product_cart.len()) {
        return Err(Error::invalid("product_cart: 1 to 100 items"));
    }
    check_currency(body.billing_currency.as_deref())?;
    let cart = CartItemBody::read(body.product_cart)?;
    let order = prepared::Order {
        cart,
        billing: body.billing,
        metadata: body::metadata(body.metadata)?,
        return_url: body::web_url("return_url", body.return_url)?,
        discount_codes: prepared::codes(body.discount_code, body.discount_codes)?,
        trial_days: None,
        on_demand: false,
        tax_id: body.tax_id,
        business_name: body.customer_business_name,
    };
    app.change(|world| {
        let buyer = body.customer.read(world)?;
        if order.cart.iter().any(|item| {
            world.products.get(&item.product_id).is_some_and(|product| product.recurring.is_some())
        }) {
            return Err(Error::invalid(
                "product_cart: subscriptions are sold by POST /subscriptions",
            ));
        }
        if order.cart.iter().any(|item| {
            let product = world.products.get(&item.product_id);
            item.amount.is_none() && product.is_some_and(|product| product.pay_what_you_want)
        }) {
            return Err(Error::unprocessable(
                "PAY_AS_YOU_WANT_AMOUNT_REQUIRED",
                "product_cart: this product needs an amount",
            ));
        }
        let prepared = prepared::payment(world, order, buyer)?;
        let link = (body.payment_link == Some(true)).then_some(&prepared.link);
        Ok(Json(json!({
            "payment_id": prepared.payment_id,
            "client_secret": prepared.client_secret,
            "total_amount": prepared.total,
            "customer": world.customer_json(&prepared.customer_id),
            "metadata": prepared.metadata,
            "payment_link": link,
            "expires_on": link.map(|_| prepared.expires_on),
            "product_cart": prepared.cart,
            "discount_id": null,
            "discount_ids": [],
        })))
    })
}
