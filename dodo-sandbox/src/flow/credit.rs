//! Credits: grants, deductions, overage, rollover and their ledger, each with its event.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Error,
    api::credits::{BALANCES, CREDIT_ENTITLEMENTS, GRANTS, LEDGER, WARNINGS},
    clock::rfc3339,
    flow::allowance::{amount_of, granted_to},
    state::{SandboxState, credits::Credits, object::Object, subscription::Subscription},
};

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
fn credits_in(object: &Object, field: &str) -> Credits {
    object.text(field).and_then(Credits::parse).unwrap_or_default()
}

/// The key of a balance.
pub(crate) fn key(entitlement_id: &str, customer_id: &str) -> String {
    format!("{entitlement_id}:{customer_id}")
}

/// The balance and the overage of a customer.
pub(crate) fn balance(
    state: &SandboxState,
    entitlement_id: &str,
    customer_id: &str,
) -> (Credits, Credits) {
    match state.get(&BALANCES, &key(entitlement_id, customer_id)) {
        Some(object) => (credits_in(object, "balance"), credits_in(object, "overage")),
        None => (Credits::ZERO, Credits::ZERO),
    }
}

/// Sets a balance, writes the ledger entry and emits the event. Returns the entry's id.
pub(super) fn book(
    state: &mut SandboxState,
    (entitlement_id, customer_id): (&str, &str),
    (kind, event): (&str, Option<&str>),
    (amount, is_credit): (Credits, bool),
    after: (Credits, Credits),
    extra: Value,
) -> String {
    let now = state.now();
    let before = balance(state, entitlement_id, customer_id);
    let key = key(entitlement_id, customer_id);
    let changed = json!({
        "balance": after.0.to_string(),
        "overage": after.1.to_string(),
        "last_transaction_at": rfc3339(now),
    });
    if state.get(&BALANCES, &key).is_none() {
        let who = json!({ "credit_entitlement_id": entitlement_id, "customer_id": customer_id });
        state.put(&BALANCES, key.clone(), who);
    }
    if let Ok(object) = state.find_mut(&BALANCES, &key) {
        object.change(changed, now);
    }
    let entry = json!({
        "amount": amount.to_string(),
        "balance_before": before.0.to_string(),
        "balance_after": after.0.to_string(),
        "overage_before": before.1.to_string(),
        "overage_after": after.1.to_string(),
        "credit_entitlement_id": entitlement_id,
        "customer_id": customer_id,
        "is_credit": is_credit,
        "metadata": {},
        "transaction_type": kind,
    });
    let id = state.add(&LEDGER, merged(entry, extra));
    if let Some(event) = event {
        state.emit(event, &LEDGER, &id);
    }
    id
}

/// The fields of both objects; the second wins.
fn merged(mut first: Value, second: Value) -> Value {
    if let (Some(first), Value::Object(second)) = (first.as_object_mut(), second) {
        first.extend(second);
    }
    first
}

pub(super) fn insert_grant(state: &mut SandboxState, grant: &NewGrant<'_>, extra: Value) -> String {
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
    state.add(&GRANTS, merged(fields, extra))
}

/// Grants credits: `credit.added`. Returns the ids of the grant and of the ledger entry.
pub(crate) fn add(
    state: &mut SandboxState,
    grant: &NewGrant<'_>,
    terms: Value,
) -> (String, String) {
    adjust_up(state, grant, terms, ("credit_added", "credit.added"), json!({}))
}

fn adjust_up(
    state: &mut SandboxState,
    grant: &NewGrant<'_>,
    terms: Value,
    (kind, event): (&str, &str),
    mut extra: Value,
) -> (String, String) {
    let grant_id = insert_grant(state, grant, terms);
    let (balance, overage) = balance(state, grant.entitlement_id, grant.customer_id);
    if let Some(extra) = extra.as_object_mut() {
        extra.insert("grant_id".to_owned(), grant_id.clone().into());
        extra.insert("reference_id".to_owned(), grant.source.1.clone().into());
        extra.insert("reference_type".to_owned(), grant.source.0.into());
    }
    let entry = book(
        state,
        (grant.entitlement_id, grant.customer_id),
        (kind, Some(event)),
        (grant.amount, true),
        (balance.plus(grant.amount), overage),
        extra,
    );
    (grant_id, entry)
}

/// The open grants of a customer, those that expire first before others.
pub(super) fn open_grants(
    state: &SandboxState,
    entitlement_id: &str,
    customer_id: &str,
) -> Vec<(String, Credits)> {
    let own = |grant: &&Object| {
        grant.text("credit_entitlement_id") == Some(entitlement_id)
            && grant.text("customer_id") == Some(customer_id)
            && !grant.is("is_expired")
    };
    let mut open: Vec<_> = state
        .all(&GRANTS)
        .filter(own)
        .map(|grant| (grant.date("expires_at").unwrap_or(Timestamp::MAX), grant))
        .filter(|(_, grant)| credits_in(grant, "remaining_amount") > Credits::ZERO)
        .collect();
    open.sort_by_key(|(end, _)| *end);
    open.into_iter()
        .map(|(_, grant)| (grant.id.clone(), credits_in(grant, "remaining_amount")))
        .collect()
}

/// Takes credits from the grants; returns the part that they do not cover.
fn take(
    state: &mut SandboxState,
    entitlement_id: &str,
    customer_id: &str,
    amount: Credits,
) -> Credits {
    let mut missing = amount;
    for (grant_id, left) in open_grants(state, entitlement_id, customer_id) {
        let part = missing.min(left);
        missing = missing.minus(part);
        if let Ok(grant) = state.find_mut(&GRANTS, &grant_id) {
            grant.set("remaining_amount", left.minus(part).to_string());
        }
    }
    missing
}

/// Deducts used credits: `credit.deducted`, and `credit.balance_low` at the threshold. Uncovered
/// usage becomes overage if the entitlement permits it.
pub(crate) fn deduct(
    state: &mut SandboxState,
    entitlement_id: &str,
    customer_id: &str,
    amount: Credits,
) {
    let (before, overage) = balance(state, entitlement_id, customer_id);
    let missing = take(state, entitlement_id, customer_id, amount);
    let terms = terms_of(state, entitlement_id, customer_id).map(|(_, terms)| terms);
    let own =
        || state.get(&CREDIT_ENTITLEMENTS, entitlement_id).map(|own| own.fields.clone().into());
    let terms: Value = terms.or_else(own).unwrap_or_default();
    // A limit is a number in the entitlement, and a text in the product.
    let most = match terms.get("overage_limit") {
        Some(Value::String(limit)) => Credits::parse(limit),
        limit => limit.and_then(Value::as_i64).map(Credits::from_units),
    };
    let room = most.map_or(missing, |most| most.minus(overage).max(Credits::ZERO));
    let added = match terms.get("overage_enabled") {
        Some(Value::Bool(true)) => missing.min(room),
        _ => Credits::ZERO,
    };
    let after = before.minus(amount.minus(missing));
    let (spent, overage) = (amount.minus(missing).plus(added), overage.plus(added));
    if spent == Credits::ZERO {
        return;
    }
    let who = (entitlement_id, customer_id);
    let extra = json!({ "reference_type": "usage" });
    let kind = ("credit_deducted", Some("credit.deducted"));
    book(state, who, kind, (spent, false), (after, overage), extra);
    warn_if_low(state, entitlement_id, customer_id, before, after);
}

/// The terms of a credit in a customer's subscription, with the subscription's id.
fn terms_of(
    state: &SandboxState,
    entitlement_id: &str,
    customer_id: &str,
) -> Option<(String, Value)> {
    let own = |s: &&Subscription| s.customer_id == customer_id && s.renews();
    state.subscriptions.iter().filter(own).find_map(|subscription| {
        let mut all = granted_to(state, subscription).into_iter();
        let terms =
            all.find(|own| own.get("credit_entitlement_id") == Some(&json!(entitlement_id)))?;
        Some((subscription.id.clone(), terms))
    })
}

/// `credit.balance_low` when a balance falls below the share that a subscription's product sets.
fn warn_if_low(
    state: &mut SandboxState,
    entitlement_id: &str,
    customer_id: &str,
    before: Credits,
    after: Credits,
) {
    let found = terms_of(state, entitlement_id, customer_id).and_then(|(id, terms)| {
        let percent = terms.get("low_balance_threshold_percent")?.as_i64()?;
        Some((id, amount_of(&terms, "credits_amount"), percent))
    });
    let Some((subscription_id, granted, percent)) = found else { return };
    let threshold = granted.percent(percent);
    if before < threshold || after >= threshold {
        return;
    }
    let name = state.get(&CREDIT_ENTITLEMENTS, entitlement_id);
    let fields = json!({
        "available_balance": after.to_string(),
        "credit_entitlement_id": entitlement_id,
        "credit_entitlement_name": name.map_or("", |entitlement| entitlement.str("name")),
        "customer_id": customer_id,
        "subscription_credits_amount": granted.to_string(),
        "subscription_id": subscription_id,
        "threshold_amount": threshold.to_string(),
        "threshold_percent": percent,
    });
    let id = state.add(&WARNINGS, fields);
    state.emit("credit.balance_low", &WARNINGS, &id);
}

/// The merchant corrects a balance: `credit.manual_adjustment`. Returns the ledger entry's id.
///
/// # Errors
/// 422 for a debit of more than the balance.
pub(crate) fn adjust(
    state: &mut SandboxState,
    grant: &NewGrant<'_>,
    is_credit: bool,
    extra: Value,
) -> Result<String, Error> {
    let who = (grant.entitlement_id, grant.customer_id);
    if is_credit {
        let kind = ("manual_adjustment", "credit.manual_adjustment");
        return Ok(adjust_up(state, grant, json!({}), kind, extra).1);
    }
    let (before, overage) = balance(state, who.0, who.1);
    if grant.amount > before {
        return Err(Error::unprocessable("INSUFFICIENT_BALANCE", "amount: more than the balance"));
    }
    take(state, who.0, who.1, grant.amount);
    let kind = ("manual_adjustment", Some("credit.manual_adjustment"));
    let after = (before.minus(grant.amount), overage);
    Ok(book(state, who, kind, (grant.amount, false), after, extra))
}

/// The next moment at which a grant expires.
pub(crate) fn next_expiry(state: &SandboxState) -> Option<(Timestamp, String)> {
    let open = state.all(&GRANTS).filter(|grant| !grant.is("is_expired"));
    open.filter_map(|grant| Some((grant.date("expires_at")?, grant.id.clone()))).min()
}

/// A grant expires: `credit.expired` for the rest of it.
pub(crate) fn expire(state: &mut SandboxState, grant_id: &str) -> Result<(), Error> {
    let grant = state.find_mut(&GRANTS, grant_id)?;
    let left = credits_in(grant, "remaining_amount");
    grant.set("remaining_amount", "0");
    grant.set("is_expired", true);
    let text = |name: &str| grant.text(name).unwrap_or_default().to_owned();
    let (entitlement_id, customer_id) = (text("credit_entitlement_id"), text("customer_id"));
    if left > Credits::ZERO {
        let (balance, overage) = balance(state, &entitlement_id, &customer_id);
        let kind = ("credit_expired", Some("credit.expired"));
        let after = (balance.minus(left), overage);
        let who = (entitlement_id.as_str(), customer_id.as_str());
        book(state, who, kind, (left, false), after, json!({ "grant_id": grant_id }));
    }
    Ok(())
}
