//! An application that existed before payments: it has its own data, accounts, sign-in, CORS,
//! compression, logging, and a middleware that reads every body. The payments routes are a scope of
//! it.
//!
//! Two things to look at: `sign_in` is all it takes to open the portal for the right customer, and
//! [`audit`] may read a webhook's body without breaking its signature, as long as it passes on the
//! bytes it read.

mod audit;

use accounts::{Account, Accounts, Hosts};
use actix_cors::Cors;
use actix_web::{
    App, Error, HttpMessage, HttpResponse, Responder,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header,
    middleware::{Compress, Logger, Next, from_fn},
    web::{self, Data, Form, ReqData, ServiceConfig},
};
use dodo_actix::{DodoExtensions, VisitorMiddleware, checkout_handler, customer_portal, webhooks};
use dodo_core::{
    BoxError, Client, CustomerPortal, Error as DodoError, Event, SignedIn, WebhookKey, Webhooks,
    capture::VisitorCapture,
    checkout::{SessionCheckout, StaticCheckout},
    endpoint::{Endpoint, Or},
    event::Payment,
};
use serde::Deserialize;

pub use self::audit::audit;

/// What every worker's application is made of. Built once: workers share callbacks and state.
#[derive(Clone, Debug)]
pub struct Parts {
    accounts: Accounts,
    checkout: Or<StaticCheckout, SessionCheckout>,
    portal: CustomerPortal,
    hooks: Webhooks,
}

impl Parts {
    /// The parts that payments add need a client and the key of the webhooks.
    ///
    /// # Errors
    /// If an option of a payments route is unusable.
    pub fn new(accounts: Accounts, dodo: &Client, key: WebhookKey) -> Result<Self, DodoError> {
        let hooks = Webhooks::builder(key)
            .with_state(accounts.clone())
            .on_payment_succeeded(mark_paid)
            .build()?;
        let session = SessionCheckout::builder(dodo.clone()).build()?;
        Ok(Self {
            accounts,
            checkout: StaticCheckout::builder(dodo.clone()).build()?.or(session),
            portal: CustomerPortal::builder(dodo.clone()).build()?,
            hooks,
        })
    }

    /// The payments routes, for a scope.
    fn payments(&self, config: &mut ServiceConfig) {
        config
            .route("/checkout", checkout_handler(self.checkout.clone()))
            .route("/portal", customer_portal(self.portal.clone()))
            .route("/webhook", webhooks(self.hooks.clone()));
    }
}

/// The whole application, for one worker.
pub fn app(
    parts: Parts,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(Data::new(parts.accounts.clone()))
        .app_data(Data::new(Hosts::from_env()))
        .route("/", web::get().to(async || "Welcome to the library. ".repeat(100)))
        .route("/sign-in", web::post().to(sign_in_form))
        .route("/orders", web::get().to(orders))
        .service(web::scope("/payments").configure(|config| parts.payments(config)))
        .wrap(VisitorMiddleware::new(VisitorCapture::visitors_now()))
        .wrap(from_fn(sign_in))
        .wrap(from_fn(audit))
        .wrap(from_fn(own_hosts))
        .wrap(Compress::default())
        .wrap(Cors::permissive())
        .wrap(Logger::default())
}

async fn mark_paid(event: Event<Payment, Accounts>) -> Result<(), BoxError> {
    if let Some(email) = &event.data.customer.email {
        event.state.add_order(email, &event.data.payment_id);
    }
    Ok(())
}

/// Refuses requests for another host: a page of another site can let its name point to this machine.
async fn own_hosts(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let hosts = request.app_data::<Data<Hosts>>();
    let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
    if hosts.is_some_and(|hosts| hosts.accept(host)) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refusal = HttpResponse::MisdirectedRequest()
        .body("unknown host: name the public address in DODO_PUBLIC_URL\n");
    Ok(request.into_response(refusal).map_into_right_body())
}

/// The application's sign-in. It puts the [`Account`] of the session into the request. One more line
/// names the customer to dodo-core.
async fn sign_in(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let accounts = request.app_data::<Data<Accounts>>();
    let cookies = request.headers().get_all(header::COOKIE);
    let cookies = cookies.map(|value| value.as_bytes());
    if let Some(account) = accounts.and_then(|accounts| accounts.of_session(cookies)) {
        if let Some(customer) = account.customer.clone() {
            request.dodo_extensions_mut().insert(SignedIn::new(customer));
        }
        request.extensions_mut().insert(account);
    }
    next.call(request).await
}

/// What the form sends.
#[derive(Debug, Deserialize)]
struct SignIn {
    email: String,
    password: String,
}

async fn sign_in_form(accounts: Data<Accounts>, form: Form<SignIn>) -> impl Responder {
    match accounts.start_session(&form.email, &form.password) {
        Some(session) => {
            let cookie = format!("session={session}; Path=/; HttpOnly; Secure; SameSite=Lax");
            HttpResponse::NoContent().insert_header((header::SET_COOKIE, cookie)).finish()
        }
        None => HttpResponse::Unauthorized().finish(),
    }
}

async fn orders(accounts: Data<Accounts>, account: Option<ReqData<Account>>) -> impl Responder {
    match account {
        Some(account) => HttpResponse::Ok().body(accounts.orders(&account.email).join("\n")),
        None => HttpResponse::Unauthorized().finish(),
    }
}
