//! The mapping of metadata keys, and the options of the application.

use std::{collections::BTreeMap, sync::LazyLock};

use sha2::{Digest, Sha256};

use crate::{
    capture::{Campaign, CampaignField, IdRole, Preset, VisitorCapture, usable},
    event::Metadata,
    money::{Currency, Money},
};

/// The step at which a dispute reduces revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisputePolicy {
    /// The dispute is lost, accepted or expired.
    #[default]
    OnLoss,
    /// The dispute is opened. A won or cancelled dispute returns the money.
    OnOpen,
}

/// The metadata keys of the visitor, the campaign and the user.
#[derive(Clone, Debug)]
#[must_use]
pub struct MetadataMapping {
    visitor_keys: Vec<String>,
    /// One group of keys for each tool. `None`: the presets in use are unknown, so the keys of all
    /// presets count.
    campaign_keys: Option<Vec<CampaignKeys>>,
    tool_keys: Vec<String>,
    user_key: String,
    exponents: BTreeMap<Currency, u8>,
    pub(super) disputes: DisputePolicy,
}

/// The metadata keys of one tool's campaign. Campaigns of two tools are never mixed.
type CampaignKeys = Vec<(String, CampaignField)>;

/// The metadata key of the visitor for visitors.now and the ledger.
const VISITOR_KEY: &str = "visitor";

/// The metadata keys of the ids of tools.
fn tool_keys() -> impl Iterator<Item = &'static str> {
    let fields = Preset::ALL.iter().flat_map(|preset| preset.fields());
    fields
        .filter(|field| !matches!(field.role, IdRole::Campaign(_)))
        .map(|field| field.key)
        .filter(|key| *key != VISITOR_KEY)
}

impl Default for MetadataMapping {
    fn default() -> Self {
        Self {
            visitor_keys: vec![VISITOR_KEY.to_owned()],
            campaign_keys: None,
            tool_keys: tool_keys().map(str::to_owned).collect(),
            user_key: "user_id".to_owned(),
            exponents: BTreeMap::new(),
            disputes: DisputePolicy::default(),
        }
    }
}

impl MetadataMapping {
    /// Adds a metadata key of the visitor, after `visitor`.
    pub fn visitor_key(mut self, key: impl Into<String>) -> Self {
        self.visitor_keys.push(key.into());
        self
    }

    /// Reads the visitor from the keys of the tools of this capture, in its order. Reads the
    /// campaign only from their keys, because other keys, such as `source`, can be ordinary words
    /// of the app.
    ///
    /// Default: the campaign keys of all presets. A second call adds keys.
    pub fn captured_by(mut self, capture: &VisitorCapture) -> Self {
        for key in capture.visitor_keys() {
            if !self.visitor_keys.iter().any(|known| known == key) {
                self.visitor_keys.push(key.to_owned());
            }
        }
        let known = self.campaign_keys.get_or_insert_default();
        for keys in capture.campaign_keys() {
            if !known.contains(&keys) {
                known.push(keys);
            }
        }
        self
    }

    /// Whether a capture has set the presets in use.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    #[must_use]
    pub fn knows_capture(&self) -> bool {
        self.campaign_keys.is_some()
    }

    /// Adds the keys of visitor and campaign in `other`.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    pub fn joined_with(mut self, other: &Self) -> Self {
        for key in &other.visitor_keys {
            if !self.visitor_keys.contains(key) {
                self.visitor_keys.push(key.clone());
            }
        }
        for keys in other.campaign_keys.iter().flatten() {
            let known = self.campaign_keys.get_or_insert_default();
            if !known.contains(keys) {
                known.push(keys.clone());
            }
        }
        if other.knows_capture() {
            self.campaign_keys.get_or_insert_default();
        }
        self
    }

    /// Stores the metadata of this key in `tool_ids`.
    pub fn tool_key(mut self, key: impl Into<String>) -> Self {
        self.tool_keys.push(key.into());
        self
    }

    /// Sets the metadata key of the application's own user. Default: `user_id`.
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.user_key = key.into();
        self
    }

    /// Sets the number of decimals of a currency, instead of [`Currency::exponent`].
    pub fn exponent(mut self, currency: Currency, decimals: u8) -> Self {
        self.exponents.insert(currency, decimals);
        self
    }

    /// Sets the step at which disputes reduce revenue.
    pub fn disputes(mut self, policy: DisputePolicy) -> Self {
        self.disputes = policy;
        self
    }

    pub(super) fn money(&self, gross: i64, tax: Option<i64>, currency: Currency) -> Money {
        Money::new(gross, tax, currency).with_exponent(self.decimals(currency))
    }

    pub(super) fn decimals(&self, currency: Currency) -> u8 {
        self.exponents.get(&currency).copied().unwrap_or_else(|| currency.exponent())
    }

    /// The visitor in metadata.
    #[doc(hidden)]
    #[must_use]
    pub fn visitor(&self, metadata: &Metadata) -> Option<String> {
        self.visitor_keys.iter().find_map(|key| text(metadata, key))
    }

    /// The campaign in metadata, from the first tool that has one. Campaigns of two tools are never
    /// mixed.
    #[doc(hidden)]
    #[must_use]
    pub fn campaign(&self, metadata: &Metadata) -> Option<Campaign> {
        let of = |keys: &CampaignKeys| {
            let mut campaign = Campaign::default();
            for (key, part) in keys {
                let field = part.slot(&mut campaign);
                *field = field.take().or_else(|| text(metadata, key));
            }
            (!campaign.is_empty()).then_some(campaign)
        };
        match &self.campaign_keys {
            Some(tools) => tools.iter().find_map(of),
            None => all_campaign_keys().iter().find_map(of),
        }
    }

    /// The ids of other tools in metadata, by key.
    #[doc(hidden)]
    #[must_use]
    pub fn tool_ids(&self, metadata: &Metadata) -> BTreeMap<String, String> {
        let keys = self.tool_keys.iter();
        keys.filter_map(|key| Some((key.clone(), text(metadata, key)?))).collect()
    }

    /// The application's own user in metadata.
    #[doc(hidden)]
    #[must_use]
    pub fn user(&self, metadata: &Metadata) -> Option<String> {
        text(metadata, &self.user_key)
    }
}

/// Returns a value that a capture would also accept. Other values are absent: a part of an id is
/// not an id.
fn text(metadata: &Metadata, key: &str) -> Option<String> {
    let text = metadata.get(key)?.to_text()?;
    match usable(&text) {
        Ok(_) => Some(text),
        Err(reason) => {
            tracing::warn!(
                target: "dodo::webhook", key, %reason,
                "a metadata value cannot be an id, and was left out"
            );
            None
        }
    }
}

/// The keys of Bantico come first.
fn all_campaign_keys() -> &'static [CampaignKeys] {
    static ALL: LazyLock<Vec<CampaignKeys>> = LazyLock::new(|| {
        let capture = VisitorCapture::new().preset(Preset::Bantico);
        let all = Preset::ALL.iter().fold(capture, |capture, preset| capture.preset(*preset));
        all.campaign_keys()
    });
    &ALL
}

/// SHA-256 of an e-mail address, trimmed and in lower case. `None` for an empty one.
///
/// The hash is still personal data: anyone who knows the address can compute it.
#[must_use]
pub fn email_sha256(email: &str) -> Option<[u8; 32]> {
    let email = email.trim().to_lowercase();
    (!email.is_empty()).then(|| Sha256::digest(email).into())
}
