//! Taking evidence in: what of it is new, and which entries have to be looked at for it.

use std::collections::BTreeSet;

use super::{
    booking::Desk,
    entry::{Link, Position, charge_id},
    evidence::{Evidence, SubscriptionStep, What},
    facts::{self, SubscriptionFacts},
    history::{Find, History},
    known::context_key,
};
use crate::error::Error;

impl<H: History> Desk<'_, H> {
    pub(super) async fn take(&mut self, evidence: Evidence) -> Result<(), Error> {
        match &evidence.what {
            What::Charge(_) => self.take_charge(evidence).await?,
            What::Attempt(attempt) => {
                let payment = attempt.payment_id.clone();
                let key = facts::key("attempt", &payment);
                if self.keep_first_fact(&key, &evidence).await? {
                    let session = attempt.checkout_session_id.clone();
                    // The context of the checkout is kept as long as the attempt.
                    let about = session.clone().map(Link::Session);
                    self.history.note_about(&key, about.as_slice()).await?;
                    let mut keys = vec![key];
                    keys.extend(session.as_deref().map(context_key));
                    self.note_about(&keys, &evidence).await?;
                    self.dirty_recoveries_of(&payment).await?;
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
                let newer = |last: Evidence| {
                    !last.forgotten && last.origin.moment() < evidence.origin.moment()
                };
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
                    all.sort_by(|a, b| a.origin.moment().cmp(&b.origin.moment()));
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

    /// Keeps the delivery that happened first, with what Dodo Payments answered about the charge when it
    /// was asked first, whichever delivery that was for.
    async fn take_charge(&mut self, evidence: Evidence) -> Result<(), Error> {
        let What::Charge(charge) = &evidence.what else { return Ok(()) };
        let id = charge_id(&charge.payment_id);
        let known = self.history.entry(&id).await?.map(|entry| entry.evidence);
        let answer = known.as_ref().and_then(Evidence::answer).or_else(|| evidence.answer());
        let mut first = match &known {
            Some(known) if !known.gives_way_to(&evidence) => known.clone(),
            _ => evidence,
        };
        let What::Charge(charge) = &mut first.what else { return Ok(()) };
        charge.earlier_paid = answer;
        let at = charge.created_at;
        if known.as_ref() != Some(&first) {
            self.charges.insert(Position { at, id: id.clone() });
            self.fresh.insert(id, first);
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
        let mut by: BTreeSet<String> = self.fact(&back).await?.unwrap_or_default();
        if by.insert(recovered.to_owned()) {
            self.history.put_fact(&back, &facts::write(&by)?).await?;
        }
        self.dirty_payment(Some(recovered)).await
    }

    /// Marks all that made up for a payment that came to nothing.
    pub(super) async fn dirty_recoveries_of(&mut self, abandoned: &str) -> Result<(), Error> {
        let by = self.fact::<BTreeSet<String>>(&facts::key("recovered_by", abandoned)).await?;
        for payment_id in by.unwrap_or_default() {
            self.dirty_payment(Some(&payment_id)).await?;
        }
        Ok(())
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

    /// Keeps new evidence for an entry if what is known gives way to it. Whether it was kept.
    async fn keep_first(&mut self, id: &str, evidence: &Evidence) -> Result<bool, Error> {
        let known = self.history.entry(id).await?;
        let keep = known.is_none_or(|known| known.evidence.gives_way_to(evidence));
        if keep {
            self.fresh.insert(id.to_owned(), evidence.clone());
        }
        Ok(keep)
    }

    async fn keep_first_fact(&mut self, key: &str, evidence: &Evidence) -> Result<bool, Error> {
        let known = self.fact::<Evidence>(key).await?;
        let keep = known.is_none_or(|known| known.gives_way_to(evidence));
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
}
