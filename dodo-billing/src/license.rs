//! License keys: valid while the key is active and its purchase gives access.

use dodo_core::event::LicenseKeyStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    fact::{GrantFact, LicenseFact},
    grant::{GrantEffect, effect},
    source::AccessSource,
};

/// A license key of an owner, at the time of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseAccess {
    /// The id of the license key.
    pub license_key_id: String,
    /// The last four characters of the key. `None`: unknown.
    pub key_end: Option<String>,
    /// The product.
    pub product: Option<String>,
    /// The key is active, not expired, and its payment or subscription gives access.
    pub is_valid: bool,
    /// The end that the key itself has.
    pub expires_at: Option<Timestamp>,
}

/// A license key, from all its facts.
pub(crate) struct License<'a> {
    id: &'a str,
    key_end: Option<&'a str>,
    product: Option<&'a str>,
    pub(crate) payment: Option<&'a str>,
    pub(crate) subscription: Option<&'a str>,
    pub(crate) expires_at: Option<Timestamp>,
    is_active: bool,
}

impl<'a> License<'a> {
    pub(crate) fn new(
        id: &'a str,
        facts: &[(Timestamp, &'a LicenseFact)],
        grants: &[(Timestamp, &'a GrantFact)],
    ) -> Self {
        let of_key = |(at, key): &(Timestamp, &LicenseFact)| {
            let active = key.status.as_ref().is_none_or(|s| *s == LicenseKeyStatus::Active);
            (*at, !active)
        };
        let of_grant = |(at, grant): &(Timestamp, &GrantFact)| match effect(grant) {
            GrantEffect::Nothing => None,
            GrantEffect::Follows | GrantEffect::FollowsProduct => Some((*at, false)),
            GrantEffect::Revoked => Some((*at, true)),
        };
        // A key that was disabled at the instant of its creation is disabled.
        let steps = facts.iter().map(of_key).chain(grants.iter().filter_map(of_grant));
        let is_active = steps.max().is_some_and(|(_, disabled)| !disabled);
        let payment = facts.iter().find_map(|(_, key)| key.payment_id.as_deref());
        let subscription = facts.iter().find_map(|(_, key)| key.subscription_id.as_deref());
        let of_grants = || grants.iter().map(|(_, grant)| *grant);
        Self {
            id,
            key_end: facts.iter().find_map(|(_, key)| key.key_end.as_deref()),
            product: facts.iter().find_map(|(_, key)| key.product_id.as_deref()),
            payment: payment.or(of_grants().find_map(|grant| grant.payment_id.as_deref())),
            subscription: subscription
                .or(of_grants().find_map(|grant| grant.subscription_id.as_deref())),
            expires_at: facts.iter().rev().find_map(|(_, key)| key.expires_at),
            is_active,
        }
    }

    /// The key at a time. `origin` is the source of its subscription or payment.
    pub(crate) fn access(&self, origin: Option<&AccessSource>, now: Timestamp) -> LicenseAccess {
        let has_origin = self.payment.is_some() || self.subscription.is_some();
        let is_paid = origin.map_or(!has_origin, AccessSource::is_live);
        let is_over = self.expires_at.is_some_and(|end| now >= end);
        LicenseAccess {
            license_key_id: self.id.to_owned(),
            key_end: self.key_end.map(str::to_owned),
            product: self.product.map(str::to_owned),
            is_valid: self.is_active && is_paid && !is_over,
            expires_at: self.expires_at,
        }
    }
}
