//! The head of a request for hooks and resolvers, and the signed-in user.

use std::{fmt, ops::Deref, sync::Arc};

use cookie::Cookie;
use http::{header, request::Parts};

use crate::CustomerId;

/// The head of a request: method, URI, headers and extensions, shared and cheap to clone.
///
/// Hooks get an owned head, so that they can keep it across an `await`.
///
/// `Debug` shows the names of headers and not their values, which include cookies and credentials.
#[derive(Clone)]
pub struct RequestHead(Arc<Parts>);

impl RequestHead {
    /// Returns the value that the application's own middleware put into the request's extensions.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.extensions.get()
    }

    /// Returns the value of a header, if it is present and visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Returns the value of the first cookie of this name, as it was sent.
    ///
    /// Reads all `Cookie` headers. Bytes that are not UTF-8 become `U+FFFD`, so that the cookie of
    /// another program does not hide this one. Double quotes around the value are removed.
    ///
    /// ```
    /// use dodo_core::RequestHead;
    ///
    /// # fn main() -> Result<(), http::Error> {
    /// let request = http::Request::get("/").header("cookie", "theme=dark; session=abc").body(())?;
    /// let head = RequestHead::from(request.into_parts().0);
    /// assert_eq!(head.cookie("session").as_deref(), Some("abc"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.0.headers.get_all(header::COOKIE).iter().find_map(|header| {
            let text = String::from_utf8_lossy(header.as_bytes());
            let mut cookies = Cookie::split_parse(text).filter_map(Result::ok);
            let found = cookies.find(|cookie| cookie.name() == name)?;
            Some(found.value_trimmed().to_owned())
        })
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

/// The signed-in user of the application. Each part can be absent.
///
/// The application's own middleware puts it into the request's extensions (in actix-web by
/// `request.sign_in(..)`), and every endpoint reads it there. That middleware can run before or after
/// the visitor layer. Each part is optional: a user that has not bought yet has no customer at Dodo
/// Payments.
///
/// ```
/// use dodo_core::{CustomerId, SignedIn};
///
/// # fn main() -> Result<(), dodo_core::Error> {
/// let visitor = SignedIn::user("user_42").email("ada@example.com");
/// let buyer = SignedIn::user("user_42").customer(CustomerId::new("cus_1")?);
/// let customer_only = SignedIn::new(CustomerId::new("cus_1")?);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIn {
    /// The application's own id of the user.
    pub user_id: Option<String>,
    /// The customer of this user at Dodo Payments.
    pub customer_id: Option<CustomerId>,
    /// The verified e-mail address of the user.
    pub email: Option<String>,
}

impl SignedIn {
    /// Names only the customer at Dodo Payments.
    #[must_use]
    pub fn new(customer_id: CustomerId) -> Self {
        Self { user_id: None, customer_id: Some(customer_id), email: None }
    }

    /// Names the user by the application's own id.
    #[must_use]
    pub fn user(id: impl Into<String>) -> Self {
        Self { user_id: Some(id.into()), customer_id: None, email: None }
    }

    /// Sets the customer of this user at Dodo Payments.
    #[must_use]
    pub fn customer(mut self, customer_id: CustomerId) -> Self {
        self.customer_id = Some(customer_id);
        self
    }

    /// Sets the user's e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }
}

impl From<CustomerId> for SignedIn {
    fn from(customer_id: CustomerId) -> Self {
        Self::new(customer_id)
    }
}

/// Shows which parts are known. User ids and e-mail addresses are personal data.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user_id", &self.user_id.is_some())
            .field("customer_id", &self.customer_id)
            .field("email", &self.email.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn debug_hides_values_of_headers_and_query() {
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

    #[test]
    fn debug_of_signed_in_hides_user_and_email() {
        let user = SignedIn::user("canary").email("canary@example.com");
        assert!(!format!("{user:?}").contains("canary"), "{user:?}");
    }

    #[test]
    fn cookie_is_found_in_every_header_and_beside_bad_bytes() {
        for (headers, expected) in [
            (&["session=abc"][..], Some("abc")),
            (&["theme=dark; session=abc"], Some("abc")),
            (&["theme=dark", "session=abc"], Some("abc")),
            (&["name=J\u{f6}; session=abc"], Some("abc")),
            (&["broken; session=abc", "=x"], Some("abc")),
            (&["=x; session=abc"], Some("abc")),
            (&["session=\"abc\""], Some("abc")),
            (&["session=a%20b=="], Some("a%20b==")),
            (&["session=first; session=second"], Some("first")),
            (&["session="], Some("")),
            (&["session2=abc; Session=abc"], None),
            (&[], None),
        ] {
            // Latin-1, as some browsers and old programs write it: the bytes are not UTF-8.
            let bytes = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<_>>();
            let (mut parts, ()) = http::Request::new(()).into_parts();
            for header in headers {
                let value = HeaderValue::from_bytes(&bytes(header)).unwrap();
                parts.headers.append(header::COOKIE, value);
            }
            let found = RequestHead::from(parts).cookie("session");
            assert_eq!(found.as_deref(), expected, "{headers:?}");
        }
    }
}
