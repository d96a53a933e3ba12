//! What is in the database in the end, against what the sender was told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use dodo_ledger::sqlx::{self, Connection, PgConnection, SqliteConnection};

use crate::delivery::History;

/// A connection of the driver's own, that opens anew for each question: databases come and go here.
#[derive(Clone, Debug)]
pub(crate) struct Database(pub(crate) String);

impl Database {
    pub(crate) async fn run(&self, statement: &'static str) {
        if self.0.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.0).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.0).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        }
    }

    pub(crate) async fn try_number(&self, query: &'static str) -> Result<i64, sqlx::Error> {
        if self.0.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.0).await?;
            sqlx::query_scalar(query).fetch_one(&mut connection).await
        } else {
            let mut connection = PgConnection::connect(&self.0).await?;
            sqlx::query_scalar(query).fetch_one(&mut connection).await
        }
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        self.try_number(query).await.unwrap()
    }

    pub(crate) async fn texts(&self, query: &'static str) -> Vec<String> {
        if self.0.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.0).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.0).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
        }
    }

    /// Waits until nothing is pending, and says how long that took; `None` after the limit.
    pub(crate) async fn drained(&self, limit: Duration) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            let pending = "SELECT COUNT(*) FROM dodo_inbox WHERE state = 'pending'";
            if self.try_number(pending).await.is_ok_and(|pending| pending == 0) {
                return Some(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

/// The counts that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) acked: usize,
    pub(crate) effects: usize,
    /// Answered with 2xx, and without effect.
    pub(crate) lost: usize,
    /// With more than one effect.
    pub(crate) doubled: usize,
    /// Effects of what was never sent.
    pub(crate) invented: usize,
    /// Answered with 2xx, and its payment is not in the ledger.
    pub(crate) unbooked: usize,
}

impl Audit {
    pub(crate) async fn of(history: &History, database: &Database) -> Self {
        let mut effects: BTreeMap<String, usize> = BTreeMap::new();
        for event in database.texts("SELECT event FROM effect").await {
            *effects.entry(event).or_default() += 1;
        }
        let booked: BTreeSet<String> =
            database.texts("SELECT id FROM dodo_entry").await.into_iter().collect();
        let unbooked = |id: &&String| !booked.contains(&format!("charge:pay_{id}"));
        Self {
            acked: history.acked.len(),
            effects: effects.values().sum(),
            lost: history.acked.iter().filter(|id| !effects.contains_key(*id)).count(),
            doubled: effects.values().filter(|count| **count > 1).count(),
            invented: effects.keys().filter(|id| !history.attempted.contains(*id)).count(),
            unbooked: history.acked.iter().filter(unbooked).count(),
        }
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.invented == 0 && self.unbooked == 0
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acked, effects, lost, doubled, invented, unbooked } = self;
        write!(f, "acked {acked} effects {effects} lost {lost} doubled {doubled}")?;
        write!(f, " invented {invented} unbooked {unbooked}")
    }
}
