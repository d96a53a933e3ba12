//! What falls due as time passes.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Error,
    clock::later,
    flow::{complete, credit, recovery, renewal, subscription},
    state::{
        World,
        payment::{ChargeType, Payment},
        subscription::Subscription,
        webhook::Subject,
    },
};

/// How long a bank takes that answers later.
const BANK_ANSWERS: Duration = Duration::from_secs(48 * 60 * 60);

/// How many due things are acted out at once. The rest follows with the next look at the state.
const STEPS: usize = 10_000;

/// Something that falls due.
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

/// When the next thing falls due, if anything does.
pub(crate) fn next(world: &World) -> Option<Timestamp> {
    next_due(world).map(|(at, _)| at)
}

fn next_due(world: &World) -> Option<(Timestamp, Due)> {
    let subscriptions = world.subscriptions.iter().filter_map(due_of_subscription);
    let payments = world.payments.iter().filter_map(|payment| due_of_payment(world, payment));
    let credits = credit::next_expiry(world).map(|(at, id)| (at, Due::CreditExpiry(id)));
    subscriptions.chain(payments).chain(credits).min_by_key(|(at, _)| *at)
}

fn due_of_subscription(subscription: &Subscription) -> Option<(Timestamp, Due)> {
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

fn due_of_payment(world: &World, payment: &Payment) -> Option<(Timestamp, Due)> {
    match payment.status {
        Some("processing") => {
            Some((later(payment.updated_at?, BANK_ANSWERS), Due::BankAnswer(payment.id.clone())))
        }
        Some("succeeded") => None,
        _ if payment.abandonment_seen || !world.settings.abandoned_checkout_recovery => None,
        _ => Some((payment.abandoned_at(), Due::Abandonment(payment.id.clone()))),
    }
}

/// Acts out everything that is due, each at its own moment.
pub(crate) fn run_due(world: &mut World) {
    let now = world.clock.now();
    for _ in 0..STEPS {
        let Some((at, due)) = next_due(world).filter(|(at, _)| *at <= now) else { break };
        world.acting = Some(at);
        let result = apply_due(world, due.clone());
        world.acting = None;
        if let Err(error) = result {
            tracing::error!(target: "dodo::sandbox", %error, ?due, "something due could not be done");
            remove_due(world, due);
        }
    }
}

/// Takes out of the schedule what cannot be acted out, because an object it needs was forgotten.
fn remove_due(world: &mut World, due: Due) {
    match due {
        Due::Renewal(id) | Due::Expiry(id) | Due::Retry(id) | Due::GraceEnd(id) => {
            if let Some(subscription) = world.subscriptions.get_mut(&id) {
                subscription.status = "failed";
            }
        }
        Due::CreditExpiry(id) => {
            world.objects.table(credit::GRANTS).remove(&id);
        }
        Due::BankAnswer(id) | Due::Abandonment(id) => {
            if let Some(payment) = world.payments.get_mut(&id) {
                payment.status = Some("failed");
                payment.abandonment_seen = true;
            }
        }
    }
}

fn apply_due(world: &mut World, due: Due) -> Result<(), Error> {
    match due {
        Due::Renewal(id) => renewal::renew(world, &id),
        Due::Expiry(id) => subscription::expire(world, &id),
        Due::Retry(id) => renewal::retry(world, &id),
        Due::GraceEnd(id) => renewal::grace_over(world, &id),
        Due::BankAnswer(id) => bank_answer(world, &id),
        Due::CreditExpiry(id) => credit::expire(world, &id),
        Due::Abandonment(id) => {
            // A later attempt on the same page may have succeeded.
            let payment = world.payments.find_mut(&id)?;
            payment.abandonment_seen = true;
            let session = payment.session_id.clone();
            let sale = |p: &Payment| p.session_id == session && p.succeeded();
            match session.is_some() && world.payments.iter().any(sale) {
                true => Ok(()),
                false => recovery::abandon(world, &id),
            }
        }
    }
}

fn bank_answer(world: &mut World, payment_id: &str) -> Result<(), Error> {
    let payment = world.payments.find(payment_id)?;
    let subscription_id = payment.subscription_id().map(str::to_owned);
    match (payment.charge_type, subscription_id) {
        (ChargeType::New, _) => complete::succeed(world, payment_id),
        (charge_type, Some(id)) => {
            complete::set_status(world, payment_id, "succeeded")?;
            if charge_type == ChargeType::PlanChange {
                world.emit("payment.succeeded", Subject::Payment(payment_id.to_owned()));
            } else {
                renewal::apply_payment(world, &id, payment_id.to_owned());
            }
            Ok(())
        }
        (_, None) => complete::set_status(world, payment_id, "succeeded"),
    }
}
