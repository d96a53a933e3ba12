//! Checkouts that were left behind, and those that were finished after all.

use crate::{
    Error,
    state::{World, recovery::Abandoned, webhook::Subject},
};

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
