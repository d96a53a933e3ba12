use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A decimal number as Dodo Payments wrote it, such as `"1000"`, `"0.002"` or `400`.
///
/// Credit amounts have up to 28 decimals, so no built-in number type holds all of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// Accepts an optional sign, digits, and optionally a point and more digits.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (numeric(whole) && numeric(fraction)).then(|| Self(text.into()))
    }

    /// The text as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As minor units: text without a point counts minor units (`"400"` is 400), text with a point
    /// counts major units (`"4.00"` is 400 where the currency has two decimals).
    ///
    /// `None` when it has more decimals than the currency or does not fit.
    #[must_use]
    pub fn to_minor_units(&self, exponent: u8) -> Option<i64> {
        let Some((whole, fraction)) = self.0.split_once('.') else {
            return self.0.parse().ok();
        };
        let exponent = usize::from(exponent);
        let significant = fraction.trim_end_matches('0');
        if significant.len() > exponent {
            return None;
        }
        format!("{whole}{significant:0<exponent$}").parse().ok()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for Decimal {
    fn from(n: i64) -> Self {
        Self(n.to_string().into())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number")
            }
            fn visit_i64<E>(self, n: i64) -> Result<Decimal, E> {
                Ok(Decimal::from(n))
            }
            fn visit_u64<E>(self, n: u64) -> Result<Decimal, E> {
                Ok(Decimal(n.to_string().into()))
            }
            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Decimal, E> {
                Decimal::parse(&n.to_string())
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(n), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                Decimal::parse(text.trim())
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_with_point_counts_major_units() {
        for (text, exponent, minor) in [
            ("400", 2, Some(400)),
            ("4.00", 2, Some(400)),
            ("4.5", 2, Some(450)),
            ("-4.05", 2, Some(-405)),
            ("4.000", 2, Some(400)),
            ("4.001", 2, None),
            ("4.0", 0, Some(4)),
            ("1.5", 3, Some(1500)),
            ("99999999999999999999", 2, None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_minor_units(exponent), minor, "{text}");
        }
        for bad in ["", ".", "1.", ".5", "1e5", "0x1", "1,5", " 1", "NaN", "--1"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn json_numbers_are_read_as_decimals() {
        let all: Vec<Decimal> = serde_json::from_str(r#"[400, "400", 4.5, -1]"#).unwrap();
        assert_eq!(
            all.iter().map(Decimal::as_str).collect::<Vec<_>>(),
            ["400", "400", "4.5", "-1"]
        );
    }
}
