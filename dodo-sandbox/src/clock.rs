//! The clock of the sandbox: it starts at the machine's time, can run faster, and can be moved
//! forward.

use std::time::{Duration, Instant};

use jiff::{Span, Timestamp, tz::TimeZone};

use crate::Error;

/// The largest move of the clock in one call. The sandbox runs every step that is due in that time.
pub(crate) const MAX_ADVANCE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A clock that runs `rate` times as fast as the machine's. It moves only by ticks, so one
/// request sees one time.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    ticked: Instant,
    rate: f64,
}

impl Clock {
    pub(crate) fn new(now: Timestamp, rate: f64) -> Self {
        Self { now, ticked: Instant::now(), rate }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds the time since the last tick.
    pub(crate) fn tick(&mut self) {
        let ticked = Instant::now();
        let ran = ticked.duration_since(self.ticked).as_secs_f64() * self.rate;
        self.now = later(self.now, Duration::try_from_secs_f64(ran).unwrap_or(Duration::MAX));
        self.ticked = ticked;
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&mut self, by: Duration) -> Result<(), Error> {
        if by > MAX_ADVANCE {
            return Err(Error::invalid("the clock moves at most 366 days in one call"));
        }
        self.now = later(self.now, by);
        Ok(())
    }

    /// Sets the clock to any time, for a state without events or a recorded state.
    pub(crate) fn set(&mut self, now: Timestamp) {
        *self = Self::new(now, self.rate);
    }

    /// Returns the machine's time until this clock shows `then`. `None` if the clock stands still.
    pub(crate) fn wait_until(&self, then: Timestamp) -> Option<Duration> {
        let missing = Duration::try_from(then.duration_since(self.now)).unwrap_or(Duration::ZERO);
        if missing.is_zero() {
            return Some(Duration::ZERO);
        }
        (self.rate > 0.0).then(|| {
            Duration::try_from_secs_f64(missing.as_secs_f64() / self.rate).unwrap_or(Duration::MAX)
        })
    }
}

/// `then` plus `by`, at most the last representable time.
pub(crate) fn later(then: Timestamp, by: Duration) -> Timestamp {
    then.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The time that is this number of calendar units later, in UTC.
pub(crate) fn add_span(then: Timestamp, span: Span) -> Timestamp {
    then.to_zoned(TimeZone::UTC).checked_add(span).map_or(Timestamp::MAX, |at| at.timestamp())
}

/// The day of the month, in UTC.
pub(crate) fn day(at: Timestamp) -> i8 {
    at.to_zoned(TimeZone::UTC).day()
}

/// The same time on this day of its month, or on the last day of a shorter one, in UTC.
pub(crate) fn on_day(at: Timestamp, day: i8) -> Timestamp {
    let at = at.to_zoned(TimeZone::UTC);
    let moved = at.with().day(day.clamp(1, at.days_in_month())).build();
    moved.unwrap_or(at).timestamp()
}

/// RFC 3339 with microseconds, as Dodo writes dates.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_clock_moves_only_by_advance() {
        let start = Timestamp::UNIX_EPOCH;
        let mut clock = Clock::new(start, 0.0);
        clock.tick();
        assert_eq!(clock.now(), start);
        assert_eq!(clock.wait_until(later(start, Duration::from_secs(1))), None);
        clock.advance(Duration::from_secs(90)).unwrap();
        assert_eq!(clock.now(), later(start, Duration::from_secs(90)));
        assert_eq!(clock.wait_until(start), Some(Duration::ZERO));
        assert!(clock.advance(MAX_ADVANCE + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn fast_clock_shortens_waits() {
        let clock = Clock::new(Timestamp::UNIX_EPOCH, 1000.0);
        let wait = clock.wait_until(later(clock.now(), Duration::from_secs(3600))).unwrap();
        assert!(wait <= Duration::from_millis(3600), "{wait:?}");
    }

    #[test]
    fn months_are_calendar_months() {
        let start: Timestamp = "2026-01-31T10:00:00Z".parse().unwrap();
        let next = add_span(start, Span::new().months(1));
        assert_eq!(rfc3339(next), "2026-02-28T10:00:00.000000Z");
        assert_eq!((day(start), day(next)), (31, 28));
        assert_eq!(rfc3339(on_day(next, 31)), "2026-02-28T10:00:00.000000Z");
        assert_eq!(rfc3339(on_day(next, 5)), "2026-02-05T10:00:00.000000Z");
    }
}
