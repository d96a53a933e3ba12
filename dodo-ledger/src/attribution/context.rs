//! What was captured for a checkout session, before or after something was booked of it.

use dodo_core::CheckoutContext;

use super::{
    booking::{Booking, Desk},
    entry::Link,
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

/// Whether something was booked already that the context of this session changes.
pub(crate) async fn is_late<H: History>(history: &mut H, session_id: &str) -> Result<bool, Error> {
    Ok(!history.find(&of_session(session_id)).await?.is_empty())
}

/// Derives again what follows from the context of a session.
pub(crate) async fn look_again<H: History>(
    rules: &Rules,
    history: &mut H,
    session_id: &str,
) -> Result<Booking, Error> {
    let mut desk = Desk::new(rules, history);
    desk.dirty(of_session(session_id)).await?;
    desk.finish().await
}

fn of_session(session_id: &str) -> Find {
    Find::links([Link::Session(fit::id(session_id).into_owned())])
}
