//! What a charge brings about: the payment's outcome, the subscription's start, the keys handed out.

use crate::{
    Error, id,
    state::{
        World,
        card::{self, Charge, PaymentMethod},
        grant::{Grant, License},
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
            mark(world, payment_id, "processing")?;
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
    mark(world, payment_id, "succeeded")?;
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
    hand_out(world, payment_id)?;
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
    mark(world, payment_id, "failed")?;
    world.payments.find_mut(payment_id)?.error = Some(error);
    world.emit("payment.failed", Subject::Payment(payment_id.to_owned()));
    Ok(())
}

/// Sets a payment's status, without an event.
pub(crate) fn mark(world: &mut World, payment_id: &str, status: &'static str) -> Result<(), Error> {
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

/// Creates the license keys that this payment bought, with their grants.
fn hand_out(world: &mut World, payment_id: &str) -> Result<(), Error> {
    let now = world.now();
    let payment = world.payments.find(payment_id)?.clone();
    for line in &payment.lines {
        let Some(plan) = world.products.get(&line.product_id).and_then(|p| p.license.clone())
        else {
            continue;
        };
        let subscription_id = payment
            .subscription_ids
            .iter()
            .find(|id| world.subscriptions.get(id).is_some_and(|s| s.product_id == line.product_id))
            .cloned();
        let license = License {
            id: id::new("lic_"),
            key: id::license_key(),
            status: "active",
            product_id: line.product_id.clone(),
            customer_id: payment.customer_id.clone(),
            payment_id: Some(payment.id.clone()),
            subscription_id: subscription_id.clone(),
            activations_limit: plan.activations_limit,
            created_at: now,
        };
        let grant = Grant {
            id: id::new("entg_"),
            entitlement_id: plan.entitlement_id,
            license_id: license.id.clone(),
            customer_id: payment.customer_id.clone(),
            payment_id: Some(payment.id.clone()),
            subscription_id,
            created_at: now,
            updated_at: now,
            revoked: None,
        };
        let (license_id, grant_id) = (license.id.clone(), grant.id.clone());
        world.licenses.insert(license);
        world.grants.insert(grant);
        world.emit("license_key.created", Subject::License(license_id));
        world.emit("entitlement_grant.created", Subject::Grant(grant_id.clone()));
        if world.settings.delivered_after_created {
            world.emit("entitlement_grant.delivered", Subject::Grant(grant_id));
        }
    }
    Ok(())
}

/// Takes back what was granted, for the grants that `which` picks.
pub(crate) fn revoke(world: &mut World, reason: &'static str, which: impl Fn(&Grant) -> bool) {
    let now = world.now();
    let mut revoked = Vec::new();
    for grant in world.grants.iter_mut().filter(|grant| grant.revoked.is_none() && which(grant)) {
        grant.revoked = Some((reason, now));
        grant.updated_at = now;
        revoked.push((grant.id.clone(), grant.license_id.clone()));
    }
    for (grant_id, license_id) in revoked {
        if let Some(license) = world.licenses.get_mut(&license_id) {
            license.status = "disabled";
        }
        world.emit("entitlement_grant.revoked", Subject::Grant(grant_id));
    }
}

/// Takes back what a subscription granted.
pub(crate) fn revoke_of(world: &mut World, reason: &'static str, subscription_id: &str) {
    revoke(world, reason, |grant| grant.subscription_id.as_deref() == Some(subscription_id));
}

/// A subscription is paid again: what was revoked is granted anew.
pub(crate) fn grant_again(world: &mut World, subscription_id: &str) {
    let now = world.now();
    let of_subscription = |grant: &&Grant| {
        grant.subscription_id.as_deref() == Some(subscription_id) && grant.revoked.is_some()
    };
    let Some(old) = world.grants.iter().rev().find(of_subscription).cloned() else { return };
    if let Some(license) = world.licenses.get_mut(&old.license_id) {
        license.status = "active";
    }
    let grant =
        Grant { id: id::new("entg_"), created_at: now, updated_at: now, revoked: None, ..old };
    let id = grant.id.clone();
    world.grants.insert(grant);
    world.emit("entitlement_grant.created", Subject::Grant(id));
}
