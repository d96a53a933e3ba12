//! Test mode and live mode.

use std::{fmt, str::FromStr};

use crate::{Error, env::variable};

/// The variable that names the mode.
pub(crate) const VARIABLE: &str = "DODO_PAYMENTS_ENVIRONMENT";

/// The mode of Dodo Payments that a key, a route or an event belongs to.
///
/// It has no default: a wrong guess books test money as revenue, or takes real money in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Environment {
    /// `test_mode`: no money moves.
    Test,
    /// `live_mode`: money moves.
    Live,
}

impl Environment {
    /// Reads `DODO_PAYMENTS_ENVIRONMENT`. Default: `live_mode`, as in Dodo's own SDKs.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for any other value than `test_mode` and `live_mode`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        match variable(VARIABLE)? {
            Some(text) => text.parse().map_err(|error: Error| error.with_field(VARIABLE)),
            None => Ok(Self::Live),
        }
    }

    /// Returns `test_mode` or `live_mode`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test_mode",
            Self::Live => "live_mode",
        }
    }

    /// Returns whether money moves.
    #[must_use]
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Returns the address of the API.
    pub(crate) const fn api_base(self) -> &'static str {
        match self {
            Self::Test => "https://test.dodopayments.com",
            Self::Live => "https://live.dodopayments.com",
        }
    }

    /// Returns the address of the hosted checkout pages.
    #[must_use]
    pub(crate) const fn checkout_base(self) -> &'static str {
        match self {
            Self::Test => "https://test.checkout.dodopayments.com",
            Self::Live => "https://checkout.dodopayments.com",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = Error;

    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for any other text than `test_mode` and `live_mode`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "test_mode" => Ok(Self::Test),
            "live_mode" => Ok(Self::Live),
            _ => Err(Error::config("unknown mode: write test_mode or live_mode")),
        }
    }
}
