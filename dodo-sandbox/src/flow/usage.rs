//! Meters: the usage of a customer, and its price.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::credit;
use crate::{
    api::meters::{EVENTS, METERS, time},
    clock::rfc3339,
    state::{
        SandboxState, credits::Credits, object::Object, product::MeterPrice,
        subscription::Subscription,
    },
};

/// The usage of one meter in one period.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) meter_id: String,
    name: String,
    free_threshold: i64,
    price_per_unit: String,
    pub(crate) consumed: Credits,
    chargeable: Credits,
    /// In minor units of the subscription's currency.
    pub(crate) price: i64,
}

impl Usage {
    /// As the usage history shows it.
    pub(crate) fn json(&self, currency: &str) -> Value {
        json!({
            "id": self.meter_id,
            "name": self.name,
            "currency": currency,
            "consumed_units": self.consumed.to_string(),
            "chargeable_units": self.chargeable.to_string(),
            "free_threshold": self.free_threshold,
            "price_per_unit": self.price_per_unit,
            "total_price": self.price,
        })
    }

    /// As a line item of a preview shows it.
    pub(crate) fn line_item(&self, currency: &str, tax_inclusive: bool) -> Value {
        json!({
            "type": "meter",
            "id": self.meter_id,
            "name": self.name,
            "currency": currency,
            "units_consumed": self.consumed.to_string(),
            "chargeable_units": self.chargeable.to_string(),
            "free_threshold": self.free_threshold,
            "price_per_unit": self.price_per_unit,
            "subtotal": self.price,
            "tax_inclusive": tax_inclusive,
            "tax_rate": 0,
        })
    }
}

/// The usage of each meter of a subscription from one moment to another.
pub(crate) fn in_period(
    state: &SandboxState,
    subscription: &Subscription,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Usage> {
    let Some(product) = state.products.get(&subscription.product_id) else { return Vec::new() };
    let usage = |price: &MeterPrice| {
        let meter = state.get(&METERS, &price.meter_id)?;
        let consumed = measure(state, meter, &subscription.customer_id, (from, to));
        // Units that credits pay for are not charged.
        let free = Credits::from_units(price.free_threshold);
        let chargeable = match price.credit {
            Some(_) => Credits::ZERO,
            None => consumed.minus(free).max(Credits::ZERO),
        };
        let per_unit = Credits::parse(&price.price_per_unit).unwrap_or_default();
        Some(Usage {
            meter_id: price.meter_id.clone(),
            name: meter.text("name").unwrap_or_default().to_owned(),
            free_threshold: price.free_threshold,
            price_per_unit: price.price_per_unit.clone(),
            consumed,
            chargeable,
            price: chargeable.price(per_unit),
        })
    };
    product.meters.iter().filter_map(usage).collect()
}

/// The price of the usage of the period that ends with the next billing date.
pub(crate) fn price(state: &SandboxState, subscription: &Subscription) -> i64 {
    let period = (subscription.previous_billing, subscription.next_billing);
    in_period(state, subscription, period)
        .iter()
        .map(|usage| usage.price)
        .fold(0, i64::saturating_add)
}

/// Aggregates the events of a meter.
fn measure(
    state: &SandboxState,
    meter: &Object,
    customer_id: &str,
    (from, to): (Timestamp, Timestamp),
) -> Credits {
    let events = state
        .matching(&EVENTS, "customer_id", customer_id)
        .filter(|event| (from..to).contains(&time(event)) && counts(meter, event));
    let aggregation = meter.get("aggregation");
    let key = aggregation.and_then(|own| own.get("key")).and_then(Value::as_str);
    let value = |event: &Object| match event.get("metadata")?.get(key?)? {
        Value::String(text) => Credits::parse(text),
        number => Credits::parse(&number.to_string()),
    };
    match aggregation.and_then(|own| own.get("type")).and_then(Value::as_str) {
        Some("sum") => events.filter_map(value).fold(Credits::ZERO, Credits::plus),
        Some("max") => events.filter_map(value).max().unwrap_or_default(),
        Some("last") => {
            let last = events.max_by_key(|event| time(event));
            last.and_then(value).unwrap_or_default()
        }
        _ => Credits::from_units(i64::try_from(events.count()).unwrap_or(i64::MAX)),
    }
}

/// Whether a meter counts an event.
pub(crate) fn counts(meter: &Object, event: &Object) -> bool {
    let metadata = event.get("metadata").and_then(Value::as_object);
    meter.text("event_name") == event.text("event_name")
        && meter.get("filter").zip(metadata).is_none_or(|(filter, own)| passes(filter, own))
}

fn passes(filter: &Value, metadata: &Map<String, Value>) -> bool {
    let clauses = filter.get("clauses").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let pass = |clause: &Value| match clause.get("clauses") {
        Some(_) => passes(clause, metadata),
        None => holds(clause, metadata),
    };
    match filter.get("conjunction").and_then(Value::as_str) {
        Some("or") => clauses.iter().any(pass),
        _ => clauses.iter().all(pass),
    }
}

fn holds(clause: &Value, metadata: &Map<String, Value>) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let field = |name: &str| clause.get(name);
    let key = field("key").and_then(Value::as_str).unwrap_or_default();
    let own = metadata.get(key).map(text);
    let wanted = field("value").map(text).unwrap_or_default();
    let number = |text: &str| text.parse::<f64>().ok();
    let compare = || own.as_deref().and_then(number)?.partial_cmp(&number(&wanted)?);
    let contains = own.as_deref().is_some_and(|own| own.contains(&wanted));
    match field("operator").and_then(Value::as_str) {
        Some("equals") => own.as_deref() == Some(wanted.as_str()),
        Some("not_equals") => own.as_deref() != Some(wanted.as_str()),
        Some("greater_than") => compare().is_some_and(std::cmp::Ordering::is_gt),
        Some("greater_than_or_equals") => compare().is_some_and(std::cmp::Ordering::is_ge),
        Some("less_than") => compare().is_some_and(std::cmp::Ordering::is_lt),
        Some("less_than_or_equals") => compare().is_some_and(std::cmp::Ordering::is_le),
        Some("contains") => contains,
        Some("does_not_contain") => !contains,
        _ => false,
    }
}

/// An ingested event uses credits where a subscription's meter is paid with them.
pub(crate) fn deduct_credits(state: &mut SandboxState, event_id: &str) {
    let Some(event) = state.get(&EVENTS, event_id) else { return };
    let mut deductions = Vec::new();
    let own = |s: &&Subscription| event.has("customer_id", &s.customer_id) && s.renews();
    for subscription in state.subscriptions.iter().filter(own) {
        let Some(product) = state.products.get(&subscription.product_id) else { continue };
        for price in &product.meters {
            let Some((entitlement_id, units_per_credit)) = &price.credit else { continue };
            let Some(meter) = state.get(&METERS, &price.meter_id) else { continue };
            if !counts(meter, event) {
                continue;
            }
            let key = meter.get("aggregation").and_then(|own| own.get("key")?.as_str());
            let units = key.and_then(|key| event.get("metadata")?.get(key));
            let units = units.and_then(|units| Credits::parse(&units.to_string()));
            let units = units.unwrap_or(Credits::from_units(1));
            deductions.push((
                entitlement_id.clone(),
                event.str("customer_id").to_owned(),
                units.divided(*units_per_credit),
            ));
        }
    }
    for (entitlement_id, customer_id, amount) in deductions {
        credit::deduct(state, &entitlement_id, &customer_id, amount);
    }
}

/// The periods of a subscription so far, the current one first, with the usage of each.
pub(crate) fn history(
    state: &SandboxState,
    subscription: &Subscription,
    meter_id: Option<&str>,
) -> Vec<Value> {
    let mut periods = vec![(subscription.previous_billing, subscription.next_billing)];
    let paid = state.payments.iter().rev().flat_map(|payment| &payment.periods);
    let own = paid.filter(|period| period.subscription_id == subscription.id);
    periods.extend(
        own.map(|period| (period.from, period.to))
            .filter(|(from, _)| *from < subscription.previous_billing),
    );
    periods
        .into_iter()
        .map(|(from, to)| {
            let usage = in_period(state, subscription, (from, to));
            let usage = usage.iter().filter(|usage| meter_id.is_none_or(|id| id == usage.meter_id));
            json!({
                "start_date": rfc3339(from),
                "end_date": rfc3339(to),
                "meters": usage.map(|usage| usage.json(&subscription.currency)).collect::<Vec<_>>(),
            })
        })
        .collect()
}

impl MeterPrice {
    fn meter<'a>(&self, state: &'a SandboxState, field: &str) -> &'a str {
        let meter = state.get(&METERS, &self.meter_id);
        meter.and_then(|meter| meter.text(field)).unwrap_or_default()
    }

    /// As a subscription's `meters` show it.
    pub(crate) fn cart(&self, state: &SandboxState, currency: &str) -> Value {
        json!({
            "currency": currency,
            "free_threshold": self.free_threshold,
            "measurement_unit": self.meter(state, "measurement_unit"),
            "meter_id": self.meter_id,
            "name": self.meter(state, "name"),
            "price_per_unit": self.price_per_unit,
        })
    }

    /// As `meter_credit_entitlement_cart` of a subscription shows it.
    pub(crate) fn credit_cart(&self, state: &SandboxState, product_id: &str) -> Option<Value> {
        let (entitlement_id, units) = self.credit.as_ref()?;
        Some(json!({
            "credit_entitlement_id": entitlement_id,
            "meter_id": self.meter_id,
            "meter_name": self.meter(state, "name"),
            "meter_units_per_credit": units.to_string(),
            "product_id": product_id,
        }))
    }

    /// As POST /checkouts/preview shows it.
    pub(crate) fn details(&self, state: &SandboxState) -> Value {
        json!({
            "free_threshold": self.free_threshold,
            "measurement_unit": self.meter(state, "measurement_unit"),
            "name": self.meter(state, "name"),
            "price_per_unit": self.price_per_unit,
        })
    }
}
