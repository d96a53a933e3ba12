//! All plans and products of an app, checked once.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dodo_core::attribution::DisputePolicy;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, ErrorKind},
    plan::{Benefits, Plan, SoldProduct},
    rules::{CancelNow, PartialRefund, Rules},
};

/// The plans, products and rules of an app. [`Plans::builder`] makes it.
#[derive(Clone, Debug)]
pub struct Plans {
    plans: BTreeMap<String, Plan>,
    /// The plan of each product.
    plan_of: BTreeMap<String, String>,
    products: BTreeMap<String, SoldProduct>,
    free: Option<String>,
    pub(crate) rules: Rules,
}

impl Plans {
    /// Starts a declaration.
    pub fn builder() -> PlansBuilder {
        PlansBuilder::default()
    }

    /// The name of the plan that a product sells.
    #[must_use]
    pub fn plan_of(&self, product_id: &str) -> Option<&str> {
        self.plan_of.get(product_id).map(String::as_str)
    }

    /// The products that sell a plan, in the order of their declaration.
    pub fn products_of(&self, plan: &str) -> impl Iterator<Item = &str> {
        self.plans.get(plan).into_iter().flat_map(|plan| &plan.products).map(String::as_str)
    }

    /// The product of a name: the first product of a plan, or a declared product itself. Add-ons are not
    /// sold alone.
    pub(crate) fn product_named<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let sold = self.products.get(name).filter(|sold| !sold.is_addon);
        self.plan_product(name).or(sold.map(|sold| &*sold.product))
    }

    /// The same, for a product that sells a plan.
    pub(crate) fn plan_product<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.products_of(name)
            .next()
            .or_else(|| self.plan_of.get_key_value(name).map(|(id, _)| &**id))
    }

    /// The features and limits that a plan gives, with those of the plans that it includes.
    pub(crate) fn gives<'a>(
        &'a self,
        plan: &'a str,
    ) -> (BTreeSet<&'a str>, BTreeMap<&'a str, u64>) {
        let (mut features, mut limits) = (BTreeSet::new(), BTreeMap::new());
        for benefits in self.with_included(plan).iter().filter_map(|n| self.benefits_of_plan(n)) {
            features.extend(benefits.features.iter().map(String::as_str));
            for (name, value) in &benefits.limits {
                let limit = limits.entry(name.as_str()).or_insert(0_u64);
                *limit = (*limit).max(*value);
            }
        }
        (features, limits)
    }

    /// The plans on sale that have a plan: itself, and those that include it.
    pub(crate) fn plans_with_plan<'a>(&'a self, plan: &'a str) -> impl Iterator<Item = &'a str> {
        let on_sale = self.plans.values().filter(|plan| !plan.products.is_empty());
        let names = on_sale.map(|plan| &*plan.name);
        names.filter(move |name| self.with_included(name).contains(plan))
    }

    /// The plans on sale that switch a feature on, or set this limit.
    pub(crate) fn plans_with_feature<'a>(
        &'a self,
        feature: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let on_sale = self.plans.values().filter(|plan| !plan.products.is_empty());
        on_sale.map(|plan| &*plan.name).filter(move |name| {
            let (features, limits) = self.gives(name);
            features.contains(feature) || limits.contains_key(feature)
        })
    }

    /// Whether a plan gives its trial to new owners only.
    pub(crate) fn has_trial_once(&self, plan: &str) -> bool {
        self.plans.get(plan).is_some_and(|plan| plan.trial_once)
    }

    /// The names of all plans.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }

    /// Names the declaration. Two declarations with other answers have other names.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(format!("{} {self:?}", env!("CARGO_PKG_VERSION")));
        URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default())
    }

    pub(crate) fn free(&self) -> Option<&str> {
        self.free.as_deref()
    }

    pub(crate) fn sold(&self, product_id: &str) -> Option<&SoldProduct> {
        self.products.get(product_id)
    }

    pub(crate) fn benefits_of_plan(&self, name: &str) -> Option<&Benefits> {
        self.plans.get(name).map(|plan| &plan.benefits)
    }

    /// A plan and all plans that it includes, directly and indirectly.
    pub(crate) fn with_included<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let (mut found, mut open) = (BTreeSet::new(), vec![name]);
        while let Some(name) = open.pop() {
            if found.insert(name) {
                let benefits = self.benefits_of_plan(name);
                open.extend(benefits.into_iter().flat_map(|b| &b.includes).map(String::as_str));
            }
        }
        found
    }
}

/// Declares plans, products and rules.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PlansBuilder {
    plans: Vec<Plan>,
    products: Vec<SoldProduct>,
    free: Option<String>,
    rules: Rules,
}

impl PlansBuilder {
    /// Adds a plan.
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }

    /// Adds the plan that every owner has. The last call wins.
    pub fn free_plan(mut self, plan: Plan) -> Self {
        self.free = Some(plan.name.clone());
        self.plan(plan)
    }

    /// Adds a one-time product or an add-on.
    pub fn product(mut self, product: SoldProduct) -> Self {
        self.products.push(product);
        self
    }

    /// Sets the access after a failed charge if Dodo Payments has no grace period. Default: 3 days.
    pub fn hold_grace(mut self, grace: SignedDuration) -> Self {
        self.rules.hold_grace = grace;
        self
    }

    /// Sets the access after the paid time while no event about the renewal has arrived. Default: 36 hours.
    ///
    /// Dodo Payments delivers an event for up to 27 h 35 min.
    pub fn renewal_slack(mut self, slack: SignedDuration) -> Self {
        self.rules.renewal_slack = slack;
        self
    }

    /// Sets the effect of a cancellation that ends a subscription now. Default: the paid time remains.
    pub fn cancel_now(mut self, rule: CancelNow) -> Self {
        self.rules.cancel_now = rule;
        self
    }

    /// Sets the effect of a partial refund. Default: access remains.
    pub fn partial_refund(mut self, rule: PartialRefund) -> Self {
        self.rules.partial_refund = rule;
        self
    }

    /// Sets when a dispute ends access. Default: when it is lost.
    pub fn disputes(mut self, policy: DisputePolicy) -> Self {
        self.rules.disputes = policy;
        self
    }

    /// Denies access to a new subscription until its first payment is confirmed. Default: access at once.
    pub fn strict_first_payment(mut self) -> Self {
        self.rules.strict_first_payment = true;
        self
    }

    /// Makes each `feature_flag` grant of Dodo Payments a feature. Default: off.
    pub fn features_from_dodo(mut self) -> Self {
        self.rules.features_from_dodo = true;
        self
    }

    /// Checks the declaration.
    ///
    /// # Errors
    /// The first wrong declaration: see [`ErrorKind`].
    pub fn build(self) -> Result<Plans, Error> {
        let (mut plans, mut plan_of) = (BTreeMap::new(), BTreeMap::new());
        for plan in self.plans {
            let subject = format!("plan {:?}", plan.name);
            check_name(&subject, "name", &plan.name)?;
            check_benefits(&subject, &plan.benefits)?;
            for product in &plan.products {
                check_id(&subject, product)?;
                if let Some(other) = plan_of.insert(product.clone(), plan.name.clone()) {
                    let text = format!(
                        "{subject}: {product} also sells plan {other:?}: remove it from one plan"
                    );
                    return Err(Error::new(ErrorKind::DeclaredTwice, text));
                }
            }
            if plans.insert(plan.name.clone(), plan).is_some() {
                let text = format!("{subject} is declared twice: remove or rename one");
                return Err(Error::new(ErrorKind::DeclaredTwice, text));
            }
        }
        let mut products = BTreeMap::new();
        for product in self.products {
            let subject = format!("product {}", product.product);
            check_id(&subject, &product.product)?;
            check_product(&subject, &product)?;
            let of_plan = plan_of.get(&product.product);
            let id = product.product.clone();
            if products.insert(id, product).is_some() || of_plan.is_some() {
                let plan = of_plan.map(|plan| format!(" in plan {plan:?}")).unwrap_or_default();
                let text = format!("{subject} is declared twice{plan}: remove one");
                return Err(Error::new(ErrorKind::DeclaredTwice, text));
            }
        }
        for (what, duration) in
            [("hold_grace", self.rules.hold_grace), ("renewal_slack", self.rules.renewal_slack)]
        {
            check_duration(what, duration)?;
        }
        let plans = Plans { plans, plan_of, products, free: self.free, rules: self.rules };
        check_includes(&plans)?;
        Ok(plans)
    }
}

fn check_name(subject: &str, field: &str, name: &str) -> Result<(), Error> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    let text =
        format!("{subject}: {field} {name:?} is not a name: use 1 to 64 of A-Z a-z 0-9 _ - .");
    Err(Error::new(ErrorKind::InvalidName, text))
}

fn check_id(subject: &str, id: &str) -> Result<(), Error> {
    dodo_core::ProductId::new(id).map(drop).map_err(|_| {
        let text = format!("{subject}: {id:?} is not an id: copy it from the Dodo dashboard");
        Error::new(ErrorKind::InvalidName, text)
    })
}

fn check_benefits(subject: &str, benefits: &Benefits) -> Result<(), Error> {
    for feature in &benefits.features {
        check_name(subject, "feature", feature)?;
    }
    for limit in benefits.limits.keys().chain(benefits.additive.keys()).chain(&benefits.seats) {
        check_name(subject, "limit", limit)?;
    }
    match &benefits.repeated {
        None => Ok(()),
        Some(limit) => {
            let text = format!("{subject}: limit {limit:?} is declared twice: remove one");
            Err(Error::new(ErrorKind::DeclaredTwice, text))
        }
    }
}

fn check_product(subject: &str, product: &SoldProduct) -> Result<(), Error> {
    check_benefits(subject, &product.benefits)?;
    if let Some(term) = product.term {
        check_duration(&format!("{subject}: term"), term)?;
    }
    if product.benefits == Benefits::default() {
        let text = format!("{subject} gives nothing: add a feature, a limit or a plan");
        return Err(Error::new(ErrorKind::Empty, text));
    }
    Ok(())
}

fn check_duration(what: &str, duration: SignedDuration) -> Result<(), Error> {
    if duration.is_negative() {
        let text = format!("{what} is negative: set zero or more");
        return Err(Error::new(ErrorKind::NegativeDuration, text));
    }
    Ok(())
}

fn check_includes(plans: &Plans) -> Result<(), Error> {
    let of_plans =
        plans.plans.values().map(|plan| (format!("plan {:?}", plan.name), &plan.benefits));
    let of_products =
        plans.products.values().map(|sold| (format!("product {}", sold.product), &sold.benefits));
    for (subject, benefits) in of_plans.chain(of_products) {
        if let Some(unknown) = benefits.includes.iter().find(|n| !plans.plans.contains_key(*n)) {
            let text = format!("{subject} includes unknown plan {unknown:?}: declare it");
            return Err(Error::new(ErrorKind::UnknownPlan, text));
        }
    }
    for plan in plans.plans.values() {
        let included = plan.benefits.includes.iter();
        if included.map(|name| plans.with_included(name)).any(|all| all.contains(&*plan.name)) {
            let text = format!("plan {:?} includes itself: remove one `includes`", plan.name);
            return Err(Error::new(ErrorKind::IncludeCycle, text));
        }
    }
    Ok(())
}
