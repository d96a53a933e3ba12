//! The three checkouts: a static link, a dynamic payment link, a checkout session.

mod created;
mod dynamic;
mod fields;
mod guard;
mod metadata;
mod options;
mod order;
pub mod request;
mod return_to;
mod server;
mod session;
mod static_link;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::Serialize;

use self::fields::FIELDS;
pub use self::{
    created::CheckoutSession,
    dynamic::DynamicLink,
    fields::{FieldInfo, FieldSet},
    server::ClientFields,
    session::Session,
    static_link::StaticLink,
};
use crate::{Client, Error, json::to_json, refusal::log_refusal};

/// Makes the endpoints of the three checkouts. Not a value itself: options of one checkout do not
/// exist on another.
///
/// ```
/// # fn f(client: dodo_core::Client) {
/// use dodo_core::{Checkout, Endpoint};
/// let endpoint = Checkout::static_link(client.clone()).or(Checkout::session(client));
/// # }
/// ```
#[derive(Debug)]
pub enum Checkout {}

impl Checkout {
    /// `GET ?productId=...` answers with a link to a hosted page. Nothing is created.
    pub fn static_link(client: Client) -> StaticLink {
        StaticLink::new(client)
    }

    /// `POST` creates a payment or a subscription, by the kind of the product.
    pub fn dynamic(client: Client) -> DynamicLink {
        DynamicLink::new(client)
    }

    /// `POST` creates a checkout session: what Dodo recommends.
    pub fn session(client: Client) -> Session {
        Session::new(client)
    }

    /// Every field that a checkout knows, and who may set it: the table that the endpoints go by.
    pub fn known_fields() -> impl Iterator<Item = FieldInfo> {
        FIELDS.iter().map(FieldInfo::of)
    }
}

/// 200 with JSON, or the error's answer.
fn answer(result: Result<impl Serialize, Error>) -> Response<Bytes> {
    match result {
        Ok(value) => {
            let mut response = Response::new(to_json(&value));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            log_refusal!("dodo::checkout", &error);
            error.to_response()
        }
    }
}
