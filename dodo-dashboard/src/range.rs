//! The period of a question and the columns of its charts, by the calendar of the ledger.

use dodo_ledger::query::{self, Range, TimeZone};
use jiff::{
    RoundMode, Timestamp, Unit, Zoned,
    civil::{Date, DateTime},
};

use crate::question::{Interval, Page, Period, Preset, Question, Versus};

/// The most columns of a chart.
const MOST_COLUMNS: usize = 120;
/// The largest number of days of a chart by the hour.
const MOST_DAYS_OF_HOURS: i32 = 5;

/// A column of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The civil time at which it begins.
    pub(crate) starts: DateTime,
    /// Whether it is not over yet.
    pub(crate) running: bool,
}

/// The period of a question. `first` is the time of the first money, for all time.
pub(crate) fn range_of(
    period: Period,
    now: Timestamp,
    zone: &TimeZone,
    first: Option<Timestamp>,
) -> Range {
    let range = calendar(period, now, zone).range(now, zone);
    match (period, first) {
        (Period::Preset(Preset::All), Some(first)) => {
            let first = zone.to_datetime(first.min(now)).date();
            Range::new(Range::from_days(first, first, zone).from, now)
        }
        (Period::Preset(Preset::All), None) => query::Period::Days(1).range(now, zone),
        _ => range,
    }
}

/// The period that it is compared to. `None`: none.
pub(crate) fn range_before(
    period: Period,
    versus: Versus,
    now: Timestamp,
    zone: &TimeZone,
) -> Option<Range> {
    match versus {
        Versus::Nothing => None,
        Versus::Before => calendar(period, now, zone).before(now, zone),
        Versus::Year => calendar(period, now, zone).year_before(now, zone),
    }
}

fn calendar(period: Period, now: Timestamp, zone: &TimeZone) -> query::Period {
    match period {
        Period::Days(first, last) => query::Period::Dates(first, last),
        Period::Preset(preset) => match preset {
            Preset::Today => query::Period::Days(1),
            Preset::Days7 => query::Period::Days(7),
            Preset::Days28 => query::Period::Days(28),
            Preset::Days90 => query::Period::Days(90),
            // Whole months, so that the first and the last column of a chart are not both parts.
            Preset::Months12 => query::Period::Months(13),
            Preset::MonthToDate => query::Period::MonthToDate,
            Preset::LastMonth => {
                let this = zone.to_datetime(now).date().first_of_month();
                let last = this.yesterday().unwrap_or(this);
                query::Period::Dates(last.first_of_month(), last)
            }
            Preset::YearToDate => query::Period::YearToDate,
            Preset::All => query::Period::All,
        },
    }
}

/// The interval that the question asks for, or the one by length. `Err`: the wanted interval has too
/// many columns, so it is the one by length.
pub(crate) fn interval_of(
    range: Range,
    wanted: Option<Interval>,
    zone: &TimeZone,
) -> Result<Interval, Interval> {
    let by_length = match query::Interval::for_range(range, zone) {
        query::Interval::Hour => Interval::Hour,
        query::Interval::Day => Interval::Day,
        query::Interval::Week => Interval::Week,
        query::Interval::Month => Interval::Month,
        _ => Interval::Year,
    };
    let is_too_long = |wanted: Interval| {
        wanted == Interval::Hour && range.days(zone) > MOST_DAYS_OF_HOURS
            || range.buckets(wanted.into_ledger(), zone).len() > MOST_COLUMNS
    };
    match wanted {
        Some(wanted) if is_too_long(wanted) => Err(by_length),
        Some(wanted) => Ok(wanted),
        None => Ok(by_length),
    }
}

impl Interval {
    pub(crate) const fn into_ledger(self) -> query::Interval {
        match self {
            Self::Hour => query::Interval::Hour,
            Self::Day => query::Interval::Day,
            Self::Week => query::Interval::Week,
            Self::Month => query::Interval::Month,
            Self::Year => query::Interval::Year,
        }
    }
}

/// The last civil day of a period.
pub(crate) fn last_day(range: Range, zone: &TimeZone) -> Date {
    let last = range.until.checked_sub(jiff::SignedDuration::from_nanos(1));
    zone.to_datetime(last.unwrap_or(range.until).max(range.from)).date()
}

impl Bucket {
    /// A column of the ledger.
    pub(crate) fn from_query(
        bucket: &query::Bucket,
        interval: Interval,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Self {
        let starts = match interval {
            Interval::Hour => zone.to_datetime(bucket.range.from),
            // The first column can begin in the middle of its week or month.
            _ => zone
                .to_datetime(bucket.range.from)
                .max(bucket.date.to_datetime(jiff::civil::Time::midnight())),
        };
        Self { starts, running: bucket.range.until == now }
    }

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
    pub(crate) fn period(&self, interval: Interval) -> Period {
        let first = self.starts.date();
        let last = match interval {
            Interval::Hour | Interval::Day => first,
            Interval::Week => {
                let left = 6 - first.weekday().to_monday_zero_offset();
                first.saturating_add(jiff::Span::new().days(left))
            }
            Interval::Month => first.last_of_month(),
            Interval::Year => first.last_of_year(),
        };
        Period::Days(first, last)
    }
}

impl Question {
    /// The question about one column of the chart.
    pub(crate) fn zoomed(&self, bucket: &Bucket, interval: Interval) -> Self {
        let mut other = self.at_the_top();
        if self.page == Page::Subscriptions {
            // A month of the churn, which the other pages do not have.
            other.month = Some(bucket.starts.date());
            return other;
        }
        other.period = bucket.period(interval);
        other.interval = None;
        other
    }
}

/// The time with minutes, as a page shows it.
pub(crate) fn minute(moment: &Zoned) -> Zoned {
    let round = jiff::ZonedRound::new().smallest(Unit::Minute).mode(RoundMode::Trunc);
    moment.round(round).unwrap_or_else(|_| moment.clone())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn buckets(period: Period, interval: Interval) -> Vec<Bucket> {
        let zone = TimeZone::UTC;
        let range = range_of(period, now(), &zone, None);
        let columns = range.buckets(interval.into_ledger(), &zone);
        columns.iter().map(|bucket| Bucket::from_query(bucket, interval, &zone, now())).collect()
    }

    #[test]
    fn column_leads_to_its_own_days() {
        let weeks = buckets(Period::Preset(Preset::Days90), Interval::Week);
        assert_eq!(
            weeks[0].period(Interval::Week),
            Period::Days(date(2026, 8, 31), date(2026, 9, 6))
        );
        assert!(weeks.last().unwrap().running);
        let hours = buckets(Period::Preset(Preset::Today), Interval::Hour);
        assert_eq!(hours.len(), 12);
        assert_eq!(hours[3].label(Interval::Hour), "03:00");
        let months = buckets(Period::Preset(Preset::Months12), Interval::Month);
        assert_eq!(
            months[1].period(Interval::Month),
            Period::Days(date(2025, 12, 1), date(2025, 12, 31))
        );
        assert_eq!(months.len(), 13);
        assert_eq!(months[0].starts.date(), date(2025, 11, 1));
        let days = buckets(Period::Days(date(2026, 11, 1), date(2026, 11, 27)), Interval::Day);
        assert_eq!(days.len(), 27);
        assert!(days.iter().all(|day| !day.running));
    }

    #[test]
    fn interval_with_too_many_columns_is_refused() {
        let zone = TimeZone::UTC;
        let year = range_of(Period::Preset(Preset::Months12), now(), &zone, None);
        for (wanted, interval) in [
            (None, Ok(Interval::Month)),
            (Some(Interval::Week), Ok(Interval::Week)),
            (Some(Interval::Day), Err(Interval::Month)),
            (Some(Interval::Hour), Err(Interval::Month)),
        ] {
            assert_eq!(interval_of(year, wanted, &zone), interval, "{wanted:?}");
        }
    }

    #[test]
    fn last_month_is_whole_and_compared_with_the_month_before() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let period = Period::Preset(Preset::LastMonth);
        let days = |month| {
            Range::from_days(date(2026, month, 1), date(2026, month, 1).last_of_month(), &zone)
        };
        assert_eq!(range_of(period, now(), &zone, None), days(10));
        assert_eq!(range_before(period, Versus::Before, now(), &zone), Some(days(9)));
    }

    #[test]
    fn all_time_begins_with_the_first_money() {
        let zone = TimeZone::UTC;
        let all = Period::Preset(Preset::All);
        let first = "2024-02-03T04:05:06Z".parse().unwrap();
        let range = range_of(all, now(), &zone, Some(first));
        assert_eq!(range.from, "2024-02-03T00:00:00Z".parse().unwrap());
        assert_eq!(range_of(all, now(), &zone, None).days(&zone), 1);
        assert_eq!(range_before(all, Versus::Before, now(), &zone), None);
        assert_eq!(last_day(range, &zone), date(2026, 11, 28));
    }
}
