//! Periods and their columns: civil days of the books' zone, until now.
//!
//! A day begins at its first instant in the zone. It can have 23, 24.5 or 25 hours, and midnight may
//! not exist.

use jiff::{
    RoundMode, Span, Timestamp, ToSpan, Unit, Zoned,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::question::{Interval, Period, Preset, Question, Versus};

/// The most columns of a chart.
pub(crate) const MOST_COLUMNS: usize = 120;

/// A period between two instants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Zoned,
    /// Not included.
    pub(crate) until: Zoned,
}

/// A column of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) from: Timestamp,
    /// Not included.
    pub(crate) until: Timestamp,
    /// The civil time at which it begins.
    pub(crate) starts: DateTime,
    /// Whether it is not over yet.
    pub(crate) running: bool,
}

impl Range {
    /// The period of a question. `first` is the time of the first money, for all time.
    pub(crate) fn of(period: Period, now: &Zoned, first: Option<Timestamp>) -> Self {
        let today = now.date();
        let from = |date: Date| start_of(date, now.time_zone());
        let preset = match period {
            Period::Days(first, last) => {
                let end = last.tomorrow().map_or_else(|_| now.clone(), |next| from(next));
                // A period that has not begun is empty.
                let begin = from(first);
                let until = end.min(now.clone()).max(begin.clone());
                return Self { from: begin, until };
            }
            Period::Preset(preset) => preset,
        };
        let begin = match preset {
            Preset::Today => today,
            Preset::Days7 => today.saturating_sub(6.days()),
            Preset::Days28 => today.saturating_sub(27.days()),
            Preset::Days90 => today.saturating_sub(89.days()),
            Preset::Months12 => today.first_of_month().saturating_sub(11.months()),
            Preset::MonthToDate => today.first_of_month(),
            Preset::YearToDate => today.first_of_year(),
            Preset::All => {
                first.map_or(today, |first| first.to_zoned(now.time_zone().clone()).date())
            }
        };
        Self { from: from(begin.min(today)), until: now.clone() }
    }

    /// The period that this one is compared to, until the same civil moment. `None`: none.
    pub(crate) fn before(&self, period: Period, versus: Versus) -> Option<Self> {
        let back = match (versus, period) {
            (Versus::Nothing, _) | (_, Period::Preset(Preset::All)) => return None,
            // Whole weeks, so that weekdays match.
            (Versus::Year, _) => 364.days(),
            (Versus::Before, Period::Preset(Preset::MonthToDate)) => {
                return Some(self.month_before());
            }
            (Versus::Before, Period::Preset(Preset::Months12 | Preset::YearToDate)) => 12.months(),
            (Versus::Before, _) => i32::try_from(self.days()).unwrap_or(i32::MAX).days(),
        };
        Some(Self { from: earlier(&self.from, back), until: earlier(&self.until, back) })
    }

    /// The month before until the same day and time, and not beyond its end.
    fn month_before(&self) -> Self {
        let from = earlier(&self.from, 1.month());
        let same_day = earlier(&self.until, 1.month());
        let until = if same_day.day() == self.until.day() { same_day } else { self.from.clone() };
        Self { from, until }
    }

    /// The civil days that it touches; at least one.
    pub(crate) fn days(&self) -> i64 {
        let last = self.last_day();
        let days = last.since((Unit::Day, self.from.date())).map(|span| span.get_days());
        i64::from(days.unwrap_or_default()) + 1
    }

    /// The last civil day that it touches.
    pub(crate) fn last_day(&self) -> Date {
        let date = self.until.date();
        let begins = start_of(date, self.until.time_zone());
        match begins < self.until || self.until <= self.from {
            true => date,
            false => date.yesterday().unwrap_or(date),
        }
    }

    /// The interval that the question asks for, or the one by length. `Err`: the wanted interval
    /// has too many columns, so it is the one by length.
    pub(crate) fn interval(&self, wanted: Option<Interval>) -> Result<Interval, Interval> {
        let by_length = interval_of(self.days());
        match wanted {
            Some(wanted) if self.buckets(wanted).len() > MOST_COLUMNS => Err(by_length),
            Some(wanted) => Ok(wanted),
            None => Ok(by_length),
        }
    }

    /// The columns, in order and without a gap: at most one more than [`MOST_COLUMNS`].
    pub(crate) fn buckets(&self, interval: Interval) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        let end = self.until.timestamp();
        let mut starts = self.from.clone();
        while starts.timestamp() < end && buckets.len() <= MOST_COLUMNS {
            let next = next_start(&starts, interval);
            let running = next.timestamp() > end;
            buckets.push(Bucket {
                from: starts.timestamp(),
                until: next.timestamp().min(end),
                starts: starts.datetime(),
                running,
            });
            if next <= starts {
                break;
            }
            starts = next;
        }
        buckets
    }
}

/// The interval for a period of so many days.
const fn interval_of(days: i64) -> Interval {
    match days {
        ..=2 => Interval::Hour,
        3..=62 => Interval::Day,
        63..=182 => Interval::Week,
        183..=3660 => Interval::Month,
        _ => Interval::Year,
    }
}

/// The first instant of a civil day.
pub(crate) fn start_of(date: Date, zone: &TimeZone) -> Zoned {
    let midnight = zone.to_ambiguous_zoned(date.at(0, 0, 0, 0));
    // In a gap this is the first instant after it.
    midnight
        .compatible()
        .and_then(|zoned| zoned.start_of_day())
        .unwrap_or_else(|_| Timestamp::MIN.to_zoned(zone.clone()))
}

/// The same civil moment some time ago.
fn earlier(moment: &Zoned, back: Span) -> Zoned {
    moment.checked_sub(back).unwrap_or_else(|_| moment.clone())
}

/// Where the column after the one at `starts` begins.
fn next_start(starts: &Zoned, interval: Interval) -> Zoned {
    let date = starts.date();
    let later = |date: Date, span: Span| start_of(date.saturating_add(span), starts.time_zone());
    match interval {
        Interval::Hour => {
            let tomorrow = later(date, 1.day());
            let next = starts.saturating_add(1.hour());
            // Of a day with a half hour the last column is shorter.
            if next > tomorrow { tomorrow } else { next }
        }
        Interval::Day => later(date, 1.day()),
        Interval::Week => {
            let monday =
                date.saturating_sub(i64::from(date.weekday().to_monday_zero_offset()).days());
            later(monday, 7.days())
        }
        Interval::Month => later(date.first_of_month(), 1.month()),
        Interval::Year => later(date.first_of_year(), 1.year()),
    }
}

impl Bucket {
    /// Its name on an axis: `14:00`, `3 Nov`, `Nov 2026`, `2026`.
    pub(crate) fn label(&self, interval: Interval) -> String {
        let pattern = match interval {
            Interval::Hour => "%H:%M",
            Interval::Day | Interval::Week => "%-d %b",
            Interval::Month => "%b %Y",
            Interval::Year => "%Y",
        };
        self.starts.strftime(pattern).to_string()
    }

    /// Its name in a sentence: `3 Nov 2026`, `week of 2 Nov 2026`.
    pub(crate) fn name(&self, interval: Interval) -> String {
        let pattern = match interval {
            Interval::Hour => "%-d %b %Y, %H:%M",
            Interval::Day => "%-d %b %Y",
            Interval::Week => "week of %-d %b %Y",
            Interval::Month => "%b %Y",
            Interval::Year => "%Y",
        };
        self.starts.strftime(pattern).to_string()
    }

    /// The civil days that it touches.
    pub(crate) fn period(&self, interval: Interval, zone: &TimeZone) -> Period {
        let first = self.starts.date();
        let last = match interval {
            Interval::Hour | Interval::Day => first,
            _ => {
                let starts = start_of(first, zone);
                let next = next_start(&starts, interval).date();
                next.yesterday().unwrap_or(first).max(first)
            }
        };
        Period::Days(first, last)
    }
}

impl Question {
    /// The question about one column of the chart.
    pub(crate) fn zoomed(&self, bucket: &Bucket, interval: Interval, zone: &TimeZone) -> Self {
        let mut other = self.from_the_top();
        other.period = bucket.period(interval, zone);
        other.interval = None;
        other
    }
}

/// The moment to the minute, as a page shows it.
pub(crate) fn minute(moment: &Zoned) -> Zoned {
    let round = jiff::ZonedRound::new().smallest(Unit::Minute).mode(RoundMode::Trunc);
    moment.round(round).unwrap_or_else(|_| moment.clone())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(on: Date, name: &str) -> Range {
        let now = at("2040-01-01T00:00:00Z").to_zoned(zone(name));
        Range::of(Period::Days(on, on), &now, None)
    }

    /// The rows T1 and T4.
    #[test]
    fn instant_belongs_to_the_civil_day_of_the_zone() {
        for (instant, name, civil) in [
            ("2026-03-28T22:59:59Z", "Europe/Berlin", date(2026, 3, 28)),
            ("2026-03-28T23:00:00Z", "Europe/Berlin", date(2026, 3, 29)),
            ("2026-11-19T18:29:59Z", "Asia/Kolkata", date(2026, 11, 19)),
            ("2026-11-19T18:30:00Z", "Asia/Kolkata", date(2026, 11, 20)),
        ] {
            let range = day(civil, name);
            let instant = at(instant);
            assert!(range.from.timestamp() <= instant && instant < range.until.timestamp());
        }
    }

    /// The rows T2, T3, T5, T6 and T7.
    #[test]
    fn days_begin_at_their_first_instant() {
        for (on, name, from, until, minutes) in [
            (
                date(2026, 3, 29),
                "Europe/Berlin",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
                23 * 60,
            ),
            (
                date(2026, 10, 25),
                "Europe/Berlin",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
                25 * 60,
            ),
            (
                date(2026, 11, 20),
                "Asia/Kathmandu",
                "2026-11-19T18:15:00Z",
                "2026-11-20T18:15:00Z",
                24 * 60,
            ),
            (
                date(2026, 4, 5),
                "Australia/Lord_Howe",
                "2026-04-04T13:00:00Z",
                "2026-04-05T13:30:00Z",
                24 * 60 + 30,
            ),
            (
                date(2026, 9, 6),
                "America/Santiago",
                "2026-09-06T04:00:00Z",
                "2026-09-07T03:00:00Z",
                23 * 60,
            ),
        ] {
            let range = day(on, name);
            assert_eq!(range.from.timestamp(), at(from), "{name}");
            assert_eq!(range.until.timestamp(), at(until), "{name}");
            let hours = range.buckets(Interval::Hour);
            let length: i64 = hours.iter().map(|hour| (hour.until - hour.from).get_seconds()).sum();
            assert_eq!(length, minutes * 60, "{name}");
            assert!(hours.windows(2).all(|pair| pair[0].until == pair[1].from), "{name}");
            assert_eq!(range.days(), 1, "{name}");
        }
    }

    /// The rows T8 and T9.
    #[test]
    fn columns_begin_at_civil_units() {
        let now = at("2026-12-31T23:30:00Z").to_zoned(zone("Europe/Berlin"));
        let range = Range::of(Period::Preset(Preset::Months12), &now, None);
        let months = range.buckets(Interval::Month);
        assert_eq!(months.last().unwrap().starts.date(), date(2027, 1, 1));
        let weeks = Range::of(Period::Preset(Preset::Days90), &now, None).buckets(Interval::Week);
        assert_eq!(weeks.last().unwrap().starts.date(), date(2026, 12, 28));
        assert!(weeks.last().unwrap().running);
        let years = range.buckets(Interval::Year);
        assert_eq!(years.last().unwrap().starts.date(), date(2027, 1, 1));
        let week = Range::of(Period::Days(date(2026, 11, 16), date(2026, 11, 22)), &now, None);
        assert_eq!(week.buckets(Interval::Week).len(), 1);
        assert!(!week.buckets(Interval::Week)[0].running);
    }

    /// The rows T10, T11 and T12.
    #[test]
    fn comparison_ends_at_the_same_civil_moment() {
        let days28 = Period::Preset(Preset::Days28);
        let mtd = Period::Preset(Preset::MonthToDate);
        let friday = Period::Days(date(2026, 11, 20), date(2026, 11, 20));
        for (now, period, versus, from, before) in [
            (
                "2026-11-28T12:00",
                days28,
                Versus::Before,
                "2026-11-01T00:00",
                "2026-10-04T00:00..2026-10-31T12:00",
            ),
            (
                "2026-03-31T12:00",
                mtd,
                Versus::Before,
                "2026-03-01T00:00",
                "2026-02-01T00:00..2026-03-01T00:00",
            ),
            (
                "2026-03-15T12:00",
                mtd,
                Versus::Before,
                "2026-03-01T00:00",
                "2026-02-01T00:00..2026-02-15T12:00",
            ),
            (
                "2026-11-28T12:00",
                friday,
                Versus::Year,
                "2026-11-20T00:00",
                "2025-11-21T00:00..2025-11-22T00:00",
            ),
            (
                "2026-11-28T12:00",
                friday,
                Versus::Before,
                "2026-11-20T00:00",
                "2026-11-19T00:00..2026-11-20T00:00",
            ),
            (
                "2026-11-28T12:00",
                Period::Preset(Preset::YearToDate),
                Versus::Before,
                "2026-01-01T00:00",
                "2025-01-01T00:00..2025-11-28T12:00",
            ),
            (
                "2026-11-28T12:00",
                Period::Preset(Preset::Months12),
                Versus::Before,
                "2025-12-01T00:00",
                "2024-12-01T00:00..2025-11-28T12:00",
            ),
        ] {
            let civil: DateTime = now.parse().unwrap();
            let now = civil.to_zoned(zone("Europe/Berlin")).unwrap();
            let range = Range::of(period, &now, None);
            let civil = |zoned: &Zoned| zoned.strftime("%Y-%m-%dT%H:%M").to_string();
            assert_eq!(civil(&range.from), from);
            let compared = range.before(period, versus).unwrap();
            assert_eq!(format!("{}..{}", civil(&compared.from), civil(&compared.until)), before);
        }
    }

    /// The row T13.
    #[test]
    fn interval_follows_the_length() {
        let now = at("2026-11-28T12:00:00Z").to_zoned(zone("Europe/Berlin"));
        for (days, interval) in [
            (1, Interval::Hour),
            (2, Interval::Hour),
            (3, Interval::Day),
            (62, Interval::Day),
            (63, Interval::Week),
            (26 * 7, Interval::Week),
            (27 * 7, Interval::Month),
            (3661, Interval::Year),
        ] {
            let first = now.date().saturating_sub((days - 1).days());
            let range = Range::of(Period::Days(first, now.date()), &now, None);
            assert_eq!(range.days(), i64::from(days));
            assert_eq!(range.interval(None), Ok(interval), "{days}");
            assert!(range.buckets(interval).len() <= MOST_COLUMNS, "{days}");
        }
        let year = Range::of(Period::Preset(Preset::Months12), &now, None);
        assert_eq!(year.interval(Some(Interval::Week)), Ok(Interval::Week));
        assert_eq!(year.interval(Some(Interval::Day)), Err(Interval::Month));
    }

    #[test]
    fn period_that_has_not_begun_is_empty() {
        let now = at("2026-11-28T12:00:00Z").to_zoned(TimeZone::UTC);
        let future = Range::of(Period::Days(date(2027, 1, 1), date(2027, 1, 5)), &now, None);
        assert!(future.buckets(Interval::Day).is_empty());
        let all = Range::of(Period::Preset(Preset::All), &now, None);
        assert_eq!(all.from.date(), now.date());
        let future_money = Some(at("2030-01-01T00:00:00Z"));
        let all = Range::of(Period::Preset(Preset::All), &now, future_money);
        assert_eq!(all.from.date(), now.date());
        let last = Range::of(Period::Days(date(2999, 12, 30), date(2999, 12, 31)), &now, None);
        assert!(last.buckets(Interval::Hour).is_empty());
    }

    #[test]
    fn column_leads_to_its_own_days() {
        let now = at("2026-11-28T12:00:00Z").to_zoned(TimeZone::UTC);
        let range = Range::of(Period::Preset(Preset::Days90), &now, None);
        let weeks = range.buckets(Interval::Week);
        let period = weeks[0].period(Interval::Week, &TimeZone::UTC);
        assert_eq!(period, Period::Days(date(2026, 8, 31), date(2026, 9, 6)));
        let hours = Range::of(Period::Preset(Preset::Today), &now, None).buckets(Interval::Hour);
        assert_eq!(hours.len(), 12);
        assert_eq!(hours[3].label(Interval::Hour), "03:00");
    }
}
