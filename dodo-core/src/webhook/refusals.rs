//! The log of refused deliveries. Anyone can send them, so each reason has one line a minute.

use std::{
    collections::HashMap,
    error::Error as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::signature::Refusal;
use crate::Error;

/// The time for which further refusals of one reason are only counted.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Refusal, Counted>>);

#[derive(Debug)]
struct Counted {
    logged: Instant,
    left_out: u64,
}

impl Refusals {
    /// Logs the reason of a refusal, which the answer does not name.
    pub(super) fn log(&self, refused: &Error, webhook_keys: usize) {
        let source = refused.source();
        let Some(&reason) = source.and_then(|source| source.downcast_ref::<Refusal>()) else {
            return;
        };
        let Some(repeated) = self.count(reason, Instant::now()) else { return };
        let code = reason.code();
        match reason {
            // A well-formed delivery: most likely of Dodo Payments, and under another key.
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

    /// Returns the number of refusals that were left out before, if this one is to be logged.
    fn count(&self, reason: Refusal, now: Instant) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&reason) {
            Some(counted) if now.saturating_duration_since(counted.logged) < WINDOW => {
                counted.left_out += 1;
                None
            }
            known => {
                let repeated = known.map_or(0, |counted| counted.left_out);
                counts.insert(reason, Counted { logged: now, left_out: 0 });
                Some(repeated)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_refusals_are_counted_per_reason() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (seconds, reason, expected) in [
            (0, Refusal::IdMissing, Some(0)),
            (1, Refusal::IdMissing, None),
            (1, Refusal::SignatureMismatch, Some(0)),
            (59, Refusal::IdMissing, None),
            (60, Refusal::IdMissing, Some(2)),
            (61, Refusal::IdMissing, None),
            (200, Refusal::IdMissing, Some(1)),
            (200, Refusal::SignatureMismatch, Some(0)),
        ] {
            assert_eq!(refusals.count(reason, at(seconds)), expected, "{seconds} {reason:?}");
        }
    }
}
