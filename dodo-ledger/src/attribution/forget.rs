//! Forgetting a person: who it was goes, what was paid stays.

use super::{
    booking::{Booking, Desk},
    entry::{Entry, Link},
    evidence::{Evidence, Findings, Party, What},
    facts::{self, SubscriptionFacts},
    history::{Find, History},
    known::context_key,
    rules::Rules,
};
use crate::error::Error;

/// Erases a person: visitor, campaign, e-mail address, name, customer and user, ids of tools, and what
/// was captured at the checkout. Amounts, kinds and the ids of payments stay: they are the books.
///
/// A later delivery of what is already booked brings nothing of it back. New deliveries are new.
///
/// # Errors
/// Those of the history.
pub async fn forget<H: History>(
    rules: &Rules,
    history: &mut H,
    person: Link,
) -> Result<Booking, Error> {
    let found = history.find(&Find::links([person.clone()])).await?;
    if let Link::Email(hash) = &person {
        history.remove_fact(&facts::key("email", hash)).await?;
    }
    let mut desk = Desk::new(rules, history);
    for entry in found {
        forget_facts(desk.history, &entry).await?;
        if entry.evidence.forgotten {
            continue;
        }
        let mut erased = entry.evidence.clone();
        erase(&mut erased);
        desk.fresh.insert(entry.id.clone(), erased);
        desk.note(&entry);
    }
    desk.finish().await
}

fn erase(evidence: &mut Evidence) {
    evidence.party = Party::default();
    evidence.own = Findings::default();
    evidence.customer = Findings::default();
    evidence.forgotten = true;
}

/// Erases what is known around an entry.
async fn forget_facts<H: History>(history: &mut H, entry: &Entry) -> Result<(), Error> {
    if let Some(hash) = &entry.evidence.party.email_sha256 {
        history.remove_fact(&facts::key("email", Link::email(hash).value())).await?;
    }
    for link in entry.links() {
        match link {
            Link::Session(session) => history.remove_fact(&context_key(&session)).await?,
            Link::Subscription(id) => {
                change::<SubscriptionFacts, _>(
                    history,
                    &facts::key("subscription", &id),
                    SubscriptionFacts::forget,
                )
                .await?;
            }
            Link::Payment(id) => {
                change::<Evidence, _>(history, &facts::key("attempt", &id), erase).await?;
            }
            _ => {}
        }
    }
    match &entry.evidence.what {
        What::Refund(refund) => {
            let key = facts::key("refund_failed", &refund.refund_id);
            change::<Evidence, _>(history, &key, erase).await
        }
        What::Dispute(dispute) => {
            let key = facts::key("dispute", &dispute.dispute_id);
            let all = |steps: &mut Vec<Evidence>| steps.iter_mut().for_each(erase);
            change::<Vec<Evidence>, _>(history, &key, all).await
        }
        _ => Ok(()),
    }
}

async fn change<T, H>(
    history: &mut H,
    key: &str,
    change: impl FnOnce(&mut T) + Send,
) -> Result<(), Error>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
    H: History,
{
    let stored = history.facts(&[key.to_owned()]).await?;
    let Some(mut fact) = facts::read::<T>(stored.first().and_then(Option::as_ref))? else {
        return Ok(());
    };
    change(&mut fact);
    history.put_fact(key, &facts::write(&fact)?).await
}
