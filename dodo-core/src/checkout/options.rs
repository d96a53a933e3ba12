//! The options of all checkouts.

use std::time::Duration;

use http::{HeaderMap, request::Parts};
use serde_json::{Map, Value};

use super::{
    fields::{Meaning, Policy, Schema},
    return_to::{PageOrigin, ReturnTargets},
    server::{ServerFields, Slugs},
};
use crate::{
    Client, Error, ErrorKind, ProductId,
    capture::{Captured, ClientMetadata, ErasedContextStore, VisitorCapture},
    refusal::ErrorPage,
};

/// Names whose values denote something to buy.
const GOODS_IDS: [&str; 3] = ["product_id", "addon_id", "product_collection_id"];

/// Options of every checkout.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) client: Client,
    pub(super) return_url: Option<Box<str>>,
    pub(super) return_targets: ReturnTargets,
    pub(super) policy: Policy,
    pub(super) capture: Option<VisitorCapture>,
    /// The capture of the whole application, by which the webhooks read metadata.
    pub(super) app_capture: Option<VisitorCapture>,
    pub(super) store: Option<ErasedContextStore>,
    pub(super) server: ServerFields,
    pub(super) slugs: Option<Slugs>,
    pub(super) products: Option<Vec<ProductId>>,
    /// Fields of the body that only the application reads.
    pub(super) app_fields: Vec<Box<str>>,
    /// Metadata keys that only the application sets.
    pub(super) reserved: Vec<Box<str>>,
    /// Origins of pages that may post here, besides the own origin.
    pub(super) page_origins: Vec<PageOrigin>,
    /// Answers 303 to the payment page instead of JSON, and takes links and forms.
    pub(super) redirect: bool,
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
            return_targets: ReturnTargets::default(),
            policy: Policy::default(),
            capture: None,
            app_capture: None,
            store: None,
            server: ServerFields::default(),
            slugs: None,
            products: None,
            app_fields: Vec::new(),
            reserved: Vec::new(),
            page_origins: Vec::new(),
            redirect: false,
            customer_from_sign_in: false,
            error_page: None,
            body_limit: 100 << 10,
            body_timeout: Duration::from_secs(10),
        }
    }

    /// The page for errors, if these headers are of a browser.
    pub(super) fn error_page_for(&self, headers: &HeaderMap) -> Option<&ErrorPage> {
        self.error_page.as_ref().and_then(|page| page.for_browser(headers))
    }

    pub(super) fn captured(&self, parts: &Parts) -> Captured {
        Captured::from_request(self.capture.as_ref(), parts)
    }

    /// 400 for an item that this endpoint does not sell, named by this field or parameter.
    pub(super) fn check_item(&self, id: &str, field: &str) -> Result<(), Error> {
        match &self.products {
            Some(products) if !products.iter().any(|product| product.as_str() == id) => {
                Err(Error::new(ErrorKind::InvalidRequest, "this product is not sold here")
                    .with_code("product_not_allowed")
                    .with_field(field))
            }
            _ => Ok(()),
        }
    }

    /// Checks everything that a client wants to buy: products, add-ons, collections.
    pub(super) fn check_goods(
        &self,
        schema: &Schema,
        fields: &Map<String, Value>,
    ) -> Result<(), Error> {
        if self.products.is_none() {
            return Ok(());
        }
        let goods = fields.iter().filter(|(name, _)| schema.meaning(name) == Some(Meaning::Goods));
        for (name, value) in goods {
            self.check_ids(name, value, &format!("/{name}"))?;
        }
        Ok(())
    }

    fn check_ids(&self, name: &str, value: &Value, pointer: &str) -> Result<(), Error> {
        match value {
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                self.check_ids(name, item, &format!("{pointer}/{index}"))
            }),
            Value::Object(members) => members.iter().try_for_each(|(name, value)| {
                self.check_ids(name, value, &format!("{pointer}/{name}"))
            }),
            Value::String(id) if GOODS_IDS.contains(&name) => {
                self.check_item(id, name).map_err(|refused| refused.with_pointer(pointer))
            }
            _ => Ok(()),
        }
    }

    /// Refuses URLs of a client with an origin that is not allowed.
    pub(super) fn check_urls(&self, fields: &Map<String, Value>) -> Result<(), Error> {
        for name in ["return_url", "cancel_url"] {
            if let Some(url) = fields.get(name).and_then(Value::as_str) {
                self.return_targets.check(url, self.return_url.as_deref()).map_err(|refused| {
                    refused.with_field(name).with_pointer(&format!("/{name}"))
                })?;
            }
        }
        Ok(())
    }

    /// Removes the client's metadata under keys that the product or the application reads back.
    pub(super) fn protect_metadata(&self, captured: &Captured, client: &mut Map<String, Value>) {
        if !self.policy.is_express() {
            let app = self.app_capture.as_ref();
            client.retain(|key, _| {
                !captured.protects(key) && !app.is_some_and(|capture| capture.fills(key))
            });
        }
        client.retain(|key, _| !self.reserved.iter().any(|reserved| **reserved == *key));
    }

    /// The treatment of a client's values under captured keys.
    pub(super) fn client_metadata(&self) -> ClientMetadata {
        if self.policy.is_express() { ClientMetadata::Lenient } else { ClientMetadata::Strict }
    }
}
