use serde_json::{Number, Value};

use crate::{id::is_id, return_url::absolute, web_url::WebUrl};

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Text with this number of characters, without control characters except tab and line feed.
    Text(usize, usize),
    /// An id of Dodo Payments.
    Id,
    /// Text with at most this number of characters, by a limit of Dodo Payments.
    Limited(usize),
    /// A whole number between two bounds of Dodo Payments.
    Int(i64, i64),
    /// A price in minor units.
    Amount(i64),
    /// A non-negative decimal number as text.
    Decimal,
    Bool,
    /// In a query, exactly `true`. Other values count as absent, as in Express.
    Switch,
    /// An absolute `http` or `https` URL in ASCII.
    Url,
    /// An absolute URL to which the customer returns. `return_to` checks its origin.
    ReturnUrl,
    /// ISO 3166-1 alpha-2, upper case.
    Country,
    /// ISO 4217, upper case.
    Currency,
    Email,
    OneOf(&'static [&'static str]),
    /// A name from a growing list of Dodo Payments: lower case, digits, `_`.
    Word,
    /// Metadata pairs.
    Metadata,
    /// An object of short texts with any names.
    Texts,
    /// `customer`: an object with an e-mail address or a customer's id.
    Customer,
    /// An object with at least these members.
    Object(&'static [&'static str]),
    /// A list with this number of elements, by a limit of Dodo Payments.
    List(usize, usize),
    /// A list with at most this number of elements.
    Items(usize),
}

impl Kind {
    /// Returns the expected form, for the error that the client reads.
    pub(crate) const fn expectation(self) -> &'static str {
        match self {
            Self::Text(min, max) => text_form(min, max),
            Self::Limited(max) => text_form(1, max),
            Self::Id => "must be an id: 1 to 64 letters, digits, '_' and '-'",
            Self::Int(1, _) => "must be a whole number of at least 1",
            Self::Int(..) => "must be a whole number from 0 to 10000",
            Self::Amount(_) => "must be a whole number from 0 to 9007199254740991",
            Self::Decimal => "must be a decimal number as text",
            Self::Bool => "must be true or false",
            Self::Switch => "must be true",
            Self::Url => "must be an absolute https URL in ASCII",
            Self::ReturnUrl => "must be an absolute https URL",
            Self::Country => "must be a country code of two capital letters (ISO 3166-1)",
            Self::Currency => "must be a currency code of three capital letters (ISO 4217)",
            Self::Email => "must be an e-mail address",
            Self::OneOf(_) => "must be one of the documented values",
            Self::Word => "must be a name of lower-case letters, digits and '_'",
            Self::Metadata => {
                "must be at most 50 pairs of a key (1 to 40 letters, digits, '_' and '-') and text (at most 500 characters), a number, true or false"
            }
            Self::Texts => "must be an object of texts of 1 to 64 characters",
            Self::Customer => "must be an object with an e-mail address",
            Self::Object(_) => "must be an object",
            Self::List(1, 100) => "must be a list of 1 to 100 elements",
            Self::List(_, 5) => "must be a list of at most 5 elements",
            Self::List(_, 100) => "must be a list of at most 100 elements",
            Self::List(..) => "must be a list of at most 20 elements",
            Self::Items(200) => "must be a list of at most 200 elements",
            Self::Items(_) => "must be a list of at most 100 elements",
        }
    }

    /// Whether a list may have this number of elements.
    pub(super) fn takes_length(self, length: usize) -> bool {
        match self {
            Self::List(min, max) => (min..=max).contains(&length),
            Self::Items(max) => length <= max,
            _ => true,
        }
    }

    /// Checks a value without fields of its own and converts it to Dodo's form: `2.0` and `1e2` are
    /// whole numbers. Returns `None` for an invalid value.
    pub(crate) fn check(self, value: Value) -> Option<Value> {
        let fits = match (self, &value) {
            (Self::Text(min, max), Value::String(text)) => is_text(text, min, max),
            (Self::Id, Value::String(text)) => is_id(text),
            (Self::Limited(max), Value::String(text)) => is_text(text, 1, max),
            (Self::Int(min, max), Value::Number(number)) => {
                let number = whole(number)?;
                return (min..=max).contains(&number).then(|| number.into());
            }
            (Self::Amount(max), Value::Number(number)) => {
                let number = whole(number)?;
                return (0..=max).contains(&number).then(|| number.into());
            }
            (Self::ReturnUrl, Value::String(text)) => return absolute(text).map(Value::from),
            (Self::Decimal, Value::String(text)) => is_decimal(text),
            (Self::Bool, Value::Bool(_)) => true,
            (Self::Switch, Value::Bool(on)) => *on,
            (Self::Url, Value::String(text)) => WebUrl::parse(text).is_some(),
            (Self::Country, Value::String(text)) => is_upper(text, 2),
            (Self::Currency, Value::String(text)) => is_upper(text, 3),
            (Self::Email, Value::String(text)) => is_email(text),
            (Self::OneOf(values), Value::String(text)) => values.contains(&text.as_str()),
            (Self::Word, Value::String(text)) => is_word(text),
            (Self::Texts, Value::Object(map)) => {
                map.len() <= 64
                    && map.iter().all(|(name, value)| {
                        is_word(name) && value.as_str().is_some_and(|t| is_text(t, 1, 64))
                    })
            }
            _ => false,
        };
        fits.then_some(value)
    }
}

macro_rules! text_forms { ($( $min:literal to $max:literal; )*) => {
    const fn text_form(min: usize, max: usize) -> &'static str {
        match (min, max) {
            $( ($min, $max) => concat!(
                "must be text of ", $min, " to ", $max, " characters without control characters"
            ), )*
            _ => "must be text without control characters",
        }
    }
} }

text_forms! {
    0 to 32; 0 to 255; 0 to 500; 0 to 1000;
    1 to 16; 1 to 32; 1 to 64; 1 to 100; 1 to 255; 1 to 500;
    2 to 16;
}

fn is_text(text: &str, min: usize, max: usize) -> bool {
    let unusable = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    // A character takes at most four bytes: long texts need no counting.
    text.len() <= max.saturating_mul(4)
        && (min..=max).contains(&text.chars().count())
        && !text.contains(unusable)
}

fn is_upper(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    text.len() <= 40 && digits(whole) && digits(fraction)
}

/// A JSON number without a fraction, however it is written.
#[expect(clippy::cast_possible_truncation, reason = "the bounds were checked in floating point")]
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

/// A usual e-mail address: no quoting, no comments, no address literals, a domain with a dot.
/// Domains in other scripts are in punycode.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(atom)
        && domain.contains('.')
        && domain.split('.').all(label)
        && top.len() >= 2
        && !top.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checkout::fields::table::FIELDS;

    /// The expected form names the limits that `check` has.
    #[test]
    fn form_names_limits() {
        for field in FIELDS {
            let limits: Vec<String> = match field.kind {
                Kind::Text(min, max) => vec![format!("{min} to {max} ")],
                Kind::Limited(max) => vec![format!("1 to {max} ")],
                Kind::Int(1, _) => vec!["at least 1".to_owned()],
                Kind::Int(min, max) => vec![format!("from {min} to {max}")],
                Kind::Amount(max) => vec![format!("from 0 to {max}")],
                Kind::List(0, max) | Kind::Items(max) => vec![format!("at most {max} ")],
                Kind::List(min, max) => vec![format!("{min} to {max} ")],
                _ => Vec::new(),
            };
            let form = field.kind.expectation();
            assert!(limits.iter().all(|limit| form.contains(limit)), "{}: {form}", field.path);
        }
    }

    #[test]
    fn addresses() {
        for good in
            ["a@b.co", "a.b+c'd@sub.example.com", "A@B.CO", "a@xn--exmple-cua.com", "a@b.xn--p1ai"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b.co",
            "nope",
            "a@localhost",
            "a@b.c",
            "a..b@c.de",
            ".a@b.co",
            "a.@b.co",
            "a@-b.co",
            "a@b-.co",
            "a@b..co",
            "a@exämple.com",
            "ä@b.co",
            "a b@c.de",
            "\"a\"@b.co",
            "a@[127.0.0.1]",
            "a@1.2.3.4",
            "a@b.co ",
            "a@b_c.de",
            "a@b.co\r\nBcc: x@y.zz",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{}@b.co", "x".repeat(65))));
    }

    #[test]
    fn whole_numbers_however_written() {
        let quantity = Kind::Int(1, i64::from(i32::MAX));
        for (value, expected) in [
            (json!(1), Some(json!(1))),
            (json!(2.0), Some(json!(2))),
            (json!(1e2), Some(json!(100))),
            (json!(0), None),
            (json!(-3), None),
            (json!(1.5), None),
            (json!("1"), None),
            (json!(true), None),
            (json!(1e300), None),
            (json!(9_007_199_254_740_993_i64), None),
            (json!(u64::MAX), None),
        ] {
            assert_eq!(quantity.check(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn shapes() {
        for (kind, good, bad) in [
            (Kind::Country, vec!["US", "ZZ"], vec!["us", "USA", "U", "12", "Wonderland", "😀"]),
            (Kind::Currency, vec!["USD", "XQX"], vec!["usd", "US", "中中中", "U$D"]),
            (Kind::Word, vec!["credit", "upi_intent", "pix"], vec!["", "Credit", "a b", "a-b"]),
            (Kind::Decimal, vec!["0", "10", "1.25"], vec!["", "-1", "1.", ".5", "1e3", "0x1"]),
            (Kind::Text(1, 3), vec!["a", "äöü", "a\nb"], vec!["", "abcd", "a\0", "\r", "\u{1b}["]),
        ] {
            for text in good {
                assert!(kind.check(json!(text)).is_some(), "{kind:?} {text}");
            }
            for text in bad {
                assert!(kind.check(json!(text)).is_none(), "{kind:?} {text:?}");
            }
            assert!(kind.check(json!(5)).is_none() && kind.check(json!({})).is_none());
        }
    }
}
