//! Ids for URL paths, which are checked once, at their creation.

use std::fmt;

use crate::{Error, ErrorKind};

/// Whether `text` is an id: 1 to 64 characters of `[A-Za-z0-9_-]`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! ids { ($( $(#[$doc:meta])* $name:ident, $field:literal; )*) => { $(
    $(#[$doc])*
    ///
    /// 1 to 64 characters of `[A-Za-z0-9_-]`, so it can never reach another path of Dodo's API.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct $name(Box<str>);

    impl $name {
        /// Checks the id.
        ///
        /// # Errors
        /// [`InvalidRequest`](ErrorKind::InvalidRequest) for anything that is not an id.
        pub fn new(id: impl AsRef<str>) -> Result<Self, Error> {
            let id = id.as_ref();
            if is_id(id) {
                return Ok(Self(id.into()));
            }
            Err(Error::new(ErrorKind::InvalidRequest, "not an id: 1 to 64 letters, digits, '_' and '-' are allowed")
                .with_code("invalid_id")
                .with_field($field))
        }

        /// The id as text.
        #[must_use]
        pub fn as_str(&self) -> &str {
            &self.0
        }
    }

    impl fmt::Display for $name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl AsRef<str> for $name {
        fn as_ref(&self) -> &str {
            &self.0
        }
    }

    impl TryFrom<&str> for $name {
        type Error = Error;
        fn try_from(id: &str) -> Result<Self, Error> {
            Self::new(id)
        }
    }

    impl std::str::FromStr for $name {
        type Err = Error;
        fn from_str(id: &str) -> Result<Self, Error> {
            Self::new(id)
        }
    }
)* } }

ids! {
    /// A customer of Dodo Payments, `cus_...`.
    CustomerId, "customer_id";
    /// A product of Dodo Payments, `pdt_...`.
    ProductId, "product_id";
    /// A subscription of Dodo Payments, `sub_...`.
    SubscriptionId, "subscription_id";
    /// A payment of Dodo Payments, `pay_...`.
    PaymentId, "payment_id";
    /// A checkout session of Dodo Payments, `cks_...`.
    SessionId, "session_id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_path_segment() {
        for good in ["cus_9VuW4K7O3GHwasENg31m", "a", "A-b_0", &"x".repeat(64)] {
            assert!(CustomerId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../products",
            "a%2fb",
            "a b",
            "a\0",
            "é",
            "a?b",
            "a#b",
            &"x".repeat(65),
        ] {
            assert!(CustomerId::new(bad).is_err(), "{bad}");
        }
    }
}
