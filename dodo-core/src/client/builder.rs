use std::{fmt, sync::Arc, time::Duration};

use tracing::level_filters::LevelFilter;

use super::{
    Client, Inner, Transport, key::ApiKey, product::ProductCache, transport::ErasedTransport,
};
use crate::{
    Environment, Error,
    env::variable,
    log::{client_log, level_from_env},
    repeats::Repeats,
    return_url,
    web_url::{WebOrigin, WebUrl},
};

pub(super) const API_KEY: &str = "DODO_PAYMENTS_API_KEY";
const BASE_URL: &str = "DODO_PAYMENTS_BASE_URL";
const CHECKOUT_URL: &str = "DODO_PAYMENTS_CHECKOUT_URL";
const RETURN_URL: &str = "DODO_PAYMENTS_RETURN_URL";
const PUBLIC_URL: &str = "DODO_PUBLIC_URL";

/// Configures a [`Client`]. Created by [`Client::builder`] and [`ClientBuilder::from_env`].
#[must_use = "call `.build()`"]
pub struct ClientBuilder {
    api_key: Box<str>,
    environment: Environment,
    base_url: Option<String>,
    checkout_url: Option<String>,
    return_url: Option<String>,
    public_url: Option<String>,
    connect_timeout: Duration,
    timeout: Duration,
    max_retries: u32,
    product_cache_ttl: Duration,
    proxy: Option<String>,
    log_level: Option<LevelFilter>,
    transport: Option<ErasedTransport>,
}

impl ClientBuilder {
    pub(super) fn new(api_key: &str, environment: Environment) -> Self {
        Self {
            api_key: api_key.into(),
            environment,
            base_url: None,
            checkout_url: None,
            return_url: None,
            public_url: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            max_retries: 2,
            product_cache_ttl: Duration::from_secs(60),
            proxy: None,
            log_level: None,
            transport: None,
        }
    }

    /// Reads the variables that [`Client::from_env`] lists. Code can then change the rest.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a missing key, an unknown mode, and a variable with
    /// quotes or blanks inside.
    pub fn from_env() -> Result<Self, Error> {
        let key = variable(API_KEY)?.ok_or_else(|| {
            Error::config(
                "missing API key: set DODO_PAYMENTS_API_KEY, or run `cargo install dodo-sandbox`, then `dodo-sandbox`",
            )
            .with_code("api_key_missing")
        })?;
        let mut builder = Self::new(&key, Environment::from_env()?);
        builder.base_url = variable(BASE_URL)?;
        builder.checkout_url = variable(CHECKOUT_URL)?;
        builder.return_url = variable(RETURN_URL)?;
        builder.public_url = variable(PUBLIC_URL)?;
        builder.log_level = level_from_env()?;
        Ok(builder)
    }

    /// Sets another API, such as a sandbox or a gateway: https, or http on this machine.
    /// Default: the API of the mode.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets other hosted pages: https, or http on this machine. Default: the pages of the mode.
    pub fn checkout_url(mut self, url: impl Into<String>) -> Self {
        self.checkout_url = Some(url.into());
        self
    }

    /// Sets the page to which customers return after paying. An endpoint can set its own.
    /// Default: the [`public_url`](Self::public_url), if it is set.
    pub fn return_url(mut self, url: impl Into<String>) -> Self {
        self.return_url = Some(url.into());
        self
    }

    /// Sets the address that customers type to reach the application, such as
    /// `https://shop.example`: scheme, host and port, without a path. Default: unknown.
    ///
    /// The endpoints compare the `Origin` of a request with it, instead of with `Host`, which a proxy
    /// may rewrite. The return URL and the cookies of the application follow it. `X-Forwarded-*`
    /// headers are not read: every client can send them.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets the longest time to wait for a connection. Default: 5 seconds. Applies to the built-in
    /// transport.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the time limit of a call with its retries and delays. Default: 20 seconds. Needs the
    /// `tokio` feature.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how often the client repeats a failed call: reads after any transient failure, creates
    /// only if no connection was made. Default: 2.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets how long the client caches a product. Default: 1 minute. Zero disables the cache.
    pub fn product_cache_ttl(mut self, time: Duration) -> Self {
        self.product_cache_ttl = time;
        self
    }

    /// Sets an HTTP proxy, `http://host:port`, for the built-in transport. The client ignores
    /// `HTTPS_PROXY`, so that an environment variable cannot redirect the API key.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sets the most verbose level of the lines that this client logs under `dodo::client`. Default:
    /// every line. The application's subscriber decides which of them it shows.
    ///
    /// ```
    /// use dodo_core::{Client, Environment};
    /// use tracing::level_filters::LevelFilter;
    ///
    /// let client = Client::builder("key", Environment::Test).log_level(LevelFilter::WARN);
    /// ```
    pub fn log_level(mut self, level: LevelFilter) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Sets another transport, for tests or for your own HTTP stack.
    pub fn with_transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(ErasedTransport::new(transport));
        self
    }

    /// Checks the configuration and creates the client.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an unusable key, URL or proxy, and without a
    /// transport when the `reqwest` feature is off.
    pub fn build(self) -> Result<Client, Error> {
        let key = ApiKey::new(&self.api_key)?;
        let base = self.base_url.as_deref().unwrap_or(self.environment.api_base());
        let (api_base, api_origin) = usable_base(base).ok_or_else(|| {
            Error::variable(BASE_URL, "is not https, nor http on this machine: correct the URL")
        })?;
        let checkout = self.checkout_url.as_deref().unwrap_or(self.environment.checkout_base());
        let (checkout_base, _) = usable_base(checkout).ok_or_else(|| {
            Error::variable(CHECKOUT_URL, "is not https, nor http on this machine: correct the URL")
        })?;
        let public_url = self.public_url.as_deref().map(bare_origin).transpose()?;
        let return_url = match (&self.return_url, &public_url) {
            (Some(url), _) => {
                let url = return_url::absolute(url).ok_or_else(|| {
                    Error::variable(RETURN_URL, "is not an absolute URL: correct the URL")
                })?;
                Some(url.as_ref().into())
            }
            (None, public) => public.clone(),
        };
        if self.environment.is_live() && api_origin.is_loopback() {
            client_log!(
                self.log_level,
                warn,
                api = &*api_base,
                "live mode uses an API on this machine; set DODO_PAYMENTS_ENVIRONMENT=test_mode or remove DODO_PAYMENTS_BASE_URL"
            );
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(self.connect_timeout, self.proxy.as_deref())?,
        };
        Ok(Client(Arc::new(Inner {
            key,
            environment: self.environment,
            api_base,
            api_origin,
            checkout_base,
            return_url,
            public_url,
            timeout: self.timeout,
            max_retries: self.max_retries,
            transport,
            products: ProductCache::new(self.product_cache_ttl),
            log_level: self.log_level,
            refusals: Repeats::default(),
        })))
    }
}

/// The application's own address, without a slash at the end.
fn bare_origin(text: &str) -> Result<Box<str>, Error> {
    let text = text.trim();
    let url = WebUrl::parse(text).ok_or_else(|| {
        Error::variable(PUBLIC_URL, "is not one http or https URL: set it to `https://` and a host")
    })?;
    if !url.is_bare_origin() {
        return Err(Error::variable(PUBLIC_URL, "has a path: leave only scheme, host and port"));
    }
    Ok(text.trim_end_matches('/').into())
}

/// A base URL without its trailing slash. The client sends the key there, so the connection must be
/// encrypted.
fn usable_base(text: &str) -> Option<(Box<str>, WebOrigin)> {
    let text = text.trim();
    let url = WebUrl::parse(text)?;
    (url.origin().is_secure_or_loopback() && url.is_bare_path())
        .then(|| (text.trim_end_matches('/').into(), url.origin().clone()))
}

#[cfg(feature = "reqwest")]
fn default_transport(connect: Duration, proxy: Option<&str>) -> Result<ErasedTransport, Error> {
    let transport = super::reqwest::ReqwestTransport::new(connect, proxy).map_err(|e| {
        Error::config(
            "the HTTP client cannot start: install ca-certificates, and check the proxy URL",
        )
        .with_source(e)
    })?;
    Ok(ErasedTransport::new(transport))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(_: Duration, _: Option<&str>) -> Result<ErasedTransport, Error> {
    Err(Error::config("no transport: turn on the feature `reqwest`, or call `with_transport`"))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shows no URL: before `build` checks a URL, it may hold a password.
        f.debug_struct("ClientBuilder")
            .field("environment", &self.environment)
            .field("base_url", &self.base_url.is_some())
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .finish_non_exhaustive()
    }
}
