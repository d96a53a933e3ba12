//! The result of a checkout after the return, so that a payer never sees a locked page.

use std::time::Duration;

use dodo_core::{
    Error,
    client::{PaymentId, SessionId, SubscriptionId},
    event::{Payment, PaymentStatus},
};
use dodo_ledger::attribution::FactKind;

use super::not_found;
use crate::{access::Access, owner_handle::Owner, store};

/// The interval at which the database is queried for the booking of the payment.
const POLL: Duration = Duration::from_millis(250);

/// The result of a checkout.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AfterCheckout {
    /// Paid. The access includes it.
    Done(Box<Access>),
    /// There is no result yet: the customer did not pay, or the payment is being processed.
    Pending,
    /// The payment failed.
    Failed,
}

impl Owner {
    /// The result of a checkout of this owner, by the key in the return URL (`?checkout=...`).
    ///
    /// It waits up to `wait` for the webhook, then asks Dodo Payments once. After a declined
    /// attempt it asks at once. Billing books the answers under the same keys, so the later webhook
    /// changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](dodo_core::ErrorKind::NotFound) `checkout_not_found`, also for a key of another owner.
    /// Those of [`access`](Self::access), and of [`call`](dodo_core::Client::call).
    pub async fn after_checkout(&self, key: &str, wait: Duration) -> Result<AfterCheckout, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let database = billing.ledger()?.database();
        let checkout = store::checkout_of(database, key, owner, billing.live()).await?;
        let checkout =
            checkout.ok_or_else(|| not_found("checkout_not_found", "there is no such checkout"))?;
        let mut left = wait;
        loop {
            match self.booked(&checkout.session_id).await? {
                // The customer may have paid with another card after the failure.
                Some(AfterCheckout::Failed) => break,
                Some(outcome) => return Ok(outcome),
                None if left.is_zero() => break,
                None => {}
            }
            let pause = POLL.min(left);
            tokio::time::sleep(pause).await;
            left -= pause;
        }
        let session = SessionId::new(&checkout.session_id)?;
        let client = billing.client();
        let status = client.checkout_session(&session).await?;
        let Some(payment) = status.payment_id else { return Ok(AfterCheckout::Pending) };
        match status.payment_status {
            Some(PaymentStatus::Succeeded) => {}
            Some(PaymentStatus::Failed | PaymentStatus::Cancelled) => {
                return Ok(AfterCheckout::Failed);
            }
            _ => return Ok(AfterCheckout::Pending),
        }
        let payment = client.payment(&PaymentId::new(payment)?).await?;
        self.book_payment(&payment).await?;
        Ok(AfterCheckout::Done(Box::new(self.access().await?)))
    }

    /// The outcome that the facts of this owner show.
    async fn booked(&self, session_id: &str) -> Result<Option<AfterCheckout>, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let mut tx = billing.ledger()?.database().read().await?;
        let groups = store::groups_of(&mut tx, &[owner.clone()].into(), billing.live()).await?;
        let groups = store::load_groups(&mut tx, &groups).await?;
        drop(tx);
        let mut failed = false;
        for fact in groups.values().flat_map(|timeline| timeline.facts()) {
            match &fact.kind {
                FactKind::Charge(charge) if charge.session_id.as_deref() == Some(session_id) => {
                    return Ok(Some(AfterCheckout::Done(Box::new(self.access().await?))));
                }
                FactKind::FailedPayment(payment)
                    if payment.session_id.as_deref() == Some(session_id) =>
                {
                    failed = fact.event_type != dodo_core::EventKind::PaymentProcessing;
                }
                _ => {}
            }
        }
        Ok(failed.then_some(AfterCheckout::Failed))
    }

    /// Books a payment that succeeded, and its subscription.
    async fn book_payment(&self, payment: &Payment) -> Result<(), Error> {
        let billing = &self.billing;
        let at = payment.created_at.as_ref().and_then(|at| at.timestamp());
        let at = at.unwrap_or_else(|| billing.now());
        let (id, business) = (&payment.payment_id, payment.business_id.as_deref());
        billing.book_object("payment.succeeded", id, business, at, payment).await?;
        if let Some(id) = &payment.subscription_id {
            let subscription = billing.client().subscription(&SubscriptionId::new(id)?).await?;
            billing.book_subscription(&subscription).await?;
        }
        Ok(())
    }
}
