//! Asking Dodo Payments for what no webhook brought.

use bytes::Bytes;
use dodo_core::{Client, Environment, SignedEvent, path_segment};
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Ledger,
    attribution::{self, Evidence, History},
    error::Error,
    schema::Past,
};

/// How far a reconciliation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Payments that Dodo Payments listed.
    pub payments_seen: u64,
    /// Payments that were not in the ledger and were booked.
    pub payments_booked: u64,
    /// Refunds that Dodo Payments listed.
    pub refunds_seen: u64,
    /// Refunds that were not in the ledger and were booked.
    pub refunds_booked: u64,
}

/// The part of a listed object that says which one it is.
#[derive(Deserialize)]
struct Listed {
    payment_id: Option<String>,
    refund_id: Option<String>,
}

impl Ledger {
    /// Asks Dodo Payments for the payments and refunds that succeeded and were made between `from`
    /// and `until`, and books those that are not in the ledger. `progress` is called after each.
    ///
    /// Dodo's lists are read page by page: what is made while they are read may move others to a page
    /// that was read already. Let `until` lie in the past, so that the list no longer grows.
    ///
    /// Booking is by the object's own id: a webhook that arrives later changes nothing of the sums,
    /// and what is booked already is not asked for again.
    ///
    /// ```no_run
    /// # async fn run(ledger: dodo_ledger::Ledger, client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// let until = jiff::Timestamp::now();
    /// let from = until - jiff::SignedDuration::from_hours(24 * 30);
    /// let found = ledger
    ///     .reconcile(&client, from, until, |so_far| {
    ///         println!("{} payments, {} refunds", so_far.payments_seen, so_far.refunds_seen);
    ///     })
    ///     .await?;
    /// println!("{} were missing", found.payments_booked + found.refunds_booked);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::call`], and [`Store`](dodo_core::ErrorKind::Store) without the database.
    /// What was booked until then stays booked: run it again.
    pub async fn reconcile(
        &self,
        client: &Client,
        from: Timestamp,
        until: Timestamp,
        mut progress: impl FnMut(Reconciled),
    ) -> Result<Reconciled, dodo_core::Error> {
        let mut so_far = Reconciled::default();
        let (from, until) = (from.to_string(), until.to_string());
        let filters =
            [("status", "succeeded"), ("created_at_gte", &*from), ("created_at_lte", &*until)];
        // Payments first: refunds find their payment then.
        let mut payments = client.list::<Listed>("/payments", &filters);
        while let Some(listed) = payments.next().await? {
            let Some(id) = listed.payment_id else { continue };
            let missing = !self.has(&attribution::charge_id(&id)).await?;
            if missing {
                let booked = self.ask(client, "payments", "payment.succeeded", &id).await?;
                so_far.payments_booked += u64::from(booked);
            }
            so_far.payments_seen += 1;
            progress(so_far);
        }
        let mut refunds = client.list::<Listed>("/refunds", &filters);
        while let Some(listed) = refunds.next().await? {
            let Some(id) = listed.refund_id else { continue };
            let missing = !self.has(&format!("refund:{id}")).await?;
            if missing {
                let booked = self.ask(client, "refunds", "refund.succeeded", &id).await?;
                so_far.refunds_booked += u64::from(booked);
            }
            so_far.refunds_seen += 1;
            progress(so_far);
        }
        Ok(so_far)
    }

    async fn has(&self, id: &str) -> Result<bool, Error> {
        let mut past = Past::of(self.shared.store.read().await?);
        Ok(past.entry(id).await?.is_some())
    }

    /// Fetches an object (lists leave out tax and metadata) and books it, if it did succeed.
    async fn ask(
        &self,
        client: &Client,
        list: &str,
        event_type: &str,
        id: &str,
    ) -> Result<bool, dodo_core::Error> {
        let path = format!("/{list}/{}", path_segment(id)?);
        let object: Value = client.call(Method::GET, &path, &[], None).await?;
        if object.get("status").and_then(Value::as_str) != Some("succeeded") {
            return Ok(false); // it changed since it was listed
        }
        let live = client.environment() == Environment::Live;
        let event = as_event(event_type, id, object, live);
        let Some(mut evidence) = Evidence::of_event(&event, &self.shared.rules)? else {
            return Ok(false);
        };
        evidence.origin.asked = true;
        let mut past = self.shared.begin_booking().await?;
        let booking = attribution::book(&self.shared.rules, &mut past, evidence).await?;
        self.shared.commit_booking(past, booking).await?;
        tracing::info!(target: "dodo::ledger", id, "booked what no webhook brought");
        Ok(true)
    }
}

/// The object as the event that should have brought it. Its own time stands in for the event's.
fn as_event(event_type: &str, id: &str, object: Value, live: bool) -> SignedEvent {
    let body = json!({
        "type": event_type,
        "business_id": object.get("business_id"),
        "timestamp": object.get("created_at"),
        "data": object,
    });
    let body = Bytes::from(body.to_string());
    SignedEvent::assume_verified(&format!("asked_{id}"), body, Timestamp::now(), live)
}
