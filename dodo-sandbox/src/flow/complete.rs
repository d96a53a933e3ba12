//! What a charge brings about: the payment's outcome, the subscription's start, the keys handed out.

use crate::{
    Error,
    state::{
        World,
        card::{self, Charge, PaymentMethod},
        webhook::Subject,
    },
};

/// What came of a charge, for the one who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Paid,
    Processing,
    Declined,
}

/// Charges a payment method, or declines because somebody asked for that.
pub(crate) fn attempt(world: &mut World, method: Option<&PaymentMethod>, renewal: bool) -> Charge {
    if let Some((code, left)) = &mut world.force_decline {
        let charge = card::decline(code);
        *left = left.saturating_sub(1);
        if *left == 0 {
            world.force_decline = None;
        }
        return charge;
    }
    method.map_or_else(|| card::decline("PROCESSING_ERROR"), |method| method.charge(renewal))
}

/// Charges the first payment of a purchase and emits what follows.
pub(crate) fn charge_first(world: &mut World, payment_id: &str) -> Result<Outcome, Error> {
    let payment = world.payments.find(payment_id)?;
    let (method, free) = (payment.method.clone(), payment.total == 0);
    let charge = if free { Charge::Paid } else { attempt(world, method.as_ref(), false) };
    match charge {
        Charge::Paid => {
            succeed(world, payment_id)?;
            Ok(Outcome::Paid)
        }
        Charge::Processing => {
            set_status(world, payment_id, "processing")?;
            world.emit("payment.processing", Subject::Payment(payment_id.to_owned()));
            Ok(Outcome::Processing)
        }
        Charge::Declined { code, message } => {
            fail(world, payment_id, (code, message))?;
            Ok(Outcome::Declined)
        }
    }
}

/// The first payment of a purchase went through.
pub(crate) fn succeed(world: &mut World, payment_id: &str) -> Result<(), Error> {
    set_status(world, payment_id, "succeeded")?;
    let payment = world.payments.find(payment_id)?;
    let total = payment.total;
    // One that was cancelled while the bank took its time stays cancelled.
    let pending = |id: &&String| world.subscriptions.get(id).is_some_and(|s| s.status == "pending");
    let subscription_ids: Vec<_> =
        payment.subscription_ids.iter().filter(pending).cloned().collect();
    let mut trial = false;
    for id in &subscription_ids {
        if let Some(subscription) = world.subscriptions.get_mut(id) {
            subscription.status = "active";
            trial |= subscription.trial_days > 0;
            world.emit("subscription.active", Subject::Subscription(id.clone()));
        }
    }
    if total > 0 || !trial || world.settings.zero_payment_at_trial_start {
        world.emit("payment.succeeded", Subject::Payment(payment_id.to_owned()));
    }
    let renewed = match trial {
        true => world.settings.renewed_at_trial_start,
        false => world.settings.renewed_at_start,
    };
    for id in &subscription_ids {
        if renewed {
            world.emit("subscription.renewed", Subject::Subscription(id.clone()));
        }
        updated(world, id);
    }
    super::entitlement::issue(world, payment_id)?;
    super::recovery::recovered(world, payment_id);
    Ok(())
}

/// The first payment of a purchase was declined: so are its subscriptions.
pub(crate) fn fail(
    world: &mut World,
    payment_id: &str,
    error: (&'static str, &'static str),
) -> Result<(), Error> {
    let subscription_ids = world.payments.find(payment_id)?.subscription_ids.clone();
    for id in subscription_ids {
        if let Some(subscription) = world.subscriptions.get_mut(&id) {
            subscription.status = "failed";
            world.emit("subscription.failed", Subject::Subscription(id.clone()));
            updated(world, &id);
        }
    }
    decline(world, payment_id, error)
}

/// A payment was declined.
pub(crate) fn decline(
    world: &mut World,
    payment_id: &str,
    error: (&'static str, &'static str),
) -> Result<(), Error> {
    set_status(world, payment_id, "failed")?;
    world.payments.find_mut(payment_id)?.error = Some(error);
    world.emit("payment.failed", Subject::Payment(payment_id.to_owned()));
    Ok(())
}

/// Sets a payment's status, without an event.
pub(crate) fn set_status(
    world: &mut World,
    payment_id: &str,
    status: &'static str,
) -> Result<(), Error> {
    let now = world.now();
    world.payments.find_mut(payment_id)?.settle(status, now);
    Ok(())
}

/// Every change of a subscription is followed by `subscription.updated`.
pub(crate) fn updated(world: &mut World, subscription_id: &str) {
    if world.settings.updated_events {
        world.emit("subscription.updated", Subject::Subscription(subscription_id.to_owned()));
    }
}
