//! The query string, which selects the content of a page. [`Question::parse`] reads it, `Display`
//! prints it.
//!
//! The printed form is canonical: sorted, and without defaults. Links and the entity tag use it.

mod notice;
mod parse;
mod print;
mod values;

use dodo_core::money::Currency;
use jiff::civil::Date;

pub(crate) use self::{
    notice::Notice,
    parse::Parsed,
    values::{By, Format, Interval, Mode, Page, Period, Preset, Sort, Versus},
};

/// The most conditions in one question.
pub(crate) const MOST_CONDITIONS: usize = 5;
/// The most characters of one value.
const LONGEST_VALUE: usize = 200;
/// The most bytes of a query string.
const LONGEST_QUERY: usize = 4096;

/// The content of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) page: Page,
    pub(crate) period: Period,
    pub(crate) versus: Versus,
    pub(crate) by: By,
    /// `None`: the currency with most charges.
    pub(crate) currency: Option<Currency>,
    /// At most [`MOST_CONDITIONS`], each once, in their order.
    pub(crate) conditions: Vec<Condition>,
    /// `None`: by the length of the period.
    pub(crate) interval: Option<Interval>,
    pub(crate) sort: Sort,
    pub(crate) ascending: bool,
    /// The rows before the page of a table, `_`, and the cursor of the ledger; or the cursor alone.
    pub(crate) after: Option<String>,
    /// An exact id or e-mail address.
    pub(crate) search: Option<String>,
    /// The payment, person or subscription of a page about one.
    pub(crate) id: Option<String>,
    /// The first day of the month of the churn by plan. It leaves the period of the other pages as it is.
    pub(crate) month: Option<Date>,
    /// `None`: live money, or test money if there is no other.
    pub(crate) mode: Option<Mode>,
    pub(crate) format: Format,
    /// Only the part that changes, for the script.
    pub(crate) live: bool,
    /// The table of a CSV file.
    pub(crate) table: Option<String>,
}

/// Only rows with, or without, this value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    pub(crate) by: By,
    /// `None`: no value, which is not attributed money for a campaign.
    pub(crate) value: Option<String>,
    /// Excludes these rows.
    pub(crate) excluded: bool,
}

impl Question {
    /// The same view on another page, from its first row on.
    pub(crate) fn on(&self, page: Page) -> Self {
        let mut other = self.at_the_top();
        other.page = page;
        (other.id, other.search, other.month) = (None, None, None);
        (other.sort, other.ascending) = (Sort::default(), false);
        other
    }

    /// The number of rows before this page of a table. `None`: the link does not have it.
    pub(crate) fn skipped(&self) -> Option<u64> {
        self.after.as_deref().map_or(Some(0), |after| split(after).0)
    }

    /// The cursor of the ledger.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.after.as_deref().map(|after| split(after).1)
    }

    /// The page about one object.
    pub(crate) fn about(&self, page: Page, id: &str) -> Self {
        let mut other = self.on(page);
        other.id = Some(id.to_owned());
        other
    }

    /// The same question from the first row on, as a page.
    pub(crate) fn at_the_top(&self) -> Self {
        let mut other = self.clone();
        (other.after, other.table) = (None, None);
        (other.format, other.live) = (Format::Html, false);
        other
    }

    /// With one condition more. `None`: there is no room for it, or its value is too long.
    pub(crate) fn with(&self, condition: Condition) -> Option<Self> {
        if condition.value.as_ref().is_some_and(|value| {
            value.chars().count() > LONGEST_VALUE - condition.by.name().len() - 1 || value == "!"
        }) {
            return None;
        }
        let mut other = self.at_the_top();
        if let Err(at) = other.conditions.binary_search(&condition) {
            if other.conditions.len() == MOST_CONDITIONS {
                return None;
            }
            other.conditions.insert(at, condition);
        }
        Some(other)
    }

    /// Without a condition.
    pub(crate) fn without(&self, condition: &Condition) -> Self {
        let mut other = self.at_the_top();
        other.conditions.retain(|kept| kept != condition);
        other
    }
}

/// No cursor of the ledger begins with digits and `_`.
fn split(after: &str) -> (Option<u64>, &str) {
    let parts = after.split_once('_').and_then(|(rows, cursor)| Some((rows.parse().ok()?, cursor)));
    parts.map_or((None, after), |(rows, cursor)| (Some(rows), cursor))
}

#[cfg(test)]
mod tests;
