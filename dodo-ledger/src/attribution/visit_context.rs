//! The visit before a checkout.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The visit that led to the checkout. The ledger stores it with the payment, never in metadata.
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
    /// The advertising platform of a click id, such as `google` for `gclid`.
    pub platform: Option<String>,
}

/// The click ids of paid clicks, and their platform. The first id of this list that the visit has
/// counts.
const PLATFORMS: [(&str, &str); 7] = [
    ("gclid", "google"),
    ("gbraid", "google"),
    ("wbraid", "google"),
    ("msclkid", "bing"),
    ("ttclid", "tiktok"),
    ("twclid", "x"),
    ("li_fat_id", "linkedin"),
];
/// Facebook adds its click id to unpaid links as well, so the id shows the site and not an
/// advertisement.
const FACEBOOK: &str = "fbclid";

impl VisitContext {
    /// Whether the landing page, the referring site or a click id of the visit is known.
    pub(crate) fn is_seen(&self) -> bool {
        self.landing_path.is_some() || self.referrer_host.is_some() || self.platform.is_some()
    }

    /// Adds the platform or the site of a click id.
    pub(super) fn with_click_ids(mut self, click_ids: &BTreeMap<String, String>) -> Self {
        let paid = PLATFORMS.iter().find(|(parameter, _)| click_ids.contains_key(*parameter));
        self.platform = paid.map(|(_, platform)| (*platform).to_owned());
        if self.referrer_host.is_none() && click_ids.contains_key(FACEBOOK) {
            self.referrer_host = Some("facebook".to_owned());
        }
        self
    }
}
