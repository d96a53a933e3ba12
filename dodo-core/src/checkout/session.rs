use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Map, Value};

use super::{
    CheckoutAnswer, CheckoutBuilder, CheckoutKind, PostCheckout, answer,
    fields::{Schema, check_server_fields, invalid_field, missing_field},
    kind::Assemble,
    options::Options,
    order::{Order, as_cart},
    request::SessionRequest,
};
use crate::{
    Client, Error,
    endpoint::{CheckoutEndpoint, Endpoint, GetAndPost, Post, private::Sealed},
    refusal::ErrorPage,
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

/// The longest time that a checkout waits for the context store.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

impl SessionCheckout {
    /// Starts a session checkout.
    pub fn builder(client: Client) -> CheckoutBuilder<Self> {
        CheckoutBuilder::new(client)
    }

    async fn create(&self, request: Request<Bytes>) -> Result<impl CheckoutAnswer, Error> {
        let order = Order::take(&self.options, Schema::session(), as_cart, request).await?;
        let fields = with_cart(order.fields)?;
        let session = self.options.client.send_session(fields).await?;
        if let Some(store) = &self.options.store {
            let bound = store.store(session.session_id(), order.captured.context());
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

/// A cart is required. It may be empty only if a collection offers the products.
pub(super) fn with_cart(mut fields: Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let collection = fields.contains_key("product_collection_id");
    match fields.get("product_cart").and_then(Value::as_array) {
        None if collection => {
            fields.insert("product_cart".to_owned(), Value::Array(Vec::new()));
        }
        None => return Err(missing_field("/product_cart")),
        Some(cart) if cart.is_empty() && !collection => {
            return Err(invalid_field("/product_cart", "must not be empty"));
        }
        Some(_) => {}
    }
    Ok(fields)
}

impl Assemble for SessionCheckout {
    type RedirectMethods = GetAndPost;

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

    fn error_page(&self, _: &Method, headers: &HeaderMap) -> Option<&ErrorPage> {
        self.options.error_page_for(headers)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let options = &self.options;
        let page = options.error_page_for(request.headers());
        answer(options, self.create(request).await, page)
    }
}

impl CheckoutEndpoint for SessionCheckout {}
