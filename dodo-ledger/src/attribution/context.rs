//! What was captured for a checkout session, before or after something was booked of it.

use std::collections::BTreeSet;

use dodo_core::capture::{CheckoutContext, consent::Consent};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    booking::{Booking, Desk},
    entry::{Link, charge_id},
    facts, fit,
    history::{Find, History},
    known::context_key,
    rules::Rules,
};
use crate::error::Error;

/// Keeps what was captured for a checkout session.
///
/// # Errors
/// Those of the history.
pub async fn bind_context<H: History>(
    rules: &Rules,
    history: &mut H,
    session_id: &str,
    context: &CheckoutContext,
) -> Result<Booking, Error> {
    let (key, json) = context_fact(session_id, context)?;
    history.put_fact(&key, &json).await?;
    look_again(rules, history, session_id).await
}

/// The key and the JSON of the fact that a context is.
pub(crate) fn context_fact(
    session_id: &str,
    context: &CheckoutContext,
) -> Result<(String, String), Error> {
    Ok((context_key(session_id), facts::write(context)?))
}

/// What is left of a context whose visitor is forgotten: what was said, and not by whom or when. It is
/// read as a context.
pub(super) fn consent_alone(consent: Consent) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Said {
        consent: Consent,
        captured_at: Timestamp,
    }
    facts::write(&Said { consent, captured_at: Timestamp::UNIX_EPOCH })
}

/// Whether something was booked already that the context of this session changes.
pub(crate) async fn is_late<H: History>(history: &mut H, session_id: &str) -> Result<bool, Error> {
    if !history.find(&of_session(session_id)).await?.is_empty() {
        return Ok(true);
    }
    for payment_id in recovered(history, session_id).await? {
        if history.entry(&charge_id(&payment_id)).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Derives again what follows from the context of a session.
pub(crate) async fn look_again<H: History>(
    rules: &Rules,
    history: &mut H,
    session_id: &str,
) -> Result<Booking, Error> {
    let mut desk = Desk::new(rules, history);
    desk.dirty(of_session(session_id)).await?;
    for payment_id in recovered(desk.history, session_id).await? {
        desk.dirty_payment(Some(&payment_id)).await?;
    }
    desk.finish().await
}

/// The payments that made up for those of this session that came to nothing.
async fn recovered<H: History>(history: &mut H, session_id: &str) -> Result<Vec<String>, Error> {
    let about = history.about(&[session(session_id)]).await?;
    let attempts = about.iter().filter_map(|key| key.strip_prefix("attempt:"));
    let keys: Vec<String> = attempts.map(|id| facts::key("recovered_by", id)).collect();
    let stored = history.facts(&keys).await?;
    let mut recovered = Vec::new();
    for by in &stored {
        recovered.extend(facts::read::<BTreeSet<String>>(by.as_ref())?.unwrap_or_default());
    }
    Ok(recovered)
}

fn of_session(session_id: &str) -> Find {
    Find::links([session(session_id)])
}

fn session(session_id: &str) -> Link {
    Link::Session(fit::id(session_id).into_owned())
}
