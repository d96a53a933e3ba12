//! The older way to sell: the payment and the subscription exist before anybody pays, and the page
//! belongs to them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    Error,
    clock::rfc3339,
    flow::{
        checkout,
        quote::{Terms, quote},
    },
    id,
    state::{
        World,
        customer::Address,
        payment::{ChargeType, Payment},
        session::{Buyer, CartItem, Origin, Session},
    },
};

const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is ordered.
pub(crate) struct Order {
    pub(crate) cart: Vec<CartItem>,
    pub(crate) billing: Address,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) return_url: Option<String>,
    pub(crate) discount_codes: Vec<String>,
    pub(crate) trial_days: Option<u32>,
    pub(crate) on_demand: bool,
    pub(crate) tax_id: Option<String>,
    pub(crate) business_name: Option<String>,
    pub(crate) force_3ds: bool,
}

/// What was prepared.
pub(crate) struct Prepared {
    pub(crate) payment_id: String,
    pub(crate) subscription_id: Option<String>,
    pub(crate) client_secret: String,
    pub(crate) customer_id: String,
    pub(crate) total: i64,
    pub(crate) recurring_amount: i64,
    pub(crate) trial_amount: Option<i64>,
    pub(crate) link: String,
    pub(crate) expires_on: String,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) cart: Vec<Value>,
}

/// The codes of an order, given one way or the other.
///
/// # Errors
/// 422 when both ways are used or there are more than 20.
pub(crate) fn codes(one: Option<String>, many: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    if one.is_some() && many.is_some() {
        return Err(Error::invalid("discount_code and discount_codes exclude each other"));
    }
    let codes: Vec<_> = many.unwrap_or_default().into_iter().chain(one).collect();
    if codes.len() > 20 {
        return Err(Error::invalid("discount_codes: at most 20"));
    }
    Ok(codes)
}

/// Prepares a payment, and its subscription where the first position is one.
///
/// # Errors
/// 404 and 422 as a checkout session.
pub(crate) fn payment(world: &mut World, order: Order, buyer: Buyer) -> Result<Prepared, Error> {
    let terms = Terms {
        country: &order.billing.country,
        discount_codes: &order.discount_codes,
        trial_days: order.trial_days,
        customer_id: buyer.customer_id.as_deref(),
    };
    let quote = quote(world, &order.cart, terms)?;
    let now = world.now();
    let customer_id = checkout::customer(world, &buyer);
    let subscription = checkout::subscription(now, &quote, 0).map(|mut subscription| {
        subscription.customer_id.clone_from(&customer_id);
        subscription.billing = order.billing.clone();
        subscription.metadata = order.metadata.clone();
        subscription.on_demand = order.on_demand;
        subscription.tax_id.clone_from(&order.tax_id);
        subscription.business_name.clone_from(&order.business_name);
        subscription
    });
    let payment = Payment {
        id: id::new("pay_"),
        status: Some("requires_payment_method"),
        created_at: now,
        updated_at: None,
        currency: quote.currency.clone(),
        lines: checkout::lines(&quote),
        total: quote.total,
        tax: quote.tax,
        customer_id: customer_id.clone(),
        billing: order.billing.clone(),
        method: None,
        session_id: None,
        link: None,
        custom_fields: None,
        discounts: quote.discounts.clone(),
        error: None,
        invoice_id: None,
        metadata: order.metadata.clone(),
        subscription_ids: subscription.iter().map(|s| s.id.clone()).collect(),
        update_payment_method: false,
        retry_attempt: 0,
        charge_type: ChargeType::New,
        periods: Vec::new(),
        includes_usage: false,
        force_3ds: order.force_3ds,
        abandonment_seen: false,
    };
    let origin = match &subscription {
        Some(subscription) => Origin::Subscription {
            subscription_id: subscription.id.clone(),
            payment_id: payment.id.clone(),
        },
        None => Origin::Payment { payment_id: payment.id.clone() },
    };
    let session = page(world, order, buyer, origin);
    let prepared = Prepared {
        payment_id: payment.id.clone(),
        subscription_id: subscription.as_ref().map(|s| s.id.clone()),
        client_secret: id::new("cs_"),
        customer_id,
        total: quote.total,
        recurring_amount: subscription.as_ref().map_or(0, |s| s.recurring_amount),
        trial_amount: subscription.as_ref().and_then(|s| s.trial_amount),
        link: session.url(world),
        expires_on: rfc3339(session.expires_at),
        metadata: session.metadata.clone(),
        cart: session
            .cart
            .iter()
            .map(|item| json!({ "product_id": item.product_id, "quantity": item.quantity }))
            .collect(),
    };
    world.payments.insert(Payment { link: Some(prepared.link.clone()), ..payment });
    world.sessions.insert(session);
    if let Some(subscription) = subscription {
        world.subscriptions.insert(subscription);
    }
    Ok(prepared)
}

fn page(world: &World, order: Order, buyer: Buyer, origin: Origin) -> Session {
    Session {
        buyer,
        address: Some(order.billing),
        metadata: order.metadata,
        return_url: order.return_url,
        discount_codes: order.discount_codes,
        trial_days: order.trial_days,
        on_demand: order.on_demand,
        tax_id: order.tax_id,
        business_name: order.business_name,
        force_3ds: order.force_3ds,
        ..Session::new(world, id::new("lnk_"), origin, LIFE, order.cart)
    }
}

/// A page on which a subscription gets a new payment method.
pub(crate) fn method_page(world: &World, subscription_id: &str) -> Result<Session, Error> {
    let subscription = world.subscriptions.find(subscription_id)?;
    let customer = world.customers.get(&subscription.customer_id);
    let buyer = Buyer {
        customer_id: Some(subscription.customer_id.clone()),
        email: customer.map(|customer| customer.email.clone()),
        name: customer.map(|customer| customer.name.clone()),
        phone: None,
        always_new: false,
    };
    let order = Order {
        cart: Vec::new(),
        billing: subscription.billing.clone(),
        metadata: Map::new(),
        return_url: None,
        discount_codes: Vec::new(),
        trial_days: None,
        on_demand: false,
        tax_id: None,
        business_name: None,
        force_3ds: false,
    };
    let origin = Origin::PaymentMethod { subscription_id: subscription_id.to_owned() };
    Ok(page(world, order, buyer, origin))
}
