//! What went back of one payment: refunds, disputes, and what took them back again.
//!
//! All of it is settled together and in the order in which it happened, so that the total never
//! exceeds what was paid, and so that a payment that arrives after its refund puts the refund right.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{
    attribution::{DisputePolicy, RecordKind},
    money::Money,
};
use jiff::Timestamp;

use super::{
    booking::Desk,
    chain::{self, Kin, Resolution, Subject},
    derive::not_credited,
    entry::{Class, Derived, Entry, Link, Position, charge_id},
    evidence::{Dispute, DisputeStep, Evidence, What},
    facts,
    history::{Find, History},
    known::Known,
    money::{Back, Demand, Paid, take},
    record,
    report::Reason,
    rules::Rules,
};
use crate::error::Error;

/// One movement of money back, or back again.
#[derive(Clone, Debug)]
pub(super) struct Movement {
    pub(super) id: String,
    /// When it happened.
    at: Timestamp,
    pub(super) evidence: Evidence,
    pub(super) kind: RecordKind,
    effect: Effect,
}

#[derive(Clone, Debug)]
enum Effect {
    Takes(Demand),
    /// Undoes another movement; not if that came back later still.
    Undoes {
        id: String,
        stands: bool,
    },
}

/// The payment that something went back from.
pub(super) fn payment_of(what: &What) -> Option<String> {
    match what {
        What::Refund(refund) => Some(refund.payment_id.clone()),
        What::RefundFailed { payment_id, .. } => Some(payment_id.clone()),
        What::Dispute(dispute) => Some(dispute.payment_id.clone()),
        _ => None,
    }
}

impl<H: History> Desk<'_, H> {
    /// Settles everything that went back of a payment.
    pub(super) async fn settle(&mut self, payment_id: &str) -> Result<(), Error> {
        let (mine, others) = std::mem::take(&mut self.fresh)
            .into_iter()
            .partition(|(_, evidence)| payment_of(&evidence.what).as_deref() == Some(payment_id));
        self.fresh = others;
        for (new, _) in derive_settlement(self.rules, self.history, payment_id, mine).await? {
            let old = self.history.entry(&new.id).await?;
            self.replace(old, new).await?;
        }
        Ok(())
    }
}

/// The entries of everything that went back of a payment, in the order in which it happened.
pub(super) async fn derive_settlement<H: History>(
    rules: &Rules,
    history: &mut H,
    payment_id: &str,
    fresh: BTreeMap<String, Evidence>,
) -> Result<Vec<(Entry, Resolution)>, Error> {
    let movements = movements(rules, history, payment_id, fresh).await?;
    if movements.is_empty() {
        return Ok(Vec::new());
    }
    let parent = history.entry(&charge_id(payment_id)).await?;
    let undone = undone(&movements);
    let backs = walk(rules, parent.as_ref(), &movements, &undone);
    let mut entries = Vec::new();
    for (movement, back) in movements.into_iter().zip(backs) {
        let reversed = undone.contains(&movement.id);
        let (mut entry, attributed) =
            derive_movement(rules, history, movement, parent.as_ref(), back).await?;
        entry.record.flags.reversed = reversed;
        entries.push((entry, attributed));
    }
    Ok(entries)
}

/// Everything that moved, in the order in which it happened.
async fn movements<H: History>(
    rules: &Rules,
    history: &mut H,
    payment_id: &str,
    fresh: BTreeMap<String, Evidence>,
) -> Result<Vec<Movement>, Error> {
    let find = Find::links([Link::Payment(payment_id.to_owned())]).class(Class::Reversal);
    let stored = history.find(&find).await?;
    let mut refunds: BTreeMap<String, Evidence> = BTreeMap::new();
    let mut disputes: BTreeSet<String> = BTreeSet::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    // What is fresh comes last, in place of what it replaces.
    for evidence in stored.into_iter().map(|entry| entry.evidence).chain(fresh.into_values()) {
        match &evidence.what {
            What::RefundFailed { refund_id, .. } => {
                failed.insert(refund_id.clone());
            }
            What::Refund(refund) => {
                refunds.insert(refund.refund_id.clone(), evidence);
            }
            What::Dispute(dispute) => {
                disputes.insert(dispute.dispute_id.clone());
            }
            _ => {}
        }
    }
    let failures = refunds.keys().map(|id| facts::key("refund_failed", id));
    let keys: Vec<String> =
        failures.chain(disputes.iter().map(|id| facts::key("dispute", id))).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut facts = history.facts(&keys).await?.into_iter();
    let mut movements = Vec::new();
    for (id, evidence) in refunds {
        let failure = facts::read::<Evidence>(facts.next().flatten().as_ref())?;
        movements.extend(of_refund(&id, evidence, failure, failed.contains(&id)));
    }
    for id in disputes {
        let steps = facts::read::<Vec<Evidence>>(facts.next().flatten().as_ref())?;
        movements.extend(of_dispute(rules.disputes, &id, &steps.unwrap_or_default()));
    }
    movements.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(movements)
}

impl Movement {
    /// By time; what undoes comes after what it undoes.
    fn order(&self) -> (Timestamp, bool, &str) {
        let undoes = matches!(self.effect, Effect::Undoes { .. });
        (self.at, undoes, &self.id)
    }
}

/// A refund, and its failure if that came after the success. A failure that was booked, and of which it
/// turned out that it came before, stays as nothing.
fn of_refund(
    id: &str,
    evidence: Evidence,
    failure: Option<Evidence>,
    is_booked: bool,
) -> Vec<Movement> {
    let What::Refund(refund) = &evidence.what else { return Vec::new() };
    let demand =
        Demand { amount: refund.amount, currency: refund.currency, whole: !refund.partial };
    let key = format!("refund:{id}");
    let at = evidence.origin.occurred_at;
    let undone = failure.and_then(|failure| {
        let stands = failure.origin.moment() > evidence.origin.moment();
        (stands || is_booked).then(|| Movement {
            id: format!("{key}:reversal"),
            at: failure.origin.occurred_at.max(at),
            evidence: failure,
            kind: RecordKind::RefundReversal,
            effect: Effect::Undoes { id: key.clone(), stands },
        })
    });
    let kind = RecordKind::Refund { partial: refund.partial };
    let taken = Movement { id: key, at, kind, effect: Effect::Takes(demand), evidence };
    std::iter::once(taken).chain(undone).collect()
}

/// A dispute by its steps, oldest first: at most one loss, and at most one reversal of it.
fn of_dispute(policy: DisputePolicy, id: &str, steps: &[Evidence]) -> Vec<Movement> {
    let dispute = |evidence: &Evidence| match &evidence.what {
        What::Dispute(dispute) => Some(dispute.clone()),
        _ => None,
    };
    let is_loss = |dispute: &Dispute| {
        dispute.step == DisputeStep::Lost
            || (policy == DisputePolicy::OnOpen && dispute.step == DisputeStep::Opened)
    };
    let steps: Vec<(&Evidence, Dispute)> =
        steps.iter().filter_map(|evidence| Some((evidence, dispute(evidence)?))).collect();
    let Some(first) = steps.iter().position(|(_, dispute)| is_loss(dispute)) else {
        return Vec::new();
    };
    let (lost, after) = match steps.get(first..) {
        Some([lost, after @ ..]) => (lost, after),
        _ => return Vec::new(),
    };
    let rdr = steps.iter().any(|(_, dispute)| dispute.rdr && dispute.step == DisputeStep::Lost);
    let demand = Demand { amount: lost.1.amount, currency: lost.1.currency, whole: false };
    let key = format!("dispute:{id}:loss");
    let loss = Movement {
        id: key.clone(),
        at: lost.0.origin.occurred_at,
        evidence: lost.0.clone(),
        kind: RecordKind::DisputeLoss { rdr },
        effect: Effect::Takes(demand),
    };
    let won = after.iter().find(|(_, dispute)| dispute.step == DisputeStep::Won);
    let last = after
        .iter()
        .rev()
        .find(|(_, dispute)| matches!(dispute.step, DisputeStep::Won | DisputeStep::Lost));
    let stands = last.is_some_and(|(_, dispute)| dispute.step == DisputeStep::Won);
    let reversal = won.map(|(evidence, _)| Movement {
        id: format!("dispute:{id}:reversal"),
        at: evidence.origin.occurred_at,
        evidence: (*evidence).clone(),
        kind: RecordKind::DisputeReversal,
        effect: Effect::Undoes { id: key, stands },
    });
    std::iter::once(loss).chain(reversal).collect()
}

/// The movements that came back and stayed back.
fn undone(movements: &[Movement]) -> BTreeSet<String> {
    let undoes = movements.iter().filter_map(|movement| match &movement.effect {
        Effect::Undoes { id, stands: true } => Some(id.clone()),
        _ => None,
    });
    undoes.collect()
}

/// Walks through what moved and counts what is left of the payment.
///
/// What was undone, whenever that was, takes no room from what comes after it: while a dispute that
/// is won in the end was lost, a refund of the same payment went back all the same. Each of them is
/// held against what stands before it, so being undone changes no amount that was booked.
fn walk(
    rules: &Rules,
    parent: Option<&Entry>,
    movements: &[Movement],
    undone: &BTreeSet<String>,
) -> Vec<Back> {
    let mut paid = parent.and_then(|parent| {
        let What::Charge(charge) = &parent.evidence.what else { return None };
        let money = record::charged(rules, charge);
        // What was no revenue cannot be lost.
        let left = if parent.paid() { money.gross.max(0) } else { 0 };
        Some(Paid { money, left })
    });
    let mut taken: BTreeMap<&str, Option<Money>> = BTreeMap::new();
    let mut backs = Vec::new();
    for movement in movements {
        let back = match &movement.effect {
            Effect::Takes(demand) => {
                let mut beside = paid;
                let paid = if undone.contains(&movement.id) { &mut beside } else { &mut paid };
                take(paid.as_mut(), *demand, |c| rules.exponent_of(c))
            }
            Effect::Undoes { id, stands } => {
                undo(paid.is_none(), taken.get(id.as_str()).copied().flatten(), *stands)
            }
        };
        taken.insert(&movement.id, back.money);
        backs.push(back);
    }
    backs
}

/// Takes a movement back, unless that was taken back in turn.
fn undo(parent_missing: bool, undone: Option<Money>, stands: bool) -> Back {
    let money = undone.map(|money| {
        if stands {
            money.negated()
        } else {
            Money::new(0, None, money.currency).with_exponent(money.exponent)
        }
    });
    Back {
        money,
        parent_missing,
        currency_mismatch: false,
        amount_unknown: money.is_none(),
        excess: None,
    }
}

/// The entry of a movement, as it follows from everything that is known.
pub(super) async fn derive_movement<H: History>(
    rules: &Rules,
    history: &mut H,
    movement: Movement,
    parent: Option<&Entry>,
    back: Back,
) -> Result<(Entry, Resolution), Error> {
    let Movement { id, evidence, kind, .. } = movement;
    let known = Known::read(history, &evidence).await?;
    let as_of = match parent {
        Some(parent) => parent.position(),
        None => Position { at: evidence.origin.occurred_at, id: id.clone() },
    };
    let subject = Subject {
        evidence: &evidence,
        object: chain::object_id(&evidence.what),
        as_of,
        kin: Kin::Parent(parent.cloned().map(Box::new)),
        blocked: why_blocked(rules, &evidence, parent),
    };
    let attributed = chain::attribute(history, rules, &subject, &known).await?;
    let record = record::of_movement(&id, &evidence, kind, back, parent, &attributed);
    let derived = Derived { excess: back.excess, ..Derived::default() }.attributed(&attributed);
    Ok((Entry { id, evidence, record, derived }, attributed))
}

/// What goes back of a payment that was not credited is not charged to anybody either.
fn why_blocked(rules: &Rules, evidence: &Evidence, parent: Option<&Entry>) -> Option<Reason> {
    if evidence.forgotten || parent.is_some_and(|parent| parent.evidence.forgotten) {
        return Some(Reason::Forgotten);
    }
    let parent = parent?;
    match &parent.evidence.what {
        What::Charge(charge) => not_credited(rules, &parent.record.kind, charge, &parent.derived),
        _ => None,
    }
}
