//! An application that existed before payments: it has its own state, accounts, sign-in, CORS,
//! compression, tracing, and a middleware that reads every body. The payments routes are nested in
//! it.
//!
//! Two things to look at: `sign_in` is all it takes to open the portal for the right customer, and
//! [`audit`] may read a webhook's body without breaking its signature, as long as it passes on the
//! bytes it read.

mod audit;

use accounts::{Account, Accounts, Hosts};
use axum::{
    Extension, Form, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dodo_axum::{VisitorLayer, checkout_handler, customer_portal, webhooks};
use dodo_core::{
    BoxError, Client, CustomerPortal, Error, Event, SignedIn, WebhookKey, Webhooks,
    capture::VisitorCapture,
    checkout::{SessionCheckout, StaticCheckout},
    endpoint::Endpoint,
    event::Payment,
};
use serde::Deserialize;
use tower_http::{compression::CompressionLayer, cors::CorsLayer, trace::TraceLayer};

pub use self::audit::audit;

/// The whole application.
///
/// # Errors
/// If an option of a payments route is unusable.
pub fn app(accounts: Accounts, dodo: &Client, key: WebhookKey) -> Result<Router, Error> {
    Ok(Router::new()
        .route("/", get(async || "Welcome to the library. ".repeat(100)))
        .route("/sign-in", post(sign_in_form))
        .route("/orders", get(orders))
        .nest("/payments", payments(&accounts, dodo, key)?)
        .layer(VisitorLayer::new(VisitorCapture::visitors_now()))
        .layer(from_fn_with_state(accounts.clone(), sign_in))
        .layer(from_fn(audit))
        .layer(from_fn_with_state(Hosts::from_env(), own_hosts))
        .layer(CompressionLayer::new())
        .layer(CorsLayer::permissive())
        .layer(TraceLayer::new_for_http())
        .with_state(accounts))
}

/// What payments add. The state of the application and that of the callbacks are the same here;
/// they need not be.
fn payments(
    accounts: &Accounts,
    dodo: &Client,
    key: WebhookKey,
) -> Result<Router<Accounts>, Error> {
    let session = SessionCheckout::builder(dodo.clone()).build()?;
    let checkout = StaticCheckout::builder(dodo.clone()).build()?.or(session);
    let portal = CustomerPortal::builder(dodo.clone()).build()?;
    let hooks = Webhooks::builder(key)
        .with_state(accounts.clone())
        .on_payment_succeeded(mark_paid)
        .build()?;
    Ok(Router::new()
        .route("/checkout", checkout_handler(checkout))
        .route("/portal", customer_portal(portal))
        .route("/webhook", webhooks(hooks)))
}

async fn mark_paid(event: Event<Payment, Accounts>) -> Result<(), BoxError> {
    if let Some(email) = &event.data.customer.email {
        event.state.add_order(email, &event.data.payment_id);
    }
    Ok(())
}

/// Refuses requests for another host: a page of another site can let its name point to this machine.
async fn own_hosts(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.accept(request.headers().get(header::HOST).map(|host| host.as_bytes())) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "unknown host: name the public address in DODO_PUBLIC_URL\n")
        .into_response()
}

/// The application's sign-in. It puts the [`Account`] of the session into the request. One more line
/// names the customer to dodo-core.
async fn sign_in(State(accounts): State<Accounts>, mut request: Request, next: Next) -> Response {
    let cookies = request.headers().get_all(header::COOKIE);
    let account = accounts.of_session(cookies.iter().map(|value| value.as_bytes()));
    if let Some(account) = account {
        if let Some(customer) = account.customer.clone() {
            request.extensions_mut().insert(SignedIn::new(customer));
        }
        request.extensions_mut().insert(account);
    }
    next.run(request).await
}

/// What the form sends.
#[derive(Debug, Deserialize)]
struct SignIn {
    email: String,
    password: String,
}

async fn sign_in_form(State(accounts): State<Accounts>, Form(form): Form<SignIn>) -> Response {
    match accounts.start_session(&form.email, &form.password) {
        Some(session) => {
            let cookie = format!("session={session}; Path=/; HttpOnly; Secure; SameSite=Lax");
            (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn orders(State(accounts): State<Accounts>, account: Option<Extension<Account>>) -> Response {
    match account {
        Some(Extension(account)) => accounts.orders(&account.email).join("\n").into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}
