//! How fast a delivery is answered.

use std::time::Duration;

use super::Trial;
use crate::{
    delivery::parcels,
    report::{Report, Symptom},
    wait::{Step, doing},
    world::World,
};

pub(super) async fn sqlite(trial: Trial) -> Step<Report> {
    latency(World::sqlite(trial).await?, trial, Duration::from_millis(250)).await
}

pub(super) async fn postgres(trial: Trial) -> Step<Report> {
    latency(World::postgres(trial, 1).await?, trial, Duration::from_millis(100)).await
}

/// 200 deliveries per second.
async fn latency(mut world: World, trial: Trial, bar: Duration) -> Step<Report> {
    let sender = world.start()?;
    doing("sending 200 deliveries per second");
    let refused = sender.pace(parcels("msg", 200 * trial.pick(4, 300)), 200).await;
    let history = sender.history();
    let (p99, max) = (history.quantile(0.99), history.slowest);
    let mut report = Report::default();
    report.count(Symptom::OtherAnswer, refused);
    // A short run on a busy machine proves nothing about the tail.
    let over = p99 >= bar || max >= Duration::from_secs(2);
    report.flag(Symptom::OverBar, trial.judges_time() && over);
    report.note(format!("p50 {:.1?} p99 {p99:.1?} max {max:.1?}", history.quantile(0.5)));
    report.settle(&history, &world.database, Duration::from_secs(60)).await;
    Ok(report)
}
