//! A running sandbox.

use std::{fmt, sync::Arc, time::Duration};

use axum::{Router, middleware, routing::get};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    Delivery, Error, SandboxBuilder,
    api::{self, webhooks},
    app::App,
    control, deliver, guard, journal, pages,
};

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
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox with a demo catalog on any free port.
    ///
    /// # Errors
    /// When the machine gives no port.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder with the defaults.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    pub(crate) fn run(app: Arc<App>, listener: TcpListener) -> Result<Self, Error> {
        // Another part of the program may have chosen a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings =
            || reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        // A machine without certificates, such as an empty image, delivers to http endpoints alone.
        let client = settings()
            .build()
            .or_else(|_| settings().tls_certs_only([]).build())
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
        Ok(Self { app, stop, tasks: vec![worker, server] })
    }

    /// The base address of the API and of the hosted pages, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.app.setup.base_url
    }

    /// The API key that may do everything.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.app.setup.api_key
    }

    /// A key that may read and not write.
    #[must_use]
    pub fn read_only_api_key(&self) -> &str {
        &self.app.read_only_key
    }

    /// Returns the secret that signs deliveries to endpoints of
    /// [`register_webhook`](Self::register_webhook).
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.app.setup.webhook_secret
    }

    /// Returns the five settings that an app needs, by the names of its environment variables. The
    /// sandbox behaves as test mode does, and the fifth variable states that.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 5] {
        self.app.env(self.url())
    }

    /// Sends all events to this address, signed with [`webhook_secret`](Self::webhook_secret), which
    /// is returned.
    ///
    /// # Errors
    /// When the address is not an absolute http or https URL.
    pub fn register_webhook(&self, url: &str) -> Result<String, Error> {
        let secret = self.app.setup.webhook_secret.clone();
        self.app.change(|state| {
            webhooks::register(state, url, &secret)?;
            Ok(secret)
        })
    }

    /// Returns the time of the sandbox's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.app.with(|state| state.now())
    }

    /// All deliveries so far, oldest first, with their attempts.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.app.with(|state| state.deliveries.iter().cloned().collect())
    }

    /// Waits until no delivery is under way and none falls due before the clock moves on. Use it
    /// with a timeout where an endpoint may hang.
    pub async fn wait_until_idle(&self) {
        self.app.wait_until_idle().await;
    }

    /// Stops taking requests, and waits a few seconds for running requests.
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

/// All routes. The host check comes first, for pages, control API and API.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(control::routes::routes())
        .route("/s/{slug}", get(api::products::follow_short_link))
        .fallback(api::dispatch)
        .layer(middleware::from_fn_with_state(Arc::clone(app), journal::layer))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::layer))
        .with_state(Arc::clone(app))
}
