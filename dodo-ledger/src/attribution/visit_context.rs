//! How a visitor came to the checkout.

use serde::{Deserialize, Serialize};

/// How a visitor came to the checkout. Kept with the payment, never in metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VisitContext {
    /// The path of the first page.
    pub landing_path: Option<String>,
    /// The host that the visitor came from.
    pub referrer_host: Option<String>,
    /// The class of device: `desktop`, `mobile`, `tablet`.
    pub device: Option<String>,
}

impl VisitContext {
    /// Whether a page of the visit is known, or the site before it.
    pub(crate) fn is_seen(&self) -> bool {
        self.landing_path.is_some() || self.referrer_host.is_some()
    }
}
