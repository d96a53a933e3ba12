//! The limit of lines that strangers can cause: each kind has one line a minute, which counts the
//! lines that were left out before it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time for which further lines of one kind are only counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts lines by their kind. A kind is never a value that a stranger chooses, so that the number
/// of kinds has a bound.
#[derive(Debug)]
pub(crate) struct Repeats<K>(Mutex<HashMap<K, Counted>>);

#[derive(Debug)]
struct Counted {
    logged: Instant,
    left_out: u64,
}

impl<K> Default for Repeats<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Repeats<K> {
    /// Returns the number of lines that were left out before, if this line is to be logged.
    pub(crate) fn count(&self, kind: K, now: Instant) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&kind) {
            Some(counted) if now.saturating_duration_since(counted.logged) < WINDOW => {
                counted.left_out += 1;
                None
            }
            known => {
                let repeated = known.map_or(0, |counted| counted.left_out);
                counts.insert(kind, Counted { logged: now, left_out: 0 });
                Some(repeated)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_counted_per_kind() {
        let repeats = Repeats::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (seconds, kind, expected) in [
            (0, "missing", Some(0)),
            (1, "missing", None),
            (1, "mismatch", Some(0)),
            (59, "missing", None),
            (60, "missing", Some(2)),
            (61, "missing", None),
            (200, "missing", Some(1)),
            (200, "mismatch", Some(0)),
        ] {
            assert_eq!(repeats.count(kind, at(seconds)), expected, "{seconds} {kind}");
        }
    }
}
