//! The one table of metadata keys that the product reads back.

use super::{Captured, IdRole, Preset, VisitorCapture};

/// The metadata key of the application's own user, for the ledger.
const USER_KEY: &str = "user_id";
/// The metadata key of billing for the signed owner of a checkout. Attribution does not use it, so
/// no record has it.
pub const OWNER_KEY: &str = "dodo_owner";

/// One metadata key that the product reads back from payments, refunds and subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataKey {
    /// The key.
    pub key: &'static str,
    /// The preset that writes the key. `None` for the application's own user.
    pub preset: Option<Preset>,
    /// The value.
    pub role: IdRole,
}

impl MetadataKey {
    /// Whether the key counts only if its preset is in use: parts of a campaign have ordinary words
    /// as keys, such as `source`.
    #[must_use]
    pub const fn is_campaign(self) -> bool {
        matches!(self.role, IdRole::Campaign(_))
    }
}

/// Returns every metadata key that the product reads back: attribution, ledger and sinks.
///
/// Under the default field policy a client sets none of them. Keys of campaigns count only where
/// their preset is in use.
pub fn metadata_keys() -> impl Iterator<Item = MetadataKey> {
    let of_presets = Preset::ALL.iter().flat_map(|preset| {
        preset.fields().iter().map(|field| MetadataKey {
            key: field.key,
            preset: Some(*preset),
            role: field.role,
        })
    });
    of_presets.chain([MetadataKey { key: USER_KEY, preset: None, role: IdRole::User }])
}

impl Captured {
    /// Whether a client must not set this key: the product reads it as an id, or the capture or billing
    /// fills it.
    pub(crate) fn protects(&self, key: &str) -> bool {
        key == OWNER_KEY
            || self.capture.fills(key)
            || metadata_keys().any(|read| read.key == key && !read.is_campaign())
    }
}

impl VisitorCapture {
    /// Whether this capture fills the key.
    pub(crate) fn fills(&self, key: &str) -> bool {
        self.fields().iter().any(|field| *field.key == *key)
    }
}
