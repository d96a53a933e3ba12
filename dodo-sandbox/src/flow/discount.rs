//! Discount codes: their rules and their share of a price.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Error,
    api::discounts::DISCOUNTS,
    money,
    state::{SandboxState, object::Object, payment::Payment, product::Product},
};

/// Adds a discount that takes off a share, in basis points, or changes the one with this code.
///
/// # Errors
/// 422 for a code or a share that Dodo refuses.
pub(crate) fn add_percentage(
    state: &mut SandboxState,
    code: &str,
    basis_points: u32,
) -> Result<(), Error> {
    let now = state.now();
    let known = by_code(state, code).map(|discount| discount.id.clone());
    if let Some(discount) = known.and_then(|id| state.find_mut(&DISCOUNTS, &id).ok()) {
        discount.change(json!({ "amount": basis_points, "type": "percentage" }), now);
        return Ok(());
    }
    let fields =
        [("amount", json!(basis_points)), ("type", json!("percentage")), ("code", json!(code))];
    DISCOUNTS.create(state, fields.map(|(name, value)| (name.to_owned(), value))).map(drop)
}

/// The discount with this code.
pub(crate) fn by_code<'a>(state: &'a SandboxState, code: &str) -> Option<&'a Object> {
    state.all(&DISCOUNTS).find(|own| own.str("code").eq_ignore_ascii_case(code))
}

/// The discount with this code, if it may be used now for this product and customer.
///
/// # Errors
/// 422 with the code of Dodo's refusal.
pub(crate) fn usable<'a>(
    state: &'a SandboxState,
    code: &str,
    products: &[Product],
    customer_id: Option<&str>,
) -> Result<&'a Object, Error> {
    let refuse = |code, message| Err(Error::unprocessable(code, message));
    let Some(discount) = by_code(state, code) else {
        return refuse("INVALID_DISCOUNT_CODE", "this discount code does not exist");
    };
    let now = state.now();
    if discount.date("starts_at").is_some_and(|start| now < start) {
        return refuse("INVALID_DISCOUNT_CODE", "this discount code is not valid yet");
    }
    if is_expired(discount, now) {
        return refuse("DISCOUNT_CODE_EXPIRED", "this discount code has expired");
    }
    if is_used_up(discount) {
        let message = "this discount code has reached its usage limit";
        return refuse("DISCOUNT_CODE_USAGE_LIMIT_EXCEEDED", message);
    }
    if !products.iter().any(|product| applies_to(discount, &product.id)) {
        let message = "this discount code is not for the products of the cart";
        return refuse("DISCOUNT_NOT_AVAILABLE_FOR_PRODUCT", message);
    }
    if !is_eligible(state, discount, customer_id) {
        let message = "this discount code is not for this customer";
        return refuse("DISCOUNT_NOT_AVAILABLE_FOR_CUSTOMER", message);
    }
    Ok(discount)
}

pub(crate) fn is_expired(discount: &Object, now: Timestamp) -> bool {
    discount.date("expires_at").is_some_and(|end| now >= end)
}

pub(crate) fn is_used_up(discount: &Object) -> bool {
    let used = discount.number("times_used").unwrap_or(0);
    discount.number("usage_limit").is_some_and(|limit| used >= limit)
}

pub(crate) fn applies_to(discount: &Object, product_id: &str) -> bool {
    let only = discount.list("restricted_to");
    only.is_empty() || only.iter().any(|id| id == product_id)
}

fn is_eligible(state: &SandboxState, discount: &Object, customer_id: Option<&str>) -> bool {
    let own = |payment: &&Payment| {
        payment.succeeded() && Some(payment.customer_id.as_str()) == customer_id
    };
    let bought: Vec<&Payment> = state.payments.iter().filter(own).collect();
    let uses = |payment: &&&Payment| {
        let discounts = payment.discounts.as_ref().and_then(Value::as_array);
        let same = |own: &Value| own.get("discount_id") == discount.get("discount_id");
        discounts.is_some_and(|all| all.iter().any(same))
    };
    let used = i64::try_from(bought.iter().filter(uses).count()).unwrap_or(i64::MAX);
    if discount.number("per_customer_usage_limit").is_some_and(|limit| used >= limit) {
        return false;
    }
    match discount.text("customer_eligibility") {
        Some("first_time") => bought.is_empty(),
        Some("existing") => !bought.is_empty(),
        Some("specific") => {
            let listed = discount.list("customer_ids");
            customer_id.is_some_and(|id| listed.iter().any(|own| own == id))
        }
        _ => true,
    }
}

/// An amount after this discount. A flat discount never makes it negative.
pub(crate) fn reduce(discount: &Value, amount: i64, currency: &str) -> i64 {
    let value = discount.get("amount").and_then(Value::as_i64).unwrap_or(0);
    let taken = match discount.get("type").and_then(Value::as_str) {
        Some("flat") => value,
        _ => money::share(amount, value, 10_000),
    };
    let most = option(discount, currency, "max_amount_possible").unwrap_or(i64::MAX);
    amount.saturating_sub(taken.min(most)).max(0)
}

/// A limit of a discount in this currency.
fn option(discount: &Value, currency: &str, name: &str) -> Option<i64> {
    let options = discount.get("currency_options")?.as_array()?;
    options
        .iter()
        .find(|own| own.get("currency").is_some_and(|own| own == currency))?
        .get(name)?
        .as_i64()
}

/// Checks the least amounts that discounts need in this currency.
///
/// # Errors
/// 422 for a smaller cart.
pub(crate) fn check_minimum(
    discounts: Option<&Value>,
    subtotal: i64,
    currency: &str,
) -> Result<(), Error> {
    let mut all = discounts.and_then(Value::as_array).into_iter().flatten();
    let least = |own: &Value| option(own, currency, "minimum_subtotal").unwrap_or(0);
    match all.any(|own| subtotal < least(own)) {
        true => Err(Error::unprocessable(
            "INVALID_DISCOUNT_CODE",
            "discount_codes: the cart is below the discount's minimum",
        )),
        false => Ok(()),
    }
}

/// The discounts as payments and subscriptions carry them; `None` without any.
pub(crate) fn details(discounts: &[&Object]) -> Option<Value> {
    let detail = |(position, discount): (usize, &&Object)| {
        let mut fields = discount.fields.clone();
        fields.insert("position".to_owned(), position.into());
        let cycles = discount.get("subscription_cycles").cloned().unwrap_or_default();
        fields.insert("cycles_remaining".to_owned(), cycles);
        Value::Object(fields)
    };
    (!discounts.is_empty()).then(|| discounts.iter().enumerate().map(detail).collect())
}

/// Notes that a sale used these discounts.
pub(crate) fn count(state: &mut SandboxState, discounts: Option<&Value>) {
    for discount in discounts.and_then(Value::as_array).into_iter().flatten() {
        let Some(id) = discount.get("discount_id").and_then(Value::as_str) else { continue };
        if let Ok(object) = state.find_mut(&DISCOUNTS, id) {
            object.set("times_used", object.number("times_used").unwrap_or(0) + 1);
        }
    }
}

/// The discounts of a subscription after one more paid period: those with cycles left.
pub(crate) fn next_cycle(discounts: Option<Value>) -> Option<Value> {
    let Some(Value::Array(mut discounts)) = discounts else { return discounts };
    for discount in &mut discounts {
        let left = discount.get("cycles_remaining").and_then(Value::as_i64);
        if let (Some(fields), Some(left)) = (discount.as_object_mut(), left) {
            fields.insert("cycles_remaining".to_owned(), (left - 1).max(0).into());
        }
    }
    Some(Value::Array(discounts))
}

/// An amount after the discounts of a subscription that still apply.
pub(crate) fn reduce_by_all(discounts: Option<&Value>, amount: i64, currency: &str) -> i64 {
    let all = discounts.and_then(Value::as_array).into_iter().flatten();
    let left = |discount: &&Value| {
        discount.get("cycles_remaining").and_then(Value::as_i64).is_none_or(|left| left > 0)
    };
    all.filter(left).fold(amount, |amount, discount| reduce(discount, amount, currency))
}
