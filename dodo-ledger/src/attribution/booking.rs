//! Booking: one piece of evidence goes in, every record that it changes comes out.
//!
//! Records are a function of all evidence, not of its order. What one charge hands on is found in
//! entries after it, so entries are worked through in order: charges by the time they were made, then
//! what went back of them, then starts and ends of subscriptions. A change stops where nothing
//! changes any more.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{Campaign, CheckoutContext, RecordKind, email_sha256};

use super::{
    chain::{self, Attributed, Kin, Subject, lookback_end},
    classify::classify,
    entry::{Class, Derived, Entry, Link, Position},
    evidence::{Charge, Evidence, SubscriptionStep, What},
    facts::{self, Identified, Identities, SubscriptionFacts},
    fit,
    history::{Find, History, Steps},
    known::{Known, context_key},
    record,
    report::{Reason, StepReport},
    rules::{RenewalCredit, Rules},
    settle,
};
use crate::error::Error;

/// What a booking changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Booking {
    /// The entries that were written, by key.
    pub changes: Vec<Change>,
}

/// One entry that a booking wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The entry as it is now.
    pub entry: Entry,
    /// It was not there before.
    pub is_new: bool,
}

/// Books one piece of evidence. Booking it again changes nothing.
///
/// # Errors
/// Those of the history.
pub async fn book<H: History>(
    rules: &Rules,
    history: &mut H,
    evidence: Evidence,
) -> Result<Booking, Error> {
    let mut desk = Desk::new(rules, history);
    desk.take(evidence).await?;
    desk.finish().await
}

/// Keeps what was captured for a checkout session.
///
/// # Errors
/// Those of the history.
pub async fn bind_context<H: History>(
    rules: &Rules,
    history: &mut H,
    session_id: &str,
    context: &CheckoutContext,
) -> Result<Booking, Error> {
    let (key, json) = context_fact(session_id, context)?;
    history.put_fact(&key, &json).await?;
    look_again(rules, history, session_id).await
}

/// The key and the JSON of the fact that a context is.
pub(crate) fn context_fact(
    session_id: &str,
    context: &CheckoutContext,
) -> Result<(String, String), Error> {
    Ok((context_key(session_id), facts::write(context)?))
}

/// Whether something was booked already that the context of this session changes.
pub(crate) async fn is_late<H: History>(history: &mut H, session_id: &str) -> Result<bool, Error> {
    Ok(!history.find(&of_session(session_id)).await?.is_empty())
}

/// Derives again what follows from the context of a session.
pub(crate) async fn look_again<H: History>(
    rules: &Rules,
    history: &mut H,
    session_id: &str,
) -> Result<Booking, Error> {
    let mut desk = Desk::new(rules, history);
    desk.dirty(of_session(session_id)).await?;
    desk.finish().await
}

fn of_session(session_id: &str) -> Find {
    Find::links([Link::Session(fit::id(session_id).into_owned())])
}

/// Notes who an e-mail address belongs to, and looks again at what nothing else explains.
///
/// # Errors
/// Those of the history.
pub async fn identify<H: History>(
    rules: &Rules,
    history: &mut H,
    email: &str,
    visitor: Option<&str>,
    campaign: Option<&Campaign>,
    user_id: Option<&str>,
) -> Result<Booking, Error> {
    let Some(link) = email_sha256(email).as_ref().map(Link::email) else {
        return Ok(Booking::default());
    };
    let who = Identified {
        visitor: visitor.map(str::to_owned),
        campaign: campaign.map(facts::write).transpose()?,
        user_id: user_id.map(str::to_owned),
    };
    let key = facts::key("email", link.value());
    let stored = history.facts(std::slice::from_ref(&key)).await?;
    let stored = stored.first().and_then(Option::as_ref);
    let mut known: Identities = facts::read(stored)?.unwrap_or_default();
    if !known.people.insert(who) {
        return Ok(Booking::default());
    }
    history.put_fact(&key, &facts::write(&known)?).await?;
    let mut desk = Desk::new(rules, history);
    let mut unexplained = Find::links([link]);
    unexplained.steps = Steps { visitor: Some(7..=8), campaign: Some(7..=8) };
    desk.dirty(unexplained).await?;
    desk.finish().await
}

/// The key of a charge.
#[must_use]
pub fn charge_id(payment_id: &str) -> String {
    format!("charge:{}", fit::id(payment_id))
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

/// The work that one booking brings about.
pub(super) struct Desk<'a, H> {
    pub(super) rules: &'a Rules,
    pub(super) history: &'a mut H,
    /// Evidence that is new or replaces older evidence, by key.
    pub(super) fresh: BTreeMap<String, Evidence>,
    charges: BTreeSet<Position>,
    /// Payments of which something may have gone back.
    payments: BTreeSet<String>,
    lifecycles: BTreeSet<String>,
    changes: BTreeMap<String, Change>,
}

impl<'a, H: History> Desk<'a, H> {
    pub(super) fn new(rules: &'a Rules, history: &'a mut H) -> Self {
        Self {
            rules,
            history,
            fresh: BTreeMap::new(),
            charges: BTreeSet::new(),
            payments: BTreeSet::new(),
            lifecycles: BTreeSet::new(),
            changes: BTreeMap::new(),
        }
    }

    async fn take(&mut self, evidence: Evidence) -> Result<(), Error> {
        match &evidence.what {
            What::Charge(charge) => {
                let position =
                    Position { at: charge.created_at, id: charge_id(&charge.payment_id) };
                if self.keep_first(&position.id, &evidence).await? {
                    self.charges.insert(position);
                }
            }
            What::Attempt(attempt) => {
                let payment = attempt.payment_id.clone();
                let key = facts::key("attempt", &payment);
                if self.keep_first_fact(&key, &evidence).await? {
                    let mut keys = vec![key];
                    keys.extend(attempt.checkout_session_id.as_deref().map(context_key));
                    self.note_about(&keys, &evidence).await?;
                    let by = self.fact::<String>(&facts::key("recovered_by", &payment)).await?;
                    self.dirty_payment(by.as_deref()).await?;
                }
            }
            What::Recovered { payment_id, recovered_payment_id } => {
                self.take_recovery(payment_id, recovered_payment_id).await?;
            }
            What::Refund(refund) => {
                let id = format!("refund:{}", refund.refund_id);
                let payment = refund.payment_id.clone();
                if self.keep_first(&id, &evidence).await? {
                    self.payments.insert(payment);
                }
            }
            What::RefundFailed { refund_id, payment_id } => {
                let key = facts::key("refund_failed", refund_id);
                let last = self.fact::<Evidence>(&key).await?;
                let newer =
                    |last: Evidence| !last.forgotten && last.origin.rank() < evidence.origin.rank();
                if last.is_none_or(newer) {
                    self.history.put_fact(&key, &facts::write(&evidence)?).await?;
                    self.note_about(&[key], &evidence).await?;
                    self.payments.insert(payment_id.clone());
                }
            }
            What::Dispute(dispute) => {
                let key = facts::key("dispute", &dispute.dispute_id);
                let mut all: Vec<Evidence> = self.fact(&key).await?.unwrap_or_default();
                if all.iter().all(|one| one.origin.webhook_id != evidence.origin.webhook_id) {
                    let (id, payment) = (dispute.dispute_id.clone(), dispute.payment_id.clone());
                    all.push(evidence.clone());
                    all.sort_by(|a, b| a.origin.rank().cmp(&b.origin.rank()));
                    self.history.put_fact(&key, &facts::write(&all)?).await?;
                    self.note_about(&[key], &evidence).await?;
                    self.fresh.insert(format!("dispute:{id}"), evidence);
                    self.payments.insert(payment);
                }
            }
            What::Subscription(_) => self.take_subscription(evidence).await?,
        }
        Ok(())
    }

    async fn take_recovery(&mut self, abandoned: &str, recovered: &str) -> Result<(), Error> {
        let key = facts::key("recovered", recovered);
        let known = self.fact::<String>(&key).await?;
        if known.is_some_and(|known| known.as_str() <= abandoned) {
            return Ok(());
        }
        self.history.put_fact(&key, &facts::write(&abandoned)?).await?;
        let back = facts::key("recovered_by", abandoned);
        self.history.put_fact(&back, &facts::write(&recovered)?).await?;
        self.dirty_payment(Some(recovered)).await
    }

    async fn take_subscription(&mut self, evidence: Evidence) -> Result<(), Error> {
        let What::Subscription(subscription) = &evidence.what else { return Ok(()) };
        let id = subscription.subscription_id.clone();
        let key = facts::key("subscription", &id);
        let before = self.fact::<SubscriptionFacts>(&key).await?.unwrap_or_default();
        let mut after = before.clone();
        after.learn(&evidence, subscription);
        if after != before {
            self.history.put_fact(&key, &facts::write(&after)?).await?;
            if !after.forgotten {
                self.note_about(&[key], &evidence).await?;
            }
        }
        let mean_the_same = after.means_the_same(&before);
        let life = match subscription.step {
            SubscriptionStep::Started => Some(format!("subscription:{id}:started")),
            SubscriptionStep::Ended => Some(format!("subscription:{id}:cancelled")),
            SubscriptionStep::PlanChanged | SubscriptionStep::Other => None,
        };
        if let Some(life) = life
            && self.keep_first(&life, &evidence).await?
        {
            self.lifecycles.insert(life);
        }
        if !mean_the_same {
            self.dirty(Find::links([Link::Subscription(id)])).await?;
        }
        Ok(())
    }

    /// Keeps new evidence for an entry if it happened before what is known. Whether it was kept.
    async fn keep_first(&mut self, id: &str, evidence: &Evidence) -> Result<bool, Error> {
        let known = self.history.entry(id).await?;
        let keep = known.is_none_or(|known| {
            !known.evidence.forgotten && evidence.origin.rank() < known.evidence.origin.rank()
        });
        if keep {
            self.fresh.insert(id.to_owned(), evidence.clone());
        }
        Ok(keep)
    }

    async fn keep_first_fact(&mut self, key: &str, evidence: &Evidence) -> Result<bool, Error> {
        let known = self.fact::<Evidence>(key).await?;
        let keep = known
            .is_none_or(|known| !known.forgotten && evidence.origin.rank() < known.origin.rank());
        if keep {
            self.history.put_fact(key, &facts::write(evidence)?).await?;
        }
        Ok(keep)
    }

    /// Notes whom facts are about, so that forgetting finds them.
    async fn note_about(&mut self, keys: &[String], evidence: &Evidence) -> Result<(), Error> {
        let mut links = evidence.links();
        links.retain(|link| !matches!(link, Link::Subscription(_) | Link::Session(_)));
        for key in keys {
            self.history.note_about(key, &links).await?;
        }
        Ok(())
    }

    pub(super) async fn fact<T: serde::de::DeserializeOwned>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, Error> {
        let stored = self.history.facts(&[key.to_owned()]).await?;
        facts::read(stored.first().and_then(Option::as_ref))
    }

    pub(super) async fn dirty_payment(&mut self, payment_id: Option<&str>) -> Result<(), Error> {
        if let Some(payment_id) = payment_id
            && let Some(entry) = self.history.entry(&charge_id(payment_id)).await?
        {
            self.note(&entry);
        }
        Ok(())
    }

    /// Marks what is found to be looked at again.
    pub(super) async fn dirty(&mut self, find: Find) -> Result<(), Error> {
        for entry in self.history.find(&find).await? {
            self.note(&entry);
        }
        Ok(())
    }

    pub(super) fn note(&mut self, entry: &Entry) {
        match entry.class() {
            Class::Charge => {
                self.charges.insert(entry.position());
            }
            Class::Reversal => self.payments.extend(settle::payment_of(&entry.evidence.what)),
            Class::Lifecycle => {
                self.lifecycles.insert(entry.id.clone());
            }
        }
    }

    /// Works off everything that is marked.
    pub(super) async fn finish(mut self) -> Result<Booking, Error> {
        while let Some(position) = self.charges.pop_first() {
            self.charge(&position.id).await?;
        }
        while let Some(payment) = self.payments.pop_first() {
            self.settle(&payment).await?;
        }
        while let Some(id) = self.lifecycles.pop_first() {
            self.lifecycle(&id).await?;
        }
        Ok(Booking { changes: self.changes.into_values().collect() })
    }

    async fn charge(&mut self, id: &str) -> Result<(), Error> {
        let old = self.history.entry(id).await?;
        let evidence = self.fresh.remove(id).or_else(|| old.as_ref().map(|e| e.evidence.clone()));
        let Some(evidence) = evidence else { return Ok(()) };
        let Some(entry) = derive_charge(self.rules, self.history, id, evidence).await? else {
            return Ok(());
        };
        self.replace(old, entry.0).await
    }

    async fn lifecycle(&mut self, id: &str) -> Result<(), Error> {
        let old = self.history.entry(id).await?;
        let evidence = self.fresh.remove(id).or_else(|| old.as_ref().map(|e| e.evidence.clone()));
        let Some(evidence) = evidence else { return Ok(()) };
        let (entry, _) = derive_lifecycle(self.rules, self.history, id, evidence).await?;
        self.replace(old, entry).await
    }

    /// Writes an entry if it changed, and marks what may follow from that.
    pub(super) async fn replace(
        &mut self,
        old: Option<Entry>,
        mut new: Entry,
    ) -> Result<(), Error> {
        new.record.flags.reclassified = old.as_ref().is_some_and(|old| {
            let was_charge = old.record.kind.is_charge();
            let other_kind = was_charge && old.record.kind != new.record.kind;
            old.record.flags.reclassified || other_kind
        });
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        self.history.put(&new).await?;
        if new.class() == Class::Charge {
            self.mark_dependents(old.as_ref(), &new).await?;
        }
        let is_new = old.is_none() || self.changes.get(&new.id).is_some_and(|change| change.is_new);
        self.changes.insert(new.id.clone(), Change { entry: new, is_new });
        Ok(())
    }

    /// The charge just after an entry looks at it.
    async fn dirty_next(&mut self, of: &Find, entry: &Entry) -> Result<(), Error> {
        self.dirty(of.clone().class(Class::Charge).after(entry.position()).oldest()).await
    }

    async fn mark_dependents(&mut self, old: Option<&Entry>, new: &Entry) -> Result<(), Error> {
        self.payments.insert(new.record.payment_id.clone());
        let mut links: BTreeSet<Link> = new.links().into_iter().collect();
        links.extend(old.into_iter().flat_map(Entry::links));
        // Evidence that came first may name another customer or another time: then both places count.
        let moved =
            old.is_some_and(|old| old.links() != new.links() || old.position() != new.position());
        let from = old.map_or_else(|| new.position(), |old| old.position().min(new.position()));
        if moved || old.is_none_or(|old| !hands_on_the_same(old, new)) {
            for link in links.iter().filter(|link| matches!(link, Link::Subscription(_))) {
                let find = Find::links([link.clone()]);
                self.dirty_next(&find, new).await?;
                if let Some(old) = old.filter(|_| moved) {
                    self.dirty_next(&find, old).await?;
                }
                self.dirty(find.class(Class::Lifecycle)).await?;
            }
        }
        // Other purchases of the customer that nothing better explains.
        let explains = |entry: &Entry| {
            let visitor = entry.record.visitor.clone().filter(|_| entry.visitor_step() <= 5);
            let campaign = entry.record.campaign.clone().filter(|_| entry.campaign_step() <= 5);
            (visitor, campaign)
        };
        let (before, after) = (old.map(explains).unwrap_or_default(), explains(new));
        let steps = Steps {
            visitor: (moved || before.0 != after.0).then_some(6..=8),
            campaign: (moved || before.1 != after.1).then_some(6..=8),
        };
        if steps != Steps::default() {
            let customers = links.into_iter().filter(|link| matches!(link, Link::Customer(_)));
            let last =
                old.map_or(new.position().at, |old| old.position().at.max(new.position().at));
            let mut find = Find::links(customers).after(from);
            find.until = Some(lookback_end(self.rules, last));
            find.steps = steps;
            self.dirty(find).await?;
        }
        Ok(())
    }
}

/// Whether the charges after this one see no difference.
fn hands_on_the_same(old: &Entry, new: &Entry) -> bool {
    let line = |entry: &Entry| {
        let record = &entry.record;
        (
            record.visitor.clone(),
            record.campaign.clone(),
            record.tool_ids.clone(),
            record.user_id.clone(),
        )
    };
    old.derived == new.derived && old.record.consent == new.record.consent && line(old) == line(new)
}

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

/// The entry of a charge, as it follows from everything that is known.
pub(super) async fn derive_charge<H: History>(
    rules: &Rules,
    history: &mut H,
    id: &str,
    evidence: Evidence,
) -> Result<Option<(Entry, Attributed)>, Error> {
    let What::Charge(charge) = &evidence.what else { return Ok(None) };
    let position = Position { at: charge.created_at, id: id.to_owned() };
    let previous = previous(history, &charge.subscription_ids, &position).await?;
    let known = Known::read(history, &evidence).await?;
    let subscriptions = known.subscription_facts();
    let paid_before = previous.iter().any(|entry| entry.derived.paid);
    let class = classify(charge, paid_before, &subscriptions);

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
    let derived = Derived { journey: attributed.journey.clone(), ..derived };
    Ok(Some((Entry { id: id.to_owned(), evidence, record, derived }, attributed)))
}

/// The entry of a start or end of a subscription.
async fn derive_lifecycle<H: History>(
    rules: &Rules,
    history: &mut H,
    id: &str,
    evidence: Evidence,
) -> Result<(Entry, Attributed), Error> {
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
    let derived = Derived { journey: attributed.journey.clone(), ..Derived::default() };
    Ok((Entry { id: id.to_owned(), evidence, record, derived }, attributed))
}
