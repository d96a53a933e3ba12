//! A subscription: its price, its next charge and its end.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    SandboxState,
    address::Address,
    card::PaymentMethod,
    product::{Period, Product},
    session::AddonItem,
    table::{Row, Table},
};
use crate::{
    api::{list::Listed, products::ADDONS},
    clock::{self, rfc3339},
    flow::plan::PlanChange,
};

/// A change of plan that waits for the next billing date.
#[derive(Clone, Debug)]
pub(crate) struct ScheduledChange {
    pub(crate) id: String,
    pub(crate) change: PlanChange,
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
    /// Those of them that the merchant asked for.
    pub(crate) manual_retries: u32,
    /// When the next automatic retry falls due.
    pub(crate) next_retry: Option<Timestamp>,
    /// The dunning sequence that runs, if dunning is on.
    pub(crate) dunning_id: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, Default)]
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
    pub(crate) addons: Vec<AddonItem>,
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
    /// The most that one charge may take from an Indian card, in paise.
    pub(crate) mandate: Option<i64>,
    /// Terms of `credit_entitlement_cart` that replace those of the product.
    pub(crate) credit_terms: Vec<Value>,
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

    /// Takes over the terms of a product.
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

    fn first_discount(&self, field: &str) -> Option<&Value> {
        self.discounts.as_ref()?.get(0)?.get(field)
    }

    fn scheduled_json(&self, state: &SandboxState) -> Option<Value> {
        let scheduled = self.scheduled.as_ref()?;
        let change = &scheduled.change;
        let product = state.products.get(&change.product_id);
        Some(json!({
            "id": scheduled.id,
            "addons": change.addons.iter().map(|addon| scheduled_addon(state, addon)).collect::<Vec<_>>(),
            "created_at": rfc3339(scheduled.created_at),
            "effective_at": rfc3339(scheduled.effective_at),
            "product_id": change.product_id,
            "quantity": change.quantity,
            "product_name": product.map(|product| &product.name),
            "product_description": product.and_then(|product| product.description.as_ref()),
        }))
    }
}

fn scheduled_addon(state: &SandboxState, addon: &AddonItem) -> Value {
    let object = state.get(&ADDONS, &addon.addon_id);
    let name = object.and_then(|object| object.text("name"));
    json!({ "addon_id": addon.addon_id, "name": name, "quantity": addon.quantity })
}

fn addons_json(addons: &[AddonItem]) -> Vec<Value> {
    let json =
        |addon: &AddonItem| json!({ "addon_id": addon.addon_id, "quantity": addon.quantity });
    addons.iter().map(json).collect()
}

impl Listed for Subscription {
    fn table<'a>(state: &'a SandboxState, _: &str) -> Option<&'a Table<Self>> {
        Some(&state.subscriptions)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, state: &SandboxState) -> Value {
        let date = |at: Option<Timestamp>| at.map(rfc3339);
        let product = state.products.get(&self.product_id);
        json!({
            "addons": addons_json(&self.addons),
            "billing": self.billing.json(),
            "brand_id": state.brand_of(&self.product_id),
            "cancel_at_next_billing_date": self.cancel_at_next_billing,
            "cancellation_comment": self.cancellation_comment,
            "cancellation_feedback": self.cancellation_feedback,
            "cancelled_at": date(self.cancelled_at),
            "cancelled_by": self.cancelled_by.map(|actor| json!({ "actor_type": actor })),
            "created_at": rfc3339(self.created_at),
            "credit_entitlement_cart": crate::flow::allowance::cart(state, self),
            "currency": self.currency,
            "custom_field_responses": self.custom_fields,
            "customer": state.customer_json(&self.customer_id),
            "customer_business_name": self.business_name,
            "discount_cycles_remaining": self.first_discount("cycles_remaining"),
            "discount_id": self.first_discount("discount_id"),
            "discounts": self.discounts,
            "expires_at": rfc3339(self.expires_at),
            "has_payment_method": self.method.is_some(),
            "metadata": self.metadata,
            "meters": product.map_or_else(Vec::new, |product| product.meters.iter().map(|price| price.cart(state, &self.currency)).collect()),
            "meter_credit_entitlement_cart": product.map_or_else(Vec::new, |product| product.meters.iter().filter_map(|price| price.credit_cart(state, &self.product_id)).collect()),
            "product_name": product.map(|product| &product.name),
            "next_billing_date": rfc3339(self.next_billing),
            "on_demand": self.on_demand,
            "past_due_ends_at": date(self.past_due_ends_at),
            "paused_at": date(self.paused_at),
            "payment_frequency_count": self.every.count,
            "payment_frequency_interval": self.every.interval.as_str(),
            "payment_method_id": self.method.as_ref().map(|method| &method.id),
            "previous_billing_date": rfc3339(self.previous_billing),
            "product_id": self.product_id,
            "quantity": self.quantity,
            "recurring_pre_tax_amount": self.recurring_amount,
            "scheduled_change": self.scheduled_json(state),
            "status": self.status,
            "subscription_id": self.id,
            "subscription_period_count": self.term.count,
            "subscription_period_interval": self.term.interval.as_str(),
            "tax_id": self.tax_id,
            "tax_inclusive": self.tax_inclusive,
            "trial_amount": self.trial_amount,
            "trial_period_days": self.trial_days,
        })
    }
}
