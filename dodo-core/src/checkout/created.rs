//! Creates a session in server code.

use std::fmt;

use http::Method;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    CheckoutAnswer,
    fields::{Schema, check_server_fields},
    request::SessionRequest,
    session::with_cart,
};
use crate::{Client, CustomerId, Error, ErrorKind, id::is_id};

/// The answer of Dodo Payments to a new checkout session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedSession {
    session_id: Box<str>,
    /// The page for the customer. `None` only for a confirmed session.
    pub checkout_url: Option<String>,
    /// The payment, for a confirmed session.
    pub payment_id: Option<String>,
    /// The secret with which the browser finishes the payment of a confirmed session.
    pub client_secret: Option<String>,
    /// The key with which the browser finishes the payment of a confirmed session.
    pub publishable_key: Option<String>,
}

impl CreatedSession {
    /// `cks_...`
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Reads the answer of Dodo Payments. `confirmed`: whether the request demanded a payment at
    /// once.
    fn read(client: &Client, answer: Value, confirmed: bool) -> Result<Self, Error> {
        let unusable = |message| Err(Error::new(ErrorKind::UpstreamFailed, message));
        let mut fields = match answer {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let mut text = |name: &str| match fields.get_mut(name) {
            Some(Value::String(text)) => Some(std::mem::take(text)),
            _ => None,
        };
        let Some(session_id) = text("session_id").filter(|id| is_id(id)) else {
            return unusable("Dodo Payments sent no session");
        };
        let checkout_url = text("checkout_url");
        match &checkout_url {
            Some(url) if client.trusts_link(url) => {}
            None if confirmed => {}
            _ => return unusable("Dodo Payments sent no usable link"),
        }
        Ok(Self {
            session_id: session_id.into(),
            checkout_url,
            payment_id: text("payment_id"),
            client_secret: text("client_secret"),
            publishable_key: text("publishable_key"),
        })
    }

    /// The answer to the browser.
    pub(super) fn into_answer(self) -> impl CheckoutAnswer {
        Answer {
            checkout_url: self.checkout_url,
            client_secret: self.client_secret,
            payment_id: self.payment_id,
            publishable_key: self.publishable_key,
            session_id: self.session_id,
        }
    }
}

/// The answer to the browser about a session. It always has the link, which can be `null`.
#[derive(Serialize)]
struct Answer {
    checkout_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publishable_key: Option<String>,
    session_id: Box<str>,
}

impl CheckoutAnswer for Answer {
    fn checkout_url(&self) -> Option<&str> {
        self.checkout_url.as_deref()
    }
}

/// `Debug` shows neither: the link opens the payment, and the client secret is a secret.
impl fmt::Debug for CreatedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedSession")
            .field("session_id", &self.session_id)
            .field("payment_id", &self.payment_id)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a checkout session from server code.
    ///
    /// ```no_run
    /// # async fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{
    ///     ProductId,
    ///     checkout::request::{CheckoutCustomer, CheckoutItem, SessionRequest},
    /// };
    /// let session = client
    ///     .create_session(
    ///         SessionRequest::new()
    ///             .product_cart([CheckoutItem::new(ProductId::new("pdt_ebook")?, 1)])
    ///             .customer(CheckoutCustomer::new("jane@example.com").name("Jane")),
    ///     )
    ///     .await?;
    /// println!("send the customer to {:?}", session.checkout_url);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a field that Dodo Payments does not take (the source names it),
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) without a cart, else as [`call`](Self::call). Not repeated when
    /// it may have happened.
    pub async fn create_session(&self, request: SessionRequest) -> Result<CreatedSession, Error> {
        let mut fields = check_server_fields(Schema::session(), request)?;
        fields = with_cart(fields)?;
        if let (Some(url), false) = (self.return_url(), fields.contains_key("return_url")) {
            fields.insert("return_url".to_owned(), url.into());
        }
        self.send_session(fields).await
    }

    pub(super) async fn send_session(
        &self,
        fields: Map<String, Value>,
    ) -> Result<CreatedSession, Error> {
        let confirmed = fields.get("confirm") == Some(&Value::Bool(true));
        let body = Value::Object(fields);
        let answer: Value = self.create("/checkouts", &body).await?;
        CreatedSession::read(self, answer, confirmed)
    }

    /// Creates a session, payment or subscription. The error of a 404 names the object that does not
    /// exist: the customer, or else something to buy, which is a product or an add-on.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let created = self.call(Method::POST, path, &[], Some(body));
        let created = created.missing("product_not_found", "there is no such product or add-on");
        let error = match created.json().await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        let customer = body.pointer("/customer/customer_id").and_then(Value::as_str);
        let (ErrorKind::NotFound, Some(Ok(customer))) =
            (error.kind(), customer.map(CustomerId::new))
        else {
            return Err(error);
        };
        let path = format!("/customers/{customer}");
        let customer = self.call(Method::GET, &path, &[], None);
        let customer = customer.missing("customer_not_found", "there is no such customer");
        match customer.json::<Value>().await {
            Err(missing) if missing.kind() == ErrorKind::NotFound => Err(missing),
            _ => Err(error),
        }
    }
}
