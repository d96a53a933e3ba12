//! The sink for DataFast.

use std::fmt;

use dodo_core::attribution::{AttributionRecord, RecordKind};
use http::Uri;
use serde_json::{Value, json};

use super::{
    http::{Http, endpoint},
    json::{major, without_nulls},
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// Sends records to [DataFast](https://datafa.st/docs/api/website/payments/create), `POST
/// /api/v1/payments`.
///
/// `amount` is the net in major units, `transaction_id` the payment, refund or dispute, by which
/// DataFast deduplicates. The visitor is the `datafast_visitor_id` that
/// [`VisitorCapture`](dodo_core::capture::VisitorCapture)'s preset put into the payment's metadata;
/// renewals and refunds inherit it. Refunds and lost disputes are sent as refunds. DataFast has no
/// event for their reversal, so the sink skips it.
///
/// DataFast's script can also count the sale when the buyer returns: turn this off.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::sink::DataFast;
///
/// let sink = DataFast::new(&std::env::var("DATAFAST_API_KEY").unwrap_or_default())?;
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DataFast {
    options: Options,
    uri: Uri,
    http: Http,
}

impl DataFast {
    /// Sends to the website of this key (`df_...`).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an empty key.
    #[cfg(feature = "reqwest")]
    pub fn new(api_key: &str) -> Result<Self, Error> {
        Self::build("https://datafa.st", api_key, Http::system()?)
    }

    fn build(base_url: &str, api_key: &str, http: Http) -> Result<Self, Error> {
        let uri = endpoint(&format!("{}/api/v1/payments", base_url.trim_end_matches('/')))?;
        Ok(Self { options: Options::third_party("datafast"), uri, http: http.bearer(api_key)? })
    }

    common!(
        with_transport,
        name,
        without_personal_data,
        require_granted_consent,
        include_test_mode
    );

    fn payment(&self, record: &AttributionRecord) -> Option<Value> {
        let money = record.money?;
        let refunded = match record.kind {
            RecordKind::Refund { .. } | RecordKind::DisputeLoss { .. } => true,
            _ if record.kind.is_charge() => false,
            _ => return None,
        };
        let transaction = match (refunded, &record.refund_id, &record.dispute_id) {
            (true, Some(id), _) | (true, None, Some(id)) => id,
            _ => &record.payment_id,
        };
        let contact = record.contact.clone().filter(|_| self.options.personal_data);
        let contact = contact.unwrap_or_default();
        let fields = json!({
            "amount": major(money.net.saturating_abs(), money),
            "currency": money.currency,
            "transaction_id": transaction,
            "datafast_visitor_id": record.tool_ids.get("datafast_visitor_id"),
            "email": contact.email,
            "name": contact.name,
            "customer_id": record.customer_id,
            "renewal": record.kind == RecordKind::SubscriptionRenewal,
            "refunded": refunded,
            "timestamp": record.occurred_at,
        });
        Some(Value::Object(without_nulls(fields)))
    }
}

impl Sink for DataFast {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record) && self.payment(record).is_some()
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        for outgoing in records {
            outcomes.push(match self.payment(&outgoing.record) {
                Some(body) => self.http.post(&self.uri, body.to_string()).await.into(),
                None => SendOutcome::Accepted,
            });
        }
        outcomes
    }
}

/// Does not show the key.
impl fmt::Debug for DataFast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFast").field("name", &self.options.name).finish_non_exhaustive()
    }
}
