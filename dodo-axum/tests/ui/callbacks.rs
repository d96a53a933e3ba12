//! Every form of a callback that compiles.

use dodo_core::{BoxError, Event, WebhookKey, Webhooks, event::Payment};

#[derive(Clone)]
struct App;

async fn nothing(_: Event<Payment>) {}

async fn fallible(event: Event<Payment>) -> Result<(), BoxError> {
    let _: u64 = event.data.payment_id.parse()?;
    Ok(())
}

async fn with_app(_: Event<Payment, App>) -> Result<(), BoxError> {
    Ok(())
}

fn without_state(key: WebhookKey) -> Result<Webhooks, dodo_core::Error> {
    Webhooks::builder(key)
        .on_payment_succeeded(nothing)
        .on_payment_succeeded(fallible)
        .on_payment_failed(|event| async move {
            let _: u64 = event.data.payment_id.parse()?;
            Ok(())
        })
        .on_refund_succeeded(async |event| drop(event.data.refund_id))
        .on_any(|_| async {})
        .build()
}

fn state_in_any_order(key: WebhookKey) -> Result<Webhooks, dodo_core::Error> {
    Webhooks::builder(key.clone()).with_state(App).on_payment_succeeded(with_app).build()?;
    Webhooks::builder(key).on_payment_succeeded(with_app).with_state(App).build()
}

fn main() {
    let _ = (without_state, state_in_any_order);
    let _ = |key| Webhooks::builder(key).build();
}
