//! The client for the API of Dodo Payments.
//!
//! This module has configuration, authentication, deadlines, retries, errors, the product cache and
//! the generic [`call`](Client::call). The fields of a checkout are in `checkout/`. A [`Transport`]
//! sends the bytes.

mod builder;
mod call;
mod customer;
mod failure;
mod key;
mod license;
mod pages;
mod path;
mod payment;
mod plan_change;
mod product;
mod redact;
#[cfg(feature = "reqwest")]
mod reqwest;
pub(crate) mod retry;
mod subscription;
pub(crate) mod transport;
mod webhook_endpoint;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::Value;

#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
pub use self::{
    builder::ClientBuilder,
    call::ApiCall,
    customer::NewCustomer,
    failure::ApiError,
    license::LicenseInstance,
    pages::Pages,
    path::path_segment,
    payment::CheckoutStatus,
    plan_change::{
        ChangeTime, PlanChange, PlanChangeCharge, PlanChangePreview, PreviewLine, Proration,
    },
    product::CatalogProduct,
    subscription::{Cancellation, PaymentMethodLink},
    transport::{Transport, TransportError},
    webhook_endpoint::WebhookEndpoint,
};
use tracing::level_filters::LevelFilter;

use self::{key::ApiKey, product::ProductCache, transport::ErasedTransport};
use crate::{Environment, Error, ProductId, repeats::Repeats, web_url::WebOrigin};
pub use crate::{
    dodo::DodoBuilder,
    id::{PaymentId, SessionId, SubscriptionId},
};

/// A handle on Dodo Payments' API. Cheap to clone; clones share connections and caches.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_core::Error> {
/// let client = dodo_core::Client::from_env()?;
/// # Ok(())
/// # }
/// ```
///
/// `Debug` shows the URL of the API and never the key.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    key: ApiKey,
    environment: Environment,
    api_base: Box<str>,
    api_origin: WebOrigin,
    checkout_base: Box<str>,
    return_url: Option<Box<str>>,
    public_url: Option<Box<str>>,
    timeout: Duration,
    max_retries: u32,
    transport: ErasedTransport,
    products: ProductCache,
    log_level: Option<LevelFilter>,
    refusals: Repeats<(&'static str, Box<str>)>,
}

impl Client {
    /// Creates a client from environment variables.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `DODO_PAYMENTS_API_KEY` | the API key | an error |
    /// | `DODO_PAYMENTS_ENVIRONMENT` | `test_mode` or `live_mode` | `live_mode` |
    /// | `DODO_PAYMENTS_RETURN_URL` | the page to which customers return after paying | `DODO_PUBLIC_URL` |
    /// | `DODO_PAYMENTS_BASE_URL` | another API | the API of the mode |
    /// | `DODO_PAYMENTS_CHECKOUT_URL` | other hosted pages | the pages of the mode |
    /// | `DODO_PUBLIC_URL` | [`public_url`](ClientBuilder::public_url) | unknown |
    /// | `DODO_PAYMENTS_LOG` | [`log_level`](ClientBuilder::log_level): `off`, `error`, `warn`, `info`, `debug` | every line |
    ///
    /// Blanks around a value are dropped. A blank variable counts as unset.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if a variable is missing or cannot be used. The text names
    /// the variable and never shows its value.
    #[cfg(feature = "reqwest")]
    pub fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env()?.build()
    }

    /// Starts a client with this API key and the mode of the key. The other settings have defaults.
    pub fn builder(api_key: impl AsRef<str>, environment: Environment) -> ClientBuilder {
        ClientBuilder::new(api_key.as_ref(), environment)
    }

    /// Returns the mode of the key.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.0.environment
    }

    /// Returns the URL of the API, without a slash at the end.
    #[must_use]
    pub(crate) fn api_base(&self) -> &str {
        &self.0.api_base
    }

    /// Returns the URL of the hosted checkout pages, without a slash at the end.
    #[must_use]
    pub(crate) fn checkout_base(&self) -> &str {
        &self.0.checkout_base
    }

    /// Returns the page to which customers return. An endpoint may override it.
    #[must_use]
    pub(crate) fn return_url(&self) -> Option<&str> {
        self.0.return_url.as_deref()
    }

    /// Returns the application's own address, without a slash at the end, if it is configured.
    #[must_use]
    pub fn public_url(&self) -> Option<&str> {
        self.0.public_url.as_deref()
    }

    /// Prepares any call of Dodo's API, with the same rules as the built-in calls: authentication,
    /// total deadline, safe retries, errors.
    ///
    /// The path is checked: it starts with `/`, has no empty, `.` or `..` segments and no query;
    /// use [`path_segment`] for ids from outside. The answer is JSON; see [`ApiCall`] for typed
    /// answers, per-request deadlines and raw bytes.
    ///
    /// ```no_run
    /// # async fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use http::Method;
    /// let payments = client
    ///     .call(Method::GET, "/payments", &[("page_number", "0"), ("status", "succeeded")], None)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a call does nothing until it is awaited"]
    pub fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> ApiCall {
        ApiCall::new(self.clone(), method, path, query, body)
    }

    /// Returns a product. Answers are kept for the time that
    /// [`product_cache_ttl`](ClientBuilder::product_cache_ttl) sets, an unknown id for 10 seconds, and any
    /// other failure for 1 second. One id has one lookup at a time; other callers wait for it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if the product does not exist, else as
    /// [`call`](Self::call).
    pub async fn product(&self, id: &ProductId) -> Result<CatalogProduct, Error> {
        let look_up = || {
            self.call(Method::GET, &format!("/products/{id}"), &[], None)
                .missing("product_not_found", "there is no such product")
                .json()
        };
        self.0.products.get(id, look_up).await
    }

    /// Returns the most verbose level of the lines that this client logs. `None` means every line.
    pub(crate) fn log_level(&self) -> Option<LevelFilter> {
        self.0.log_level
    }

    /// Returns the number of refusals that were left out of the log before, if this one is to be
    /// logged: each cause has one line a minute. The cause is not a value that a visitor chooses.
    pub(crate) fn count_refusal(&self, target: &'static str, cause: &str) -> Option<u64> {
        self.0.refusals.count((target, cause.into()), Instant::now())
    }

    /// Whether a browser may follow a link of Dodo Payments: https, or http if the API is on this
    /// machine.
    pub(crate) fn trusts_link(&self, link: &str) -> bool {
        crate::web_url::WebUrl::parse(link).is_some_and(|url| {
            url.origin().is_secure()
                || (url.origin().is_loopback() && self.0.api_origin.is_loopback())
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("environment", &self.environment())
            .field("api_base", &self.api_base())
            .finish_non_exhaustive()
    }
}
