//! `/__sandbox/...`: the sandbox's own powers over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::FlushOrder;
use crate::{
    Behavior, Error, ErrorKind, NetworkConditions, Simulation,
    api::{
        self, Answer, Json,
        body::Body,
        fault::Fault,
        list::{Listed, Query},
        webhooks,
    },
    app::App,
    clock::rfc3339,
    config::{Config, NewProduct},
    flow::{discount, payout},
    pages::form::same_origin,
    state::webhook::Delivery,
};

/// The routes. They need no key: the host check and the origin check keep other sites away.
pub(crate) fn routes() -> Router<Arc<App>> {
    let routes = Router::new()
        .route("/redirect.mjs", get(node_hook))
        .route("/seed", post(seed))
        .route("/reset", post(reset))
        .route("/snapshot", get(snapshot))
        .route("/trigger", post(trigger))
        .route("/simulate", post(simulate))
        .route("/log", get(log))
        .route("/products", post(add_product))
        .route("/clock", get(clock).post(advance))
        .route("/behavior", get(behavior).put(set_behavior))
        .route("/decline", post(decline))
        .route("/payouts", post(create_payout))
        .route("/webhooks", post(register))
        .route("/webhooks/rotate", post(rotate))
        .route("/events", get(events).post(send_event))
        .route("/deliveries", get(deliveries))
        .route("/network", get(network).put(set_network))
        .route("/deliveries/flush", post(flush))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/requests", get(requests).delete(clear_requests))
        .merge(super::objects::routes())
        .method_not_allowed_fallback(api::method_not_allowed)
        .route_layer(middleware::from_fn(own_pages_only));
    Router::new().nest("/__sandbox", routes)
}

/// A page of another site must not steer the sandbox through the developer's browser.
async fn own_pages_only(request: Request, next: Next) -> Response {
    match same_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn add_product(State(app): State<Arc<App>>, Body(body): Body<NewProduct>) -> Answer {
    let product =
        body.into_product().map_err(|error| Error::invalid(error.message().to_owned()))?;
    app.change(|state| {
        let answer = state.add_product(product).details(state);
        Ok(Json(answer))
    })
}

/// Adds the content of a configuration file.
async fn seed(State(app): State<Arc<App>>, Body(body): Body<Config>) -> Answer {
    let added = json!({
        "products": body.products.len(),
        "discounts": body.discounts.len(),
        "endpoints": body.endpoints.len(),
    });
    let products = body.products.into_iter().map(NewProduct::into_product);
    let products = products.collect::<Result<Vec<_>, _>>()?;
    app.change(|state| {
        for product in products {
            state.add_product(product);
        }
        for discount in body.discounts {
            let points = discount.basis_points()?;
            discount::add_percentage(state, &discount.code, points)?;
        }
        for endpoint in body.endpoints {
            webhooks::register(state, &endpoint.url, &app.setup.webhook_secret)?;
        }
        if let Some(behavior) = body.behavior {
            state.settings = behavior;
        }
        Ok(Json(added))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    snapshot: Option<String>,
}

async fn reset(State(app): State<Arc<App>>, Body(body): Body<Reset>) -> Answer {
    let result = crate::builder::reset(&app, body.snapshot).await;
    result.map_err(|error| match error.kind() {
        ErrorKind::Config => Error::invalid(format!("snapshot: {error}")),
        _ => error,
    })?;
    Ok(Json(json!({})))
}

async fn snapshot(State(app): State<Arc<App>>) -> Result<String, Error> {
    let none = || Error::conflict("NO_DATA", "no snapshot: start the sandbox with --data DIR");
    app.journal_text().ok_or_else(none)?
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    overrides: serde_json::Map<String, Value>,
}

async fn trigger(State(app): State<Arc<App>>, Body(body): Body<Trigger>) -> Answer {
    let overrides = body.overrides.into_iter().collect();
    let id = crate::trigger::trigger(&app, &body.kind, overrides).await?;
    let own = |delivery: &&Delivery| delivery.webhook_id == id;
    let deliveries = app.with(|state| state.deliveries.iter().filter(own).count());
    Ok(Json(json!({ "webhook_id": id, "deliveries": deliveries })))
}

async fn simulate(State(app): State<Arc<App>>, Body(plan): Body<Simulation>) -> Answer {
    Ok(Json(json!(crate::simulate::run(&app, plan).await?)))
}

/// The entries of the log after a number. Waits for the first one, for at most `wait` seconds.
async fn log(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::from_uri(&uri);
    let after = match query.get("after") {
        Some("latest") => app.log.latest(),
        _ => query.parse("after")?.unwrap_or(0),
    };
    let wait: u64 = query.parse("wait")?.unwrap_or(0);
    let wait = Duration::from_secs(wait.min(30));
    let _ = tokio::time::timeout(wait, app.log.wait(after)).await;
    Ok(Json(json!({ "latest": app.log.latest(), "entries": app.log.after(after) })))
}

async fn events(State(app): State<Arc<App>>) -> Json {
    app.with(|state| {
        let show = |event: &crate::state::webhook::Event| {
            json!({
                "webhook_id": event.id,
                "type": event.kind,
                "at": rfc3339(event.at),
                "body": crate::events::body(state, event),
            })
        };
        Json(state.events.iter().map(show).collect())
    })
}

/// The hook that sends a Node program's calls of Dodo's hosts to the sandbox.
async fn node_hook() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript")], include_str!("../../node/redirect.mjs"))
}

async fn clock(State(app): State<Arc<App>>) -> Json {
    app.with(|state| Json(json!({ "now": rfc3339(state.now()) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    #[serde(default)]
    seconds: u64,
    #[serde(default)]
    days: u64,
}

async fn advance(State(app): State<Arc<App>>, Body(body): Body<Advance>) -> Answer {
    let seconds = body.days.saturating_mul(24 * 60 * 60).saturating_add(body.seconds);
    app.change(|state| {
        super::advance(state, Duration::from_secs(seconds))?;
        Ok(Json(json!({ "now": rfc3339(state.now()) })))
    })
}

async fn behavior(State(app): State<Arc<App>>) -> Json {
    app.with(|state| Json(json!(state.settings)))
}

async fn set_behavior(State(app): State<Arc<App>>, Body(body): Body<Behavior>) -> Json {
    app.change(|state| {
        state.settings = body;
        Json(json!(state.settings))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decline {
    code: Option<String>,
    times: Option<u32>,
}

async fn decline(State(app): State<Arc<App>>, Body(body): Body<Decline>) -> Json {
    let code = body.code.unwrap_or_else(|| "GENERIC_DECLINE".to_owned());
    app.change(|state| super::decline_next(state, &code, body.times.unwrap_or(1)));
    Json(json!({}))
}

async fn create_payout(State(app): State<Arc<App>>) -> Answer {
    app.change(|state| Ok(Json(json!({ "payout_id": payout::create(state)? }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    url: String,
}

async fn register(State(app): State<Arc<App>>, Body(body): Body<Endpoint>) -> Answer {
    let secret = app.setup.webhook_secret.clone();
    app.change(|state| {
        let id = webhooks::register(state, &body.url, &secret)?;
        Ok(Json(json!({ "id": id, "secret": secret })))
    })
}

async fn rotate(State(app): State<Arc<App>>, Body(body): Body<Endpoint>) -> Answer {
    app.change(|state| Ok(Json(json!({ "secret": webhooks::rotate(state, &body.url)? }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendEvent {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

async fn send_event(State(app): State<Arc<App>>, Body(body): Body<SendEvent>) -> Answer {
    app.change(|state| {
        Ok(Json(json!({ "webhook_id": super::send_event(state, &body.kind, body.data)? })))
    })
}

async fn deliveries(State(app): State<Arc<App>>) -> Json {
    app.with(|state| Json(state.deliveries.iter().map(Delivery::json).collect()))
}

async fn network(State(app): State<Arc<App>>) -> Json {
    app.with(|state| Json(json!(state.network)))
}

async fn set_network(State(app): State<Arc<App>>, Body(body): Body<NetworkConditions>) -> Json {
    app.change(|state| state.network = body);
    Json(json!(body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flush {
    order: Option<FlushOrder>,
}

async fn flush(State(app): State<Arc<App>>, Body(body): Body<Flush>) -> Json {
    let order = body.order.unwrap_or(FlushOrder::Original);
    app.change(|state| Json(json!({ "flushed": super::flush(state, order) })))
}

async fn faults(State(app): State<Arc<App>>) -> Json {
    Json(json!(app.faults.all()))
}

async fn add_fault(State(app): State<Arc<App>>, Body(body): Body<Fault>) -> Answer {
    if let crate::FaultKind::Status(status) = body.kind
        && !(400..=599).contains(&status)
    {
        return Err(Error::invalid("kind: a status from 400 to 599"));
    }
    app.faults.add(body);
    Ok(Json(json!({})))
}

async fn clear_faults(State(app): State<Arc<App>>) -> Json {
    app.faults.clear();
    Json(json!({}))
}

async fn requests(State(app): State<Arc<App>>) -> Json {
    Json(json!(app.faults.requests()))
}

async fn clear_requests(State(app): State<Arc<App>>) -> Json {
    app.faults.clear_requests();
    Json(json!({}))
}
