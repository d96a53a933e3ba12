//! The context of a checkout: a booking of one fact.

use dodo_core::{
    BoxError,
    capture::{CheckoutContext, CheckoutContextStore},
};
use jiff::Timestamp;

use crate::{
    attribution::context_fact,
    error::Error,
    identity::Identity,
    ledger::{Ledger, Shared},
};

impl CheckoutContextStore for Ledger {
    async fn store(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        self.shared.book_context(session_id, context).await?;
        let email = context.email.as_deref();
        if let Some(identity) = email.and_then(|email| Identity::from_context(email, context)) {
            // The checkout does not wait for a booking that holds the address.
            tokio::spawn(identify(self.clone(), identity));
        }
        Ok(())
    }
}

impl Shared {
    /// Books the context. A new session has no group, so the checkout waits for no other booking. If the
    /// ledger has a payment of the session already, its records change with the context.
    pub(crate) async fn book_context(
        &self,
        session_id: &str,
        context: &CheckoutContext,
    ) -> Result<(), Error> {
        let fact = context_fact(session_id, context, Timestamp::now());
        let changes = self.groups().book_context(fact).await?;
        if !changes.is_empty() {
            self.offer_changes();
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
