//! Changes of a subscription's plan, now or at the next billing date.

use serde_json::{Map, Value};

use crate::{
    Error,
    api::{order::or_default, payments::PAYMENTS, subscriptions::SUBSCRIPTIONS},
    flow::{
        allowance::{self, Occasion},
        complete, discount, quote,
        renewal::{self, Invoice},
    },
    id, money,
    state::{
        SandboxState,
        card::Charge,
        payment::ChargeType,
        session::AddonItem,
        subscription::{ScheduledChange, Subscription},
    },
};

/// How a change of plan is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proration {
    ProratedImmediately,
    FullImmediately,
    DifferenceImmediately,
    DoNotBill,
}

/// A requested change of the plan.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct PlanChange {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) addons: Vec<AddonItem>,
    #[serde(rename = "proration_billing_mode")]
    pub(crate) proration: Proration,
    /// The plan changes even if the charge fails.
    #[serde(skip)]
    pub(crate) apply_on_failure: bool,
    /// Replaces the subscription's metadata.
    pub(crate) metadata: Option<Map<String, Value>>,
    /// Replace the subscription's discounts.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) discount_codes: Vec<String>,
}

/// The price of a new plan per period, with addons.
///
/// # Errors
/// 404 for an unknown product or addon; 422 for one that does not fit.
pub(crate) fn plan_amount(
    state: &SandboxState,
    subscription: &Subscription,
    change: &PlanChange,
) -> Result<i64, Error> {
    let product = state.products.find(&change.product_id)?;
    if product.recurring.is_none() {
        return Err(Error::invalid("product_id: the product is not a subscription"));
    }
    if product.currency != subscription.currency {
        return Err(Error::unprocessable(
            "UNSUPPORTED_CURRENCY",
            "product_id: the product is in another currency",
        ));
    }
    let amount = money::times(product.unit_price(), change.quantity)?;
    let addons = quote::addons(state, product, &change.addons)?;
    addons.iter().try_fold(amount, |amount, addon| money::plus(amount, addon.amount()))
}

/// The discounts after a change of plan: those of new codes, or the kept ones.
fn plan_discounts(
    state: &SandboxState,
    subscription: &Subscription,
    change: &PlanChange,
) -> Result<Option<Value>, Error> {
    if change.discount_codes.is_empty() {
        let kept =
            |discount: &Value| discount.get("preserve_on_plan_change") == Some(&Value::Bool(true));
        let all = subscription.discounts.as_ref().and_then(Value::as_array);
        let kept: Vec<_> = all.into_iter().flatten().filter(|own| kept(own)).cloned().collect();
        return Ok((!kept.is_empty()).then_some(Value::Array(kept)));
    }
    let product = state.products.find(&change.product_id)?;
    let customer_id = Some(subscription.customer_id.as_str());
    let found = change
        .discount_codes
        .iter()
        .map(|code| discount::usable(state, code, std::slice::from_ref(product), customer_id));
    Ok(discount::details(&found.collect::<Result<Vec<_>, _>>()?))
}

/// The cost of a change now, before tax.
///
/// # Errors
/// 409 unless the subscription is active; 404 and 422 for products that do not fit.
pub(crate) fn change_price(
    state: &SandboxState,
    subscription_id: &str,
    change: &PlanChange,
) -> Result<i64, Error> {
    let subscription = state.subscriptions.find(subscription_id)?;
    if subscription.status != "active" {
        return Err(Error::conflict(
            "INACTIVE_SUBSCRIPTION_PLAN_CHANGE_NOT_SUPPORTED",
            "only an active subscription can change its plan",
        ));
    }
    let new = plan_amount(state, subscription, change)?;
    let discounts = plan_discounts(state, subscription, change)?;
    let new = discount::reduce_by_all(discounts.as_ref(), new, &subscription.currency);
    let more = new.saturating_sub(subscription.recurring_amount).max(0);
    Ok(match change.proration {
        Proration::DoNotBill => 0,
        Proration::FullImmediately => new,
        Proration::DifferenceImmediately => more,
        Proration::ProratedImmediately => rest_of_period(state, subscription, more),
    })
}

/// Changes the plan now. Returns the id of the payment, if there was a charge.
///
/// # Errors
/// As [`change_price`].
pub(crate) fn change_plan(
    state: &mut SandboxState,
    subscription_id: &str,
    change: &PlanChange,
) -> Result<Option<String>, Error> {
    let price = change_price(state, subscription_id, change)?;
    let subscription = state.subscriptions.find(subscription_id)?;
    if subscription.scheduled.is_some() {
        return Err(Error::conflict(
            "SCHEDULED_PLAN_CHANGE_EXISTS",
            "a change of plan is scheduled",
        ));
    }
    if price == 0 {
        switch(state, subscription_id, change)?;
        complete::updated(state, subscription_id);
        return Ok(None);
    }
    let amount = renewal::taxed(subscription, price);
    let bill = Invoice { amount, charge_type: ChargeType::PlanChange, retry_attempt: 0, usage: 0 };
    let (payment_id, charge) = renewal::charge(state, subscription_id, &bill)?;
    match charge {
        Charge::Declined { .. } if change.apply_on_failure => {
            switch(state, subscription_id, change)?;
            renewal::hold_for_payment(state, subscription_id)?;
        }
        // The plan stays as it is.
        Charge::Declined { .. } => return Ok(Some(payment_id)),
        Charge::Paid | Charge::Processing => {
            if charge == Charge::Paid {
                state.emit("payment.succeeded", &PAYMENTS, &payment_id);
            }
            switch(state, subscription_id, change)?;
            if change.proration == Proration::FullImmediately {
                restart_period(state, subscription_id)?;
            }
            state.emit("subscription.active", &SUBSCRIPTIONS, subscription_id);
        }
    }
    complete::updated(state, subscription_id);
    Ok(Some(payment_id))
}

/// A full charge pays for a whole period, which begins now.
fn restart_period(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let now = state.now();
    state.subscriptions.find_mut(subscription_id)?.begin_period(now);
    Ok(())
}

fn switch(
    state: &mut SandboxState,
    subscription_id: &str,
    change: &PlanChange,
) -> Result<(), Error> {
    let subscription = state.subscriptions.find(subscription_id)?;
    let amount = plan_amount(state, subscription, change)?;
    let discounts = plan_discounts(state, subscription, change)?;
    let product = state.products.find(&change.product_id)?.clone();
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    let is_other = subscription.product_id != product.id;
    subscription.set_plan(&product, change.quantity, amount);
    subscription.addons.clone_from(&change.addons);
    subscription.discounts = discounts;
    if let Some(metadata) = &change.metadata {
        subscription.metadata.clone_from(metadata);
    }
    let subscription = subscription.clone();
    state.emit("subscription.plan_changed", &SUBSCRIPTIONS, subscription_id);
    let left = rest_of_period(state, &subscription, allowance::MILLION);
    // A scheduled change takes effect with a renewal, which grants the new credits.
    if is_other && left > 0 {
        let source = ("subscription", Some(subscription.id));
        let (customer_id, occasion) = (subscription.customer_id, Occasion::PlanChange(left));
        allowance::grant_for_product(
            state,
            &product.id,
            &customer_id,
            source,
            change.quantity,
            occasion,
        );
    }
    Ok(())
}

/// The part of this amount that belongs to the rest of the running period.
fn rest_of_period(state: &SandboxState, subscription: &Subscription, amount: i64) -> i64 {
    let period = subscription.next_billing.duration_since(subscription.previous_billing).as_secs();
    let left = subscription.next_billing.duration_since(state.now()).as_secs();
    money::share(amount, left.clamp(0, period.max(0)), period.max(1))
}

/// Changes the plan at the next billing date.
///
/// # Errors
/// As [`change_price`], and 409 when a change is scheduled already.
pub(crate) fn schedule_change(
    state: &mut SandboxState,
    subscription_id: &str,
    change: PlanChange,
) -> Result<(), Error> {
    change_price(state, subscription_id, &change)?;
    let now = state.now();
    let subscription = state.subscriptions.find_mut(subscription_id)?;
    if subscription.scheduled.is_some() {
        return Err(Error::conflict(
            "SCHEDULED_PLAN_CHANGE_EXISTS",
            "a change of plan is scheduled",
        ));
    }
    subscription.scheduled = Some(ScheduledChange {
        id: id::new("spc_"),
        change: PlanChange { proration: Proration::DoNotBill, apply_on_failure: false, ..change },
        created_at: now,
        effective_at: subscription.next_billing,
    });
    complete::updated(state, subscription_id);
    Ok(())
}

/// Removes a scheduled change.
///
/// # Errors
/// 404 when none is scheduled.
pub(crate) fn unschedule(state: &mut SandboxState, subscription_id: &str) -> Result<(), Error> {
    let scheduled = state.subscriptions.find_mut(subscription_id)?.scheduled.take();
    scheduled.ok_or_else(|| Error::not_found("scheduled plan change"))?;
    complete::updated(state, subscription_id);
    Ok(())
}

/// The date of a scheduled change has come.
pub(crate) fn apply_scheduled(
    state: &mut SandboxState,
    subscription_id: &str,
) -> Result<(), Error> {
    let Some(scheduled) = state.subscriptions.find_mut(subscription_id)?.scheduled.take() else {
        return Ok(());
    };
    switch(state, subscription_id, &scheduled.change)
}
