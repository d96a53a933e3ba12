//! What one event shows, without history.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{
    AttributionRecord, Basis, Contact, NonRevenueReason, RecordKind, Resolved, Step,
    SubscriptionTerms,
};
use crate::{
    Campaign, Currency, Customer, Date, Dispute, Envelope, Error, EventKind, Metadata, Money,
    Payment, Preset, Refund, Role, SignedEvent, Subscription, VisitorCapture,
    event::{ChargeType, lenient},
};

/// When a dispute takes money out of revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisputePolicy {
    /// When it is lost, accepted or expired.
    #[default]
    OnLoss,
    /// When it is opened; it comes back when it is won or cancelled.
    OnOpen,
}

/// How [`facts`] reads events.
#[derive(Clone, Debug)]
#[must_use]
pub struct FactOptions {
    visitor_keys: Vec<String>,
    tool_keys: Vec<String>,
    user_key: String,
    exponents: BTreeMap<Currency, u8>,
    disputes: DisputePolicy,
}

/// Where visitors.now, and the ledger, look for the visitor.
const VISITOR_KEY: &str = "visitor";

/// The metadata keys under which tools look for their ids.
fn tool_keys() -> impl Iterator<Item = &'static str> {
    let fields = Preset::ALL.iter().flat_map(|preset| preset.fields());
    fields
        .filter(|field| !matches!(field.role, Role::Campaign(_)))
        .map(|field| field.key)
        .filter(|key| *key != VISITOR_KEY)
}

impl Default for FactOptions {
    fn default() -> Self {
        Self {
            visitor_keys: vec![VISITOR_KEY.to_owned()],
            tool_keys: tool_keys().map(str::to_owned).collect(),
            user_key: "user_id".to_owned(),
            exponents: BTreeMap::new(),
            disputes: DisputePolicy::default(),
        }
    }
}

impl FactOptions {
    /// Looks for the visitor under this metadata key too, after `visitor`.
    pub fn visitor_key(mut self, key: impl Into<String>) -> Self {
        self.visitor_keys.push(key.into());
        self
    }

    /// Looks for the visitor under the keys of the tools that this capture reads, in its order.
    pub fn captured_by(mut self, capture: &VisitorCapture) -> Self {
        for key in capture.visitor_keys() {
            if !self.visitor_keys.iter().any(|known| known == key) {
                self.visitor_keys.push(key.to_owned());
            }
        }
        self
    }

    /// Keeps the metadata under this key in `tool_ids`.
    pub fn tool_key(mut self, key: impl Into<String>) -> Self {
        self.tool_keys.push(key.into());
        self
    }

    /// Looks for the application's own user under this metadata key; `user_id` by default.
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.user_key = key.into();
        self
    }

    /// Counts this currency with so many decimals, whatever [`Currency::exponent`] says.
    pub fn exponent(mut self, currency: Currency, decimals: u8) -> Self {
        self.exponents.insert(currency, decimals);
        self
    }

    /// When disputes take money out of revenue.
    pub fn disputes(mut self, policy: DisputePolicy) -> Self {
        self.disputes = policy;
        self
    }

    fn money(&self, gross: i64, tax: Option<i64>, currency: Currency) -> Money {
        Money::new(gross, tax, currency).with_exponent(self.decimals(currency))
    }

    fn decimals(&self, currency: Currency) -> u8 {
        self.exponents.get(&currency).copied().unwrap_or_else(|| currency.exponent())
    }

    /// The visitor that metadata names.
    #[must_use]
    pub fn visitor(&self, metadata: &Metadata) -> Option<String> {
        self.visitor_keys.iter().find_map(|key| text(metadata, key))
    }

    /// The campaign that metadata names: Bantico's keys; where there is none, UTM parameters. Never a
    /// mix of the two.
    #[must_use]
    pub fn campaign(&self, metadata: &Metadata) -> Option<Campaign> {
        campaign(metadata)
    }

    /// The ids of other tools in metadata, by key.
    #[must_use]
    pub fn tool_ids(&self, metadata: &Metadata) -> BTreeMap<String, String> {
        let keys = self.tool_keys.iter();
        keys.filter_map(|key| Some((key.clone(), text(metadata, key)?))).collect()
    }

    /// The application's own user that metadata names.
    #[must_use]
    pub fn user(&self, metadata: &Metadata) -> Option<String> {
        text(metadata, &self.user_key)
    }
}

/// The records that one event shows: none for most kinds, a charge and an identify for a payment.
///
/// Kinds that only history can tell apart have the basis [`Assumed`](Basis::Assumed). A refund's
/// `net` is its `gross`, as its tax is not known here.
///
/// # Errors
/// [`Unreadable`](crate::ErrorKind::Unreadable) when the event cannot be read.
pub fn facts(event: &SignedEvent, options: &FactOptions) -> Result<Vec<AttributionRecord>, Error> {
    facts_of(event, &event.envelope()?, options)
}

pub(crate) fn facts_of(
    event: &SignedEvent,
    envelope: &Envelope,
    options: &FactOptions,
) -> Result<Vec<AttributionRecord>, Error> {
    let facts = Facts { event, envelope, options };
    Ok(match envelope.kind {
        EventKind::PaymentSucceeded => facts.payment(&facts.data()?),
        EventKind::RefundSucceeded | EventKind::RefundFailed => vec![facts.refund(&facts.data()?)],
        EventKind::DisputeOpened
        | EventKind::DisputeAccepted
        | EventKind::DisputeExpired
        | EventKind::DisputeLost
        | EventKind::DisputeCancelled
        | EventKind::DisputeWon => facts.dispute(&facts.data()?).into_iter().collect(),
        EventKind::SubscriptionActive => {
            vec![facts.subscription(&facts.data()?, "started", RecordKind::SubscriptionStarted)]
        }
        EventKind::SubscriptionCancelled => {
            vec![facts.subscription(&facts.data()?, "cancelled", RecordKind::SubscriptionCancelled)]
        }
        _ => Vec::new(),
    })
}

struct Facts<'a> {
    event: &'a SignedEvent,
    envelope: &'a Envelope,
    options: &'a FactOptions,
}

impl Facts<'_> {
    fn data<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.envelope.data.as_str().unwrap_or_default();
        lenient::read(text, "/data").map(|read| read.value)
    }

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
        let (kind, basis) = classify(payment);
        let mut charge = self.record(format!("charge:{}", payment.payment_id), kind);
        charge.basis = basis;
        charge.plan_change = payment.charge_type == Some(ChargeType::PlanChange);
        charge.on_demand = payment.charge_type == Some(ChargeType::OnDemand);
        charge.payment_id.clone_from(&payment.payment_id);
        charge.brand_id.clone_from(&payment.brand_id);
        charge.subscription_ids = subscription_ids(payment);
        charge.checkout_session_id.clone_from(&payment.checkout_session_id);
        charge.invoice_id.clone_from(&payment.invoice_id);
        charge.product_ids =
            payment.product_cart.iter().map(|item| item.product_id.clone()).collect();
        charge.created_at = payment.created_at.as_ref().and_then(Date::timestamp);
        charge.retry_attempt = payment.retry_attempt.unwrap_or_default();
        charge.payment_method.clone_from(&payment.payment_method);
        if charge.is_revenue() {
            charge.money =
                Some(self.options.money(payment.total_amount, payment.tax, payment.currency));
            charge.settlement = payment.settlement_amount.zip(payment.settlement_currency).map(
                |(amount, currency)| self.options.money(amount, payment.settlement_tax, currency),
            );
        }
        self.who(&mut charge, &payment.payment_id, &payment.metadata, &payment.customer);

        let mut identify = charge.clone();
        identify.id = format!("identify:{}", payment.payment_id);
        identify.kind = RecordKind::Identify;
        identify.basis = Basis::Event;
        identify.money = None;
        identify.settlement = None;
        vec![charge, identify]
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
        record.basis = Basis::Event;
        refund.payment_id.clone_into_or_default(&mut record.payment_id);
        record.refund_id = Some(refund.refund_id.clone());
        record.brand_id.clone_from(&refund.brand_id);
        record.created_at = refund.created_at.as_ref().and_then(Date::timestamp);
        if !failed {
            record.money = refund
                .amount
                .zip(refund.currency)
                .map(|(amount, currency)| self.options.money(amount, None, currency).negated());
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
        record.basis = Basis::Event;
        dispute.payment_id.clone_into_or_default(&mut record.payment_id);
        record.dispute_id = Some(dispute.dispute_id.clone());
        record.brand_id.clone_from(&dispute.brand_id);
        record.created_at = dispute.created_at.as_ref().and_then(Date::timestamp);
        if record.is_revenue() {
            record.money =
                dispute.amount.as_ref().zip(dispute.currency).and_then(|(amount, currency)| {
                    let minor = amount.to_minor(self.options.decimals(currency))?;
                    Some(self.options.money(minor, None, currency).negated())
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
        record.basis = Basis::Event;
        record.brand_id.clone_from(&subscription.brand_id);
        record.subscription_ids = vec![id.clone()];
        record.product_ids = subscription.product_id.iter().cloned().collect();
        record.on_demand = subscription.on_demand;
        record.created_at = subscription.created_at.as_ref().and_then(Date::timestamp);
        record.subscription = Some(terms(subscription));
        self.who(&mut record, id, &subscription.metadata, &subscription.customer);
        record
    }

    /// Visitor, campaign and customer, as far as the event shows them.
    fn who(
        &self,
        record: &mut AttributionRecord,
        object: &str,
        metadata: &Metadata,
        customer: &Customer,
    ) {
        record.customer_id.clone_from(&customer.customer_id);
        let sources = [
            (metadata, Step::EventMetadata, object),
            (
                &customer.metadata,
                Step::CustomerRecord,
                customer.customer_id.as_deref().unwrap_or_default(),
            ),
        ];
        for (metadata, step, from) in sources {
            let from = || from.to_owned();
            if record.visitor.is_none() {
                record.visitor = self.options.visitor(metadata).map(|value| Resolved {
                    value,
                    step,
                    from: from(),
                });
            }
            if record.campaign.is_none() {
                record.campaign =
                    campaign(metadata).map(|value| Resolved { value, step, from: from() });
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

trait CloneIntoOrDefault {
    fn clone_into_or_default(&self, target: &mut String);
}

impl CloneIntoOrDefault for Option<String> {
    fn clone_into_or_default(&self, target: &mut String) {
        target.clear();
        target.push_str(self.as_deref().unwrap_or_default());
    }
}

/// What a charge is, as far as the payment alone says.
fn classify(payment: &Payment) -> (RecordKind, Basis) {
    let none = |reason| (RecordKind::NonRevenue { reason }, Basis::Event);
    let has_subscription = payment.subscription_id.is_some()
        || !payment.subscription_ids.is_empty()
        || payment.is_multi_subscription;
    if payment.is_update_payment_method {
        return none(NonRevenueReason::Setup);
    }
    if payment.total_amount == 0 {
        return none(NonRevenueReason::Free);
    }
    if !has_subscription {
        return (RecordKind::OneTime, Basis::Event);
    }
    match payment.charge_type {
        Some(ChargeType::New) => return (RecordKind::SubscriptionNew, Basis::ChargeType),
        Some(ChargeType::Renewal) => return (RecordKind::SubscriptionRenewal, Basis::ChargeType),
        _ => {}
    }
    if payment.is_multi_subscription {
        return (RecordKind::SubscriptionNew, Basis::MultiFlag);
    }
    if payment.retry_attempt.unwrap_or_default() > 0 {
        return (RecordKind::SubscriptionRenewal, Basis::RetryAttempt);
    }
    (RecordKind::SubscriptionNew, Basis::Assumed)
}

fn subscription_ids(payment: &Payment) -> Vec<String> {
    let mut ids = payment.subscription_ids.clone();
    if let Some(id) = &payment.subscription_id
        && !ids.contains(id)
    {
        ids.insert(0, id.clone());
    }
    ids
}

/// What a subscription costs and when.
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

fn text(metadata: &Metadata, key: &str) -> Option<String> {
    metadata.get(key)?.to_text()
}

fn campaign(metadata: &Metadata) -> Option<Campaign> {
    let of = |preset: Preset| {
        let mut campaign = Campaign::default();
        for field in preset.fields() {
            if let Role::Campaign(part) = field.role {
                *part.of(&mut campaign) = text(metadata, field.key);
            }
        }
        (!campaign.is_empty()).then_some(campaign)
    };
    of(Preset::Bantico).or_else(|| of(Preset::Utm))
}

/// SHA-256 of an e-mail address, trimmed and in lower case. `None` for an empty one.
///
/// Still personal data: whoever knows the address can compute it.
#[must_use]
pub fn email_sha256(email: &str) -> Option<[u8; 32]> {
    let email = email.trim().to_lowercase();
    (!email.is_empty()).then(|| Sha256::digest(email).into())
}
