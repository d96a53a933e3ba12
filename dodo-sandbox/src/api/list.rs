//! Pages of lists: `page_size` and `page_number`, which begins at 0.

use http::Uri;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Json};
use crate::Error;

/// The query of a request, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A parameter as a number or another parsed value.
    ///
    /// # Errors
    /// 422 `INVALID_REQUEST_PARAMETERS` when it cannot be read.
    pub(crate) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let unreadable = |_| {
            Error::unprocessable("INVALID_REQUEST_PARAMETERS", format!("{name} cannot be read"))
        };
        self.get(name).map(|text| text.parse().map_err(unreadable)).transpose()
    }

    /// Whether the parameter is absent or equals this value.
    pub(crate) fn matches(&self, name: &str, value: Option<&str>) -> bool {
        self.get(name).is_none_or(|wanted| Some(wanted) == value)
    }
}

/// The filter `created_at_gte` and `created_at_lte`.
pub(crate) struct Created(Option<Timestamp>, Option<Timestamp>);

impl Created {
    /// Reads it.
    ///
    /// # Errors
    /// 422 when a date cannot be read.
    pub(crate) fn of(query: &Query) -> Result<Self, Error> {
        Ok(Self(query.parse("created_at_gte")?, query.parse("created_at_lte")?))
    }

    pub(crate) fn covers(&self, at: Timestamp) -> bool {
        self.0.is_none_or(|from| at >= from) && self.1.is_none_or(|to| at <= to)
    }
}

/// One page of `items`: newest first.
///
/// # Errors
/// 422 when the page's size or number cannot be used.
pub(crate) fn page<T>(
    query: &Query,
    items: impl DoubleEndedIterator<Item = T>,
    show: impl Fn(T) -> Value,
) -> Answer {
    let size: usize = query.parse("page_size")?.unwrap_or(10);
    let number: usize = query.parse("page_number")?.unwrap_or(0);
    if !(1..=100).contains(&size) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "page_size: 1 to 100"));
    }
    let items: Vec<_> =
        items.rev().skip(size.saturating_mul(number)).take(size).map(show).collect();
    Ok(Json(json!({ "items": items })))
}
