//! Discount codes: their rules and their share of a price.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    Error, id, money,
    state::{World, object::Object, payment::Payment, product::Product},
};

/// The table of discounts.
pub(crate) const TABLE: &str = "/discounts";

/// Adds a discount that takes off a share, in basis points.
pub(crate) fn add_percentage(world: &mut World, code: String, basis_points: u32) {
    let fields = json!({ "amount": basis_points, "type": "percentage", "code": code });
    if let Value::Object(fields) = fields {
        insert(world, fields);
    }
}

/// Adds a discount with these fields of the API. Returns it.
pub(crate) fn insert(world: &mut World, fields: Map<String, Value>) -> Value {
    let mut all = Map::new();
    if let Value::Object(defaults) = json!({
        "business_id": world.business_id,
        "customer_eligibility": "any",
        "metadata": {},
        "restricted_to": [],
        "times_used": 0,
        "preserve_on_plan_change": false,
    }) {
        all.extend(defaults);
    }
    all.extend(fields);
    let now = world.now();
    world.objects.add(TABLE, ("discount_id", id::new("dsc_")), now, all)
}

/// The discount with this code, if it may be used now for this product and customer.
///
/// # Errors
/// 422 with the code of Dodo's refusal.
pub(crate) fn usable<'a>(
    world: &'a World,
    code: &str,
    products: &[&Product],
    customer_id: Option<&str>,
) -> Result<&'a Object, Error> {
    let refuse = |code, message| Err(Error::unprocessable(code, message));
    let same = |discount: &&Object| {
        discount.text("code").is_some_and(|own| own.eq_ignore_ascii_case(code))
    };
    let Some(discount) = world.objects.all(TABLE).find(same) else {
        return refuse("INVALID_DISCOUNT_CODE", "this discount code does not exist");
    };
    let now = world.now();
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
    if !is_eligible(world, discount, customer_id) {
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

fn is_eligible(world: &World, discount: &Object, customer_id: Option<&str>) -> bool {
    let own = |payment: &&Payment| {
        payment.succeeded() && Some(payment.customer_id.as_str()) == customer_id
    };
    let bought: Vec<&Payment> = world.payments.iter().filter(own).collect();
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
pub(crate) fn reduce(discount: &Value, amount: i64) -> i64 {
    let value = discount.get("amount").and_then(Value::as_i64).unwrap_or(0);
    match discount.get("type").and_then(Value::as_str) {
        Some("flat") => amount.saturating_sub(value).max(0),
        _ => amount.saturating_sub(money::share(amount, value, 10_000)),
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
pub(crate) fn count(world: &mut World, discounts: Option<&Value>) {
    for discount in discounts.and_then(Value::as_array).into_iter().flatten() {
        let Some(id) = discount.get("discount_id").and_then(Value::as_str) else { continue };
        if let Ok(object) = world.objects.find_mut(TABLE, id) {
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
pub(crate) fn reduce_by_all(discounts: Option<&Value>, amount: i64) -> i64 {
    let all = discounts.and_then(Value::as_array).into_iter().flatten();
    let left = |discount: &&Value| {
        discount.get("cycles_remaining").and_then(Value::as_i64).is_none_or(|left| left > 0)
    };
    all.filter(left).fold(amount, |amount, discount| reduce(discount, amount))
}
