//! The parts of a span: sums by month and day, and single rows for the rest.

use dodo_core::money::Currency;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::calendar::{Range, start_of};
use crate::{
    attribution::{day_number, month_number},
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

/// Reads one index entry for each bound.
const EXTENT: Sql = sql!(
    "SELECT (SELECT MIN(at) FROM dodo_money WHERE live = $1 AND currency = $2),
        (SELECT MAX(at) FROM dodo_money WHERE live = $1 AND currency = $2)"
);
/// A part of a span, and the table that has its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Single rows. `None`: without an end.
    Rows(Option<Range>),
    /// Sums by day, from the first number to before the second.
    Days(i64, i64),
    /// Sums by month. `None`: all.
    Months(Option<(i64, i64)>),
}

/// The span from the first money to the last. `None`: no money exists.
pub(super) async fn extent(
    tx: &mut Tx,
    live: bool,
    currency: Currency,
) -> Result<Option<Range>, Error> {
    let Some(mut row) = tx.fetch_one(&EXTENT, args![live, currency.as_str()]).await? else {
        return Ok(None);
    };
    let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or_default();
    let (first, last) = (row.opt_int(0)?, row.opt_int(1)?);
    Ok(first.zip(last).map(|(first, last)| Range::new(at(first), at(last.saturating_add(1)))))
}

/// The same money in a longer span: a bound with no money beyond it moves to the end of its month, so that the
/// sums of a month replace those of its days.
pub(super) fn whole_months(
    range: Option<Range>,
    extent: Option<Range>,
    zone: &TimeZone,
) -> Option<Range> {
    let mut range = range?;
    let Some(extent) = extent.filter(|_| range.from < range.until) else { return Some(range) };
    let month = |at: Timestamp| zone.to_datetime(at).date().first_of_month();
    if range.from <= extent.from {
        range.from = start_of(month(range.from), zone);
    }
    if extent.until <= range.until {
        let next = month(range.until).last_of_month().tomorrow().unwrap_or(Date::MAX);
        range.until = start_of(next, zone);
    }
    Some(range)
}

/// The parts of a span.
pub(super) fn parts(range: Option<Range>, zone: &TimeZone, by_month: bool) -> Vec<Part> {
    let Some(range) = range else { return vec![Part::Months(None)] };
    if range.from >= range.until {
        return vec![Part::Rows(Some(range))];
    }
    let date = |at| zone.to_datetime(at).date();
    let from = date(range.from);
    let first = match start_of(from, zone) == range.from {
        true => from,
        false => from.tomorrow().unwrap_or(Date::MAX),
    };
    let last = date(range.until);
    if first >= last {
        return vec![Part::Rows(Some(range))];
    }
    let (start, end) = (start_of(first, zone), start_of(last, zone));
    let mut parts = Vec::new();
    if range.from < start {
        parts.push(Part::Rows(Some(Range::new(range.from, start))));
    }
    let days = |from: Date, until: Date| {
        (from < until).then(|| Part::Days(day_number(from), day_number(until)))
    };
    let month = match first.first_of_month() == first {
        true => first,
        false => first.last_of_month().tomorrow().unwrap_or(Date::MAX),
    };
    let months = (month, last.first_of_month());
    if by_month && months.0 < months.1 {
        parts.extend(days(first, months.0));
        parts.push(Part::Months(Some((month_number(months.0), month_number(months.1)))));
        parts.extend(days(months.1, last));
    } else {
        parts.extend(days(first, last));
    }
    if end < range.until {
        parts.push(Part::Rows(Some(Range::new(end, range.until))));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_split_at_days_and_months() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            text.parse::<jiff::civil::DateTime>()
                .unwrap()
                .to_zoned(zone.clone())
                .unwrap()
                .timestamp()
        };
        let range = |from: &str, until: &str| Some(Range::new(at(from), at(until)));
        let rows = |from: &str, until: &str| Part::Rows(range(from, until));
        let day = |text: &str| day_number(text.parse().unwrap());
        let month = |year: i64, month: i64| year * 12 + month - 1;
        for (span, by_month, expected) in [
            (None, true, vec![Part::Months(None)]),
            (
                range("2026-11-20T10:00", "2026-11-20T12:00"),
                true,
                vec![rows("2026-11-20T10:00", "2026-11-20T12:00")],
            ),
            (
                range("2026-11-20T10:00", "2026-11-21T12:00"),
                true,
                vec![rows("2026-11-20T10:00", "2026-11-21T12:00")],
            ),
            (
                range("2026-11-01T00:00", "2026-11-28T12:00"),
                true,
                vec![
                    Part::Days(day("2026-11-01"), day("2026-11-28")),
                    rows("2026-11-28T00:00", "2026-11-28T12:00"),
                ],
            ),
            (
                range("2026-01-15T06:00", "2026-11-28T12:00"),
                true,
                vec![
                    rows("2026-01-15T06:00", "2026-01-16T00:00"),
                    Part::Days(day("2026-01-16"), day("2026-02-01")),
                    Part::Months(Some((month(2026, 2), month(2026, 11)))),
                    Part::Days(day("2026-11-01"), day("2026-11-28")),
                    rows("2026-11-28T00:00", "2026-11-28T12:00"),
                ],
            ),
            (
                range("2026-10-20T00:00", "2026-12-05T00:00"),
                true,
                vec![
                    Part::Days(day("2026-10-20"), day("2026-11-01")),
                    Part::Months(Some((month(2026, 11), month(2026, 12)))),
                    Part::Days(day("2026-12-01"), day("2026-12-05")),
                ],
            ),
            (
                range("2026-01-01T00:00", "2026-12-01T00:00"),
                true,
                vec![Part::Months(Some((month(2026, 1), month(2026, 12))))],
            ),
            (
                range("2026-01-01T00:00", "2026-12-01T00:00"),
                false,
                vec![Part::Days(day("2026-01-01"), day("2026-12-01"))],
            ),
        ] {
            assert_eq!(parts(span, &zone, by_month), expected, "{span:?}");
        }
    }

    #[test]
    fn span_ends_with_its_month_if_no_money_is_beyond() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let at = |text: &str| {
            let civil = text.parse::<jiff::civil::DateTime>().unwrap();
            civil.to_zoned(zone.clone()).unwrap().timestamp()
        };
        let range = |from: &str, until: &str| Some(Range::new(at(from), at(until)));
        let money = range("2026-03-10T08:00", "2026-11-20T09:00");
        for (span, money, expected) in [
            (None, money, None),
            (
                range("2026-01-15T00:00", "2026-11-28T12:00"),
                money,
                range("2026-01-01T00:00", "2026-12-01T00:00"),
            ),
            (
                range("2026-04-15T00:00", "2026-11-20T09:00"),
                money,
                range("2026-04-15T00:00", "2026-12-01T00:00"),
            ),
            (
                range("2026-03-10T08:00", "2026-11-20T08:59"),
                money,
                range("2026-03-01T00:00", "2026-11-20T08:59"),
            ),
            (
                range("2026-03-10T08:01", "2026-11-20T08:59"),
                money,
                range("2026-03-10T08:01", "2026-11-20T08:59"),
            ),
            (
                range("2026-05-01T00:00", "2026-05-01T00:00"),
                money,
                range("2026-05-01T00:00", "2026-05-01T00:00"),
            ),
            (
                range("2026-04-15T00:00", "2026-11-28T12:00"),
                None,
                range("2026-04-15T00:00", "2026-11-28T12:00"),
            ),
        ] {
            assert_eq!(whole_months(span, money, &zone), expected, "{span:?}");
        }
    }
}
