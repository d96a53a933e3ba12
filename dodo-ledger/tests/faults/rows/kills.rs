//! SIGKILL: at any time, at named places, and together with the database.

use std::time::{Duration, Instant};

use super::Trial;
use crate::{
    child::setting,
    delivery::{parcels, shuffled},
    process::Place,
    report::{Report, Symptom},
    wait::{Step, doing},
    world::World,
};

/// No bar, but an end.
const DRAIN: Duration = Duration::from_secs(600);
/// "Drained within 60 s", which only a long run judges.
const DRAIN_BAR: Duration = Duration::from_secs(60);

async fn pause() {
    doing("killing at any time");
    tokio::time::sleep(Duration::from_millis(fastrand::u64(100..500))).await;
}

/// What a kill is to interrupt, as far as it is done. `None` while the database is away. On a slow machine,
/// several kills could pass before the first booking, so each waits for progress.
async fn progress(trial: Trial, world: &World) -> Option<i64> {
    let done = match trial.control.map(|control| control.name) {
        Some("enqueue_outside_tx") => "SELECT COUNT(*) FROM dodo_inbox WHERE booked_at IS NOT NULL",
        _ => "SELECT COUNT(*) FROM effect",
    };
    world.database.try_number(done).await.ok()
}

/// Deliveries while the one process is killed again and again.
pub(super) async fn sqlite(trial: Trial) -> Step<Report> {
    let mut world = World::sqlite(trial).await?;
    world.set(setting::LEASE_MS, 1500).set(setting::BOOKS, 1);
    world.mirror().await;
    let sender = world.start()?;
    let delivering = sender.start(shuffled(trial.pick(1_000, 20_000)), 64);
    let (mut kills, enough) = (0, trial.pick(10, 150));
    let mut before = Some(0);
    while kills < enough || !delivering.is_finished() {
        pause().await;
        let now = progress(trial, &world).await;
        if kills < enough && (now > before || delivering.is_finished()) {
            before = now;
            world.places[0].kill()?;
            world.places[0].start()?;
            kills += 1;
        }
    }
    delivering.await.unwrap()?;
    let mut report = Report::default();
    report.note(format!("kills {kills}"));
    report.settle(&sender.history(), &world.database, DRAIN).await;
    report.count_unqueued(&world.database).await;
    report.count_unprojected(&world.database).await;
    Ok(report)
}

/// The same with three processes, and a PostgreSQL that crashes.
pub(super) async fn postgres(trial: Trial) -> Step<Report> {
    let mut world = World::postgres(trial, 3).await?;
    world.set(setting::LEASE_MS, 1500).set(setting::BOOKS, 1);
    world.mirror().await;
    let sender = world.start()?;
    let delivering = sender.start(shuffled(trial.pick(1_000, 20_000)), 64);
    let (mut kills, mut crashes, enough) = (0, 0, trial.pick((6, 1), (100, 10)));
    let mut before = Some(0);
    while (kills, crashes) < enough || !delivering.is_finished() {
        pause().await;
        let now = progress(trial, &world).await;
        if kills < enough.0 && (now > before || delivering.is_finished()) {
            before = now;
            let place = &mut world.places[fastrand::usize(..3)];
            place.kill()?;
            place.start()?;
            kills += 1;
        }
        if crashes * enough.0 < kills * enough.1 {
            world.cluster().crash()?;
            crashes += 1;
        }
    }
    delivering.await.unwrap()?;
    let mut report = Report::default();
    report.note(format!("kills {kills} crashes {crashes}"));
    let drain = if trial.judges_time() { DRAIN_BAR } else { DRAIN };
    report.settle(&sender.history(), &world.database, drain).await;
    report.count_unqueued(&world.database).await;
    report.count_unprojected(&world.database).await;
    Ok(report)
}

/// From the socket to the done-mark, in the order in which a delivery passes them.
const POINTS: [&str; 9] = [
    "before_append",
    "before_append_commit",
    "after_append",
    "before_booking_commit",
    "after_booking_commit",
    "after_claim",
    "after_callbacks",
    "before_done",
    "after_done",
];

/// Dies at each named place, many times.
pub(super) async fn points(trial: Trial) -> Step<Report> {
    let mut report = Report::default();
    let points: &[&str] = match trial.control.map(|control| control.name) {
        None => &POINTS,
        Some("ack_before_commit") => &["before_append"],
        Some("enqueue_outside_tx") => &["between_booking_and_queue"],
        Some(_) => &["between_effect_and_done"],
    };
    for point in points {
        report.absorb(point, die_at(trial, point, trial.pick(3, 50)).await?);
    }
    Ok(report)
}

async fn die_at(trial: Trial, point: &str, hits: usize) -> Step<Report> {
    let mut world = World::sqlite(trial).await?;
    world.set(setting::LEASE_MS, 1000).set(setting::BOOKS, 1);
    world.mirror().await;
    let sender = world.sender();
    let (mut hit, mut sent) = (0, 0);
    let begun = Instant::now();
    while hit < hits && begun.elapsed() < trial.limit() / 4 {
        let place = &mut world.places[0];
        place.set("DODO_FAILPOINT", format!("{point}:kill:{}", fastrand::u32(1..5)));
        place.start()?;
        // Few at once: a booking takes all due events, and the test needs several bookings.
        let delivering = sender.start(parcels(&format!("msg_{sent}"), 20), 2);
        sent += 1;
        doing(format!("dying at {point}"));
        hit += usize::from(died(place, Duration::from_secs(5)).await);
        place.kill()?;
        place.unset("DODO_FAILPOINT").start()?;
        delivering.await.unwrap()?;
        place.kill()?;
    }
    world.start()?;
    let mut report = Report::default();
    report.note(format!("hits {hit}"));
    report.count(Symptom::Unexercised, hits - hit.min(hits));
    report.settle(&sender.history(), &world.database, DRAIN).await;
    report.count_unqueued(&world.database).await;
    report.count_unprojected(&world.database).await;
    Ok(report)
}

async fn died(place: &mut Place, limit: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if place.has_ended() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
