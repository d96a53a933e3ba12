//! Evidence and what was concluded from it, as the record that sinks and pages see.

use dodo_core::{
    attribution::{
        AttributionRecord, AttributionStep, ClassificationBasis, RecordFlags, RecordKind,
    },
    internals::Classified,
    money::Money,
};

use super::{
    chain::Resolution,
    entry::Entry,
    evidence::{Charge, Evidence, SubscriptionStep, What},
    money::Back,
    rules::Rules,
};

/// What every record says.
fn base(
    id: &str,
    kind: RecordKind,
    evidence: &Evidence,
    attributed: &Resolution,
) -> AttributionRecord {
    let origin = &evidence.origin;
    let mut record = AttributionRecord::new(id.to_owned(), kind, origin.occurred_at);
    record.webhook_id.clone_from(&origin.webhook_id);
    record.event_type.clone_from(&origin.event_type);
    record.received_at = origin.received_at;
    record.live = origin.live;
    record.business_id.clone_from(&origin.business_id);
    record.brand_id.clone_from(&origin.brand_id);
    record.customer_id.clone_from(&evidence.party.customer_id);
    record.email_sha256 = evidence.party.email_sha256;
    record.contact.clone_from(&evidence.party.contact);
    record.visitor.clone_from(&attributed.visitor);
    record.campaign.clone_from(&attributed.campaign);
    record.tool_ids.clone_from(&attributed.tool_ids);
    record.user_id.clone_from(&attributed.user_id);
    record.consent = attributed.consent;
    record.flags.ambiguous = attributed.ambiguous && record.visitor.is_none();
    record
}

/// The record of a payment that succeeded.
pub(super) fn of_charge(
    rules: &Rules,
    id: &str,
    evidence: &Evidence,
    charge: &Charge,
    class: Classified,
    plans: impl Iterator<Item = String>,
    attributed: &Resolution,
) -> AttributionRecord {
    let mut record = base(id, class.kind, evidence, attributed);
    record.basis = class.basis;
    record.plan_change = class.plan_change;
    record.on_demand = class.on_demand;
    record.payment_id.clone_from(&charge.payment_id);
    record.subscription_ids.clone_from(&charge.subscription_ids);
    record.checkout_session_id.clone_from(&charge.checkout_session_id);
    record.invoice_id.clone_from(&charge.invoice_id);
    record.product_ids.clone_from(&charge.product_ids);
    if record.product_ids.is_empty() {
        record.product_ids = plans.collect();
        record.product_ids.dedup();
    }
    record.created_at = Some(charge.created_at);
    record.retry_attempt = charge.retry_attempt;
    record.payment_method.clone_from(&charge.payment_method);
    if record.kind.is_charge() {
        record.money = Some(charged(rules, charge));
        record.settlement = charge.settlement.map(|(gross, tax, currency)| {
            Money::new(gross, tax, currency).with_exponent(rules.exponent_of(currency))
        });
    }
    record
}

/// What the customer was charged.
pub(super) fn charged(rules: &Rules, charge: &Charge) -> Money {
    Money::new(charge.total, charge.tax, charge.currency)
        .with_exponent(rules.exponent_of(charge.currency))
}

/// The record of money that went back, or came back again.
pub(super) fn of_movement(
    id: &str,
    evidence: &Evidence,
    kind: RecordKind,
    back: Back,
    parent: Option<&Entry>,
    attributed: &Resolution,
) -> AttributionRecord {
    let mut record = base(id, kind, evidence, attributed);
    record.money = back.money;
    match &evidence.what {
        What::Refund(refund) => record.refund_id = Some(refund.refund_id.clone()),
        What::RefundFailed { refund_id, .. } => record.refund_id = Some(refund_id.clone()),
        What::Dispute(dispute) => record.dispute_id = Some(dispute.dispute_id.clone()),
        _ => {}
    }
    record.payment_id = super::settle::payment_of(&evidence.what).unwrap_or_default();
    if let Some(parent) = parent.map(|parent| &parent.record) {
        record.subscription_ids.clone_from(&parent.subscription_ids);
        record.product_ids.clone_from(&parent.product_ids);
        record.checkout_session_id.clone_from(&parent.checkout_session_id);
        record.invoice_id.clone_from(&parent.invoice_id);
        if record.customer_id.is_none() && !evidence.forgotten {
            record.customer_id.clone_from(&parent.customer_id);
        }
    }
    record.basis = ClassificationBasis::Event;
    let own = |visitor: &&dodo_core::attribution::Attributed<String>| {
        visitor.step == AttributionStep::EventMetadata
    };
    let of_payment = parent.and_then(|parent| parent.record.visitor.as_ref());
    let differs = record.visitor.as_ref().filter(own).zip(of_payment);
    record.flags.differs_from_payment =
        differs.is_some_and(|(own, parent)| own.value != parent.value);
    flag(&mut record.flags, back);
    record
}

fn flag(flags: &mut RecordFlags, back: Back) {
    flags.parent_missing = back.parent_missing;
    flags.currency_mismatch = back.currency_mismatch;
    flags.amount_unknown = back.amount_unknown;
    flags.clamped = back.excess.is_some();
    flags.net_is_gross = back.money.is_some() && (back.parent_missing || back.currency_mismatch);
}

/// The record of a start or end of a subscription; `paid`: whether a charge of it is known.
pub(super) fn of_lifecycle(
    id: &str,
    evidence: &Evidence,
    paid: bool,
    attributed: &Resolution,
) -> AttributionRecord {
    let (kind, subscription) = match &evidence.what {
        What::Subscription(subscription) if subscription.step == SubscriptionStep::Ended => {
            (RecordKind::SubscriptionCancelled, Some(subscription))
        }
        What::Subscription(subscription) => (RecordKind::SubscriptionStarted, Some(subscription)),
        _ => (RecordKind::SubscriptionStarted, None),
    };
    let mut record = base(id, kind, evidence, attributed);
    record.basis = ClassificationBasis::Event;
    record.created_at = subscription.and_then(|s| s.created_at);
    record.on_demand = subscription.is_some_and(|s| s.on_demand);
    record.flags.parent_missing = !paid;
    record.subscription = subscription.map(|s| s.terms.clone());
    record.subscription_ids = subscription.iter().map(|s| s.subscription_id.clone()).collect();
    record.product_ids = subscription.iter().filter_map(|s| s.product_id.clone()).collect();
    record
}
