use std::fmt;

use http::Method;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Client;
use crate::{CustomerId, Error, ErrorKind, event::Customer, json::to_value};

/// The customer that [`Client::create_customer`] creates.
#[derive(Clone, PartialEq, Serialize)]
#[must_use]
pub struct NewCustomer {
    email: String,
    name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

impl NewCustomer {
    /// Creates the request from an e-mail address and a name. Dodo Payments requires both.
    pub fn new(email: impl Into<String>, name: impl Into<String>) -> Self {
        Self { email: email.into(), name: name.into(), metadata: Map::new() }
    }

    /// Adds a pair to the metadata of the customer.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), Value::String(value.into()));
        self
    }
}

/// Shows no personal data.
impl fmt::Debug for NewCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.metadata.keys().collect();
        f.debug_struct("NewCustomer").field("metadata", &keys).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a customer. For a known address, Dodo Payments creates a second customer.
    ///
    /// # Errors
    /// As [`call`](Self::call). Not repeated when it may have happened.
    pub async fn create_customer(&self, customer: &NewCustomer) -> Result<CustomerId, Error> {
        let body = to_value(customer);
        let created: Customer =
            self.call(Method::POST, "/customers", &[], Some(&body)).object().await?;
        CustomerId::new(created.customer_id.unwrap_or_default()).map_err(|_| {
            Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable customer")
        })
    }

    /// Creates a link to the portal of a customer.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `customer_not_found`,
    /// [`UpstreamFailed`](ErrorKind::UpstreamFailed) without a usable link, else as [`call`](Self::call).
    pub async fn portal_link(
        &self,
        id: &CustomerId,
        return_url: Option<&str>,
    ) -> Result<String, Error> {
        let query: Vec<_> = return_url.map(|url| ("return_url", url)).into_iter().collect();
        let session: Value = self
            .call(Method::POST, &format!("/customers/{id}/customer-portal/session"), &query, None)
            .missing("customer_not_found", "there is no such customer")
            .json()
            .await?;
        let link = session.get("link").and_then(Value::as_str);
        link.filter(|link| self.trusts_link(link)).map(str::to_owned).ok_or_else(|| {
            Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable portal link")
        })
    }

    /// Returns a customer.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `customer_not_found`, else as [`call`](Self::call).
    pub async fn customer(&self, id: &CustomerId) -> Result<Customer, Error> {
        self.call(Method::GET, &format!("/customers/{id}"), &[], None)
            .missing("customer_not_found", "there is no such customer")
            .object()
            .await
    }
}
