//! How a ledger works. Every value has a default that suits one merchant.

use std::time::Duration;

/// How long to wait after a failure: `rand(w / 2, w)` with `w = min(cap, base * 2^n)` ("equal
/// jitter"), so that what failed together does not come back together, and what is down is waited
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(5), cap: Duration::from_secs(6 * 3600) }
    }
}

impl Backoff {
    /// The longest wait after this many failures (1 is the first).
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// A wait after this many failures.
    pub(crate) fn jitter(&self, failures: u32) -> Duration {
        self.ceiling(failures).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Settings of the inbox and its workers.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long a worker owns an event. Its callbacks are stopped when it ends.
    pub(crate) lease: Duration,
    pub(crate) backoff: Backoff,
    /// Failures after which an event is given up.
    pub(crate) max_failures: u32,
    pub(crate) sink_backoff: Backoff,
    /// Failures after which a record is given up for a sink.
    pub(crate) sink_max_failures: u32,
    /// How long a record is kept from sinks that heed consent while its purchase is not known.
    pub(crate) await_purchase: Duration,
    /// Events whose callbacks run at the same time in this process.
    pub(crate) concurrency: u32,
    /// How often to look for events that another instance stored or that are due again.
    pub(crate) poll: Duration,
    /// How long the body of a finished event is kept. `None`: for ever.
    pub(crate) keep_bodies: Option<Duration>,
    /// How long that of a dead or parked event is kept. `None`: until it is revived.
    pub(crate) keep_failed_bodies: Option<Duration>,
    /// How long what was captured for a checkout is kept that nobody paid, and what is known of a payment
    /// that failed. `None`: for ever.
    pub(crate) keep_contexts: Option<Duration>,
    /// Whether other processes run the workers, so that having none here is no error.
    pub(crate) workers_elsewhere: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            backoff: Backoff::default(),
            // 36 hours on average: longer than the 27 h 35 min for which Dodo Payments delivers again.
            max_failures: 20,
            // 67 hours on average.
            sink_backoff: Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(3600) },
            sink_max_failures: 100,
            await_purchase: Duration::from_secs(3600),
            concurrency: 16,
            poll: Duration::from_millis(250),
            keep_bodies: Some(Duration::from_secs(30 * 24 * 3600)),
            keep_failed_bodies: None,
            keep_contexts: Some(Duration::from_secs(90 * 24 * 3600)),
            workers_elsewhere: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_never_overflow() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        let ceilings = [1, 2, 3, 7, 40, u32::MAX].map(|n| backoff.ceiling(n).as_secs());
        assert_eq!(ceilings, [1, 2, 4, 60, 60, 60]);
        let waits = (0..1000).map(|_| backoff.jitter(3).as_millis());
        assert!(waits.into_iter().all(|wait| (2000..=4000).contains(&wait)));
    }

    /// The hours from the first failure to the last, on average and at most.
    fn hours(backoff: Backoff, max_failures: u32) -> (f64, f64) {
        let most: Duration = (1..max_failures).map(|n| backoff.ceiling(n)).sum();
        let most = most.as_secs_f64() / 3600.0;
        (most * 0.75, most)
    }

    /// The figures of docs/ledger.md, and those of Dodo's own ladder: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h,
    /// 10 h.
    #[test]
    fn the_defaults_outlast_dodos_own_attempts() {
        let ladder = 27.0 + 35.0 / 60.0;
        let settings = Settings::default();
        let (mean, most) = hours(settings.backoff, settings.max_failures);
        assert!(mean > ladder, "{mean}");
        assert_eq!((mean.round(), most.round()), (36.0, 47.0));
        let (mean, most) = hours(settings.sink_backoff, settings.sink_max_failures);
        assert_eq!((mean.round(), most.round()), (67.0, 89.0));
        assert!(settings.backoff.jitter(1) <= Duration::from_secs(5));
    }
}
