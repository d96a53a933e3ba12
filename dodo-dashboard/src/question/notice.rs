use std::fmt;

use super::MOST_CONDITIONS;

/// A part of the query string that the page ignores. The page shows it as a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// No parameter has this name.
    UnknownParameter { name: String, meant: Option<String> },
    /// The parameter does not accept this value.
    UnknownValue { name: &'static str, value: String, allowed: String },
    /// A repeated parameter: the first one counts.
    Repeated(&'static str),
    /// The first day is after the last.
    WrongWayRound,
    /// More conditions than are allowed.
    TooManyConditions,
    /// The interval has too many columns in this period.
    TooManyColumns(&'static str),
    /// Money of this currency is not in the ledger.
    NoSuchCurrency(String),
    /// Checkout sessions do not have this dimension.
    NotInFunnel(&'static str),
    /// Conditions do not select subscriptions.
    NotFiltered,
    /// The cursor belongs to another table.
    UnknownCursor,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParameter { name, meant } => {
                write!(f, "“{name}” is not a parameter")?;
                match meant {
                    Some(meant) => write!(f, ". Did you mean {meant}?"),
                    None => f.write_str(", so it changes nothing."),
                }
            }
            Self::UnknownValue { name, value, allowed } => {
                write!(f, "{name} does not take “{value}”. It takes {allowed}.")
            }
            Self::Repeated(name) => write!(f, "{name} is there twice. The first one counts."),
            Self::WrongWayRound => {
                f.write_str("The first day is after the last one. The page shows the last 28 days.")
            }
            Self::TooManyConditions => {
                write!(f, "The page filters by the first {MOST_CONDITIONS} conditions.")
            }
            Self::TooManyColumns(interval) => {
                write!(f, "The period is too long for columns of one {interval}.")
            }
            Self::NoSuchCurrency(code) => write!(f, "The ledger holds no payment in {code}."),
            Self::NotInFunnel(by) => write!(
                f,
                "Checkout sessions have no {}, so this condition changes nothing here.",
                by.to_lowercase()
            ),
            Self::NotFiltered => f.write_str(
                "This page shows all subscriptions: the conditions of other pages change nothing here.",
            ),
            Self::UnknownCursor => {
                f.write_str("The link to this page of the table is too old. This is the first one.")
            }
        }
    }
}
