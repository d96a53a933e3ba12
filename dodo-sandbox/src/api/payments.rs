//! Payments, and the older way to start one.

use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    order, orders,
    resource::Resource,
    rules::Rule,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::renewal,
    state::{SandboxState, payment::Payment},
};

pub(crate) static PAYMENTS: Resource<Payment> = Resource {
    name: "payment",
    path: "/payments",
    payload_type: "Payment",
    rules: &[order::RULES, &[("product_cart", Rule::Items(1, 100))]],
    filters: &[
        ("brand_id", |state, own, wanted| own.brand_id(state) == wanted),
        ("currency", |_, own, wanted| own.currency == wanted),
        ("customer_id", |_, own, wanted| own.customer_id == wanted),
        ("product_id", |_, own, wanted| own.lines.iter().any(|line| line.product_id == wanted)),
        ("status", |_, own, wanted| own.status == Some(wanted)),
        ("subscription_id", |_, own, wanted| own.subscription_ids.iter().any(|id| id == wanted)),
    ],
    routes: &[
        ("POST /payments", create),
        ("GET /payments/{}/line-items", |state, call| {
            Ok(Reply::Json(state.payments.find(call.id())?.lines_json()))
        }),
        ("GET /payments/{}/retry", retry_state),
        ("POST /payments/{}/retry", retry),
    ],
    ..Resource::PLAIN
};

/// A payment that waits for the customer on its page.
fn create(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let order = order::read(state, call, "lnk_")?;
    for item in &order.cart {
        let product = state.products.find(&item.product_id)?;
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
    orders::create(state, call, order)
}

/// How often a merchant may retry a failed renewal.
const SENDS_ALLOWED: u32 = 3;

/// The failed renewal of a payment: its subscription, the retries so far, and the reason why no
/// further one is possible.
fn failed_renewal(
    state: &SandboxState,
    payment_id: &str,
) -> Result<(Option<String>, u32, Option<&'static str>), Error> {
    let payment = state.payments.find(payment_id)?;
    let subscription = payment.subscription_id().and_then(|id| state.subscriptions.get(id));
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

fn retry_state(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let (_, used, reason) = failed_renewal(state, call.id())?;
    Ok(Reply::Json(json!({
        "can_retry": reason.is_none(),
        "reason": reason,
        "retry_available_at": reason.is_none().then(|| rfc3339(state.now())),
        "sends_allowed": SENDS_ALLOWED,
        "sends_used": used,
    })))
}

fn retry(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let (subscription_id, used, reason) = failed_renewal(state, call.id())?;
    let Some(subscription_id) = subscription_id.filter(|_| reason.is_none()) else {
        let message = "this payment cannot be retried";
        return Err(Error::conflict("PAYMENT_RETRY_NOT_ALLOWED", message));
    };
    let invoice = state.payments.find(call.id())?.invoice_id.clone();
    let payment_id = renewal::retry_by_hand(state, &subscription_id)?;
    let payment = state.payments.find(&payment_id)?;
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
