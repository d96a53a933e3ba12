//! Cancel, resume, and pay for a subscription.

use dodo_core::{
    Error, ErrorKind,
    client::{Cancellation, SubscriptionId},
    event::SubscriptionStatus,
};

use super::{conflict, not_found};
use crate::{
    access::Access,
    owner_handle::Owner,
    source::{AccessSource, SourceKind},
};

/// The id of a subscription.
pub(crate) fn subscription_id(source: &AccessSource) -> Option<&str> {
    match &source.kind {
        SourceKind::Subscription(id) => Some(id),
        _ => None,
    }
}

impl Owner {
    /// The subscription of a request: the named one, or the only one that is live or that a payment
    /// brings back, or the last one. A subscription of another owner is not found.
    pub(crate) async fn pick(
        &self,
        named: Option<&str>,
    ) -> Result<(SubscriptionId, AccessSource), Error> {
        let access = self.access().await?;
        let mut found = access.subscriptions().filter(|source| match named {
            Some(id) => subscription_id(source) == Some(id),
            None => source.is_live() || source.recoverable,
        });
        let mut picked = found.next();
        if named.is_none() && picked.is_some() && found.next().is_some() {
            let message = "there are several subscriptions: name one";
            return Err(conflict("several_subscriptions", message));
        }
        if named.is_none() {
            picked = picked.or(access.subscriptions().next());
        }
        let source = picked
            .ok_or_else(|| not_found("subscription_not_found", "there is no such subscription"))?;
        Ok((SubscriptionId::new(subscription_id(source).unwrap_or_default())?, source.clone()))
    }

    /// Cancels a subscription at the end of the paid period, or now. The paid time remains in both cases, unless
    /// the plans set another rule. `subscription` is needed if there are several.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `subscription_not_found`; [`Conflict`](ErrorKind::Conflict)
    /// `several_subscriptions`; those of [`access`](Self::access) and of
    /// [`cancel_subscription`](dodo_core::Client::cancel_subscription).
    pub async fn cancel(
        &self,
        subscription: Option<&str>,
        cancellation: &Cancellation,
    ) -> Result<Access, Error> {
        let (id, _) = self.pick(subscription).await?;
        let changed = self.billing.client().cancel_subscription(&id, cancellation).await?;
        self.billing.book_subscription(&changed).await?;
        self.access().await
    }

    /// Undoes a cancellation at the end of the period, or ends a pause.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel), and [`Conflict`](ErrorKind::Conflict) `not_resumable`: the
    /// subscription ended for good.
    pub async fn resume(&self, subscription: Option<&str>) -> Result<Access, Error> {
        let (id, _) = self.pick(subscription).await?;
        let client = self.billing.client();
        let current = client.subscription(&id).await?;
        let changed = match current.status {
            Some(SubscriptionStatus::Paused) => client.unpause_subscription(&id).await?,
            Some(SubscriptionStatus::Active) if current.cancel_at_next_billing_date => {
                client.uncancel_subscription(&id).await?
            }
            Some(SubscriptionStatus::Active) => current,
            _ => {
                self.billing.book_subscription(&current).await?;
                let message = "the subscription ended for good: buy the plan again";
                return Err(conflict("not_resumable", message));
            }
        };
        self.billing.book_subscription(&changed).await?;
        self.access().await
    }

    /// A link to a page on which the owner enters a new payment method. The page also charges the
    /// open amount.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub async fn payment_method_link(&self, subscription: Option<&str>) -> Result<String, Error> {
        let (id, _) = self.pick(subscription).await?;
        let return_to = self.billing.return_to();
        let link = self.billing.client().payment_method_link(&id, return_to).await?;
        link.payment_link.ok_or_else(|| {
            Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable link")
        })
    }
}
