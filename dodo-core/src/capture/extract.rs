use http::Extensions;

use super::{Captured, VisitorId};
use crate::{Error, ErrorKind};

impl VisitorId {
    /// For adapters: returns the visitor that the layer in front of the route captured.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) without such a layer, which is also logged, because an optional
    /// extractor hides it; [`InvalidRequest`](ErrorKind::InvalidRequest) if the visitor is not known or does not
    /// consent.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Error> {
        let Some(captured) = extensions.get::<Captured>() else {
            let error = Error::config(
                "no visitor capture on this route: add `VisitorLayer` (actix-web: `VisitorMiddleware`)",
            );
            tracing::error!(target: "dodo::capture", %error);
            return Err(error);
        };
        captured.visitor().cloned().ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "this request brings no visitor id")
                .with_code("visitor_unknown")
        })
    }
}
