//! How a ledger works. Every value has a default that suits one merchant.

use std::time::Duration;

/// How long to wait after a failure: up to `w = min(cap, base * 2^n)`, so that what is down is waited for.
/// How much of that is left to chance is [`Jitter`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

/// How much of a wait `w` is left to chance, so that what failed together does not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// All of it: `rand(0, w)`. Half of `w` on average.
    #[default]
    Full,
    /// Half of it: `rand(w / 2, w)`. Three quarters of `w` on average.
    Equal,
    /// Nothing: `w`.
    None,
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
}

/// The longest duration. Longer ones are cut to it, because every clock can represent it.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The waits after failures of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) backoff: Backoff,
    pub(crate) jitter: Jitter,
}

impl Waits {
    fn of(backoff: Backoff) -> Self {
        Self { backoff, jitter: Jitter::default() }
    }

    /// A wait after this many failures.
    pub(crate) fn jitter(&self, failures: u32) -> Duration {
        let part = match self.jitter {
            Jitter::Full => fastrand::f64(),
            Jitter::Equal => 0.5 + fastrand::f64() / 2.0,
            Jitter::None => 1.0,
        };
        self.backoff.ceiling(failures).min(LONGEST).mul_f64(part)
    }
}

/// Settings of the inbox and its workers.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long a worker owns an event. Its callbacks are stopped when it ends.
    pub(crate) lease: Duration,
    pub(crate) backoff: Waits,
    /// The failed attempts before an event becomes a dead letter.
    pub(crate) max_failures: u32,
    pub(crate) sink_backoff: Waits,
    /// The failed attempts before a record becomes a dead letter.
    pub(crate) sink_max_failures: u32,
    /// How long a record without its purchase waits before sinks that require consent receive it.
    pub(crate) await_purchase: Duration,
    /// Events whose callbacks run at the same time in this process.
    pub(crate) concurrency: u32,
    /// How often to look for events that another instance stored or that are due again.
    pub(crate) poll: Duration,
    /// Retention of the body of a finished event. `None`: forever.
    pub(crate) keep_bodies: Option<Duration>,
    /// Retention of the body of a dead or parked event. `None`: until it is redriven.
    pub(crate) keep_failed_bodies: Option<Duration>,
    /// Retention of the context of an unpaid checkout, and of a failed payment. `None`: forever.
    pub(crate) keep_contexts: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            backoff: Waits::of(Backoff::default()),
            // 48 hours on average: longer than the 27 h 35 min for which Dodo Payments delivers again.
            max_failures: 28,
            // 70 hours on average: longer than a weekend.
            sink_backoff: Waits::of(Backoff {
                base: Duration::from_secs(2),
                cap: Duration::from_secs(3600),
            }),
            sink_max_failures: 150,
            await_purchase: Duration::from_secs(3600),
            concurrency: 16,
            poll: Duration::from_millis(250),
            keep_bodies: Some(Duration::from_secs(30 * 24 * 3600)),
            keep_failed_bodies: None,
            keep_contexts: Some(Duration::from_secs(90 * 24 * 3600)),
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
    }

    #[test]
    fn chance_has_as_much_of_a_wait_as_was_set() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        for (jitter, least, most) in
            [(Jitter::Full, 0.0, 4.0), (Jitter::Equal, 2.0, 4.0), (Jitter::None, 4.0, 4.0)]
        {
            let waits = Waits { backoff, jitter };
            let mut seen: Vec<f64> = (0..1000).map(|_| waits.jitter(3).as_secs_f64()).collect();
            seen.sort_by(f64::total_cmp);
            let (shortest, longest) = (seen[0], seen[999]);
            assert!(shortest >= least && longest <= most, "{jitter:?}: {shortest} to {longest}");
            let spread = most - least;
            assert!(longest - shortest >= spread * 0.9, "{jitter:?}: {shortest} to {longest}");
        }
    }

    #[test]
    fn endless_waits_can_be_counted() {
        let endless = Backoff { base: Duration::MAX, cap: Duration::MAX };
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::None] {
            let waits = Waits { backoff: endless, jitter };
            assert!([1, 7, u32::MAX].map(|n| waits.jitter(n)).iter().all(|wait| *wait <= LONGEST));
        }
    }

    /// The hours from the first failure to the last, on average and at most.
    fn hours(waits: Waits, max_failures: u32) -> (f64, f64) {
        let most: Duration = (1..max_failures).map(|n| waits.backoff.ceiling(n)).sum();
        let most = most.as_secs_f64() / 3600.0;
        let share = match waits.jitter {
            Jitter::Full => 0.5,
            Jitter::Equal => 0.75,
            Jitter::None => 1.0,
        };
        (most * share, most)
    }

    /// The figures of docs/ledger.md, and those of Dodo's own ladder: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h,
    /// 10 h.
    #[test]
    fn the_defaults_outlast_dodos_own_attempts() {
        let ladder = 27.0 + 35.0 / 60.0;
        let settings = Settings::default();
        assert_eq!((settings.backoff.jitter, settings.sink_backoff.jitter), Default::default());
        let (mean, most) = hours(settings.backoff, settings.max_failures);
        assert!(mean > 1.5 * ladder, "{mean}");
        assert_eq!((mean.round(), most.round()), (48.0, 95.0));
        let (mean, most) = hours(settings.sink_backoff, settings.sink_max_failures);
        assert!(mean > 1.5 * ladder, "{mean}");
        assert_eq!((mean.round(), most.round()), (70.0, 139.0));
        assert!(settings.backoff.jitter(1) <= Duration::from_secs(5));
    }

    /// Chance may be unkind, but not often: one event in a hundred would be too many.
    #[test]
    fn retries_outlast_those_of_dodo() {
        let ladder = Duration::from_secs(27 * 3600 + 35 * 60);
        let settings = Settings::default();
        let time = || -> Duration {
            (1..settings.max_failures).map(|failures| settings.backoff.jitter(failures)).sum()
        };
        let early = (0..10_000).filter(|_| time() < ladder).count();
        assert!(early < 100, "{early} of 10000");
    }
}
