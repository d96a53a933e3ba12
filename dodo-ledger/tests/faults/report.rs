//! What a row found: counts of what must not be, and what else is worth reading.

use std::{collections::BTreeMap, fmt};

/// Something that must not be seen. A negative control has to see its own, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Symptom {
    /// Answered with 2xx, and without effect.
    Lost,
    /// With more than one effect.
    Doubled,
    /// Effects of events that were never sent.
    Invented,
    /// Answered with 2xx, and its payment is not in the ledger.
    Unbooked,
    /// Booked, and not in the queue of a sink that wants it.
    Unqueued,
    /// Booked, and a projection did not write it or did not hear of it.
    Unprojected,
    /// Still pending in the end.
    Undrained,
    /// Answered with 2xx while nothing could be stored.
    AckedWhileAway,
    /// Never answered with 503, although nothing could be stored.
    NeverRefused,
    /// Another answer than 503 while the database was away, or than 2xx and 503 otherwise.
    OtherAnswer,
    /// 503 without `Retry-After`.
    NoRetryAfter,
    /// An answer after more than 5 s.
    LateAnswer,
    /// No 2xx within 10 s after the database was back.
    LateRecovery,
    /// SQLite's `integrity_check` is not `ok`.
    Damaged,
    /// The body of a later attempt was kept.
    SecondBody,
    /// Subscriptions whose state depends on the order of their events.
    OrderMatters,
    /// Records that the sink did not receive.
    Untold,
    /// Records that the sink received again after it accepted them.
    ToldAgain,
    /// Message ids without a record.
    OtherMessageId,
    /// Attempts before the time that `Retry-After` named.
    TooEarly,
    /// Answers to deliveries became slower while the sink was away.
    SlowerAcks,
    /// Failed often enough, and not dead.
    NotDead,
    /// Failures are not what failed.
    Miscounted,
    /// A dead event did not come back to life.
    NotRevived,
    /// Leases that outlived their process.
    LeasesKept,
    /// A process took longer to end than its grace.
    LateExit,
    /// Leases that ended although their holder was at work.
    LeasesLost,
    /// Deliveries that a wrong clock accepted.
    StaleAccepted,
    /// Slower than the bar.
    OverBar,
    /// The fault did not happen as often as it had to.
    Unexercised,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) symptoms: BTreeMap<Symptom, usize>,
    notes: Vec<String>,
}

impl Report {
    /// Something worth reading.
    pub(crate) fn note(&mut self, note: impl fmt::Display) {
        self.notes.push(note.to_string());
    }

    /// How often a symptom was seen; 0 is what must be.
    pub(crate) fn count(&mut self, symptom: Symptom, times: usize) {
        if times > 0 {
            *self.symptoms.entry(symptom).or_default() += times;
        }
    }

    pub(crate) fn flag(&mut self, symptom: Symptom, seen: bool) {
        self.count(symptom, usize::from(seen));
    }

    /// Whether nothing was seen that must not be.
    pub(crate) fn is_clean(&self) -> bool {
        self.symptoms.is_empty()
    }

    /// Adds what a part of the row found.
    pub(crate) fn absorb(&mut self, part: &str, other: Self) {
        for (symptom, times) in other.symptoms {
            self.count(symptom, times);
        }
        self.note(format!("\n    {part}: {}", other.notes.join(" ")));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_clean() {
            write!(f, "seen {:?}; ", self.symptoms)?;
        }
        f.write_str(&self.notes.join(" "))
    }
}
