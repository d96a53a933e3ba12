//! SIGKILL: at any time, at named places, and together with the database.

use std::time::{Duration, Instant};

use super::{Outcome, Running, control, judge, no_faults, no_postgres, settle};
use crate::{
    FAULTS, Size,
    delivery::{parcel, shuffled},
    process::Place,
    world::World,
};

const DRAIN: Duration = Duration::from_secs(60);

async fn pause() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(100..500))).await;
}

pub(super) async fn sqlite(size: Size) -> Outcome {
    kill_sqlite(size, None).await
}

/// An effect that is committed before the mark is done twice by whoever dies between.
pub(super) async fn sqlite_control(size: Size) -> Outcome {
    let row: Running = Box::pin(kill_sqlite(size, Some("effect_outside_tx")));
    control(row).await
}

async fn kill_sqlite(size: Size, mutant: Option<&str>) -> Outcome {
    let mut world = World::sqlite().await;
    world.set("DODO_MUTANT", mutant.unwrap_or_default());
    world.set(crate::child::setting::LEASE_MS, 1500);
    let sender = world.start().sender();
    let delivering = {
        let sender = sender.clone();
        tokio::spawn(async move { sender.deliver(shuffled(size.pick(1_000, 20_000)), 64).await })
    };
    let (mut kills, enough) = (0, size.pick(10, 150));
    while kills < enough || !delivering.is_finished() {
        pause().await;
        if kills < enough {
            world.places[0].kill();
            world.places[0].start();
            kills += 1;
        }
    }
    delivering.await.unwrap();
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    judge(clean, format!("kills {kills} {text}"))
}

pub(super) async fn postgres(size: Size) -> Outcome {
    let Some(mut world) = World::postgres(3).await else { return no_postgres() };
    world.set(crate::child::setting::LEASE_MS, 1500);
    let sender = world.start().sender();
    let delivering = {
        let sender = sender.clone();
        tokio::spawn(async move { sender.deliver(shuffled(size.pick(1_000, 20_000)), 64).await })
    };
    let (mut kills, mut crashes, enough) = (0, 0, size.pick((6, 1), (100, 10)));
    while (kills, crashes) < enough || !delivering.is_finished() {
        pause().await;
        if kills < enough.0 {
            let place = &mut world.places[fastrand::usize(..3)];
            place.kill();
            place.start();
            kills += 1;
        }
        if crashes * enough.0 < kills * enough.1 {
            world.cluster().crash();
            crashes += 1;
        }
    }
    delivering.await.unwrap();
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    judge(clean, format!("kills {kills} crashes {crashes} {text}"))
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

pub(super) async fn points(size: Size) -> Outcome {
    if !FAULTS {
        return no_faults();
    }
    let (mut texts, mut clean) = (Vec::new(), true);
    for point in POINTS {
        let (hits, ok, text) = die_at(point, size.pick(3, 50), None).await;
        clean &= ok;
        texts.push(format!("{point}: hits {hits} {text}"));
    }
    judge(clean, texts.join("\n    "))
}

pub(super) async fn points_control(size: Size) -> Outcome {
    let row: Running = Box::pin(async move {
        let hits = size.pick(2, 10);
        let outside = die_at("between_effect_and_done", hits, Some("effect_outside_tx")).await;
        let early = die_at("before_append", hits, Some("ack_before_commit")).await;
        let text = format!("effect outside: {}\n    ack before commit: {}", outside.2, early.2);
        // Each of the two has to be noticed.
        judge(outside.1 || early.1, text)
    });
    control(row).await
}

async fn die_at(point: &str, hits: u32, mutant: Option<&str>) -> (u32, bool, String) {
    let mut world = World::sqlite().await;
    world.set("DODO_MUTANT", mutant.unwrap_or_default());
    world.set(crate::child::setting::LEASE_MS, 1000);
    let sender = world.sender();
    let (mut hit, mut sent) = (0, 0);
    let begun = Instant::now();
    while hit < hits && begun.elapsed() < Duration::from_secs(300) {
        let place = &mut world.places[0];
        place.set("DODO_FAILPOINT", format!("{point}:kill:{}", fastrand::u32(1..5)));
        place.start();
        let parcels = (sent..sent + 20).map(|n| parcel(&format!("msg_{n}"))).collect();
        sent += 20;
        let delivering = {
            let sender = sender.clone();
            tokio::spawn(async move { sender.deliver(parcels, 8).await })
        };
        hit += u32::from(died(place, Duration::from_secs(5)).await);
        place.kill();
        place.unset("DODO_FAILPOINT").start();
        delivering.await.unwrap();
        place.kill();
    }
    world.start();
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    (hit, clean && hit >= hits, text)
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
