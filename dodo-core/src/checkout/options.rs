//! What the three checkouts have in common.

use crate::Client;

/// Options of every checkout.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) client: Client,
    pub(super) return_url: Option<Box<str>>,
    pub(super) return_origins: Vec<Box<str>>,
    pub(super) any_return_origin: bool,
    pub(super) express: bool,
}

impl Options {
    pub(super) fn new(client: Client) -> Self {
        Self {
            return_url: client.return_url().map(Into::into),
            client,
            return_origins: Vec::new(),
            any_return_origin: false,
            express: false,
        }
    }
}

/// The builder methods that every checkout has.
macro_rules! shared_options {
    ($name:ident) => {
        impl $name {
            /// Where the customer returns to. Instead of the client's
            /// [`return_url`](crate::ClientBuilder::return_url).
            pub fn return_url(mut self, url: impl AsRef<str>) -> Self {
                self.options.return_url = Some(url.as_ref().into());
                self
            }

            /// Origins such as `https://shop.example` that a `return_url` from a client may point to,
            /// beside the origin of the shop's own return URL.
            pub fn allow_return_origins<I>(mut self, origins: I) -> Self
            where
                I: IntoIterator<Item: AsRef<str>>,
            {
                self.options.return_origins.extend(origins.into_iter().map(|o| o.as_ref().into()));
                self
            }

            /// Any origin may be returned to: whoever makes the request decides where the customer
            /// goes after paying.
            pub fn allow_any_return_origin(mut self) -> Self {
                self.options.any_return_origin = true;
                self
            }

            /// One switch for the behaviour of `@dodopayments/express`: every documented field may
            /// come from the client, and unknown ones are dropped instead of refused.
            pub fn express_compatible(mut self) -> Self {
                self.options.express = true;
                self
            }
        }
    };
}
pub(super) use shared_options;
