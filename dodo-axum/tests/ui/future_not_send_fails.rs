use std::rc::Rc;

use dodo_core::{WebhookKey, Webhooks};

fn main() {
    let _ = |key: WebhookKey| {
        Webhooks::builder(key)
            .on_payment_succeeded(|event| async move {
                let kept = Rc::new(event.id);
                std::future::ready(()).await;
                drop(kept);
            })
            .build()
    };
}
