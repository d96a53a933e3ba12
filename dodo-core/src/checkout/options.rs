//! What the three checkouts have in common.

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
    capture::ErasedContextStore, web_url::Origin,
};

/// Options of every checkout.
#[derive(Clone, Debug)]
pub(super) struct Options {
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
    pub(super) customer_from_signed_in: bool,
    pub(super) body_limit: usize,
    pub(super) body_deadline: Duration,
    /// A slip in the configuration. Told at each request, because builders do not fail.
    pub(super) slip: Option<&'static str>,
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
            customer_from_signed_in: false,
            body_limit: 100 << 10,
            body_deadline: Duration::from_secs(10),
            slip: None,
        }
    }

    /// An error if the application configured something that cannot work.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.slip.map_or(Ok(()), |slip| Err(Error::config(slip)))
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

/// Fields that server code set. They are checked like a client's: a slip there should be found here
/// and not at Dodo; but it is the application's, so the answer is 500.
pub(super) fn check_server_fields(
    schema: &Schema,
    fields: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    Cleaner::new(&Policy::trusted()).clean(schema, fields).map_err(|error| {
        Error::config("the application set a field that Dodo Payments does not take")
            .with_source(error)
    })
}

/// Builder methods that every checkout has.
macro_rules! shared_options {
    ($name:ident, $request:ty) => {
        impl $name {
            fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
                change(std::sync::Arc::make_mut(&mut self.options));
                self
            }

            /// Where the customer returns to. Instead of the client's
            /// [`return_url`](crate::ClientBuilder::return_url).
            pub fn return_url(self, url: impl AsRef<str>) -> Self {
                let url = url.as_ref();
                self.with(|options| {
                    if $crate::web_url::WebUrl::parse(url).is_none() {
                        options.slip = Some("`return_url` needs an absolute http or https URL in ASCII");
                    }
                    options.return_url = Some(url.into());
                })
            }

            /// Origins such as `https://shop.example` that a URL from a client may return to, beside
            /// the origin of the shop's own return URL.
            pub fn allow_return_origins(self, origins: impl IntoIterator<Item: AsRef<str>>) -> Self {
                self.with(|options| {
                    for origin in origins {
                        match $crate::checkout::return_to::configured_origin(origin.as_ref()) {
                            Some(origin) => options.return_origins.allow(origin),
                            None => {
                                options.slip =
                                    Some("`allow_return_origins` needs origins such as https://shop.example");
                            }
                        }
                    }
                })
            }

            /// Any origin may be returned to: whoever makes the request decides where the customer
            /// goes after paying.
            pub fn allow_any_return_origin(self) -> Self {
                self.with(|options| options.return_origins.allow_any())
            }

            /// Takes these guarded fields from clients: by their last name, `trial_period_days`, or
            /// by their whole path, `subscription_data.trial_period_days`.
            ///
            /// The page on field policy lists them all.
            pub fn allow_fields(self, names: impl IntoIterator<Item: AsRef<str>>) -> Self {
                self.with(|options| {
                    for name in names {
                        options.policy.allow(name.as_ref());
                    }
                })
            }

            /// Takes a set of guarded fields from clients.
            pub fn allow_field_set(self, set: $crate::FieldSet) -> Self {
                self.with(|options| options.policy.allow_set(set))
            }

            /// One switch for the behaviour of `@dodopayments/express`: every documented field may
            /// come from the client, and unknown ones are dropped instead of refused. What is no
            /// valid value is refused all the same.
            pub fn express_compatible(self) -> Self {
                self.with(|options| options.policy.make_express())
            }

            /// What to read about the visitor, where no [`VisitorLayer`](crate::VisitorLayer) does.
            pub fn capture(self, capture: $crate::VisitorCapture) -> Self {
                self.with(|options| options.capture = Some(capture))
            }

            /// Fields that server code sets for every checkout. They win over what clients send, and
            /// the field policy does not hold for them.
            pub fn fields(self, fields: $request) -> Self {
                self.with(|options| options.server.fix(fields.into_fields()))
            }

            /// Fields that server code computes for each checkout, from the head of the request: the
            /// cart, a discount, the trial, metadata. They win over what clients send.
            ///
            /// The hook runs after the request was checked. An [`Error`] it returns is the answer;
            /// any other error is a 500.
            pub fn fields_from<F, Fut, E>(self, hook: F) -> Self
            where
                F: Fn($crate::RequestHead) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<$request, E>> + Send + 'static,
                E: Into<$crate::BoxError>,
            {
                self.with(|options| options.server.compute(hook))
            }

            /// Names for products in the shop's own URLs: with
            /// `product_slugs("plan", [("pro", pro)])` a request to `?plan=pro` buys `pro`, whatever
            /// else it says. A name that is not listed is a 404.
            pub fn product_slugs<S: AsRef<str>>(
                self,
                parameter: &str,
                products: impl IntoIterator<Item = (S, $crate::ProductId)>,
            ) -> Self {
                let slugs = $crate::checkout::server::Slugs::new(parameter, products);
                self.with(|options| options.slugs = Some(slugs))
            }

            /// Clients may buy these products only.
            pub fn allow_products(
                self,
                products: impl IntoIterator<Item = $crate::ProductId>,
            ) -> Self {
                let products = products.into_iter();
                self.with(|options| options.products.get_or_insert_default().extend(products))
            }
        }
    };
}

/// Builder methods of the checkouts that read a JSON body.
macro_rules! body_options {
    ($name:ident) => {
        impl $name {
            /// Origins of pages elsewhere, such as `https://www.shop.example`, that may post here.
            /// Pages of the same origin always may.
            pub fn allowed_origins(self, origins: impl IntoIterator<Item: AsRef<str>>) -> Self {
                self.with(|options| {
                    for origin in origins {
                        match $crate::checkout::return_to::configured_origin(origin.as_ref()) {
                            Some(origin) => options.page_origins.push(origin),
                            None => {
                                options.slip = Some(
                                    "`allowed_origins` needs origins such as https://shop.example",
                                );
                            }
                        }
                    }
                })
            }

            /// Fields of the body that only the application reads, in
            /// [`fields_from`](Self::fields_from) through [`ClientFields`](crate::ClientFields).
            /// They are not sent to Dodo Payments.
            pub fn app_fields(self, names: impl IntoIterator<Item: AsRef<str>>) -> Self {
                self.with(|options| {
                    options.app_fields.extend(names.into_iter().map(|name| name.as_ref().into()));
                })
            }

            /// The customer is whoever the [`SignedIn`](crate::SignedIn) in the request's extensions
            /// says, and not whom the client names. Guests stay guests.
            pub fn customer_from_signed_in(self) -> Self {
                self.with(|options| options.customer_from_signed_in = true)
            }

            /// The largest body, in bytes. 100 KiB by default.
            pub fn body_limit(self, bytes: usize) -> Self {
                self.with(|options| options.body_limit = bytes)
            }

            /// The longest to wait for the body. 10 seconds by default.
            pub fn body_deadline(self, limit: std::time::Duration) -> Self {
                self.with(|options| options.body_deadline = limit)
            }
        }
    };
}
pub(super) use {body_options, shared_options};
