//! The test cards, and what happens when each is charged.

/// A card that always pays (Visa).
pub const OK: &str = "4242424242424242";
/// A card that always pays (Mastercard).
pub const OK_MASTERCARD: &str = "5555555555554444";
/// A card that is always declined: `GENERIC_DECLINE`.
pub const DECLINED: &str = "4000000000000002";
/// A card that is always declined: `INSUFFICIENT_FUNDS`.
pub const INSUFFICIENT_FUNDS: &str = "4000000000009995";
/// A card that can be saved and charged once, and fails at every renewal.
pub const RENEWAL_FAILS: &str = "4000000000000341";
/// An Indian card: the payment is `processing` for 48 hours, then succeeds.
pub const PROCESSING_INDIA: &str = "4576238912771450";

/// A payment method on file.
#[derive(Clone, Debug)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) holder: Option<String>,
    pub(crate) country: String,
}

/// The result of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    Paid,
    /// The bank answers later.
    Processing,
    Declined {
        code: &'static str,
        message: &'static str,
    },
}

impl PaymentMethod {
    /// Takes a card as a person types it, with blanks or dashes.
    pub(crate) fn new(number: &str, holder: Option<String>, country: &str) -> Self {
        let number = number.chars().filter(char::is_ascii_digit).take(19).collect();
        Self { id: crate::id::new("pm_"), number, holder, country: country.to_owned() }
    }

    /// Charges the method; `renewal` if the customer is absent.
    pub(crate) fn charge(&self, renewal: bool) -> Charge {
        match self.number.as_str() {
            OK | OK_MASTERCARD => Charge::Paid,
            RENEWAL_FAILS if !renewal => Charge::Paid,
            PROCESSING_INDIA => Charge::Processing,
            DECLINED | RENEWAL_FAILS => decline("GENERIC_DECLINE"),
            INSUFFICIENT_FUNDS => decline("INSUFFICIENT_FUNDS"),
            _ => decline("INCORRECT_NUMBER"),
        }
    }

    pub(crate) fn last_four(&self) -> &str {
        self.number.len().checked_sub(4).and_then(|at| self.number.get(at..)).unwrap_or("0000")
    }

    pub(crate) fn network(&self) -> &'static str {
        if self.number.starts_with('5') { "MASTERCARD" } else { "VISA" }
    }
}

/// A declined charge with the text for this code; unknown codes become `GENERIC_DECLINE`.
pub(crate) fn decline(code: &str) -> Charge {
    let (code, message) = DECLINES
        .iter()
        .find(|(known, _)| *known == code)
        .copied()
        .unwrap_or(("GENERIC_DECLINE", "The card was declined."));
    Charge::Declined { code, message }
}

/// Codes a charge can be declined with.
const DECLINES: [(&str, &str); 8] = [
    ("GENERIC_DECLINE", "The card was declined."),
    ("INSUFFICIENT_FUNDS", "The card has insufficient funds."),
    ("INCORRECT_NUMBER", "Only test cards work here, such as 4242 4242 4242 4242."),
    ("EXPIRED_CARD", "The card has expired."),
    ("INCORRECT_CVC", "The security code is wrong."),
    ("AUTHENTICATION_FAILURE", "The bank could not verify the cardholder."),
    ("FRAUDULENT", "The payment was refused as suspicious."),
    ("PROCESSING_ERROR", "The bank could not process the payment."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_card_does_what_its_name_says() {
        let charge = |number, renewal| PaymentMethod::new(number, None, "US").charge(renewal);
        let code = |number, renewal| match charge(number, renewal) {
            Charge::Declined { code, .. } => code,
            Charge::Paid => "paid",
            Charge::Processing => "processing",
        };
        for (number, renewal, expected) in [
            ("4242 4242 4242 4242", false, "paid"),
            (OK_MASTERCARD, true, "paid"),
            (DECLINED, false, "GENERIC_DECLINE"),
            (INSUFFICIENT_FUNDS, false, "INSUFFICIENT_FUNDS"),
            (RENEWAL_FAILS, false, "paid"),
            (RENEWAL_FAILS, true, "GENERIC_DECLINE"),
            (PROCESSING_INDIA, false, "processing"),
            ("1234", false, "INCORRECT_NUMBER"),
            ("", false, "INCORRECT_NUMBER"),
        ] {
            assert_eq!(code(number, renewal), expected, "{number} {renewal}");
        }
    }
}
