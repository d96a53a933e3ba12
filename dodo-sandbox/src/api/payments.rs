//! Payments, and the older way to start one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Reply, Route},
    checkouts::CartItemBody,
    list::list,
    orders::{Common, Ordered},
    prepared,
};
use crate::{Error, clock::rfc3339, flow::renewal, state::World};

pub(crate) const ROUTES: &[Route] = &[
    ("GET /payments", |world, call| list(world, call, &world.payments)),
    ("POST /payments", create),
    ("GET /payments/{}", |world, call| {
        Ok(Reply::Json(world.payments.find(call.id())?.json(world)))
    }),
    ("GET /payments/{}/line-items", |world, call| {
        Ok(Reply::Json(world.payments.find(call.id())?.lines_json()))
    }),
    ("GET /payments/{}/retry", retry_state),
    ("POST /payments/{}/retry", retry),
];

/// The body of POST /payments, beside the common part.
#[derive(Debug, Deserialize)]
struct Create {
    product_cart: Vec<CartItemBody>,
}

/// A payment that waits for the customer on its page.
fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let body: Create = call.body()?;
    if !(1..=100).contains(&body.product_cart.len()) {
        return Err(Error::invalid("product_cart: 1 to 100 items"));
    }
    let cart = CartItemBody::read(body.product_cart)?;
    let Ordered { order, customer, with_link } = call.body::<Common>()?.order(cart)?;
    let buyer = customer.read(world)?;
    let products = order.cart.iter().map(|item| (item, world.products.get(&item.product_id)));
    for (item, product) in products {
        let Some(product) = product else { continue };
        if product.recurring.is_some() {
            return Err(Error::invalid("product_cart: POST /subscriptions sells subscriptions"));
        }
        if item.amount.is_none() && product.pay_what_you_want {
            return Err(Error::unprocessable(
                "PAY_AS_YOU_WANT_AMOUNT_REQUIRED",
                "product_cart: this product needs an amount",
            ));
        }
    }
    let prepared = prepared::payment(world, order, buyer)?;
    let link = with_link.then_some(&prepared.link);
    Ok(Reply::Json(json!({
        "payment_id": prepared.payment_id,
        "client_secret": prepared.client_secret,
        "total_amount": prepared.total,
        "customer": world.customer_json(&prepared.customer_id),
        "metadata": prepared.metadata,
        "payment_link": link,
        "expires_on": link.map(|_| prepared.expires_on),
        "product_cart": prepared.cart,
        "discount_ids": [],
    })))
}

/// How often a merchant may retry a failed renewal.
const SENDS_ALLOWED: u32 = 3;

/// The failed renewal of a payment: its subscription, the retries so far, and the reason why no
/// further one is possible.
fn failed_renewal(
    world: &World,
    payment_id: &str,
) -> Result<(Option<String>, u32, Option<&'static str>), Error> {
    let payment = world.payments.find(payment_id)?;
    let subscription = payment.subscription_id().and_then(|id| world.subscriptions.get(id));
    let recovery = subscription.and_then(|subscription| subscription.recovery.as_ref());
    let used = recovery.map_or(0, |recovery| recovery.manual_retries);
    let reason = match (payment.status, recovery) {
        (Some("failed"), Some(_)) if used < SENDS_ALLOWED => None,
        (Some("failed"), Some(_)) => Some("no_sends_left"),
        (Some("failed"), None) => Some("not_a_renewal"),
        _ => Some("payment_not_failed"),
    };
    Ok((subscription.map(|subscription| subscription.id.clone()), used, reason))
}

fn retry_state(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let (_, used, reason) = failed_renewal(world, call.id())?;
    Ok(Reply::Json(json!({
        "can_retry": reason.is_none(),
        "reason": reason,
        "retry_available_at": reason.is_none().then(|| rfc3339(world.now())),
        "sends_allowed": SENDS_ALLOWED,
        "sends_used": used,
    })))
}

fn retry(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let (subscription_id, used, reason) = failed_renewal(world, call.id())?;
    let Some(subscription_id) = subscription_id.filter(|_| reason.is_none()) else {
        let message = "this payment cannot be retried";
        return Err(Error::conflict("PAYMENT_RETRY_NOT_ALLOWED", message));
    };
    let invoice = world.payments.find(call.id())?.invoice_id.clone();
    let payment_id = renewal::retry_by_hand(world, &subscription_id)?;
    let payment = world.payments.find(&payment_id)?;
    Ok(Reply::Json(json!({
        "invoice_id": payment.invoice_id.clone().or(invoice).map_or_else(|| Value::from(crate::id::new("inv_")), Value::from),
        "is_manual_retry": true,
        "payment_id": payment_id,
        "retry_attempt": payment.retry_attempt,
        "sends_allowed": SENDS_ALLOWED,
        "sends_used": used + 1,
        "status": payment.status,
    })))
}
