//! The steps that become due with time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Error,
    api::{credits::GRANTS, payments::PAYMENTS},
    clock::later,
    flow::{complete, credit, recovery, renewal, subscription},
    state::{
        SandboxState,
        payment::{ChargeType, Payment},
        subscription::Subscription,
    },
};

/// The delay of a bank that answers later.
const BANK_ANSWERS: Duration = Duration::from_secs(48 * 60 * 60);

/// The number of due steps that run at once. The others run with the next access to the state.
const STEPS: usize = 10_000;

/// A step that becomes due.
#[derive(Clone, Debug)]
enum Due {
    Renewal(String),
    Expiry(String),
    Retry(String),
    GraceEnd(String),
    BankAnswer(String),
    Abandonment(String),
    CreditExpiry(String),
}

/// The time of the next due step, if one exists.
pub(crate) fn next(state: &SandboxState) -> Option<Timestamp> {
    next_due(state).map(|(at, _)| at)
}

fn next_due(state: &SandboxState) -> Option<(Timestamp, Due)> {
    let subscriptions = state.subscriptions.iter().filter_map(subscription_due);
    let payments = state.payments.iter().filter_map(|payment| due_of_payment(state, payment));
    let credits = credit::next_expiry(state).map(|(at, id)| (at, Due::CreditExpiry(id)));
    subscriptions.chain(payments).chain(credits).min_by_key(|(at, _)| *at)
}

fn subscription_due(subscription: &Subscription) -> Option<(Timestamp, Due)> {
    let id = || subscription.id.clone();
    let retry = || {
        let at = subscription.recovery.as_ref()?.next_retry?;
        Some((at, Due::Retry(id())))
    };
    match subscription.status {
        "active" if subscription.expires_at <= subscription.next_billing => {
            Some((subscription.expires_at, Due::Expiry(id())))
        }
        "active" if subscription.on_demand && !subscription.cancel_at_next_billing => {
            Some((subscription.expires_at, Due::Expiry(id())))
        }
        "active" => Some((subscription.next_billing, Due::Renewal(id()))),
        "on_hold" => retry(),
        "past_due" => {
            let end = subscription.past_due_ends_at.map(|at| (at, Due::GraceEnd(id())));
            [retry(), end].into_iter().flatten().min_by_key(|(at, _)| *at)
        }
        "cancelled" => Some((subscription.ends_after_cancel?, Due::Expiry(id()))),
        _ => None,
    }
}

fn due_of_payment(state: &SandboxState, payment: &Payment) -> Option<(Timestamp, Due)> {
    match payment.status {
        Some("processing") => {
            Some((later(payment.updated_at?, BANK_ANSWERS), Due::BankAnswer(payment.id.clone())))
        }
        Some("succeeded") => None,
        _ if payment.abandonment_seen || !state.settings.abandoned_checkout_recovery => None,
        _ => Some((payment.abandoned_at(), Due::Abandonment(payment.id.clone()))),
    }
}

/// Runs all due steps, each at its own time.
pub(crate) fn run_due(state: &mut SandboxState) {
    let now = state.clock.now();
    for _ in 0..STEPS {
        let Some((at, due)) = next_due(state).filter(|(at, _)| *at <= now) else { break };
        state.acting = Some(at);
        let result = apply_due(state, due.clone());
        state.acting = None;
        if let Err(error) = result {
            tracing::error!(target: "dodo::sandbox", %error, ?due, "something due could not be done");
            remove_due(state, due);
        }
    }
}

/// Removes a step that cannot run from the schedule, because one of its objects was deleted.
fn remove_due(state: &mut SandboxState, due: Due) {
    match due {
        Due::Renewal(id) | Due::Expiry(id) | Due::Retry(id) | Due::GraceEnd(id) => {
            if let Some(subscription) = state.subscriptions.get_mut(&id) {
                subscription.status = "failed";
            }
        }
        Due::CreditExpiry(id) => {
            state.remove(&GRANTS, &id);
        }
        Due::BankAnswer(id) | Due::Abandonment(id) => {
            if let Some(payment) = state.payments.get_mut(&id) {
                payment.status = Some("failed");
                payment.abandonment_seen = true;
            }
        }
    }
}

fn apply_due(state: &mut SandboxState, due: Due) -> Result<(), Error> {
    match due {
        Due::Renewal(id) => renewal::renew(state, &id),
        Due::Expiry(id) => subscription::expire(state, &id),
        Due::Retry(id) => renewal::retry(state, &id),
        Due::GraceEnd(id) => renewal::grace_over(state, &id),
        Due::BankAnswer(id) => bank_answer(state, &id),
        Due::CreditExpiry(id) => credit::expire(state, &id),
        Due::Abandonment(id) => {
            // A later attempt on the same page may have succeeded.
            let payment = state.payments.find_mut(&id)?;
            payment.abandonment_seen = true;
            let session = payment.session_id.clone();
            let sale = |p: &Payment| p.session_id == session && p.succeeded();
            match session.is_some() && state.payments.iter().any(sale) {
                true => Ok(()),
                false => recovery::abandon(state, &id),
            }
        }
    }
}

fn bank_answer(state: &mut SandboxState, payment_id: &str) -> Result<(), Error> {
    let payment = state.payments.find(payment_id)?;
    let subscription_id = payment.subscription_id().map(str::to_owned);
    match (payment.charge_type, subscription_id) {
        (ChargeType::New, _) => complete::succeed(state, payment_id),
        (charge_type, Some(id)) => {
            complete::set_status(state, payment_id, "succeeded")?;
            if charge_type == ChargeType::PlanChange {
                state.emit("payment.succeeded", &PAYMENTS, payment_id);
            } else {
                renewal::apply_payment(state, &id, payment_id.to_owned());
            }
            Ok(())
        }
        (_, None) => complete::set_status(state, payment_id, "succeeded"),
    }
}
