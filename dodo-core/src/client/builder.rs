use std::{env, fmt, sync::Arc, time::Duration};

use super::{
    Client, Inner, Transport, key::ApiKey, product::ProductCache, transport::ErasedTransport,
};
use crate::{Environment, Error, web_url::WebUrl};

/// Configures a [`Client`]. Made by [`Client::builder`] and [`ClientBuilder::from_env`].
#[must_use]
pub struct ClientBuilder {
    api_key: Box<str>,
    environment: Environment,
    base_url: Option<String>,
    checkout_url: Option<String>,
    return_url: Option<String>,
    connect_timeout: Duration,
    total_timeout: Duration,
    retries: u32,
    product_cache: Duration,
    proxy: Option<String>,
    transport: Option<ErasedTransport>,
}

/// What is set and not empty; an unreadable value is a value, so that it is refused and not ignored.
fn variable(name: &'static str) -> Option<String> {
    let value = env::var_os(name)?.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

impl ClientBuilder {
    pub(super) fn new(api_key: &str) -> Self {
        Self {
            api_key: api_key.into(),
            environment: Environment::default(),
            base_url: None,
            checkout_url: None,
            return_url: None,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(20),
            retries: 2,
            product_cache: Duration::from_secs(60),
            proxy: None,
            transport: None,
        }
    }

    /// Reads the variables that [`Client::from_env`] lists, so that code can add to them.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a missing key or an unknown environment.
    pub fn from_env() -> Result<Self, Error> {
        let key = variable("DODO_PAYMENTS_API_KEY").ok_or_else(|| {
            Error::config(
                "there is no API key: set DODO_PAYMENTS_API_KEY to the key of the dashboard",
            )
        })?;
        let mut builder = Self::new(&key);
        if let Some(environment) = variable("DODO_PAYMENTS_ENVIRONMENT") {
            builder.environment = environment.parse()?;
        }
        builder.base_url = variable("DODO_PAYMENTS_BASE_URL");
        builder.checkout_url = variable("DODO_PAYMENTS_CHECKOUT_URL");
        builder.return_url = variable("DODO_PAYMENTS_RETURN_URL");
        Ok(builder)
    }

    /// Test mode or live mode. Live mode by default.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Another API than the environment's: a sandbox or a gateway. https, or http on this machine.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Other hosted pages than the environment's. https, or http on this machine.
    pub fn checkout_url(mut self, url: impl Into<String>) -> Self {
        self.checkout_url = Some(url.into());
        self
    }

    /// Where customers return to after paying, for every endpoint that does not say otherwise.
    pub fn return_url(mut self, url: impl Into<String>) -> Self {
        self.return_url = Some(url.into());
        self
    }

    /// The longest to wait for a connection. 5 seconds by default. Holds for the built-in transport.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The longest that a call may take in all, its retries and waits included. 20 seconds by default.
    /// Needs the `tokio` feature.
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.total_timeout = limit;
        self
    }

    /// How often a call is repeated that failed and can be repeated: reads after any transient
    /// failure, creates only when the connection could not be made. 2 by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long a product that was looked up is believed. One minute by default; zero asks each time.
    pub fn product_cache(mut self, time: Duration) -> Self {
        self.product_cache = time;
        self
    }

    /// An HTTP proxy, `http://host:port`, for the built-in transport. The `HTTPS_PROXY` variable is
    /// not read: a payment key should not go wherever the surroundings say.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Another way to send requests, for tests or for an HTTP stack of your own.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(ErasedTransport::new(transport));
        self
    }

    /// Checks the configuration and makes the client.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an unusable key, URL or proxy, and without a
    /// transport when the `reqwest` feature is off.
    pub fn build(self) -> Result<Client, Error> {
        let key = ApiKey::new(&self.api_key)?;
        let base = self.base_url.as_deref().unwrap_or(self.environment.api_base());
        let base = usable_base(base).ok_or_else(|| {
            Error::config("the API's address must be https, or http on this machine, without query: check DODO_PAYMENTS_BASE_URL")
        })?;
        let checkout = self.checkout_url.as_deref().unwrap_or(self.environment.checkout_base());
        let (checkout_base, _) = usable_base(checkout).ok_or_else(|| {
            Error::config("the checkout pages' address must be https, or http on this machine, without query: check DODO_PAYMENTS_CHECKOUT_URL")
        })?;
        if self.return_url.as_deref().is_some_and(|url| WebUrl::parse(url).is_none()) {
            return Err(Error::config(
                "the return URL must be an absolute http or https URL in ASCII: check DODO_PAYMENTS_RETURN_URL",
            ));
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(self.connect_timeout, self.proxy.as_deref())?,
        };
        Ok(Client(Arc::new(Inner {
            key,
            environment: self.environment,
            api_base: base.0,
            api_origin: base.1,
            checkout_base,
            return_url: self.return_url.map(Into::into),
            total_timeout: self.total_timeout,
            retries: self.retries,
            transport,
            products: ProductCache::new(self.product_cache),
        })))
    }
}

/// A base URL without its trailing slash. The key goes there, so it must not travel in the clear.
fn usable_base(text: &str) -> Option<(Box<str>, crate::web_url::Origin)> {
    let url = WebUrl::parse(text)?;
    (url.origin().is_secure_or_loopback() && url.is_bare_path())
        .then(|| (text.trim_end_matches('/').into(), url.origin().clone()))
}

#[cfg(feature = "reqwest")]
fn default_transport(connect: Duration, proxy: Option<&str>) -> Result<ErasedTransport, Error> {
    let transport = super::reqwest::ReqwestTransport::new(connect, proxy).map_err(|e| {
        Error::config("the HTTP client cannot be set up: are there root certificates, and is the proxy a URL?")
            .with_source(e)
    })?;
    Ok(ErasedTransport::new(transport))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(_: Duration, _: Option<&str>) -> Result<ErasedTransport, Error> {
    Err(Error::config("no transport: turn on the `reqwest` feature or give one to the builder"))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL may hold a password.
        f.debug_struct("ClientBuilder")
            .field("environment", &self.environment)
            .field("base_url", &self.base_url)
            .field("return_url", &self.return_url)
            .field("total_timeout", &self.total_timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
