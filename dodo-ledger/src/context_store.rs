//! The context of a checkout: a booking of one fact.

use dodo_core::{
    BoxError,
    capture::{CheckoutContext, CheckoutContextStore},
};
use jiff::Timestamp;

use crate::{attribution::context_fact, identity::Identity, ledger::Ledger};

impl CheckoutContextStore for Ledger {
    /// Books the context. A new session has no group, so the checkout waits for no other booking. If the
    /// ledger has a payment of the session already, its records change with the context.
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        let fact = context_fact(session_id, context, Timestamp::now());
        let changes = self.shared.groups().book_context(fact).await?;
        if !changes.is_empty() {
            self.shared.offer_changes();
        }
        let email = context.email.as_deref();
        if let Some(identity) = email.and_then(|email| Identity::from_context(email, context)) {
            // The checkout does not wait for a booking that holds the address.
            tokio::spawn(identify(self.clone(), identity));
        }
        Ok(())
    }
}

async fn identify(ledger: Ledger, identity: Identity) {
    if let Err(error) = ledger.identify(identity).await {
        tracing::warn!(
            target: "dodo::ledger", %error, cause = error.cause(),
            "visitor of a checkout not identified; later payments by this address may lack it"
        );
    }
}
