//! The access of one owner: the join of all sources.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problem},
    license::LicenseAccess,
    plan::Benefits,
    plans::Plans,
    reason::{Reason, ReasonCode as Code, date},
    source::{AccessSource, SourceKind},
    state::AccessState,
    until::Until,
};

/// The access of an owner at one time. [`derive`](crate::derive()) makes it.
///
/// The best source decides about state, end and reason. Features are the union over all live sources, so a
/// source never removes a feature that another source gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    state: AccessState,
    until: Option<Until>,
    reason: Reason,
    recoverable: bool,
    will_renew: bool,
    pub(crate) pending: bool,
    /// The live plans and products.
    names: BTreeSet<String>,
    features: BTreeSet<String>,
    limits: BTreeMap<String, u64>,
    /// Best first.
    sources: Vec<AccessSource>,
    pub(crate) licenses: Vec<LicenseAccess>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) checks: Vec<Check>,
    pub(crate) next_change: Option<Timestamp>,
}

impl Access {
    pub(crate) fn join(
        mut sources: Vec<AccessSource>,
        plans: &Plans,
        blocked: Option<Timestamp>,
    ) -> Self {
        sources.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let live = || sources.iter().filter(|source| source.is_live() && blocked.is_none());
        let best = sources.first();
        let nothing = || Code::NeverStarted.because("No payment succeeded.");
        let mut access = Self {
            state: best.map_or(AccessState::None, |source| source.state),
            until: best.and_then(|source| source.until),
            reason: best.map_or_else(nothing, |source| source.reason.clone()),
            recoverable: !live().any(|source| source.state < AccessState::Grace)
                && sources.iter().any(|source| source.recoverable)
                && blocked.is_none(),
            will_renew: live().any(|source| source.will_renew),
            pending: false,
            names: BTreeSet::new(),
            features: BTreeSet::new(),
            limits: BTreeMap::new(),
            sources: Vec::new(),
            licenses: Vec::new(),
            problems: Vec::new(),
            checks: Vec::new(),
            next_change: None,
        };
        let mut sums = BTreeMap::new();
        for source in live() {
            access.add(source, plans, &mut sums);
        }
        if blocked.is_none() {
            access.add_plan(plans.free(), 1, plans);
        }
        for (name, sum) in sums {
            let limit = access.limits.entry(name).or_default();
            *limit = limit.saturating_add(sum);
        }
        if let Some(at) = blocked {
            (access.state, access.until) = (AccessState::Ended, None);
            access.reason = Code::Blocked.because(format!("Blocked on {}.", date(at)));
        }
        access.sources = sources;
        access
    }

    fn add(&mut self, source: &AccessSource, plans: &Plans, sums: &mut BTreeMap<String, u64>) {
        self.features.extend(source.feature.clone());
        self.add_plan(source.plan.as_deref(), source.quantity, plans);
        let product = source.product.as_deref().map(|id| (id, source.quantity));
        let addons = source.addons.iter().map(|addon| (&*addon.product_id, addon.quantity));
        for (id, quantity) in product.into_iter().chain(addons) {
            self.names.insert(id.to_owned());
            let Some(sold) = plans.sold(id) else { continue };
            self.add_benefits(&sold.benefits, quantity);
            for plan in &sold.benefits.includes {
                self.add_plan(Some(plan), quantity, plans);
            }
            for (name, each) in &sold.benefits.additive {
                let sum = sums.entry(name.clone()).or_insert(0_u64);
                *sum = sum.saturating_add(each.saturating_mul(u64::from(quantity)));
            }
        }
    }

    fn add_plan(&mut self, plan: Option<&str>, quantity: u32, plans: &Plans) {
        for name in plan.into_iter().flat_map(|plan| plans.with_included(plan)) {
            self.names.insert(name.to_owned());
            if let Some(benefits) = plans.benefits_of_plan(name) {
                self.add_benefits(benefits, quantity);
            }
        }
    }

    fn add_benefits(&mut self, benefits: &Benefits, quantity: u32) {
        self.features.extend(benefits.features.iter().cloned());
        let seats = benefits.seats.iter().map(|name| (name, u64::from(quantity)));
        for (name, value) in benefits.limits.iter().map(|(name, value)| (name, *value)).chain(seats)
        {
            let limit = self.limits.entry(name.clone()).or_default();
            *limit = value.max(*limit);
        }
    }

    /// Whether a feature is on. A limit is on if it is above 0.
    #[must_use]
    pub fn can(&self, feature: &str) -> bool {
        self.features.contains(feature) || self.limits.get(feature).is_some_and(|value| *value > 0)
    }

    /// Whether a plan, an included plan, the free plan, or a product is live.
    #[must_use]
    pub fn has(&self, plan_or_product: &str) -> bool {
        self.names.contains(plan_or_product)
    }

    /// The value of a limit. `None`: no live source sets it.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.limits.get(name).copied()
    }

    /// The features that are on.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(String::as_str)
    }

    /// The limits and their values.
    pub fn limits(&self) -> impl Iterator<Item = (&str, u64)> {
        self.limits.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The state of the best source.
    #[must_use]
    pub fn state(&self) -> AccessState {
        self.state
    }

    /// The end of the best source. `None`: no access.
    #[must_use]
    pub fn until(&self) -> Option<Until> {
        self.until
    }

    /// The reason of state and end.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Whether a live source renews.
    #[must_use]
    pub fn will_renew(&self) -> bool {
        self.will_renew
    }

    /// Whether the owner should pay for an existing subscription instead of buying a new one.
    #[must_use]
    pub fn recoverable(&self) -> bool {
        self.recoverable
    }

    /// Whether a payment is being processed.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.pending
    }

    /// The first time after the answer at which it differs, if no further fact arrives.
    #[must_use]
    pub fn next_change(&self) -> Option<Timestamp> {
        self.next_change
    }

    /// All sources, the best one first.
    #[must_use]
    pub fn sources(&self) -> &[AccessSource] {
        &self.sources
    }

    /// The best source of a plan, live or not.
    #[must_use]
    pub fn source_of(&self, plan: &str) -> Option<&AccessSource> {
        self.sources.iter().find(|source| source.plan.as_deref() == Some(plan))
    }

    /// The best subscription of a plan, live or not.
    #[must_use]
    pub fn subscription(&self, plan: &str) -> Option<&AccessSource> {
        self.subscriptions().find(|source| source.plan.as_deref() == Some(plan))
    }

    /// The subscriptions, the best one first.
    pub fn subscriptions(&self) -> impl Iterator<Item = &AccessSource> {
        self.sources.iter().filter(|source| matches!(source.kind, SourceKind::Subscription(_)))
    }

    /// The one-time purchases, the best one first.
    pub fn purchases(&self) -> impl Iterator<Item = &AccessSource> {
        self.sources.iter().filter(|source| matches!(source.kind, SourceKind::Purchase(_)))
    }

    /// The units of a one-time product in live purchases.
    #[must_use]
    pub fn units(&self, product: &str) -> u64 {
        let live = self.purchases().filter(|source| source.is_live());
        let of_product = live.filter(|source| source.product.as_deref() == Some(product));
        of_product.map(|source| u64::from(source.quantity)).sum()
    }

    /// The license keys, by id.
    #[must_use]
    pub fn licenses(&self) -> &[LicenseAccess] {
        &self.licenses
    }

    /// Returns the findings for a person.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the doubts that a request to Dodo Payments settles.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether two answers differ for the owner: in state, end, reason, plans, features, limits or
    /// valid licenses.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        let answer = |access: &Self| {
            (
                (access.state, access.until, access.reason.code),
                (access.recoverable, access.will_renew, access.pending),
            )
        };
        let valid = |access: &Self| {
            let valid = access.licenses.iter().filter(|key| key.is_valid);
            valid.map(|key| key.license_key_id.clone()).collect::<Vec<_>>()
        };
        answer(self) != answer(other)
            || self.names != other.names
            || self.features != other.features
            || self.limits != other.limits
            || valid(self) != valid(other)
    }
}
