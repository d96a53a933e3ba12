//! The records of one event, without history.

use serde::de::DeserializeOwned;

use super::{
    Attributed, AttributionRecord, AttributionStep, ChargeFacts, ChargeHistory,
    ClassificationBasis, Contact, DisputePolicy, MetadataMapping, NonRevenueReason, RecordKind,
    SubscriptionTerms, classify, options::email_sha256,
};
use crate::{
    Error, EventKind,
    event::{Customer, Date, Dispute, Metadata, Payment, Refund, Subscription, lenient},
    money::{Currency, Money},
    webhook::{Envelope, VerifiedEvent},
};

/// Returns the records of one event: none for most kinds, a charge and an identify for a payment.
///
/// Kinds that need history have the basis [`Assumed`](ClassificationBasis::Assumed). A refund's
/// `net` is its `gross`, as its tax is not known here.
///
/// # Errors
/// [`UnreadableEvent`](crate::ErrorKind::UnreadableEvent) when the event cannot be read.
pub fn records_for_event(
    event: &VerifiedEvent,
    options: &MetadataMapping,
) -> Result<Vec<AttributionRecord>, Error> {
    let envelope = event.readable()?;
    facts_of(event, &envelope, options, &mut &envelope)
}

/// A source of payloads: the body, or payloads that were already parsed.
pub(crate) trait Payloads {
    fn read<T>(&mut self) -> Result<T, Error>
    where
        T: DeserializeOwned + Clone + Send + 'static;
}

impl Payloads for &Envelope {
    fn read<T>(&mut self) -> Result<T, Error>
    where
        T: DeserializeOwned + Clone + Send + 'static,
    {
        let text = self.data.as_str().unwrap_or_default();
        lenient::read(text, "/data").map(|read| read.value)
    }
}

pub(crate) fn facts_of(
    event: &VerifiedEvent,
    envelope: &Envelope,
    options: &MetadataMapping,
    payloads: &mut impl Payloads,
) -> Result<Vec<AttributionRecord>, Error> {
    let facts = Facts { event, envelope, options };
    Ok(match envelope.kind {
        EventKind::PaymentSucceeded => facts.payment(&payloads.read()?),
        EventKind::RefundSucceeded | EventKind::RefundFailed => {
            vec![facts.refund(&payloads.read()?)]
        }
        EventKind::DisputeOpened
        | EventKind::DisputeAccepted
        | EventKind::DisputeExpired
        | EventKind::DisputeLost
        | EventKind::DisputeCancelled
        | EventKind::DisputeWon => facts.dispute(&payloads.read()?).into_iter().collect(),
        EventKind::SubscriptionActive => {
            vec![facts.subscription(&payloads.read()?, "started", RecordKind::SubscriptionStarted)]
        }
        EventKind::SubscriptionCancelled => {
            vec![facts.subscription(
                &payloads.read()?,
                "cancelled",
                RecordKind::SubscriptionCancelled,
            )]
        }
        _ => Vec::new(),
    })
}

struct Facts<'a> {
    event: &'a VerifiedEvent,
    envelope: &'a Envelope,
    options: &'a MetadataMapping,
}

impl Facts<'_> {
    fn record(&self, id: String, kind: RecordKind) -> AttributionRecord {
        let mut record = AttributionRecord::new(id, kind, self.envelope.timestamp);
        self.event.id().clone_into(&mut record.webhook_id);
        record.event_type = self.envelope.kind.clone();
        record.received_at = self.event.received_at();
        record.live = self.event.live();
        record.business_id.clone_from(&self.envelope.business_id);
        record
    }

    fn payment(&self, payment: &Payment) -> Vec<AttributionRecord> {
        let says = ChargeFacts::from_payment(payment, self.envelope.timestamp);
        let classified = classify(&says, &ChargeHistory::default());
        let mut charge = self.record(format!("charge:{}", payment.payment_id), classified.kind);
        charge.basis = classified.basis;
        charge.plan_change = classified.plan_change;
        charge.on_demand = classified.on_demand;
        charge.payment_id.clone_from(&payment.payment_id);
        charge.brand_id.clone_from(&payment.brand_id);
        charge.subscription_ids = says.subscription_ids;
        charge.checkout_session_id.clone_from(&payment.checkout_session_id);
        charge.invoice_id.clone_from(&payment.invoice_id);
        charge.product_ids =
            payment.product_cart.iter().map(|item| item.product_id.clone()).collect();
        charge.created_at = payment.created_at.as_ref().and_then(Date::timestamp);
        charge.retry_attempt = payment.retry_attempt.unwrap_or_default();
        charge.payment_method.clone_from(&payment.payment_method);
        if charge.kind.is_revenue() {
            let (tax, settlement_tax) = payment.usable_taxes();
            charge.money = Some(self.options.money(payment.total_amount, tax, payment.currency));
            charge.settlement = payment
                .settlement_amount
                .zip(payment.settlement_currency)
                .map(|(amount, currency)| self.options.money(amount, settlement_tax, currency));
        }
        self.who(&mut charge, &payment.payment_id, &payment.metadata, &payment.customer);

        let mut identify = charge.clone();
        identify.id = format!("identify:{}", payment.payment_id);
        identify.kind = RecordKind::Identify;
        identify.basis = ClassificationBasis::Event;
        identify.money = None;
        identify.settlement = None;
        vec![charge, identify]
    }

    /// The money of a refund or a dispute. It is always negative: the sign in the payload does not
    /// count.
    fn reversal(&self, amount: i64, currency: Currency) -> Money {
        self.options.money(amount.saturating_abs(), None, currency).negated()
    }

    fn refund(&self, refund: &Refund) -> AttributionRecord {
        let failed = self.envelope.kind == EventKind::RefundFailed;
        let mut id = format!("refund:{}", refund.refund_id);
        let kind = if failed {
            id.push_str(":failed");
            RecordKind::NonRevenue { reason: NonRevenueReason::RefundFailed }
        } else {
            RecordKind::Refund { partial: refund.is_partial }
        };
        let mut record = self.record(id, kind);
        record.basis = ClassificationBasis::Event;
        record.payment_id = refund.payment_id.clone().unwrap_or_default();
        record.refund_id = Some(refund.refund_id.clone());
        record.brand_id.clone_from(&refund.brand_id);
        record.created_at = refund.created_at.as_ref().and_then(Date::timestamp);
        if !failed {
            record.money = refund
                .amount
                .zip(refund.currency)
                .map(|(amount, currency)| self.reversal(amount, currency));
            record.stated_amount = refund.amount.filter(|_| refund.currency.is_none());
            record.flags.amount_unknown = record.money.is_none();
            record.flags.net_is_gross = record.money.is_some();
        }
        self.who(&mut record, &refund.refund_id, &refund.metadata, &refund.customer);
        record
    }

    fn dispute(&self, dispute: &Dispute) -> Option<AttributionRecord> {
        let loss = RecordKind::DisputeLoss { rdr: dispute.is_resolved_by_rdr };
        let closed = RecordKind::NonRevenue { reason: NonRevenueReason::DisputeClosed };
        let (kind, end) = match (&self.envelope.kind, self.options.disputes) {
            (EventKind::DisputeOpened, DisputePolicy::OnOpen) => (loss, "loss"),
            (EventKind::DisputeOpened, DisputePolicy::OnLoss) => return None,
            (EventKind::DisputeWon | EventKind::DisputeCancelled, _) => (closed, "reversal"),
            _ => (loss, "loss"),
        };
        let mut record = self.record(format!("dispute:{}:{end}", dispute.dispute_id), kind);
        record.basis = ClassificationBasis::Event;
        record.payment_id = dispute.payment_id.clone().unwrap_or_default();
        record.dispute_id = Some(dispute.dispute_id.clone());
        record.brand_id.clone_from(&dispute.brand_id);
        record.created_at = dispute.created_at.as_ref().and_then(Date::timestamp);
        if record.kind.is_revenue() {
            record.money =
                dispute.amount.as_ref().zip(dispute.currency).and_then(|(amount, currency)| {
                    let minor = amount.to_minor_units(self.options.decimals(currency))?;
                    Some(self.reversal(minor, currency))
                });
            record.flags.amount_unknown = record.money.is_none();
            record.flags.net_is_gross = record.money.is_some();
        }
        self.who(&mut record, &dispute.dispute_id, &Metadata::new(), &dispute.customer);
        Some(record)
    }

    fn subscription(
        &self,
        subscription: &Subscription,
        change: &str,
        kind: RecordKind,
    ) -> AttributionRecord {
        let id = &subscription.subscription_id;
        let mut record = self.record(format!("subscription:{id}:{change}"), kind);
        record.basis = ClassificationBasis::Event;
        record.brand_id.clone_from(&subscription.brand_id);
        record.subscription_ids = vec![id.clone()];
        record.product_ids = subscription.product_id.iter().cloned().collect();
        record.on_demand = subscription.on_demand;
        record.created_at = subscription.created_at.as_ref().and_then(Date::timestamp);
        record.subscription = Some(terms(subscription));
        self.who(&mut record, id, &subscription.metadata, &subscription.customer);
        record
    }

    /// Sets visitor, campaign and customer, if the event has them.
    fn who(
        &self,
        record: &mut AttributionRecord,
        object: &str,
        metadata: &Metadata,
        customer: &Customer,
    ) {
        record.customer_id.clone_from(&customer.customer_id);
        let sources = [
            (metadata, AttributionStep::EventMetadata, object),
            (
                &customer.metadata,
                AttributionStep::CustomerRecord,
                customer.customer_id.as_deref().unwrap_or_default(),
            ),
        ];
        for (metadata, step, from) in sources {
            let from = || from.to_owned();
            if record.visitor.is_none() {
                record.visitor = self.options.visitor(metadata).map(|value| Attributed {
                    value,
                    step,
                    from: from(),
                });
            }
            if record.campaign.is_none() {
                record.campaign = self.options.campaign(metadata).map(|value| Attributed {
                    value,
                    step,
                    from: from(),
                });
            }
        }
        record.tool_ids = self.options.tool_ids(metadata);
        record.user_id = self.options.user(metadata);
        record.email_sha256 = customer.email.as_deref().and_then(email_sha256);
        record.contact =
            Some(Contact { email: customer.email.clone(), name: customer.name.clone() })
                .filter(|contact| *contact != Contact::default());
    }
}

/// The price and the dates of a subscription.
impl From<&Subscription> for SubscriptionTerms {
    fn from(subscription: &Subscription) -> Self {
        terms(subscription)
    }
}

fn terms(subscription: &Subscription) -> SubscriptionTerms {
    let moment = |date: &Option<Date>| date.as_ref().and_then(Date::timestamp);
    SubscriptionTerms {
        recurring_pre_tax_amount: subscription.recurring_pre_tax_amount,
        currency: subscription.currency,
        payment_frequency_interval: subscription
            .payment_frequency_interval
            .as_ref()
            .map(|interval| interval.as_str().to_owned()),
        payment_frequency_count: subscription.payment_frequency_count,
        trial_period_days: subscription.trial_period_days,
        next_billing_date: moment(&subscription.next_billing_date),
        cancelled_at: moment(&subscription.cancelled_at),
        cancel_at_next_billing_date: subscription.cancel_at_next_billing_date,
    }
}
