//! Abandoned checkouts and their recoveries.

use std::time::Duration;

use serde_json::json;

use crate::{
    Error,
    api::resource::Resource,
    clock::rfc3339,
    id,
    state::{
        SandboxState,
        session::{Progress, Session},
    },
};

/// Checkouts that were started and not finished, by the payment that did not succeed.
static ABANDONED: Resource = Resource {
    name: "abandoned checkout",
    path: "abandoned-checkouts",
    id: "payment_id",
    payload_type: "AbandonedCheckout",
    ..Resource::PLAIN
};

/// The lifetime of a recovery link.
const LINK_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A payment that did not succeed is an abandoned checkout.
///
/// # Errors
/// 404 for an unknown payment, 409 for one that succeeded.
pub(crate) fn abandon(state: &mut SandboxState, payment_id: &str) -> Result<(), Error> {
    let now = state.now();
    let payment = state.payments.find_mut(payment_id)?;
    payment.abandonment_seen = true;
    if payment.succeeded() {
        return Err(Error::conflict("PAYMENT_ALREADY_SUCCEEDED", "this payment was not abandoned"));
    }
    let reason =
        if payment.status == Some("failed") { "payment_failed" } else { "checkout_incomplete" };
    let fields = json!({
        "abandoned_at": rfc3339(now),
        "abandonment_reason": reason,
        "customer_id": payment.customer_id,
        "status": "abandoned",
    });
    state.put(&ABANDONED, payment_id.to_owned(), fields);
    state.emit("abandoned_checkout.detected", &ABANDONED, payment_id);
    Ok(())
}

/// A payment succeeded: if its page was opened by a recovery link, the checkout is recovered.
pub(crate) fn recovered(state: &mut SandboxState, payment_id: &str) {
    let lost = state
        .sessions
        .iter()
        .rev()
        .find(|session| {
            session.recovering.is_some() && session.payment_id.as_deref() == Some(payment_id)
        })
        .and_then(|session| session.recovering.clone());
    if let Some(lost) = lost
        && let Ok(abandoned) = state.find_mut(&ABANDONED, &lost)
    {
        abandoned.set("recovered_payment_id", payment_id);
        abandoned.set("status", "recovered");
        state.emit("abandoned_checkout.recovered", &ABANDONED, &lost);
    }
}

/// A recovery link: a new session with the cart of the one that was abandoned. Its id.
///
/// # Errors
/// 404 when the payment was not abandoned or its session is gone, 409 when it is recovered already.
pub(crate) fn link(state: &mut SandboxState, payment_id: &str) -> Result<String, Error> {
    if state.find(&ABANDONED, payment_id)?.has("status", "recovered") {
        return Err(Error::conflict("CONFLICT", "the checkout is recovered already"));
    }
    let payment = state.payments.find(payment_id)?;
    let old = payment.session_id.as_ref().and_then(|id| state.sessions.get(id));
    let old = old.ok_or_else(|| Error::not_found("checkout session"))?;
    let session = Session {
        id: id::new("cks_"),
        created_at: state.now(),
        expires_at: state.after(LINK_LIFE),
        progress: Progress::Open,
        payment_id: None,
        reserved_payment_id: None,
        recovering: Some(payment_id.to_owned()),
        ..old.clone()
    };
    let id = session.id.clone();
    state.sessions.insert(session);
    Ok(id)
}
