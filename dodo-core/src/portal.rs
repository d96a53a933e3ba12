//! The way into the hosted customer portal.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::{
    BoxError, BoxFuture, Client, CustomerId, Endpoint, Error, ErrorKind, Methods, RequestHead,
    SignedIn, endpoint::private::Sealed, refusal::log_refusal, web_url::WebUrl,
};

type Resolve =
    Arc<dyn Fn(RequestHead) -> BoxFuture<Result<Option<CustomerId>, BoxError>> + Send + Sync>;

/// `GET` → 302 to the hosted customer portal.
///
/// The link opens the portal without a password, so the customer must be somebody the application
/// knows to be signed in:
///
/// ```
/// # fn f(client: dodo_core::Client) {
/// use dodo_core::{BoxError, CustomerId, CustomerPortal, RequestHead};
///
/// async fn current_customer(head: RequestHead) -> Result<Option<CustomerId>, BoxError> {
///     # #[derive(Clone)] struct Session { customer: CustomerId }
///     Ok(head.extension::<Session>().map(|session| session.customer.clone()))
/// }
/// let portal = CustomerPortal::for_customer(client, current_customer);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct CustomerPortal {
    client: Client,
    who: Who,
    send_email: Option<bool>,
    return_url: Option<Box<str>>,
    /// A slip in the configuration. Told at each request, because builders do not fail.
    slip: Option<&'static str>,
}

#[derive(Clone)]
enum Who {
    Resolver(Resolve),
    QueryParameter,
}

impl CustomerPortal {
    /// For whoever the resolver says is signed in. `None` is 401; an error is 500.
    pub fn for_customer<F, Fut, E>(client: Client, resolver: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<CustomerId>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self::new(
            client,
            Who::Resolver(Arc::new(move |head| {
                let customer = resolver(head);
                Box::pin(async move { customer.await.map_err(Into::into) })
            })),
        )
    }

    /// For the [`SignedIn`] that the application's own middleware put into the request's extensions.
    pub fn for_signed_in(client: Client) -> Self {
        Self::for_customer(client, |head| {
            let customer = head.extension::<SignedIn>().map(|user| user.customer_id.clone());
            std::future::ready(Ok::<_, BoxError>(customer))
        })
    }

    /// For whoever is named in the query, `?customer_id=cus_...`, as `@dodopayments/express` does it.
    ///
    /// **Anyone can open anyone's portal.** Only behind something else that decides who may ask, or
    /// for moving an existing application step by step.
    pub fn for_query_parameter_unprotected(client: Client) -> Self {
        Self::new(client, Who::QueryParameter)
    }

    fn new(client: Client, who: Who) -> Self {
        Self { client, who, send_email: None, return_url: None, slip: None }
    }

    /// Whether Dodo mails the link to the customer too. In query mode the parameter `send_email`
    /// decides instead.
    pub fn send_email(mut self, send: bool) -> Self {
        self.send_email = Some(send);
        self
    }

    /// Where the portal's way back leads.
    pub fn return_url(mut self, url: impl AsRef<str>) -> Self {
        let url = url.as_ref();
        if WebUrl::parse(url).is_none() {
            self.slip = Some("`return_url` needs an absolute http or https URL in ASCII");
        }
        self.return_url = Some(url.into());
        self
    }

    async fn resolve(&self, head: RequestHead) -> Result<(CustomerId, Option<bool>), Error> {
        match &self.who {
            Who::Resolver(resolver) => {
                let customer = resolver(head).await.map_err(|e| {
                    Error::new(
                        ErrorKind::CallbackFailed,
                        "the application failed to tell who is signed in",
                    )
                    .with_source(e)
                })?;
                let customer = customer.ok_or_else(|| {
                    Error::new(ErrorKind::Unauthenticated, "not signed in: sign in and try again")
                })?;
                Ok((customer, self.send_email))
            }
            Who::QueryParameter => {
                let query = head.uri.query().unwrap_or_default();
                let id =
                    once(query, "customer_id")?.filter(|id| !id.is_empty()).ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidRequest,
                            "the query parameter customer_id is missing",
                        )
                        .with_code("missing_parameter")
                        .with_field("customer_id")
                    })?;
                let send_email = once(query, "send_email")?.map(|text| text == "true");
                Ok((CustomerId::new(id)?, send_email))
            }
        }
    }

    async fn link(&self, head: RequestHead) -> Result<HeaderValue, Error> {
        if let Some(slip) = self.slip {
            return Err(Error::config(slip));
        }
        let (customer, send_email) = self.resolve(head).await?;
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

/// A parameter of a query. Twice is refused: two readers could take different ones.
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
    const METHODS: Methods = Methods::GET;

    /// A `GET` needs no body; what a client sends all the same is bounded.
    fn body_limit(&self, _: &Method) -> usize {
        100 << 10
    }

    fn body_deadline(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        match self.link(RequestHead::from(request.into_parts().0)).await {
            Ok(link) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(header::LOCATION, link);
                response
            }
            Err(error) => {
                log_refusal!("dodo::portal", &error);
                error.to_response()
            }
        }
    }
}

impl fmt::Debug for CustomerPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.who {
            Who::Resolver(_) => "resolver",
            Who::QueryParameter => "query parameter, unprotected",
        };
        f.debug_struct("CustomerPortal").field("who", &who).finish_non_exhaustive()
    }
}
