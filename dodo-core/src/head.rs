//! What hooks and resolvers see of a request.

use std::{fmt, ops::Deref, sync::Arc};

use http::request::Parts;

use crate::CustomerId;

/// The head of a request: method, URI, headers and extensions, shared and cheap to clone.
///
/// Hooks get it owned, so that they may keep it across an `await`.
///
/// `Debug` shows the names of headers and not their values: cookies and credentials are among them.
#[derive(Clone)]
pub struct RequestHead(Arc<Parts>);

impl RequestHead {
    /// What the application's own middleware put into the request's extensions.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.extensions.get()
    }

    /// The value of a header, if it is there and visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.0.method)
            .field("path", &self.0.uri.path())
            .field("headers", &self.0.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Deref for RequestHead {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for RequestHead {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// Who is signed in. The application's own middleware puts it into the request's extensions (in
/// actix-web by `req.dodo_extensions_mut()`), and every endpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIn {
    /// The Dodo Payments customer that this user is.
    pub customer_id: CustomerId,
}

impl SignedIn {
    /// The user is this customer of Dodo Payments.
    #[must_use]
    pub fn new(customer_id: CustomerId) -> Self {
        Self { customer_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value_of_a_header_or_a_query() {
        let (parts, ()) = http::Request::get("/portal?token=canary")
            .header("cookie", "visitor=canary")
            .header("authorization", "Bearer canary")
            .body(())
            .unwrap()
            .into_parts();
        let shown = format!("{:?}", RequestHead::from(parts));
        assert!(shown.contains("/portal") && shown.contains("cookie"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
