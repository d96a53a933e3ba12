//! The same application on three frameworks, as a merchant would mount it.

mod actix;
mod axum;
mod hyper;
mod tower;

use std::{fmt, io, net::TcpListener, pin::Pin, str::FromStr, sync::Arc, time::Duration};

use dodo_core::{
    CustomerId, CustomerPortal, Event, SignedIn, WebhookKey, Webhooks, capture::VisitorCapture,
    endpoint::CheckoutEndpoint, event::Payment, webhook::VerifiedEvent,
};
use serde_json::Value;

/// What the application is mounted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framework {
    /// `dodo-axum` in an axum router.
    Axum,
    /// `dodo-actix` in an actix-web server.
    Actix,
    /// The endpoints themselves as tower services on plain hyper.
    Tower,
}

impl Framework {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Tower];
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Tower => "tower",
        })
    }
}

impl FromStr for Framework {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|framework| framework.to_string() == name);
        found.ok_or_else(|| format!("no framework {name:?}: axum, actix or tower"))
    }
}

/// Takes the routes of an application. Each framework has its own.
pub trait Mount {
    /// Mounts a checkout.
    fn checkout(&mut self, path: &str, checkout: impl CheckoutEndpoint);

    /// Mounts a customer portal.
    fn portal(&mut self, path: &str, portal: CustomerPortal);

    /// Mounts a receiver of webhooks.
    fn webhooks(&mut self, path: &str, webhooks: Webhooks);

    /// Mounts a handler of the application's own that needs a visitor and shows the id.
    fn visitor_page(&mut self, path: &str);

    /// Mounts one that takes `Option<Visitor>`.
    fn optional_visitor_page(&mut self, path: &str);

    /// Mounts a handler of the application's own that shows a verified delivery.
    fn verified_page(&mut self, path: &str, key: WebhookKey);

    /// Mounts one that takes `WebhookEvent<Payment>`.
    fn payment_page(&mut self, path: &str, key: WebhookKey);

    /// Mounts a GET that answers with what `source` says: not part of the product, but of checking
    /// it from outside.
    fn control(&mut self, path: &str, source: Source);
}

/// What a control route answers.
pub type Source = Arc<dyn Fn() -> Shown + Send + Sync>;

/// JSON, sooner or later.
pub type Shown = Pin<Box<dyn Future<Output = Value> + Send>>;

/// An application: its routes, written once.
pub trait Application: Clone + Send + Sync + 'static {
    /// Mounts all routes.
    fn mount(&self, mount: &mut impl Mount);

    /// The middleware in front of all routes.
    fn middleware(&self) -> Middleware {
        Middleware::default()
    }
}

/// Middleware in front of all routes, each in the form of its framework.
#[derive(Clone, Debug, Default)]
pub struct Middleware {
    /// `VisitorLayer`, in actix-web `VisitorMiddleware`.
    pub capture: Option<VisitorCapture>,
    /// Signs in the user and the customer of [`USER_HEADER`] and [`CUSTOMER_HEADER`]: the application's
    /// own middleware.
    pub sign_in: bool,
}

/// Names the signed-in user, in place of a session.
pub const USER_HEADER: &str = "x-test-user";

/// Names the customer who is signed in, in place of a session.
pub const CUSTOMER_HEADER: &str = "x-test-customer";

impl Middleware {
    fn signed_in(&self, user: Option<&[u8]>, customer: Option<&[u8]>) -> Option<SignedIn> {
        let text = |value: Option<&[u8]>| {
            let value = value.filter(|_| self.sign_in)?;
            String::from_utf8(value.to_vec()).ok()
        };
        let customer = text(customer).and_then(|id| CustomerId::new(id).ok());
        match (text(user).map(SignedIn::user), customer) {
            (Some(user), Some(customer)) => Some(user.customer(customer)),
            (user, customer) => user.or_else(|| customer.map(SignedIn::new)),
        }
    }
}

/// What belongs to the server and not to the middleware.
#[derive(Clone)]
pub struct Settings {
    /// How long a client may take to send the head of a request. Bodies have deadlines in core.
    pub header_timeout: Duration,
    /// Threads of actix-web. The others run on the runtime they are called on.
    pub workers: usize,
    /// Runs first on every thread that actix-web starts.
    pub on_thread_start: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("header_timeout", &self.header_timeout)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            on_thread_start: Arc::new(|| {}),
        }
    }
}

/// Serves the application until the future is dropped.
pub async fn serve(
    framework: Framework,
    listener: TcpListener,
    application: impl Application,
    settings: Settings,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    match framework {
        Framework::Axum => hyper::serve(listener, axum::router(&application), &settings).await,
        Framework::Tower => hyper::serve(listener, tower::router(&application), &settings).await,
        Framework::Actix => actix::serve(listener, application, &settings).await,
    }
}

fn shown(visitor: Option<&dodo_core::capture::VisitorId>) -> String {
    visitor.map_or("nobody", |visitor| visitor.as_str()).to_owned()
}

fn delivery_shown(delivery: &VerifiedEvent) -> String {
    format!("{}: {} bytes", delivery.id(), delivery.body().len())
}

fn payment_shown(event: &Event<Payment>) -> String {
    format!("{} is {}", event.data.payment_id, event.kind)
}
