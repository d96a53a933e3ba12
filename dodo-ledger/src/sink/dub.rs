//! The sink for Dub.

use std::fmt;

use dodo_core::attribution::{AttributionRecord, RecordKind};
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    http::{Answer, Http, endpoint},
    json::without_nulls,
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// Sends records to [Dub](https://dub.co/docs/api-reference/endpoint/track-sale), `POST
/// /track/sale`.
///
/// `amount` is the net in minor units, `invoiceId` the payment, by which Dub deduplicates. The sink
/// sends only payments of Dub links: their metadata, or that of their purchase, has the
/// `dub_click_id` or `dub_external_id` of [`VisitorCapture`](dodo_core::capture::VisitorCapture)'s
/// preset.
///
/// A full refund and a lost dispute mark the sale's commission as refunded. If Dub has no
/// commission yet, because the sale is not sent or Dub is slow, the worker retries. After the last
/// attempt the record is a dead letter, also if the link's program pays no commission. Dub has no
/// event for a partial refund, and does not document currencies with three decimals: the sink skips
/// both.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::sink::Dub;
///
/// let sink = Dub::new(&std::env::var("DUB_API_KEY").unwrap_or_default())?;
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dub {
    options: Options,
    base: String,
    http: Http,
}

impl Dub {
    /// Sends to the workspace of this key. The key needs the scope `conversions.write`, and
    /// `commissions.write` for refunds.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an empty key.
    #[cfg(feature = "reqwest")]
    pub fn new(api_key: &str) -> Result<Self, Error> {
        Self::build("https://api.dub.co", api_key, Http::system()?)
    }

    fn build(base_url: &str, api_key: &str, http: Http) -> Result<Self, Error> {
        let base = base_url.trim_end_matches('/').to_owned();
        endpoint(&base)?;
        Ok(Self { options: Options::third_party("dub"), base, http: http.bearer(api_key)? })
    }

    common!(with_transport, name, require_granted_consent, include_test_mode);

    /// Returns a URL that ends with an id.
    fn uri(&self, path: &str, id: &str) -> Result<Uri, Answer> {
        let refused = Answer::Rejected { reason: "an id is invalid in a URL" };
        if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
            return Err(refused);
        }
        format!("{}{path}{id}", self.base).parse().map_err(|_| refused)
    }

    async fn sale(&self, sale: &Value) -> Result<(), Answer> {
        let uri = self.uri("/track/sale", "")?;
        self.http.json(Method::POST, &uri, sale.to_string()).await.map(drop)
    }

    /// Marks the commissions of a payment as refunded. A repeat finds them marked.
    async fn refund(&self, payment_id: &str) -> Result<(), Answer> {
        #[derive(Deserialize)]
        struct Commission {
            id: String,
            #[serde(default)]
            status: String,
        }
        let list = self.uri("/commissions?invoiceId=", payment_id)?;
        let answer = self.http.json(Method::GET, &list, String::new()).await?;
        let commissions: Vec<Commission> = serde_json::from_slice(&answer)
            .map_err(|_| Answer::Rejected { reason: "Dub's list of commissions cannot be read" })?;
        if commissions.is_empty() {
            return Err(Answer::Failed { after: None, reason: "Dub knows of no commission yet" });
        }
        for commission in commissions.iter().filter(|commission| commission.status != "refunded") {
            let uri = self.uri("/commissions/", &commission.id)?;
            let refunded = json!({ "status": "refunded" }).to_string();
            self.http.json(Method::PATCH, &uri, refunded).await?;
        }
        Ok(())
    }

    async fn send_one(&self, record: &AttributionRecord) -> Result<(), Answer> {
        match dub_event(record) {
            Some(DubEvent::Sale(sale)) => self.sale(&sale).await,
            Some(DubEvent::Refund { payment_id }) => self.refund(payment_id).await,
            None => Ok(()),
        }
    }
}

enum DubEvent<'r> {
    Sale(Value),
    Refund { payment_id: &'r str },
}

/// The request to Dub for a record.
fn dub_event(record: &AttributionRecord) -> Option<DubEvent<'_>> {
    let money = record.money.filter(|money| matches!(money.exponent, 0 | 2))?;
    let (click, known) =
        (record.tool_ids.get("dub_click_id"), record.tool_ids.get("dub_external_id"));
    if click.is_none() && known.is_none() {
        return None;
    }
    match record.kind {
        RecordKind::Refund { partial: false } | RecordKind::DisputeLoss { .. } => {
            Some(DubEvent::Refund { payment_id: &record.payment_id })
        }
        _ if record.kind.is_charge() => {
            let renewal = record.kind == RecordKind::SubscriptionRenewal;
            let customer = known.or(record.user_id.as_ref()).or(record.customer_id.as_ref())?;
            let metadata = without_nulls(json!({
                "kind": record.kind.as_str(),
                "subscription_id": record.subscription_ids.first(),
            }));
            let sale = without_nulls(json!({
                "customerExternalId": customer,
                "clickId": click,
                "amount": money.net,
                "currency": money.currency.as_str().to_ascii_lowercase(),
                "eventName": if renewal { "Renewal" } else { "Purchase" },
                "paymentProcessor": "custom",
                "invoiceId": record.payment_id,
                "metadata": metadata,
            }));
            Some(DubEvent::Sale(Value::Object(sale)))
        }
        _ => None,
    }
}

impl Sink for Dub {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record) && dub_event(record).is_some()
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        for outgoing in records {
            outcomes.push(match self.send_one(&outgoing.record).await {
                Ok(()) => SendOutcome::Accepted,
                Err(answer) => answer.into(),
            });
        }
        outcomes
    }
}

/// Does not show the key.
impl fmt::Debug for Dub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dub").field("name", &self.options.name).finish_non_exhaustive()
    }
}
