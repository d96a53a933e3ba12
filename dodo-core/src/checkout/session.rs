use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    answer,
    fields::{Schema, invalid_field, missing_field},
    options::{Options, body_options, shared_options},
    order::{Order, slug_cart},
    request::SessionRequest,
};
use crate::{
    CheckoutContextStore, Client, Endpoint, Error, Methods, capture::ErasedContextStore,
    endpoint::private::Sealed, time::timeout,
};

/// `POST` creates a checkout session and answers with its page's URL. Made by
/// [`Checkout::session`](super::Checkout::session).
///
/// The body is JSON in the fields of Dodo's `POST /checkouts`; which of them a client may set is the
/// field policy's matter.
#[derive(Clone, Debug)]
#[must_use]
pub struct Session {
    options: Arc<Options>,
}

shared_options!(Session, SessionRequest);
body_options!(Session);

/// The longest that a checkout waits for the store of contexts.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Self { options: Arc::new(Options::new(client)) }
    }

    /// Keeps what is known about the visitor under the session's id: landing path, referrer and other
    /// things that are not for metadata. Its failure is logged and never fails a checkout; it is
    /// waited for at most two seconds.
    pub fn context_store(self, store: impl CheckoutContextStore) -> Self {
        self.with(|options| options.store = Some(ErasedContextStore::new(store)))
    }

    async fn create(&self, request: Request<Bytes>) -> Result<impl Serialize, Error> {
        let order = Order::take(&self.options, Schema::session(), slug_cart, request).await?;
        check_cart(&order.fields)?;
        let session = self.options.client.send_session(order.fields).await?;
        if let Some(store) = &self.options.store {
            let bound = store.bind(session.session_id(), order.captured.context());
            if timeout(STORE_DEADLINE, bound).await.is_err() {
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

impl Sealed for Session {}

impl Endpoint for Session {
    const METHODS: Methods = Methods::POST;

    fn body_limit(&self, _: &Method) -> usize {
        self.options.body_limit
    }

    fn body_deadline(&self, _: &Method) -> Duration {
        self.options.body_deadline
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        answer(self.create(request).await)
    }
}
