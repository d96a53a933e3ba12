//! One text per statement for both databases.
//!
//! Both take `$1` placeholders, `ON CONFLICT`, `RETURNING` and `WITH ... AS MATERIALIZED`. Where they
//! differ, a statement names a word of [`sql!`](crate::store::sql::sql) instead of a literal, so that
//! no statement is written twice. Times are milliseconds since 1970 in `BIGINT`, flags are 0 and 1,
//! JSON is text.

use std::time::Duration;

use crate::error::Error;

/// One statement in the words of both databases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "the other database is off"))]
    pub(crate) sqlite: &'static str,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the other database is off"))]
    pub(crate) postgres: &'static str,
}

/// Builds a [`Sql`] from literals and these words:
///
/// - `NOW`: the *database's* clock in milliseconds, one value per statement. Leases are compared by
///   it alone, so the clocks of the hosts do not matter.
/// - `SKIP_LOCKED`: pass over rows that another transaction is claiming. SQLite has one writer.
/// - `LOCKED`: wait for whoever has taken the row, and see what became of it.
/// - `PENDING`: the row is pending, where it is found by its key. SQLite might rather go by an index of
///   what is pending, and look at all of that for each given row; an expression is in no index.
/// - `BYTES`: the column type of a body.
/// - `KEY`: the column type of an id: text in the order of its bytes, as in Rust.
/// - `(rows 1: 1 id TEXT, 2 at BIGINT)`: a table `given` of these columns, bound as one [`Rows`] in the
///   place of a value. PostgreSQL takes an array for each column (`$1`, `$2`), SQLite the whole as JSON
///   (`$1`, the number before the colon).
macro_rules! sql {
    (@sqlite NOW) => { "CAST(unixepoch('subsec') * 1000 AS INTEGER)" };
    (@postgres NOW) => { "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)" };
    (@sqlite SKIP_LOCKED) => { "" };
    (@postgres SKIP_LOCKED) => { " FOR UPDATE SKIP LOCKED" };
    (@sqlite LOCKED) => { "" };
    (@postgres LOCKED) => { " FOR UPDATE" };
    (@sqlite PENDING) => { "state || '' = 'pending'" };
    (@postgres PENDING) => { "state = 'pending'" };
    (@sqlite BYTES) => { "BLOB" };
    (@postgres BYTES) => { "BYTEA" };
    (@sqlite KEY) => { "TEXT" };
    (@postgres KEY) => { "TEXT COLLATE \"C\"" };
    (@sqlite (rows $set:literal: $first:literal $head:ident $_type:ident
              $(, $place:literal $name:ident $_types:ident)*)) => {
        concat!(
            "(SELECT value ->> 0 AS ", stringify!($head),
            $(", value ->> (", $place, " - ", $first, ") AS ", stringify!($name),)*
            " FROM json_each($", $set, ")) AS given"
        )
    };
    (@postgres (rows $_set:literal: $first:literal $head:ident $type:ident
                $(, $place:literal $name:ident $types:ident)*)) => {
        concat!(
            "unnest($", $first, "::", stringify!($type), "[]"
            $(, ", $", $place, "::", stringify!($types), "[]")*,
            ") AS given (", stringify!($head) $(, ", ", stringify!($name))*, ")"
        )
    };
    (@$dialect:ident $text:literal) => { $text };
    ($($piece:tt)+) => {
        $crate::store::sql::Sql {
            sqlite: concat!($(sql!(@sqlite $piece)),+),
            postgres: concat!($(sql!(@postgres $piece)),+),
        }
    };
}
pub(crate) use sql;

/// A time as the statements count it, never so long that the database could not add it to another.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// A value bound to a placeholder. `None` is `NULL` of that type.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
    /// A table: the `rows` of [`sql!`](crate::store::sql::sql).
    Rows(Rows),
}

/// Many rows for one statement, column by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    len: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Column {
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
}

impl Rows {
    /// Adds a row. All rows have the same columns; bytes and tables cannot be in one.
    pub(crate) fn push(&mut self, row: Vec<Arg>) {
        if self.columns.is_empty() {
            let column = |arg: &Arg| match arg {
                Arg::Int(_) => Column::Int(Vec::new()),
                _ => Column::Text(Vec::new()),
            };
            self.columns = row.iter().map(column).collect();
        }
        for (column, arg) in self.columns.iter_mut().zip(row) {
            match (column, arg) {
                (Column::Text(column), Arg::Text(text)) => column.push(text),
                (Column::Int(column), Arg::Int(int)) => column.push(int),
                (Column::Text(column), _) => column.push(None),
                (Column::Int(column), _) => column.push(None),
            }
        }
        self.len += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One text for each row of one column.
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut rows = Self::default();
        texts.into_iter().for_each(|text| rows.push(vec![Arg::Text(Some(text.into()))]));
        rows
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// As a JSON array of arrays.
    #[cfg(feature = "sqlite")]
    pub(crate) fn to_json(&self) -> String {
        use serde_json::Value;
        let cell = |row: usize| {
            move |column: &Column| match column {
                Column::Text(texts) => texts.get(row).cloned().flatten().map(Value::from),
                Column::Int(ints) => ints.get(row).copied().flatten().map(Value::from),
            }
        };
        let rows = (0..self.len).map(|row| {
            self.columns.iter().map(|column| cell(row)(column).unwrap_or_default()).collect()
        });
        Value::Array(rows.collect()).to_string()
    }
}

macro_rules! arg_from { ($($from:ty => $variant:ident, $value:ident => $to:expr;)*) => { $(
    impl From<$from> for Arg {
        fn from($value: $from) -> Self { Self::$variant($to) }
    }
)* } }
arg_from! {
    &str => Text, v => Some(v.to_owned());
    &String => Text, v => Some(v.clone());
    String => Text, v => Some(v);
    Option<&str> => Text, v => v.map(str::to_owned);
    Option<String> => Text, v => v;
    i64 => Int, v => Some(v);
    u32 => Int, v => Some(i64::from(v));
    bool => Int, v => Some(i64::from(v));
    Option<i64> => Int, v => v;
    &[u8] => Bytes, v => Some(v.to_vec());
    Option<Vec<u8>> => Bytes, v => v;
    Rows => Rows, v => v;
}

/// The arguments of a statement, `$1` first.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Arg::from($value)),*] };
}
pub(crate) use args;

/// A value of a result row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Bytes(Vec<u8>),
}

/// A result row; columns are read by position, in the order of the statement.
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Row {
    fn cell(&mut self, column: usize) -> Cell {
        self.0.get_mut(column).map_or(Cell::Null, |cell| std::mem::replace(cell, Cell::Null))
    }

    /// Takes a text, or `None` for `NULL`.
    pub(crate) fn opt_text(&mut self, column: usize) -> Result<Option<String>, Error> {
        match self.cell(column) {
            Cell::Text(text) => Ok(Some(text)),
            Cell::Null => Ok(None),
            _ => Err(Error::corrupt("a column of the ledger is not text")),
        }
    }

    /// Takes a text that is never `NULL`.
    pub(crate) fn text(&mut self, column: usize) -> Result<String, Error> {
        self.opt_text(column)?.ok_or_else(|| Error::corrupt("a column of the ledger is empty"))
    }

    /// Takes an integer, or `None` for `NULL`.
    pub(crate) fn opt_int(&mut self, column: usize) -> Result<Option<i64>, Error> {
        match self.cell(column) {
            Cell::Int(int) => Ok(Some(int)),
            Cell::Null => Ok(None),
            _ => Err(Error::corrupt("a column of the ledger is not an integer")),
        }
    }

    /// Takes an integer that is never `NULL`.
    pub(crate) fn int(&mut self, column: usize) -> Result<i64, Error> {
        self.opt_int(column)?.ok_or_else(|| Error::corrupt("a column of the ledger is empty"))
    }

    /// Takes bytes, or `None` for `NULL`.
    pub(crate) fn opt_bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        match self.cell(column) {
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            Cell::Null => Ok(None),
            _ => Err(Error::corrupt("a column of the ledger is not bytes")),
        }
    }
}
