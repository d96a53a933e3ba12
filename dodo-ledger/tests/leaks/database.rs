//! Statements behind the ledger's back.

use std::str::FromStr;

use dodo_ledger::sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions, raw_sql,
    sqlite::SqliteConnectOptions,
};

use crate::{canary::PASSWORD, support::TestStore};

/// The URL of a store with a password in it that is a canary. A server that asks for none takes any;
/// one that does has its own in the URL.
pub(crate) fn url_with_password(store: &TestStore) -> String {
    let url = &store.url;
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, rest))) if !user.contains(':') => {
            format!("{scheme}://{user}:{PASSWORD}@{rest}")
        }
        _ => url.clone(),
    }
}

/// Runs a statement and keeps it out of the log: values stand in its text.
pub(crate) async fn run(store: &TestStore, statement: &str) {
    let sql = AssertSqlSafe(statement.to_owned());
    if store.url.starts_with("sqlite") {
        let options = SqliteConnectOptions::from_str(&store.url).unwrap();
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let options = PgConnectOptions::from_str(&store.url).unwrap();
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Makes a table refuse a row: the database then has something to say about that row.
pub(crate) async fn refuse(store: &TestStore, table: &str, condition: &str) {
    let statement = if store.url.starts_with("sqlite") {
        format!(
            "CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN NEW.{condition}
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    } else {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT refuse_{table} CHECK (NOT {condition}) NOT VALID"
        )
    };
    run(store, &statement).await;
}
