//! The older way to sell, `POST /payments` and `POST /subscriptions`: the payment and the subscription
//! exist before the customer pays, and the page belongs to them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    checkouts,
    customers::CUSTOMERS,
    products::shorten,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::{checkout, quote::quote},
    id,
    state::{
        SandboxState,
        payment::Payment,
        session::{Buyer, CartItem, Session, SessionOrigin},
    },
};

const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Creates a payment that waits for the customer, and its subscription where the first position is
/// one.
///
/// # Errors
/// 404 and 422 as a checkout session.
pub(crate) fn create(state: &mut SandboxState, call: &Call, page: Session) -> Result<Reply, Error> {
    let method = call.text("payment_method_id");
    let saved = method.map(|id| checkouts::saved_form(state, &page, id)).transpose()?;
    let (page_id, payment_id) = prepare(state, page)?;
    if let Some(form) = saved {
        checkout::pay(state, &page_id, form)?;
    }
    let link = state.sessions.find(&page_id)?.url(state);
    let is_on = |name: &str| call.body.get(name) == Some(&Value::Bool(true));
    let link = match is_on("short_link") {
        true => shorten(state, &id::new(""), &link),
        false => link,
    };
    let (page, payment) = (state.sessions.find(&page_id)?, state.payments.find(&payment_id)?);
    let subscription = payment.subscription_id().and_then(|id| state.subscriptions.get(id));
    let with_link = is_on("payment_link");
    let items = |skipped| -> Vec<_> {
        let item =
            |own: &CartItem| json!({ "product_id": own.product_id, "quantity": own.quantity });
        page.cart.iter().skip(skipped).map(item).collect()
    };
    let one_time = items(1);
    Ok(Reply::Json(json!({
        "addons": call.body.get("addons"),
        "client_secret": id::new("cs_"),
        "customer": state.customer_json(&payment.customer_id),
        "discount_ids": [],
        "expires_on": with_link.then(|| rfc3339(page.expires_at)),
        "metadata": payment.metadata,
        "one_time_product_cart": (!one_time.is_empty()).then_some(one_time),
        "payment_id": payment.id,
        "payment_link": with_link.then_some(link),
        "payment_method_required": payment.total > 0 || page.needs_method(state),
        "product_cart": items(0),
        "recurring_pre_tax_amount": subscription.map_or(0, |own| own.recurring_amount),
        "subscription_id": subscription.map(|own| &own.id),
        "total_amount": payment.total,
        "trial_amount": subscription.and_then(|own| own.trial_amount),
    })))
}

/// Adds the objects that a page belongs to. Returns the ids of the page and of the payment.
fn prepare(state: &mut SandboxState, mut page: Session) -> Result<(String, String), Error> {
    let quote = quote(state, &page.cart, page.terms())?;
    let now = state.now();
    let customer_id = checkout::customer(state, &page.buyer);
    let billing = page.address.clone().unwrap_or_default();
    let subscription = checkout::subscription(now, &quote, 0).map(|mut subscription| {
        subscription.customer_id.clone_from(&customer_id);
        subscription.billing = billing.clone();
        subscription.metadata = page.metadata.clone();
        subscription.on_demand = page.on_demand.is_some();
        subscription.tax_id.clone_from(&page.tax_id);
        subscription.business_name.clone_from(&page.business_name);
        subscription
    });
    let payment = Payment {
        id: id::new("pay_"),
        status: Some("requires_payment_method"),
        created_at: now,
        currency: quote.currency.clone(),
        lines: checkout::lines(&quote),
        total: quote.total,
        tax: quote.tax,
        customer_id,
        billing,
        link: Some(page.url(state)),
        discounts: quote.discounts,
        metadata: page.metadata.clone(),
        subscription_ids: subscription.iter().map(|s| s.id.clone()).collect(),
        force_3ds: page.force_3ds,
        ..Payment::default()
    };
    let ids = (page.id.clone(), payment.id.clone());
    page.origin = match &subscription {
        Some(subscription) => SessionOrigin::Subscription {
            subscription_id: subscription.id.clone(),
            payment_id: payment.id.clone(),
        },
        None => SessionOrigin::Payment { payment_id: payment.id.clone() },
    };
    state.payments.insert(payment);
    state.sessions.insert(page);
    if let Some(subscription) = subscription {
        state.subscriptions.insert(subscription);
    }
    Ok(ids)
}

/// Adds a page on which a subscription gets a new payment method, and returns its address.
///
/// # Errors
/// 404 for an unknown subscription.
pub(crate) fn method_page(
    state: &mut SandboxState,
    subscription_id: &str,
    return_url: Option<String>,
) -> Result<String, Error> {
    let subscription = state.subscriptions.find(subscription_id)?;
    let customer = state.get(&CUSTOMERS, &subscription.customer_id);
    let origin = SessionOrigin::PaymentMethod { subscription_id: subscription_id.to_owned() };
    let page = Session {
        buyer: customer.map(Buyer::known).unwrap_or_default(),
        address: Some(subscription.billing.clone()),
        return_url,
        ..Session::new(state, id::new("lnk_"), origin, LIFE, Vec::new())
    };
    let url = page.url(state);
    state.sessions.insert(page);
    Ok(url)
}
