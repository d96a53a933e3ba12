//! Civil days, weeks and months in a time zone. Pure: `now` is an argument.

use jiff::{
    Timestamp, ToSpan, Unit,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

/// The most civil days that are shown as hours, as days and as weeks, and the most months as months.
const HOURS: i32 = 2;
const DAYS: i32 = 62;
const WEEKS: i32 = 26 * 7;
const MONTHS: i32 = 120;

/// A time span: `from` is in it, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Range {
    /// The span from `from` on and before `until`.
    #[must_use]
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    /// Whole civil days, the last one included.
    #[must_use]
    pub fn from_days(first: Date, last: Date, zone: &TimeZone) -> Self {
        Self::new(start_of(first, zone), start_of(after(last), zone))
    }

    /// Returns the number of civil days that the span touches.
    #[must_use]
    pub fn days(&self, zone: &TimeZone) -> i32 {
        let Some(last) = self.last_moment() else { return 0 };
        let (first, last) = (zone.to_datetime(self.from).date(), zone.to_datetime(last).date());
        last.since((Unit::Day, first)).map_or(i32::MAX, |span| span.get_days().saturating_add(1))
    }

    /// Splits the span into intervals. The first and the last one can be parts of an interval.
    ///
    /// A span of ten years has 87,600 hours: choose the interval by [`Interval::for_range`], or bound it.
    #[must_use]
    pub fn buckets(self, interval: Interval, zone: &TimeZone) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        if self.from >= self.until {
            return buckets;
        }
        let mut date = interval.first_day(zone.to_datetime(self.from).date());
        loop {
            let next = interval.next_day(date);
            let (start, end) = (start_of(date, zone), start_of(next, zone));
            if start >= self.until || next == date {
                break;
            }
            let parts = match interval {
                Interval::Hour => hours(start, end),
                _ => vec![Self::new(start, end)],
            };
            for part in parts {
                let range = Self::new(part.from.max(self.from), part.until.min(self.until));
                if range.from < range.until {
                    buckets.push(Bucket { date, range });
                }
            }
            date = next;
        }
        buckets
    }

    fn last_moment(&self) -> Option<Timestamp> {
        (self.from < self.until).then(|| self.until.checked_sub(1.nanosecond()).ok()).flatten()
    }

    /// Returns the span with the same civil times, this number of days earlier.
    fn days_earlier(&self, days: i32, zone: &TimeZone) -> Self {
        let earlier = |at: Timestamp| {
            let civil = zone.to_datetime(at);
            instant(civil.checked_sub(days.days()).unwrap_or(DateTime::MIN), zone)
        };
        Self::new(earlier(self.from), earlier(self.until))
    }
}

/// A part of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The civil day on which the interval begins.
    pub date: Date,
    /// The part of the span in this interval.
    pub range: Range,
}

/// The length of the parts of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interval {
    /// An hour.
    Hour,
    /// A civil day of 23 to 25 hours.
    Day,
    /// A week from Monday on, as in ISO 8601.
    Week,
    /// A civil month.
    Month,
    /// A civil year.
    Year,
}

impl Interval {
    /// The interval that gives at most 120 parts: hours up to 2 days, days up to 62 days, weeks up to 26
    /// weeks, months up to 10 years.
    #[must_use]
    pub fn for_range(range: Range, zone: &TimeZone) -> Self {
        match range.days(zone) {
            days if days <= HOURS => Self::Hour,
            days if days <= DAYS => Self::Day,
            days if days <= WEEKS => Self::Week,
            _ if range.buckets(Self::Year, zone).len() as i32 <= MONTHS / 12 => Self::Month,
            _ => Self::Year,
        }
    }

    /// The day on which the interval with this day begins.
    fn first_day(self, date: Date) -> Date {
        match self {
            Self::Hour | Self::Day => date,
            Self::Week => {
                let back = date.weekday().since(Weekday::Monday);
                date.checked_sub(i32::from(back).days()).unwrap_or(date)
            }
            Self::Month => date.first_of_month(),
            Self::Year => date.first_of_year(),
        }
    }

    fn next_day(self, date: Date) -> Date {
        let span = match self {
            Self::Hour | Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Year => 1.year(),
        };
        date.checked_add(span).unwrap_or(date)
    }
}

/// A span relative to the current time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// This number of civil days, with today. 1: today.
    Days(i32),
    /// This number of civil months, with this month.
    Months(i32),
    /// From the first day of this month.
    MonthToDate,
    /// From the first day of this year.
    YearToDate,
    /// From 1970 on.
    All,
    /// From the first day to the last one, both included. If the last day is not over, the span
    /// ends now.
    Dates(Date, Date),
}

impl Period {
    /// The span until now.
    #[must_use]
    pub fn range(self, now: Timestamp, zone: &TimeZone) -> Range {
        let today = zone.to_datetime(now).date();
        let first = match self {
            Self::Days(days) => today.checked_sub(days.saturating_sub(1).max(0).days()),
            Self::Months(months) => {
                today.first_of_month().checked_sub(months.saturating_sub(1).max(0).months())
            }
            Self::MonthToDate => Ok(today.first_of_month()),
            Self::YearToDate => Ok(today.first_of_year()),
            Self::All => return Range::new(Timestamp::UNIX_EPOCH, now),
            Self::Dates(first, last) => {
                let all = Range::from_days(first, last, zone);
                return Range::new(all.from, all.until.min(now.max(all.from)));
            }
        };
        Range::new(start_of(first.unwrap_or(Date::MIN), zone), now)
    }

    /// The preceding span, until the same civil time: 28 days until now are compared with 28 days
    /// until now minus 28 days. A month or year to date is compared with the one before, until the
    /// same day and time, and at most until its end. Whole months are compared with as many months. `None`:
    /// nothing was before.
    #[must_use]
    pub fn before(self, now: Timestamp, zone: &TimeZone) -> Option<Range> {
        let range = self.range(now, zone);
        let civil = zone.to_datetime(now);
        let until_end = |first: Date, months: i32| {
            let begin = first.checked_sub(months.months()).ok()?;
            let same = civil.date().checked_sub(months.months()).ok()?;
            // A shorter month does not have this day, so its span ends earlier.
            let until = match same.day() == civil.day() {
                true => instant(same.to_datetime(civil.time()), zone),
                false => start_of(after(same), zone),
            };
            Some(Range::new(start_of(begin, zone), until))
        };
        match self {
            Self::Days(days) => Some(range.days_earlier(days.max(1), zone)),
            Self::Months(months) => {
                let first = zone.to_datetime(range.from).date();
                until_end(first, months.max(1))
            }
            Self::MonthToDate => until_end(civil.date().first_of_month(), 1),
            Self::YearToDate => until_end(civil.date().first_of_year(), 12),
            Self::Dates(first, last) => match whole_months(first, last) {
                Some(months) if range.until < now => {
                    let begin = first.checked_sub(months.months()).ok()?;
                    Some(Range::new(start_of(begin, zone), range.from))
                }
                Some(months) if range.from < now => until_end(first, months),
                _ => {
                    let days = last.since((Unit::Day, first)).ok()?.get_days().checked_add(1)?;
                    Some(range.days_earlier(days.max(1), zone))
                }
            },
            Self::All => None,
        }
    }

    /// The span 364 days before, so that the same weekdays are compared. `None`: nothing was before.
    #[must_use]
    pub fn year_before(self, now: Timestamp, zone: &TimeZone) -> Option<Range> {
        (self != Self::All).then(|| self.range(now, zone).days_earlier(364, zone))
    }
}

/// The number of months, if the days are whole months.
fn whole_months(first: Date, last: Date) -> Option<i32> {
    let months = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
    let is_whole = first.day() == 1 && last == last.last_of_month() && first <= last;
    is_whole.then(|| months(last) - months(first) + 1)
}

/// The first moment of a civil day. Midnight can be absent: then it is the first moment after it.
pub(super) fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    let start = date.to_datetime(Time::midnight());
    let zoned = zone.to_ambiguous_zoned(start).compatible().and_then(|start| start.start_of_day());
    zoned.map_or(Timestamp::MAX, |start| start.timestamp())
}

/// The moment of a civil time, as calendars read it.
fn instant(civil: DateTime, zone: &TimeZone) -> Timestamp {
    zone.to_ambiguous_timestamp(civil).compatible().unwrap_or(Timestamp::MIN)
}

fn after(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

/// The hours of a day. The last one is shorter where the clock moves by half an hour.
fn hours(start: Timestamp, end: Timestamp) -> Vec<Range> {
    let mut hours = Vec::new();
    let mut from = start;
    while from < end {
        let until = from.checked_add(1.hour()).unwrap_or(end).min(end);
        hours.push(Range::new(from, until));
        from = until;
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// Worked rows T1 and T4: the day of a moment.
    #[test]
    fn day_of_a_moment() {
        for (moment, name, expected) in [
            ("2026-03-28T22:59:59Z", "Europe/Berlin", "2026-03-28"),
            ("2026-03-28T23:00:00Z", "Europe/Berlin", "2026-03-29"),
            ("2026-11-19T18:29:59Z", "Asia/Kolkata", "2026-11-19"),
            ("2026-11-19T18:30:00Z", "Asia/Kolkata", "2026-11-20"),
        ] {
            let moment = at(moment);
            let range = Range::new(moment, moment.checked_add(1.second()).unwrap());
            let buckets = range.buckets(Interval::Day, &zone(name));
            assert_eq!(buckets[0].date, date(expected), "{moment} {name}");
        }
    }

    /// Worked rows T2, T3, T5, T6 and T7: the span of a day, and its hours.
    #[test]
    fn span_of_a_day() {
        for (day, name, from, until, minutes, parts) in [
            ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 23 * 60, 23),
            ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 25 * 60, 25),
            ("2026-11-20", "Asia/Kathmandu", "2026-11-19T18:15Z", "2026-11-20T18:15Z", 1440, 24),
            (
                "2026-04-05",
                "Australia/Lord_Howe",
                "2026-04-04T13:00Z",
                "2026-04-05T13:30Z",
                1470,
                25,
            ),
            ("2026-09-06", "America/Santiago", "2026-09-06T04:00Z", "2026-09-07T03:00Z", 1380, 23),
        ] {
            let range = Range::from_days(date(day), date(day), &zone(name));
            assert_eq!(range, Range::new(at(from), at(until)), "{day} {name}");
            assert_eq!(range.until.duration_since(range.from).as_mins(), minutes, "{day} {name}");
            assert_eq!(range.days(&zone(name)), 1);
            let hours = range.buckets(Interval::Hour, &zone(name));
            assert_eq!(hours.len(), parts, "{day} {name}");
            assert_eq!(hours.last().unwrap().range.until, range.until);
        }
    }

    /// Worked rows T8 and T9: month and week of a moment.
    #[test]
    fn month_and_week_of_a_moment() {
        for (moment, interval, expected) in [
            ("2026-12-31T23:30:00Z", Interval::Year, "2027-01-01"),
            ("2026-12-31T23:30:00Z", Interval::Month, "2027-01-01"),
            ("2026-12-31T23:30:00Z", Interval::Week, "2026-12-28"),
            ("2026-11-20T12:00:00Z", Interval::Week, "2026-11-16"),
        ] {
            let moment = at(moment);
            let range = Range::new(moment, moment.checked_add(1.second()).unwrap());
            let buckets = range.buckets(interval, &zone("Europe/Berlin"));
            assert_eq!((buckets.len(), buckets[0].date), (1, date(expected)), "{interval:?}");
        }
    }

    /// Worked rows T10, T11 and T12: a period, the one before it, and the one a year before.
    #[test]
    fn periods_and_the_ones_before() {
        let berlin = zone("Europe/Berlin");
        let civil = |text: &str| {
            text.parse::<DateTime>().unwrap().to_zoned(berlin.clone()).unwrap().timestamp()
        };
        let span = |from: &str, until: &str| Range::new(civil(from), civil(until));
        for (number, period, now, range, before) in [
            (
                "T10",
                Period::Days(28),
                "2026-11-28T12:00",
                span("2026-11-01T00:00", "2026-11-28T12:00"),
                span("2026-10-04T00:00", "2026-10-31T12:00"),
            ),
            (
                "T11",
                Period::MonthToDate,
                "2026-03-31T12:00",
                span("2026-03-01T00:00", "2026-03-31T12:00"),
                span("2026-02-01T00:00", "2026-03-01T00:00"),
            ),
            (
                "mtd in the middle",
                Period::MonthToDate,
                "2026-11-20T12:00",
                span("2026-11-01T00:00", "2026-11-20T12:00"),
                span("2026-10-01T00:00", "2026-10-20T12:00"),
            ),
            (
                "ytd",
                Period::YearToDate,
                "2026-11-20T12:00",
                span("2026-01-01T00:00", "2026-11-20T12:00"),
                span("2025-01-01T00:00", "2025-11-20T12:00"),
            ),
            (
                "12 months",
                Period::Months(12),
                "2026-11-20T12:00",
                span("2025-12-01T00:00", "2026-11-20T12:00"),
                span("2024-12-01T00:00", "2025-11-20T12:00"),
            ),
            (
                "dates",
                Period::Dates(date("2026-11-01"), date("2026-11-07")),
                "2026-11-20T12:00",
                span("2026-11-01T00:00", "2026-11-08T00:00"),
                span("2026-10-25T00:00", "2026-11-01T00:00"),
            ),
            (
                "a month",
                Period::Dates(date("2026-10-01"), date("2026-10-31")),
                "2026-11-20T12:00",
                span("2026-10-01T00:00", "2026-11-01T00:00"),
                span("2026-09-01T00:00", "2026-10-01T00:00"),
            ),
            (
                "two months, the second one is running",
                Period::Dates(date("2026-10-01"), date("2026-11-30")),
                "2026-11-20T12:00",
                span("2026-10-01T00:00", "2026-11-20T12:00"),
                span("2026-08-01T00:00", "2026-09-20T12:00"),
            ),
        ] {
            let now = civil(now);
            assert_eq!(period.range(now, &berlin), range, "{number}");
            assert_eq!(period.before(now, &berlin), Some(before), "{number}");
        }
        let now = civil("2026-11-20T09:00");
        let year = Period::Days(1).year_before(now, &berlin).unwrap();
        assert_eq!(year, span("2025-11-21T00:00", "2025-11-21T09:00"), "T12: both are Fridays");
        assert_eq!(Period::All.before(now, &berlin), None);
    }

    /// Worked row T13: the interval of a span.
    #[test]
    fn interval_of_a_span() {
        let utc = TimeZone::UTC;
        let first = date("2026-01-01");
        for (days, expected, parts) in [
            (1, Interval::Hour, 24),
            (2, Interval::Hour, 48),
            (3, Interval::Day, 3),
            (62, Interval::Day, 62),
            (63, Interval::Week, 10),
            (26 * 7, Interval::Week, 27),
            (27 * 7, Interval::Month, 7),
            (3650, Interval::Month, 120),
            (3700, Interval::Year, 11),
        ] {
            let last = first.checked_add((days - 1).days()).unwrap();
            let range = Range::from_days(first, last, &utc);
            let interval = Interval::for_range(range, &utc);
            assert_eq!(interval, expected, "{days} days");
            let buckets = range.buckets(interval, &utc);
            assert_eq!(buckets.len(), parts, "{days} days");
            assert!(buckets.windows(2).all(|two| two[0].range.until == two[1].range.from));
            assert_eq!(buckets[0].range.from, range.from);
            assert_eq!(buckets[buckets.len() - 1].range.until, range.until);
        }
    }
}
