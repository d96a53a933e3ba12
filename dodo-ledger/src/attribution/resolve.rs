//! From a timeline to its records: a pure function of the facts and the rules.
//!
//! Charges come first, sorted by time: each uses only the charges before it. Reversals follow, then
//! starts and ends of subscriptions. Both use only charges.

use std::collections::HashMap;

use dodo_core::{
    attribution::RecordKind,
    internals::{ChargeFacts, ChargeHistory, Classified, classify},
};
use jiff::Timestamp;

use super::{
    allocation::Balance,
    attribute::{Lineage, Target},
    charges::{Charges, ResolvedCharge},
    fact::Fact,
    fact_kind::Charge,
    objects::Objects,
    record::{self, Record, RecordState},
    reversals::{self, BalanceChange, Reversal},
    subscription::SubscriptionHistory,
    timeline::{Identity, Timeline},
};
use crate::attribution::{RenewalCredit, Rules, StepReason, StepReport};

/// The records of a group.
#[must_use]
pub fn resolve(timeline: &Timeline, rules: &Rules) -> Vec<Record> {
    let resolved = Resolver::new(timeline, rules, false).run();
    resolved.into_iter().map(|(record, _)| record).collect()
}

/// The same records, each with the report of every step.
#[must_use]
pub fn explain(timeline: &Timeline, rules: &Rules) -> Vec<(Record, Vec<StepReport>)> {
    Resolver::new(timeline, rules, true).run()
}

pub(super) struct Resolver<'a> {
    pub(super) objects: Objects<'a>,
    pub(super) rules: &'a Rules,
    pub(super) identities: &'a HashMap<[u8; 32], Identity>,
    pub(super) trace: bool,
}

type Resolved = (Record, Vec<StepReport>);

impl<'a> Resolver<'a> {
    fn new(timeline: &'a Timeline, rules: &'a Rules, trace: bool) -> Self {
        let objects = Objects::from_timeline(timeline);
        Self { objects, rules, identities: &timeline.identities, trace }
    }

    fn run(&self) -> Vec<Resolved> {
        let mut charges = Charges::with_capacity(self.objects.charges.len());
        for (fact, charge) in &self.objects.charges {
            let resolved = self.charge(&charges, fact, charge);
            charges.push(resolved, self.objects.person(fact));
        }
        let mut others = Vec::new();
        for (payment, changes) in reversals::balance_changes(&self.objects, self.rules) {
            others.extend(self.reversals(&charges, payment, &changes));
        }
        for (id, history) in &self.objects.subscriptions {
            let facts = history.started.into_iter().chain(history.ended);
            others.extend(facts.filter_map(|fact| self.lifecycle(&charges, id, history, fact)));
        }
        let mut all: Vec<Resolved> = charges.into_records().chain(others).collect();
        for (record, _) in &mut all {
            if self.is_void(record.id()) {
                *record = record.clone().without_money(RecordState::Void);
            }
        }
        for nth in first_charges(&all) {
            if let Some((record, _)) = all.get_mut(nth) {
                record.is_first = true;
            }
        }
        all
    }

    fn is_void(&self, record_id: &str) -> bool {
        self.objects.voids.contains_key(record_id)
    }

    fn charge(
        &self,
        charges: &Charges<'a>,
        fact: &'a Fact,
        charge: &'a Charge,
    ) -> ResolvedCharge<'a> {
        let ids = || charge.subscription_ids.iter().map(String::as_str);
        let previous: Vec<_> = ids().filter_map(|id| charges.last_of(id)).collect();
        let subscriptions: Vec<_> =
            ids().map(|id| (id, self.objects.subscriptions.get(id))).collect();
        let known = || subscriptions.iter().filter_map(|(_, history)| *history);
        let paid_before = previous.iter().any(|resolved| resolved.is_paid);
        let class = classified(charge, paid_before, known());

        let began = previous.iter().map(|resolved| resolved.started_at);
        let created = known().filter_map(SubscriptionHistory::created_at);
        let started_at = began.chain(created).fold(charge.created_at, Timestamp::min);
        let person = self.objects.person(fact);
        let blocked = match person {
            None => Some(StepReason::Forgotten),
            Some(_) => self.without_credit(&class.kind, charge, started_at),
        };
        let plans = known().filter_map(|history| history.product_at(charge.created_at));
        let plans: Vec<&str> = plans.collect();
        let target = Target {
            fact,
            person,
            as_of: charge.created_at,
            session: charge.session_id.as_deref(),
            payment: Some(&charge.payment_id),
            subscriptions,
            lineage: Lineage::Previous(previous.iter().map(|resolved| &resolved.record).collect()),
            blocked,
        };
        let (found, reports) = self.attribute(charges, &target);
        let is_paid = paid_before || class.kind.is_charge();
        let plans = plans.into_iter();
        let record = record::charge_record(self.rules, (fact, charge), person, class, plans, found);
        let is_erased = person.is_none();
        ResolvedCharge { charge, is_erased, record, reports, started_at, is_paid }
    }

    /// The reason why a charge of this kind gives no credit.
    fn without_credit(
        &self,
        kind: &RecordKind,
        charge: &Charge,
        started_at: Timestamp,
    ) -> Option<StepReason> {
        if !matches!(kind, RecordKind::SubscriptionRenewal) {
            return None;
        }
        let age = charge.created_at.duration_since(started_at);
        let has_credit = match self.rules.renewal_credit {
            RenewalCredit::Always => true,
            RenewalCredit::Never => false,
            RenewalCredit::Within(days) => age.as_hours() < 24 * (i64::from(days) + 1),
        };
        (!has_credit).then_some(StepReason::RenewalNotCredited)
    }

    /// The records of all changes of the balance of a payment.
    fn reversals(
        &self,
        charges: &Charges<'a>,
        payment: &str,
        changes: &[BalanceChange<'a>],
    ) -> Vec<Resolved> {
        let parent = charges.for_payment(payment);
        let balance = parent.map(|parent| {
            let money = record::money(self.rules, parent.charge);
            // A payment without revenue and a void payment have no amount to reverse.
            let counts = parent.record.record.kind.is_charge() && !self.is_void(parent.record.id());
            Balance { money, remaining: if counts { money.gross.max(0) } else { 0 } }
        });
        let allocated =
            reversals::allocate(self.rules, balance, changes, |record| self.is_void(record));
        let all = changes.iter().zip(allocated);
        all.map(|(change, reversal)| self.reversal(charges, change, reversal, parent)).collect()
    }

    fn reversal(
        &self,
        charges: &Charges<'a>,
        change: &BalanceChange<'a>,
        reversal: Reversal,
        parent: Option<&ResolvedCharge<'a>>,
    ) -> Resolved {
        let fact = change.fact;
        let person = self.objects.person(fact);
        let blocked = if person.is_none() || parent.is_some_and(|parent| parent.is_erased) {
            Some(StepReason::Forgotten)
        } else {
            // A reversal of a charge without credit has no credit either.
            parent.and_then(|parent| {
                let kind = &parent.record.record.kind;
                self.without_credit(kind, parent.charge, parent.started_at)
            })
        };
        let target = Target {
            fact,
            person,
            as_of: parent.map_or(fact.occurred_at, |parent| parent.charge.created_at),
            session: None,
            payment: None,
            subscriptions: Vec::new(),
            lineage: Lineage::Parent(parent.map(|parent| &parent.record)),
            blocked,
        };
        let (found, reports) = self.attribute(charges, &target);
        let parent = parent.map(|parent| &parent.record);
        let (id, kind) = (change.id.clone(), change.kind.clone());
        (record::reversal_record(id, kind, fact, person, reversal, parent, found), reports)
    }

    fn lifecycle(
        &self,
        charges: &Charges<'a>,
        id: &str,
        history: &SubscriptionHistory<'a>,
        fact: &'a Fact,
    ) -> Option<Resolved> {
        let first = charges.first_of(id);
        let person = self.objects.person(fact);
        let target = Target {
            fact,
            person,
            as_of: fact.occurred_at,
            session: None,
            payment: None,
            subscriptions: vec![(id, Some(history))],
            lineage: Lineage::FirstCharge(first.map(|first| &first.record)),
            blocked: person.is_none().then_some(StepReason::Forgotten),
        };
        let (found, reports) = self.attribute(charges, &target);
        Some((record::lifecycle_record(fact, person, first.is_some(), found)?, reports))
    }
}

/// The places of the earliest charge of each customer. An erased customer has no id: all erased charges of a
/// group count as those of one customer.
fn first_charges(records: &[Resolved]) -> Vec<usize> {
    let mut first: HashMap<Option<&str>, (usize, (Timestamp, &str))> = HashMap::new();
    for (nth, (record, _)) in records.iter().enumerate() {
        let customer = record.record.customer_id.as_deref();
        let counts = record.record.kind.is_charge() && record.state == RecordState::Valid;
        if !counts || (customer.is_none() && record.reason != Some(StepReason::Forgotten)) {
            continue;
        }
        let order = (record.record.occurred_at, record.id());
        let known = first.entry(customer).or_insert((nth, order));
        if order < known.1 {
            *known = (nth, order);
        }
    }
    first.into_values().map(|(nth, _)| nth).collect()
}

fn classified<'a, 'b: 'a>(
    charge: &Charge,
    paid_before: bool,
    subscriptions: impl Iterator<Item = &'a SubscriptionHistory<'b>>,
) -> Classified {
    let mut stated = ChargeFacts::default();
    stated.made_at = charge.created_at;
    stated.total = charge.total;
    stated.subscription_ids.clone_from(&charge.subscription_ids);
    stated.multi_subscription = charge.multi_subscription;
    stated.card_update = charge.card_update;
    stated.retry_attempt = charge.retry_attempt;
    stated.charge_type.clone_from(&charge.charge_type);
    let mut history = ChargeHistory::default();
    history.paid_before = paid_before;
    history.subscriptions =
        subscriptions.map(|history| history.at_charge(charge.created_at)).collect();
    classify(&stated, &history)
}
