//! Forgetting a person: who it was goes, what was paid stays.

use std::collections::BTreeSet;

use dodo_core::capture::CheckoutContext;

use super::{
    booking::{Booking, Change, Desk},
    context::consent_alone,
    entry::{Entry, Link},
    evidence::{Evidence, Findings, Party, What},
    facts::{self, SubscriptionFacts},
    history::{Find, History},
    known::context_key,
    report::Reason,
    rules::Rules,
};
use crate::error::Error;

/// Erases people: visitor, campaign, e-mail address, name, customer and user, ids of tools, and what
/// was captured at the checkout. Amounts, kinds and the ids of payments stay: they are the books. So does
/// what was said at the checkout, which names nobody: whoever said no is not told about later either.
///
/// `people` are customers and e-mail addresses; `addresses` what else is known of whose they are.
///
/// A later delivery of what is already booked brings nothing of it back. New deliveries are new.
///
/// # Errors
/// Those of the history.
pub async fn forget<H: History>(
    rules: &Rules,
    history: &mut H,
    people: &[Link],
    addresses: &[Link],
) -> Result<Booking, Error> {
    let found = theirs(history, people).await?;
    for address in addresses {
        history.remove_fact(&facts::key("email", address.value())).await?;
    }
    let mut about = people.to_vec();
    let links = found.iter().flat_map(Entry::links);
    about.extend(links.filter(|link| matches!(link, Link::Payment(_))));
    let mut keys: BTreeSet<String> = history.about(&about).await?.into_iter().collect();
    keys.extend(found.iter().flat_map(|entry| facts_around(&entry.evidence)));
    let mut desk = Desk::new(rules, history);
    for key in keys {
        forget_fact(&mut desk, &key).await?;
    }
    for entry in &found {
        if !entry.evidence.forgotten {
            let mut erased = entry.evidence.clone();
            erase(&mut erased);
            desk.fresh.insert(entry.id.clone(), erased);
            desk.note(entry);
        }
    }
    let mut booking = desk.finish().await?;
    for entry in found {
        scrub(history, &mut booking, &entry.id).await?;
    }
    Ok(booking)
}

/// Books the evidence of somebody who was forgotten before it could be booked: what was paid, of nobody.
/// What is known around it goes, too.
pub(crate) async fn book_forgotten<H: History>(
    rules: &Rules,
    history: &mut H,
    evidence: Evidence,
) -> Result<Booking, Error> {
    let around = facts_around(&evidence);
    let mut erased = evidence;
    erase(&mut erased);
    let mut desk = Desk::new(rules, history);
    desk.take(erased).await?;
    for key in around {
        forget_fact(&mut desk, &key).await?;
    }
    desk.finish().await
}

/// The entries of these people, and those of their subscriptions and around their payments that name
/// nobody.
async fn theirs<H: History>(history: &mut H, people: &[Link]) -> Result<Vec<Entry>, Error> {
    let mut found = history.find(&Find::links(people.iter().cloned())).await?;
    for around in [subscriptions, payments] {
        let links: BTreeSet<Link> = found.iter().flat_map(around).collect();
        let links = Vec::from_iter(links);
        for some in links.chunks(500) {
            let entries = history.find(&Find::links(some.iter().cloned())).await?;
            found.extend(
                entries.into_iter().filter(|entry| entry.evidence.party == Party::default()),
            );
        }
    }
    Ok(found)
}

fn subscriptions(entry: &Entry) -> Vec<Link> {
    let mut links = entry.links();
    links.retain(|link| matches!(link, Link::Subscription(_)));
    links
}

fn payments(entry: &Entry) -> Vec<Link> {
    match &entry.evidence.what {
        What::Charge(charge) => vec![Link::Payment(charge.payment_id.clone())],
        _ => Vec::new(),
    }
}

/// An entry that no rule derives any more, as a dispute whose policy has changed, is erased as it is.
async fn scrub<H: History>(history: &mut H, booking: &mut Booking, id: &str) -> Result<(), Error> {
    let Some(mut entry) = history.entry(id).await? else { return Ok(()) };
    if entry.evidence.forgotten {
        return Ok(());
    }
    erase(&mut entry.evidence);
    entry.derived.journey = None;
    entry.derived.reason = Some(Reason::Forgotten);
    let record = &mut entry.record;
    (record.visitor, record.campaign, record.contact) = (None, None, None);
    (record.customer_id, record.email_sha256, record.user_id) = (None, None, None);
    record.tool_ids.clear();
    history.put(&entry).await?;
    booking.changes.push(Change { entry, is_new: false });
    Ok(())
}

fn erase(evidence: &mut Evidence) {
    evidence.party = Party::default();
    evidence.own = Findings::default();
    evidence.customer = Findings::default();
    evidence.forgotten = true;
}

/// The keys of what may be known around an entry, or what is no entry.
fn facts_around(evidence: &Evidence) -> Vec<String> {
    let links = evidence.links().into_iter().filter_map(|link| match link {
        Link::Session(session) => Some(context_key(&session)),
        Link::Subscription(id) => Some(facts::key("subscription", &id)),
        Link::Payment(id) => Some(facts::key("attempt", &id)),
        Link::Email(hash) => Some(facts::key("email", &hash)),
        Link::Customer(_) => None,
    });
    let own = match &evidence.what {
        What::Attempt(attempt) => attempt.checkout_session_id.as_deref().map(context_key),
        What::Refund(refund) => Some(facts::key("refund_failed", &refund.refund_id)),
        What::Dispute(dispute) => Some(facts::key("dispute", &dispute.dispute_id)),
        _ => None,
    };
    links.chain(own).collect()
}

/// Erases whom a fact names, and has what follows from it looked at again.
async fn forget_fact<H: History>(desk: &mut Desk<'_, H>, key: &str) -> Result<(), Error> {
    let history = &mut *desk.history;
    let (kind, id) = key.split_once(':').unwrap_or((key, ""));
    history.forget_about(key).await?;
    match kind {
        "checkout" => {
            let stored = history.facts(&[key.to_owned()]).await?;
            let stored = stored.first().and_then(Option::as_ref);
            if let Some(context) = facts::read::<CheckoutContext>(stored)? {
                put_if_other(history, key, stored, &consent_alone(context.consent)?).await?;
            }
            desk.dirty(Find::links([Link::Session(id.to_owned())])).await
        }
        "email" => history.remove_fact(key).await,
        "subscription" => {
            change::<SubscriptionFacts, _>(history, key, SubscriptionFacts::forget).await?;
            desk.dirty(Find::links([Link::Subscription(id.to_owned())])).await
        }
        "attempt" => {
            let attempt = change::<Evidence, _>(history, key, erase).await?;
            // The context of its checkout is kept as long as the attempt.
            let session = attempt.as_ref().and_then(session_of);
            history.note_about(key, session.as_slice()).await?;
            desk.dirty_recoveries_of(id).await
        }
        "refund_failed" => change::<Evidence, _>(history, key, erase).await.map(drop),
        "dispute" => {
            let all = |steps: &mut Vec<Evidence>| steps.iter_mut().for_each(erase);
            change::<Vec<Evidence>, _>(history, key, all).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// The checkout at which a payment was tried.
fn session_of(evidence: &Evidence) -> Option<Link> {
    match &evidence.what {
        What::Attempt(attempt) => attempt.checkout_session_id.clone().map(Link::Session),
        _ => None,
    }
}

/// Changes a fact, if it is there. The fact as it is then; what stays the same is not written.
async fn change<T, H>(
    history: &mut H,
    key: &str,
    change: impl FnOnce(&mut T) + Send,
) -> Result<Option<T>, Error>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
    H: History,
{
    let stored = history.facts(&[key.to_owned()]).await?;
    let stored = stored.first().and_then(Option::as_ref);
    let Some(mut fact) = facts::read::<T>(stored)? else { return Ok(None) };
    change(&mut fact);
    put_if_other(history, key, stored, &facts::write(&fact)?).await?;
    Ok(Some(fact))
}

async fn put_if_other<H: History>(
    history: &mut H,
    key: &str,
    stored: Option<&String>,
    json: &str,
) -> Result<(), Error> {
    match stored {
        Some(stored) if stored == json => Ok(()),
        _ => history.put_fact(key, json).await,
    }
}
