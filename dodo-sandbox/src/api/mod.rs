//! Dodo's REST API. The contract routes and checks each request; the definition of a resource, or a
//! handler in it, acts on it; the contract shapes the answer.

pub(crate) mod blocklist;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod checkouts;
pub(crate) mod collections;
pub(crate) mod credits;
pub(crate) mod customers;
pub(crate) mod discounts;
pub(crate) mod entitlements;
pub(crate) mod fault;
pub(crate) mod invoices;
pub(crate) mod licenses;
pub(crate) mod list;
pub(crate) mod meters;
mod moderation;
pub(crate) mod order;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod payouts;
pub(crate) mod plans;
pub(crate) mod products;
pub(crate) mod refunds;
pub(crate) mod resource;
pub(crate) mod rules;
pub(crate) mod subscriptions;
pub(crate) mod webhooks;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use axum::{
    body::{Bytes, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use self::{
    call::{Call, Handler, Reply},
    resource::{Action, Definition},
    rules::Rules,
};
use crate::{
    Error,
    app::App,
    clock::rfc3339,
    contract::{Content, Facts, Found, Operation, PathParameters, Shape, contract},
    guard,
    state::SandboxState,
};

/// The largest body that the API reads, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// All resources.
pub(crate) static RESOURCES: &[&dyn Definition] = &[
    &products::ADDONS,
    &products::BRANDS,
    &collections::COLLECTIONS,
    &products::LOCALIZED_PRICES,
    &products::PRODUCTS,
    &products::SHORT_LINKS,
    &blocklist::BLOCKLIST,
    &checkouts::SESSIONS,
    &credits::CREDIT_ENTITLEMENTS,
    &credits::BALANCES,
    &credits::GRANTS,
    &credits::LEDGER,
    &customers::CUSTOMERS,
    &customers::EMAILS,
    &customers::WALLET_LEDGER,
    &discounts::DISCOUNTS,
    &entitlements::ENTITLEMENTS,
    &entitlements::GRANTS,
    &licenses::INSTANCES,
    &licenses::LICENSES,
    &meters::EVENTS,
    &meters::METERS,
    &payments::PAYMENTS,
    &payouts::PAYOUTS,
    &refunds::DISPUTES,
    &refunds::REFUNDS,
    &subscriptions::SUBSCRIPTIONS,
    &webhooks::ENDPOINTS,
];

/// The action of an operation.
enum Act {
    Handler(Handler),
    Derived(Action, &'static dyn Definition),
    /// Answers a sample.
    Stateless,
}

/// An operation's action, and the rules of its request.
struct Plan {
    act: Act,
    rules: Vec<Rules>,
}

/// The plans of all operations, by method and path, such as `POST /payments/{}/retry`.
static PLANS: LazyLock<HashMap<String, Plan>> = LazyLock::new(|| {
    let routes = RESOURCES.iter().map(|resource| resource.routes());
    let routes = routes.chain([invoices::ROUTES, moderation::ROUTES]).flatten();
    let handlers: HashMap<&str, Handler> = routes.copied().collect();
    let plan = |operation: &Operation| {
        let key = format!("{} {}", operation.method, operation.shape);
        let derived = || {
            RESOURCES.iter().find_map(|resource| {
                let action = resource.action(&operation.method, &operation.shape)?;
                Some(Act::Derived(action, *resource))
            })
        };
        let handler = handlers.get(key.as_str()).map(|handler| Act::Handler(*handler));
        let own = RESOURCES.iter().filter(|own| operation.shape.starts_with(own.path()));
        let rules = own.flat_map(|own| own.rules()).copied().chain([rules::COMMON]).collect();
        (key, Plan { act: handler.or_else(derived).unwrap_or(Act::Stateless), rules })
    };
    contract().operations().iter().map(plan).collect()
});

/// Checks that the first object of a path with parameters exists.
fn exists(state: &SandboxState, path: &str, call: &Call) -> Result<(), Error> {
    let Some((parent, _)) = path.split_once("/{}") else { return Ok(()) };
    let Some(parent) = RESOURCES.iter().find(|own| own.path() == parent) else { return Ok(()) };
    let found = parent.json(state, call.id());
    found.map(drop).ok_or_else(|| Error::not_found(parent.name()))
}

/// A JSON answer of the sandbox's own routes.
pub(crate) struct Json(pub(crate) Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

/// The result of handlers of the sandbox's own routes.
pub(crate) type Answer = Result<Json, Error>;

/// Answers each request that no page and no control route takes.
pub(crate) async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    let method = match request.method() {
        &Method::HEAD => Method::GET,
        method => method.clone(),
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    if let Err(error) = check_origin(&app, request.headers()) {
        return error.into_response();
    }
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut answer = match contract().find(&method, request.uri().path()) {
        Found::Nothing => not_found().await.into_response(),
        _ if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Found::OtherMethod => method_not_allowed().await.into_response(),
        Found::Operation(operation, path) => operate(&app, operation, path, request).await,
    };
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.extend(asked.map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked)));
    }
    answer
}

/// Refuses the pages of other sites.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let host = headers.get(header::HOST).map(text).unwrap_or_default();
    let origin = headers.get(header::ORIGIN).map(text);
    match origin.is_none_or(|own| guard::is_trusted_origin(&own, &host, &app.setup.hosts)) {
        true => Ok(()),
        false => {
            let message = "page of another site: start the sandbox with --allow-host NAME";
            Err(Error::refused(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", message))
        }
    }
}

async fn operate(
    app: &App,
    operation: &'static Operation,
    path: PathParameters,
    request: Request,
) -> Response {
    if let Err(error) = authorize(app, operation, request.headers()) {
        return error.into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Error::refused(status, "PAYLOAD_TOO_LARGE", "body too large").into_response();
    };
    let run = || run(app, operation, path, &parts, &bytes);
    app.faults.guard(app, &parts, &bytes, run).await
}

/// The API key permits everything, the read-only key only reads.
fn authorize(app: &App, operation: &Operation, headers: &HeaderMap) -> Result<(), Error> {
    // Bytes, because a key may have letters beyond ASCII.
    let header = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let key = header.and_then(|value| value.strip_prefix(b"Bearer "));
    if operation.open || key == Some(app.api_key.as_bytes()) {
        return Ok(());
    }
    if key != Some(app.read_only_key.as_bytes()) {
        let message = "the API key is missing or wrong";
        return Err(Error::refused(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message));
    }
    match operation.method == Method::GET {
        true => Ok(()),
        false => {
            let message = "this API key permits no writes";
            Err(Error::refused(StatusCode::FORBIDDEN, "FORBIDDEN", message))
        }
    }
}

fn run(
    app: &App,
    operation: &'static Operation,
    path: PathParameters,
    parts: &Parts,
    bytes: &Bytes,
) -> Response {
    let result = Call::read(operation, path, parts.uri.query(), bytes).and_then(|call| {
        match operation.method == Method::GET {
            true => app.with(|state| act(state, call)),
            false => app.change(|state| act(state, call)),
        }
    });
    result.unwrap_or_else(IntoResponse::into_response)
}

/// Checks a request by the rules of its resource, and acts on it.
fn act(state: &mut SandboxState, call: Call) -> Result<Response, Error> {
    let operation = call.operation;
    let key = format!("{} {}", operation.method, operation.shape);
    let path = call.path.clone();
    let plan = PLANS.get(&key);
    let checked = rules::check(plan.map_or(&[], |plan| &plan.rules), &call.body);
    let result = checked.and_then(|()| match plan.map(|plan| &plan.act) {
        Some(Act::Handler(handler)) => handler(state, &call).map(Some),
        Some(Act::Derived(action, resource)) => resource.run(state, *action, &call).map(Some),
        _ if state.settings.strict => {
            let message = "the sandbox keeps no state for this operation";
            Err(Error::refused(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message))
        }
        _ => Ok(None),
    });
    match result {
        Ok(Some(reply)) => Ok(answer(state, operation, reply)),
        Err(error) if !state.settings.any_id => Err(error),
        _ => Ok(sample(state, operation, &path)),
    }
}

fn answer(state: &SandboxState, operation: &Operation, reply: Reply) -> Response {
    let status = StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK);
    match (&operation.content, reply) {
        (Content::Json(schema), Reply::Json(value)) => {
            let shape = Shape { newest: state.settings.newest_fields, event: false };
            (status, Json(contract().shape(schema, value, shape))).into_response()
        }
        (Content::Bytes(media), Reply::Bytes(bytes)) => {
            let media = HeaderValue::from_str(media)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            (status, [(header::CONTENT_TYPE, media)], bytes).into_response()
        }
        _ => status.into_response(),
    }
}

/// A valid answer without state, with the ids of the path in it.
fn sample(state: &SandboxState, operation: &Operation, path: &PathParameters) -> Response {
    let now = rfc3339(state.now());
    let facts = Facts { now: &now, business_id: &state.business_id, brand_id: &state.brand_id };
    let reply = match &operation.content {
        Content::Empty => Reply::Empty,
        Content::Bytes(_) => Reply::Bytes(Vec::new()),
        Content::Json(schema) => {
            let mut sample = contract().sample(schema, facts);
            if let (Some(fields), Some((name, id))) = (sample.as_object_mut(), path.last()) {
                for name in [name.as_str(), "id"] {
                    if fields.get(name).is_some_and(Value::is_string) {
                        fields.insert(name.to_owned(), json!(id));
                    }
                }
            }
            Reply::Json(sample)
        }
    };
    let mut answer = answer(state, operation, reply);
    answer.headers_mut().insert("x-sandbox", HeaderValue::from_static("sample"));
    answer
}

pub(crate) async fn method_not_allowed() -> Error {
    Error::refused(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "method not allowed")
}

pub(crate) async fn not_found() -> Error {
    Error::not_found("route")
}
