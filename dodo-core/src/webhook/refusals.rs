//! The log of refused deliveries.

use std::{error::Error as _, time::Instant};

use super::signature::Refusal;
use crate::{Error, repeats::Repeats};

#[derive(Debug, Default)]
pub(super) struct Refusals(Repeats<Refusal>);

impl Refusals {
    /// Logs the reason of a refusal, which the answer does not name.
    pub(super) fn log(&self, refused: &Error, webhook_keys: usize) {
        let source = refused.source();
        let Some(&reason) = source.and_then(|source| source.downcast_ref::<Refusal>()) else {
            return;
        };
        let Some(repeated) = self.0.count(reason, Instant::now()) else { return };
        let code = reason.code();
        match reason {
            // A well-formed delivery, probably from Dodo Payments and signed with another key.
            Refusal::SignatureMismatch => tracing::error!(
                target: "dodo::webhook",
                reason = code,
                webhook_keys,
                repeated,
                "webhook rejected: invalid signature; check DODO_PAYMENTS_WEBHOOK_KEY"
            ),
            Refusal::TimestampOutsideTolerance => tracing::warn!(
                target: "dodo::webhook",
                reason = code,
                repeated,
                "webhook rejected: timestamp outside of the tolerance; check the clock of this machine"
            ),
            _ => tracing::warn!(
                target: "dodo::webhook",
                reason = code,
                repeated,
                "webhook rejected: request without a valid signature header; ignore it, or limit the rate"
            ),
        }
    }
}
