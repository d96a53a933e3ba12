//! The changes of a subscription: cancellation, pause, resumption, charge and expiry.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Error,
    api::subscriptions::SUBSCRIPTIONS,
    flow::{
        complete, entitlement,
        renewal::{self, Invoice},
    },
    id,
    settings::PeriodEndCancellation,
    state::{SandboxState, card::Charge, payment::ChargeType, subscription::Subscription},
};

fn inactive(message: &'static str) -> Error {
    Error::conflict("SUBSCRIPTION_INACTIVE", message)
}

/// Cancels now. `by`: the actor, if the request is new.
///
/// # Errors
/// 409 when it is over already.
pub(crate) fn cancel(
    state: &mut SandboxState,
    subscription_id: &str,
    by: Option<&'static str>,
) -> Result<(), Error> {
    let now = state.now();
    let dunning = state.settings.dunning && by == Some("customer");
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    if subscription.is_over() {
        return Err(inactive("the subscription is over already"));
    }
    end(subscription, "cancelled");
    subscription.cancelled_at = Some(now);
    subscription.cancelled_by = by.or(subscription.cancelled_by);
    let customer_id = subscription.customer_id.clone();
    state.emit("subscription.cancelled", &SUBSCRIPTIONS, subscription_id);
    entitlement::revoke_of(state, "subscription_cancelled", subscription_id);
    complete::updated(state, subscription_id);
    if dunning {
        renewal::start_dunning(state, id::new("dun_"), subscription_id, customer_id, "cancelled");
    }
    Ok(())
}

fn end(subscription: &mut Subscription, status: &'static str) {
    subscription.status = status;
    subscription.past_due_ends_at = None;
    subscription.recovery = None;
    subscription.scheduled = None;
}

/// The term, or the time paid for, is over.
pub(crate) fn expire(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    end(subscription, "expired");
    subscription.ends_after_cancel = None;
    state.emit("subscription.expired", &SUBSCRIPTIONS, subscription_id);
    entitlement::revoke_of(state, "subscription_expired", subscription_id);
    complete::updated(state, subscription_id);
    Ok(())
}

/// Cancels at the end of the period, or undoes such a cancellation.
///
/// # Errors
/// 409 when it is over already.
pub(crate) fn cancel_at_period_end(
    state: &mut SandboxState,
    subscription_id: &str,
    wanted: bool,
    by: &'static str,
) -> Result<(), Error> {
    let now = state.now();
    let at_once = state.settings.period_end_cancellation == PeriodEndCancellation::ExpiredAtEnd;
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    if subscription.is_over() {
        return Err(inactive("the subscription is over already"));
    }
    subscription.cancel_at_next_billing = wanted;
    subscription.cancelled_by = wanted.then_some(by);
    if wanted && at_once {
        subscription.status = "cancelled";
        subscription.cancelled_at = Some(now);
        subscription.ends_after_cancel = Some(subscription.next_billing);
        state.emit("subscription.cancelled", &SUBSCRIPTIONS, subscription_id);
    }
    complete::updated(state, subscription_id);
    Ok(())
}

/// Pauses.
///
/// # Errors
/// 409 unless it is active.
pub(crate) fn pause(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let now = state.now();
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    if subscription.status != "active" {
        return Err(inactive("only an active subscription can be paused"));
    }
    subscription.status = "paused";
    subscription.paused_at = Some(now);
    state.emit("subscription.paused", &SUBSCRIPTIONS, subscription_id);
    // Dodo writes this one reason differently from the others.
    entitlement::revoke_of(state, "SubscriptionPaused", subscription_id);
    complete::updated(state, subscription_id);
    Ok(())
}

/// Ends a pause: all dates move by its length.
///
/// # Errors
/// 409 unless it is paused.
pub(crate) fn resume(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let now = state.now();
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    let Some(paused_at) = subscription.paused_at.filter(|_| subscription.status == "paused") else {
        return Err(inactive("only a paused subscription can be resumed"));
    };
    let pause = now.duration_since(paused_at);
    let shift = |at: Timestamp| at.checked_add(pause).unwrap_or(Timestamp::MAX);
    subscription.set_next_billing(shift(subscription.next_billing));
    subscription.expires_at = shift(subscription.expires_at);
    subscription.status = "active";
    subscription.paused_at = None;
    state.emit("subscription.unpaused", &SUBSCRIPTIONS, subscription_id);
    entitlement::grant_again(state, subscription_id);
    complete::updated(state, subscription_id);
    Ok(())
}

/// Charges an on-demand subscription. Returns the id of the payment.
///
/// # Errors
/// 409 unless it is active and on demand.
pub(crate) fn charge_on_demand(
    state: &mut SandboxState,
    subscription_id: &str,
    price: i64,
    metadata: Option<Map<String, Value>>,
    about: Option<String>,
) -> Result<String, Error> {
    let subscription = state.subscriptions.find(subscription_id)?;
    if !subscription.on_demand {
        return Err(Error::conflict(
            "SUBSCRIPTION_NOT_ON_DEMAND",
            "the subscription is not on demand",
        ));
    }
    if subscription.status != "active" {
        return Err(inactive("only an active subscription can be charged"));
    }
    let amount = renewal::taxed(subscription, price);
    let bill = Invoice { amount, charge_type: ChargeType::OnDemand, retry_attempt: 0, usage: 0 };
    let (payment_id, charge) = renewal::charge(state, subscription_id, &bill)?;
    if let Some(payment) = state.payments.get_mut(&payment_id) {
        payment.metadata = metadata.unwrap_or_else(|| std::mem::take(&mut payment.metadata));
        if let (Some(_), Some(line)) = (&about, payment.lines.first_mut()) {
            line.description = about;
        }
    }
    match charge {
        Charge::Paid => renewal::apply_payment(state, subscription_id, payment_id.clone()),
        Charge::Declined { .. } => {
            renewal::hold_for_payment(state, subscription_id)?;
            complete::updated(state, subscription_id);
        }
        Charge::Processing => {}
    }
    Ok(payment_id)
}
