use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, or the text that was sent instead of a time.
///
/// An unreadable date must not lose a paid order, so it keeps its text and the event gets a
/// [`FieldWarning`](crate::event::FieldWarning).
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Date {
    /// A point in time.
    Valid(Timestamp),
    /// A text that is not RFC 3339, as it was sent.
    Invalid(Box<str>),
}

/// The key under which [`lenient`](super::lenient) passes a text that is not a date. It passes an
/// object, so that no other type accepts it by mistake.
const UNREADABLE: &str = "\u{0}unreadable date";

/// Marks a JSON text as a date that cannot be read. `None` if the value is not a text.
pub(super) fn marked(value: &str) -> Option<String> {
    let key = serde_json::to_string(UNREADABLE).ok()?;
    value.starts_with('"').then(|| format!("{{{key}:{value}}}"))
}

/// The text of `expecting`, by which [`lenient`](super::lenient) recognizes that the type expects a
/// date.
pub(super) const EXPECTED: &str = "an RFC 3339 date";

impl Date {
    /// Returns the point in time. `None`: the text is not a date.
    #[must_use]
    pub const fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Valid(moment) => Some(*moment),
            Self::Invalid(_) => None,
        }
    }
}

impl From<Timestamp> for Date {
    fn from(moment: Timestamp) -> Self {
        Self::Valid(moment)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(moment) => moment.fmt(f),
            Self::Invalid(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(moment) => moment.fmt(f),
            Self::Invalid(text) => write!(f, "Invalid({text:?})"),
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Date;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Date, E> {
                read(text)
                    .map(Date::Valid)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Date, A::Error> {
                match map.next_entry::<String, Box<str>>()? {
                    Some((key, text)) if key == UNREADABLE => Ok(Date::Invalid(text)),
                    _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A fast parser reads the form of Dodo Payments, and jiff reads every other RFC 3339 text.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    read_utc(text.as_bytes()).or_else(|| text.parse().ok())
}

/// Reads `YYYY-MM-DDTHH:MM:SSZ` with up to nine decimals, three times as fast as a general parser.
fn read_utc(text: &[u8]) -> Option<Timestamp> {
    let (moment, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] =
        *moment
    else {
        return None;
    };
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    let (month, day) = (pair(m1, m2)?, pair(d1, d2)?);
    let (hour, minute, second) = (pair(h1, h2)?, pair(n1, n2)?, pair(s1, s2)?);
    let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    // jiff reads leap seconds.
    if !real || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds = match rest {
        b"Z" => 0,
        [b'.', fraction @ .., b'Z'] if (1..=9).contains(&fraction.len()) => {
            let mut n = 0_i32;
            for byte in fraction {
                n = n * 10 + i32::from(digit(*byte)?);
            }
            n * 10_i32.pow(9 - u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Timestamp::new(seconds, nanoseconds).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(value)
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    Some(i64::from(digit(tens)?) * 10 + i64::from(digit(ones)?))
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by Howard Hinnant's `days_from_civil`: years begin in March, so that the
/// leap day is the last of its year.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Date {
        fn parse(text: &str) -> Self {
            read(text).map_or_else(|| Self::Invalid(text.into()), Self::Valid)
        }
    }

    #[test]
    fn unreadable_date_keeps_its_text() {
        for text in ["", "soon", "2026-02-30T00:00:00Z", "2026-11-03", "2026-11-03T25:00:00Z"] {
            assert_eq!(Date::parse(text).to_string(), text);
            assert_eq!(Date::parse(text).timestamp(), None, "{text}");
        }
    }

    #[test]
    fn other_forms_of_rfc_3339_are_read() {
        let noon: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
        for text in [
            "2026-11-03T12:00:00Z",
            "2026-11-03t12:00:00z",
            "2026-11-03T12:00:00.000000000Z",
            "2026-11-03T14:00:00+02:00",
            "2026-11-03 12:00:00Z",
        ] {
            assert_eq!(read(text), Some(noon), "{text}");
        }
    }

    proptest! {
        #[test]
        fn fast_date_parser_agrees_with_jiff(
            year in 0_i64..=9999, month in 0_i64..=13, day in 0_i64..=32, hour in 0_i64..=24,
            minute in 0_i64..=60, second in 0_i64..=59, fraction in "(\\.[0-9]{1,9})?",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z");
            prop_assert_eq!(read_utc(text.as_bytes()), text.parse().ok(), "{}", text);
        }

        #[test]
        fn written_date_is_read(seconds in -377_705_023_201_i64..=253_402_207_200, nanos in 0..1_000_000_000) {
            let date = Date::Valid(Timestamp::new(seconds, nanos).unwrap());
            prop_assert_eq!(Date::parse(&date.to_string()), date);
        }
    }
}
