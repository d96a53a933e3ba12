//! The requests to Dodo Payments for an owner. Billing books each answer at once, so the next read
//! includes it.

mod after_checkout;
mod alone;
mod change;
mod checkout;
mod customer;
mod license;
mod payments;
mod subscription;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use dodo_core::{Error, ErrorKind, event::Subscription, webhook::VerifiedEvent};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::billing::Billing;

pub use self::{
    after_checkout::AfterCheckout,
    change::{ChangePreview, ChangeWhen, PlanChanged},
    checkout::{CheckoutOptions, OpenedCheckout},
    payments::PaymentLine,
};

impl Billing {
    /// Books a subscription as Dodo Payments showed it now.
    pub(crate) async fn book_subscription(&self, subscription: &Subscription) -> Result<(), Error> {
        let business = subscription.business_id.as_deref();
        let id = &subscription.subscription_id;
        self.book_object("subscription.updated", id, business, self.snapshot_time(), subscription)
            .await
    }

    /// Books an object that the API showed, as the event that would have brought it.
    async fn book_object(
        &self,
        event_type: &str,
        id: &str,
        business_id: Option<&str>,
        at: Timestamp,
        object: &impl Serialize,
    ) -> Result<(), Error> {
        let body = json!({
            "type": event_type, "business_id": business_id.unwrap_or_default(), "timestamp": at,
            "data": object,
        });
        let body = Bytes::from(body.to_string());
        let id = format!("asked_{id}");
        let event = VerifiedEvent::from_trusted_parts(&id, body, Timestamp::now(), self.live());
        self.ledger()?.book_api_object(&event).await
    }
}

/// Returns a random name.
fn random_key() -> Result<String, Error> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| {
        Error::new(ErrorKind::CallbackFailed, "no random numbers").with_source(error)
    })?;
    Ok(URL_SAFE_NO_PAD.encode(key))
}

fn conflict(code: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, message).with_code(code)
}

fn not_found(code: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::NotFound, message).with_code(code)
}
