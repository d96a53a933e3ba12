//! Checkout sessions.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    order, products,
    resource::Resource,
    rules::Rule,
};
use crate::{
    Error, countries,
    flow::{
        checkout::{self, PayForm},
        quote::{Terms, quote},
    },
    id, money,
    state::{SandboxState, session::Session},
};

pub(crate) static SESSIONS: Resource<Session> = Resource {
    name: "checkout session",
    path: "/checkouts",
    rules: &[order::RULES, &[("product_cart", Rule::Items(0, 20))]],
    routes: &[
        ("POST /checkouts", create),
        ("POST /checkouts/preview", preview),
        ("GET /checkout/supported_countries", |_, _| {
            Ok(Reply::Json(countries::NAMES.iter().map(|(code, _)| *code).collect()))
        }),
    ],
    ..Resource::PLAIN
};

/// The lifetime of a session that was created with `confirm`.
const CONFIRMED_LIFE: Duration = Duration::from_secs(15 * 60);

fn create(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let confirm = call.body.get("confirm") == Some(&Value::Bool(true));
    let method_id = call.text("payment_method_id");
    if method_id.is_some() && !confirm {
        return Err(Error::invalid("payment_method_id needs confirm"));
    }
    let mut session = order::read(state, call, "cks_")?;
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
    let session = order::read(state, call, "cks_")?;
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
        "payment_method_required": quote.needs_method(),
        "product_cart": items,
        "total_price": quote.total,
        "total_tax": quote.tax,
    })))
}
