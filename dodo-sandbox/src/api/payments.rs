//! Payments, and the older way to start one.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;
use serde_json::json;

use super::{
    Answer, Json,
    body::Body,
    checkouts::CartItemBody,
    common::{Both, Common, Ordered},
    list::{Created, Query, page},
    prepared,
};
use crate::{Error, app::App};

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

/// The body of POST /payments, beside what it has in common with that of subscriptions.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    product_cart: Vec<CartItemBody>,
}

/// POST /payments: a payment that waits for somebody to pay it on its page.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Body(Both(body, common)): Body<Both<Create, Common>>,
) -> Answer {
    if !(1..=100).contains(&body.product_cart.len()) {
        return Err(Error::invalid("product_cart: 1 to 100 items"));
    }
    let Ordered { order, customer, with_link } =
        common.order(CartItemBody::read(body.product_cart)?)?;
    app.change(|world| {
        let buyer = customer.read(world)?;
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
        let link = with_link.then_some(&prepared.link);
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
