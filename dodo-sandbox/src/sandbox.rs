//! Starting and steering a sandbox from Rust.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    Behavior, Delivery, Error, Product,
    api::{self, webhooks},
    app::App,
    clock::Clock,
    control, deliver, id, pages, sign,
    state::{World, product},
};

/// Configures a [`Sandbox`].
#[derive(Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct SandboxBuilder {
    port: u16,
    api_key: Option<String>,
    webhook_secret: Option<String>,
    clock_rate: f64,
    products: Vec<Product>,
    discounts: Vec<(String, u32)>,
    behavior: Behavior,
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder")
            .field("port", &self.port)
            .field("clock_rate", &self.clock_rate)
            .field("products", &self.products.len())
            .finish_non_exhaustive()
    }
}

impl SandboxBuilder {
    /// The port on 127.0.0.1. Without this, any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The API key to ask for. Without this, a random one.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The secret that signs webhooks: `whsec_` and at least 24 bytes in base64. Without this, a
    /// random one.
    pub fn webhook_secret(mut self, secret: impl Into<String>) -> Self {
        self.webhook_secret = Some(secret.into());
        self
    }

    /// How fast the sandbox's clock runs: 1 is the machine's pace, 3600 an hour in each second, and
    /// at 0 it stands still until it is advanced. Billing dates and the waits between webhook
    /// retries follow this clock.
    pub fn clock_rate(mut self, factor: f64) -> Self {
        self.clock_rate = factor;
        self
    }

    /// Adds a product. Without any, there is a small demo catalogue.
    pub fn product(mut self, product: Product) -> Self {
        self.products.push(product);
        self
    }

    /// Adds a discount code that takes off so many basis points: 1000 are 10 %.
    pub fn discount(mut self, code: impl Into<String>, basis_points: u32) -> Self {
        self.discounts.push((code.into(), basis_points));
        self
    }

    /// Sets the account's settings and the choices where Dodo's behavior is undocumented.
    pub fn behavior(mut self, behavior: Behavior) -> Self {
        self.behavior = behavior;
        self
    }

    /// Starts the sandbox inside the running tokio runtime.
    ///
    /// # Errors
    /// [`PortInUse`](crate::ErrorKind::PortInUse); [`Config`](crate::ErrorKind::Config) for a key,
    /// secret, factor or product that cannot be used.
    pub async fn start(self) -> Result<Sandbox, Error> {
        if !self.clock_rate.is_finite() || !(0.0..=1e9).contains(&self.clock_rate) {
            return Err(Error::config("the clock rate is a number from 0 to 1,000,000,000"));
        }
        let api_key = self.api_key.unwrap_or_else(|| id::new("sk_test_sandbox_"));
        if api_key.is_empty() || !api_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::config("an API key is visible ASCII and not empty"));
        }
        let secret = self.webhook_secret.unwrap_or_else(id::webhook_secret);
        sign::check_secret(&secret)?;
        let products =
            if self.products.is_empty() { product::demo_catalogue() } else { self.products };
        products.iter().try_for_each(Product::check)?;
        if self.discounts.iter().any(|(code, points)| code.is_empty() || *points > 10_000) {
            return Err(Error::config("a discount has a code and at most 10,000 basis points"));
        }

        let listener = bind(self.port).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::io("the address of the socket cannot be read", error))?;
        let mut world =
            World::new(format!("http://{address}"), Clock::new(self.clock_rate), self.behavior);
        for product in products {
            world.products.insert(product);
        }
        for (code, basis_points) in self.discounts {
            world.add_discount(code, basis_points);
        }
        let app = Arc::new(App::new(world, api_key, secret));
        Sandbox::run(app, listener, address)
    }
}

async fn bind(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::port_in_use(port),
        _ => Error::io(format!("port {port} cannot be listened on"), error),
    })
}

/// A running sandbox. It stops when this is dropped, or by [`shutdown`](Self::shutdown).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use dodo_sandbox::{Product, Sandbox};
///
/// let sandbox = Sandbox::builder()
///     .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
///     .start()
///     .await?;
/// let secret = sandbox.register_webhook("http://127.0.0.1:3000/api/webhook")?;
/// println!("{} {} {secret}", sandbox.url(), sandbox.api_key());
/// # Ok(())
/// # }
/// ```
pub struct Sandbox {
    pub(crate) app: Arc<App>,
    url: String,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox with a demo catalogue on any free port.
    ///
    /// # Errors
    /// When the machine gives no port.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// A sandbox to configure.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder {
            port: 0,
            api_key: None,
            webhook_secret: None,
            clock_rate: 1.0,
            products: Vec::new(),
            discounts: Vec::new(),
            behavior: Behavior::default(),
        }
    }

    fn run(app: Arc<App>, listener: TcpListener, address: SocketAddr) -> Result<Self, Error> {
        // Another part of the program may have chosen a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| Error::config("the HTTP client for webhooks cannot be built"))?;
        let (stop, stopped) = watch::channel(false);
        let worker = tokio::spawn(deliver::run(Arc::clone(&app), client, stopped.clone()));
        let router = router(&app);
        let server = tokio::spawn(async move {
            let mut stopped = stopped;
            let stopped = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
            if let Err(error) = served {
                tracing::error!(target: "dodo::sandbox", %error, "the sandbox stopped serving");
            }
        });
        Ok(Self { app, url: format!("http://{address}"), stop, tasks: vec![worker, server] })
    }

    /// The base address of the API and of the hosted pages, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The API key that may do everything.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.app.api_key
    }

    /// A key that may read and not write.
    #[must_use]
    pub fn read_only_api_key(&self) -> &str {
        &self.app.read_only_key
    }

    /// The secret that signs what goes to endpoints of [`register_webhook`](Self::register_webhook).
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.app.webhook_secret
    }

    /// Returns the five settings that an app needs, by the names of its environment variables. The
    /// sandbox behaves as test mode does, and the fifth variable states that.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 5] {
        self.app.env(&self.url)
    }

    /// Sends all events to this address, signed with [`webhook_secret`](Self::webhook_secret), which
    /// is returned.
    ///
    /// # Errors
    /// When the address is not an absolute http or https URL.
    pub fn register_webhook(&self, url: &str) -> Result<String, Error> {
        let secret = self.app.webhook_secret.clone();
        self.app.change(|world| {
            let endpoint = webhooks::Create::at(url).into_endpoint(world, secret.clone())?;
            world.endpoints.insert(endpoint);
            Ok(secret)
        })
    }

    /// What the sandbox's clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.app.with(|world| world.now())
    }

    /// All deliveries so far, oldest first, with their attempts.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.app.with(|world| world.deliveries.iter().cloned().collect())
    }

    /// Waits until no delivery is under way and none falls due before the clock moves on. Use it
    /// with a timeout where an endpoint may hang.
    pub async fn wait_until_idle(&self) {
        let mut changes = self.app.changes();
        while !self.app.with(|world| world.deliveries_rest()) {
            let _ = changes.changed().await;
        }
    }

    /// Stops taking requests, and waits a few seconds for what is under way.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(5), task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(api::routes(app))
        .merge(pages::routes())
        .merge(control::routes::routes())
        .fallback(api::not_found)
        .with_state(Arc::clone(app))
}
