//! Receivers of webhooks with every callback that there is.

use dodo_core::{
    BoxError, Error, Event, EventKind, Webhooks,
    attribution::AttributionRecord,
    event::{RawJson, UnreadableEvent},
    webhook::{Given, WebhooksBuilder},
};

use crate::record::{Callback, Recorder};

/// Adds one callback to each type of event.
macro_rules! every_type {
    ($builder:expr, $callback:expr) => {
        every_type!($builder, $callback;
            on_abandoned_checkout_detected on_abandoned_checkout_recovered
            on_credit_added on_credit_balance_low on_credit_deducted on_credit_expired
            on_credit_manual_adjustment on_credit_overage_charged on_credit_overage_reset
            on_credit_rolled_over on_credit_rollover_forfeited
            on_dispute_accepted on_dispute_cancelled on_dispute_challenged on_dispute_expired
            on_dispute_lost on_dispute_opened on_dispute_won
            on_dunning_recovered on_dunning_started
            on_entitlement_grant_created on_entitlement_grant_delivered
            on_entitlement_grant_failed on_entitlement_grant_revoked
            on_license_key_created
            on_payment_cancelled on_payment_failed on_payment_processing on_payment_succeeded
            on_payout_created on_payout_failed on_payout_in_progress on_payout_on_hold
            on_payout_success
            on_refund_failed on_refund_succeeded
            on_subscription_active on_subscription_cancelled on_subscription_expired
            on_subscription_failed on_subscription_on_hold on_subscription_past_due
            on_subscription_paused on_subscription_plan_changed on_subscription_renewed
            on_subscription_unpaused on_subscription_update_payment_method
            on_subscription_updated
        )
    };
    ($builder:expr, $callback:expr; $($method:ident)*) => { $builder$(.$method($callback))* };
}

/// A callback of these tests succeeds.
pub type Done = Result<(), BoxError>;

/// Records every callback.
pub fn recording(
    builder: WebhooksBuilder<Recorder>,
    recorder: Recorder,
) -> WebhooksBuilder<Recorder, Given<Recorder>> {
    let builder = builder.with_state(recorder).on_any(payload).on_unknown(unknown);
    every_type!(builder, typed)
}

/// Callbacks that do nothing, to test the middleware alone.
///
/// # Errors
/// As [`WebhooksBuilder::build`].
pub fn idle(builder: WebhooksBuilder) -> Result<Webhooks, Error> {
    every_type!(builder, nothing).build()
}

async fn payload(event: Event<RawJson, Recorder>) -> Done {
    record("onPayload", &event);
    Ok(())
}

async fn unknown(event: Event<RawJson, Recorder>) -> Done {
    record("onUnknown", &event);
    Ok(())
}

/// Records an event that cannot be read.
///
/// # Errors
/// None.
pub async fn unreadable(event: Event<UnreadableEvent, Recorder>) -> Done {
    record("onUnreadable", &event);
    Ok(())
}

async fn typed<T>(event: Event<T, Recorder>) -> Done {
    record(&callback_name(&event.kind), &event);
    Ok(())
}

async fn nothing<T>(_: Event<T>) -> Done {
    Ok(())
}

/// Returns the name of the callback in Dodo's Node adaptors, such as `onPaymentSucceeded`.
#[must_use]
pub fn callback_name(kind: &EventKind) -> String {
    let mut name = String::from("on");
    for word in kind.as_str().split(['.', '_']) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Records one run.
pub fn record<T>(name: &str, event: &Event<T, Recorder>) {
    event.state.record(Callback {
        name: name.to_owned(),
        kind: event.kind.to_string(),
        webhook_id: event.id.clone(),
    });
}

/// A sink that stores its records, under kind and key.
pub fn sink(recorder: Recorder) -> impl dodo_core::attribution::AttributionSink {
    move |record: AttributionRecord| {
        let recorder = recorder.clone();
        async move {
            recorder.record(Callback {
                name: "sink".to_owned(),
                kind: format!("{:?}", record.kind),
                webhook_id: record.id.clone(),
            });
            Ok::<_, BoxError>(())
        }
    }
}
