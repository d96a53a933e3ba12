//! Reconciliation: books the payments and refunds that no webhook delivered.

use bytes::Bytes;
use dodo_core::{Client, Environment, client::path_segment, webhook::VerifiedEvent};
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Ledger,
    attribution::{Batch, parse_api_object, sanitize},
    error::{Error, ErrorKind},
    redact::RedactedError,
};

/// After this many failed requests in a row, the cause is not a single object, and the
/// reconciliation stops.
const FAILURES_IN_A_ROW: u32 = 5;

/// The progress and the result of [`Ledger::reconcile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconcileReport {
    /// Payments that Dodo Payments listed.
    pub payments_seen: u64,
    /// Payments that were not in the ledger and were booked.
    pub payments_booked: u64,
    /// Refunds that Dodo Payments listed.
    pub refunds_seen: u64,
    /// Refunds that were not in the ledger and were booked.
    pub refunds_booked: u64,
    /// Payments and refunds that are not in the ledger, and could not be fetched, read or booked.
    /// Their ids are in the log.
    pub skipped: u64,
}

/// The id of a listed object.
#[derive(Deserialize)]
struct Listed {
    payment_id: Option<String>,
    refund_id: Option<String>,
}

/// The kind of object to list.
struct Kind {
    list: &'static str,
    event_type: &'static str,
}

const PAYMENTS: Kind = Kind { list: "payments", event_type: "payment.succeeded" };
const REFUNDS: Kind = Kind { list: "refunds", event_type: "refund.succeeded" };

/// A running reconciliation.
struct Run<'a> {
    ledger: &'a Ledger,
    client: &'a Client,
    so_far: ReconcileReport,
    failures_in_a_row: u32,
}

impl Ledger {
    /// Asks Dodo Payments for the payments and refunds that succeeded and were made between `from`
    /// and `until`, and books those that are not in the ledger. `progress` is called after each.
    ///
    /// Dodo lists objects page by page, and a new object may move others to a page that is already
    /// read. Choose an `until` in the past, so that the list does not grow.
    ///
    /// It skips an object that it cannot fetch, read or book, counts it as
    /// [`skipped`](ReconcileReport::skipped), and logs its id.
    ///
    /// The object's own id is the key: a later webhook does not change the sums, and booked objects
    /// are not fetched again.
    ///
    /// ```no_run
    /// # async fn run(ledger: dodo_ledger::Ledger, client: dodo_core::Client) -> Result<(), dodo_ledger::Error> {
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
    /// [`Upstream`](ErrorKind::Upstream) if Dodo Payments does not answer, or refuses several objects in a
    /// row; [`Unavailable`](ErrorKind::Unavailable) without the database. The booked records stay: run it
    /// again.
    pub async fn reconcile(
        &self,
        client: &Client,
        from: Timestamp,
        until: Timestamp,
        mut progress: impl FnMut(ReconcileReport),
    ) -> Result<ReconcileReport, Error> {
        let mut run =
            Run { ledger: self, client, so_far: ReconcileReport::default(), failures_in_a_row: 0 };
        let (from, until) = (from.to_string(), until.to_string());
        let filters =
            [("status", "succeeded"), ("created_at_gte", &*from), ("created_at_lte", &*until)];
        // Payments come first, so that refunds find their payment.
        let mut payments = client.list::<Listed>("/payments", &filters);
        while let Some(listed) = payments.next().await? {
            let Some(id) = listed.payment_id else { continue };
            if !self.has(&format!("charge:{}", sanitize::id(&id))).await? {
                run.so_far.payments_booked += u64::from(run.book(&PAYMENTS, &id).await?);
            }
            run.so_far.payments_seen += 1;
            progress(run.so_far);
        }
        let mut refunds = client.list::<Listed>("/refunds", &filters);
        while let Some(listed) = refunds.next().await? {
            let Some(id) = listed.refund_id else { continue };
            if !self.has(&format!("refund:{}", sanitize::id(&id))).await? {
                run.so_far.refunds_booked += u64::from(run.book(&REFUNDS, &id).await?);
            }
            run.so_far.refunds_seen += 1;
            progress(run.so_far);
        }
        Ok(run.so_far)
    }

    async fn has(&self, id: &str) -> Result<bool, Error> {
        Ok(self.shared.groups().record(id).await?.is_some())
    }
}

impl Run<'_> {
    /// Fetches and books an object, or skips it. Returns whether it was booked.
    async fn book(&mut self, kind: &Kind, id: &str) -> Result<bool, Error> {
        let error = match self.ask(kind, id).await {
            Ok(booked) => {
                self.failures_in_a_row = 0;
                return Ok(booked);
            }
            Err(error) => error,
        };
        self.failures_in_a_row =
            if is_unreachable(&error) { self.failures_in_a_row + 1 } else { 0 };
        let stops = error.kind() == ErrorKind::Config || error.is_the_databases();
        if self.failures_in_a_row >= FAILURES_IN_A_ROW || stops {
            return Err(error);
        }
        self.so_far.skipped += 1;
        tracing::warn!(
            target: "dodo::ledger", id, %error, cause = error.cause(),
            "object skipped: not fetched, read or booked; run the reconciliation again"
        );
        Ok(false)
    }

    /// Fetches an object, because lists leave out tax and metadata. Books it, if it succeeded.
    async fn ask(&self, kind: &Kind, id: &str) -> Result<bool, Error> {
        let path = format!("/{}/{}", kind.list, path_segment(id)?);
        let body = self.client.call(Method::GET, &path, &[], None).bytes().await?;
        let live = self.client.environment() == Environment::Live;
        let Some(event) = as_event(kind.event_type, id, &body, live)? else {
            return Ok(false); // the object changed after the list
        };
        let shared = &self.ledger.shared;
        let Some(fact) = parse_api_object(&event, shared.rules())? else { return Ok(false) };
        shared.groups().book(Batch::from_facts([fact])).await?;
        shared.offer_changes();
        tracing::info!(target: "dodo::ledger", id, "object booked that no webhook delivered");
        Ok(true)
    }
}

/// Returns whether the request itself failed, independent of the object.
fn is_unreachable(error: &Error) -> bool {
    use dodo_core::ErrorKind as Upstream;
    let source = std::error::Error::source(error);
    let upstream = source.and_then(|source| source.downcast_ref::<dodo_core::Error>());
    upstream.is_some_and(|error| {
        matches!(
            error.kind(),
            Upstream::UpstreamFailed
                | Upstream::UpstreamTimeout
                | Upstream::RateLimited
                | Upstream::CredentialsRefused
        )
    })
}

/// The fields of an object that an event needs. The rest is passed on unchanged, because the parser
/// of events is lenient.
#[derive(Deserialize)]
struct Object<'a> {
    status: Option<String>,
    #[serde(borrow)]
    business_id: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    business_id: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    data: &'a RawValue,
}

/// The object as the event that should have brought it, if it succeeded. The time of the object
/// replaces the time of the event.
fn as_event(
    event_type: &str,
    id: &str,
    body: &[u8],
    live: bool,
) -> Result<Option<VerifiedEvent>, Error> {
    let unreadable = |error: serde_json::Error| {
        Error::new(ErrorKind::Upstream, "Dodo Payments answered without the object")
            .with_source(RedactedError::from_json(&error))
    };
    let object: Object<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    if object.status.as_deref() != Some("succeeded") {
        return Ok(None);
    }
    let body = Body {
        r#type: event_type,
        business_id: object.business_id,
        timestamp: object.created_at,
        data: serde_json::from_slice(body).map_err(unreadable)?,
    };
    let body = Bytes::from(serde_json::to_vec(&body).map_err(unreadable)?);
    let id = format!("asked_{id}");
    Ok(Some(VerifiedEvent::from_trusted_parts(&id, body, Timestamp::now(), live)))
}
