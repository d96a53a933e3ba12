//! The link or campaign that brought a visitor.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The campaign context of a visit, with the field names of Bantico. UTM parameters fill the same
/// fields.
///
/// Always one unit: fields of two links are never mixed. `Debug` shows the link and the campaign:
/// visitors can write the other fields, and `lead_id` identifies a person.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "snake_case")]
#[non_exhaustive]
pub struct Campaign {
    /// The tracked link, `linkId`.
    pub link_id: Option<String>,
    /// `campaignId`, or `utm_campaign`.
    pub campaign_id: Option<String>,
    /// `source`, or `utm_source`.
    pub source: Option<String>,
    /// `medium`, or `utm_medium`.
    pub medium: Option<String>,
    /// `content`, or `utm_content`.
    pub content: Option<String>,
    /// `utm_term`.
    pub term: Option<String>,
    /// `leadId`.
    pub lead_id: Option<String>,
}

impl fmt::Debug for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign")
            .field("link_id", &self.link_id)
            .field("campaign_id", &self.campaign_id)
            .finish_non_exhaustive()
    }
}

impl Campaign {
    /// Whether every field is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
