//! Compares the database at the end with the answers to the sender.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use dodo_ledger::sqlx::{self, Connection, PgConnection, SqliteConnection};

use crate::{
    child::BOOKS,
    delivery::History,
    report::{Report, Symptom},
    wait::doing,
};

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
        doing("draining the inbox");
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

    /// How many leases ended before their event was done.
    pub(crate) async fn excess_claims(&self) -> usize {
        let query = "SELECT CAST(SUM(attempts) - COUNT(*) AS BIGINT) FROM dodo_inbox";
        usize::try_from(self.number(query).await).unwrap_or_default()
    }
}

fn counted(texts: Vec<String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    texts.into_iter().for_each(|text| *counted.entry(text).or_default() += 1);
    counted
}

impl Report {
    /// Waits for the end and compares the answers with the database.
    pub(crate) async fn settle(&mut self, history: &History, database: &Database, limit: Duration) {
        let drained = database.drained(limit).await;
        self.audit(history, database).await;
        match drained {
            Some(time) => self.note(format!("drained {time:.1?}")),
            None => self.count(Symptom::Undrained, 1),
        }
    }

    /// Counts the revenue that was booked without a row for the sink of [`BOOKS`]: both, and the mark of
    /// the event, are one transaction.
    pub(crate) async fn count_unqueued(&mut self, database: &Database) {
        let booked = database.texts("SELECT id FROM dodo_record WHERE net IS NOT NULL").await;
        let queued = database.texts("SELECT record_id || ' ' || sink FROM dodo_outbox").await;
        let queued: BTreeSet<String> = queued.into_iter().collect();
        let unqueued =
            booked.iter().filter(|id| !queued.contains(&format!("{id} {BOOKS}"))).count();
        self.count(Symptom::Unqueued, unqueued);
        self.note(format!("queued {} unqueued {unqueued}", queued.len()));
    }

    /// Compares the facts with what the projection wrote: in the booking, and in the callbacks of its events.
    pub(crate) async fn count_unprojected(&mut self, database: &Database) {
        let facts = database.texts("SELECT id FROM dodo_fact").await;
        let applied = counted(database.texts("SELECT fact FROM applied").await);
        let heard = counted(database.texts("SELECT fact FROM heard").await);
        let is_missing =
            |fact: &&String| !applied.contains_key(*fact) || !heard.contains_key(*fact);
        let missing = facts.iter().filter(is_missing).count();
        let doubled = applied.values().chain(heard.values()).filter(|count| **count > 1).count();
        self.count(Symptom::Unprojected, missing);
        self.count(Symptom::Doubled, doubled);
        self.note(format!("applied {} heard {} unprojected {missing}", applied.len(), heard.len()));
    }

    async fn audit(&mut self, history: &History, database: &Database) {
        let effects = counted(database.texts("SELECT event FROM effect").await);
        let booked: BTreeSet<String> =
            database.texts("SELECT id FROM dodo_record").await.into_iter().collect();
        let acked = || history.acked.iter();
        let lost = acked().filter(|id| !effects.contains_key(*id)).count();
        let doubled = effects.values().filter(|count| **count > 1).count();
        let invented = effects.keys().filter(|id| !history.attempted.contains(*id)).count();
        let unbooked = acked().filter(|id| !booked.contains(&format!("charge:pay_{id}"))).count();
        self.count(Symptom::Lost, lost);
        self.count(Symptom::Doubled, doubled);
        self.count(Symptom::Invented, invented);
        self.count(Symptom::Unbooked, unbooked);
        self.note(format!(
            "acked {} effects {} lost {lost} doubled {doubled} invented {invented} unbooked {unbooked} \
             answers {:?}",
            acked().len(),
            effects.values().sum::<usize>(),
            history.answers
        ));
    }
}
