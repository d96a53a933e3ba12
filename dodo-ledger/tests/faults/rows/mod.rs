//! The rows of the table: what is done, and what must hold.

mod database;
mod kills;
mod races;
mod workers;

use std::{future::Future, pin::Pin, time::Duration};

use crate::{
    FAULTS, Size,
    delivery::History,
    oracle::{Audit, Database},
};

/// What a row came to, with its counts.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Size) -> Running,
}

macro_rules! rows { ($($name:literal => $function:path;)*) => {
    pub(crate) const ROWS: &[Row] = &[$(Row { name: $name, run: |size| Box::pin($function(size)) }),*];
} }

rows! {
    "7-one-id" => races::one_id;
    "8-repeats-sqlite" => races::repeats_sqlite;
    "8-repeats-postgres" => races::repeats_postgres;
    "9-kills-sqlite" => kills::sqlite;
    "9-control" => kills::sqlite_control;
    "10-kills-postgres" => kills::postgres;
    "11-points" => kills::points;
    "11-control" => kills::points_control;
    "12-other-body" => races::other_body;
    "12-control" => races::other_body_control;
    "14-database-down" => database::down;
    "14-control" => database::down_control;
    "15-disk-full" => database::disk_full;
    "16-locked" => database::locked;
    "16-read-only" => database::read_only;
    "18-poison" => workers::poison;
    "19-sigterm" => workers::terminate;
    "20-frozen" => workers::frozen;
    "20-control" => workers::frozen_control;
    "21-clocks" => workers::clocks;
    "21-control" => workers::clocks_control;
    "23-latency-sqlite" => workers::latency_sqlite;
    "23-latency-postgres" => workers::latency_postgres;
}

fn judge(passed: bool, text: String) -> Outcome {
    if passed { Outcome::Passed(text) } else { Outcome::Failed(text) }
}

fn no_postgres() -> Outcome {
    Outcome::Skipped("`initdb` is not installed".to_owned())
}

fn no_faults() -> Outcome {
    Outcome::Skipped("needs `--cfg dodo_faults`".to_owned())
}

/// A negative control passes when the row it controls fails.
async fn control(row: Running) -> Outcome {
    if !FAULTS {
        return no_faults();
    }
    match row.await {
        Outcome::Failed(text) => Outcome::Passed(format!("noticed: {text}")),
        Outcome::Passed(text) => Outcome::Failed(format!("not noticed: {text}")),
        skipped @ Outcome::Skipped(_) => skipped,
    }
}

/// Waits for the end and audits.
async fn settle(history: &History, database: &Database, limit: Duration) -> (bool, String) {
    let drained = database.drained(limit).await;
    let audit = Audit::of(history, database).await;
    let drained_in = drained.map_or("not drained".to_owned(), |time| format!("drained {time:.1?}"));
    let text = format!("{audit} answers {:?} {drained_in}", history.answers);
    (audit.is_clean() && drained.is_some(), text)
}
