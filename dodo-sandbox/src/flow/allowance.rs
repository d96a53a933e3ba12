//! The credits that a product grants in each billing cycle: their grant, and the end of the cycle with
//! rollover and overage.

use serde_json::{Value, json};

use super::credit::{self, NewGrant};
use crate::{
    Error,
    api::credits::GRANTS,
    state::{
        SandboxState,
        credits::Credits,
        product::{Period, RenewalInterval},
        subscription::Subscription,
    },
};

pub(super) fn amount_of(mapping: &Value, name: &str) -> Credits {
    mapping.get(name).and_then(Value::as_str).and_then(Credits::parse).unwrap_or_default()
}

/// The credits that a product grants, as `credit_entitlements` of the product.
pub(crate) fn mappings(state: &SandboxState, product_id: &str) -> Vec<Value> {
    let product = state.products.get(product_id);
    let all = product.and_then(|product| product.fields.get("credit_entitlements")?.as_array());
    all.cloned().unwrap_or_default()
}

/// The credits of a subscription: those of its product, with its own terms.
pub(super) fn granted_to(state: &SandboxState, subscription: &Subscription) -> Vec<Value> {
    let mut all = mappings(state, &subscription.product_id);
    for mapping in all.iter_mut().filter_map(Value::as_object_mut) {
        let same =
            |own: &&Value| own.get("credit_entitlement_id") == mapping.get("credit_entitlement_id");
        let own = subscription.credit_terms.iter().find(same).and_then(Value::as_object);
        let given = own.into_iter().flatten().filter(|(_, value)| !value.is_null());
        let given: Vec<_> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        mapping.extend(given);
    }
    all
}

/// Checks terms of `credit_entitlement_cart`.
///
/// # Errors
/// 422 for a credit that the product of the subscription does not grant.
pub(crate) fn check_terms(
    state: &SandboxState,
    subscription_id: &str,
    terms: &[Value],
) -> Result<(), Error> {
    let known = mappings(state, &state.subscriptions.find(subscription_id)?.product_id);
    for own in terms {
        let id = own.get("credit_entitlement_id");
        if !known.iter().any(|mapping| mapping.get("credit_entitlement_id") == id) {
            return Err(Error::invalid(
                "credit_entitlement_cart: the product grants no such credit",
            ));
        }
    }
    Ok(())
}

/// Replaces terms by those for the same credit.
pub(crate) fn replace_terms(own: &mut Vec<Value>, given: Vec<Value>) {
    let id = |terms: &Value| terms.get("credit_entitlement_id").cloned();
    own.retain(|old| !given.iter().any(|new| id(new) == id(old)));
    own.extend(given);
}

/// The reason for a grant of a product's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A purchase, or the first cycle of a subscription.
    Start,
    Renewal,
    /// A change of plan with this part of the cycle left, in millionths.
    PlanChange(i64),
}

/// Grants the product's credits.
pub(crate) fn grant_for_product(
    state: &mut SandboxState,
    product_id: &str,
    customer_id: &str,
    source: (&'static str, Option<String>),
    quantity: u32,
    occasion: Occasion,
) {
    let subscription = source.1.as_ref().and_then(|id| state.subscriptions.get(id));
    let trial_ends = subscription
        .filter(|own| own.trial_days > 0 && occasion == Occasion::Start)
        .map(|own| own.next_billing);
    let granted = match subscription {
        Some(subscription) => granted_to(state, subscription),
        None => mappings(state, product_id),
    };
    for mapping in granted {
        let Some(entitlement_id) = mapping.get("credit_entitlement_id").and_then(Value::as_str)
        else {
            continue;
        };
        let days = mapping.get("expires_after_days").and_then(Value::as_u64);
        let period = days.and_then(|days| u32::try_from(days).ok());
        let period = period.map(|count| Period { count, interval: RenewalInterval::Day });
        let mut each = amount_of(&mapping, "credits_amount");
        let mut expires_at = period.map(|period| period.after(state.now()));
        let mut extra = json!({});
        if let Some(end) = trial_ends {
            if mapping.get("trial_credits").is_some_and(Value::is_string) {
                each = amount_of(&mapping, "trial_credits");
            }
            match mapping.get("trial_credits_expire_after_trial") {
                Some(Value::Bool(true)) => expires_at = Some(end),
                Some(Value::Bool(false)) => extra = json!({ OUTLIVES_CYCLE: true }),
                _ => {}
            }
        }
        let whole = mapping.get("proration_behavior").is_some_and(|own| own == "no_prorate");
        if let (Occasion::PlanChange(left), false) = (occasion, whole) {
            each = each.part(left, MILLION);
        }
        let grant = NewGrant {
            entitlement_id,
            customer_id,
            amount: each.times(quantity),
            source: source.clone(),
            expires_at,
            rollovers: 0,
        };
        credit::add(state, &grant, extra);
    }
}

/// Marks a grant that does not change at the end of its cycle.
const OUTLIVES_CYCLE: &str = "outlives_cycle";

/// The parts in which [`Occasion::PlanChange`] counts.
pub(crate) const MILLION: i64 = 1_000_000;

/// The end of a cycle, before the renewal grants again: unused credits roll over or are forfeited,
/// and overage is charged or forgiven. Returns the price of the overage.
pub(crate) fn end_cycle(state: &mut SandboxState, subscription: &Subscription) {
    for mapping in granted_to(state, subscription) {
        let Some(entitlement_id) = mapping.get("credit_entitlement_id").and_then(Value::as_str)
        else {
            continue;
        };
        let who = (entitlement_id, subscription.customer_id.as_str());
        roll_over(state, &mapping, who, &subscription.id);
        let (balance, overage) = credit::balance(state, who.0, who.1);
        if overage == Credits::ZERO {
            continue;
        }
        if is_invoiced(&mapping) {
            let kind = ("overage_charged", Some("credit.overage_charged"));
            credit::book(state, who, kind, (overage, false), (balance, overage), json!({}));
        }
        if mapping.get("overage_behavior").and_then(Value::as_str) != Some("carry_deficit") {
            let kind = ("overage_reset", Some("credit.overage_reset"));
            credit::book(state, who, kind, (overage, true), (balance, Credits::ZERO), json!({}));
        }
    }
}

fn is_invoiced(mapping: &Value) -> bool {
    mapping.get("overage_behavior").and_then(Value::as_str) == Some("invoice_at_billing")
}

/// The price of the overage that the next renewal charges, in minor units.
pub(crate) fn overage_price(state: &SandboxState, subscription: &Subscription) -> i64 {
    let mappings = granted_to(state, subscription);
    let price = |mapping: &Value| {
        let entitlement_id = mapping.get("credit_entitlement_id")?.as_str()?;
        let (_, overage) = credit::balance(state, entitlement_id, &subscription.customer_id);
        Some(overage.price(amount_of(mapping, "price_per_unit")))
    };
    mappings
        .iter()
        .filter(|mapping| is_invoiced(mapping))
        .filter_map(price)
        .fold(0, i64::saturating_add)
}

fn roll_over(state: &mut SandboxState, mapping: &Value, who: (&str, &str), subscription_id: &str) {
    let rolls = mapping.get("rollover_enabled") == Some(&Value::Bool(true));
    let number = |name: &str| mapping.get(name).and_then(Value::as_i64);
    let percent = number("rollover_percentage").unwrap_or(100);
    let most = number("max_rollover_count").unwrap_or(i64::MAX);
    for (grant_id, left) in credit::open_grants(state, who.0, who.1) {
        let Ok(grant) = state.find_mut(&GRANTS, &grant_id) else { continue };
        // Only the credits of this subscription's cycle end with it.
        if grant.text("source_id") != Some(subscription_id) || grant.is(OUTLIVES_CYCLE) {
            continue;
        }
        let count = grant.number("rollover_count").unwrap_or(0);
        grant.set("remaining_amount", "0");
        grant.set("is_expired", true);
        let kept = if rolls && count < most { left.percent(percent) } else { Credits::ZERO };
        let lost = left.minus(kept);
        let (balance, overage) = credit::balance(state, who.0, who.1);
        if lost > Credits::ZERO {
            let (kind, event) = match rolls {
                true => ("rollover_forfeited", "credit.rollover_forfeited"),
                false => ("credit_expired", "credit.expired"),
            };
            let after = (balance.minus(lost), overage);
            credit::book(
                state,
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
            let id = credit::insert_grant(state, &grant, json!({ "parent_grant_id": grant_id }));
            let kind = ("credit_rolled_over", Some("credit.rolled_over"));
            let after = (balance.minus(lost), overage);
            credit::book(state, who, kind, (kept, true), after, json!({ "grant_id": id }));
        }
    }
}

/// `credit_entitlement_cart` of a subscription.
pub(crate) fn cart(state: &SandboxState, subscription: &Subscription) -> Vec<Value> {
    let item = |mut mapping: Value| {
        let entitlement_id = mapping.get("credit_entitlement_id")?.as_str()?.to_owned();
        let (balance, overage) = credit::balance(state, &entitlement_id, &subscription.customer_id);
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
    granted_to(state, subscription).into_iter().filter_map(item).collect()
}
