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
mod form;
pub(crate) mod guard;
mod kind;
mod metadata;
mod options;
mod order;
mod redirect;
pub mod request;
mod return_to;
mod server;
mod session;
mod static_link;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::Serialize;

#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub use self::fields::FieldRule;
use self::options::Options;
pub use self::{
    builder::CheckoutBuilder,
    created::CreatedSession,
    dynamic::DynamicCheckout,
    fields::FieldSet,
    kind::{CheckoutKind, PostCheckout},
    redirect::RedirectCheckout,
    server::ClientBody,
    session::SessionCheckout,
    static_link::StaticCheckout,
};
use crate::{
    Error,
    json::to_json,
    refusal::{ErrorPage, log_refusal, refuse},
};

/// Returns the rule of every field that a checkout knows.
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub fn fields() -> impl Iterator<Item = FieldRule> {
    fields::FIELDS.iter().map(FieldRule::from_field)
}

/// The result of a checkout.
trait CheckoutAnswer: Serialize {
    /// The payment page, if there is one.
    fn checkout_url(&self) -> Option<&str>;
}

/// 200 with JSON, 303 to the payment page, or the answer to an error.
fn answer(
    options: &Options,
    result: Result<impl CheckoutAnswer, Error>,
    page: Option<&ErrorPage>,
) -> Response<Bytes> {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => {
            log_refusal!("dodo::checkout", &options.client, &error);
            return refuse(&error, page);
        }
    };
    if options.redirect
        && let Some(response) = outcome.checkout_url().and_then(redirect::see_other)
    {
        return response;
    }
    let mut response = Response::new(to_json(&outcome));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The result of a checkout that has a link and nothing else.
#[derive(Serialize)]
struct Link {
    checkout_url: String,
}

impl CheckoutAnswer for Link {
    fn checkout_url(&self) -> Option<&str> {
        Some(&self.checkout_url)
    }
}
