//! Rules for the fields of a request that the contract's schemas do not state. Each resource lists its
//! own; [`COMMON`] holds for all.

use serde_json::{Map, Value};

use super::body;
use crate::{Error, money::MAX_AMOUNT};

/// The rule of a field's value. `null` always passes.
#[derive(Debug)]
pub(crate) enum Rule {
    /// A number from the first to the second.
    Range(i64, i64),
    /// A list with this number of items.
    Items(usize, usize),
    /// A text with this number of characters, without the blanks around it.
    Length(usize, usize),
    /// An absolute URL with one of these schemes; with any safe one if there are none.
    Url(&'static [&'static str]),
    Email,
    Metadata,
    /// A CSS color.
    Color,
    /// A length in `px`, `rem` or `em`.
    CssLength,
    /// A language, such as `en` or `pt-BR`.
    Language,
    /// A decimal number of credits.
    Credits,
    /// Absent, `false` or empty: the sandbox does not support the field, for this reason.
    Absent(&'static str),
}

/// Rules by the place of a field without positions, such as `product_cart.quantity`. `*` stands for one
/// name.
pub(crate) type Rules = &'static [(&'static str, Rule)];

/// A number that is at least this.
pub(crate) const fn at_least(least: i64) -> Rule {
    Rule::Range(least, i64::MAX)
}

/// An amount of money.
pub(crate) const AMOUNT: Rule = Rule::Range(0, MAX_AMOUNT);

/// Rules of every request.
pub(crate) const COMMON: Rules = &[
    ("metadata", Rule::Metadata),
    ("return_url", Rule::Url(&[])),
    ("cancel_url", Rule::Url(&[])),
    ("discount_codes", Rule::Items(0, 20)),
    ("quantity", at_least(1)),
    ("adaptive_currency_fees_inclusive", NO_ADAPTIVE_CURRENCY),
];

/// Prices are never converted, so there are no fees of a conversion.
pub(crate) const NO_ADAPTIVE_CURRENCY: Rule =
    Rule::Absent("the sandbox has no adaptive currency: leave the field out");

/// Checks a body.
///
/// # Errors
/// 422 with the place of the first field that breaks a rule.
pub(crate) fn check(rules: &[Rules], body: &Map<String, Value>) -> Result<(), Error> {
    walk(rules, body, "", "")
}

/// `form` is the place without positions.
fn walk(
    rules: &[Rules],
    fields: &Map<String, Value>,
    place: &str,
    form: &str,
) -> Result<(), Error> {
    for (name, value) in fields {
        let (place, form) = (join(place, name), join(form, name));
        for (_, rule) in rules.iter().copied().flatten().filter(|(own, _)| names(own, &form)) {
            if let Some(fault) = rule.fault(value) {
                return Err(Error::invalid(format!("{place}: {fault}")));
            }
            if let (Rule::Metadata, Value::Object(metadata)) = (rule, value) {
                body::check_metadata(metadata)?;
            }
        }
        match value {
            Value::Object(fields) => walk(rules, fields, &place, &form)?,
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    if let Value::Object(fields) = item {
                        walk(rules, fields, &format!("{place}[{at}]"), &form)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// Whether a rule's place names this one.
fn names(rule: &str, form: &str) -> bool {
    let (mut own, mut parts) = (rule.split('.'), form.split('.'));
    loop {
        match (own.next(), parts.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(own), Some(part)) if own == part => {}
            _ => return false,
        }
    }
}

impl Rule {
    /// The fault of a value of the contract's type.
    fn fault(&self, value: &Value) -> Option<String> {
        let (number, text) = (value.as_i64(), value.as_str());
        let wrong = match (self, text) {
            (Self::Range(least, most), _) => {
                number.is_some_and(|own| !(*least..=*most).contains(&own))
            }
            (Self::Items(least, most), _) => {
                value.as_array().is_some_and(|own| !(*least..=*most).contains(&own.len()))
            }
            (Self::Absent(_), _) => {
                let empty = value.as_array().is_some_and(Vec::is_empty);
                !(value.is_null() || value == &Value::Bool(false) || empty)
            }
            (Self::Metadata, _) | (_, None) => false,
            (Self::Length(least, most), Some(text)) => {
                !(*least..=*most).contains(&text.trim().chars().count())
            }
            (Self::Url(schemes), Some(text)) => !body::is_url(text, schemes),
            (Self::Email, Some(text)) => !body::is_email(text),
            (Self::Color, Some(text)) => !is_color(text),
            (Self::CssLength, Some(text)) => !is_css_length(text),
            (Self::Language, Some(text)) => !is_language(text),
            (Self::Credits, Some(text)) => crate::state::credits::Credits::parse(text).is_none(),
        };
        wrong.then(|| self.text())
    }

    /// The rule in words.
    fn text(&self) -> String {
        match self {
            Self::Range(least, i64::MAX | MAX_AMOUNT) => format!("must be at least {least}"),
            Self::Range(least, most) => format!("must be from {least} to {most}"),
            Self::Items(0, most) => format!("has at most {most} items"),
            Self::Items(least, most) => format!("has {least} to {most} items"),
            Self::Length(0, most) => format!("has at most {most} characters"),
            Self::Length(least, most) => format!("has {least} to {most} characters"),
            Self::Url([]) => "must be an absolute URL".to_owned(),
            Self::Url(schemes) => format!("must be an absolute {} URL", schemes.join(" or ")),
            Self::Email => "must be an e-mail address".to_owned(),
            Self::Metadata => String::new(),
            Self::Color => "must be a CSS color, such as #4338ca".to_owned(),
            Self::CssLength => "must be a number with px, rem or em, such as 8px".to_owned(),
            Self::Language => "must be a language code, such as en or pt-BR".to_owned(),
            Self::Credits => "must be a decimal number".to_owned(),
            Self::Absent(reason) => (*reason).to_owned(),
        }
    }
}

/// Letters, digits and the marks of color functions, so that the text stays inside its CSS rule.
fn is_color(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"#(),.%/ -".contains(&c);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn is_css_length(text: &str) -> bool {
    let number = ["px", "rem", "em"].into_iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| {
        let plain = |c: u8| c.is_ascii_digit() || c == b'.';
        number.len() <= 8 && number.bytes().all(plain) && number.parse::<f64>().is_ok()
    })
}

fn is_language(text: &str) -> bool {
    let (language, region) = text.split_once(['-', '_']).unwrap_or((text, "xx"));
    let letters = |part: &str, most| {
        (2..=most).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric())
    };
    letters(language, 3) && letters(region, 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rule_names_the_place_of_a_wrong_value() {
        static OWN: Rules = &[
            ("items.count", Rule::Range(1, 9)),
            ("look.*.ink", Rule::Color),
            ("gone", Rule::Absent("no")),
        ];
        for (body, expected) in [
            (
                json!({ "items": [{ "count": 1 }, { "count": 0 }] }),
                "items[1].count: must be from 1 to 9",
            ),
            (
                json!({ "look": { "dark": { "ink": "red;}" } } }),
                "look.dark.ink: must be a CSS color, such as #4338ca",
            ),
            (json!({ "look": { "dark": { "ink": "rgb(1 2 3 / 4%)" } } }), ""),
            (json!({ "gone": true }), "gone: no"),
            (json!({ "gone": false, "quantity": null }), ""),
            (json!({ "return_url": "javascript:alert(1)" }), "return_url: must be an absolute URL"),
            (
                json!({ "metadata": { "a": "x".repeat(501) } }),
                "metadata: values have at most 500 characters",
            ),
        ] {
            let fault = check(&[OWN, COMMON], body.as_object().unwrap()).err();
            assert_eq!(fault.as_ref().map_or("", Error::message), expected, "{body}");
        }
    }

    #[test]
    fn texts_of_a_theme_stay_inside_their_css_rule() {
        for (text, length) in [
            ("4px", true),
            ("0.5rem", true),
            ("1em", true),
            ("4", false),
            ("px", false),
            ("4px;", false),
            ("1e9px", false),
        ] {
            assert_eq!(is_css_length(text), length, "{text}");
        }
        for (text, language) in
            [("en", true), ("pt-BR", true), ("e", false), ("en\"", false), ("english", false)]
        {
            assert_eq!(is_language(text), language, "{text}");
        }
    }
}
