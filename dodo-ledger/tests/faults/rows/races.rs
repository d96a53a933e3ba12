//! Deliveries that come at once, again, and in another shape.

use std::time::Duration;

use super::Trial;
use crate::{
    delivery::{Parcel, parcel, parcels, shuffled},
    report::{Report, Symptom},
    wait::Step,
    world::World,
};

/// No bar, but an end.
const DRAIN: Duration = Duration::from_secs(600);

/// One id, a thousand times at once, on four instances.
pub(super) async fn one_id(trial: Trial) -> Step<Report> {
    let mut world = World::postgres(trial, 4).await?;
    let sender = world.start()?;
    let count = trial.sized(200, 1_000, 1_000);
    sender.deliver(vec![parcel("msg_1"); count], 200).await?;
    let history = sender.history();
    let mut report = Report::default();
    let only_200 = [(200, count as u64)].into();
    report.flag(Symptom::OtherAnswer, history.answers != only_200);
    report.settle(&history, &world.database, DRAIN).await;
    Ok(report)
}

async fn repeats(mut world: World, trial: Trial) -> Step<Report> {
    let sender = world.start()?;
    sender.deliver(shuffled(trial.sized(200, 600, 20_000)), 64).await?;
    let mut report = Report::default();
    report.settle(&sender.history(), &world.database, DRAIN).await;
    Ok(report)
}

/// Many ids, each one to three times, in any order.
pub(super) async fn repeats_sqlite(trial: Trial) -> Step<Report> {
    repeats(World::sqlite(trial).await?, trial).await
}

pub(super) async fn repeats_postgres(trial: Trial) -> Step<Report> {
    repeats(World::postgres(trial, 4).await?, trial).await
}

/// The same id with another body, while the first is pending and after it is done.
pub(super) async fn other_body(trial: Trial) -> Step<Report> {
    let mut world = World::sqlite(trial).await?;
    let sender = world.start()?;
    let all = || parcels("msg", trial.pick(100, 2_000));
    let later =
        |parcel: Parcel| Parcel { body: parcel.body.replace("\"v1\"", "\"another\""), ..parcel };
    // From the end: the first of two is the one that was queued last.
    let mut both: Vec<Parcel> = all().into_iter().map(later).collect();
    both.extend(all());
    sender.deliver(both, 16).await?;
    let mut report = Report::default();
    let drained = world.database.drained(DRAIN).await;
    report.flag(Symptom::Undrained, drained.is_none());
    sender.deliver(all().into_iter().map(later).collect(), 64).await?;
    report.settle(&sender.history(), &world.database, DRAIN).await;
    let second =
        "SELECT COUNT(*) FROM dodo_inbox WHERE instr(CAST(body AS TEXT), '\"another\"') > 0";
    let second = usize::try_from(world.database.number(second).await).unwrap();
    report.count(Symptom::SecondBody, second);
    report.note(format!("second bodies kept {second}"));
    Ok(report)
}
