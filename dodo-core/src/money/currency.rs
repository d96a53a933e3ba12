//! ISO 4217 codes, their decimals, and minor units as text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ErrorKind};

/// An ISO 4217 currency code in upper case. Codes that ISO does not know are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The United States dollar.
    pub const USD: Self = Self(*b"USD");

    /// The code, such as `EUR`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Three ASCII letters by construction.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// The number of decimals of the smallest unit: 2 for EUR, 0 for JPY, 3 for KWD.
    ///
    /// ISO 4217, except that MGA is 0: Dodo Payments treats the ariary as a currency without
    /// decimals. Override it if your account shows another number.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"MGA"
            | b"PYG" | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

/// `XXX`, the code of ISO 4217 for "no currency".
impl Default for Currency {
    fn default() -> Self {
        Self(*b"XXX")
    }
}

impl FromStr for Currency {
    type Err = Error;

    /// Three ASCII letters in any case, with or without blanks around them.
    fn from_str(code: &str) -> Result<Self, Error> {
        match <[u8; 3]>::try_from(code.trim().as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_alphabetic) => {
                Ok(Self(code.map(|letter| letter.to_ascii_uppercase())))
            }
            _ => Err(Error::new(
                ErrorKind::InvalidRequest,
                "not a currency code: three letters, such as EUR",
            )
            .with_code("invalid_currency")),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl de::Visitor<'_> for Code {
            type Value = Currency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a currency code of three letters")
            }
            fn visit_str<E: de::Error>(self, code: &str) -> Result<Currency, E> {
                code.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(code), &self))
            }
        }
        deserializer.deserialize_str(Code)
    }
}

/// Minor units as a decimal text in major units: `(2000, 2)` is `20.00`, `(500, 0)` is `500`,
/// `(-1500, 3)` is `-1.500`. Integer arithmetic only.
///
/// ```
/// use dodo_core::internals::minor_to_major;
/// assert_eq!(minor_to_major(-5, 2), "-0.05");
/// assert_eq!(minor_to_major(i64::MIN, 0), "-9223372036854775808");
/// ```
#[must_use]
pub fn minor_to_major(minor: impl Into<i128>, exponent: u8) -> String {
    let minor = minor.into();
    let sign = if minor < 0 { "-" } else { "" };
    let digits = minor.unsigned_abs().to_string();
    let decimals = usize::from(exponent);
    if decimals == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_follow_the_currency() {
        for (minor, code, text) in [
            (2000, "USD", "20.00"),
            (500, "jpy", "500"),
            (1500, "KWD", "1.500"),
            (500, "MGA", "500"),
            (4900, "ISK", "4900"),
            (12345, "CLF", "1.2345"),
            (0, "EUR", "0.00"),
            (-1, "EUR", "-0.01"),
            (i64::MIN, "EUR", "-92233720368547758.08"),
            (i64::MAX, "BHD", "9223372036854775.807"),
        ] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(minor_to_major(minor, currency.exponent()), text);
        }
    }

    #[test]
    fn codes_are_three_letters() {
        for bad in ["", "EU", "EURO", "E1R", "ÄB", "E R"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
        assert_eq!("zzz".parse::<Currency>().unwrap().as_str(), "ZZZ");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(minor: i64, exponent in 0u8..=4) {
            let text = minor_to_major(minor, exponent);
            let digits: String = text.chars().filter(|c| *c != '.').collect();
            prop_assert_eq!(digits.parse::<i64>().unwrap(), minor);
            prop_assert_eq!(text.split_once('.').map_or(0, |(_, f)| f.len()), usize::from(exponent));
        }
    }
}
