//! A new payment method for a subscription.

use super::{
    checkout::{Paid, PayForm},
    complete::{self, ChargeOutcome},
};
use crate::{
    Error,
    api::{payments::PAYMENTS, subscriptions::SUBSCRIPTIONS},
    id,
    state::{
        SandboxState,
        card::{Charge, PaymentMethod},
        payment::{ChargeType, Payment},
        session::{Progress, Session},
    },
};

/// Replaces the method: a charge of zero checks it, and a subscription that waits for money is
/// charged with it.
///
/// # Errors
/// 404 when the subscription is gone.
pub(crate) fn replace(
    state: &mut SandboxState,
    session: &Session,
    subscription_id: &str,
    form: &PayForm,
) -> Result<Paid, Error> {
    let method = PaymentMethod::new(&form.card, Some(form.name.clone()), &form.address.country);
    let subscription = state.subscriptions.find(subscription_id)?.clone();
    let charge = complete::attempt(state, Some(&method), false);
    let now = state.now();
    let payment = Payment {
        id: id::new("pay_"),
        created_at: now,
        currency: subscription.currency.clone(),
        customer_id: subscription.customer_id.clone(),
        billing: form.address.clone(),
        method: Some(method.clone()),
        link: Some(session.url(state)),
        metadata: subscription.metadata.clone(),
        subscription_ids: vec![subscription.id.clone()],
        update_payment_method: true,
        charge_type: ChargeType::Renewal,
        abandonment_seen: true,
        ..Payment::default()
    };
    let payment_id = payment.id.clone();
    state.payments.insert(payment);
    let outcome = match charge {
        Charge::Declined { code, message } => {
            complete::decline(state, &payment_id, (code, message))?;
            ChargeOutcome::Declined
        }
        Charge::Paid | Charge::Processing => {
            complete::set_status(state, &payment_id, "succeeded")?;
            if state.settings.zero_payment_at_method_update {
                state.emit("payment.succeeded", &PAYMENTS, &payment_id);
            }
            attach(state, subscription_id, method)?;
            ChargeOutcome::Paid
        }
    };
    let redirect = super::redirect::url(state, session, &payment_id);
    if outcome == ChargeOutcome::Paid
        && let Some(session) = state.sessions.get_mut(&session.id)
    {
        session.progress = Progress::Consumed { redirect: redirect.clone() };
    }
    Ok(Paid { payment_id, outcome, redirect })
}

/// Stores a method, and charges the open amount.
///
/// # Errors
/// 404 when the subscription is gone.
pub(crate) fn attach(
    state: &mut SandboxState,
    subscription_id: &str,
    method: PaymentMethod,
) -> Result<(), Error> {
    state.subscriptions.find_mut(subscription_id)?.method = Some(method);
    state.emit("subscription.update_payment_method", &SUBSCRIPTIONS, subscription_id);
    complete::updated(state, subscription_id);
    super::renewal::collect_overdue(state, subscription_id)
}
