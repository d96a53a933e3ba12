//! Formatted money: `$1,234.50`, `¥500`, `KWD 1.500`. Integer arithmetic only.

use dodo_core::money::{Currency, Money};

/// An amount in minor units of a currency with this many decimals.
///
/// A minus sign is U+2212, as in a printed table. Currencies without a well-known sign of their own
/// show their code.
#[must_use]
pub(crate) fn display(minor: i64, currency: Currency, exponent: u8) -> String {
    let mut money = Money::new(minor, None, currency);
    money.exponent = exponent;
    let text = money.gross_major();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("\u{2212}", digits),
        None => ("", text.as_str()),
    };
    let (whole, decimals) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    format!("{sign}{}{}{decimals}", symbol(currency), grouped(whole))
}

fn symbol(currency: Currency) -> String {
    match currency.as_str() {
        "USD" => "$".into(),
        "EUR" => "€".into(),
        "GBP" => "£".into(),
        "JPY" => "¥".into(),
        "INR" => "₹".into(),
        "KRW" => "₩".into(),
        other => format!("{other}\u{a0}"),
    }
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

#[cfg(test)]
mod tests {
    use super::display;

    #[test]
    fn every_currency_in_its_own_decimals() {
        for (minor, currency, exponent, text) in [
            (1900, "USD", 2, "$19.00"),
            (0, "USD", 2, "$0.00"),
            (5, "USD", 2, "$0.05"),
            (-5, "EUR", 2, "\u{2212}€0.05"),
            (123_456_789, "GBP", 2, "£1,234,567.89"),
            (500, "JPY", 0, "¥500"),
            (1500, "JPY", 0, "¥1,500"),
            (-100_000, "KRW", 0, "\u{2212}₩100,000"),
            (1500, "KWD", 3, "KWD\u{a0}1.500"),
            (i64::MIN, "JPY", 0, "\u{2212}¥9,223,372,036,854,775,808"),
        ] {
            assert_eq!(display(minor, currency.parse().unwrap(), exponent), text);
        }
    }
}
