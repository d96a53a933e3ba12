//! The builder of a sandbox, and its start.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::{
    Behavior, Error, Product, Sandbox,
    api::webhooks,
    app::App,
    clock::Clock,
    flow, id,
    journal::{self, Journal, Start},
    sign,
    state::{SandboxState, product},
};

/// The settings of a sandbox. [`Setup::state`] creates the same state from the same values.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) api_key: String,
    /// Signs the deliveries to endpoints of the library and the command line.
    pub(crate) webhook_secret: String,
    pub(crate) base_url: String,
    pub(crate) start: Start,
    pub(crate) rate: f64,
    pub(crate) products: Vec<Product>,
    pub(crate) discounts: Vec<(String, u32)>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) behavior: Behavior,
    /// Host names that requests may carry, beside those of this machine.
    pub(crate) hosts: Vec<String>,
    pub(crate) frame_ancestors: Option<String>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Setup {
    /// The state at the start, with its generator of ids.
    pub(crate) fn state(&self) -> Result<(SandboxState, fastrand::Rng), Error> {
        // Separate generators, so that another endpoint does not change the later ids.
        let separate = |name: &str, act: &mut dyn FnMut()| {
            let seed = name.bytes().fold(self.start.seed, |seed, byte| {
                (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            id::seeded(&mut fastrand::Rng::with_seed(seed), act);
        };
        let mut ids = fastrand::Rng::with_seed(self.start.seed);
        let clock = Clock::new(self.start.now, self.rate);
        let mut state = id::seeded(&mut ids, || {
            let mut state = SandboxState::new(self.base_url.clone(), clock, self.behavior.clone());
            let demo = self.products.is_empty().then(product::demo_catalog);
            for product in demo.as_ref().unwrap_or(&self.products) {
                state.add_product(product.clone());
            }
            state
        });
        let mut result = Ok(());
        for (code, points) in &self.discounts {
            separate(code, &mut || {
                if let Err(error) = flow::discount::add_percentage(&mut state, code, *points) {
                    result = Err(Error::config(error.message().to_owned()));
                }
            });
        }
        for url in &self.endpoints {
            separate(url, &mut || {
                if let Err(error) = webhooks::register(&mut state, url, &self.webhook_secret) {
                    result = Err(Error::config(error.message().to_owned()));
                }
            });
        }
        result.map(|()| (state, ids))
    }
}

/// Configures a [`Sandbox`].
#[derive(Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct SandboxBuilder {
    host: IpAddr,
    port: u16,
    api_key: Option<String>,
    webhook_secret: Option<String>,
    public_url: Option<String>,
    seed: Option<u64>,
    now: Option<Timestamp>,
    data: Option<PathBuf>,
    setup: Setup,
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder")
            .field("port", &self.port)
            .field("clock_rate", &self.setup.rate)
            .field("products", &self.setup.products.len())
            .finish_non_exhaustive()
    }
}

impl SandboxBuilder {
    pub(crate) fn new() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            api_key: None,
            webhook_secret: None,
            public_url: None,
            seed: None,
            now: None,
            data: None,
            setup: Setup {
                api_key: String::new(),
                webhook_secret: String::new(),
                base_url: String::new(),
                start: Start { seed: 0, now: Timestamp::UNIX_EPOCH },
                rate: 1.0,
                products: Vec::new(),
                discounts: Vec::new(),
                endpoints: Vec::new(),
                behavior: Behavior::default(),
                hosts: Vec::new(),
                frame_ancestors: None,
            },
        }
    }

    /// Sets the address to listen on. Default: 127.0.0.1.
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
    }

    /// Sets the port. Default: any free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the address that answers and pages name, such as `http://sandbox:4010`. Its host name is
    /// allowed as by [`allow_host`](Self::allow_host). Default: `http://` with host and port.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Accepts requests for this host name. Without it, the sandbox accepts `localhost` and IP
    /// addresses, so that a page on another site cannot reach it by DNS rebinding.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.setup.hosts.push(name.into());
        self
    }

    /// Sets the pages that may embed the hosted checkout: the value of `frame-ancestors` in the
    /// Content-Security-Policy, such as `http://localhost:3000`. Default: `'none'`.
    pub fn frame_ancestors(mut self, sources: impl Into<String>) -> Self {
        self.setup.frame_ancestors = Some(sources.into());
        self
    }

    /// Sets the API key: printable text without a blank at either end. Default: random.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the secret that signs webhooks: `whsec_` and at least 24 bytes in base64. Default:
    /// random.
    pub fn webhook_secret(mut self, secret: impl Into<String>) -> Self {
        self.webhook_secret = Some(secret.into());
        self
    }

    /// Sets the seed of all ids. Two sandboxes with the same seed, start time and requests answer
    /// with the same bytes. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the time at which the sandbox's clock starts. Default: the machine's time.
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Sets the rate of the sandbox's clock: 1 is the rate of the machine, 3600 is an hour in each
    /// second, and at 0 the clock stops until it is advanced. Billing dates and the waits between
    /// webhook retries follow this clock. Default: 1.
    pub fn clock_rate(mut self, rate: f64) -> Self {
        self.setup.rate = rate;
        self
    }

    /// Adds a product. Default: a small demo catalog.
    pub fn product(mut self, product: Product) -> Self {
        self.setup.products.push(product);
        self
    }

    /// Adds a discount code with this discount in basis points: 1000 are 10 %.
    pub fn discount(mut self, code: impl Into<String>, basis_points: u32) -> Self {
        self.setup.discounts.push((code.into(), basis_points));
        self
    }

    /// Sends all events to this address.
    pub fn webhook_url(mut self, url: impl Into<String>) -> Self {
        self.setup.endpoints.push(url.into());
        self
    }

    /// Sets the account's settings and the choices where Dodo's behavior is undocumented.
    pub fn behavior(mut self, behavior: Behavior) -> Self {
        self.setup.behavior = behavior;
        self
    }

    /// Keeps a journal of all HTTP requests in this directory, and repeats it at the next start.
    /// Calls of [`Sandbox`]'s methods are not part of it, so only the program offers this.
    #[cfg(feature = "cli")]
    pub(crate) fn data(mut self, directory: PathBuf) -> Self {
        self.data = Some(directory);
        self
    }

    /// Starts the sandbox inside the running tokio runtime.
    ///
    /// # Errors
    /// [`PortInUse`](crate::ErrorKind::PortInUse); [`Config`](crate::ErrorKind::Config) for a value
    /// that cannot be used; [`Io`](crate::ErrorKind::Io) for the data directory.
    pub async fn start(self) -> Result<Sandbox, Error> {
        let mut setup = self.setup;
        if !setup.rate.is_finite() || !(0.0..=1e9).contains(&setup.rate) {
            return Err(Error::config("clock rate out of range: use a number from 0 to 1e9"));
        }
        setup.api_key = self.api_key.unwrap_or_else(|| id::new("sk_test_sandbox_"));
        if setup.api_key.is_empty()
            || setup.api_key.trim() != setup.api_key
            || setup.api_key.chars().any(char::is_control)
        {
            return Err(Error::config(
                "unusable API key: use printable text without a blank at either end",
            ));
        }
        setup.webhook_secret = self.webhook_secret.unwrap_or_else(id::webhook_secret);
        sign::check_secret(&setup.webhook_secret)?;
        setup.products.iter().try_for_each(Product::check)?;
        if setup.discounts.iter().any(|(code, points)| code.is_empty() || *points > 10_000) {
            return Err(Error::config("a discount has a code and at most 10,000 basis points"));
        }
        let listener = bind(self.host, self.port).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::io("the address of the socket cannot be read", error))?;
        setup.base_url = match self.public_url {
            Some(url) => {
                let parsed: Option<http::Uri> = url.parse().ok();
                let host = parsed.as_ref().and_then(http::Uri::host).map(str::to_owned);
                setup.hosts.push(host.ok_or_else(|| {
                    Error::config("unusable public URL: use an absolute http or https URL")
                })?);
                url.trim_end_matches('/').to_owned()
            }
            None if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
            None => format!("http://{address}"),
        };
        setup.start = Start {
            seed: self.seed.unwrap_or_else(id::seed),
            now: self.now.unwrap_or_else(Timestamp::now),
        };
        let app = Arc::new(App::new(setup)?);
        if let Some(directory) = self.data {
            restore(&app, &directory).await?;
        }
        Sandbox::run(app, listener)
    }
}

/// Continues the journal of a directory, or begins one.
async fn restore(app: &Arc<App>, directory: &Path) -> Result<(), Error> {
    let (mut journal, text, idle) = Journal::open(directory)?;
    if text.is_empty() {
        journal.replace(&journal::start_line(app.setup.start))?;
        app.resume(Some(journal), None);
        return Ok(());
    }
    app.pause();
    app.begin(journal::start_of(&text)?)?;
    journal::replay(app, &text).await?;
    let then = app.with(|state| state.clock.now());
    app.resume(Some(journal), Some(journal::resumed_at(then, idle, app.setup.rate)));
    Ok(())
}

/// Begins again, or continues a snapshot.
pub(crate) async fn reset(app: &Arc<App>, snapshot: Option<String>) -> Result<(), Error> {
    let text = snapshot.unwrap_or_else(|| journal::start_line(app.setup.start));
    let start = journal::start_of(&text)?;
    app.pause();
    let mut journal = app.begin(start)?;
    let replayed = journal::replay(app, &text).await;
    let written = journal.as_mut().map_or(Ok(()), |journal| journal.replace(&text));
    app.resume(journal, None);
    replayed.and(written)
}

async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((host, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::port_in_use(port),
        _ => Error::io(format!("address {host}, port {port} cannot be used"), error),
    })
}
