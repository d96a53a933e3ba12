//! Controls that Dodo Payments does not have: the clock, the bank, the loss of webhooks. Tests in Rust
//! call the methods of [`Sandbox`](crate::Sandbox). Other languages use the routes under
//! `/__sandbox/` ([`routes`]).

mod objects;
pub(crate) mod routes;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error,
    api::body::is_email,
    contract::contract,
    flow::{
        checkout::{self, PayForm},
        complete::ChargeOutcome,
        recovery, schedule,
    },
    id,
    state::{
        SandboxState,
        address::Address,
        webhook::{DeliveryState, Subject},
    },
};

/// The result of paying a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PaidSession {
    /// The payment.
    pub payment_id: String,
    /// Its status: `succeeded`, `processing` or `failed`.
    pub status: String,
    /// The target of the browser: the return URL with Dodo's parameters.
    pub redirect: Option<String>,
}

/// The order in which held deliveries are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlushOrder {
    /// In the order of the events. All of them are sent at once, so they may overtake each other.
    Original,
    /// The last event first, each a second of the sandbox's clock after the one before.
    Reversed,
}

/// The payer, and the payment method.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payer {
    card: String,
    email: Option<String>,
    name: Option<String>,
    country: Option<String>,
}

impl Payer {
    pub(crate) fn with_card(card: &str) -> Self {
        Self { card: card.to_owned(), email: None, name: None, country: None }
    }

    pub(crate) fn named(card: &str, email: &str, name: &str) -> Self {
        let (email, name) = (Some(email.to_owned()), Some(name.to_owned()));
        Self { email, name, ..Self::with_card(card) }
    }
}

/// Moves the clock, and runs the steps that are due in that time.
pub(crate) fn advance(state: &mut SandboxState, by: Duration) -> Result<(), Error> {
    state.clock.advance(by)?;
    schedule::run_due(state);
    Ok(())
}

/// Pays a session as a customer does on its page. It refuses a session without a customer, because
/// a test must not pass for the wrong person.
pub(crate) fn pay(
    state: &mut SandboxState,
    session_id: &str,
    payer: Payer,
) -> Result<PaidSession, Error> {
    let session = checkout::open_session(state, session_id)?;
    let buyer = session.buyer.clone();
    let country = payer.country.or(session.address.as_ref().map(|address| address.country.clone()));
    let email = payer.email.or(buyer.email).ok_or_else(no_customer)?;
    let form = PayForm {
        name: payer.name.or(buyer.name).unwrap_or_else(|| email.clone()),
        email,
        address: Address {
            country: country.unwrap_or_else(|| "DE".to_owned()),
            ..Address::default()
        },
        card: payer.card,
        ..PayForm::default()
    };
    let paid = checkout::pay(state, session_id, form)?;
    let status = match paid.outcome {
        ChargeOutcome::Paid => "succeeded",
        ChargeOutcome::Processing => "processing",
        ChargeOutcome::Declined => "failed",
    };
    Ok(PaidSession {
        payment_id: paid.payment_id,
        status: status.to_owned(),
        redirect: paid.redirect,
    })
}

/// Declines coming charges.
pub(crate) fn decline_next(state: &mut SandboxState, code: &str, times: u32) {
    state.force_decline = (times > 0).then(|| (code.to_owned(), times));
}

/// Leaves the page of a customer without a payment. Returns the id of the abandoned payment.
///
/// # Errors
/// As [`pay`].
pub(crate) fn abandon(
    state: &mut SandboxState,
    session_id: &str,
    email: Option<String>,
    name: Option<String>,
) -> Result<String, Error> {
    let mut session = checkout::open_session(state, session_id)?.clone();
    let id = match session.payment_id.clone() {
        Some(id) => id,
        None => {
            session.buyer.email = email.or(session.buyer.email);
            session.buyer.name = name.or(session.buyer.name);
            session.buyer.email.as_deref().filter(|own| is_email(own)).ok_or_else(no_customer)?;
            checkout::cancelled_payment(state, &session)?
        }
    };
    recovery::abandon(state, &id)?;
    Ok(id)
}

fn no_customer() -> Error {
    Error::invalid("this checkout has no customer: pass an email address and a name")
}

/// Sends made-up data once to every endpoint that wants it.
pub(crate) fn send_event(
    state: &mut SandboxState,
    kind: &str,
    data: Value,
) -> Result<String, Error> {
    if contract().event(kind).is_none() {
        return Err(crate::trigger::unknown(kind));
    }
    let event = state.event(kind, Subject::Fixed(data));
    let id = event.id.clone();
    state.announce(event, false);
    Ok(id)
}

/// Sends the event of a delivery again, with the same `webhook-id`. Returns the id of the new
/// delivery.
pub(crate) fn resend(state: &mut SandboxState, delivery_id: &str) -> Result<String, Error> {
    let mut again = state.deliveries.find(delivery_id)?.clone();
    again.id = id::new("dlv_");
    again.state = DeliveryState::Scheduled;
    again.due = state.now();
    again.attempts = Vec::new();
    again.retried = false;
    let id = again.id.clone();
    state.deliveries.insert(again);
    Ok(id)
}

/// Sends the held deliveries, and holds no further ones. Returns their number.
pub(crate) fn flush(state: &mut SandboxState, order: FlushOrder) -> usize {
    state.network.hold = false;
    let now = state.now();
    let held = state.deliveries.iter().filter(|d| d.state == DeliveryState::Held).count();
    let waiting = state.deliveries.iter_mut().filter(|d| d.state == DeliveryState::Held);
    for (place, delivery) in waiting.enumerate() {
        delivery.state = DeliveryState::Scheduled;
        let later = match order {
            FlushOrder::Original => 0,
            FlushOrder::Reversed => held.saturating_sub(place + 1),
        };
        let seconds = u64::try_from(later).unwrap_or(u64::MAX);
        delivery.due = crate::clock::later(now, Duration::from_secs(seconds));
    }
    held
}
