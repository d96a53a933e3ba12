//! The three checkouts: a checkout session, a dynamic payment link, a static link.
//!
//! | checkout | request | action |
//! |---|---|---|
//! | [`SessionCheckout`] | `POST` | creates a checkout session; Dodo Payments recommends it |
//! | [`DynamicCheckout`] | `POST` | creates a payment or a subscription, by the kind of the product |
//! | [`StaticCheckout`] | `GET ?productId=...` | answers with a link to a hosted page; creates nothing |

mod builder;
mod created;
mod dynamic;
mod fields;
mod guard;
mod kind;
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
    builder::CheckoutBuilder,
    created::CreatedSession,
    dynamic::DynamicCheckout,
    fields::{FieldRule, FieldSet},
    kind::{CheckoutKind, PostCheckout},
    server::ClientBody,
    session::SessionCheckout,
    static_link::StaticCheckout,
};
use crate::{
    Error,
    json::to_json,
    refusal::{ErrorPage, log_refusal, refuse},
};

/// Builds a [`SessionCheckout`].
pub type SessionCheckoutBuilder = CheckoutBuilder<SessionCheckout>;
/// Builds a [`DynamicCheckout`].
pub type DynamicCheckoutBuilder = CheckoutBuilder<DynamicCheckout>;
/// Builds a [`StaticCheckout`].
pub type StaticCheckoutBuilder = CheckoutBuilder<StaticCheckout>;

/// Returns the rule of every field that a checkout knows.
pub fn fields() -> impl Iterator<Item = FieldRule> {
    FIELDS.iter().map(FieldRule::of)
}

/// 200 with JSON, or the error's answer.
fn answer(result: Result<impl Serialize, Error>, page: Option<&ErrorPage>) -> Response<Bytes> {
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
            refuse(&error, page)
        }
    }
}
