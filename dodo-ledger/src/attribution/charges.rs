//! The resolved charges of a timeline, and the indexes by which later records find them.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{fact::Person, fact_kind::Charge, record::Record, step::is_direct};
use crate::attribution::StepReport;

/// A resolved charge, and the values that later charges inherit.
pub(super) struct ResolvedCharge<'a> {
    pub(super) charge: &'a Charge,
    pub(super) is_erased: bool,
    pub(super) record: Record,
    pub(super) reports: Vec<StepReport>,
    /// The start of the subscription, as far as the ledger knows it.
    pub(super) started_at: Timestamp,
    /// This charge or an earlier one of the subscription brought money.
    pub(super) is_paid: bool,
}

/// All resolved charges, sorted by time.
#[derive(Default)]
pub(super) struct Charges<'a> {
    all: Vec<ResolvedCharge<'a>>,
    by_payment: HashMap<&'a str, usize>,
    first: HashMap<&'a str, usize>,
    last: HashMap<&'a str, usize>,
    /// Per customer, the charges with a direct visitor.
    with_visitor: HashMap<&'a str, Vec<usize>>,
    /// Per customer, the charges with a direct campaign.
    with_campaign: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Charges<'a> {
    /// An empty list with capacity for `count` charges.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { all: Vec::with_capacity(count), ..Self::default() }
    }

    pub(super) fn push(&mut self, resolved: ResolvedCharge<'a>, person: Option<&'a Person>) {
        let at = self.all.len();
        self.by_payment.insert(&resolved.charge.payment_id, at);
        for id in &resolved.charge.subscription_ids {
            self.first.entry(id).or_insert(at);
            self.last.insert(id, at);
        }
        if let Some(customer) = person.and_then(|person| person.customer_id.as_deref()) {
            let record = &resolved.record.record;
            if record.visitor.as_ref().is_some_and(|found| is_direct(found.step)) {
                self.with_visitor.entry(customer).or_default().push(at);
            }
            if record.campaign.as_ref().is_some_and(|found| is_direct(found.step)) {
                self.with_campaign.entry(customer).or_default().push(at);
            }
        }
        self.all.push(resolved);
    }

    pub(super) fn for_payment(&self, payment_id: &str) -> Option<&ResolvedCharge<'a>> {
        self.all.get(*self.by_payment.get(payment_id)?)
    }

    pub(super) fn first_of(&self, subscription_id: &str) -> Option<&ResolvedCharge<'a>> {
        self.all.get(*self.first.get(subscription_id)?)
    }

    pub(super) fn last_of(&self, subscription_id: &str) -> Option<&ResolvedCharge<'a>> {
        self.all.get(*self.last.get(subscription_id)?)
    }

    /// The latest charges of a customer from `since` to `until` that have a direct visitor, and a direct
    /// campaign.
    pub(super) fn latest_direct(
        &self,
        customer: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> (Option<&Record>, Option<&Record>) {
        let latest = |index: &HashMap<&str, Vec<usize>>| {
            let for_customer = index.get(customer)?;
            let at = |n: &usize| self.all.get(*n).map(|resolved| resolved.charge.created_at);
            let count = for_customer.partition_point(|n| at(n) <= Some(until));
            let resolved = self.all.get(*for_customer.get(count.checked_sub(1)?)?)?;
            (resolved.charge.created_at >= since).then_some(&resolved.record)
        };
        (latest(&self.with_visitor), latest(&self.with_campaign))
    }

    pub(super) fn into_records(self) -> impl Iterator<Item = (Record, Vec<StepReport>)> {
        self.all.into_iter().map(|resolved| (resolved.record, resolved.reports))
    }
}
