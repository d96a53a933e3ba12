//! The connection of an application: client, webhook key, mode and capture, each configured once.

use std::fmt;

use crate::{
    Client, CustomerPortal, Environment, Error, WebhookKey, Webhooks,
    attribution::MetadataMapping,
    capture::VisitorCapture,
    checkout::{CheckoutBuilder, CheckoutKind, DynamicCheckout, SessionCheckout, StaticCheckout},
    client::ClientBuilder,
    log::client_log,
    portal::CustomerPortalBuilder,
    web_url::WebUrl,
    webhook::WebhooksBuilder,
};

/// The connection of an application to Dodo Payments. It creates every endpoint, so all of them
/// share one mode, one key and one capture.
///
/// Cheap to clone. `Debug` shows the mode and no key.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_core::Error> {
/// use dodo_core::Dodo;
/// let dodo = Dodo::from_env()?;
/// let checkout = dodo.session_checkout().build()?;
/// let hooks = dodo.webhooks().on_payment_succeeded(|event| async move {
///     println!("{} is paid", event.data.payment_id);
/// }).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dodo {
    client: Client,
    key: WebhookKey,
    capture: Option<VisitorCapture>,
}

impl Dodo {
    /// Reads the variables of [`Client::from_env`] and [`WebhookKey::from_env`], and logs the mode at
    /// INFO. Required: `DODO_PAYMENTS_API_KEY` and `DODO_PAYMENTS_WEBHOOK_KEY`. In test mode also
    /// `DODO_PAYMENTS_ENVIRONMENT=test_mode`.
    ///
    /// It captures no visitor: use [`DodoBuilder::from_env`] and [`DodoBuilder::capture`] for that.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if a variable is missing or cannot be used. The text names
    /// the variable and never shows its value.
    #[cfg(feature = "reqwest")]
    pub fn from_env() -> Result<Self, Error> {
        DodoBuilder::from_env()?.build()
    }

    /// Starts with an API key, the webhook secret (or several, with blanks between them), and the
    /// mode of both.
    pub fn builder(
        api_key: impl Into<String>,
        webhook_secret: impl Into<String>,
        mode: Environment,
    ) -> DodoBuilder {
        let secret = webhook_secret.into();
        let secrets: Vec<&str> = secret.split_whitespace().collect();
        DodoBuilder {
            client: Client::builder(api_key.into(), mode),
            key: WebhookKey::from_secrets(secrets, mode),
            capture: None,
        }
    }

    /// Returns the API client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the key that verifies deliveries.
    #[must_use]
    pub fn webhook_key(&self) -> &WebhookKey {
        &self.key
    }

    /// Returns the mode.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.client.environment()
    }

    /// Returns the capture, for the layer of your framework. Without [`DodoBuilder::capture`] it reads
    /// nothing.
    #[must_use]
    pub fn capture(&self) -> VisitorCapture {
        self.capture.clone().unwrap_or_default()
    }

    /// Starts a checkout whose `POST` creates a checkout session: the kind that Dodo recommends.
    pub fn session_checkout(&self) -> CheckoutBuilder<SessionCheckout> {
        self.captured(SessionCheckout::builder(self.client.clone()))
    }

    /// Starts a checkout whose `POST` creates a payment or a subscription.
    pub fn dynamic_checkout(&self) -> CheckoutBuilder<DynamicCheckout> {
        self.captured(DynamicCheckout::builder(self.client.clone()))
    }

    /// Starts a checkout whose `GET` answers with the link of a hosted page, and creates nothing.
    pub fn static_checkout(&self) -> CheckoutBuilder<StaticCheckout> {
        self.captured(StaticCheckout::builder(self.client.clone()))
    }

    fn captured<C: CheckoutKind>(&self, checkout: CheckoutBuilder<C>) -> CheckoutBuilder<C> {
        match &self.capture {
            Some(capture) => checkout.capture_of_app(capture.clone()),
            None => checkout,
        }
    }

    /// Starts the customer portal of the signed-in customer.
    pub fn portal(&self) -> CustomerPortalBuilder {
        CustomerPortal::builder(self.client.clone())
    }

    /// Starts the webhook endpoint. Key, mode and capture are set. The webhooks read the campaign
    /// keys of the presets of the capture; without a capture they read none.
    pub fn webhooks<S: Clone + Send + Sync + 'static>(&self) -> WebhooksBuilder<S> {
        let options = MetadataMapping::default().captured_by(&self.capture());
        Webhooks::builder(self.key.clone()).metadata_mapping(options)
    }
}

impl fmt::Debug for Dodo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dodo")
            .field("environment", &self.environment())
            .field("api_base", &self.client.api_base())
            .finish_non_exhaustive()
    }
}

/// Configures a [`Dodo`]. Created by [`Dodo::builder`] and [`DodoBuilder::from_env`].
#[must_use = "call `.build()`"]
pub struct DodoBuilder {
    client: ClientBuilder,
    key: Result<WebhookKey, Error>,
    capture: Option<VisitorCapture>,
}

impl DodoBuilder {
    /// Reads the variables that [`Dodo::from_env`] reads. Code can then change the rest.
    ///
    /// # Errors
    /// As [`Dodo::from_env`].
    pub fn from_env() -> Result<Self, Error> {
        let client = ClientBuilder::from_env()?;
        Ok(Self { client, key: Ok(WebhookKey::from_env()?), capture: None })
    }

    /// Sets the capture of visitors and campaigns for every endpoint. The webhooks then read the
    /// campaign keys of the same presets that the checkouts write.
    pub fn capture(mut self, capture: VisitorCapture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// Changes the settings of the API client, such as [`ClientBuilder::public_url`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), dodo_core::Error> {
    /// use dodo_core::client::DodoBuilder;
    /// let dodo = DodoBuilder::from_env()?.client(|client| client.max_retries(3)).build()?;
    /// # Ok(()) }
    /// ```
    pub fn client(mut self, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.client = change(self.client);
        self
    }

    /// Checks the configuration, and logs mode, API address and number of webhook keys at INFO.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an unusable key or URL.
    pub fn build(self) -> Result<Dodo, Error> {
        let client = self.client.build()?;
        let public = client.public_url().and_then(WebUrl::parse);
        let capture = self.capture.map(|capture| match &public {
            Some(url) => capture.at(url.origin()),
            None => capture,
        });
        let dodo = Dodo { client, key: self.key?, capture };
        client_log!(
            dodo.client.log_level(),
            info,
            mode = %dodo.environment(),
            api = dodo.client.api_base(),
            webhook_keys = dodo.key.len(),
            public_url = dodo.client.public_url(),
            "Dodo Payments is configured"
        );
        Ok(dodo)
    }
}

impl fmt::Debug for DodoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DodoBuilder").field("client", &self.client).finish_non_exhaustive()
    }
}
