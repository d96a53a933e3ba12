use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Map, Value, json};

use super::{
    CheckoutBuilder, CheckoutKind, Link, PostCheckout, answer,
    fields::{FIELDS, Schema, Where, check_server_fields, missing_field},
    kind::Assemble,
    options::Options,
    order::{Order, as_product},
    request::DynamicRequest,
};
use crate::{
    Client, Error, ErrorKind, ProductId,
    endpoint::{CheckoutEndpoint, Endpoint, GetAndPost, Post, private::Sealed},
    refusal::ErrorPage,
};

/// `POST` creates a payment or a subscription, by the kind of the product, and answers with a link to
/// pay it.
///
/// The body is JSON in the fields of `POST /payments` and `POST /subscriptions` of Dodo Payments. Dodo
/// Payments has deprecated both: use [`SessionCheckout`](super::SessionCheckout) in new shops.
#[derive(Clone, Debug)]
#[must_use]
pub struct DynamicCheckout {
    options: Arc<Options>,
}

impl DynamicCheckout {
    /// Starts a dynamic checkout.
    pub fn builder(client: Client) -> CheckoutBuilder<Self> {
        CheckoutBuilder::new(client)
    }

    async fn create(&self, request: Request<Bytes>) -> Result<Link, Error> {
        let order = Order::take(&self.options, Schema::dynamic(), as_product, request).await?;
        let mut fields = order.fields;
        for required in ["billing", "customer"] {
            if !fields.contains_key(required) {
                return Err(missing_field(&format!("/{required}")));
            }
        }
        let client = &self.options.client;
        let product = client.product(&first_product(&fields)?).await?;
        let recurring = product.is_recurring().ok_or_else(|| {
            Error::new(
                ErrorKind::UpstreamFailed,
                "Dodo Payments did not say how the product is sold",
            )
        })?;
        let path = if recurring {
            as_subscription(&mut fields)?;
            "/subscriptions"
        } else {
            as_payment(&mut fields)?;
            "/payments"
        };
        fields.insert("payment_link".to_owned(), true.into());
        let created = client.create(path, &Value::Object(fields)).await?;
        match created.get("payment_link").and_then(Value::as_str) {
            Some(url) if client.trusts_link(url) => Ok(Link { checkout_url: url.to_owned() }),
            _ => Err(Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable link")),
        }
    }
}

/// The product that decides between payment and subscription.
fn first_product(fields: &Map<String, Value>) -> Result<ProductId, Error> {
    let in_cart = || fields.get("product_cart")?.get(0)?.get("product_id");
    let id = fields.get("product_id").or_else(in_cart).and_then(Value::as_str);
    ProductId::new(id.ok_or_else(|| missing_field("/product_id"))?)
}

/// A subscription has one product. The other items go into `one_time_product_cart`.
fn as_subscription(fields: &mut Map<String, Value>) -> Result<(), Error> {
    if !fields.contains_key("product_id") {
        return Err(missing_field("/product_id"));
    }
    fields.entry("quantity").or_insert(1.into());
    keep(fields, Where::SUBSCRIPTION);
    Ok(())
}

fn as_payment(fields: &mut Map<String, Value>) -> Result<(), Error> {
    if !fields.contains_key("product_cart") {
        let id = fields.remove("product_id").ok_or_else(|| missing_field("/product_id"))?;
        let quantity = fields.remove("quantity").unwrap_or_else(|| 1.into());
        let item = json!({ "product_id": id, "quantity": quantity });
        fields.insert("product_cart".to_owned(), vec![item].into());
    }
    keep(fields, Where::PAYMENT);
    Ok(())
}

/// Drops the fields that only the other of the two calls takes.
fn keep(fields: &mut Map<String, Value>, on: Where) {
    fields.retain(|name, _| FIELDS.iter().any(|field| field.path == name && field.on.overlaps(on)));
}

impl Assemble for DynamicCheckout {
    type RedirectMethods = GetAndPost;

    fn check_fixed(fields: Map<String, Value>) -> Result<(), Error> {
        check_server_fields(Schema::dynamic(), fields).map(drop)
    }

    fn assemble(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }
}

impl CheckoutKind for DynamicCheckout {
    type Request = DynamicRequest;
}

impl PostCheckout for DynamicCheckout {}

impl Sealed for DynamicCheckout {}

impl Endpoint for DynamicCheckout {
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

impl CheckoutEndpoint for DynamicCheckout {}
