//! A subscription: what is charged again, when, and what stops it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    World,
    card::PaymentMethod,
    customer::Address,
    product::{Period, Product},
    table::Row,
};
use crate::clock::{self, rfc3339};

/// A change of plan that waits for the next billing date.
#[derive(Clone, Debug)]
pub(crate) struct ScheduledChange {
    pub(crate) id: String,
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) effective_at: Timestamp,
}

/// A failed renewal that is tried again.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    /// When the renewal fell due.
    pub(crate) failed_at: Timestamp,
    /// Retries so far.
    pub(crate) retries: u32,
    /// When the next automatic retry falls due.
    pub(crate) next_retry: Option<Timestamp>,
    /// The dunning sequence that runs, if dunning is on.
    pub(crate) dunning_id: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) created_at: Timestamp,
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    pub(crate) currency: String,
    /// Per renewal, all units, before tax unless it is inclusive.
    pub(crate) recurring_amount: i64,
    pub(crate) tax_inclusive: bool,
    pub(crate) every: Period,
    pub(crate) term: Period,
    pub(crate) trial_days: u32,
    pub(crate) trial_amount: Option<i64>,
    pub(crate) previous_billing: Timestamp,
    pub(crate) next_billing: Timestamp,
    /// The day of the month on which periods begin; short months have it on their last day.
    pub(crate) billing_day: i8,
    pub(crate) expires_at: Timestamp,
    pub(crate) customer_id: String,
    pub(crate) billing: Address,
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) discounts: Option<Value>,
    pub(crate) custom_fields: Option<Value>,
    pub(crate) on_demand: bool,
    pub(crate) business_name: Option<String>,
    pub(crate) tax_id: Option<String>,
    pub(crate) cancel_at_next_billing: bool,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) cancelled_by: Option<&'static str>,
    pub(crate) cancellation_feedback: Option<String>,
    pub(crate) cancellation_comment: Option<String>,
    pub(crate) paused_at: Option<Timestamp>,
    pub(crate) past_due_ends_at: Option<Timestamp>,
    pub(crate) scheduled: Option<ScheduledChange>,
    pub(crate) recovery: Option<Recovery>,
    /// Paid time of a subscription that was cancelled at the click ends here with `expired`.
    pub(crate) ends_after_cancel: Option<Timestamp>,
}

impl Row for Subscription {
    const NAME: &'static str = "subscription";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Subscription {
    /// Whether it is over for good.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, "cancelled" | "failed" | "expired")
    }

    /// Whether renewals are charged.
    pub(crate) fn renews(&self) -> bool {
        self.status == "active"
    }

    /// Begins a period and with it a new rhythm.
    pub(crate) fn begin_period(&mut self, start: Timestamp) {
        self.previous_billing = start;
        self.billing_day = clock::day(start);
        self.next_billing = self.period_end(start);
    }

    /// Begins the period that was due.
    pub(crate) fn next_period(&mut self) {
        self.previous_billing = self.next_billing;
        self.next_billing = self.period_end(self.previous_billing);
    }

    /// Moves the end of the period, and with it the rhythm.
    pub(crate) fn set_next_billing(&mut self, at: Timestamp) {
        self.next_billing = at;
        self.billing_day = clock::day(at);
    }

    /// When a period ends that begins at this moment.
    pub(crate) fn period_end(&self, start: Timestamp) -> Timestamp {
        self.every.after_on(start, self.billing_day)
    }

    /// Takes over what a product says.
    pub(crate) fn set_plan(&mut self, product: &Product, quantity: u32, amount: i64) {
        self.product_id.clone_from(&product.id);
        self.quantity = quantity;
        self.recurring_amount = amount;
        self.tax_inclusive = product.tax_inclusive;
        self.currency.clone_from(&product.currency);
        if let Some(recurring) = &product.recurring {
            self.every = recurring.every;
        }
    }

    /// As the API shows it. `past_due_ends_at` is in webhooks only.
    pub(crate) fn json(&self, world: &World) -> Value {
        let date = |at: Option<Timestamp>| at.map(rfc3339);
        let mut subscription = json!({
            "addons": [],
            "billing": self.billing.json(),
            "brand_id": world.brand_id,
            "cancel_at_next_billing_date": self.cancel_at_next_billing,
            "cancellation_comment": self.cancellation_comment,
            "cancellation_feedback": self.cancellation_feedback,
            "cancelled_at": date(self.cancelled_at),
            "created_at": rfc3339(self.created_at),
            "credit_entitlement_cart": [],
            "currency": self.currency,
            "custom_field_responses": self.custom_fields,
            "customer": world.customer_json(&self.customer_id),
            "customer_business_name": self.business_name,
            "discount_cycles_remaining": self.first_discount("cycles_remaining"),
            "discount_id": self.first_discount("discount_id"),
            "discounts": self.discounts,
            "expires_at": rfc3339(self.expires_at),
            "has_payment_method": self.method.is_some(),
            "metadata": self.metadata,
            "meter_credit_entitlement_cart": [],
            "meters": [],
            "next_billing_date": rfc3339(self.next_billing),
            "on_demand": self.on_demand,
            "paused_at": date(self.paused_at),
            "payment_frequency_count": self.every.count,
            "payment_frequency_interval": self.every.interval.as_str(),
            "payment_method_id": self.method.as_ref().map(|method| &method.id),
            "previous_billing_date": rfc3339(self.previous_billing),
            "product_id": self.product_id,
            "quantity": self.quantity,
            "recurring_pre_tax_amount": self.recurring_amount,
            "scheduled_change": self.scheduled_json(world),
            "status": self.status,
            "subscription_id": self.id,
            "subscription_period_count": self.term.count,
            "subscription_period_interval": self.term.interval.as_str(),
            "tax_id": self.tax_id,
            "tax_inclusive": self.tax_inclusive,
            "trial_amount": self.trial_amount,
            "trial_period_days": self.trial_days,
        });
        if world.settings.newest_fields
            && let Some(fields) = subscription.as_object_mut()
        {
            let by = self.cancelled_by.map(|actor| json!({ "actor_type": actor }));
            fields.insert("cancelled_by".to_owned(), by.unwrap_or(Value::Null));
        }
        subscription
    }

    /// As webhooks show it, without `payload_type`.
    pub(crate) fn event_json(&self, world: &World) -> Value {
        let mut data = self.json(world);
        if let Some(data) = data.as_object_mut() {
            let ends = self.past_due_ends_at.map(rfc3339);
            data.insert("past_due_ends_at".to_owned(), ends.into());
        }
        data
    }

    fn first_discount(&self, field: &str) -> Option<&Value> {
        self.discounts.as_ref()?.get(0)?.get(field)
    }

    fn scheduled_json(&self, world: &World) -> Option<Value> {
        let change = self.scheduled.as_ref()?;
        let product = world.products.get(&change.product_id);
        Some(json!({
            "id": change.id,
            "addons": [],
            "created_at": rfc3339(change.created_at),
            "effective_at": rfc3339(change.effective_at),
            "product_id": change.product_id,
            "quantity": change.quantity,
            "product_name": product.map(|product| &product.name),
            "product_description": product.and_then(|product| product.description.as_ref()),
        }))
    }
}
