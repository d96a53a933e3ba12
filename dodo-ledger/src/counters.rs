//! Counters of the crate `metrics`, behind the feature of that name. Without the feature these functions
//! do nothing. `docs/ledger.md` lists the names.

#[cfg(feature = "metrics")]
use {
    crate::{
        ledger::Shared,
        worker::{Shutdown, sleep_or_wake},
    },
    std::time::Duration,
};

/// The place of a failed attempt or of a dead letter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Booking,
    Callback,
    Sink,
}

#[cfg(feature = "metrics")]
impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Callback => "callback",
            Self::Sink => "sink",
        }
    }
}

/// Counts a new stored event.
pub(crate) fn accepted() {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("dodo_ledger_events_accepted_total").increment(1);
}

/// Counts booked events.
pub(crate) fn booked(events: usize) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("dodo_ledger_events_booked_total")
        .increment(u64::try_from(events).unwrap_or(u64::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = events;
}

/// Counts a failed attempt. After the last attempt, it also counts a dead letter.
pub(crate) fn failed(stage: Stage, dead: bool) {
    #[cfg(feature = "metrics")]
    {
        let stage = stage.as_str();
        ::metrics::counter!("dodo_ledger_failed_attempts_total", "stage" => stage).increment(1);
        if dead {
            ::metrics::counter!("dodo_ledger_dead_letters_total", "stage" => stage).increment(1);
        }
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (stage, dead);
}

/// The time between two readings of the gauges.
#[cfg(feature = "metrics")]
const READ_EVERY: Duration = Duration::from_secs(10);

/// Reads the gauges of the inbox until the workers stop.
#[cfg(feature = "metrics")]
pub(crate) async fn run(ledger: &Shared, mut shutdown: Shutdown) {
    let never = tokio::sync::Notify::new();
    while shutdown.borrow().is_none() {
        // Without the database the gauges keep their values; the workers log the error.
        if let Ok(stats) = crate::inbox::admin::stats(&ledger.store).await {
            ::metrics::gauge!("dodo_ledger_oldest_due_seconds").set(stats.lag.as_secs_f64());
            let states =
                [("pending", stats.pending), ("dead", stats.dead), ("parked", stats.parked)];
            for (state, events) in states {
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                ::metrics::gauge!("dodo_ledger_inbox_events", "state" => state).set(events as f64);
            }
        }
        sleep_or_wake(&never, READ_EVERY, &mut shutdown).await;
    }
}
