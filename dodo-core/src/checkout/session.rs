use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    CheckoutBuilder, CheckoutKind, PostCheckout, answer,
    fields::{Schema, invalid_field, missing_field},
    kind::Assemble,
    options::{Options, check_server_fields},
    order::{Order, slug_cart},
    request::SessionRequest,
};
use crate::{
    Client, Endpoint, Error,
    endpoint::{CheckoutEndpoint, Post, private::Sealed},
    time::timeout,
};

/// `POST` creates a checkout session and answers with the URL of its page.
///
/// The body is JSON in the fields of `POST /checkouts` of Dodo Payments. The field policy decides
/// which of them a client may set.
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionCheckout {
    options: Arc<Options>,
}

/// The longest that a checkout waits for the store of contexts.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

impl SessionCheckout {
    /// Starts a session checkout.
    pub fn builder(client: Client) -> CheckoutBuilder<Self> {
        CheckoutBuilder::new(client)
    }

    async fn create(&self, request: Request<Bytes>) -> Result<impl Serialize, Error> {
        let order = Order::take(&self.options, Schema::session(), slug_cart, request).await?;
        check_cart(&order.fields)?;
        let session = self.options.client.send_session(order.fields).await?;
        if let Some(store) = &self.options.store {
            let bound = store.bind(session.session_id(), order.captured.context());
            if timeout(STORE_TIMEOUT, bound).await.is_err() {
                tracing::error!(
                    target: "dodo::checkout",
                    session_id = session.session_id(),
                    "the context of a checkout was not kept in time"
                );
            }
        }
        Ok(session.into_answer())
    }
}

/// A cart is required, and may be empty only where a collection offers the products.
pub(super) fn check_cart(fields: &Map<String, Value>) -> Result<(), Error> {
    match fields.get("product_cart").and_then(Value::as_array) {
        None => Err(missing_field("/product_cart")),
        Some(cart) if cart.is_empty() && !fields.contains_key("product_collection_id") => {
            Err(invalid_field("/product_cart", "must not be empty"))
        }
        Some(_) => Ok(()),
    }
}

impl Assemble for SessionCheckout {
    fn check_fixed(fields: Map<String, Value>) -> Result<(), Error> {
        check_server_fields(Schema::session(), fields).map(drop)
    }

    fn assemble(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }
}

impl CheckoutKind for SessionCheckout {
    type Request = SessionRequest;
}

impl PostCheckout for SessionCheckout {}

impl Sealed for SessionCheckout {}

impl Endpoint for SessionCheckout {
    type Methods = Post;

    fn body_limit(&self, _: &Method) -> usize {
        self.options.body_limit
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        self.options.body_timeout
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let options = &self.options;
        let page = options.error_page.as_ref().and_then(|page| page.for_browser(request.headers()));
        answer(self.create(request).await, page)
    }
}

impl CheckoutEndpoint for SessionCheckout {}
