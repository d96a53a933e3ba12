//! The control API as methods.

use std::time::Duration;

use serde_json::Value;

use crate::{
    Behavior, DisputeOutcome, Error, Fault, FlushOrder, NetworkConditions, PaidSession,
    RecordedRequest, Sandbox, SimulatedYear, Simulation,
    api::webhooks,
    control,
    flow::{recovery, renewal, reversal, subscription},
};

/// Steering: time, money and outages.
impl Sandbox {
    /// Moves the clock forward, by at most 366 days. Renewals, trial ends, and retries of renewals
    /// and webhooks that are due in that time run, each at its own time.
    ///
    /// # Errors
    /// When `by` is more than 366 days.
    pub fn advance(&self, by: Duration) -> Result<(), Error> {
        self.app.change(|state| control::advance(state, by))
    }

    /// Changes the behavior of the sandbox from now on.
    pub fn set_behavior(&self, behavior: Behavior) {
        self.app.change(|state| state.settings = behavior);
    }

    /// Pays a checkout session as its customer does on the page. Without a billing address, the
    /// customer is in Germany.
    ///
    /// # Errors
    /// If the session is unknown, used, expired, or names no customer. A declined card is not an
    /// error.
    pub fn pay_session(&self, session_id: &str, card: &str) -> Result<PaidSession, Error> {
        self.app.change(|state| control::pay(state, session_id, control::Payer::with_card(card)))
    }

    /// Pays a checkout session that names no customer, as this person.
    ///
    /// # Errors
    /// If the session is unknown, used or expired. A declined card is not an error.
    pub fn pay_session_as(
        &self,
        session_id: &str,
        card: &str,
        email: &str,
        name: &str,
    ) -> Result<PaidSession, Error> {
        let payer = control::Payer::named(card, email, name);
        self.app.change(|state| control::pay(state, session_id, payer))
    }

    /// Fills the account with visitors, sales, renewals, refunds and disputes. All deliveries are
    /// sent before this returns. A fresh account gets the past, and its clock ends at the present.
    ///
    /// # Errors
    /// If a value is out of range, or another simulation runs.
    pub async fn simulate(&self, plan: Simulation) -> Result<SimulatedYear, Error> {
        crate::simulate::run(&self.app, plan).await
    }

    /// Makes an event of this type happen, and returns its `webhook-id`. The overrides replace values
    /// of its body by their path, such as `data.total_amount`.
    ///
    /// # Errors
    /// If Dodo has no event of this name, or the account's behavior does not send it.
    pub async fn trigger(
        &self,
        event_type: &str,
        overrides: &[(&str, Value)],
    ) -> Result<String, Error> {
        let overrides = overrides.iter().map(|(path, value)| ((*path).to_owned(), value.clone()));
        let triggered = crate::trigger::trigger(&self.app, event_type, overrides.collect());
        triggered.await
    }

    /// Declines this number of later charges with this code, such as `INSUFFICIENT_FUNDS`.
    pub fn decline_next_charges(&self, code: &str, times: u32) {
        self.app.change(|state| control::decline_next(state, code, times));
    }

    /// Refunds a payment: this amount in minor units, or the rest. Returns the id of the refund.
    ///
    /// # Errors
    /// When Dodo would refuse the refund.
    pub fn refund_payment(&self, payment_id: &str, amount: Option<i64>) -> Result<String, Error> {
        self.app.change(|state| reversal::refund_amount(state, payment_id, amount))
    }

    /// Resolves a refund that is pending, see [`RefundOutcome::Pending`](crate::RefundOutcome).
    ///
    /// # Errors
    /// If it does not exist, or was resolved.
    pub fn resolve_refund(&self, refund_id: &str, succeeded: bool) -> Result<(), Error> {
        self.app.change(|state| reversal::resolve_refund(state, refund_id, succeeded))
    }

    /// Opens a dispute of a payment. Returns the id of the dispute.
    ///
    /// # Errors
    /// When the payment did not succeed, or a dispute of it is open.
    pub fn open_dispute(&self, payment_id: &str) -> Result<String, Error> {
        self.app.change(|state| reversal::open_dispute(state, payment_id))
    }

    /// Opens a dispute that Visa's rapid resolution decides at once for the cardholder. Returns its
    /// id.
    ///
    /// # Errors
    /// As [`open_dispute`](Self::open_dispute).
    pub fn open_rdr_dispute(&self, payment_id: &str) -> Result<String, Error> {
        self.app.change(|state| reversal::rapid_dispute(state, payment_id))
    }

    /// Moves a dispute on.
    ///
    /// # Errors
    /// When there is none, or it is over.
    pub fn resolve_dispute(&self, dispute_id: &str, outcome: DisputeOutcome) -> Result<(), Error> {
        self.app.change(|state| reversal::resolve_dispute(state, dispute_id, outcome))
    }

    /// Begins the next period of an active subscription now.
    ///
    /// # Errors
    /// When there is none, or it is not active.
    pub fn renew_subscription(&self, subscription_id: &str) -> Result<(), Error> {
        self.app.change(|state| renewal::renew(state, subscription_id))
    }

    /// Cancels a subscription at once, as the customer would in the portal.
    ///
    /// # Errors
    /// When there is none, or it is over.
    pub fn cancel_subscription(&self, subscription_id: &str) -> Result<(), Error> {
        self.app.change(|state| subscription::cancel(state, subscription_id, Some("customer")))
    }

    /// Abandons a session as its customer: its payment is cancelled and counts as abandoned.
    /// Returns the id of that payment.
    ///
    /// # Errors
    /// When the session is unknown, was paid, or names no customer.
    pub fn abandon_session(&self, session_id: &str) -> Result<String, Error> {
        self.app.change(|state| control::abandon(state, session_id, None, None))
    }

    /// Creates a recovery link for an abandoned payment. Returns the id of a new session with the
    /// same cart.
    ///
    /// # Errors
    /// When the payment was not abandoned.
    pub fn recovery_link(&self, payment_id: &str) -> Result<String, Error> {
        self.app.change(|state| recovery::link(state, payment_id))
    }

    /// Sends an event of this type with made-up data, as Dodo's dashboard does to test an endpoint;
    /// failed deliveries are not retried. Returns the `webhook-id`.
    ///
    /// # Errors
    /// When Dodo has no event of this name.
    pub fn send_event(&self, event_type: &str, data: Value) -> Result<String, Error> {
        self.app.change(|state| control::send_event(state, event_type, data))
    }

    /// Sends the event of a delivery again with its `webhook-id`. Returns the id of the new
    /// delivery.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn resend_delivery(&self, delivery_id: &str) -> Result<String, Error> {
        self.app.change(|state| control::resend(state, delivery_id))
    }

    /// Delays, duplicates, loses or holds the deliveries of later events.
    pub fn simulate_network(&self, conditions: NetworkConditions) {
        self.app.change(|state| state.network = conditions);
    }

    /// Sends the held deliveries in this order. Returns their number.
    pub fn flush_held(&self, order: FlushOrder) -> usize {
        self.app.change(|state| control::flush(state, order))
    }

    /// Gives an endpoint a new secret and returns it. The old secret also signs for 24 hours.
    ///
    /// # Errors
    /// When no endpoint has this address.
    pub fn rotate_secret(&self, endpoint_url: &str) -> Result<String, Error> {
        self.app.change(|state| webhooks::rotate(state, endpoint_url))
    }

    /// Makes the API fail. Faults are tried in the order they were added.
    pub fn inject_fault(&self, fault: Fault) {
        self.app.faults.add(fault);
    }

    /// Removes all faults of the API.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// The API requests so far, oldest first; the last 1,000.
    #[must_use]
    pub fn recorded_requests(&self) -> Vec<RecordedRequest> {
        self.app.faults.requests()
    }
}
