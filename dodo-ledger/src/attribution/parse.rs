//! Turns a verified event or a captured checkout into a fact. No other module reads a payload.

use dodo_core::{
    Error, Event, EventKind,
    attribution::{Contact, email_sha256},
    capture::CheckoutContext,
    event::{
        AbandonedCheckout, AddonItem, CartItem, Customer, Date, EntitlementGrant, Metadata, Payment,
    },
    internals::{ChargeFacts, OWNER_KEY},
    webhook::VerifiedEvent,
};
use jiff::{Timestamp, TimestampRound, Unit};
use sha2::{Digest, Sha256};

use super::{
    fact::{Fact, Person, Source, Touchpoint},
    fact_kind::{
        Charge, Dispute, DisputeStep, FactKind, FailedPayment, Grant, GrantedKey, Item, LicenseKey,
        Refund, ScheduledChange, ServicePeriod, Subscription, Void,
    },
    hash::to_hex,
};
use crate::attribution::{Rules, VisitContext, sanitize};

/// A part of a shorter license key would reveal too much of it.
const SHORTEST_SHOWN_KEY: usize = 12;

/// Returns the fact of an event. An event type that no rule reads has no fact.
///
/// # Errors
/// [`UnreadableEvent`](dodo_core::ErrorKind::UnreadableEvent) if the event cannot be read.
pub fn parse(event: &VerifiedEvent, rules: &Rules) -> Result<Option<Fact>, Error> {
    use EventKind as Kind;
    let reader = Reader { received_at: event.received_at(), attempt_at: event.attempt_at(), rules };
    Ok(match event.envelope()?.kind {
        Kind::PaymentSucceeded => Some(reader.charge(&event.typed()?)),
        Kind::PaymentFailed | Kind::PaymentProcessing | Kind::PaymentCancelled => {
            Some(reader.failed_payment(&event.typed()?))
        }
        Kind::RefundSucceeded | Kind::RefundFailed => Some(reader.refund(&event.typed()?)),
        Kind::AbandonedCheckoutRecovered => reader.recovery(&event.typed()?),
        Kind::DisputeOpened
        | Kind::DisputeChallenged
        | Kind::DisputeAccepted
        | Kind::DisputeExpired
        | Kind::DisputeLost
        | Kind::DisputeCancelled
        | Kind::DisputeWon => Some(reader.dispute(&event.typed()?)),
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
        | Kind::SubscriptionUpdatePaymentMethod => Some(reader.subscription(&event.typed()?)),
        Kind::EntitlementGrantCreated
        | Kind::EntitlementGrantDelivered
        | Kind::EntitlementGrantFailed
        | Kind::EntitlementGrantRevoked => Some(reader.grant(&event.typed()?)),
        Kind::LicenseKeyCreated => Some(reader.license_key(&event.typed()?)),
        _ => None,
    })
}

/// Returns the fact of an object that the API showed, from the event that should have brought it.
///
/// The id holds a hash of the content: the same object twice is one fact.
///
/// # Errors
/// As [`parse`].
pub fn parse_api_object(event: &VerifiedEvent, rules: &Rules) -> Result<Option<Fact>, Error> {
    let Some(mut fact) = parse(event, rules)? else { return Ok(None) };
    fact.source = Source::Api;
    let content = serde_json::to_vec(&(&fact.kind, &fact.person)).unwrap_or_default();
    let hash = Sha256::digest(&content);
    fact.id = format!("api:{}:{}", fact.object_id(), to_hex(hash.get(..8).unwrap_or_default()));
    Ok(Some(fact))
}

/// Returns the fact of a captured checkout. A session has one context: the first.
#[must_use]
pub fn context_fact(session_id: &str, context: &CheckoutContext, received_at: Timestamp) -> Fact {
    let session_id = sanitize::id(session_id).into_owned();
    let device = serde_json::to_value(context.device).ok();
    Fact {
        id: format!("context:{session_id}"),
        source: Source::Application,
        occurred_at: in_micros(context.captured_at),
        received_at,
        attempt_at: None,
        event_type: EventKind::Other("context".into()),
        live: true,
        business_id: String::new(),
        brand_id: None,
        kind: FactKind::Context { session_id, consent: context.consent },
        person: Some(Person {
            own: Touchpoint {
                visitor: context.visitor.as_ref().map(|visitor| visitor.as_str().to_owned()),
                campaign: context.campaign.clone().filter(|campaign| !campaign.is_empty()),
                tool_ids: context.tool_ids.clone(),
                user_id: context.user_id.clone(),
                owner: None,
            },
            visit_context: Some(VisitContext {
                landing_path: context.landing_path.clone(),
                referrer_host: context.referrer_host.clone(),
                device: device.and_then(|device| device.as_str().map(str::to_owned)),
                platform: None, // `resolve` derives it from the click ids
            }),
            click_ids: context.click_ids.clone(),
            ..Person::default()
        }),
    }
}

/// The time as the store keeps it.
/// An operator's void of a record.
#[must_use]
pub fn void_fact(
    record_id: &str,
    payment_id: &str,
    live: bool,
    reason: &str,
    received_at: Timestamp,
) -> Fact {
    Fact {
        id: format!("void:{record_id}"),
        source: Source::Application,
        occurred_at: in_micros(received_at),
        received_at,
        attempt_at: None,
        event_type: EventKind::Other("void".into()),
        live,
        business_id: String::new(),
        brand_id: None,
        kind: FactKind::Void(Void {
            record_id: record_id.to_owned(),
            payment_id: payment_id.to_owned(),
            reason: reason.to_owned(),
        }),
        person: None,
    }
}

pub(super) fn in_micros(at: Timestamp) -> Timestamp {
    let round = TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Floor);
    at.round(round).unwrap_or(at)
}

fn moment(date: Option<&Date>) -> Option<Timestamp> {
    date.and_then(Date::timestamp)
}

/// An id that fits a key and a column.
fn id(id: &str) -> String {
    sanitize::id(id).into_owned()
}

fn some_id(text: Option<&String>) -> Option<String> {
    text.map(|text| id(text))
}

fn items(cart: &[CartItem]) -> Vec<Item> {
    let item = |item: &CartItem| Item { id: id(&item.product_id), quantity: item.quantity };
    cart.iter().map(item).collect()
}

fn addons(addons: &[AddonItem]) -> Vec<Item> {
    let item = |item: &AddonItem| Item { id: id(&item.addon_id), quantity: item.quantity };
    addons.iter().map(item).collect()
}

/// Whether Dodo Payments could have stored this metadata value.
fn fits(text: &str) -> bool {
    text.len() <= 500
}

/// Reads the payloads of one event.
struct Reader<'a> {
    received_at: Timestamp,
    attempt_at: Option<Timestamp>,
    rules: &'a Rules,
}

impl Reader<'_> {
    fn fact<T>(
        &self,
        event: &Event<T>,
        brand_id: Option<&String>,
        person: Person,
        kind: FactKind,
    ) -> Fact {
        Fact {
            id: event.id.clone(),
            source: Source::Webhook,
            occurred_at: in_micros(event.timestamp),
            received_at: self.received_at,
            attempt_at: self.attempt_at,
            event_type: event.kind.clone(),
            live: event.live,
            business_id: event.business_id.clone(),
            brand_id: brand_id.cloned(),
            kind,
            person: Some(person),
        }
    }

    fn touchpoint(&self, metadata: &Metadata) -> Touchpoint {
        let mapping = self.rules.metadata();
        Touchpoint {
            visitor: mapping.visitor(metadata),
            campaign: mapping.campaign(metadata),
            tool_ids: mapping.tool_ids(metadata),
            user_id: mapping.user(metadata),
            owner: metadata
                .get(OWNER_KEY)
                .and_then(|value| value.to_text())
                .filter(|text| fits(text)),
        }
    }

    fn person(&self, customer: &Customer, metadata: &Metadata) -> Person {
        let mut contact = Contact::default();
        contact.email.clone_from(&customer.email);
        contact.name.clone_from(&customer.name);
        let for_customer = self.touchpoint(&customer.metadata);
        Person {
            customer_id: some_id(customer.customer_id.as_ref()),
            email_sha256: customer.email.as_deref().and_then(email_sha256),
            contact: Some(contact).filter(|contact| *contact != Contact::default()),
            own: self.touchpoint(metadata),
            // Ids of tools describe the visit that led to this object, so they are not copied from
            // the customer.
            customer: Touchpoint {
                visitor: for_customer.visitor,
                campaign: for_customer.campaign,
                owner: for_customer.owner,
                ..Touchpoint::default()
            },
            ..Person::default()
        }
    }

    fn charge(&self, event: &Event<Payment>) -> Fact {
        let payment = &event.data;
        let stated = ChargeFacts::from_payment(payment, event.timestamp);
        let settlement = payment.settlement_amount.zip(payment.settlement_currency);
        let (tax, settlement_tax) = payment.usable_taxes();
        let periods = payment.service_periods.iter().map(|period| ServicePeriod {
            subscription_id: id(&period.subscription_id),
            starts_at: moment(period.starts_at.as_ref()),
            ends_at: moment(period.ends_at.as_ref()),
        });
        let kind = FactKind::Charge(Box::new(Charge {
            payment_id: id(&payment.payment_id),
            created_at: stated.made_at,
            total: stated.total,
            tax,
            currency: payment.currency,
            settlement: settlement.map(|(amount, currency)| (amount, settlement_tax, currency)),
            subscription_ids: stated.subscription_ids.iter().map(|text| id(text)).collect(),
            multi_subscription: stated.multi_subscription,
            card_update: stated.card_update,
            retry_attempt: stated.retry_attempt,
            charge_type: stated.charge_type,
            session_id: some_id(payment.checkout_session_id.as_ref()),
            invoice_id: payment.invoice_id.clone(),
            items: items(&payment.product_cart),
            service_periods: periods.collect(),
            includes_usage: payment.includes_usage,
            payment_method: payment.payment_method.clone(),
            country: payment.billing.country.clone(),
        }));
        let person = self.person(&payment.customer, &payment.metadata);
        self.fact(event, payment.brand_id.as_ref(), person, kind)
    }

    fn failed_payment(&self, event: &Event<Payment>) -> Fact {
        let payment = &event.data;
        let stated = ChargeFacts::from_payment(payment, event.timestamp);
        let kind = FactKind::FailedPayment(Box::new(FailedPayment {
            payment_id: id(&payment.payment_id),
            created_at: stated.made_at,
            total: stated.total,
            currency: payment.currency,
            subscription_ids: stated.subscription_ids.iter().map(|text| id(text)).collect(),
            card_update: stated.card_update,
            retry_attempt: stated.retry_attempt,
            session_id: some_id(payment.checkout_session_id.as_ref()),
            items: items(&payment.product_cart),
            error_code: payment.error_code.clone(),
        }));
        let mut person = self.person(&payment.customer, &payment.metadata);
        // No sink receives a failed payment, so the ledger does not store its address and name.
        (person.contact, person.customer) = (None, Touchpoint::default());
        self.fact(event, payment.brand_id.as_ref(), person, kind)
    }

    fn refund(&self, event: &Event<dodo_core::event::Refund>) -> Fact {
        let refund = &event.data;
        let refund_id = id(&refund.refund_id);
        let payment_id = some_id(refund.payment_id.as_ref()).unwrap_or_default();
        let kind = if event.kind == EventKind::RefundFailed {
            FactKind::RefundFailed { refund_id, payment_id }
        } else {
            FactKind::Refund(Refund {
                refund_id,
                payment_id,
                amount: refund.amount.map(i64::saturating_abs),
                currency: refund.currency,
                partial: refund.is_partial,
            })
        };
        let person = self.person(&refund.customer, &refund.metadata);
        self.fact(event, refund.brand_id.as_ref(), person, kind)
    }

    /// The recovered payment can be from another person, so the fact of a recovery names no person.
    fn recovery(&self, event: &Event<AbandonedCheckout>) -> Option<Fact> {
        let checkout = &event.data;
        let recovered = some_id(checkout.recovered_payment_id.as_ref())?;
        let kind = FactKind::Recovery { abandoned: id(&checkout.payment_id), recovered };
        Some(self.fact(event, checkout.brand_id.as_ref(), Person::default(), kind))
    }

    fn dispute(&self, event: &Event<dodo_core::event::Dispute>) -> Fact {
        let dispute = &event.data;
        let kind = FactKind::Dispute(Dispute {
            dispute_id: id(&dispute.dispute_id),
            payment_id: some_id(dispute.payment_id.as_ref()).unwrap_or_default(),
            step: match event.kind {
                EventKind::DisputeOpened => DisputeStep::Opened,
                EventKind::DisputeChallenged => DisputeStep::Challenged,
                EventKind::DisputeWon | EventKind::DisputeCancelled => DisputeStep::Won,
                _ => DisputeStep::Lost,
            },
            amount: dispute.amount.clone(),
            currency: dispute.currency,
            rdr: dispute.is_resolved_by_rdr,
        });
        let person = self.person(&dispute.customer, &Metadata::new());
        self.fact(event, dispute.brand_id.as_ref(), person, kind)
    }

    fn subscription(&self, event: &Event<dodo_core::event::Subscription>) -> Fact {
        let body = &event.data;
        let scheduled = body.scheduled_change.as_ref().map(|change| ScheduledChange {
            product_id: some_id(change.product_id.as_ref()),
            quantity: change.quantity,
            addons: addons(&change.addons),
            effective_at: moment(change.effective_at.as_ref()),
        });
        let kind = FactKind::Subscription(Box::new(Subscription {
            subscription_id: id(&body.subscription_id),
            status: body.status.clone(),
            created_at: moment(body.created_at.as_ref()),
            terms: body.into(),
            on_demand: body.on_demand,
            product_id: some_id(body.product_id.as_ref()),
            quantity: body.quantity,
            addons: addons(&body.addons),
            previous_billing_date: moment(body.previous_billing_date.as_ref()),
            expires_at: moment(body.expires_at.as_ref()),
            paused_at: moment(body.paused_at.as_ref()),
            past_due_ends_at: moment(body.past_due_ends_at.as_ref()),
            has_payment_method: body.has_payment_method == Some(true),
            lacks_payment_method: body.has_payment_method == Some(false),
            cancelled_by: body.cancelled_by.as_ref().and_then(|by| by.actor_type.clone()),
            scheduled_change: scheduled,
        }));
        let mut person = self.person(&body.customer, &body.metadata);
        // A subscription has one customer, so the ids of tools in its metadata count.
        person.customer = self.touchpoint(&body.customer.metadata);
        self.fact(event, body.brand_id.as_ref(), person, kind)
    }

    fn grant(&self, event: &Event<EntitlementGrant>) -> Fact {
        let grant = &event.data;
        let license_key = grant.license_key.as_ref().map(|key| GrantedKey {
            license_key_id: some_id(key.id.as_ref()),
            status: key.status.clone(),
            expires_at: moment(key.expires_at.as_ref()),
            activations_limit: key.activations_limit,
        });
        let feature = grant.feature.as_ref();
        let kind = FactKind::Grant(Box::new(Grant {
            grant_id: id(&grant.id),
            entitlement_id: some_id(grant.entitlement_id.as_ref()),
            status: grant.status.clone(),
            integration: grant.integration_type.clone(),
            payment_id: some_id(grant.payment_id.as_ref()),
            subscription_id: some_id(grant.subscription_id.as_ref()),
            feature_id: feature.and_then(|feature| feature.feature_id.clone()),
            feature_type: feature.and_then(|feature| feature.feature_type.clone()),
            license_key,
            revocation_reason: grant.revocation_reason.clone(),
            revoked_at: moment(grant.revoked_at.as_ref()),
            delivered_at: moment(grant.delivered_at.as_ref()),
        }));
        let person = customer_only(grant.customer_id.as_ref());
        self.fact(event, grant.brand_id.as_ref(), person, kind)
    }

    fn license_key(&self, event: &Event<dodo_core::event::LicenseKey>) -> Fact {
        let key = &event.data;
        let text = key.key.as_deref().filter(|text| !text.is_empty());
        let shown = text.filter(|text| text.len() >= SHORTEST_SHOWN_KEY && text.is_ascii());
        let kind = FactKind::LicenseKey(Box::new(LicenseKey {
            license_key_id: id(&key.id),
            key_sha256: text.map(|text| Sha256::digest(text).into()),
            key_end: shown.and_then(|text| text.get(text.len() - 4..)).map(str::to_owned),
            status: key.status.clone(),
            product_id: some_id(key.product_id.as_ref()),
            payment_id: some_id(key.payment_id.as_ref()),
            subscription_id: some_id(key.subscription_id.as_ref()),
            expires_at: moment(key.expires_at.as_ref()),
            activations_limit: key.activations_limit,
            created_at: moment(key.created_at.as_ref()),
        }));
        let person = customer_only(key.customer_id.as_ref());
        self.fact(event, key.brand_id.as_ref(), person, kind)
    }
}

fn customer_only(customer_id: Option<&String>) -> Person {
    Person { customer_id: some_id(customer_id), ..Person::default() }
}
