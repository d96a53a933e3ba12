use std::{convert::Infallible, ops::Deref};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};

use crate::Rejection;

/// The visitor that [`VisitorLayer`](crate::VisitorLayer) found.
///
/// A request without a visitor is refused with 400; take `Option<Visitor>` where that is fine.
///
/// ```
/// use axum::{Router, routing::get};
/// use dodo_axum::{Visitor, VisitorLayer};
/// use dodo_core::VisitorCapture;
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
pub struct Visitor(pub dodo_core::Visitor);

impl Deref for Visitor {
    type Target = dodo_core::Visitor;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(dodo_core::Visitor::of(&parts.extensions)?))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(dodo_core::Visitor::of(&parts.extensions).ok().map(Self))
    }
}
