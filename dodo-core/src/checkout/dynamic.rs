use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::{
    answer,
    options::{Options, shared_options},
};
use crate::{Client, Endpoint, Error, ErrorKind, Methods, endpoint::private::Sealed};

/// `POST` → a link to pay. Made by [`Checkout::dynamic`](super::Checkout).
#[derive(Clone, Debug)]
#[must_use]
pub struct DynamicLink {
    options: Options,
}

shared_options!(DynamicLink);

impl DynamicLink {
    pub(super) fn new(client: Client) -> Self {
        Self { options: Options::new(client) }
    }

    async fn create(&self, request: &Request<Bytes>) -> Result<Value, Error> {
        let invalid = || Error::new(ErrorKind::Invalid, "the body must be a JSON object");
        let mut body: Value = serde_json::from_slice(request.body()).map_err(|_| invalid())?;
        let fields = body.as_object_mut().ok_or_else(invalid)?;
        if let Some(url) = &self.options.return_url {
            fields.entry("return_url").or_insert_with(|| url.to_string().into());
        }
        let created = self.options.client.call(Method::POST, "/payments", &[], Some(&body)).await?;
        let url = created.get("checkout_url").or_else(|| created.get("payment_link"));
        Ok(json!({ "checkout_url": url, "session_id": created.get("session_id") }))
    }
}

impl Sealed for DynamicLink {}

impl Endpoint for DynamicLink {
    const METHODS: Methods = Methods::POST;

    fn body_limit(&self, _: &Method) -> usize {
        100 << 10
    }

    fn body_deadline(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        answer(self.create(&request).await)
    }
}
