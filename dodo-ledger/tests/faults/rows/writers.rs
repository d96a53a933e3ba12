//! Writers of deliveries that panic, before their commit and after it.

use std::time::Duration;

use super::Trial;
use crate::{
    delivery::{parcel, parcels},
    report::{Report, Symptom},
    wait::{Step, until},
    world::World,
};

/// So many batches are lost, one after the other. PostgreSQL has two writers.
const PANICS: u64 = 30;
const POINTS: [&str; 2] = ["before_append_commit", "after_append"];
/// No bar, but an end.
const DRAIN: Duration = Duration::from_secs(600);

pub(super) async fn sqlite(trial: Trial) -> Step<Report> {
    let mut report = Report::default();
    for point in POINTS {
        report.absorb(point, panics(trial, World::sqlite(trial).await?, point).await?);
    }
    Ok(report)
}

pub(super) async fn postgres(trial: Trial) -> Step<Report> {
    let mut report = Report::default();
    for point in POINTS {
        report.absorb(point, panics(trial, World::postgres(trial, 1).await?, point).await?);
    }
    Ok(report)
}

/// No answer reports a commit that did not happen, and the writer starts again.
async fn panics(trial: Trial, mut world: World, point: &str) -> Step<Report> {
    world.set("DODO_FAILPOINT", format!("{point}:panic:{PANICS}"));
    let sender = world.start()?;
    let patience = Duration::from_secs(trial.sized(5, 60, 60));
    let again = until("a delivery is answered with 2xx", patience, async || {
        sender.attempt(&parcel("first")).await
    })
    .await;
    let mut report = Report::default();
    report.flag(Symptom::LateRecovery, again.is_err());
    if again.is_ok() {
        sender.deliver(parcels("msg", trial.pick(200, 5_000)), 16).await?;
    }
    let history = sender.history();
    let refused = history.answers.get(&503).copied().unwrap_or_default();
    let other = history.answers.keys().filter(|status| ![200, 503].contains(*status)).count();
    report.count(Symptom::OtherAnswer, other);
    report.flag(Symptom::NoRetryAfter, history.without_retry_after > 0);
    report.flag(Symptom::Unexercised, refused < PANICS && !trial.is_control());
    report.settle(&history, &world.database, DRAIN).await;
    Ok(report)
}
