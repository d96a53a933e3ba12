use std::fmt;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiCall, Client};
use crate::{
    Error, ErrorKind, SubscriptionId,
    event::{CancellationFeedback, Date, Subscription},
};

/// A cancellation of a subscription: its time and its reason.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Cancellation {
    now: bool,
    feedback: Option<CancellationFeedback>,
    comment: Option<String>,
}

impl Cancellation {
    /// The subscription ends at the end of the paid period. [`Client::uncancel_subscription`] undoes it until then.
    pub fn at_period_end() -> Self {
        Self { now: false, feedback: None, comment: None }
    }

    /// The subscription ends now. It cannot be undone.
    pub fn now() -> Self {
        Self { now: true, ..Self::at_period_end() }
    }

    /// Sets the reason.
    pub fn feedback(mut self, feedback: CancellationFeedback) -> Self {
        self.feedback = Some(feedback);
        self
    }

    /// Sets the reason in words of the customer.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        if self.now {
            body.insert("status".to_owned(), "cancelled".into());
        } else {
            body.insert("cancel_at_next_billing_date".to_owned(), true.into());
        }
        body.insert("cancel_reason".to_owned(), "cancelled_by_customer".into());
        if let Some(feedback) = &self.feedback {
            body.insert("cancellation_feedback".to_owned(), feedback.as_str().into());
        }
        if let Some(comment) = &self.comment {
            body.insert("cancellation_comment".to_owned(), comment.as_str().into());
        }
        Value::Object(body)
    }
}

/// Shows no words of a customer.
impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation")
            .field("now", &self.now)
            .field("feedback", &self.feedback)
            .finish_non_exhaustive()
    }
}

/// A hosted page on which a customer changes the payment method of a subscription.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PaymentMethodLink {
    /// The page. Each person with the link can pay for the subscription.
    pub payment_link: Option<String>,
    /// The payment that the page makes, if the subscription is in arrears.
    pub payment_id: Option<String>,
    /// The end of the link.
    pub expires_on: Option<Date>,
}

impl fmt::Debug for PaymentMethodLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentMethodLink")
            .field("payment_id", &self.payment_id)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn subscription_call(
        &self,
        method: Method,
        id: &SubscriptionId,
        action: &str,
        body: Option<&Value>,
    ) -> ApiCall {
        self.call(method, &format!("/subscriptions/{id}{action}"), &[], body)
            .missing("subscription_not_found", "there is no such subscription")
    }

    async fn patch_subscription(
        &self,
        id: &SubscriptionId,
        body: &Value,
    ) -> Result<Subscription, Error> {
        // Setting the same state twice has one effect, so the call is idempotent.
        self.subscription_call(Method::PATCH, id, "", Some(body)).idempotent().object().await
    }

    /// Returns a subscription.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `subscription_not_found`, else as [`call`](Self::call).
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Subscription, Error> {
        self.subscription_call(Method::GET, id, "", None).object().await
    }

    /// Cancels a subscription, at the end of the paid period or now. Returns its new state.
    ///
    /// # Errors
    /// As [`subscription`](Self::subscription).
    pub async fn cancel_subscription(
        &self,
        id: &SubscriptionId,
        cancellation: &Cancellation,
    ) -> Result<Subscription, Error> {
        self.patch_subscription(id, &cancellation.body()).await
    }

    /// Undoes a cancellation at the end of the paid period. Returns the new state.
    ///
    /// # Errors
    /// As [`subscription`](Self::subscription).
    pub async fn uncancel_subscription(&self, id: &SubscriptionId) -> Result<Subscription, Error> {
        self.patch_subscription(id, &json!({ "cancel_at_next_billing_date": false })).await
    }

    /// Pauses a subscription: Dodo Payments makes no more charges. Returns the new state.
    ///
    /// # Errors
    /// As [`subscription`](Self::subscription).
    pub async fn pause_subscription(&self, id: &SubscriptionId) -> Result<Subscription, Error> {
        self.patch_subscription(id, &json!({ "status": "paused" })).await
    }

    /// Ends a pause. Returns the new state.
    ///
    /// # Errors
    /// As [`subscription`](Self::subscription).
    pub async fn unpause_subscription(&self, id: &SubscriptionId) -> Result<Subscription, Error> {
        self.patch_subscription(id, &json!({ "status": "active" })).await
    }

    /// Creates a link to a page on which the customer enters a new payment method. The page also
    /// charges the open amount of the subscription.
    ///
    /// # Errors
    /// [`UpstreamFailed`](ErrorKind::UpstreamFailed) without a usable link, else as
    /// [`subscription`](Self::subscription).
    pub async fn payment_method_link(
        &self,
        id: &SubscriptionId,
        return_url: Option<&str>,
    ) -> Result<PaymentMethodLink, Error> {
        let body = json!({ "type": "new", "return_url": return_url });
        let link: PaymentMethodLink = self
            .subscription_call(Method::POST, id, "/update-payment-method", Some(&body))
            .object()
            .await?;
        if link.payment_link.as_deref().is_some_and(|url| self.trusts_link(url)) {
            return Ok(link);
        }
        Err(Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable link"))
    }
}
