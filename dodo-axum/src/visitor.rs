use std::{convert::Infallible, ops::Deref};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri},
    http::request::Parts,
};
use dodo_core::capture::{VisitorCapture, VisitorService};
use tower_layer::Layer;

use crate::Rejection;

/// The visitor that [`VisitorLayer`] found.
///
/// The extractor refuses a request without a visitor with 400. If a handler also serves such
/// requests, use `Option<Visitor>`.
///
/// ```
/// use axum::{Router, routing::get};
/// use dodo_axum::{Visitor, VisitorLayer};
/// use dodo_core::capture::VisitorCapture;
///
/// async fn greet(visitor: Option<Visitor>) -> &'static str {
///     if visitor.is_some() { "Welcome back" } else { "Welcome" }
/// }
///
/// let router: Router = Router::new()
///     .route("/", get(greet))
///     .layer(VisitorLayer::new(VisitorCapture::visitors_now()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Visitor(pub dodo_core::capture::VisitorId);

impl Deref for Visitor {
    type Target = dodo_core::capture::VisitorId;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(dodo_core::capture::VisitorId::from_extensions(&parts.extensions)?))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(dodo_core::capture::VisitorId::from_extensions(&parts.extensions).ok().map(Self))
    }
}

/// Reads every request and puts a [`Captured`](dodo_core::capture::Captured) into its extensions.
///
/// Put it in front of all pages, not only of the checkout: a campaign is seen where the visitor
/// lands. Inside of `nest`, which removes its prefix from the path, the landing path is still the
/// whole path. [`dodo_core::capture::VisitorLayer`] cannot do this.
#[derive(Clone, Debug)]
#[must_use]
pub struct VisitorLayer(dodo_core::capture::VisitorLayer);

impl VisitorLayer {
    /// Creates the layer of a capture.
    pub const fn new(capture: VisitorCapture) -> Self {
        let layer = dodo_core::capture::VisitorLayer::new(capture);
        Self(layer.whole_uri(|known| known.get::<OriginalUri>().map(|uri| &uri.0)))
    }
}

impl<S> Layer<S> for VisitorLayer {
    type Service = VisitorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(inner)
    }
}
