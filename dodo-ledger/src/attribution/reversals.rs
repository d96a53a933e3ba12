//! The reversals of one payment: refunds, lost disputes, and reversals of these.
//!
//! All reversals of a payment are allocated together and in time order, so that their total never
//! exceeds the payment, and so that the order of deliveries has no effect.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dodo_core::{
    attribution::{DisputePolicy, RecordKind},
    money::{Currency, Money},
};
use jiff::Timestamp;

use super::{
    allocation::{Balance, ReversalRequest, take},
    fact::Fact,
    fact_kind::{Dispute, DisputeStep, FactKind},
    objects::Objects,
};
use crate::attribution::Rules;

/// One change of the balance of a payment.
pub(super) struct BalanceChange<'a> {
    pub(super) id: String,
    at: Timestamp,
    pub(super) fact: &'a Fact,
    pub(super) kind: RecordKind,
    effect: Effect,
}

enum Effect {
    Takes(ReversalRequest),
    /// Reverses another change. `holds`: no later step reverses it again.
    Reverses {
        id: String,
        holds: bool,
    },
}

/// The allocated amount of one change, and its flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reversal {
    /// Negative for money that leaves. `None`: the amount is unknown.
    pub(super) money: Option<Money>,
    pub(super) parent_missing: bool,
    pub(super) currency_mismatch: bool,
    pub(super) amount_unknown: bool,
    /// The demanded minor units beyond the rest of the payment.
    pub(super) excess: Option<i64>,
    /// Another change reverses this one.
    pub(super) reversed: bool,
}

/// All changes by payment, each list in time order.
pub(super) fn balance_changes<'a>(
    objects: &Objects<'a>,
    rules: &Rules,
) -> BTreeMap<&'a str, Vec<BalanceChange<'a>>> {
    let mut all: BTreeMap<&str, Vec<BalanceChange<'_>>> = BTreeMap::new();
    let refunds = objects.refunds.iter();
    let refunds = refunds
        .flat_map(|(id, fact)| refund_changes(fact, objects.refund_failures.get(id).copied()));
    let disputes =
        objects.disputes.iter().flat_map(|(id, steps)| dispute_changes(rules, id, steps));
    for change in refunds.chain(disputes) {
        let payment = change.fact.reversed_payment().unwrap_or_default();
        all.entry(payment).or_default().push(change);
    }
    for changes in all.values_mut() {
        changes.sort_by(|a, b| a.order().cmp(&b.order()));
    }
    all
}

impl BalanceChange<'_> {
    /// By time. A reversal comes after the change that it reverses.
    fn order(&self) -> (Timestamp, bool, &str) {
        (self.at, matches!(self.effect, Effect::Reverses { .. }), &self.id)
    }
}

/// A refund, and its failure if that came after the success.
fn refund_changes<'a>(fact: &'a Fact, failure: Option<&'a Fact>) -> Vec<BalanceChange<'a>> {
    let FactKind::Refund(refund) = &fact.kind else { return Vec::new() };
    let id = format!("refund:{}", refund.refund_id);
    let request = ReversalRequest {
        amount: refund.amount,
        currency: refund.currency,
        remaining: !refund.partial,
    };
    let failed = failure.filter(|failed| failed.moment() > fact.moment());
    let failed = failed.map(|failed| BalanceChange {
        id: format!("{id}:reversal"),
        at: failed.occurred_at.max(fact.occurred_at),
        fact: failed,
        kind: RecordKind::RefundReversal,
        effect: Effect::Reverses { id: id.clone(), holds: true },
    });
    let kind = RecordKind::Refund { partial: refund.partial };
    let effect = Effect::Takes(request);
    let taken = BalanceChange { id, at: fact.occurred_at, fact, kind, effect };
    std::iter::once(taken).chain(failed).collect()
}

/// A dispute: at most one loss, and at most one reversal of it.
fn dispute_changes<'a>(rules: &Rules, id: &str, steps: &[&'a Fact]) -> Vec<BalanceChange<'a>> {
    fn dispute(fact: &Fact) -> Option<(&Fact, &Dispute)> {
        match &fact.kind {
            FactKind::Dispute(dispute) => Some((fact, dispute)),
            _ => None,
        }
    }
    let is_loss = |dispute: &Dispute| {
        dispute.step == DisputeStep::Lost
            || (rules.disputes == DisputePolicy::OnOpen && dispute.step == DisputeStep::Opened)
    };
    let steps: Vec<_> = steps.iter().filter_map(|fact| dispute(fact)).collect();
    let first = steps.iter().position(|(_, dispute)| is_loss(dispute));
    let Some([(fact, lost), after @ ..]) = first.and_then(|first| steps.get(first..)) else {
        return Vec::new();
    };
    let rdr = steps.iter().any(|(_, d)| d.rdr && d.step == DisputeStep::Lost);
    let amount = lost.amount.as_ref().zip(lost.currency);
    let amount =
        amount.and_then(|(text, currency)| text.to_minor_units(rules.exponent_of(currency)));
    let loss = BalanceChange {
        id: format!("dispute:{id}:loss"),
        at: fact.occurred_at,
        fact,
        kind: RecordKind::DisputeLoss { rdr },
        effect: Effect::Takes(ReversalRequest {
            amount,
            currency: lost.currency.filter(|_| amount.is_some()),
            remaining: false,
        }),
    };
    let decides = |d: &Dispute| matches!(d.step, DisputeStep::Won | DisputeStep::Lost);
    let last = after.iter().rev().find(|(_, d)| decides(d));
    let holds = last.is_some_and(|(_, d)| d.step == DisputeStep::Won);
    let won = after.iter().find(|(_, d)| d.step == DisputeStep::Won);
    let reversal = won.map(|(fact, _)| BalanceChange {
        id: format!("dispute:{id}:reversal"),
        at: fact.occurred_at,
        fact,
        kind: RecordKind::DisputeReversal,
        effect: Effect::Reverses { id: loss.id.clone(), holds },
    });
    std::iter::once(loss).chain(reversal).collect()
}

/// Allocates the changes of a payment in order.
///
/// A reversed change takes nothing from later changes: each change is compared to the rest before it,
/// so a reversal changes no booked amount. `ignored` names changes that take nothing at all.
pub(super) fn allocate(
    rules: &Rules,
    paid: Option<Balance>,
    changes: &[BalanceChange<'_>],
    ignored: impl Fn(&str) -> bool,
) -> Vec<Reversal> {
    let reversed: BTreeSet<&str> = changes
        .iter()
        .filter_map(|change| match &change.effect {
            Effect::Reverses { id, holds: true } => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let exponent = |currency: Currency| rules.exponent_of(currency);
    let mut balance = paid;
    let mut taken: HashMap<&str, Option<Money>> = HashMap::new();
    let mut reversals = Vec::new();
    for change in changes {
        let is_reversed = reversed.contains(change.id.as_str());
        let mut reversal = match &change.effect {
            Effect::Takes(request) => {
                let mut copy = balance;
                let takes_nothing = is_reversed || ignored(&change.id);
                let balance = if takes_nothing { &mut copy } else { &mut balance };
                take(balance.as_mut(), *request, exponent)
            }
            Effect::Reverses { id, holds } => {
                let money = taken.get(id.as_str()).copied().flatten();
                let zero = |m: Money| Money::new(0, None, m.currency).with_exponent(m.exponent);
                let money = money.map(|m| if *holds { m.negated() } else { zero(m) });
                let parent_missing = balance.is_none();
                Reversal {
                    money,
                    parent_missing,
                    amount_unknown: money.is_none(),
                    ..Reversal::default()
                }
            }
        };
        reversal.reversed = is_reversed;
        taken.insert(&change.id, reversal.money);
        reversals.push(reversal);
    }
    reversals
}
