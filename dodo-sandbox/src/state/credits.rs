//! Amounts of credits: decimal numbers, by integer arithmetic.

use std::fmt;

use crate::money;

/// An amount of credits, in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Credits(i128);

const SCALE: i128 = 1_000_000_000;

impl Credits {
    pub(crate) const ZERO: Self = Self(0);

    /// Reads a decimal number; `None` for other texts and beyond 10^15.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 15
            || fraction.len() > 9
            || !numeric(whole)
            || !numeric(fraction)
        {
            return None;
        }
        let amount: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
        Some(Self(if negative { -amount } else { amount }))
    }

    pub(crate) fn from_units(units: i64) -> Self {
        Self(i128::from(units) * SCALE)
    }

    pub(crate) fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i128::from(count)))
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub(crate) fn part(self, share: i64, of: i64) -> Self {
        Self(self.0.saturating_mul(i128::from(share)) / i128::from(of.max(1)))
    }

    pub(crate) fn divided(self, by: i64) -> Self {
        Self(self.0 / i128::from(by.max(1)))
    }

    pub(crate) fn percent(self, percent: i64) -> Self {
        self.part(percent, 100)
    }

    /// The price of so many units, in minor units of a currency, rounded half up.
    pub(crate) fn price(self, per_unit: Self) -> i64 {
        let square = SCALE * SCALE;
        let product = self.0.saturating_mul(per_unit.0);
        i64::try_from((product.saturating_mul(2) + square).div_euclid(square * 2))
            .unwrap_or(money::MAX_AMOUNT)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.abs() / SCALE, self.0.abs() % SCALE);
        let sign = if self.0 < 0 { "-" } else { "" };
        match rest {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{}", format!("{rest:09}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_read_and_show_decimals() {
        for (text, shown) in
            [("5", "5"), ("0.50", "0.5"), ("-1.25", "-1.25"), ("12.000000001", "12.000000001")]
        {
            assert_eq!(Credits::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", ".", "1e3", "1.0000000001", "x", "9999999999999999"] {
            assert_eq!(Credits::parse(text), None, "{text}");
        }
        let price = Credits::from_units(3).price(Credits::parse("0.5").unwrap());
        assert_eq!(price, 2);
    }
}
