//! The body of a webhook: an event's envelope around the current state of its object.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    state::{
        World,
        webhook::{Event, Subject},
    },
};

/// The body to send for this event now. Dodo sends the object as it is at the time of the attempt,
/// so two attempts may differ.
pub(crate) fn render(world: &World, event: &Event) -> String {
    body(world, event).to_string()
}

/// The body as JSON, with the values that a trigger set.
pub(crate) fn body(world: &World, event: &Event) -> Value {
    let mut body = json!({
        "business_id": world.business_id,
        "data": data(world, &event.subject),
        "timestamp": rfc3339(event.at),
        "type": event.kind,
    });
    for (path, value) in &event.overrides {
        let pointer = format!("/{}", path.replace('.', "/"));
        match body.pointer_mut(&pointer) {
            Some(place) => *place = value.clone(),
            // A new field of an object that exists.
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                if let Some(Value::Object(fields)) = body.pointer_mut(parent) {
                    fields.insert(name.to_owned(), value.clone());
                }
            }
        }
    }
    body
}

fn data(world: &World, subject: &Subject) -> Value {
    let (payload_type, data) = match subject {
        Subject::Payment(id) => ("Payment", world.payments.get(id).map(|row| row.json(world))),
        Subject::Subscription(id) => {
            ("Subscription", world.subscriptions.get(id).map(|row| row.event_json(world)))
        }
        Subject::Refund(id) => ("Refund", world.refunds.get(id).map(|row| row.json(world))),
        Subject::Dispute(id) => ("Dispute", world.disputes.get(id).map(|row| row.json(world))),
        Subject::License(id) => ("LicenseKey", world.licenses.get(id).map(|row| row.json(world))),
        Subject::Grant(id) => ("EntitlementGrant", world.grants.get(id).map(|row| row.json(world))),
        Subject::Abandoned(id) => {
            ("AbandonedCheckout", world.abandoned.get(id).map(|row| row.json(world)))
        }
        Subject::Dunning(id) => {
            ("DunningAttempt", world.dunnings.get(id).map(|row| row.json(world)))
        }
        Subject::Fixed(data) => return data.clone(),
    };
    let mut data = data.unwrap_or(Value::Null);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("payload_type".to_owned(), payload_type.into());
    }
    data
}

/// The names of all events that Dodo sends.
pub(crate) const NAMES: [&str; 48] = [
    "payment.succeeded",
    "payment.failed",
    "payment.processing",
    "payment.cancelled",
    "refund.succeeded",
    "refund.failed",
    "dispute.opened",
    "dispute.expired",
    "dispute.accepted",
    "dispute.cancelled",
    "dispute.challenged",
    "dispute.won",
    "dispute.lost",
    "subscription.active",
    "subscription.renewed",
    "subscription.on_hold",
    "subscription.past_due",
    "subscription.paused",
    "subscription.unpaused",
    "subscription.cancelled",
    "subscription.failed",
    "subscription.expired",
    "subscription.plan_changed",
    "subscription.updated",
    "subscription.update_payment_method",
    "license_key.created",
    "payout.created",
    "payout.on_hold",
    "payout.in_progress",
    "payout.failed",
    "payout.success",
    "credit.added",
    "credit.deducted",
    "credit.expired",
    "credit.rolled_over",
    "credit.rollover_forfeited",
    "credit.overage_charged",
    "credit.overage_reset",
    "credit.manual_adjustment",
    "credit.balance_low",
    "abandoned_checkout.detected",
    "abandoned_checkout.recovered",
    "dunning.started",
    "dunning.recovered",
    "entitlement_grant.created",
    "entitlement_grant.delivered",
    "entitlement_grant.failed",
    "entitlement_grant.revoked",
];
