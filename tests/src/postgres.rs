//! PostgreSQL for tests: the server that is named, and a schema of a test's own.

use dodo_ledger::sqlx::{self, Connection, PgConnection};

/// The server of the tests, from `DODO_TEST_POSTGRES_URL`. Without one the test says that it was skipped.
///
/// # Panics
/// Without one, if `DODO_REQUIRE_POSTGRES=1`.
#[must_use]
pub fn server(test: &str) -> Option<String> {
    let server = std::env::var("DODO_TEST_POSTGRES_URL").ok();
    if server.is_none() {
        let required = std::env::var("DODO_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(!required, "DODO_REQUIRE_POSTGRES=1, but DODO_TEST_POSTGRES_URL is not set");
        eprintln!("SKIPPED {test} on PostgreSQL: DODO_TEST_POSTGRES_URL is not set");
    }
    server
}

/// A schema of its own.
#[derive(Debug)]
pub struct Schema {
    server: String,
    name: String,
}

impl Schema {
    /// Makes an empty one that is named after a test.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create(server: String, test: &str) -> Self {
        let name = format!("{}_{}", test.replace('-', "_"), std::process::id());
        let schema = Self { server, name };
        schema.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", schema.name)).await;
        schema.run(&format!("CREATE SCHEMA {}", schema.name)).await;
        schema
    }

    /// The URL by which tables are looked for and made there.
    #[must_use]
    pub fn url(&self) -> String {
        let join = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{join}options=-csearch_path%3D{}", self.server, self.name)
    }

    async fn run(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.server).await.expect("a connection");
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
        statement.execute(&mut connection).await.expect("a statement that runs");
        connection.close().await.expect("a connection that ends");
    }

    /// Removes it and everything in it.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub async fn drop(self) {
        self.run(&format!("DROP SCHEMA {} CASCADE", self.name)).await;
    }
}
