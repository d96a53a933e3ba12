use dodo_core::{Event, WebhookKey, Webhooks, event::Payment};

async fn paid(_: Event<Payment>) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {
    let _ = |key: WebhookKey| Webhooks::builder(key).on_payment_succeeded(paid).build();
}
