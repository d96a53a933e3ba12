//! A new payment method for a subscription.

use super::{
    checkout::{Paid, PayForm},
    complete::{self, Outcome},
};
use crate::{
    Error, id,
    state::{
        World,
        card::{Charge, PaymentMethod},
        payment::{ChargeType, Payment},
        session::{Progress, Session},
        webhook::Subject,
    },
};

/// Replaces the method: a charge of zero checks it, and a subscription that waits for money is
/// charged with it.
///
/// # Errors
/// 404 when the subscription is gone.
pub(crate) fn replace(
    world: &mut World,
    session: &Session,
    subscription_id: &str,
    form: &PayForm,
) -> Result<Paid, Error> {
    let method = PaymentMethod::new(&form.card, Some(form.name.clone()), &form.address.country);
    let subscription = world.subscriptions.find(subscription_id)?.clone();
    let charge = complete::attempt(world, Some(&method), false);
    let now = world.now();
    let payment = Payment {
        id: id::new("pay_"),
        status: None,
        created_at: now,
        updated_at: None,
        currency: subscription.currency.clone(),
        lines: Vec::new(),
        total: 0,
        tax: 0,
        customer_id: subscription.customer_id.clone(),
        billing: form.address.clone(),
        method: Some(method.clone()),
        session_id: None,
        link: Some(session.url(world)),
        custom_fields: None,
        discounts: None,
        error: None,
        invoice_id: None,
        metadata: subscription.metadata.clone(),
        subscription_ids: vec![subscription.id.clone()],
        update_payment_method: true,
        retry_attempt: 0,
        charge_type: ChargeType::Renewal,
        periods: Vec::new(),
        includes_usage: false,
        force_3ds: false,
        abandonment_seen: true,
    };
    let payment_id = payment.id.clone();
    world.payments.insert(payment);
    let outcome = match charge {
        Charge::Declined { code, message } => {
            complete::decline(world, &payment_id, (code, message))?;
            Outcome::Declined
        }
        Charge::Paid | Charge::Processing => {
            complete::set_status(world, &payment_id, "succeeded")?;
            if world.settings.zero_payment_at_method_update {
                world.emit("payment.succeeded", Subject::Payment(payment_id.clone()));
            }
            attach(world, subscription_id, method)?;
            Outcome::Paid
        }
    };
    let redirect = super::redirect::url(world, session, &payment_id);
    if outcome == Outcome::Paid
        && let Some(session) = world.sessions.get_mut(&session.id)
    {
        session.progress = Progress::Consumed { redirect: redirect.clone() };
    }
    Ok(Paid { payment_id, outcome, redirect })
}

/// Puts a method on file, and collects what is owed.
///
/// # Errors
/// 404 when the subscription is gone.
pub(crate) fn attach(
    world: &mut World,
    subscription_id: &str,
    method: PaymentMethod,
) -> Result<(), Error> {
    world.subscriptions.find_mut(subscription_id)?.method = Some(method);
    world.emit(
        "subscription.update_payment_method",
        Subject::Subscription(subscription_id.to_owned()),
    );
    complete::updated(world, subscription_id);
    super::renewal::collect_overdue(world, subscription_id)
}
