//! From a fact of the ledger to a fact of billing.

use dodo_core::{
    EventKind,
    event::{BillingInterval, DisputeStatus, PaymentStatus, RefundStatus},
};
use dodo_ledger::attribution::{
    Charge, Dispute, DisputeStep, Fact, FactKind, FailedPayment, Grant, Item, LicenseKey,
    Subscription,
};

use crate::fact::{
    BillingFact, BillingFactKind as Kind, BillingPeriod, BoughtItem, GrantFact, LicenseFact,
    PaymentFact, PlannedChange, SubscriptionBody,
};

impl BillingFact {
    /// Reads a fact of the ledger. `None`: access does not depend on it.
    #[must_use]
    pub fn of(fact: &Fact) -> Option<Self> {
        let kind = match &fact.kind {
            FactKind::Charge(charge) => Kind::Payment(Box::new(charged(charge))),
            FactKind::FailedPayment(payment) => {
                Kind::Payment(Box::new(unpaid(payment, &fact.event_type)))
            }
            FactKind::Refund(refund) => Kind::Refund {
                refund_id: refund.refund_id.clone(),
                payment_id: refund.payment_id.clone(),
                status: RefundStatus::Succeeded,
                amount: refund.amount,
                partial: refund.partial,
            },
            FactKind::RefundFailed { refund_id, payment_id } => Kind::Refund {
                refund_id: refund_id.clone(),
                payment_id: payment_id.clone(),
                status: RefundStatus::Failed,
                amount: None,
                partial: true,
            },
            FactKind::Dispute(dispute) => disputed(dispute),
            FactKind::Subscription(body) => Kind::Subscription {
                event: fact.event_type.clone(),
                attempt_at: fact.attempt_at,
                body: Box::new(body_of(body)),
            },
            FactKind::ApiSnapshot(body) => Kind::Snapshot { body: Box::new(body_of(body)) },
            FactKind::Grant(grant) => Kind::Grant(Box::new(granted(grant))),
            FactKind::LicenseKey(key) => Kind::License(Box::new(licensed(key))),
            FactKind::Recovery { .. }
            | FactKind::Context { .. }
            | FactKind::PlanChange(_)
            | FactKind::Void(_)
            | FactKind::Erasure { .. } => return None,
        };
        Some(Self { id: fact.id.clone(), at: fact.occurred_at, kind })
    }
}

/// A number of units. A payload without one means one unit.
fn units(quantity: Option<i64>) -> u32 {
    quantity.map_or(1, |quantity| u32::try_from(quantity.max(0)).unwrap_or(u32::MAX))
}

fn items(items: &[Item]) -> Vec<BoughtItem> {
    let item =
        |item: &Item| BoughtItem { product_id: item.id.clone(), quantity: units(item.quantity) };
    items.iter().map(item).collect()
}

fn charged(charge: &Charge) -> PaymentFact {
    let periods = charge.service_periods.iter();
    PaymentFact {
        payment_id: charge.payment_id.clone(),
        status: PaymentStatus::Succeeded,
        paid_at: charge.created_at,
        amount: charge.total,
        subscription_ids: charge.subscription_ids.clone(),
        card_update: charge.card_update,
        items: items(&charge.items),
        service_periods: periods
            .filter_map(|period| Some((period.subscription_id.clone(), period.ends_at?)))
            .collect(),
    }
}

fn unpaid(payment: &FailedPayment, event: &EventKind) -> PaymentFact {
    PaymentFact {
        payment_id: payment.payment_id.clone(),
        status: match event {
            EventKind::PaymentProcessing => PaymentStatus::Processing,
            EventKind::PaymentCancelled => PaymentStatus::Cancelled,
            _ => PaymentStatus::Failed,
        },
        paid_at: payment.created_at,
        amount: payment.total,
        subscription_ids: payment.subscription_ids.clone(),
        card_update: payment.card_update,
        items: items(&payment.items),
        service_periods: Vec::new(),
    }
}

fn disputed(dispute: &Dispute) -> Kind {
    Kind::Dispute {
        dispute_id: dispute.dispute_id.clone(),
        payment_id: dispute.payment_id.clone(),
        status: match dispute.step {
            DisputeStep::Opened => DisputeStatus::Opened,
            DisputeStep::Challenged => DisputeStatus::Challenged,
            DisputeStep::Lost => DisputeStatus::Lost,
            DisputeStep::Won => DisputeStatus::Won,
        },
    }
}

fn body_of(body: &Subscription) -> SubscriptionBody {
    let terms = &body.terms;
    let change = body.scheduled_change.as_ref().and_then(|change| {
        Some(PlannedChange {
            product_id: change.product_id.clone()?,
            quantity: units(change.quantity),
            effective_at: change.effective_at?,
        })
    });
    let interval = terms.payment_frequency_interval.as_deref().map(|unit| BillingPeriod {
        unit: BillingInterval::from(unit),
        count: terms.payment_frequency_count.and_then(|n| u16::try_from(n).ok()).unwrap_or(1),
    });
    let has_payment_method = match (body.has_payment_method, body.lacks_payment_method) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    SubscriptionBody {
        subscription_id: body.subscription_id.clone(),
        status: body.status.clone(),
        created_at: body.created_at,
        product_id: body.product_id.clone(),
        quantity: body.quantity.map(|quantity| units(Some(quantity))),
        addons: items(&body.addons),
        next_billing_date: terms.next_billing_date,
        previous_billing_date: body.previous_billing_date,
        cancelled_at: terms.cancelled_at,
        cancel_at_next_billing_date: terms.cancel_at_next_billing_date,
        paused_at: body.paused_at,
        past_due_ends_at: body.past_due_ends_at,
        expires_at: body.expires_at,
        trial_period_days: terms.trial_period_days.and_then(|days| u32::try_from(days).ok()),
        renewal_amount: terms.recurring_pre_tax_amount,
        currency: terms.currency,
        interval,
        on_demand: body.on_demand,
        has_payment_method,
        scheduled_change: change,
    }
}

fn granted(grant: &Grant) -> GrantFact {
    let key = grant.license_key.as_ref();
    GrantFact {
        grant_id: grant.grant_id.clone(),
        status: grant.status.clone(),
        feature: grant.feature_id.clone(),
        license_key_id: key.and_then(|key| key.license_key_id.clone()),
        payment_id: grant.payment_id.clone(),
        subscription_id: grant.subscription_id.clone(),
        revocation_reason: grant.revocation_reason.clone(),
    }
}

fn licensed(key: &LicenseKey) -> LicenseFact {
    LicenseFact {
        license_key_id: key.license_key_id.clone(),
        key_sha256: key.key_sha256,
        key_end: key.key_end.clone(),
        status: key.status.clone(),
        product_id: key.product_id.clone(),
        payment_id: key.payment_id.clone(),
        subscription_id: key.subscription_id.clone(),
        expires_at: key.expires_at,
    }
}
