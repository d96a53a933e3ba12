//! What becomes of a subscription: it is cancelled, paused, resumed, changed, or runs out.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Error,
    flow::{
        complete, discount, entitlement, quote,
        renewal::{self, Invoice},
    },
    id, money,
    settings::PeriodEndCancellation,
    state::{
        World,
        card::Charge,
        payment::ChargeType,
        session::AddonItem,
        subscription::{ScheduledChange, Subscription},
        webhook::Subject,
    },
};

fn subject(id: &str) -> Subject {
    Subject::Subscription(id.to_owned())
}

fn inactive(message: &'static str) -> Error {
    Error::conflict("SUBSCRIPTION_INACTIVE", message)
}

/// Cancels now. `by`: who asked, if it was asked now.
///
/// # Errors
/// 409 when it is over already.
pub(crate) fn cancel(
    world: &mut World,
    subscription_id: &str,
    by: Option<&'static str>,
) -> Result<(), Error> {
    let now = world.now();
    let dunning = world.settings.dunning && by == Some("customer");
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    if subscription.is_over() {
        return Err(inactive("the subscription is over already"));
    }
    end(subscription, "cancelled");
    subscription.cancelled_at = Some(now);
    subscription.cancelled_by = by.or(subscription.cancelled_by);
    let customer_id = subscription.customer_id.clone();
    world.emit("subscription.cancelled", subject(subscription_id));
    entitlement::revoke_of(world, "subscription_cancelled", subscription_id);
    complete::updated(world, subscription_id);
    if dunning {
        renewal::start_dunning(world, id::new("dun_"), subscription_id, customer_id, "cancelled");
    }
    Ok(())
}

fn end(subscription: &mut Subscription, status: &'static str) {
    subscription.status = status;
    subscription.past_due_ends_at = None;
    subscription.recovery = None;
    subscription.scheduled = None;
}

/// The term, or the time paid for, is over.
pub(crate) fn expire(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    end(subscription, "expired");
    subscription.ends_after_cancel = None;
    world.emit("subscription.expired", subject(subscription_id));
    entitlement::revoke_of(world, "subscription_expired", subscription_id);
    complete::updated(world, subscription_id);
    Ok(())
}

/// Cancels at the end of the period, or takes that back.
///
/// # Errors
/// 409 when it is over already.
pub(crate) fn cancel_at_period_end(
    world: &mut World,
    subscription_id: &str,
    wanted: bool,
    by: &'static str,
) -> Result<(), Error> {
    let now = world.now();
    let at_once = world.settings.period_end_cancellation == PeriodEndCancellation::ExpiredAtEnd;
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    if subscription.is_over() {
        return Err(inactive("the subscription is over already"));
    }
    subscription.cancel_at_next_billing = wanted;
    subscription.cancelled_by = wanted.then_some(by);
    if wanted && at_once {
        subscription.status = "cancelled";
        subscription.cancelled_at = Some(now);
        subscription.ends_after_cancel = Some(subscription.next_billing);
        world.emit("subscription.cancelled", subject(subscription_id));
    }
    complete::updated(world, subscription_id);
    Ok(())
}

/// Pauses.
///
/// # Errors
/// 409 unless it is active.
pub(crate) fn pause(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let now = world.now();
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    if subscription.status != "active" {
        return Err(inactive("only an active subscription can be paused"));
    }
    subscription.status = "paused";
    subscription.paused_at = Some(now);
    world.emit("subscription.paused", subject(subscription_id));
    // Dodo writes this one reason differently from the others.
    entitlement::revoke_of(world, "SubscriptionPaused", subscription_id);
    complete::updated(world, subscription_id);
    Ok(())
}

/// Goes on after a pause: all dates move by its length.
///
/// # Errors
/// 409 unless it is paused.
pub(crate) fn resume(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let now = world.now();
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    let Some(paused_at) = subscription.paused_at.filter(|_| subscription.status == "paused") else {
        return Err(inactive("only a paused subscription can be resumed"));
    };
    let pause = now.duration_since(paused_at);
    let shift = |at: Timestamp| at.checked_add(pause).unwrap_or(Timestamp::MAX);
    subscription.set_next_billing(shift(subscription.next_billing));
    subscription.expires_at = shift(subscription.expires_at);
    subscription.status = "active";
    subscription.paused_at = None;
    world.emit("subscription.unpaused", subject(subscription_id));
    entitlement::grant_again(world, subscription_id);
    complete::updated(world, subscription_id);
    Ok(())
}

/// How a change of plan is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proration {
    ProratedImmediately,
    FullImmediately,
    DifferenceImmediately,
    DoNotBill,
}

/// A change of plan, as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct PlanChange {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    pub(crate) addons: Vec<AddonItem>,
    pub(crate) proration: Proration,
    /// The plan changes even if the charge fails.
    pub(crate) apply_on_failure: bool,
    /// Replaces the subscription's metadata.
    pub(crate) metadata: Option<Map<String, Value>>,
    /// Replace the subscription's discounts.
    pub(crate) discount_codes: Vec<String>,
}

/// The price of a new plan per period, with addons.
///
/// # Errors
/// 404 for an unknown product or addon; 422 for one that does not fit.
pub(crate) fn plan_amount(
    world: &World,
    subscription: &Subscription,
    change: &PlanChange,
) -> Result<i64, Error> {
    let product = world.products.find(&change.product_id)?;
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
    let addons = quote::addons(world, product, &change.addons)?;
    addons.iter().try_fold(amount, |amount, addon| money::plus(amount, addon.amount()))
}

/// The discounts after a change of plan: those of new codes, or the kept ones.
fn plan_discounts(
    world: &World,
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
    let product = [world.products.find(&change.product_id)?];
    let customer_id = Some(subscription.customer_id.as_str());
    let found = change
        .discount_codes
        .iter()
        .map(|code| discount::usable(world, code, &product, customer_id));
    Ok(discount::details(&found.collect::<Result<Vec<_>, _>>()?))
}

/// What a change costs now, before tax.
///
/// # Errors
/// 409 unless the subscription is active; 404 and 422 for products that do not fit.
pub(crate) fn change_price(
    world: &World,
    subscription_id: &str,
    change: &PlanChange,
) -> Result<i64, Error> {
    let subscription = world.subscriptions.find(subscription_id)?;
    if subscription.status != "active" {
        return Err(Error::conflict(
            "INACTIVE_SUBSCRIPTION_PLAN_CHANGE_NOT_SUPPORTED",
            "only an active subscription can change its plan",
        ));
    }
    let new = plan_amount(world, subscription, change)?;
    let discounts = plan_discounts(world, subscription, change)?;
    let new = discount::reduce_by_all(discounts.as_ref(), new);
    let more = new.saturating_sub(subscription.recurring_amount).max(0);
    Ok(match change.proration {
        Proration::DoNotBill => 0,
        Proration::FullImmediately => new,
        Proration::DifferenceImmediately => more,
        Proration::ProratedImmediately => {
            let period =
                subscription.next_billing.duration_since(subscription.previous_billing).as_secs();
            let left = subscription.next_billing.duration_since(world.now()).as_secs();
            money::share(more, left.clamp(0, period.max(0)), period.max(1))
        }
    })
}

/// Changes the plan now. The id of the payment, if anything was charged.
///
/// # Errors
/// As [`change_price`].
pub(crate) fn change_plan(
    world: &mut World,
    subscription_id: &str,
    change: &PlanChange,
) -> Result<Option<String>, Error> {
    let price = change_price(world, subscription_id, change)?;
    let subscription = world.subscriptions.find(subscription_id)?;
    if subscription.scheduled.is_some() {
        return Err(Error::conflict(
            "SCHEDULED_PLAN_CHANGE_EXISTS",
            "a change of plan is scheduled",
        ));
    }
    if price == 0 {
        switch(world, subscription_id, change)?;
        complete::updated(world, subscription_id);
        return Ok(None);
    }
    let amount = renewal::taxed(subscription, price);
    let bill = Invoice { amount, charge_type: ChargeType::PlanChange, retry_attempt: 0, usage: 0 };
    let (payment_id, charge) = renewal::charge(world, subscription_id, &bill)?;
    match charge {
        Charge::Declined { .. } if change.apply_on_failure => {
            switch(world, subscription_id, change)?;
            renewal::hold_for_payment(world, subscription_id)?;
        }
        // The plan stays as it is.
        Charge::Declined { .. } => return Ok(Some(payment_id)),
        Charge::Paid | Charge::Processing => {
            if charge == Charge::Paid {
                world.emit("payment.succeeded", Subject::Payment(payment_id.clone()));
            }
            switch(world, subscription_id, change)?;
            if change.proration == Proration::FullImmediately {
                restart_period(world, subscription_id)?;
            }
            world.emit("subscription.active", subject(subscription_id));
        }
    }
    complete::updated(world, subscription_id);
    Ok(Some(payment_id))
}

/// A full charge pays for a whole period, which begins now.
fn restart_period(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let now = world.now();
    world.subscriptions.find_mut(subscription_id)?.begin_period(now);
    Ok(())
}

fn switch(world: &mut World, subscription_id: &str, change: &PlanChange) -> Result<(), Error> {
    let subscription = world.subscriptions.find(subscription_id)?;
    let amount = plan_amount(world, subscription, change)?;
    let discounts = plan_discounts(world, subscription, change)?;
    let product = world.products.find(&change.product_id)?.clone();
    let subscription = world.subscriptions.find_mut(subscription_id)?;
    subscription.set_plan(&product, change.quantity, amount);
    subscription.addons.clone_from(&change.addons);
    subscription.discounts = discounts;
    if let Some(metadata) = &change.metadata {
        subscription.metadata.clone_from(metadata);
    }
    world.emit("subscription.plan_changed", subject(subscription_id));
    Ok(())
}

/// Changes the plan at the next billing date.
///
/// # Errors
/// As [`change_price`], and 409 when a change is scheduled already.
pub(crate) fn schedule_change(
    world: &mut World,
    subscription_id: &str,
    change: PlanChange,
) -> Result<(), Error> {
    change_price(world, subscription_id, &change)?;
    let now = world.now();
    let subscription = world.subscriptions.find_mut(subscription_id)?;
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
    complete::updated(world, subscription_id);
    Ok(())
}

/// Takes back a scheduled change.
///
/// # Errors
/// 404 when none is scheduled.
pub(crate) fn unschedule(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let scheduled = world.subscriptions.find_mut(subscription_id)?.scheduled.take();
    scheduled.ok_or_else(|| Error::not_found("scheduled plan change"))?;
    complete::updated(world, subscription_id);
    Ok(())
}

/// The date of a scheduled change has come.
pub(crate) fn apply_scheduled(world: &mut World, subscription_id: &str) -> Result<(), Error> {
    let Some(scheduled) = world.subscriptions.find_mut(subscription_id)?.scheduled.take() else {
        return Ok(());
    };
    switch(world, subscription_id, &scheduled.change)
}

/// Charges an on-demand subscription. The id of the payment.
///
/// # Errors
/// 409 unless it is active and on demand.
pub(crate) fn charge_on_demand(
    world: &mut World,
    subscription_id: &str,
    price: i64,
    metadata: Option<Map<String, Value>>,
) -> Result<String, Error> {
    let subscription = world.subscriptions.find(subscription_id)?;
    if !subscription.on_demand {
        return Err(Error::conflict(
            "SUBSCRIPTION_NOT_ON_DEMAND",
            "the subscription is not on demand",
        ));
    }
    if subscription.status != "active" {
        return Err(inactive("only an active subscription can be charged"));
    }
    let amount = renewal::taxed(subscription, price);
    let bill = Invoice { amount, charge_type: ChargeType::OnDemand, retry_attempt: 0, usage: 0 };
    let (payment_id, charge) = renewal::charge(world, subscription_id, &bill)?;
    if let (Some(metadata), Some(payment)) = (metadata, world.payments.get_mut(&payment_id)) {
        payment.metadata = metadata;
    }
    match charge {
        Charge::Paid => renewal::apply_payment(world, subscription_id, payment_id.clone()),
        Charge::Declined { .. } => {
            renewal::hold_for_payment(world, subscription_id)?;
            complete::updated(world, subscription_id);
        }
        Charge::Processing => {}
    }
    Ok(payment_id)
}
