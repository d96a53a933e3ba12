//! The decisions of a merchant about attribution.

use std::collections::BTreeMap;

use dodo_core::{
    attribution::{DisputePolicy, MetadataMapping},
    capture::VisitorCapture,
    money::Currency,
};
use sha2::{Digest, Sha256};

/// The version of the resolution. A change of `resolve` that changes records needs a new one.
const RESOLUTION: u32 = 1;

/// Whether renewals inherit the attribution of the subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalCredit {
    /// All renewals are credited.
    #[default]
    Always,
    /// Only the first charge of a subscription is credited.
    Never,
    /// Renewals up to this number of days after the start of the subscription are credited.
    Within(u32),
}

/// The decisions of a merchant about attribution. The documentation describes the defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// Whether renewals inherit the attribution of the subscription.
    pub renewal_credit: RenewalCredit,
    /// The lookback: the number of days in which an earlier purchase of the customer gives
    /// attribution. Default: 90.
    pub lookback_days: u32,
    /// The step at which a dispute counts as lost money.
    pub disputes: DisputePolicy,
    /// Currencies whose number of decimals differs from [`Currency::exponent`].
    pub exponents: BTreeMap<Currency, u8>,
    /// The metadata keys of visitors, users and ids of tools.
    facts: MetadataMapping,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            renewal_credit: RenewalCredit::default(),
            lookback_days: 90,
            disputes: DisputePolicy::default(),
            exponents: BTreeMap::new(),
            facts: MetadataMapping::default(),
        }
    }
}

impl Rules {
    /// Sets whether renewals are credited.
    #[must_use]
    pub fn renewal_credit(mut self, credit: RenewalCredit) -> Self {
        self.renewal_credit = credit;
        self
    }

    /// Sets the lookback in days: an earlier purchase in this period can give attribution. Default:
    /// 90.
    #[must_use]
    pub fn lookback_days(mut self, days: u32) -> Self {
        self.lookback_days = days;
        self
    }

    /// Sets when a dispute counts as money lost.
    #[must_use]
    pub fn disputes(mut self, policy: DisputePolicy) -> Self {
        self.disputes = policy;
        self
    }

    /// Overrides the decimals of a currency.
    #[must_use]
    pub fn exponent(mut self, currency: Currency, decimals: u8) -> Self {
        self.exponents.insert(currency, decimals);
        self
    }

    /// Adds a metadata key of the visitor. The ledger reads it after `visitor`.
    #[must_use]
    pub fn visitor_key(mut self, key: impl Into<String>) -> Self {
        self.facts = self.facts.visitor_key(key);
        self
    }

    /// Adds the metadata keys of the tools that this capture reads.
    #[must_use]
    pub fn captured_by(mut self, capture: &VisitorCapture) -> Self {
        self.facts = self.facts.captured_by(capture);
        self
    }

    /// Stores the id of a tool from this metadata key.
    #[must_use]
    pub fn tool_key(mut self, key: impl Into<String>) -> Self {
        self.facts = self.facts.tool_key(key);
        self
    }

    /// Reads the application's user from this metadata key. Default: `user_id`.
    #[must_use]
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.facts = self.facts.user_key(key);
        self
    }

    /// A number for the rules that `resolve` reads. Groups with another number are resolved again.
    pub(crate) fn fingerprint(&self) -> i64 {
        let exponents = &self.exponents;
        let rules = (self.renewal_credit, self.lookback_days, self.disputes, exponents);
        let hash = Sha256::digest(format!("{RESOLUTION} {rules:?}"));
        hash.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
    }

    /// Takes the capture of the webhooks, if these rules have no capture.
    pub(crate) fn joined_with(&self, webhooks: &MetadataMapping) -> Option<Self> {
        let joins = webhooks.knows_capture() && !self.facts.knows_capture();
        joins.then(|| Self { facts: self.facts.clone().joined_with(webhooks), ..self.clone() })
    }

    /// The metadata keys that the ledger reads.
    pub(crate) fn metadata(&self) -> &MetadataMapping {
        &self.facts
    }

    pub(crate) fn exponent_of(&self, currency: Currency) -> u8 {
        self.exponents.get(&currency).copied().unwrap_or_else(|| currency.exponent())
    }
}
