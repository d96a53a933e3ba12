//! Test mode and live mode.

use std::{fmt, str::FromStr};

use crate::{Error, ErrorKind};

/// Which of Dodo Payments' two worlds a key, a route or an event belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Environment {
    /// `test_mode`: no money moves.
    Test,
    /// `live_mode`: the default, as in Dodo's own SDKs.
    #[default]
    Live,
}

impl Environment {
    /// `test_mode` or `live_mode`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test_mode",
            Self::Live => "live_mode",
        }
    }

    /// Whether money moves.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Where the API lives.
    #[must_use]
    pub const fn api_base(self) -> &'static str {
        match self {
            Self::Test => "https://test.dodopayments.com",
            Self::Live => "https://live.dodopayments.com",
        }
    }

    /// Where the hosted checkout pages live.
    #[must_use]
    pub const fn checkout_base(self) -> &'static str {
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
    /// [`Config`](ErrorKind::Config) for anything but `test_mode` and `live_mode`: guessing could take
    /// real money, or none.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "test_mode" => Ok(Self::Test),
            "live_mode" => Ok(Self::Live),
            _ => Err(Error::new(
                ErrorKind::Config,
                "the environment is neither test_mode nor live_mode: check DODO_PAYMENTS_ENVIRONMENT",
            )),
        }
    }
}
