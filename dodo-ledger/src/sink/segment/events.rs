//! The events of Segment for a record.

use std::borrow::Cow;

use dodo_core::{
    attribution::{AttributionRecord, Contact, RecordKind},
    capture::Campaign,
    money::Money,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{EventNames, RefundSign, Segment, SegmentEvent};
use crate::{
    outbox::OutboxRecord,
    sink::json::{major, without_nulls},
};

impl Segment {
    /// Whether the event names have a name for this record.
    pub(super) fn has_event(&self, record: &AttributionRecord) -> bool {
        match record.kind {
            RecordKind::SubscriptionStarted | RecordKind::SubscriptionCancelled => {
                self.event_names == EventNames::Dodo
            }
            _ => record.kind.is_revenue() && record.money.is_some(),
        }
    }

    /// The events of a record as JSON texts: a `track`, and for a charge an `identify`.
    pub(super) fn events(&self, outgoing: &OutboxRecord) -> Vec<String> {
        let record = &outgoing.record;
        let Some((name, properties)) = self.event(record) else { return Vec::new() };
        let event = SegmentEvent { name: name.to_owned(), properties: without_nulls(properties) };
        let event = match &self.map_event {
            Some(map) => map(record, event),
            None => Some(event),
        };
        let Some(event) = event else { return Vec::new() };
        let mut track = head("track", &record.id, record);
        track.insert("event".into(), event.name.into());
        track.insert("properties".into(), Value::Object(event.properties));
        if let Some(campaign) = record.campaign.as_ref() {
            track
                .insert("context".into(), json!({ "campaign": campaign_context(&campaign.value) }));
        }
        let mut events = vec![Value::Object(track).to_string()];
        if self.identify && record.kind.is_charge() && record.customer_id.is_some() {
            let mut identify = head("identify", &format!("identify:{}", record.payment_id), record);
            identify.insert("traits".into(), Value::Object(without_nulls(self.traits(outgoing))));
            events.push(Value::Object(identify).to_string());
        }
        events
    }

    /// The event's name and its properties.
    fn event(&self, record: &AttributionRecord) -> Option<(&'static str, Value)> {
        use RecordKind as Kind;
        let dodo = self.event_names == EventNames::Dodo;
        match &record.kind {
            Kind::SubscriptionStarted if dodo => {
                Some(("Subscription Started", self.subscription_started(record)))
            }
            Kind::SubscriptionCancelled if dodo => {
                Some(("Subscription Cancelled", self.subscription_cancelled(record)))
            }
            kind if kind.is_charge() => {
                let money = record.money?;
                Some(if dodo {
                    ("Payment Completed", self.payment_completed(record, money))
                } else {
                    ("Order Completed", self.order_completed(record, money))
                })
            }
            Kind::Refund { .. } | Kind::DisputeLoss { .. } => {
                let name = if dodo { "Payment Refunded" } else { "Order Refunded" };
                Some((name, self.refunded(record, record.money?)))
            }
            Kind::RefundReversal | Kind::DisputeReversal => {
                let name = if dodo { "Payment Refund Reversed" } else { "Order Refund Reversed" };
                Some((name, self.refunded(record, record.money?)))
            }
            _ => None,
        }
    }

    fn traits(&self, outgoing: &OutboxRecord) -> Value {
        let contact = outgoing.record.contact.clone().filter(|_| self.options.personal_data);
        traits(outgoing, contact.unwrap_or_default())
    }

    fn order_completed(&self, record: &AttributionRecord, money: Money) -> Value {
        let products: Vec<Value> =
            record.product_ids.iter().map(|id| json!({ "product_id": id })).collect();
        let mut properties = json!({
            "order_id": record.payment_id,
            "total": major(money.gross, money),
            "revenue": major(money.net, money),
            "tax": money.tax.map(|tax| major(tax, money)),
            "currency": money.currency,
            "products": products,
            "subscription_id": record.subscription_ids.first(),
            "billing_reason": billing_reason(record),
        });
        self.add_person(&mut properties, record);
        add_origin(&mut properties, record);
        properties
    }

    fn payment_completed(&self, record: &AttributionRecord, money: Money) -> Value {
        let mut properties = json!({
            "amount": major(money.gross, money),
            "currency": money.currency,
            "payment_method": record.payment_method.as_deref().unwrap_or("unknown"),
            "payment_id": record.payment_id,
            "subscription_id": record.subscription_ids.first(),
            "billing_reason": billing_reason(record),
        });
        if self.options.personal_data {
            let contact = record.contact.clone().unwrap_or_default();
            add(&mut properties, "customer_email", contact.email.into());
            add(&mut properties, "customer_name", contact.name.into());
        }
        add_origin(&mut properties, record);
        properties
    }

    /// The properties of refunds and lost disputes, and of their own reversals.
    fn refunded(&self, record: &AttributionRecord, money: Money) -> Value {
        let total = major(money.gross.saturating_abs(), money);
        let mut properties = json!({
            "currency": money.currency,
            "refund_id": record.refund_id,
            "dispute_id": record.dispute_id,
        });
        match self.event_names {
            EventNames::Dodo => {
                add(&mut properties, "payment_id", record.payment_id.clone().into());
                add(&mut properties, "amount", total);
            }
            EventNames::Ecommerce => {
                add(&mut properties, "order_id", record.payment_id.clone().into());
                add(&mut properties, "total", total);
            }
        }
        if self.refund_sign == RefundSign::Negative {
            add(&mut properties, "revenue", major(money.net, money));
        }
        add_origin(&mut properties, record);
        properties
    }

    fn subscription_started(&self, record: &AttributionRecord) -> Value {
        let terms = record.subscription.clone().unwrap_or_default();
        let amount = terms
            .recurring_pre_tax_amount
            .zip(terms.currency)
            .map(|(minor, currency)| major(minor, Money::new(minor, None, currency)));
        let mut properties = json!({
            "subscription_id": record.subscription_ids.first(),
            "product_id": record.product_ids.first(),
            "amount": amount,
            "currency": terms.currency,
            "frequency": terms.payment_frequency_interval,
            "next_billing": terms.next_billing_date,
        });
        self.add_email(&mut properties, record);
        add_origin(&mut properties, record);
        properties
    }

    fn subscription_cancelled(&self, record: &AttributionRecord) -> Value {
        let terms = record.subscription.clone().unwrap_or_default();
        let mut properties = json!({
            "subscription_id": record.subscription_ids.first(),
            "product_id": record.product_ids.first(),
            "cancelled_at": terms.cancelled_at,
            "cancel_at_next_billing": terms.cancel_at_next_billing_date,
        });
        self.add_email(&mut properties, record);
        add_origin(&mut properties, record);
        properties
    }

    fn add_person(&self, properties: &mut Value, record: &AttributionRecord) {
        if self.options.personal_data {
            let email = record.contact.as_ref().and_then(|contact| contact.email.clone());
            add(properties, "email", email.into());
        }
    }

    fn add_email(&self, properties: &mut Value, record: &AttributionRecord) {
        if self.options.personal_data {
            let email = record.contact.as_ref().and_then(|contact| contact.email.clone());
            add(properties, "customer_email", email.into());
        }
    }
}

/// Segment accepts ids with fewer characters.
const MESSAGE_ID_LIMIT: usize = 100;

/// A message id: itself, or its hash if it is too long, which is the same at every repeat.
fn fitting(message_id: &str) -> Cow<'_, str> {
    if message_id.len() < MESSAGE_ID_LIMIT {
        return message_id.into();
    }
    let mut hash = "sha256:".to_owned();
    for byte in Sha256::digest(message_id) {
        hash.push_str(&format!("{byte:02x}"));
    }
    hash.into()
}

/// The fields of every call. Segment requires a user, so without a customer and a visitor the id of
/// the record is the anonymous id.
fn head(kind: &str, message_id: &str, record: &AttributionRecord) -> Map<String, Value> {
    let anonymous = record
        .tool_ids
        .get("segment_anonymous_id")
        .or(record.visitor.as_ref().map(|found| &found.value))
        .cloned()
        .or_else(|| record.customer_id.is_none().then(|| record.id.clone()));
    let call = json!({
        "type": kind,
        "messageId": fitting(message_id),
        "userId": record.customer_id,
        "anonymousId": anonymous,
        "timestamp": record.occurred_at,
    });
    without_nulls(call)
}

/// The id and the traits of the customer.
fn traits(outgoing: &OutboxRecord, contact: Contact) -> Value {
    let record = &outgoing.record;
    let history = outgoing.customer;
    let spent = history.zip(record.money).map(|(history, money)| major(history.spent, money));
    json!({
        "email": contact.email,
        "name": contact.name,
        "total_spent": spent,
        "payment_method": record.payment_method,
        "last_payment_date": history.map(|history| history.last_paid),
        "customer_since": history.map(|history| history.since),
    })
}

/// The property that separates new charges from renewals.
fn billing_reason(record: &AttributionRecord) -> &'static str {
    match record.kind {
        RecordKind::SubscriptionNew => "new",
        RecordKind::SubscriptionRenewal => "renewal",
        _ => "one_time",
    }
}

/// The visitor and the campaign.
fn add_origin(properties: &mut Value, record: &AttributionRecord) {
    let campaign = record.campaign.as_ref().map(|found| &found.value);
    add(properties, "visitor", record.visitor.as_ref().map(|found| found.value.clone()).into());
    add(properties, "link_id", campaign.and_then(|campaign| campaign.link_id.clone()).into());
    add(properties, "lead_id", campaign.and_then(|campaign| campaign.lead_id.clone()).into());
}

fn campaign_context(campaign: &Campaign) -> Map<String, Value> {
    without_nulls(json!({
        "name": campaign.campaign_id,
        "source": campaign.source,
        "medium": campaign.medium,
        "content": campaign.content,
        "term": campaign.term,
    }))
}

fn add(properties: &mut Value, name: &str, value: Value) {
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(name.to_owned(), value);
    }
}
