//! Credits: grants, deductions, overage, rollover and their ledger, each with its event.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    Error,
    clock::rfc3339,
    id,
    state::{
        World,
        credits::Credits,
        object::Object,
        product::{Period, RenewalInterval},
        subscription::Subscription,
        webhook::Subject,
    },
};

pub(crate) const BALANCES: &str = "credit-balances";
pub(crate) const GRANTS: &str = "credit-grants";
pub(crate) const LEDGER: &str = "credit-ledger";

/// Adds a grant to the customer's balance.
pub(crate) struct NewGrant<'a> {
    pub(crate) entitlement_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) amount: Credits,
    pub(crate) source: (&'static str, Option<String>),
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) rollovers: i64,
}

/// A field with credits.
fn of(object: &Object, field: &str) -> Credits {
    object.text(field).and_then(Credits::parse).unwrap_or_default()
}

fn key(entitlement_id: &str, customer_id: &str) -> String {
    format!("{entitlement_id}:{customer_id}")
}

/// The balance and the overage of a customer.
pub(crate) fn balance(
    world: &World,
    entitlement_id: &str,
    customer_id: &str,
) -> (Credits, Credits) {
    match world.objects.find(BALANCES, &key(entitlement_id, customer_id)) {
        Ok(object) => (of(object, "balance"), of(object, "overage")),
        Err(_) => (Credits::ZERO, Credits::ZERO),
    }
}

/// Sets a balance, writes the ledger entry and emits the event. Returns the entry's id.
fn book(
    world: &mut World,
    (entitlement_id, customer_id): (&str, &str),
    (kind, event): (&str, Option<&str>),
    (amount, is_credit): (Credits, bool),
    after: (Credits, Credits),
    extra: Value,
) -> String {
    let now = world.now();
    let before = balance(world, entitlement_id, customer_id);
    let key = key(entitlement_id, customer_id);
    let state = json!({
        "balance": after.0.to_string(),
        "overage": after.1.to_string(),
        "last_transaction_at": rfc3339(now),
    });
    let Value::Object(mut state) = state else { return String::new() };
    match world.objects.find_mut(BALANCES, &key) {
        Ok(object) => object.change(state, now),
        Err(_) => {
            state.insert("credit_entitlement_id".to_owned(), entitlement_id.into());
            state.insert("customer_id".to_owned(), customer_id.into());
            world.objects.add(BALANCES, ("id", key), now, state);
        }
    }
    let entry = json!({
        "amount": amount.to_string(),
        "balance_before": before.0.to_string(),
        "balance_after": after.0.to_string(),
        "overage_before": before.1.to_string(),
        "overage_after": after.1.to_string(),
        "brand_id": world.brand_id,
        "business_id": world.business_id,
        "credit_entitlement_id": entitlement_id,
        "customer_id": customer_id,
        "is_credit": is_credit,
        "metadata": {},
        "transaction_type": kind,
    });
    let mut fields = Map::new();
    for part in [entry, extra] {
        if let Value::Object(part) = part {
            fields.extend(part);
        }
    }
    let entry_id = id::new("cle_");
    world.objects.add(LEDGER, ("id", entry_id.clone()), now, fields);
    if let Some(event) = event {
        let (payload_type, id) = ("CreditLedgerEntry", entry_id.clone());
        world.emit(event, Subject::Object { payload_type, table: LEDGER, id });
    }
    entry_id
}

fn insert_grant(world: &mut World, grant: &NewGrant<'_>, extra: Value) -> String {
    let now = world.now();
    let id = id::new("cgr_");
    let fields = json!({
        "credit_entitlement_id": grant.entitlement_id,
        "customer_id": grant.customer_id,
        "initial_amount": grant.amount.to_string(),
        "remaining_amount": grant.amount.to_string(),
        "expires_at": grant.expires_at.map(rfc3339),
        "is_expired": false,
        "is_rolled_over": grant.rollovers > 0,
        "rollover_count": grant.rollovers,
        "source_type": grant.source.0,
        "source_id": grant.source.1,
    });
    let mut all = Map::new();
    for part in [fields, extra] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    world.objects.add(GRANTS, ("id", id.clone()), now, all);
    id
}

/// Grants credits: `credit.added`. Returns the ids of the grant and of the ledger entry.
pub(crate) fn add(world: &mut World, grant: &NewGrant<'_>, terms: Value) -> (String, String) {
    adjust_up(world, grant, terms, ("credit_added", "credit.added"), json!({}))
}

fn adjust_up(
    world: &mut World,
    grant: &NewGrant<'_>,
    terms: Value,
    (kind, event): (&str, &str),
    mut extra: Value,
) -> (String, String) {
    let grant_id = insert_grant(world, grant, terms);
    let (balance, overage) = balance(world, grant.entitlement_id, grant.customer_id);
    if let Some(extra) = extra.as_object_mut() {
        extra.insert("grant_id".to_owned(), grant_id.clone().into());
        extra.insert("reference_id".to_owned(), grant.source.1.clone().into());
        extra.insert("reference_type".to_owned(), grant.source.0.into());
    }
    let entry = book(
        world,
        (grant.entitlement_id, grant.customer_id),
        (kind, Some(event)),
        (grant.amount, true),
        (balance.plus(grant.amount), overage),
        extra,
    );
    (grant_id, entry)
}

/// The open grants of a customer, those that expire first before others.
fn open_grants(world: &World, entitlement_id: &str, customer_id: &str) -> Vec<(String, Credits)> {
    let own = |grant: &&Object| {
        grant.text("credit_entitlement_id") == Some(entitlement_id)
            && grant.text("customer_id") == Some(customer_id)
            && !grant.is("is_expired")
    };
    let mut open: Vec<_> = world
        .objects
        .all(GRANTS)
        .filter(own)
        .map(|grant| (grant.date("expires_at").unwrap_or(Timestamp::MAX), grant))
        .filter(|(_, grant)| of(grant, "remaining_amount") > Credits::ZERO)
        .collect();
    open.sort_by_key(|(end, _)| *end);
    open.into_iter().map(|(_, grant)| (grant.id.clone(), of(grant, "remaining_amount"))).collect()
}

/// Takes credits from the grants; returns the part that they do not cover.
fn take(world: &mut World, entitlement_id: &str, customer_id: &str, amount: Credits) -> Credits {
    let mut missing = amount;
    for (grant_id, left) in open_grants(world, entitlement_id, customer_id) {
        let part = missing.min(left);
        missing = missing.minus(part);
        if let Ok(grant) = world.objects.find_mut(GRANTS, &grant_id) {
            grant.set("remaining_amount", left.minus(part).to_string());
        }
    }
    missing
}

/// Deducts used credits: `credit.deducted`, and `credit.balance_low` at the threshold. Uncovered
/// usage becomes overage if the entitlement permits it.
pub(crate) fn deduct(world: &mut World, entitlement_id: &str, customer_id: &str, amount: Credits) {
    let (before, overage) = balance(world, entitlement_id, customer_id);
    let missing = take(world, entitlement_id, customer_id, amount);
    let allowed = world.objects.find("/credit-entitlements", entitlement_id);
    let allowed = allowed.is_ok_and(|entitlement| entitlement.is("overage_enabled"));
    let overage = if allowed { overage.plus(missing) } else { overage };
    let after = before.minus(amount.minus(missing));
    let spent = if allowed { amount } else { amount.minus(missing) };
    if spent == Credits::ZERO {
        return;
    }
    let who = (entitlement_id, customer_id);
    let extra = json!({ "reference_type": "usage" });
    let kind = ("credit_deducted", Some("credit.deducted"));
    book(world, who, kind, (spent, false), (after, overage), extra);
    warn_if_low(world, entitlement_id, customer_id, before, after);
}

/// `credit.balance_low` when a balance falls below the share that a subscription's product sets.
fn warn_if_low(
    world: &mut World,
    entitlement_id: &str,
    customer_id: &str,
    before: Credits,
    after: Credits,
) {
    let own = |s: &&Subscription| s.customer_id == customer_id && s.renews();
    let found = world.subscriptions.iter().filter(own).find_map(|subscription| {
        let mapping = mappings(world, &subscription.product_id).into_iter();
        let mapping = mapping
            .into_iter()
            .find(|m| m.get("credit_entitlement_id") == Some(&json!(entitlement_id)))?;
        let percent = mapping.get("low_balance_threshold_percent")?.as_i64()?;
        Some((subscription.id.clone(), amount_of(&mapping, "credits_amount"), percent))
    });
    let Some((subscription_id, granted, percent)) = found else { return };
    let threshold = granted.percent(percent);
    if before < threshold || after >= threshold {
        return;
    }
    let name = world.objects.find("/credit-entitlements", entitlement_id);
    let fields = json!({
        "available_balance": after.to_string(),
        "brand_id": world.brand_id,
        "credit_entitlement_id": entitlement_id,
        "credit_entitlement_name": name.ok().and_then(|e| e.text("name")).unwrap_or_default(),
        "customer_id": customer_id,
        "subscription_credits_amount": granted.to_string(),
        "subscription_id": subscription_id,
        "threshold_amount": threshold.to_string(),
        "threshold_percent": percent,
    });
    let (table, id, now) = ("credit-warnings", id::new("clw_"), world.now());
    if let Value::Object(fields) = fields {
        world.objects.add(table, ("id", id.clone()), now, fields);
        world.emit(
            "credit.balance_low",
            Subject::Object { payload_type: "CreditBalanceLow", table, id },
        );
    }
}

/// The merchant corrects a balance: `credit.manual_adjustment`. Returns the ledger entry's id.
///
/// # Errors
/// 422 for a debit of more than the balance.
pub(crate) fn adjust(
    world: &mut World,
    grant: &NewGrant<'_>,
    is_credit: bool,
    extra: Value,
) -> Result<String, Error> {
    let who = (grant.entitlement_id, grant.customer_id);
    if is_credit {
        let kind = ("manual_adjustment", "credit.manual_adjustment");
        return Ok(adjust_up(world, grant, json!({}), kind, extra).1);
    }
    let (before, overage) = balance(world, who.0, who.1);
    if grant.amount > before {
        return Err(Error::unprocessable("INSUFFICIENT_BALANCE", "amount: more than the balance"));
    }
    take(world, who.0, who.1, grant.amount);
    let kind = ("manual_adjustment", Some("credit.manual_adjustment"));
    let after = (before.minus(grant.amount), overage);
    Ok(book(world, who, kind, (grant.amount, false), after, extra))
}

fn amount_of(mapping: &Value, name: &str) -> Credits {
    mapping.get(name).and_then(Value::as_str).and_then(Credits::parse).unwrap_or_default()
}

/// The credits that a product grants, as `credit_entitlements` of the product.
pub(crate) fn mappings(world: &World, product_id: &str) -> Vec<Value> {
    let product = world.products.get(product_id);
    let all = product.and_then(|product| product.fields.get("credit_entitlements")?.as_array());
    all.cloned().unwrap_or_default()
}

/// A purchase or a renewal grants the product's credits.
pub(crate) fn grant_for_product(
    world: &mut World,
    product_id: &str,
    customer_id: &str,
    source: (&'static str, Option<String>),
    quantity: u32,
) {
    for mapping in mappings(world, product_id) {
        let Some(entitlement_id) = mapping.get("credit_entitlement_id").and_then(Value::as_str)
        else {
            continue;
        };
        let days = mapping.get("expires_after_days").and_then(Value::as_u64);
        let period = days.and_then(|days| u32::try_from(days).ok());
        let period = period.map(|count| Period { count, interval: RenewalInterval::Day });
        let each = amount_of(&mapping, "credits_amount");
        let grant = NewGrant {
            entitlement_id,
            customer_id,
            amount: each.times(quantity),
            source: source.clone(),
            expires_at: period.map(|period| period.after(world.now())),
            rollovers: 0,
        };
        add(world, &grant, json!({}));
    }
}

/// The end of a cycle, before the renewal grants anew: unused credits roll over or are forfeited,
/// and overage is charged or forgiven. Returns the price of the overage.
pub(crate) fn end_cycle(world: &mut World, subscription: &Subscription) {
    for mapping in mappings(world, &subscription.product_id) {
        let Some(entitlement_id) = mapping.get("credit_entitlement_id").and_then(Value::as_str)
        else {
            continue;
        };
        let who = (entitlement_id, subscription.customer_id.as_str());
        roll_over(world, &mapping, who, &subscription.id);
        let (balance, overage) = balance(world, who.0, who.1);
        if overage == Credits::ZERO {
            continue;
        }
        if is_invoiced(&mapping) {
            let kind = ("overage_charged", Some("credit.overage_charged"));
            book(world, who, kind, (overage, false), (balance, overage), json!({}));
        }
        if mapping.get("overage_behavior").and_then(Value::as_str) != Some("carry_deficit") {
            let kind = ("overage_reset", Some("credit.overage_reset"));
            book(world, who, kind, (overage, true), (balance, Credits::ZERO), json!({}));
        }
    }
}

fn is_invoiced(mapping: &Value) -> bool {
    mapping.get("overage_behavior").and_then(Value::as_str) == Some("invoice_at_billing")
}

/// The price of the overage that the next renewal charges, in minor units.
pub(crate) fn overage_price(world: &World, subscription: &Subscription) -> i64 {
    let mappings = mappings(world, &subscription.product_id);
    let price = |mapping: &Value| {
        let entitlement_id = mapping.get("credit_entitlement_id")?.as_str()?;
        let (_, overage) = balance(world, entitlement_id, &subscription.customer_id);
        Some(overage.price(amount_of(mapping, "price_per_unit")))
    };
    mappings
        .iter()
        .filter(|mapping| is_invoiced(mapping))
        .filter_map(price)
        .fold(0, i64::saturating_add)
}

fn roll_over(world: &mut World, mapping: &Value, who: (&str, &str), subscription_id: &str) {
    let rolls = mapping.get("rollover_enabled") == Some(&Value::Bool(true));
    let number = |name: &str| mapping.get(name).and_then(Value::as_i64);
    let percent = number("rollover_percentage").unwrap_or(100);
    let most = number("max_rollover_count").unwrap_or(i64::MAX);
    for (grant_id, left) in open_grants(world, who.0, who.1) {
        let Ok(grant) = world.objects.find_mut(GRANTS, &grant_id) else { continue };
        // Only the credits of this subscription's cycle end with it.
        if grant.text("source_id") != Some(subscription_id) {
            continue;
        }
        let count = grant.number("rollover_count").unwrap_or(0);
        grant.set("remaining_amount", "0");
        grant.set("is_expired", true);
        let kept = if rolls && count < most { left.percent(percent) } else { Credits::ZERO };
        let lost = left.minus(kept);
        let (balance, overage) = balance(world, who.0, who.1);
        if lost > Credits::ZERO {
            let (kind, event) = match rolls {
                true => ("rollover_forfeited", "credit.rollover_forfeited"),
                false => ("credit_expired", "credit.expired"),
            };
            let after = (balance.minus(lost), overage);
            book(
                world,
                who,
                (kind, Some(event)),
                (lost, false),
                after,
                json!({ "grant_id": grant_id }),
            );
        }
        if kept > Credits::ZERO {
            let grant = NewGrant {
                entitlement_id: who.0,
                customer_id: who.1,
                amount: kept,
                source: ("rollover", Some(subscription_id.to_owned())),
                expires_at: None,
                rollovers: count + 1,
            };
            let id = insert_grant(world, &grant, json!({ "parent_grant_id": grant_id }));
            let kind = ("credit_rolled_over", Some("credit.rolled_over"));
            let after = (balance.minus(lost), overage);
            book(world, who, kind, (kept, true), after, json!({ "grant_id": id }));
        }
    }
}

/// The next moment at which a grant expires.
pub(crate) fn next_expiry(world: &World) -> Option<(Timestamp, String)> {
    let open = world.objects.all(GRANTS).filter(|grant| !grant.is("is_expired"));
    open.filter_map(|grant| Some((grant.date("expires_at")?, grant.id.clone()))).min()
}

/// A grant expires: `credit.expired` for the rest of it.
pub(crate) fn expire(world: &mut World, grant_id: &str) -> Result<(), Error> {
    let grant = world.objects.find_mut(GRANTS, grant_id)?;
    let left = of(grant, "remaining_amount");
    grant.set("remaining_amount", "0");
    grant.set("is_expired", true);
    let text = |name: &str| grant.text(name).unwrap_or_default().to_owned();
    let (entitlement_id, customer_id) = (text("credit_entitlement_id"), text("customer_id"));
    if left > Credits::ZERO {
        let (balance, overage) = balance(world, &entitlement_id, &customer_id);
        let kind = ("credit_expired", Some("credit.expired"));
        let after = (balance.minus(left), overage);
        let who = (entitlement_id.as_str(), customer_id.as_str());
        book(world, who, kind, (left, false), after, json!({ "grant_id": grant_id }));
    }
    Ok(())
}

/// `credit_entitlement_cart` of a subscription.
pub(crate) fn cart(world: &World, subscription: &Subscription) -> Vec<Value> {
    let item = |mut mapping: Value| {
        let entitlement_id = mapping.get("credit_entitlement_id")?.as_str()?.to_owned();
        let (balance, overage) = balance(world, &entitlement_id, &subscription.customer_id);
        let fields = mapping.as_object_mut()?;
        for (name, value) in [
            ("product_id", json!(subscription.product_id)),
            ("remaining_balance", json!(balance.to_string())),
            ("overage_balance", json!(overage.to_string())),
            ("unit", fields.get("credit_entitlement_unit").cloned().unwrap_or_default()),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Some(mapping)
    };
    mappings(world, &subscription.product_id).into_iter().filter_map(item).collect()
}
