//! A plan, and a product that is sold beside plans.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

/// A number of days.
#[must_use]
pub fn days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

/// The features and limits that a plan or product gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Benefits {
    pub(crate) features: BTreeSet<String>,
    /// A limit of the owner is the largest of these.
    pub(crate) limits: BTreeMap<String, u64>,
    /// These are multiplied by the quantity and added to the limit of the owner.
    pub(crate) additive: BTreeMap<String, u64>,
    /// The limit that is the quantity of the subscription.
    pub(crate) seats: Option<String>,
    /// Names of plans.
    pub(crate) includes: BTreeSet<String>,
    /// A limit that was declared twice.
    pub(crate) repeated: Option<String>,
}

impl Benefits {
    fn limit(&mut self, name: String, value: u64) {
        let known = self.additive.contains_key(&name) || self.seats.as_ref() == Some(&name);
        if self.limits.insert(name.clone(), value).is_some() || known {
            self.repeated = Some(name);
        }
    }

    fn additive(&mut self, name: String, value: u64) {
        let known = self.limits.contains_key(&name);
        if self.additive.insert(name.clone(), value).is_some() || known {
            self.repeated = Some(name);
        }
    }

    fn seats(&mut self, name: String) {
        if self.limits.contains_key(&name) || self.seats.is_some() {
            self.repeated = Some(name.clone());
        }
        self.seats = Some(name);
    }
}

/// A plan: one name for the products that sell it, and the features and limits that it gives.
///
/// Monthly and yearly prices, and old prices, are products of one plan. A product belongs to one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) products: Vec<String>,
    pub(crate) trial_once: bool,
    pub(crate) benefits: Benefits,
}

impl Plan {
    /// A plan with this name, such as `pro`.
    pub fn new(name: impl Into<String>) -> Self {
        let benefits = Benefits::default();
        Self { name: name.into(), products: Vec::new(), trial_once: false, benefits }
    }

    /// Adds a product of Dodo Payments that sells the plan: `pdt_...`.
    pub fn product(mut self, product_id: impl Into<String>) -> Self {
        self.products.push(product_id.into());
        self
    }

    /// Sells the plan without its trial to an owner who had a trial of any plan.
    pub fn trial_once(mut self) -> Self {
        self.trial_once = true;
        self
    }

    /// Switches a feature on.
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.benefits.features.insert(feature.into());
        self
    }

    /// Switches features on.
    pub fn features<T: Into<String>>(mut self, features: impl IntoIterator<Item = T>) -> Self {
        self.benefits.features.extend(features.into_iter().map(Into::into));
        self
    }

    /// Sets a limit. If several plans set it, the owner has the largest value.
    pub fn limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.benefits.limit(name.into(), value);
        self
    }

    /// Makes the quantity of the subscription a limit.
    pub fn seats(mut self, name: impl Into<String>) -> Self {
        self.benefits.seats(name.into());
        self
    }

    /// Includes everything that another plan gives.
    pub fn includes(mut self, plan: impl Into<String>) -> Self {
        self.benefits.includes.insert(plan.into());
        self
    }
}

/// A product that is sold beside plans: a one-time product, or an add-on of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SoldProduct {
    pub(crate) product: String,
    pub(crate) is_addon: bool,
    pub(crate) term: Option<SignedDuration>,
    pub(crate) benefits: Benefits,
}

impl SoldProduct {
    /// A product that is bought once: `pdt_...`. Default: access without an end.
    pub fn once(product_id: impl Into<String>) -> Self {
        let product = product_id.into();
        Self { product, is_addon: false, term: None, benefits: Benefits::default() }
    }

    /// An add-on of a subscription: `adn_...`. It gives access while its subscription does.
    pub fn addon(addon_id: impl Into<String>) -> Self {
        Self { is_addon: true, ..Self::once(addon_id) }
    }

    /// Ends the access of each purchase this long after its payment.
    pub fn term(mut self, term: SignedDuration) -> Self {
        self.term = Some(term);
        self
    }

    /// Switches a feature on.
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.benefits.features.insert(feature.into());
        self
    }

    /// Sets a limit. If several products set it, the owner has the largest value.
    pub fn limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.benefits.limit(name.into(), value);
        self
    }

    /// Adds to a limit, once for each unit: seat packs.
    pub fn additive_limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.benefits.additive(name.into(), value);
        self
    }

    /// Includes everything that a plan gives: a lifetime purchase of the plan.
    pub fn includes(mut self, plan: impl Into<String>) -> Self {
        self.benefits.includes.insert(plan.into());
        self
    }
}
