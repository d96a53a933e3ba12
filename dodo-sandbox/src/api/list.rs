//! Lists: pages, filters and dates, the same for every resource.

use http::Uri;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use crate::{
    Error,
    state::{
        World,
        table::{Row, Table},
    },
};

/// The decoded query of a page's address.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
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
pub(crate) trait Listed: Row {
    /// For the filters `created_at_gte` and `created_at_lte`.
    fn created_at(&self) -> Timestamp;

    /// With all fields that any answer has. The contract takes out those that an answer lacks.
    fn json(&self, world: &World) -> Value;

    /// Whether a parameter of the query selects this object.
    fn matches(&self, world: &World, name: &str, wanted: &str) -> bool {
        field_matches(&self.json(world), name, wanted)
    }
}

/// Whether a field has this value, or is a list that has it.
pub(crate) fn field_matches(object: &Value, name: &str, wanted: &str) -> bool {
    match object.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => text.eq_ignore_ascii_case(wanted),
        Some(Value::Array(items)) => items.iter().any(|item| item == wanted),
        Some(Value::Bool(own)) => wanted == if *own { "true" } else { "false" },
        Some(other) => other.as_i64().is_some_and(|own| Ok(own) == wanted.parse()),
    }
}

/// Answers the list of a table: newest first, one page of those that the query selects.
///
/// # Errors
/// 422 if the page's size is not from 1 to 100.
pub(crate) fn list<T: Listed>(world: &World, call: &Call, rows: &Table<T>) -> Result<Reply, Error> {
    list_of(world, call, rows.iter().rev())
}

/// As [`list`], for rows in this order.
///
/// # Errors
/// As [`list`].
pub(crate) fn list_of<'a, T: Listed + 'a>(
    world: &World,
    call: &Call,
    rows: impl Iterator<Item = &'a T>,
) -> Result<Reply, Error> {
    let (from, to): (Option<Timestamp>, Option<Timestamp>) =
        (call.parse("created_at_gte")?, call.parse("created_at_lte")?);
    let own = ["page_size", "page_number", "created_at_gte", "created_at_lte"];
    let filters: Vec<_> =
        call.query.iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
    let rows = rows.filter(|row| {
        from.is_none_or(|from| row.created_at() >= from)
            && to.is_none_or(|to| row.created_at() <= to)
            && filters.iter().all(|(name, wanted)| row.matches(world, name, wanted))
    });
    page(world, call, rows, |row| row.json(world))
}

/// Answers one page of these items.
///
/// # Errors
/// As [`list`].
pub(crate) fn page<T>(
    world: &World,
    call: &Call,
    items: impl Iterator<Item = T>,
    show: impl Fn(T) -> Value,
) -> Result<Reply, Error> {
    let size: usize = call.parse("page_size")?.unwrap_or(10);
    let first = usize::from(world.settings.pages_from > 0);
    let number: usize = call.parse("page_number")?.unwrap_or(first);
    if !(1..=100).contains(&size) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "page_size: 1 to 100"));
    }
    let skipped = size.saturating_mul(number.saturating_sub(first));
    let items: Vec<_> = items.skip(skipped).take(size).map(show).collect();
    Ok(Reply::Json(json!({ "items": items })))
}
