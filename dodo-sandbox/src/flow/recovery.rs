//! Checkouts that were left behind, and those that were finished after all.

use std::time::Duration;

use crate::{
    Error, id,
    state::{
        World,
        recovery::Abandoned,
        session::{Progress, Session},
        webhook::Subject,
    },
};

/// How long a recovery link works.
const LINK_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A payment that did not succeed is an abandoned checkout.
///
/// # Errors
/// 404 for an unknown payment, 409 for one that succeeded.
pub(crate) fn abandon(world: &mut World, payment_id: &str) -> Result<(), Error> {
    let now = world.now();
    let payment = world.payments.find_mut(payment_id)?;
    payment.abandonment_seen = true;
    if payment.succeeded() {
        return Err(Error::conflict("PAYMENT_ALREADY_SUCCEEDED", "this payment was not abandoned"));
    }
    let reason =
        if payment.status == Some("failed") { "payment_failed" } else { "checkout_incomplete" };
    let abandoned = Abandoned {
        payment_id: payment_id.to_owned(),
        customer_id: payment.customer_id.clone(),
        reason,
        at: now,
        recovered_payment_id: None,
    };
    world.abandoned.insert(abandoned);
    world.emit("abandoned_checkout.detected", Subject::Abandoned(payment_id.to_owned()));
    Ok(())
}

/// A payment succeeded: if its page was opened by a recovery link, the checkout is recovered.
pub(crate) fn recovered(world: &mut World, payment_id: &str) {
    let lost = world
        .sessions
        .iter()
        .rev()
        .find(|session| {
            session.recovering.is_some() && session.payment_id.as_deref() == Some(payment_id)
        })
        .and_then(|session| session.recovering.clone());
    if let Some(lost) = lost
        && let Some(abandoned) = world.abandoned.get_mut(&lost)
    {
        abandoned.recovered_payment_id = Some(payment_id.to_owned());
        world.emit("abandoned_checkout.recovered", Subject::Abandoned(lost));
    }
}

/// A recovery link: a new session with the cart of the one that was abandoned. Its id.
///
/// # Errors
/// 404 when the payment was not abandoned or its session is gone, 409 when it is recovered already.
pub(crate) fn link(world: &mut World, payment_id: &str) -> Result<String, Error> {
    if world.abandoned.find(payment_id)?.recovered_payment_id.is_some() {
        return Err(Error::conflict("CONFLICT", "the checkout is recovered already"));
    }
    let payment = world.payments.find(payment_id)?;
    let old = payment.session_id.as_ref().and_then(|id| world.sessions.get(id));
    let old = old.ok_or_else(|| Error::not_found("checkout session"))?;
    let session = Session {
        id: id::new("cks_"),
        created_at: world.now(),
        expires_at: world.after(LINK_LIFE),
        progress: Progress::Open,
        payment_id: None,
        reserved_payment_id: None,
        recovering: Some(payment_id.to_owned()),
        ..old.clone()
    };
    let id = session.id.clone();
    world.sessions.insert(session);
    Ok(id)
}
