//! All sources of an owner, and the answer at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    access::Access,
    check::{Check, CheckCause, Problem},
    fact::{AppDecision, BillingFact, GrantFact},
    grant::{DodoGrant, app_grant},
    history::History,
    license::License,
    payment::Payment,
    plans::Plans,
    purchase::Purchase,
    source::{AccessSource, SourceKind},
    subscription::SubscriptionFold,
};

/// The folded facts of one owner.
pub(crate) struct Holdings<'a> {
    subscriptions: Vec<SubscriptionFold<'a>>,
    payments: BTreeMap<&'a str, Payment<'a>>,
    purchases: Vec<Purchase<'a>>,
    grants: Vec<DodoGrant<'a>>,
    licenses: Vec<License<'a>>,
    app_grants: BTreeMap<&'a str, &'a AppDecision>,
    blocked: Option<Timestamp>,
}

impl<'a> Holdings<'a> {
    pub(crate) fn new(facts: &'a [BillingFact], plans: &Plans) -> Self {
        let mut history = History::new(facts, &plans.rules);
        let ids = history.subscription_ids();
        let subscriptions: Vec<_> =
            ids.into_iter().map(|id| SubscriptionFold::new(id, &mut history, plans)).collect();
        let licenses = licenses(&history);
        let grants = if plans.rules.features_from_dodo { history.grants } else { BTreeMap::new() };
        let grants = grants.into_iter();
        let grants = grants.filter_map(|(id, steps)| DodoGrant::new(id, &steps, &subscriptions));
        let payments = history.payments.values();
        let purchases = payments
            .flat_map(|payment| Purchase::from_payment(payment, &subscriptions, plans))
            .collect();
        Self {
            purchases,
            grants: grants.collect(),
            licenses,
            subscriptions,
            payments: history.payments,
            app_grants: history.app_grants,
            blocked: history.blocked,
        }
    }

    /// The answer at a time, with the time of the next answer that differs.
    pub(crate) fn access(&self, plans: &Plans, now: Timestamp) -> Access {
        let mut access = self.at(plans, now);
        let mut boundaries = self.boundaries(plans);
        boundaries.retain(|at| *at > now);
        boundaries.sort_unstable();
        boundaries.dedup();
        let mut changes = boundaries.into_iter();
        access.next_change = changes.find(|at| self.at(plans, *at).differs_from(&access));
        access
    }

    fn at(&self, plans: &Plans, now: Timestamp) -> Access {
        let mut sources = Vec::new();
        let mut checks = Vec::new();
        let mut problems = Vec::new();
        let mut pending = self.payments.values().any(Payment::is_processing);
        for subscription in &self.subscriptions {
            let (source, its_checks, is_contradictory, is_pending) =
                judge_subscription(subscription, plans, now);
            checks.extend(its_checks);
            pending |= is_pending;
            let subscription_id = subscription.id.to_owned();
            if is_contradictory {
                problems.push(Problem::Contradiction { subscription_id: subscription_id.clone() });
            }
            if subscription.is_refunded_but_billed() {
                problems.push(Problem::RefundedButBilled { subscription_id });
                checks.extend(check_once(subscription, CheckCause::RefundedButBilled));
            }
            sources.push(source);
        }
        self.find_duplicates(&sources, &mut problems, &mut checks);
        for purchase in &self.purchases {
            sources.push(purchase.source(plans, now));
        }
        for payment in self.payments.values().filter(|p| p.partly_refunded && p.items.len() > 1) {
            problems.push(Problem::PartialRefund { payment_id: payment.id.to_owned() });
        }
        let grants = self.grants.iter();
        let grants =
            grants.map(|grant| grant.source(origin(&sources, grant.subscription, grant.payment)));
        let grants: Vec<_> = grants.collect();
        let licenses = self.licenses.iter();
        let licenses = licenses
            .map(|key| key.access(origin(&sources, key.subscription, key.payment), now))
            .collect();
        sources.extend(grants);
        sources.extend(self.app_grants.iter().filter_map(|(id, grant)| app_grant(id, grant, now)));
        let mut access = Access::join(sources, plans, self.blocked);
        (access.licenses, access.pending) = (licenses, pending);
        problems.sort();
        checks.sort();
        (access.problems, access.checks) = (problems, checks);
        access
    }

    fn find_duplicates(
        &self,
        sources: &[AccessSource],
        problems: &mut Vec<Problem>,
        checks: &mut Vec<Check>,
    ) {
        let mut by_plan: BTreeMap<&str, Vec<&SubscriptionFold<'_>>> = BTreeMap::new();
        for (source, subscription) in sources.iter().zip(&self.subscriptions) {
            if let Some(plan) = source.plan.as_deref().filter(|_| source.is_live()) {
                by_plan.entry(plan).or_default().push(subscription);
            }
        }
        for (plan, subscriptions) in by_plan.into_iter().filter(|(_, list)| list.len() > 1) {
            problems.push(Problem::DuplicateSubscriptions { plan: plan.to_owned() });
            let check =
                |s: &&SubscriptionFold<'_>| check_once(s, CheckCause::DuplicateSubscription);
            checks.extend(subscriptions.iter().filter_map(check));
        }
    }

    /// The times at which the answer can change.
    fn boundaries(&self, plans: &Plans) -> Vec<Timestamp> {
        let subscriptions = self.subscriptions.iter().flat_map(|s| s.boundaries(&plans.rules));
        let purchases = self.purchases.iter().filter_map(|purchase| purchase.ends_at);
        let licenses = self.licenses.iter().filter_map(|key| key.expires_at);
        let grants = self.app_grants.values().filter_map(|decision| match decision {
            AppDecision::GrantPlan { until, .. } => *until,
            _ => None,
        });
        subscriptions.chain(purchases).chain(licenses).chain(grants).collect()
    }
}

/// The source of a subscription, its checks, whether it is contradictory, and whether it is pending.
fn judge_subscription(
    subscription: &SubscriptionFold<'_>,
    plans: &Plans,
    now: Timestamp,
) -> (AccessSource, Vec<Check>, bool, bool) {
    let ruling = subscription.judge(&plans.rules, now);
    let checks = subscription.checks(&ruling);
    let is_contradictory = subscription.is_contradictory(&ruling);
    let kind = SourceKind::Subscription(subscription.id.to_owned());
    let is_estimated = subscription.is_estimated();
    let source = AccessSource {
        product: subscription.product.map(str::to_owned),
        plan: subscription.product.and_then(|id| plans.plan_of(id)).map(str::to_owned),
        quantity: subscription.quantity,
        price: subscription.price.clone(),
        addons: subscription.addons.to_vec(),
        until: ruling.until,
        ended_at: ruling.ended_at,
        recoverable: ruling.recoverable,
        will_renew: ruling.state.is_live() && subscription.renews(),
        remaining: ruling.remaining,
        estimated: is_estimated,
        scheduled_change: subscription.scheduled_change.cloned(),
        ..AccessSource::new(kind, ruling.state, ruling.reason)
    };
    (source, checks, is_contradictory, ruling.pending)
}

/// A check of a finding. The next API response settles it.
fn check_once(subscription: &SubscriptionFold<'_>, cause: CheckCause) -> Option<Check> {
    let due_at = subscription.last_at.filter(|_| !subscription.is_checked)?;
    Some(Check { subscription_id: subscription.id.to_owned(), cause, due_at })
}

/// The best source of a subscription, or else of a payment.
fn origin<'b>(
    sources: &'b [AccessSource],
    subscription: Option<&str>,
    payment: Option<&str>,
) -> Option<&'b AccessSource> {
    let best = |is_it: &dyn Fn(&SourceKind) -> bool| {
        sources.iter().filter(|s| is_it(&s.kind)).min_by(|a, b| a.rank().cmp(&b.rank()))
    };
    let is_subscription = |kind: &SourceKind| matches!(kind, SourceKind::Subscription(id) if Some(&**id) == subscription);
    let is_payment =
        |kind: &SourceKind| matches!(kind, SourceKind::Purchase(id) if Some(&**id) == payment);
    best(&is_subscription).or_else(|| best(&is_payment))
}

/// Each license key that its own event or a grant names.
fn licenses<'a>(history: &History<'a>) -> Vec<License<'a>> {
    let mut keys: BTreeMap<&str, Vec<(Timestamp, &GrantFact)>> =
        history.licenses.keys().map(|id| (*id, Vec::new())).collect();
    for (at, grant) in history.grants.values().flatten() {
        if let Some(id) = grant.license_key_id.as_deref() {
            keys.entry(id).or_default().push((*at, grant));
        }
    }
    let facts = |id| history.licenses.get(id).map(Vec::as_slice).unwrap_or_default();
    keys.into_iter().map(|(id, grants)| License::new(id, facts(id), &grants)).collect()
}
