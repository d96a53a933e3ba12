//! Records: the projection of the facts, one per business key.

use dodo_core::{
    EventKind,
    attribution::{AttributionRecord, AttributionStep, ClassificationBasis, RecordKind},
    internals::Classified,
    money::Money,
};

use super::{
    attribute::Attribution,
    fact::{Fact, Person, Source},
    fact_kind::{Charge, FactKind},
    parse::in_micros,
    reversals::Reversal,
};
use crate::attribution::{Rules, StepReason, VisitContext};

/// The resolved row of one business key.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The row as sinks and queries see it.
    pub record: AttributionRecord,
    /// Landing path, referrer and device of the visit.
    pub visit_context: Option<VisitContext>,
    /// The reason for which no campaign and no visit is known. `None`: one of them is known.
    pub reason: Option<StepReason>,
    /// The minor units of a reversal that exceed the rest of the payment. The record does not count
    /// them.
    pub excess: Option<i64>,
    /// The billing country of the payment, two letters.
    pub country: Option<String>,
    /// The first charge of its customer. In a group, all erased customers count as one.
    pub is_first: bool,
    /// Whether the record counts.
    pub state: RecordState,
}

/// Whether a record counts. The number is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i16)]
pub enum RecordState {
    /// The record follows from the facts.
    #[default]
    Valid = 0,
    /// The record followed from the facts once, and no longer does. Its money is 0.
    Withdrawn = 1,
    /// An operator set the record to zero.
    Void = 2,
}

impl RecordState {
    /// The state of a stored number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Valid, Self::Withdrawn, Self::Void].into_iter().find(|state| *state as i64 == number)
    }
}

impl Record {
    /// The business key, such as `charge:pay_x`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// The record with its money set to zero.
    pub(super) fn without_money(mut self, state: RecordState) -> Self {
        let zero = |money: Money| Money::new(0, None, money.currency).with_exponent(money.exponent);
        self.record.money = self.record.money.map(zero);
        self.record.settlement = self.record.settlement.map(zero);
        self.excess = None;
        self.is_first = false;
        self.state = state;
        self
    }
}

/// The paid amount of a charge.
pub(super) fn money(rules: &Rules, charge: &Charge) -> Money {
    Money::new(charge.total, charge.tax, charge.currency)
        .with_exponent(rules.exponent_of(charge.currency))
}

fn base(
    id: String,
    kind: RecordKind,
    fact: &Fact,
    person: Option<&Person>,
    found: Attribution,
) -> Record {
    let mut record = AttributionRecord::new(id, kind, fact.occurred_at);
    record.webhook_id = match fact.source {
        Source::Api => format!("asked_{}", fact.object_id()),
        _ => fact.id.clone(),
    };
    record.event_type.clone_from(&fact.event_type);
    record.received_at = fact.received_at;
    record.live = fact.live;
    record.business_id.clone_from(&fact.business_id);
    record.brand_id.clone_from(&fact.brand_id);
    if let Some(person) = person {
        record.customer_id.clone_from(&person.customer_id);
        record.email_sha256 = person.email_sha256;
        record.contact.clone_from(&person.contact);
    }
    record.basis = ClassificationBasis::Event;
    record.flags.ambiguous = found.ambiguous && found.visitor.is_none();
    record.visitor = found.visitor;
    record.campaign = found.campaign;
    record.tool_ids = found.tool_ids;
    record.user_id = found.user_id;
    record.consent = found.consent;
    let (visit_context, reason) = (found.visit_context, found.reason);
    Record {
        record,
        visit_context,
        reason,
        excess: None,
        country: None,
        is_first: false,
        state: RecordState::Valid,
    }
}

/// The record of a payment that succeeded. `plans` are the plans of its subscriptions at that time.
pub(super) fn charge_record<'a>(
    rules: &Rules,
    (fact, charge): (&Fact, &Charge),
    person: Option<&Person>,
    class: Classified,
    plans: impl Iterator<Item = &'a str>,
    found: Attribution,
) -> Record {
    let mut all = base(format!("charge:{}", charge.payment_id), class.kind, fact, person, found);
    all.country.clone_from(&charge.country);
    let record = &mut all.record;
    record.basis = class.basis;
    record.plan_change = class.plan_change;
    record.on_demand = class.on_demand;
    record.payment_id.clone_from(&charge.payment_id);
    record.subscription_ids.clone_from(&charge.subscription_ids);
    record.checkout_session_id.clone_from(&charge.session_id);
    record.invoice_id.clone_from(&charge.invoice_id);
    record.product_ids = charge.items.iter().map(|item| item.id.clone()).collect();
    if record.product_ids.is_empty() {
        record.product_ids = plans.map(str::to_owned).collect();
        record.product_ids.dedup();
    }
    record.created_at = Some(in_micros(charge.created_at));
    record.retry_attempt = charge.retry_attempt;
    record.payment_method.clone_from(&charge.payment_method);
    if record.kind.is_charge() {
        record.money = Some(money(rules, charge));
        record.settlement = charge.settlement.map(|(gross, tax, currency)| {
            Money::new(gross, tax, currency).with_exponent(rules.exponent_of(currency))
        });
    }
    all
}

/// The record of a refund, of a lost dispute, or of the reversal of one of these.
pub(super) fn reversal_record(
    id: String,
    kind: RecordKind,
    fact: &Fact,
    person: Option<&Person>,
    reversal: Reversal,
    parent: Option<&Record>,
    found: Attribution,
) -> Record {
    let mut all = base(id, kind, fact, person, found);
    all.excess = reversal.excess;
    let record = &mut all.record;
    record.money = reversal.money;
    match &fact.kind {
        FactKind::Refund(refund) => record.refund_id = Some(refund.refund_id.clone()),
        FactKind::RefundFailed { refund_id, .. } => record.refund_id = Some(refund_id.clone()),
        FactKind::Dispute(dispute) => record.dispute_id = Some(dispute.dispute_id.clone()),
        _ => {}
    }
    record.payment_id = fact.reversed_payment().unwrap_or_default().to_owned();
    all.country = parent.and_then(|parent| parent.country.clone());
    let record = &mut all.record;
    if let Some(parent) = parent.map(|parent| &parent.record) {
        record.subscription_ids.clone_from(&parent.subscription_ids);
        record.product_ids.clone_from(&parent.product_ids);
        record.checkout_session_id.clone_from(&parent.checkout_session_id);
        record.invoice_id.clone_from(&parent.invoice_id);
        if record.customer_id.is_none() && person.is_some() {
            record.customer_id.clone_from(&parent.customer_id);
        }
        let own = record.visitor.as_ref().filter(|own| own.step == AttributionStep::EventMetadata);
        record.flags.differs_from_payment =
            own.zip(parent.visitor.as_ref()).is_some_and(|(own, paid)| own.value != paid.value);
    }
    let flags = &mut record.flags;
    flags.parent_missing = reversal.parent_missing;
    flags.currency_mismatch = reversal.currency_mismatch;
    flags.amount_unknown = reversal.amount_unknown;
    flags.clamped = reversal.excess.is_some();
    flags.reversed = reversal.reversed;
    let without_share = reversal.parent_missing || reversal.currency_mismatch;
    flags.net_is_gross = reversal.money.is_some() && without_share;
    all
}

/// The record of the start or the end of a subscription. `paid`: the ledger holds a charge of it.
pub(super) fn lifecycle_record(
    fact: &Fact,
    person: Option<&Person>,
    paid: bool,
    found: Attribution,
) -> Option<Record> {
    let FactKind::Subscription(body) = &fact.kind else { return None };
    let (kind, change) = match fact.event_type {
        EventKind::SubscriptionCancelled => (RecordKind::SubscriptionCancelled, "cancelled"),
        _ => (RecordKind::SubscriptionStarted, "started"),
    };
    let id = format!("subscription:{}:{change}", body.subscription_id);
    let mut all = base(id, kind, fact, person, found);
    let record = &mut all.record;
    record.created_at = body.created_at.map(in_micros);
    record.on_demand = body.on_demand;
    record.flags.parent_missing = !paid;
    record.subscription = Some(body.terms.clone());
    record.subscription_ids = vec![body.subscription_id.clone()];
    record.product_ids = body.product_id.iter().cloned().collect();
    Some(all)
}
