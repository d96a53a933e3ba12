//! Deriving: an entry as it follows from its evidence and from everything else that is known.

use std::collections::BTreeMap;

use dodo_core::{
    attribution::{ClassificationBasis, RecordKind},
    internals::{ChargeHistory, classify},
};

use super::{
    chain::{self, Kin, Resolution, Subject},
    entry::{Class, Derived, Entry, Link, Position, charge_id},
    evidence::{Charge, Evidence, What},
    fit,
    history::{Find, History},
    known::Known,
    record,
    report::{Reason, StepReport},
    rules::{RenewalCredit, Rules},
    settle,
};
use crate::error::Error;

/// Takes the steps for a payment, and for what went back of it, again: each entry as it follows from
/// what is known now, with what every step said. Writes nothing.
///
/// # Errors
/// Those of the history.
pub async fn explain<H: History>(
    rules: &Rules,
    history: &mut H,
    payment_id: &str,
) -> Result<Vec<(Entry, Vec<StepReport>)>, Error> {
    let mut explained = Vec::new();
    let payment_id = &*fit::id(payment_id);
    let id = charge_id(payment_id);
    if let Some(stored) = history.entry(&id).await? {
        explained.extend(derive_charge(rules, history, &id, stored.evidence).await?);
    }
    explained.extend(settle::derive_settlement(rules, history, payment_id, BTreeMap::new()).await?);
    for (entry, _) in &mut explained {
        // What is about the way the deliveries took is only in the entry as it was stored.
        let stored = history.entry(&entry.id).await?;
        entry.record.flags.reclassified = stored.is_some_and(|old| old.record.flags.reclassified);
    }
    Ok(explained.into_iter().map(|(entry, attributed)| (entry, attributed.steps)).collect())
}

/// Why a charge of this kind is not credited, if so.
pub(super) fn not_credited(
    rules: &Rules,
    kind: &RecordKind,
    charge: &Charge,
    derived: &Derived,
) -> Option<Reason> {
    if !matches!(kind, RecordKind::SubscriptionRenewal) {
        return None;
    }
    let credited = match rules.renewal_credit {
        RenewalCredit::Always => true,
        RenewalCredit::Never => false,
        RenewalCredit::Within(days) => derived.started_at.is_some_and(|started| {
            charge.created_at.duration_since(started).as_hours() < 24 * (i64::from(days) + 1)
        }),
    };
    (!credited).then_some(Reason::RenewalNotCredited)
}

/// The charge just before, in each subscription.
async fn previous<H: History>(
    history: &mut H,
    subscription_ids: &[String],
    position: &Position,
) -> Result<Vec<Entry>, Error> {
    let mut previous = Vec::new();
    for id in subscription_ids {
        let find = Find::links([Link::Subscription(id.clone())])
            .class(Class::Charge)
            .before(position.clone())
            .newest();
        previous.extend(history.find(&find).await?);
    }
    Ok(previous)
}

/// Whether this is a charge of which its own words leave open whether it is the first.
pub(crate) fn is_open_by_itself(evidence: &Evidence) -> bool {
    let What::Charge(charge) = &evidence.what else { return false };
    classify(&charge.facts(), &ChargeHistory::default()).basis == ClassificationBasis::Assumed
}

/// Whether neither its own words nor anything known tells whether a charge is the first.
pub(crate) async fn is_open<H: History>(
    history: &mut H,
    evidence: &Evidence,
) -> Result<bool, Error> {
    let What::Charge(charge) = &evidence.what else { return Ok(false) };
    let id = charge_id(&charge.payment_id);
    let stored = history.entry(&id).await?;
    if stored.is_some_and(|entry| entry.evidence.answer().is_some()) {
        return Ok(false);
    }
    let position = Position { at: charge.created_at, id };
    let previous = previous(history, &charge.subscription_ids, &position).await?;
    let known = Known::read(history, evidence).await?;
    let paid_before = previous.iter().any(|entry| entry.derived.paid);
    let history = charge.history(paid_before, &known.subscription_facts());
    Ok(classify(&charge.facts(), &history).basis == ClassificationBasis::Assumed)
}

/// The entry of a charge, as it follows from everything that is known.
pub(super) async fn derive_charge<H: History>(
    rules: &Rules,
    history: &mut H,
    id: &str,
    evidence: Evidence,
) -> Result<Option<(Entry, Resolution)>, Error> {
    let What::Charge(charge) = &evidence.what else { return Ok(None) };
    let position = Position { at: charge.created_at, id: id.to_owned() };
    let previous = previous(history, &charge.subscription_ids, &position).await?;
    let known = Known::read(history, &evidence).await?;
    let subscriptions = known.subscription_facts();
    let paid_before = previous.iter().any(|entry| entry.derived.paid);
    let class = classify(&charge.facts(), &charge.history(paid_before, &subscriptions));

    let began = previous.iter().filter_map(|entry| entry.derived.started_at);
    let created = subscriptions.iter().filter_map(|facts| facts.created_at);
    let started_at = began.chain(created).chain([charge.created_at]).min();
    let paid = paid_before || class.kind.is_charge();
    let derived = Derived { started_at, paid, ..Derived::default() };
    let blocked = if evidence.forgotten {
        Some(Reason::Forgotten)
    } else {
        not_credited(rules, &class.kind, charge, &derived)
    };

    let subject = Subject {
        evidence: &evidence,
        object: chain::object_id(&evidence.what),
        as_of: position,
        kin: Kin::Previous(previous),
        blocked,
    };
    let attributed = chain::attribute(history, rules, &subject, &known).await?;
    let products = subscriptions.iter().filter_map(|facts| facts.product_at(charge.created_at));
    let record = record::of_charge(rules, id, &evidence, charge, class, products, &attributed);
    let derived = derived.attributed(&attributed);
    Ok(Some((Entry { id: id.to_owned(), evidence, record, derived }, attributed)))
}

/// The entry of a start or end of a subscription.
pub(super) async fn derive_lifecycle<H: History>(
    rules: &Rules,
    history: &mut H,
    id: &str,
    evidence: Evidence,
) -> Result<(Entry, Resolution), Error> {
    let known = Known::read(history, &evidence).await?;
    let first = match &evidence.what {
        What::Subscription(subscription) => {
            let link = Link::Subscription(subscription.subscription_id.clone());
            history.find(&Find::links([link]).class(Class::Charge).oldest()).await?.pop()
        }
        _ => None,
    };
    let paid = first.is_some();
    let subject = Subject {
        evidence: &evidence,
        object: chain::object_id(&evidence.what),
        as_of: Position { at: evidence.origin.occurred_at, id: id.to_owned() },
        kin: Kin::FirstCharge(first.map(Box::new)),
        blocked: evidence.forgotten.then_some(Reason::Forgotten),
    };
    let attributed = chain::attribute(history, rules, &subject, &known).await?;
    let record = record::of_lifecycle(id, &evidence, paid, &attributed);
    let derived = Derived::default().attributed(&attributed);
    Ok((Entry { id: id.to_owned(), evidence, record, derived }, attributed))
}
