use std::fmt;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, path_segment};
use crate::{Environment, Error, ErrorKind, EventKind, WebhookKey, web_url::WebUrl};

/// A webhook endpoint at Dodo Payments: the result of [`Client::ensure_webhook_endpoint`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookEndpoint {
    /// `whk_...`
    pub id: String,
    /// The URL to which Dodo Payments sends events.
    pub url: String,
    /// Whether this call created the endpoint.
    pub created: bool,
    secret: String,
    environment: Environment,
}

impl WebhookEndpoint {
    /// Returns the key that verifies the deliveries of this endpoint, in the mode of the client.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if Dodo Payments sent a secret that cannot be used.
    pub fn key(&self) -> Result<WebhookKey, Error> {
        WebhookKey::new(&self.secret, self.environment)
    }

    /// Returns the secret, `whsec_...`: the `DODO_PAYMENTS_WEBHOOK_KEY` of the application.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint")
            .field("id", &self.id)
            .field("url", &self.url)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// An endpoint in the answer of Dodo Payments.
#[derive(Deserialize)]
struct Details {
    id: String,
    url: String,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    filter_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Secret {
    secret: String,
}

impl Client {
    /// Makes Dodo Payments send these events to this URL, and returns the secret of their
    /// signatures. An empty list selects all events.
    ///
    /// It updates the endpoint with exactly this URL, or creates one. A second call changes
    /// nothing. Two calls at the same time may create two endpoints.
    ///
    /// ```no_run
    /// # async fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::EventKind;
    /// let endpoint = client
    ///     .ensure_webhook_endpoint("https://shop.example/api/webhook", &[EventKind::PaymentSucceeded])
    ///     .await?;
    /// let key = endpoint.key()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for a URL that is not https (or http on this machine), else as
    /// [`call`](Self::call).
    pub async fn ensure_webhook_endpoint(
        &self,
        url: &str,
        events: &[EventKind],
    ) -> Result<WebhookEndpoint, Error> {
        if !WebUrl::parse(url).is_some_and(|url| url.origin().is_secure_or_loopback()) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "a webhook endpoint needs an absolute https URL",
            )
            .with_field("url"));
        }
        let mut events: Vec<&str> = events.iter().map(EventKind::as_str).collect();
        events.sort_unstable();
        events.dedup();
        let (details, created) = match self.find_webhook_endpoint(url).await? {
            Some(found) if is_as_wanted(&found, &events) => (found, false),
            Some(found) => {
                let path = format!("/webhooks/{}", path_segment(&found.id)?);
                // Without a filter, Dodo Payments sends all events.
                let filter = if events.is_empty() { Value::Null } else { json!(events) };
                let body = json!({ "disabled": false, "filter_types": filter });
                self.call(Method::PATCH, &path, &[], Some(&body)).await?;
                (found, false)
            }
            None => {
                // For a new endpoint, Dodo Payments accepts a list or an absent field, but not
                // null.
                let body = match events.is_empty() {
                    true => json!({ "url": url }),
                    false => json!({ "url": url, "filter_types": events }),
                };
                (self.call(Method::POST, "/webhooks", &[], Some(&body)).json().await?, true)
            }
        };
        let path = format!("/webhooks/{}/secret", path_segment(&details.id)?);
        let Secret { secret } = self.call(Method::GET, &path, &[], None).json().await?;
        Ok(WebhookEndpoint {
            id: details.id,
            url: details.url,
            created,
            secret,
            environment: self.environment(),
        })
    }

    async fn find_webhook_endpoint(&self, url: &str) -> Result<Option<Details>, Error> {
        let mut endpoints = self.list::<Details>("/webhooks", &[]);
        while let Some(endpoint) = endpoints.next().await? {
            if endpoint.url == url {
                return Ok(Some(endpoint));
            }
        }
        Ok(None)
    }
}

fn is_as_wanted(endpoint: &Details, events: &[&str]) -> bool {
    let mut filtered = endpoint.filter_types.clone().unwrap_or_default();
    filtered.sort_unstable();
    filtered == events && endpoint.disabled != Some(true)
}
