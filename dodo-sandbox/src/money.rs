//! Amounts in minor units: decimals, tax and conversion, by checked integer arithmetic.

use crate::Error;

/// The largest amount, in minor units: the API's amounts are 32-bit integers.
pub(crate) const MAX_AMOUNT: i64 = i32::MAX as i64;

/// `unit` times `quantity`.
///
/// # Errors
/// 422 when the result is more than [`MAX_AMOUNT`].
pub(crate) fn times(unit: i64, quantity: u32) -> Result<i64, Error> {
    bounded(unit.checked_mul(i64::from(quantity)))
}

/// The sum.
///
/// # Errors
/// 422 when the result is more than [`MAX_AMOUNT`].
pub(crate) fn plus(a: i64, b: i64) -> Result<i64, Error> {
    bounded(a.checked_add(b))
}

fn bounded(amount: Option<i64>) -> Result<i64, Error> {
    amount
        .filter(|amount| (0..=MAX_AMOUNT).contains(amount))
        .ok_or_else(|| Error::invalid("product_cart: the total amount is too large"))
}

/// `amount` times `numerator / denominator`, rounded half up.
pub(crate) fn share(amount: i64, numerator: i64, denominator: i64) -> i64 {
    let (n, d) = (i128::from(numerator), i128::from(denominator.max(1)));
    i64::try_from((i128::from(amount) * n * 2 + d).div_euclid(d * 2)).unwrap_or(i64::MAX)
}

/// An amount with its tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taxed {
    /// The amount that the customer pays, with tax.
    pub(crate) total: i64,
    /// The tax in it.
    pub(crate) tax: i64,
}

/// Applies a tax rate in basis points to `amount`, which holds the tax already if `inclusive`.
pub(crate) fn taxed(amount: i64, rate: i64, inclusive: bool) -> Taxed {
    if inclusive {
        Taxed { total: amount, tax: share(amount, rate, 10_000 + rate) }
    } else {
        let tax = share(amount, rate, 10_000);
        Taxed { total: amount.saturating_add(tax), tax }
    }
}

/// The rate of the tax on digital goods, in basis points: a small table, 0 elsewhere.
pub(crate) fn tax_rate(country: &str) -> i64 {
    match country {
        "DE" => 1900,
        "AT" | "FR" | "GB" => 2000,
        "BE" | "ES" | "NL" => 2100,
        "IT" => 2200,
        "IE" | "PL" => 2300,
        "SE" => 2500,
        "CH" => 810,
        "IN" => 1800,
        "AU" | "JP" => 1000,
        _ => 0,
    }
}

/// The value of one major unit in US cents times 100. It is fixed, so that tests can predict
/// amounts.
fn usd_rate(currency: &str) -> Option<i64> {
    Some(match currency {
        "USD" => 10_000,
        "EUR" => 10_800,
        "GBP" => 12_700,
        "JPY" => 67,
        "KWD" => 32_500,
        "INR" => 119,
        _ => return None,
    })
}

/// What Dodo credits to the merchant, in US dollars, or in the currency itself where the sandbox has
/// no rate: the settlement currency, and a function that converts.
pub(crate) fn settlement(currency: &str) -> (String, impl Fn(i64) -> i64 + use<>) {
    let rate = usd_rate(currency);
    let minor_per_major = 10_i64.pow(decimals(currency));
    let name = if rate.is_some() { "USD" } else { currency };
    let convert = move |amount| match rate {
        Some(rate) => share(amount, rate, minor_per_major * 100).min(MAX_AMOUNT),
        None => amount,
    };
    (name.to_owned(), convert)
}

/// The decimals of a currency in the sandbox, by its code in upper case: ISO 4217, with Dodo's
/// exception that MGA has none.
#[must_use]
pub fn decimals(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF"
        | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// The formatted amount: `JPY 4,800`, `USD 29.00`, `KWD 4.900`, `USD -5.00`.
pub(crate) fn show(amount: i64, currency: &str) -> String {
    let plain = major(amount, currency);
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (digits, fraction) = match plain.split_once('.') {
        Some((digits, fraction)) => (digits, format!(".{fraction}")),
        None => (plain, String::new()),
    };
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{currency} {sign}{grouped}{fraction}")
}

/// The amount in major units: `4800`, `29.00`, `-5.00`.
pub(crate) fn major(amount: i64, currency: &str) -> String {
    let scale = 10_u64.pow(decimals(currency));
    let (whole, minor) = (amount.unsigned_abs() / scale, amount.unsigned_abs() % scale);
    let sign = if amount < 0 { "-" } else { "" };
    match decimals(currency) as usize {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{minor:0width$}"),
    }
}

/// Reads an amount in major units as people type it; `None` for anything else, for more decimals
/// than the currency has, and for more than [`MAX_AMOUNT`].
pub(crate) fn parse(text: &str, currency: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let places = decimals(currency) as usize;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > places {
        return None;
    }
    let minor: i64 = format!("{whole}{fraction:0<places$}").parse().ok()?;
    Some(minor).filter(|minor| *minor <= MAX_AMOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_their_own_decimals() {
        for (amount, currency, text) in [
            (4900, "USD", "USD 49.00"),
            (4800, "JPY", "JPY 4,800"),
            (4900, "KWD", "KWD 4.900"),
            (12_345, "CLF", "CLF 1.2345"),
            (123_456_789, "EUR", "EUR 1,234,567.89"),
            (-500, "USD", "USD -5.00"),
            (7, "USD", "USD 0.07"),
            (i64::MIN, "JPY", "JPY -9,223,372,036,854,775,808"),
        ] {
            assert_eq!(show(amount, currency), text);
        }
    }

    #[test]
    fn typed_amounts_are_read_exactly() {
        for (text, currency, amount) in [
            ("5", "USD", Some(500)),
            ("5.5", "USD", Some(550)),
            ("0.07", "USD", Some(7)),
            ("4800", "JPY", Some(4800)),
            ("4.9", "KWD", Some(4900)),
            ("4800.0", "JPY", None),
            ("5.555", "USD", None),
            ("-5", "USD", None),
            ("1e9", "USD", None),
            ("", "USD", None),
            ("99999999999999999999", "USD", None),
        ] {
            assert_eq!(parse(text, currency), amount, "{text} {currency}");
        }
    }

    #[test]
    fn tax_is_added_or_taken_out() {
        assert_eq!(taxed(4900, 1900, false), Taxed { total: 5831, tax: 931 });
        assert_eq!(taxed(5831, 1900, true), Taxed { total: 5831, tax: 931 });
        assert_eq!(taxed(0, 1900, false), Taxed { total: 0, tax: 0 });
    }

    #[test]
    fn settlement_converts_between_decimals() {
        let cents = |amount, currency| settlement(currency).1(amount);
        assert_eq!(cents(5831, "EUR"), 6297);
        assert_eq!(cents(4800, "JPY"), 3216);
        assert_eq!(cents(1000, "KWD"), 325);
        assert_eq!(settlement("SEK").0, "SEK");
    }

    #[test]
    fn overflowing_amounts_are_refused() {
        assert!(times(i64::MAX, 2).is_err());
        assert!(times(MAX_AMOUNT, 2).is_err());
        assert!(plus(i64::MAX, 1).is_err());
        assert_eq!(times(4900, 3).unwrap(), 14_700);
    }
}
