//! Numbers for people: money, percentages and changes. Integer arithmetic only.

use dodo_core::{internals::minor_to_major, money::Currency};

/// The minus sign of a printed table.
const MINUS: char = '\u{2212}';
/// The text of a cell without a number.
pub(crate) const NOTHING: &str = "–";

/// A currency and its decimals, as the ledger has booked them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) currency: Currency,
    /// Decimals: 2 means that 2000 is 20.00.
    pub(crate) exponent: u8,
}

impl Unit {
    #[cfg(test)]
    pub(crate) fn from_code(code: &str) -> Self {
        let currency: Currency = code.parse().unwrap();
        Self { currency, exponent: currency.exponent() }
    }

    /// An amount of minor units: `$1,234.50`, `−€0.05`, `KWD 9.500`.
    pub(crate) fn show(self, minor: i128) -> String {
        let text = minor_to_major(minor, self.exponent);
        let (sign, digits) = signed(&text);
        let (whole, decimals) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        format!("{sign}{}{}{decimals}", self.symbol(), grouped(whole))
    }

    /// An amount for an axis, which has round numbers: `$2k`, `¥1.5M`, `€50`, `$0.05`.
    pub(crate) fn show_short(self, minor: i128) -> String {
        let Some(unit) = 10_i128.checked_pow(u32::from(self.exponent)) else {
            return self.show(minor);
        };
        for (factor, letter) in [(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")] {
            if minor.abs() / unit >= factor {
                let tenths = half_even(minor.saturating_mul(10), unit.saturating_mul(factor));
                let (sign, size) = (sign_of(minor), tenths.abs());
                let decimal =
                    if size % 10 == 0 { String::new() } else { format!(".{}", size % 10) };
                return format!("{sign}{}{}{decimal}{letter}", self.symbol(), size / 10);
            }
        }
        if minor % unit == 0 {
            return format!("{}{}{}", sign_of(minor), self.symbol(), (minor / unit).abs());
        }
        self.show(minor)
    }

    /// In major units, without a symbol, for files: `1234.50`.
    pub(crate) fn plain(self, minor: i128) -> String {
        minor_to_major(minor, self.exponent)
    }

    /// Whether amounts have a symbol in place of the code of the currency.
    pub(crate) fn has_symbol(self) -> bool {
        self.sign().is_some()
    }

    fn symbol(self) -> String {
        let code = || format!("{}\u{a0}", self.currency);
        self.sign().map_or_else(code, str::to_owned)
    }

    fn sign(self) -> Option<&'static str> {
        match self.currency.as_str() {
            "USD" => Some("$"),
            "EUR" => Some("€"),
            "GBP" => Some("£"),
            "JPY" => Some("¥"),
            "INR" => Some("₹"),
            "KRW" => Some("₩"),
            _ => None,
        }
    }
}

fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('-') {
        Some(digits) => ("\u{2212}", digits),
        None => ("", text),
    }
}

fn sign_of(number: i128) -> &'static str {
    if number < 0 { "\u{2212}" } else { "" }
}

/// A count: `1,234`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// `1234567` is `1,234,567`.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `number / by`, rounded half to even. `by` is positive.
pub(crate) fn half_even(number: i128, by: i128) -> i128 {
    let (whole, left) = (number.div_euclid(by), number.rem_euclid(by));
    match (left * 2).cmp(&by) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole.rem_euclid(2),
    }
}

/// `part / whole` in tenths of a percent. `None`: the whole is not positive.
pub(crate) fn tenths(part: i128, whole: i128) -> Option<i128> {
    (whole > 0).then(|| half_even(part * 1000, whole))
}

/// The mean of a sum, rounded half to even.
pub(crate) fn average(sum: i128, of: u64) -> Option<i128> {
    (of > 0).then(|| half_even(sum, i128::from(of)))
}

/// Tenths of a percent: `3.1 %`, `−12.0 %`.
pub(crate) fn percent(tenths: i128) -> String {
    format!("{}\u{a0}%", one_decimal(tenths))
}

fn one_decimal(tenths: i128) -> String {
    let size = tenths.unsigned_abs();
    let whole = grouped(&(size / 10).to_string());
    format!("{}{whole}.{}", sign_of(tenths), size % 10)
}

/// Hundredths of a ratio that is not negative: `2.33`.
pub(crate) fn ratio(hundredths: i64) -> String {
    let size = hundredths.unsigned_abs();
    format!("{}.{:02}", size / 100, size % 100)
}

/// Tenths as a number, for files.
pub(crate) fn decimal(tenths: i128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a percentage, for a file")]
    let tenths = tenths as f64;
    tenths / 10.0
}

/// The change of a number since the period before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing to compare.
    Nothing,
    /// There was nothing before.
    New,
    /// In tenths of a percent.
    Percent(i128),
    /// The number before was negative: the difference, in minor units.
    Money(i128),
    /// Of a percentage, in tenths of a point.
    Points(i128),
}

impl Change {
    /// The change of a sum or a count.
    pub(crate) fn between(now: i128, before: i128) -> Self {
        match (now, before) {
            (0, 0) => Self::Nothing,
            (_, 0) => Self::New,
            (now, before) if before < 0 => Self::Money(now - before),
            (now, before) => Self::Percent(half_even((now - before) * 1000, before)),
        }
    }

    /// The change of a percentage, in tenths.
    pub(crate) fn points(now: Option<i128>, before: Option<i128>) -> Self {
        match (now, before) {
            (Some(now), Some(before)) => Self::Points(now - before),
            _ => Self::Nothing,
        }
    }

    /// `+12.4 %`, `new`, `+$7.00`, `−0.4 points`.
    pub(crate) fn show(self, unit: Unit) -> String {
        let plus = |number: i128| if number > 0 { "+" } else { "" };
        match self {
            Self::Nothing => NOTHING.to_owned(),
            Self::New => "new".to_owned(),
            Self::Percent(tenths) => format!("{}{}", plus(tenths), percent(tenths)),
            Self::Money(minor) => format!("{}{}", plus(minor), unit.show(minor)),
            Self::Points(tenths) => format!("{}{} points", plus(tenths), one_decimal(tenths)),
        }
    }

    /// Whether the number rose or fell. `None`: neither, or not known.
    pub(crate) fn rose(self) -> Option<bool> {
        match self {
            Self::Nothing => None,
            Self::New => Some(true),
            Self::Percent(by) | Self::Money(by) | Self::Points(by) => (by != 0).then_some(by > 0),
        }
    }

    /// For files: the number without a sign of its kind. A text, because kinds differ.
    pub(crate) fn plain(self, unit: Unit) -> String {
        match self {
            Self::Nothing => String::new(),
            other => other.show(unit).replace(MINUS, "-").replace('\u{a0}', " "),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        for (minor, code, text, short) in [
            (1900, "USD", "$19.00", "$19"),
            (5, "USD", "$0.05", "$0.05"),
            (-5, "EUR", "−€0.05", "−€0.05"),
            (123_456_789, "GBP", "£1,234,567.89", "£1.2M"),
            (200_000, "USD", "$2,000.00", "$2k"),
            (1_500_000, "JPY", "¥1,500,000", "¥1.5M"),
            (-100_000, "KRW", "−₩100,000", "−₩100k"),
            (9500, "KWD", "KWD\u{a0}9.500", "KWD\u{a0}9.500"),
            (50_000_000, "KWD", "KWD\u{a0}50,000.000", "KWD\u{a0}50k"),
            (0, "USD", "$0.00", "$0"),
        ] {
            assert_eq!(Unit::from_code(code).show(minor), text, "{minor} {code}");
            assert_eq!(Unit::from_code(code).show_short(minor), short, "{minor} {code}");
        }
        assert_eq!(Unit::from_code("KWD").plain(-9500), "-9.500");
    }

    /// The rows C1 to C3 of the reference.
    #[test]
    fn changes_follow_the_number_before() {
        for (now, before, text) in [
            (3990, 2100, "+90.0\u{a0}%"),
            (100, 300, "−66.7\u{a0}%"),
            (500, 0, "new"),
            (0, 0, "–"),
            (500, -200, "+$7.00"),
            (300, 300, "0.0\u{a0}%"),
        ] {
            assert_eq!(
                Change::between(now, before).show(Unit::from_code("USD")),
                text,
                "{now} {before}"
            );
        }
        let points = Change::points(Some(31), Some(35));
        assert_eq!(points.show(Unit::from_code("USD")), "−0.4 points");
        assert_eq!(points.rose(), Some(false));
        assert_eq!(Change::points(Some(31), None), Change::Nothing);
    }

    #[test]
    fn halves_go_to_the_even_number() {
        for (number, by, rounded) in
            [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (5000, 3, 1667), (-1, 3, 0), (1, 3, 0)]
        {
            assert_eq!(half_even(number, by), rounded, "{number} / {by}");
        }
        assert_eq!(average(5000, 3), Some(1667));
        assert_eq!(average(5000, 0), None);
        assert_eq!(tenths(2500, 10_000), Some(250));
        assert_eq!(tenths(1, 0), None);
        assert_eq!(percent(1000), "100.0\u{a0}%");
        assert_eq!(percent(-5), "−0.5\u{a0}%");
    }

    proptest! {
        #[test]
        fn rounding_is_never_off_by_more_than_a_half(number in -1_000_000_i128..1_000_000, by in 1_i128..10_000) {
            let left = number - half_even(number, by) * by;
            prop_assert!(left.abs() * 2 <= by);
        }
    }
}
