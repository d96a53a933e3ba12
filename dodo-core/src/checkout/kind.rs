//! The differences between the kinds of checkouts.

use serde_json::{Map, Value};

use super::options::Options;
use crate::{
    Error,
    endpoint::{CheckoutEndpoint, MethodSet},
};

/// A kind of checkout: [`SessionCheckout`](super::SessionCheckout),
/// [`DynamicCheckout`](super::DynamicCheckout) or [`StaticCheckout`](super::StaticCheckout). Sealed.
pub trait CheckoutKind: CheckoutEndpoint + Assemble {
    /// The fields that server code sets.
    type Request: Into<Value> + Send + 'static;
}

/// A checkout that reads a JSON body.
pub trait PostCheckout: CheckoutKind {}

/// The parts of a kind that [`CheckoutBuilder`](super::CheckoutBuilder) needs.
pub trait Assemble {
    /// The methods that it answers with a redirect.
    type RedirectMethods: MethodSet;

    /// Checks the fields that server code fixed.
    fn check_fixed(fields: Map<String, Value>) -> Result<(), Error>;

    /// The endpoint with these options.
    fn assemble(options: Options) -> Self;
}
