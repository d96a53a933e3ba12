//! The comparison of all subscriptions with Dodo Payments.

use dodo_core::{
    Error,
    client::SubscriptionId,
    event::{Subscription, SubscriptionStatus},
};
use dodo_ledger::attribution::SubscriptionState;
use jiff::Timestamp;

use crate::billing::Billing;

/// A subscription that differs from its state at Dodo Payments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// `sub_...`.
    pub subscription_id: String,
    /// The state by the booked facts. `None`: no fact is booked.
    pub here: Option<String>,
    /// The state at Dodo Payments.
    pub at_dodo: String,
}

/// The part of a subscription on which access depends.
#[derive(PartialEq)]
struct Terms {
    status: Option<SubscriptionStatus>,
    product: Option<String>,
    quantity: i64,
    next_billing_date: Option<Timestamp>,
    cancels: bool,
}

impl Terms {
    fn at_dodo(subscription: &Subscription) -> Self {
        Self {
            status: subscription.status.clone(),
            product: subscription.product_id.clone(),
            quantity: subscription.quantity.unwrap_or(1),
            next_billing_date: subscription
                .next_billing_date
                .as_ref()
                .and_then(|date| date.timestamp()),
            cancels: subscription.cancel_at_next_billing_date,
        }
    }

    fn here(state: SubscriptionState) -> Self {
        Self {
            status: state.status,
            product: state.product_id,
            quantity: state.quantity.unwrap_or(1),
            next_billing_date: state.terms.next_billing_date,
            cancels: state.terms.cancel_at_next_billing_date,
        }
    }

    fn text(&self) -> String {
        let status = self.status.as_ref().map_or("no status", |status| status.as_str());
        let product = self.product.as_deref().unwrap_or("no product");
        let next = self.next_billing_date.map(|at| format!(", next billing date {at}"));
        let cancels = if self.cancels { ", cancels at that date" } else { "" };
        let next = next.unwrap_or_default();
        format!("{status}, {} x {product}{next}{cancels}", self.quantity)
    }
}

impl Billing {
    /// Compares all subscriptions at Dodo Payments with the booked facts, and returns those that differ. It
    /// books nothing.
    ///
    /// # Errors
    /// Those of [`call`](dodo_core::Client::call); those of the database;
    /// [`Config`](dodo_core::ErrorKind::Config) without a ledger.
    pub async fn drift(&self) -> Result<Vec<Drift>, Error> {
        self.compare(false).await
    }

    /// As [`drift`](Self::drift), and books the state of each subscription that differs. Run it each night,
    /// beside [`Ledger::reconcile`](dodo_ledger::Ledger::reconcile) for payments: it repairs the
    /// effects of lost webhooks.
    ///
    /// # Errors
    /// As [`drift`](Self::drift). The booked states stay: run it again.
    pub async fn sync(&self) -> Result<Vec<Drift>, Error> {
        self.compare(true).await
    }

    async fn compare(&self, repair: bool) -> Result<Vec<Drift>, Error> {
        let ledger = self.ledger()?;
        let mut found = Vec::new();
        let mut listed = self.client().list::<Subscription>("/subscriptions", &[]);
        while let Some(subscription) = listed.next().await? {
            let id = &subscription.subscription_id;
            let here = ledger.subscription(id).await?.map(Terms::here);
            if here.as_ref() == Some(&Terms::at_dodo(&subscription)) {
                continue;
            }
            // An element of a list can be older than the webhooks that arrived since.
            let current = self.client().subscription(&SubscriptionId::new(id)?).await?;
            let (here, at_dodo) =
                (ledger.subscription(id).await?.map(Terms::here), Terms::at_dodo(&current));
            if here.as_ref() == Some(&at_dodo) {
                continue;
            }
            if repair {
                self.book_subscription(&current).await?;
            }
            found.push(Drift {
                subscription_id: id.clone(),
                here: here.map(|terms| terms.text()),
                at_dodo: at_dodo.text(),
            });
        }
        Ok(found)
    }
}
