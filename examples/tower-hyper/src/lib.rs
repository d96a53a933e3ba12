//! Checkout, portal and webhooks on plain hyper with tower. Every endpoint is a tower service, so
//! without a framework nothing is missing but the router, and three paths need none.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, CustomerId, CustomerPortal, Error, Event, RequestHead, WebhookKey, Webhooks,
    capture::{VisitorCapture, VisitorLayer},
    checkout::{SessionCheckout, StaticCheckout},
    endpoint::{Endpoint, EndpointService, Or},
    event::Payment,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// The application's own state: which payments were made, and which visitor made them.
#[derive(Clone, Debug, Default)]
pub struct Orders(Arc<Mutex<Vec<String>>>);

impl Orders {
    /// All orders so far, one line each.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, order: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }
}

async fn mark_paid(event: Event<Payment, Orders>) -> Result<(), BoxError> {
    let visitor = event.data.metadata.get("visitor").and_then(|value| value.as_str());
    event.state.add(format!("{} by {}", event.data.payment_id, visitor.unwrap_or("no visitor")));
    Ok(())
}

/// Returns the signed-in customer. Here a proxy in front of this server sets the header, and
/// removes it from requests of clients.
async fn current_customer(head: RequestHead) -> Result<Option<CustomerId>, BoxError> {
    Ok(head.header("x-customer-id").map(CustomerId::new).transpose()?)
}

/// The routes. Cheap to clone: every connection gets its own.
#[derive(Clone)]
struct Routes {
    checkout: EndpointService<Or<StaticCheckout, SessionCheckout>>,
    portal: EndpointService<CustomerPortal>,
    webhook: EndpointService<Webhooks>,
}

impl Routes {
    fn new(dodo: &Client, key: WebhookKey, orders: Orders) -> Result<Self, Error> {
        let session = SessionCheckout::builder(dodo.clone()).build()?;
        let checkout = StaticCheckout::builder(dodo.clone()).build()?.or(session);
        let portal = CustomerPortal::builder(dodo.clone()).customer(current_customer).build()?;
        let hooks =
            Webhooks::builder(key).with_state(orders).on_payment_succeeded(mark_paid).build()?;
        Ok(Self {
            checkout: checkout.into_service(),
            portal: portal.into_service(),
            webhook: hooks.into_service(),
        })
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        match request.uri().path() {
            "/api/checkout" => self.checkout.oneshot(request).await,
            "/api/portal" => self.portal.oneshot(request).await,
            "/api/webhook" => self.webhook.oneshot(request).await,
            _ => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                Ok(response)
            }
        }
    }
}

/// Serves the routes.
///
/// # Errors
/// If an option of a route is unusable, or if the listener fails.
pub async fn serve(
    listener: TcpListener,
    dodo: &Client,
    key: WebhookKey,
    orders: Orders,
) -> io::Result<()> {
    let routes = Routes::new(dodo, key, orders).map_err(io::Error::other)?;
    let service = ServiceBuilder::new()
        .layer(VisitorLayer::new(VisitorCapture::visitors_now()))
        .service(service_fn(move |request| routes.clone().answer(request)));
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new()) // without a timer hyper waits for a head without limit
            .header_read_timeout(Duration::from_secs(10))
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            let _ = connection.await; // a client may disconnect
        });
    }
}
