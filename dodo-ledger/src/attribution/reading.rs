//! From deliveries and core's records to evidence.

use std::collections::BTreeMap;

use dodo_core::{
    Error, Event, EventKind,
    attribution::{
        Attributed, AttributionRecord, AttributionStep, ClassificationBasis, NonRevenueReason,
        RecordKind, email_sha256,
    },
    event::{AbandonedCheckout, ChargeType, Customer, Date, Metadata, Payment},
    internals::{ChargeFacts, records_for_event},
    webhook::VerifiedEvent,
};
use jiff::Timestamp;

use super::{
    evidence::{
        Attempt, Charge, Dispute, DisputeStep, Evidence, Findings, Origin, Party, Refund,
        Subscription, SubscriptionStep, What,
    },
    rules::Rules,
    standing::Said,
};

impl Evidence {
    /// What a delivery proves: nothing for most kinds of events.
    ///
    /// # Errors
    /// [`UnreadableEvent`](dodo_core::ErrorKind::UnreadableEvent) when the event cannot be read.
    pub fn of_event(event: &VerifiedEvent, rules: &Rules) -> Result<Option<Self>, Error> {
        use EventKind as Kind;
        let evidence = match event.envelope()?.kind {
            Kind::PaymentSucceeded => Some(of_charge(&event.typed()?, event.received_at(), rules)),
            Kind::PaymentFailed | Kind::PaymentProcessing | Kind::PaymentCancelled => {
                of_attempt(&event.typed()?, event.received_at(), rules)
            }
            Kind::RefundSucceeded => Some(of_refund(&event.typed()?, event.received_at(), rules)),
            Kind::AbandonedCheckoutRecovered => of_recovery(&event.typed()?, event.received_at()),
            Kind::SubscriptionActive
            | Kind::SubscriptionRenewed
            | Kind::SubscriptionOnHold
            | Kind::SubscriptionPastDue
            | Kind::SubscriptionPaused
            | Kind::SubscriptionUnpaused
            | Kind::SubscriptionCancelled
            | Kind::SubscriptionFailed
            | Kind::SubscriptionExpired
            | Kind::SubscriptionPlanChanged
            | Kind::SubscriptionUpdated
            | Kind::SubscriptionUpdatePaymentMethod => {
                Some(of_subscription(&event.typed()?, event.received_at(), rules))
            }
            _ => records_for_event(event, &rules.metadata_mapping())?
                .iter()
                .find_map(Self::of_record),
        };
        Ok(evidence.map(Self::fitting))
    }

    /// What a record of `dodo-core` proves. `None` for records that only repeat another one
    /// ([`RecordKind::Identify`]).
    #[must_use]
    pub fn of_record(record: &AttributionRecord) -> Option<Self> {
        let what = match &record.kind {
            RecordKind::OneTime
            | RecordKind::SubscriptionNew
            | RecordKind::SubscriptionRenewal
            | RecordKind::NonRevenue { reason: NonRevenueReason::Setup | NonRevenueReason::Free } => {
                What::Charge(charge(record))
            }
            RecordKind::Refund { partial } => What::Refund(Refund {
                refund_id: record.refund_id.clone()?,
                payment_id: record.payment_id.clone(),
                amount: record
                    .money
                    .map(|money| money.gross)
                    .or(record.stated_amount)
                    .map(i64::saturating_abs),
                currency: record.money.map(|money| money.currency),
                partial: *partial,
            }),
            RecordKind::NonRevenue { reason: NonRevenueReason::RefundFailed } => {
                What::RefundFailed {
                    refund_id: record.refund_id.clone()?,
                    payment_id: record.payment_id.clone(),
                }
            }
            RecordKind::DisputeLoss { .. }
            | RecordKind::NonRevenue { reason: NonRevenueReason::DisputeClosed } => {
                What::Dispute(dispute(record)?)
            }
            RecordKind::SubscriptionStarted => {
                What::Subscription(lifecycle(record, SubscriptionStep::Started)?)
            }
            RecordKind::SubscriptionCancelled => {
                What::Subscription(lifecycle(record, SubscriptionStep::Ended)?)
            }
            _ => return None,
        };
        let own = found_in(record, AttributionStep::EventMetadata);
        let evidence = Self {
            origin: Origin {
                asked: false,
                occurred_at: record.occurred_at,
                webhook_id: record.webhook_id.clone(),
                event_type: record.event_type.clone(),
                received_at: record.received_at,
                live: record.live,
                business_id: record.business_id.clone(),
                brand_id: record.brand_id.clone(),
            },
            party: Party {
                customer_id: record.customer_id.clone(),
                email_sha256: record.email_sha256,
                contact: record.contact.clone(),
            },
            own: Findings {
                tool_ids: record.tool_ids.clone(),
                user_id: record.user_id.clone(),
                ..own
            },
            customer: found_in(record, AttributionStep::CustomerRecord),
            what,
            forgotten: false,
        };
        Some(evidence.fitting())
    }
}

/// What a record of one event found by this step.
fn found_in(record: &AttributionRecord, step: AttributionStep) -> Findings {
    fn value<T: Clone>(found: Option<&Attributed<T>>, step: AttributionStep) -> Option<T> {
        found.filter(|found| found.step == step).map(|found| found.value.clone())
    }
    Findings {
        visitor: value(record.visitor.as_ref(), step),
        campaign: value(record.campaign.as_ref(), step),
        ..Findings::default()
    }
}

/// The charge that a record is about. What would decide about its kind is found in the kind that core
/// gave it; nothing else of it is lost that a charge without revenue would need.
fn charge(record: &AttributionRecord) -> Charge {
    let reason = match &record.kind {
        RecordKind::NonRevenue { reason } => Some(*reason),
        _ => None,
    };
    let charge_type = match (record.basis, &record.kind) {
        _ if record.plan_change => Some(ChargeType::PlanChange),
        _ if record.on_demand => Some(ChargeType::OnDemand),
        (ClassificationBasis::ChargeType, RecordKind::SubscriptionNew) => Some(ChargeType::New),
        (ClassificationBasis::ChargeType, RecordKind::SubscriptionRenewal) => {
            Some(ChargeType::Renewal)
        }
        _ => None,
    };
    let money = record.money.unwrap_or(dodo_core::money::Money::new(
        0,
        None,
        dodo_core::money::Currency::default(),
    ));
    Charge {
        payment_id: record.payment_id.clone(),
        created_at: record.created_at.unwrap_or(record.occurred_at),
        total: money.gross,
        tax: money.tax,
        currency: money.currency,
        settlement: record.settlement.map(|s| (s.gross, s.tax, s.currency)),
        subscription_ids: record.subscription_ids.clone(),
        multi_subscription: record.basis == ClassificationBasis::MultiFlag,
        card_update: reason == Some(NonRevenueReason::Setup),
        retry_attempt: record.retry_attempt,
        charge_type,
        earlier_paid: None,
        checkout_session_id: record.checkout_session_id.clone(),
        invoice_id: record.invoice_id.clone(),
        product_ids: record.product_ids.clone(),
        payment_method: record.payment_method.clone(),
    }
}

fn dispute(record: &AttributionRecord) -> Option<Dispute> {
    Some(Dispute {
        dispute_id: record.dispute_id.clone()?,
        payment_id: record.payment_id.clone(),
        step: match record.event_type {
            EventKind::DisputeOpened => DisputeStep::Opened,
            EventKind::DisputeWon | EventKind::DisputeCancelled => DisputeStep::Won,
            _ => DisputeStep::Lost,
        },
        amount: record.money.map(|money| money.gross.saturating_abs()),
        currency: record.money.map(|money| money.currency),
        rdr: record.kind == RecordKind::DisputeLoss { rdr: true },
    })
}

fn lifecycle(record: &AttributionRecord, step: SubscriptionStep) -> Option<Subscription> {
    Some(Subscription {
        subscription_id: record.subscription_ids.first()?.clone(),
        step,
        created_at: record.created_at,
        terms: record.subscription.clone().unwrap_or_default(),
        on_demand: record.on_demand,
        product_id: record.product_ids.first().cloned(),
        said: Said { status: Said::status(&record.event_type), ..Said::default() },
    })
}

fn origin<T>(event: &Event<T>, received_at: Timestamp, brand: Option<&String>) -> Origin {
    Origin {
        asked: false,
        occurred_at: event.timestamp,
        webhook_id: event.id.clone(),
        event_type: event.kind.clone(),
        received_at,
        live: event.live,
        business_id: event.business_id.clone(),
        brand_id: brand.cloned(),
    }
}

fn party(customer: &Customer) -> Party {
    let mut contact = dodo_core::attribution::Contact::default();
    contact.email.clone_from(&customer.email);
    contact.name.clone_from(&customer.name);
    Party {
        customer_id: customer.customer_id.clone(),
        email_sha256: customer.email.as_deref().and_then(email_sha256),
        contact: Some(contact)
            .filter(|contact| *contact != dodo_core::attribution::Contact::default()),
    }
}

fn findings(metadata: &Metadata, rules: &Rules) -> Findings {
    let options = rules.metadata_mapping();
    Findings {
        visitor: options.visitor(metadata),
        campaign: options.campaign(metadata),
        tool_ids: options.tool_ids(metadata),
        user_id: options.user(metadata),
    }
}

fn of_charge(event: &Event<Payment>, received_at: Timestamp, rules: &Rules) -> Evidence {
    let payment = &event.data;
    let says = ChargeFacts::of(payment, event.timestamp);
    let customer = findings(&payment.customer.metadata, rules);
    Evidence {
        origin: origin(event, received_at, payment.brand_id.as_ref()),
        party: party(&payment.customer),
        own: findings(&payment.metadata, rules),
        // Ids of tools belong to the visit that led to this payment.
        customer: Findings { tool_ids: BTreeMap::new(), user_id: None, ..customer },
        what: What::Charge(Charge {
            payment_id: payment.payment_id.clone(),
            created_at: says.made_at,
            total: says.total,
            tax: payment.tax,
            currency: payment.currency,
            settlement: payment
                .settlement_amount
                .zip(payment.settlement_currency)
                .map(|(amount, currency)| (amount, payment.settlement_tax, currency)),
            subscription_ids: says.subscription_ids,
            multi_subscription: says.multi_subscription,
            card_update: says.card_update,
            retry_attempt: says.retry_attempt,
            charge_type: says.charge_type,
            earlier_paid: None,
            checkout_session_id: payment.checkout_session_id.clone(),
            invoice_id: payment.invoice_id.clone(),
            product_ids: payment.product_cart.iter().map(|item| item.product_id.clone()).collect(),
            payment_method: payment.payment_method.clone(),
        }),
        forgotten: false,
    }
}

fn of_attempt(event: &Event<Payment>, received_at: Timestamp, rules: &Rules) -> Option<Evidence> {
    let payment = &event.data;
    let own = findings(&payment.metadata, rules);
    if own == Findings::default() && payment.checkout_session_id.is_none() {
        return None; // nothing that a recovery could learn from it
    }
    Some(Evidence {
        origin: origin(event, received_at, payment.brand_id.as_ref()),
        // Who it was, to be found when they are forgotten; the address itself is for sinks.
        party: Party { contact: None, ..party(&payment.customer) },
        own,
        customer: Findings::default(),
        what: What::Attempt(Attempt {
            payment_id: payment.payment_id.clone(),
            checkout_session_id: payment.checkout_session_id.clone(),
        }),
        forgotten: false,
    })
}

/// Amount and currency each say what they say: either may be absent without the other.
fn of_refund(
    event: &Event<dodo_core::event::Refund>,
    received_at: Timestamp,
    rules: &Rules,
) -> Evidence {
    let refund = &event.data;
    let customer = findings(&refund.customer.metadata, rules);
    Evidence {
        origin: origin(event, received_at, refund.brand_id.as_ref()),
        party: party(&refund.customer),
        own: findings(&refund.metadata, rules),
        customer: Findings { tool_ids: BTreeMap::new(), user_id: None, ..customer },
        what: What::Refund(Refund {
            refund_id: refund.refund_id.clone(),
            payment_id: refund.payment_id.clone().unwrap_or_default(),
            amount: refund.amount.map(i64::saturating_abs),
            currency: refund.currency,
            partial: refund.is_partial,
        }),
        forgotten: false,
    }
}

fn of_recovery(event: &Event<AbandonedCheckout>, received_at: Timestamp) -> Option<Evidence> {
    let checkout = &event.data;
    Some(Evidence {
        origin: origin(event, received_at, checkout.brand_id.as_ref()),
        party: Party::default(),
        own: Findings::default(),
        customer: Findings::default(),
        what: What::Recovered {
            payment_id: checkout.payment_id.clone(),
            recovered_payment_id: checkout.recovered_payment_id.clone()?,
        },
        forgotten: false,
    })
}

fn of_subscription(
    event: &Event<dodo_core::event::Subscription>,
    received_at: Timestamp,
    rules: &Rules,
) -> Evidence {
    let subscription = &event.data;
    let step = match event.kind {
        EventKind::SubscriptionActive => SubscriptionStep::Started,
        EventKind::SubscriptionCancelled => SubscriptionStep::Ended,
        EventKind::SubscriptionPlanChanged => SubscriptionStep::PlanChanged,
        _ => SubscriptionStep::Other,
    };
    Evidence {
        origin: origin(event, received_at, subscription.brand_id.as_ref()),
        party: party(&subscription.customer),
        own: findings(&subscription.metadata, rules),
        customer: findings(&subscription.customer.metadata, rules),
        what: What::Subscription(Subscription {
            subscription_id: subscription.subscription_id.clone(),
            step,
            created_at: subscription.created_at.as_ref().and_then(Date::timestamp),
            terms: subscription.into(),
            on_demand: subscription.on_demand,
            product_id: subscription.product_id.clone(),
            said: Said::of(&event.kind, subscription),
        }),
        forgotten: false,
    }
}
