//! The endpoint that opens the hosted customer portal.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    BoxError, BoxFuture, Client, CustomerId, Error, ErrorKind, RequestHead, SignedIn,
    detached::to_the_end,
    endpoint::{Endpoint, Get, private::Sealed},
    refusal::{ErrorPage, log_refusal, refuse},
    return_url,
};

type Resolve =
    Arc<dyn Fn(RequestHead) -> BoxFuture<Result<Option<SignedIn>, BoxError>> + Send + Sync>;
type Keep = Arc<dyn Fn(SignedIn, CustomerId) -> BoxFuture<Result<(), BoxError>> + Send + Sync>;

/// `GET` redirects a signed-in customer to the hosted customer portal.
///
/// The link opens the portal without a password, so your app names the customer. The answers are 302
/// for a customer, 404 `no_customer` for a signed-in user who has no customer yet, and 401 if no user
/// is signed in. The events of a payment have the customer's id, `event.data.customer.customer_id`:
/// store it with the user in a callback.
///
/// ```
/// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
/// use dodo_core::{BoxError, CustomerId, CustomerPortal, RequestHead};
///
/// // The customer is in the `SignedIn` that the app's middleware put into the request's extensions.
/// let portal = CustomerPortal::builder(client.clone()).build()?;
///
/// // A function of the app finds the customer.
/// async fn current_customer(head: RequestHead) -> Result<Option<CustomerId>, BoxError> {
///     # #[derive(Clone)] struct Session { customer: CustomerId }
///     Ok(head.extension::<Session>().map(|session| session.customer.clone()))
/// }
/// let portal = CustomerPortal::builder(client).customer(current_customer).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CustomerPortal(Arc<Settings>);

/// Builds a [`CustomerPortal`].
#[must_use = "call `.build()`"]
pub struct CustomerPortalBuilder {
    settings: Settings,
    error_page: Option<Box<str>>,
}

struct Settings {
    client: Client,
    who: CustomerSource,
    keep: Option<Keep>,
    send_email: Option<bool>,
    return_url: Option<Box<str>>,
    error_page: Option<ErrorPage>,
}

enum CustomerSource {
    SignedIn,
    Resolver(Resolve),
    QueryParameter,
}

impl CustomerPortal {
    /// Starts with the client that requests the link.
    pub fn builder(client: Client) -> CustomerPortalBuilder {
        let settings = Settings {
            client,
            who: CustomerSource::SignedIn,
            keep: None,
            send_email: None,
            return_url: None,
            error_page: None,
        };
        CustomerPortalBuilder { settings, error_page: None }
    }
}

impl CustomerPortalBuilder {
    /// Gets the signed-in customer from `resolver`: a [`CustomerId`], or a [`SignedIn`] with more
    /// data.
    ///
    /// The endpoint answers 401 for `None`, and 404 `no_customer` for a `SignedIn` without a
    /// customer. An [`Error`] is itself the answer, and any other error is a 500.
    ///
    /// Default: the [`SignedIn`] in the request's extensions.
    pub fn customer<F, Fut, U, E>(mut self, resolver: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<U>, E>> + Send + 'static,
        U: Into<SignedIn>,
        E: Into<BoxError>,
    {
        self.settings.who = CustomerSource::Resolver(Arc::new(move |head| {
            let user = resolver(head);
            Box::pin(async move { Ok(user.await.map_err(Into::into)?.map(Into::into)) })
        }));
        self
    }

    /// Opens the portal of the customer in the query, `?customer_id=cus_...`, as
    /// `@dodopayments/express` does.
    ///
    /// **Anyone can open any customer's portal.** Mount it only behind your own check, or to
    /// migrate an existing app step by step.
    pub fn unprotected_from_query(mut self) -> Self {
        self.settings.who = CustomerSource::QueryParameter;
        self
    }

    /// Creates the customer of a signed-in user who has none but has an e-mail address. `keep` stores
    /// the new id with the user; the portal opens after it succeeded.
    ///
    /// Dodo Payments creates a second customer for the same address. If the app does not store the
    /// id, each visit creates one. The customer's name is the e-mail address until the customer
    /// changes it.
    ///
    /// Default: such a user gets 404 `no_customer`.
    pub fn allow_customer_creation<F, Fut, E>(mut self, keep: F) -> Self
    where
        F: Fn(SignedIn, CustomerId) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.settings.keep = Some(Arc::new(move |user, customer| {
            let kept = keep(user, customer);
            Box::pin(async move { kept.await.map_err(Into::into) })
        }));
        self
    }

    /// Sets whether Dodo Payments also mails the link to the customer. In query mode the parameter
    /// `send_email` decides instead.
    pub fn send_email(mut self, send: bool) -> Self {
        self.settings.send_email = Some(send);
        self
    }

    /// Sets the page to which the portal links back.
    pub fn return_url(mut self, url: impl AsRef<str>) -> Self {
        self.settings.return_url = Some(url.as_ref().into());
        self
    }

    /// Sends browsers to this page of the app when the portal refuses: 303, with the code of the error
    /// in the query. Takes a path or an absolute URL.
    ///
    /// Default: every client gets the problem document.
    pub fn error_page(mut self, url: impl AsRef<str>) -> Self {
        self.error_page = Some(url.as_ref().into());
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `return_url` or `error_page` cannot be used, or if
    /// [`allow_customer_creation`](Self::allow_customer_creation) and
    /// [`unprotected_from_query`](Self::unprotected_from_query) are combined.
    pub fn build(self) -> Result<CustomerPortal, Error> {
        let Self { mut settings, error_page } = self;
        if let Some(url) = settings.return_url.take() {
            let remedy = "write an absolute URL, such as https://shop.example/account";
            let plain = return_url::absolute(&url)
                .ok_or_else(|| Error::option("return_url", &url, remedy))?;
            settings.return_url = Some(plain.as_ref().into());
        }
        if settings.keep.is_some() && matches!(settings.who, CustomerSource::QueryParameter) {
            return Err(Error::config(
                "allow_customer_creation of the portal: remove unprotected_from_query",
            ));
        }
        settings.error_page =
            error_page.map(|url| ErrorPage::new("error_page", &url)).transpose()?;
        Ok(CustomerPortal(Arc::new(settings)))
    }
}

impl Settings {
    async fn customer(&self, head: RequestHead) -> Result<(CustomerId, Option<bool>), Error> {
        let user = match &self.who {
            CustomerSource::SignedIn => head.extension::<SignedIn>().cloned(),
            CustomerSource::Resolver(resolver) => resolver(head).await.map_err(|error| {
                Error::from_hook(error, "the application failed to find the signed-in customer")
            })?,
            CustomerSource::QueryParameter => {
                return customer_in(head.uri.query().unwrap_or_default());
            }
        };
        let user =
            user.ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "no user is signed in"))?;
        let customer = match (user.customer_id.clone(), &self.keep, &user.email) {
            (Some(customer), ..) => customer,
            (None, Some(keep), Some(email)) => {
                let customer = self.create_customer(email).await?;
                keep(user, customer.clone()).await.map_err(|error| {
                    Error::from_hook(error, "the application failed to store the new customer")
                })?;
                customer
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "the signed-in user has no customer yet",
                )
                .with_code("no_customer"));
            }
        };
        Ok((customer, self.send_email))
    }

    async fn create_customer(&self, email: &str) -> Result<CustomerId, Error> {
        let fields = json!({ "email": email, "name": email });
        let customer: Value =
            self.client.call(Method::POST, "/customers", &[], Some(&fields)).json().await?;
        let id = customer.get("customer_id").and_then(Value::as_str).unwrap_or_default();
        CustomerId::new(id).map_err(|_| {
            Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable customer")
        })
    }

    async fn link(&self, head: RequestHead) -> Result<HeaderValue, Error> {
        let (customer, send_email) = self.customer(head).await?;
        let mut query = Vec::new();
        if let Some(send) = send_email {
            query.push(("send_email", if send { "true" } else { "false" }));
        }
        if let Some(url) = &self.return_url {
            query.push(("return_url", url));
        }
        let path = format!("/customers/{customer}/customer-portal/session");
        let session: Value = self
            .client
            .call(Method::POST, &path, &query, None)
            .missing("customer_not_found", "there is no such customer")
            .json()
            .await?;
        session
            .get("link")
            .and_then(Value::as_str)
            .filter(|link| self.client.trusts_link(link))
            .and_then(|link| HeaderValue::from_str(link).ok())
            .ok_or_else(|| {
                Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable portal link")
            })
    }
}

/// The customer in a query, and whether Dodo Payments mails the link.
fn customer_in(query: &str) -> Result<(CustomerId, Option<bool>), Error> {
    let id = once(query, "customer_id")?.filter(|id| !id.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidRequest, "the query parameter customer_id is missing")
            .with_code("missing_parameter")
            .with_field("customer_id")
    })?;
    let send_email = once(query, "send_email")?.map(|text| text == "true");
    Ok((CustomerId::new(id)?, send_email))
}

/// A parameter of a query. A repeated name is refused, because two readers could use different
/// values.
fn once<'q>(query: &'q str, wanted: &str) -> Result<Option<Cow<'q, str>>, Error> {
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == wanted)
        .map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::duplicate_parameter(wanted));
    }
    Ok(first)
}

impl Sealed for CustomerPortal {}

impl Endpoint for CustomerPortal {
    type Methods = Get;

    /// A `GET` needs no body. The limit applies to clients that send one.
    fn body_limit(&self, _: &Method) -> usize {
        100 << 10
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    fn error_page(&self, _: &Method, headers: &HeaderMap) -> Option<&ErrorPage> {
        self.0.error_page.as_ref().and_then(|page| page.for_browser(headers))
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let head = RequestHead::from(request.into_parts().0);
        let page = self.error_page(&head.method, &head.headers);
        let link = match self.0.keep {
            None => self.0.link(head.clone()).await,
            // If the browser disconnects, the new customer must still be stored with its user.
            Some(_) => {
                let (settings, head) = (self.0.clone(), head.clone());
                to_the_end(async move { settings.link(head).await }).await.unwrap_or_else(|_| {
                    let message = "the server stopped while a customer was created";
                    Err(Error::new(ErrorKind::CallbackFailed, message))
                })
            }
        };
        match link {
            Ok(link) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(header::LOCATION, link);
                response
            }
            Err(error) => {
                log_refusal!("dodo::portal", &self.0.client, &error);
                refuse(&error, page)
            }
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.who {
            CustomerSource::SignedIn => "signed in",
            CustomerSource::Resolver(_) => "resolver",
            CustomerSource::QueryParameter => "query parameter, unprotected",
        };
        f.debug_struct("CustomerPortal").field("who", &who).finish_non_exhaustive()
    }
}

impl fmt::Debug for CustomerPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CustomerPortalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
