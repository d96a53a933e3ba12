use dodo_core::{Event, WebhookKey, Webhooks, event::Payment};

#[derive(Clone)]
struct App;

async fn paid(_: Event<Payment, App>) {}

fn main() {
    let _ = |key: WebhookKey| Webhooks::builder(key).on_payment_succeeded(paid).build();
}
