//! Layers of tower that accept only owners with a plan or a feature.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use dodo_core::{Error, ErrorKind, SignedIn};
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    access::Access,
    billing::Billing,
    endpoint::{accepts_html, see_other},
};

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: the access is read for the signed-in owner.
    Nothing,
    Plan(String),
    Feature(String),
}

/// Reads the access of the signed-in owner and puts the [`Access`] into the extensions of the request. It
/// refuses requests without the plan or the feature that the layer requires:
///
/// - 401 `not_signed_in`: no [`SignedIn`] with a user in the extensions.
/// - 402 `plan_required` or `feature_required`, with the plans that have it and the request that buys them.
///   A browser that navigates goes to the [page of prices](crate::BillingBuilder::paywall_page) instead.
/// - 503: the database is unreachable.
///
/// [`Billing::require_plan`], [`Billing::require_feature`] and [`Billing::access_layer`] make it. It is a
/// layer of tower for any body that bytes can become, such as that of axum.
#[derive(Clone, Debug)]
pub struct AccessLayer {
    billing: Billing,
    need: Need,
}

impl Billing {
    /// Reads the access of the signed-in owner for a route. Requests without a sign-in pass without one.
    #[must_use]
    pub fn access_layer(&self) -> AccessLayer {
        AccessLayer { billing: self.clone(), need: Need::Nothing }
    }

    /// Accepts only owners of a plan.
    #[must_use]
    pub fn require_plan(&self, plan: impl Into<String>) -> AccessLayer {
        AccessLayer { billing: self.clone(), need: Need::Plan(plan.into()) }
    }

    /// Accepts only owners with a feature.
    #[must_use]
    pub fn require_feature(&self, feature: impl Into<String>) -> AccessLayer {
        AccessLayer { billing: self.clone(), need: Need::Feature(feature.into()) }
    }
}

impl AccessLayer {
    /// The access of the request's owner, or the refusal. `Ok(None)`: the request has
    /// no signed-in user, and needs none.
    ///
    /// For frameworks that are not tower.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn check(&self, parts: &Parts) -> Result<Option<Access>, Response<Bytes>> {
        let user = parts.extensions.get::<SignedIn>().and_then(|user| user.user_id.clone());
        let Some(user) = user else {
            if self.need == Need::Nothing {
                return Ok(None);
            }
            let error = Error::new(ErrorKind::Unauthenticated, "no user is signed in");
            return Err(error.to_response());
        };
        let access = self.billing.owner(user).access().await.map_err(|error| {
            tracing::warn!(
                target: "dodo::billing", code = error.code(),
                cause = std::error::Error::source(&error).map(tracing::field::display),
                "access not read; the request is refused"
            );
            error.to_response()
        })?;
        let passes = match &self.need {
            Need::Nothing => true,
            Need::Plan(plan) => access.has(plan),
            Need::Feature(feature) => access.can(feature),
        };
        if passes { Ok(Some(access)) } else { Err(self.refuse(parts, &access)) }
    }

    /// 402 with the plans that help, or 303 for a browser.
    fn refuse(&self, parts: &Parts, access: &Access) -> Response<Bytes> {
        if let Some(page) = self.billing.paywall_page().filter(|_| accepts_html(parts)) {
            return see_other(page);
        }
        let plans = self.billing.plans();
        let (code, name, plans): (_, _, Vec<&str>) = match &self.need {
            Need::Plan(plan) => ("plan_required", plan, plans.plans_with_plan(plan).collect()),
            Need::Feature(name) => {
                ("feature_required", name, plans.plans_with_feature(name).collect())
            }
            Need::Nothing => return Response::new(Bytes::new()),
        };
        let at = self.billing.mounted_at();
        // An owner with an unpaid subscription must pay for it and not buy a second one.
        let way = match plans.first() {
            _ if access.recoverable() => {
                Some(("fix", json!({ "method": "POST", "href": format!("{at}/payment-method") })))
            }
            Some(plan) => {
                let body = json!({ "plan": plan });
                let post =
                    json!({ "method": "POST", "href": format!("{at}/checkout"), "body": body });
                Some(("checkout", post))
            }
            None => None,
        };
        let mut problem = json!({
            "type": "about:blank", "title": "Payment Required", "status": 402, "code": code,
            "detail": "the plan of this account does not include it",
            "required": name, "plans": plans, "state": access.state().as_str(),
            "reason": access.reason().code.as_str(),
        });
        if let (Some(members), Some((name, link))) = (problem.as_object_mut(), way) {
            members.insert(name.to_owned(), link);
        }
        let mut response = Response::new(Bytes::from(problem.to_string()));
        *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { layer: self.clone(), inner }
    }
}

/// The service of [`AccessLayer`].
#[derive(Clone)]
pub struct AccessService<S> {
    layer: AccessLayer,
    inner: S,
}

impl<S> fmt::Debug for AccessService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessService").field("layer", &self.layer).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for AccessService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: From<Bytes> + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // This request uses the service that is ready. The clone is for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match layer.check(&parts).await {
                Ok(access) => {
                    if let Some(access) = access {
                        parts.extensions.insert(access);
                    }
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(refusal) => Ok(refusal.map(R::from)),
            }
        })
    }
}

/// The error of an extractor that found no access in the request.
#[cfg(any(feature = "axum", feature = "actix-web"))]
pub(crate) fn no_access(user: Option<&SignedIn>) -> Error {
    if user.is_none_or(|user| user.user_id.is_none()) {
        return Error::new(ErrorKind::Unauthenticated, "no user is signed in");
    }
    tracing::error!(
        target: "dodo::billing",
        "the route reads `Access` without an access layer; put `billing.access_layer()` on it, inside of the sign-in"
    );
    Error::config("the route has no access layer")
}

#[cfg(feature = "axum")]
impl<S: Sync> axum_core::extract::FromRequestParts<S> for Access {
    type Rejection = Response<axum_core::body::Body>;

    /// The access that an [`AccessLayer`] read. 401 without a sign-in, 500 without the layer.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let error = no_access(parts.extensions.get::<SignedIn>());
            error.to_response().map(axum_core::body::Body::from)
        })
    }
}
