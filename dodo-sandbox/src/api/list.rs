//! Lists: pages, filters and dates, the same for every resource.

use std::fmt;

use http::Uri;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    resource::Write,
};
use crate::{
    Error,
    state::{
        SandboxState,
        table::{Row, Table},
    },
};

/// The decoded query of a page's address.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn from_uri(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as a number or another parsed value.
    ///
    /// # Errors
    /// 422 if it cannot be read.
    pub(crate) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let unreadable = |_| {
            Error::unprocessable("INVALID_REQUEST_PARAMETERS", format!("{name} cannot be read"))
        };
        self.get(name).map(|text| text.parse().map_err(unreadable)).transpose()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// An object that the API lists.
pub(crate) trait Listed: Row + fmt::Debug + Sized + Sync + 'static {
    /// The JSON of the object in the API. `None`: the object has its own routes.
    const WRITE: Option<Write<Self>> = None;

    /// The objects of a resource with this path; `None` before the first one.
    fn table<'a>(state: &'a SandboxState, path: &str) -> Option<&'a Table<Self>>;

    /// Removes an object, if its resource permits that.
    fn remove(_state: &mut SandboxState, _path: &str, _id: &str) {}

    /// For the filters `created_at_gte` and `created_at_lte`.
    fn created_at(&self) -> Timestamp;

    /// The JSON with the fields of every answer and webhook. The contract removes the fields that
    /// an answer lacks.
    fn json(&self, state: &SandboxState) -> Value;

    /// The JSON of an answer for the object alone.
    fn details(&self, state: &SandboxState) -> Value {
        self.json(state)
    }

    /// The fields that a change begins with.
    fn own_fields(&self, state: &SandboxState) -> Value {
        self.details(state)
    }

    /// Whether a field has this value.
    fn has_value(&self, _name: &str, _wanted: &str) -> bool {
        false
    }

    /// Whether lists show it only on request.
    fn is_archived(&self) -> bool {
        false
    }
}

/// Parameters of lists that select no field.
const PAGING: [&str; 7] = [
    "page_size",
    "page_number",
    "created_at_gte",
    "created_at_lte",
    "archived",
    "deleted",
    "include_archived",
];

/// Answers a list: newest first, one page of the objects that the query and the path select.
///
/// # Errors
/// 422 if the page's size is not from 1 to 100.
pub(crate) fn list<T: Listed>(
    state: &SandboxState,
    call: &Call,
    table: Option<&Table<T>>,
    parents: &[&str],
    selects: impl Fn(&T, &str, &str) -> bool,
) -> Result<Reply, Error> {
    let (from, to): (Option<Timestamp>, Option<Timestamp>) =
        (call.parse("created_at_gte")?, call.parse("created_at_lte")?);
    let archived = call.query("archived").or(call.query("deleted")) == Some("true");
    let all = call.query("include_archived") == Some("true");
    let query = call.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let path = parents.iter().copied().zip(call.path.iter().map(|(_, value)| value.as_str()));
    let filters: Vec<_> = query.filter(|(name, _)| !PAGING.contains(name)).chain(path).collect();
    let rows = table.into_iter().flat_map(|table| table.iter().rev()).filter(|row| {
        from.is_none_or(|from| row.created_at() >= from)
            && to.is_none_or(|to| row.created_at() <= to)
            && (all || row.is_archived() == archived)
            && filters.iter().all(|(name, wanted)| selects(row, name, wanted))
    });
    page(state, call, rows, |row| row.json(state))
}

/// Answers one page of these items.
///
/// # Errors
/// As [`list`].
pub(crate) fn page<T>(
    state: &SandboxState,
    call: &Call,
    items: impl Iterator<Item = T>,
    show: impl Fn(T) -> Value,
) -> Result<Reply, Error> {
    let size: usize = call.parse("page_size")?.unwrap_or(10);
    let first = usize::from(state.settings.pages_from > 0);
    let number: usize = call.parse("page_number")?.unwrap_or(first);
    if !(1..=100).contains(&size) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "page_size: 1 to 100"));
    }
    let skipped = size.saturating_mul(number.saturating_sub(first));
    let items: Vec<_> = items.skip(skipped).take(size).map(show).collect();
    Ok(Reply::Json(json!({ "items": items })))
}
