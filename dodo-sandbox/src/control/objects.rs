//! `/__sandbox/{kind}/{id}/{action}`: what customers, banks and integrations do to one object.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{MethodRouter, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Payer;
use crate::{
    DisputeOutcome, Error,
    api::{
        Json,
        body::Body,
        entitlements::GRANTS,
        refunds::{DISPUTES, REFUNDS},
        subscriptions::SUBSCRIPTIONS,
    },
    app::App,
    flow::{entitlement, payout, recovery, renewal, reversal, subscription},
    state::SandboxState,
};

/// A route that acts on the object of its path. The body has the type `B`.
fn on<B: DeserializeOwned + Send + 'static>(
    act: fn(&mut SandboxState, &str, B) -> Result<Value, Error>,
) -> MethodRouter<Arc<App>> {
    post(
        move |State(app): State<Arc<App>>, Path(id): Path<String>, Body(body): Body<B>| async move {
            app.change(|state| act(state, &id, body)).map(Json)
        },
    )
}

/// The body of an action without choices: it is ignored.
type Nothing = Map<String, Value>;

/// The person on a page without a customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    email: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    amount: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveRefund {
    succeeded: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenDispute {
    #[serde(default)]
    rapid: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveDispute {
    outcome: DisputeOutcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveGrant {
    delivered: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolvePayout {
    status: String,
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/sessions/{id}/pay",
            on(|state, id, payer: Payer| Ok(json!(super::pay(state, id, payer)?))),
        )
        .route(
            "/sessions/{id}/abandon",
            on(|state, id, person: Person| {
                let id = super::abandon(state, id, person.email, person.name)?;
                Ok(json!({ "payment_id": id }))
            }),
        )
        .route(
            "/payments/{id}/recovery-link",
            on(|state, id, _: Nothing| {
                let session_id = recovery::link(state, id)?;
                let url = state.sessions.find(&session_id)?.url(state);
                Ok(json!({ "session_id": session_id, "checkout_url": url }))
            }),
        )
        .route(
            "/payments/{id}/refund",
            on(|state, id, body: Refund| {
                let id = reversal::refund_amount(state, id, body.amount)?;
                Ok(state.json(&REFUNDS, &id))
            }),
        )
        .route(
            "/refunds/{id}/resolve",
            on(|state, id, body: ResolveRefund| {
                reversal::resolve_refund(state, id, body.succeeded)?;
                Ok(state.json(&REFUNDS, id))
            }),
        )
        .route(
            "/payments/{id}/dispute",
            on(|state, id, body: OpenDispute| {
                let id = match body.rapid {
                    true => reversal::rapid_dispute(state, id)?,
                    false => reversal::open_dispute(state, id)?,
                };
                Ok(state.json(&DISPUTES, &id))
            }),
        )
        .route(
            "/disputes/{id}/resolve",
            on(|state, id, body: ResolveDispute| {
                reversal::resolve_dispute(state, id, body.outcome)?;
                Ok(state.json(&DISPUTES, id))
            }),
        )
        .route(
            "/grants/{id}/resolve",
            on(|state, id, body: ResolveGrant| {
                match body.delivered {
                    true => entitlement::deliver(state, id)?,
                    false => entitlement::fail(state, id)?,
                }
                Ok(state.json(&GRANTS, id))
            }),
        )
        .route(
            "/payouts/{id}/resolve",
            on(|state, id, body: ResolvePayout| {
                payout::set_status(state, id, &body.status)?;
                Ok(json!({ "payout_id": id, "status": body.status }))
            }),
        )
        .route(
            "/subscriptions/{id}/renew",
            on(|state, id, _: Nothing| {
                renewal::renew(state, id)?;
                Ok(state.json(&SUBSCRIPTIONS, id))
            }),
        )
        .route(
            "/subscriptions/{id}/cancel",
            on(|state, id, _: Nothing| {
                subscription::cancel(state, id, Some("customer"))?;
                Ok(state.json(&SUBSCRIPTIONS, id))
            }),
        )
        .route(
            "/subscriptions/{id}/expire",
            on(|state, id, _: Nothing| {
                subscription::expire(state, id)?;
                Ok(state.json(&SUBSCRIPTIONS, id))
            }),
        )
        .route(
            "/deliveries/{id}/resend",
            on(|state, id, _: Nothing| Ok(json!({ "id": super::resend(state, id)? }))),
        )
}
