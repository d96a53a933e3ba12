//! Renewals, their failures and their recoveries.

use std::time::Duration;

use serde_json::json;

use crate::{
    Error,
    api::{payments::PAYMENTS, resource::Resource, subscriptions::SUBSCRIPTIONS},
    clock::later,
    flow::{allowance, complete, discount, entitlement, plan, subscription, usage},
    id,
    money::{self, Taxed},
    settings::GraceEnd,
    state::{
        SandboxState,
        card::{self, Charge},
        payment::{ChargeType, Line, Payment, ServicePeriod},
        product::{Period, RenewalInterval},
        subscription::{Recovery, Subscription},
    },
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The delays before each automatic retry of a failed renewal.
const RETRIES: [Duration; 8] = [
    HOUR.saturating_mul(12),
    HOUR.saturating_mul(24),
    HOUR.saturating_mul(48),
    HOUR.saturating_mul(72),
    HOUR.saturating_mul(96),
    HOUR.saturating_mul(120),
    HOUR.saturating_mul(7 * 24),
    HOUR.saturating_mul(7 * 24),
];

/// The longest time after the failure in which a renewal is retried.
const RETRY_WINDOW: Duration = HOUR.saturating_mul(13 * 24);

/// Declines after which a retry can succeed.
const SOFT_DECLINES: [&str; 4] =
    ["GENERIC_DECLINE", "INSUFFICIENT_FUNDS", "PROCESSING_ERROR", "AUTHENTICATION_FAILURE"];

/// The bill of a subscription.
pub(crate) struct Invoice {
    pub(crate) amount: Taxed,
    pub(crate) charge_type: ChargeType,
    pub(crate) retry_attempt: u32,
    /// The part for metered usage and overage, before tax.
    pub(crate) usage: i64,
}

/// The bill of one more period: with the subscription's discounts, the usage of the period that
/// ends, and tax.
fn renewal_bill(state: &SandboxState, subscription: &Subscription, retry_attempt: u32) -> Invoice {
    let Subscription { discounts, currency, recurring_amount, .. } = subscription;
    let left = discount::reduce_by_all(discounts.as_ref(), *recurring_amount, currency);
    let usage = usage::price(state, subscription)
        .saturating_add(allowance::overage_price(state, subscription));
    let due = left.saturating_add(usage).min(money::MAX_AMOUNT);
    Invoice {
        amount: taxed(subscription, due),
        charge_type: ChargeType::Renewal,
        retry_attempt,
        usage,
    }
}

/// An amount with the tax of the subscriber's country.
pub(crate) fn taxed(subscription: &Subscription, amount: i64) -> Taxed {
    let rate = money::tax_rate(&subscription.billing.country);
    money::taxed(amount, rate, subscription.tax_inclusive)
}

/// Charges a subscription's payment method and notes the payment. The payment's own event is emitted
/// for everything but success, which the caller places among its own.
pub(crate) fn charge(
    state: &mut SandboxState,
    subscription_id: &str,
    bill: &Invoice,
) -> Result<(String, Charge), Error> {
    let subscription = state.subscriptions.find(subscription_id)?.clone();
    let name = state.products.get(&subscription.product_id).map(|product| product.name.clone());
    let now = state.now();
    let line = Line {
        id: id::new("itm_"),
        product_id: subscription.product_id.clone(),
        name: name.unwrap_or_default(),
        description: None,
        quantity: subscription.quantity,
        amount: bill.amount.total,
        tax: bill.amount.tax,
        refunded: 0,
    };
    // Events of the same act move the clock by milliseconds.
    let late = now.duration_since(subscription.next_billing).as_millis();
    let on_time = (0..1_000).contains(&late);
    let period = ServicePeriod {
        subscription_id: subscription.id.clone(),
        from: now,
        to: if on_time { subscription.period_end(now) } else { subscription.every.after(now) },
    };
    let payment = Payment {
        id: id::new("pay_"),
        created_at: now,
        currency: subscription.currency.clone(),
        lines: vec![line],
        total: bill.amount.total,
        tax: bill.amount.tax,
        customer_id: subscription.customer_id.clone(),
        billing: subscription.billing.clone(),
        method: subscription.method.clone(),
        custom_fields: subscription.custom_fields.clone(),
        discounts: subscription.discounts.clone(),
        metadata: subscription.metadata.clone(),
        subscription_ids: vec![subscription.id.clone()],
        retry_attempt: bill.retry_attempt,
        charge_type: bill.charge_type,
        periods: vec![period],
        includes_usage: bill.usage > 0,
        abandonment_seen: true,
        ..Payment::default()
    };
    let payment_id = payment.id.clone();
    state.payments.insert(payment);
    let charge = match bill.amount.total {
        0 => Charge::Paid,
        total if subscription.mandate.is_some_and(|most| total > most) => {
            card::decline("AUTHENTICATION_FAILURE")
        }
        _ => complete::attempt(state, subscription.method.as_ref(), true),
    };
    match charge {
        Charge::Paid => complete::set_status(state, &payment_id, "succeeded")?,
        Charge::Processing => {
            complete::set_status(state, &payment_id, "processing")?;
            state.emit("payment.processing", &PAYMENTS, &payment_id);
        }
        Charge::Declined { code, message } => {
            complete::decline(state, &payment_id, (code, message))?;
        }
    }
    Ok((payment_id, charge))
}

/// Begins the next period: charges it, ends the subscription, or makes a scheduled change.
pub(crate) fn renew(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let current = state.subscriptions.find(subscription_id)?;
    if !current.renews() {
        return Err(Error::conflict("SUBSCRIPTION_INACTIVE", "only active subscriptions renew"));
    }
    if current.cancel_at_next_billing {
        return subscription::cancel(state, subscription_id, None);
    }
    if state.now() >= current.expires_at {
        return subscription::expire(state, subscription_id);
    }
    if current.scheduled.is_some() {
        plan::apply_scheduled(state, subscription_id)?;
    }
    let bill = renewal_bill(state, state.subscriptions.find(subscription_id)?, 0);
    let (payment_id, charge) = charge(state, subscription_id, &bill)?;
    match charge {
        Charge::Paid => {
            advance_period(state, subscription_id)?;
            apply_payment(state, subscription_id, payment_id);
            Ok(())
        }
        // The bank answers later. Until then the period counts as begun.
        Charge::Processing => advance_period(state, subscription_id),
        Charge::Declined { code, .. } => failed(state, subscription_id, code),
    }
}

/// The events of a renewal that was paid.
pub(crate) fn apply_payment(state: &mut SandboxState, subscription_id: &str, payment_id: String) {
    state.emit("payment.succeeded", &PAYMENTS, &payment_id);
    if state.subscriptions.get(subscription_id).is_some_and(Subscription::renews) {
        state.emit("subscription.renewed", &SUBSCRIPTIONS, subscription_id);
        complete::updated(state, subscription_id);
    }
}

fn advance_period(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let ended = state.subscriptions.find(subscription_id)?.clone();
    allowance::end_cycle(state, &ended);
    let source = ("subscription", Some(ended.id.clone()));
    allowance::grant_for_product(
        state,
        &ended.product_id,
        &ended.customer_id,
        source,
        ended.quantity,
        allowance::Occasion::Renewal,
    );
    let now = state.now();
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    subscription.discounts = discount::next_cycle(subscription.discounts.take());
    if now < subscription.next_billing {
        subscription.begin_period(now); // The renewal was requested before its due time.
    } else {
        subscription.next_period();
    }
    Ok(())
}

/// A renewal was declined: grace or hold, reminders and retries as the merchant configured.
fn failed(state: &mut SandboxState, subscription_id: &str, code: &str) -> Result<(), Error> {
    let now = state.now();
    let settings = state.settings.clone();
    let dunning_id = settings.dunning.then(|| id::new("dun_"));
    let retries = settings.automatic_retries && SOFT_DECLINES.contains(&code);
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    subscription.recovery = Some(Recovery {
        failed_at: now,
        retries: 0,
        manual_retries: 0,
        next_retry: retry_after(0, now, now).filter(|_| retries),
        dunning_id: dunning_id.clone(),
    });
    let customer_id = subscription.customer_id.clone();
    let trigger = match settings.grace_days {
        Some(days) => {
            let grace = Period { count: days.max(1), interval: RenewalInterval::Day };
            subscription.status = "past_due";
            subscription.past_due_ends_at = Some(grace.after(now));
            state.emit("subscription.past_due", &SUBSCRIPTIONS, subscription_id);
            "past_due"
        }
        None => {
            put_on_hold(state, subscription_id)?;
            "on_hold"
        }
    };
    if let Some(id) = dunning_id {
        start_dunning(state, id, subscription_id, customer_id, trigger);
    }
    complete::updated(state, subscription_id);
    Ok(())
}

/// Sequences of reminders to customers whose subscription stopped being paid.
static DUNNINGS: Resource = Resource {
    name: "dunning attempt",
    path: "dunning-attempts",
    payload_type: "DunningAttempt",
    ..Resource::PLAIN
};

/// Notes that reminders begin.
pub(crate) fn start_dunning(
    state: &mut SandboxState,
    id: String,
    subscription_id: &str,
    customer_id: String,
    trigger: &'static str,
) {
    let fields = json!({
        "customer_id": customer_id,
        "status": "recovering",
        "subscription_id": subscription_id,
        "trigger_state": trigger,
    });
    state.put(&DUNNINGS, id.clone(), fields);
    state.emit("dunning.started", &DUNNINGS, &id);
}

/// A charge outside of the billing cycle failed: the subscription waits for another card.
pub(crate) fn hold_for_payment(
    state: &mut SandboxState,
    subscription_id: &str,
) -> Result<(), Error> {
    let now = state.now();
    let recovery = Recovery {
        failed_at: now,
        retries: 0,
        manual_retries: 0,
        next_retry: None,
        dunning_id: None,
    };
    state.subscriptions.find_mut(subscription_id)?.recovery = Some(recovery);
    put_on_hold(state, subscription_id)
}

fn put_on_hold(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    subscription.status = "on_hold";
    subscription.past_due_ends_at = None;
    state.emit("subscription.on_hold", &SUBSCRIPTIONS, subscription_id);
    entitlement::revoke_of(state, "subscription_on_hold", subscription_id);
    Ok(())
}

fn retry_after(
    retries: u32,
    now: jiff::Timestamp,
    failed_at: jiff::Timestamp,
) -> Option<jiff::Timestamp> {
    let wait = RETRIES.get(usize::try_from(retries).ok()?)?;
    Some(later(now, *wait)).filter(|at| *at <= later(failed_at, RETRY_WINDOW))
}

/// An automatic retry falls due.
pub(crate) fn retry(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let now = state.now();
    if let Some(recovery) = &mut state.subscriptions.find_mut(subscription_id)?.recovery {
        recovery.retries += 1;
        recovery.next_retry = retry_after(recovery.retries, now, recovery.failed_at);
    }
    collect(state, subscription_id).map(|_| ())
}

/// The merchant retries a failed renewal. Returns the id of the new payment.
///
/// # Errors
/// 404 and 409 if the subscription owes nothing.
pub(crate) fn retry_by_hand(
    state: &mut SandboxState,
    subscription_id: &str,
) -> Result<String, Error> {
    if let Some(recovery) = &mut state.subscriptions.find_mut(subscription_id)?.recovery {
        recovery.retries += 1;
        recovery.manual_retries += 1;
    }
    let payment_id = collect(state, subscription_id)?;
    payment_id.ok_or_else(|| Error::conflict("CONFLICT", "the subscription owes nothing"))
}

/// Charges the amount that a failed renewal left open, if any.
pub(crate) fn collect_overdue(
    state: &mut SandboxState,
    subscription_id: &str,
) -> Result<(), Error> {
    match &mut state.subscriptions.find_mut(subscription_id)?.recovery {
        Some(recovery) => {
            recovery.retries += 1;
            collect(state, subscription_id).map(|_| ())
        }
        None => Ok(()),
    }
}

/// Charges again. Returns the id of the payment, if the subscription has an open amount.
fn collect(state: &mut SandboxState, subscription_id: &str) -> Result<Option<String>, Error> {
    let subscription = state.subscriptions.find(subscription_id)?;
    let Some(recovery) = &subscription.recovery else { return Ok(None) };
    let bill = renewal_bill(state, subscription, recovery.retries);
    let (payment_id, charge) = charge(state, subscription_id, &bill)?;
    if charge == Charge::Paid {
        recovered(state, subscription_id, payment_id.clone())?;
    }
    Ok(Some(payment_id))
}

/// A failed renewal was paid later.
fn recovered(
    state: &mut SandboxState,
    subscription_id: &str,
    payment_id: String,
) -> Result<(), Error> {
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    let recovery = subscription.recovery.take();
    subscription.status = if subscription.paused_at.is_some() { "paused" } else { "active" };
    subscription.past_due_ends_at = None;
    let status = subscription.status;
    advance_period(state, subscription_id)?;
    state.emit("payment.succeeded", &PAYMENTS, &payment_id);
    if status == "active" {
        state.emit("subscription.active", &SUBSCRIPTIONS, subscription_id);
        if state.settings.renewed_after_recovery {
            state.emit("subscription.renewed", &SUBSCRIPTIONS, subscription_id);
        }
        entitlement::grant_again(state, subscription_id);
    }
    complete::updated(state, subscription_id);
    if let Some(id) = recovery.and_then(|recovery| recovery.dunning_id)
        && let Ok(dunning) = state.find_mut(&DUNNINGS, &id)
    {
        dunning.set("payment_id", payment_id);
        dunning.set("status", "recovered");
        state.emit("dunning.recovered", &DUNNINGS, &id);
    }
    Ok(())
}

/// The grace period is over and nothing was paid.
pub(crate) fn grace_over(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    match state.settings.grace_end {
        GraceEnd::OnHold => {
            put_on_hold(state, subscription_id)?;
            complete::updated(state, subscription_id);
            Ok(())
        }
        GraceEnd::Cancelled => {
            state.subscriptions.find_mut(subscription_id)?.cancelled_by = Some("system");
            subscription::cancel(state, subscription_id, None)
        }
    }
}
