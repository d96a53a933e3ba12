//! Settings of the ledger. Every value has a default that suits one merchant.

use std::time::Duration;

use jiff::tz::TimeZone;

/// The times and the number of attempts.
///
/// The delay after the failed attempt `n` is at most `min(max_delay, base_delay * 2^(n - 1))`.
/// [`Jitter`] sets its random part.
///
/// ```
/// use dodo_ledger::RetryPolicy;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::new(Duration::from_secs(1), Duration::from_secs(60), 10);
/// assert_eq!(policy.delay_limit(3), Duration::from_secs(4));
/// assert_eq!(policy.delay_limit(9), Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    base_delay: Duration,
    max_delay: Duration,
    max_attempts: u32,
    jitter: Jitter,
}

/// The random part of a delay `w`. It spreads the retries of attempts that failed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// The whole delay is random: `rand(0, w)`. Half of `w` on average.
    #[default]
    Full,
    /// Half of the delay is random: `rand(w / 2, w)`. Three quarters of `w` on average.
    Equal,
    /// No part is random: `w`.
    None,
}

impl RetryPolicy {
    /// The default for callbacks and bookings: base 5 s, at most 6 h, 28 attempts. These are 48 hours on
    /// average, longer than the 27 h 35 min for which Dodo Payments delivers, and 95 hours at most.
    pub const CALLBACKS: Self =
        Self::new(Duration::from_secs(5), Duration::from_secs(6 * 3600), 28);
    /// The default for sinks: base 2 s, at most 1 h, 150 attempts. These are 70 hours on average, longer
    /// than a weekend, and 139 hours at most.
    pub const SINKS: Self = Self::new(Duration::from_secs(2), Duration::from_secs(3600), 150);

    /// Returns a policy with [`Jitter::Full`]. After `max_attempts` failed attempts (minimum: 1) the event
    /// or the record becomes a dead letter.
    #[must_use]
    pub const fn new(base_delay: Duration, max_delay: Duration, max_attempts: u32) -> Self {
        Self { base_delay, max_delay, max_attempts, jitter: Jitter::Full }
            .max_attempts(max_attempts)
    }

    /// Sets the number of failed attempts before a dead letter. Minimum: 1.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// Sets the random part of the delays. Default: [`Jitter::Full`].
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Returns the longest delay after this many failed attempts. The first is 1.
    #[must_use]
    pub fn delay_limit(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.base_delay.saturating_mul(doubled).min(self.max_delay)
    }

    /// Returns whether this many failed attempts are the last.
    pub(crate) fn is_exhausted(&self, attempts: u32) -> bool {
        attempts >= self.max_attempts
    }

    /// Returns a random delay after this many failed attempts.
    pub(crate) fn delay(&self, attempts: u32) -> Duration {
        let part = match self.jitter {
            Jitter::Full => fastrand::f64(),
            Jitter::Equal => 0.5 + fastrand::f64() / 2.0,
            Jitter::None => 1.0,
        };
        self.delay_limit(attempts).min(MAX_DURATION).mul_f64(part)
    }
}

/// The longest duration. Longer ones are cut to it, because every clock can represent it.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The retention of data that the ledger no longer needs. Every setter takes a duration, or `None`
/// for forever.
///
/// ```
/// use dodo_ledger::Retention;
/// use std::time::Duration;
///
/// let week = Duration::from_secs(7 * 24 * 3600);
/// let retention = Retention::default().bodies(week).contexts(None);
/// # let _ = retention;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "pass it to `LedgerBuilder::retention`"]
pub struct Retention {
    pub(crate) bodies: Option<Duration>,
    pub(crate) failed_bodies: Option<Duration>,
    pub(crate) contexts: Option<Duration>,
}

impl Retention {
    /// Sets the retention of the bodies of finished events. Default: 30 days. The ledger always keeps their
    /// ids, to recognize duplicates.
    pub fn bodies(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.bodies = time.into();
        self
    }

    /// Sets the retention of the bodies of dead and parked events. Default: forever. Without its body an
    /// event cannot be redriven, and only [`reconcile`](crate::Ledger::reconcile) can book its payment.
    /// Inspect these events before the retention ends.
    pub fn failed_bodies(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.failed_bodies = time.into();
        self
    }

    /// Sets the retention of the context of a checkout without a payment, and of a failed payment without a
    /// recovery. Default: 90 days. Dodo's checkout sessions live for a day, but a customer may recover an
    /// abandoned one later.
    pub fn contexts(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.contexts = time.into();
        self
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            bodies: Some(Duration::from_secs(30 * 24 * 3600)),
            failed_bodies: None,
            contexts: Some(Duration::from_secs(90 * 24 * 3600)),
        }
    }
}

/// Settings of the inbox and its workers.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The lease of an event. Its callbacks stop when the lease ends.
    pub(crate) lease: Duration,
    pub(crate) callback_retry: RetryPolicy,
    pub(crate) sink_retry: RetryPolicy,
    /// The time for which a record waits for its purchase, before sinks that require consent
    /// receive it.
    pub(crate) consent_grace_period: Duration,
    /// Events whose callbacks run at the same time in this process.
    pub(crate) concurrency: u32,
    pub(crate) retention: Retention,
    /// The time zone of the books.
    pub(crate) zone: TimeZone,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            callback_retry: RetryPolicy::CALLBACKS,
            sink_retry: RetryPolicy::SINKS,
            consent_grace_period: Duration::from_secs(3600),
            concurrency: 16,
            retention: Retention::default(),
            zone: TimeZone::UTC,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy::new(Duration::from_secs(1), Duration::from_secs(60), 5)
    }

    #[test]
    fn delays_double_up_to_the_limit_and_never_overflow() {
        let limits = [1, 2, 3, 7, 40, u32::MAX].map(|n| policy().delay_limit(n).as_secs());
        assert_eq!(limits, [1, 2, 4, 60, 60, 60]);
    }

    #[test]
    fn jitter_sets_the_random_part_of_a_delay() {
        for (jitter, least, most) in
            [(Jitter::Full, 0.0, 4.0), (Jitter::Equal, 2.0, 4.0), (Jitter::None, 4.0, 4.0)]
        {
            let policy = policy().jitter(jitter);
            let mut seen: Vec<f64> = (0..1000).map(|_| policy.delay(3).as_secs_f64()).collect();
            seen.sort_by(f64::total_cmp);
            let (shortest, longest) = (seen[0], seen[999]);
            assert!(shortest >= least && longest <= most, "{jitter:?}: {shortest} to {longest}");
            let spread = most - least;
            assert!(longest - shortest >= spread * 0.9, "{jitter:?}: {shortest} to {longest}");
        }
    }

    #[test]
    fn endless_delays_can_be_counted() {
        let endless = RetryPolicy::new(Duration::MAX, Duration::MAX, 0);
        assert!(endless.is_exhausted(1));
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::None] {
            let policy = endless.jitter(jitter);
            assert!([1, 7, u32::MAX].map(|n| policy.delay(n)).iter().all(|d| *d <= MAX_DURATION));
        }
    }

    /// The hours from the first failed attempt to the last, on average and at most, with full jitter.
    fn hours(policy: RetryPolicy) -> (f64, f64) {
        let most: Duration = (1..policy.max_attempts).map(|n| policy.delay_limit(n)).sum();
        let most = most.as_secs_f64() / 3600.0;
        (most * 0.5, most)
    }

    /// The figures of docs/ledger.md, and those of Dodo's own ladder: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h,
    /// 10 h.
    #[test]
    fn default_policies_outlast_attempts_of_dodo() {
        let ladder = 27.0 + 35.0 / 60.0;
        let (mean, most) = hours(RetryPolicy::CALLBACKS);
        assert!(mean > 1.5 * ladder, "{mean}");
        assert_eq!((mean.round(), most.round()), (48.0, 95.0));
        let (mean, most) = hours(RetryPolicy::SINKS);
        assert!(mean > 1.5 * ladder, "{mean}");
        assert_eq!((mean.round(), most.round()), (70.0, 139.0));
        assert!(RetryPolicy::CALLBACKS.delay(1) <= Duration::from_secs(5));
    }

    /// The random part may be small, but not often: one event in a hundred would be too many.
    #[test]
    fn retries_outlast_those_of_dodo() {
        let ladder = Duration::from_secs(27 * 3600 + 35 * 60);
        let policy = RetryPolicy::CALLBACKS;
        let time = || -> Duration { (1..policy.max_attempts).map(|n| policy.delay(n)).sum() };
        let early = (0..10_000).filter(|_| time() < ladder).count();
        assert!(early < 100, "{early} of 10000");
    }
}
