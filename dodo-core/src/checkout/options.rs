//! The options of all checkouts.

use std::time::Duration;

use http::request::Parts;
use serde_json::{Map, Value};

use super::{
    fields::{Cleaner, Policy, Schema},
    return_to::ReturnOrigins,
    server::{ServerFields, Slugs},
};
use crate::{
    Captured, Client, ClientMetadata, Error, ErrorKind, ProductId, VisitorCapture,
    capture::ErasedContextStore, refusal::ErrorPage, web_url::Origin,
};

/// Options of every checkout.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) client: Client,
    pub(super) return_url: Option<Box<str>>,
    pub(super) return_origins: ReturnOrigins,
    pub(super) policy: Policy,
    pub(super) capture: Option<VisitorCapture>,
    pub(super) store: Option<ErasedContextStore>,
    pub(super) server: ServerFields,
    pub(super) slugs: Option<Slugs>,
    pub(super) products: Option<Vec<ProductId>>,
    /// Fields of the body that only the application reads.
    pub(super) app_fields: Vec<Box<str>>,
    /// Origins of pages that may post here, beside our own.
    pub(super) page_origins: Vec<Origin>,
    pub(super) customer_from_sign_in: bool,
    pub(super) error_page: Option<ErrorPage>,
    pub(super) body_limit: usize,
    pub(super) body_timeout: Duration,
}

impl Options {
    pub(super) fn new(client: Client) -> Self {
        Self {
            return_url: client.return_url().map(Into::into),
            client,
            return_origins: ReturnOrigins::default(),
            policy: Policy::default(),
            capture: None,
            store: None,
            server: ServerFields::default(),
            slugs: None,
            products: None,
            app_fields: Vec::new(),
            page_origins: Vec::new(),
            customer_from_sign_in: false,
            error_page: None,
            body_limit: 100 << 10,
            body_timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn captured(&self, parts: &Parts) -> Captured {
        Captured::of(self.capture.as_ref(), parts)
    }

    /// The product that the shop's own URL names.
    pub(super) fn slug(&self, parts: &Parts) -> Result<Option<&ProductId>, Error> {
        let Some(slugs) = &self.slugs else { return Ok(None) };
        slugs.find(parts.uri.query().unwrap_or_default())
    }

    /// 400 for a product that this endpoint does not sell, named by this field or parameter.
    pub(super) fn check_product(&self, id: &str, field: &str) -> Result<(), Error> {
        match &self.products {
            Some(products) if !products.iter().any(|product| product.as_str() == id) => {
                Err(Error::new(ErrorKind::InvalidRequest, "this product is not sold here")
                    .with_code("product_not_allowed")
                    .with_field(field))
            }
            _ => Ok(()),
        }
    }

    /// The products of a client's cart.
    pub(super) fn check_products(&self, fields: &Map<String, Value>) -> Result<(), Error> {
        if self.products.is_none() {
            return Ok(());
        }
        let check = |id: &str, pointer: &str| {
            self.check_product(id, "product_id").map_err(|refused| refused.with_pointer(pointer))
        };
        for cart in ["product_cart", "one_time_product_cart"] {
            let items = fields.get(cart).and_then(Value::as_array).into_iter().flatten();
            for (index, item) in items.enumerate() {
                let id = item.get("product_id").and_then(Value::as_str).unwrap_or_default();
                check(id, &format!("/{cart}/{index}/product_id"))?;
            }
        }
        for name in ["product_id", "product_collection_id"] {
            if let Some(id) = fields.get(name).and_then(Value::as_str) {
                check(id, &format!("/{name}"))?;
            }
        }
        Ok(())
    }

    /// Refuses URLs of a client's that lead elsewhere.
    pub(super) fn check_urls(&self, fields: &Map<String, Value>) -> Result<(), Error> {
        for name in ["return_url", "cancel_url"] {
            if let Some(url) = fields.get(name).and_then(Value::as_str) {
                self.return_origins.check(url, self.return_url.as_deref()).map_err(|refused| {
                    refused.into_error().with_field(name).with_pointer(&format!("/{name}"))
                })?;
            }
        }
        Ok(())
    }

    /// What becomes of a client's values under captured keys.
    pub(super) fn client_metadata(&self) -> ClientMetadata {
        if self.policy.is_express() { ClientMetadata::Lenient } else { ClientMetadata::Strict }
    }
}

/// Checks fields that server code set. A wrong value is an error of the application: 500.
pub(super) fn check_server_fields(
    schema: &Schema,
    fields: impl Into<Value>,
) -> Result<Map<String, Value>, Error> {
    let fields = match fields.into() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    Cleaner::new(&Policy::trusted()).clean(schema, fields).map_err(|error| {
        let place = error.pointer().unwrap_or_default().to_owned();
        Error::config("server code set a value that Dodo Payments does not take")
            .with_pointer(&place)
            .with_source(error)
    })
}
