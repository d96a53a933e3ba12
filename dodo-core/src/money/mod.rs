//! Amounts in minor units, and currencies.

pub(crate) mod currency;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::currency::Currency;
use self::currency::minor_to_major;

/// An amount in signed minor units of its currency. Never added up across currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Money {
    /// The amount paid, with tax. Negative for a reversal.
    pub gross: i64,
    /// The tax in it, if it is known.
    pub tax: Option<i64>,
    /// `gross` without tax. Dodo Payments is the merchant of record, so tax is not income.
    pub net: i64,
    /// The currency.
    pub currency: Currency,
    /// The decimals of the currency: 2 means that 2000 is 20.00.
    pub exponent: u8,
}

impl Money {
    /// A charge: `net` is `gross` without `tax`.
    #[must_use]
    pub const fn new(gross: i64, tax: Option<i64>, currency: Currency) -> Self {
        let net = gross.saturating_sub(match tax {
            Some(tax) => tax,
            None => 0,
        });
        Self { gross, tax, net, currency, exponent: currency.exponent() }
    }

    /// Sets a number of decimals that differs from [`Currency::exponent`].
    #[doc(hidden)]
    #[must_use]
    pub const fn with_exponent(mut self, exponent: u8) -> Self {
        self.exponent = exponent;
        self
    }

    /// Sets the net amount.
    #[cfg(feature = "unstable-internals")]
    #[doc(hidden)]
    #[must_use]
    pub const fn with_net(mut self, net: i64) -> Self {
        self.net = net;
        self
    }

    /// The same amount with the opposite sign.
    #[doc(hidden)]
    #[must_use]
    pub const fn negated(mut self) -> Self {
        self.gross = self.gross.saturating_neg();
        self.net = self.net.saturating_neg();
        self.tax = match self.tax {
            Some(tax) => Some(tax.saturating_neg()),
            None => None,
        };
        self
    }

    /// `gross` in major units, as text.
    #[must_use]
    pub fn gross_major(&self) -> String {
        minor_to_major(self.gross, self.exponent)
    }

    /// `tax` in major units, as text.
    #[must_use]
    pub fn tax_major(&self) -> Option<String> {
        self.tax.map(|tax| minor_to_major(tax, self.exponent))
    }

    /// `net` in major units, as text.
    #[must_use]
    pub fn net_major(&self) -> String {
        minor_to_major(self.net, self.exponent)
    }
}

/// The net amount and its currency: `17.00 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.net_major(), self.currency)
    }
}
