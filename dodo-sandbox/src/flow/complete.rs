//! The effects of a charge: the result of the payment, the start of the subscription, the license
//! keys.

use crate::{
    Error,
    api::{payments::PAYMENTS, subscriptions::SUBSCRIPTIONS},
    state::{
        SandboxState,
        card::{self, Charge, PaymentMethod},
    },
};

/// The result of a charge, for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChargeOutcome {
    Paid,
    Processing,
    Declined,
}

/// Charges a payment method, or declines if the control API asked for that.
pub(crate) fn attempt(
    state: &mut SandboxState,
    method: Option<&PaymentMethod>,
    renewal: bool,
) -> Charge {
    if let Some((code, left)) = &mut state.force_decline {
        let charge = card::decline(code);
        *left = left.saturating_sub(1);
        if *left == 0 {
            state.force_decline = None;
        }
        return charge;
    }
    method.map_or_else(|| card::decline("PROCESSING_ERROR"), |method| method.charge(renewal))
}

/// Charges the first payment of a purchase and emits its events.
pub(crate) fn charge_first(
    state: &mut SandboxState,
    payment_id: &str,
) -> Result<ChargeOutcome, Error> {
    let payment = state.payments.find(payment_id)?;
    let (method, free) = (payment.method.clone(), payment.total == 0);
    let charge = if free { Charge::Paid } else { attempt(state, method.as_ref(), false) };
    match charge {
        Charge::Paid => {
            succeed(state, payment_id)?;
            Ok(ChargeOutcome::Paid)
        }
        Charge::Processing => {
            set_status(state, payment_id, "processing")?;
            state.emit("payment.processing", &PAYMENTS, payment_id);
            Ok(ChargeOutcome::Processing)
        }
        Charge::Declined { code, message } => {
            fail(state, payment_id, (code, message))?;
            Ok(ChargeOutcome::Declined)
        }
    }
}

/// The first payment of a purchase succeeded.
pub(crate) fn succeed(state: &mut SandboxState, payment_id: &str) -> Result<(), Error> {
    set_status(state, payment_id, "succeeded")?;
    let payment = state.payments.find(payment_id)?;
    let total = payment.total;
    // A subscription that was cancelled before the answer of the bank stays cancelled.
    let pending = |id: &&String| state.subscriptions.get(id).is_some_and(|s| s.status == "pending");
    let subscription_ids: Vec<_> =
        payment.subscription_ids.iter().filter(pending).cloned().collect();
    let mut trial = false;
    for id in &subscription_ids {
        if let Some(subscription) = state.subscriptions.get_mut(id) {
            subscription.status = "active";
            trial |= subscription.trial_days > 0;
            state.emit("subscription.active", &SUBSCRIPTIONS, id);
        }
    }
    if total > 0 || !trial || state.settings.zero_payment_at_trial_start {
        state.emit("payment.succeeded", &PAYMENTS, payment_id);
    }
    let renewed = match trial {
        true => state.settings.renewed_at_trial_start,
        false => state.settings.renewed_at_start,
    };
    for id in &subscription_ids {
        if renewed {
            state.emit("subscription.renewed", &SUBSCRIPTIONS, id);
        }
        updated(state, id);
    }
    super::entitlement::issue(state, payment_id)?;
    super::recovery::recovered(state, payment_id);
    Ok(())
}

/// The first payment of a purchase was declined: so are its subscriptions.
pub(crate) fn fail(
    state: &mut SandboxState,
    payment_id: &str,
    error: (&'static str, &'static str),
) -> Result<(), Error> {
    let subscription_ids = state.payments.find(payment_id)?.subscription_ids.clone();
    for id in subscription_ids {
        if let Some(subscription) = state.subscriptions.get_mut(&id) {
            subscription.status = "failed";
            state.emit("subscription.failed", &SUBSCRIPTIONS, &id);
            updated(state, &id);
        }
    }
    decline(state, payment_id, error)
}

/// A payment was declined.
pub(crate) fn decline(
    state: &mut SandboxState,
    payment_id: &str,
    error: (&'static str, &'static str),
) -> Result<(), Error> {
    set_status(state, payment_id, "failed")?;
    state.payments.find_mut(payment_id)?.error = Some(error);
    state.emit("payment.failed", &PAYMENTS, payment_id);
    Ok(())
}

/// Sets a payment's status, without an event.
pub(crate) fn set_status(
    state: &mut SandboxState,
    payment_id: &str,
    status: &'static str,
) -> Result<(), Error> {
    let now = state.now();
    state.payments.find_mut(payment_id)?.set_outcome(status, now);
    Ok(())
}

/// Every change of a subscription is followed by `subscription.updated`.
pub(crate) fn updated(state: &mut SandboxState, subscription_id: &str) {
    if state.settings.updated_events {
        state.emit("subscription.updated", &SUBSCRIPTIONS, subscription_id);
    }
}
