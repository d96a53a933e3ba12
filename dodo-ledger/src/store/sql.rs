//! One text per statement for both databases.
//!
//! Both take `$1` placeholders, `ON CONFLICT`, `RETURNING` and `WITH ... AS MATERIALIZED`. Where they
//! differ, a statement names a word of [`sql!`](crate::store::sql::sql) instead of a literal, so that
//! no statement is written twice. Times are milliseconds since 1970 in `BIGINT`, flags are 0 and 1,
//! JSON is text.

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
/// - `BYTES`: the column type of a body.
/// - `KEY`: the column type of an id: text in the order of its bytes, as in Rust.
macro_rules! sql {
    (@sqlite NOW) => { "CAST(unixepoch('subsec') * 1000 AS INTEGER)" };
    (@postgres NOW) => { "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)" };
    (@sqlite SKIP_LOCKED) => { "" };
    (@postgres SKIP_LOCKED) => { " FOR UPDATE SKIP LOCKED" };
    (@sqlite BYTES) => { "BLOB" };
    (@postgres BYTES) => { "BYTEA" };
    (@sqlite KEY) => { "TEXT" };
    (@postgres KEY) => { "TEXT COLLATE \"C\"" };
    (@$dialect:ident $text:literal) => { $text };
    ($($piece:tt)+) => {
        $crate::store::sql::Sql {
            sqlite: concat!($(sql!(@sqlite $piece)),+),
            postgres: concat!($(sql!(@postgres $piece)),+),
        }
    };
}
pub(crate) use sql;

/// A value bound to a placeholder. `None` is `NULL` of that type.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
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
