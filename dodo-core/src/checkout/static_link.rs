use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::{
    answer,
    options::{Options, shared_options},
};
use crate::{Client, Endpoint, Error, ErrorKind, Methods, ProductId, endpoint::private::Sealed};

/// `GET ?productId=...` → a link to a hosted page. Made by [`Checkout::static_link`](super::Checkout).
#[derive(Clone, Debug)]
#[must_use]
pub struct StaticLink {
    options: Options,
}

shared_options!(StaticLink);

impl StaticLink {
    pub(super) fn new(client: Client) -> Self {
        Self { options: Options::new(client) }
    }

    async fn link(&self, request: &Request<Bytes>) -> Result<Value, Error> {
        let query = request.uri().query().unwrap_or_default();
        let (_, id) = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "productId")
            .ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "the query parameter productId is missing")
                    .with_code("missing_parameter")
                    .with_field("productId")
            })?;
        let id = ProductId::new(&*id)?;
        self.options.client.product(&id).await?;
        let host = self.options.client.checkout_host();
        Ok(json!({ "checkout_url": format!("{host}/buy/{id}?quantity=1") }))
    }
}

impl Sealed for StaticLink {}

impl Endpoint for StaticLink {
    const METHODS: Methods = Methods::GET;

    fn body_limit(&self, _: &Method) -> usize {
        100 << 10
    }

    fn body_deadline(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        answer(self.link(&request).await)
    }
}
