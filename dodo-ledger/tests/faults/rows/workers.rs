//! Workers that are frozen, terminated, poisoned, and whose clocks are wrong; and how fast a delivery
//! is answered.

use std::time::{Duration, Instant};

use dodo_ledger::Ledger;

use super::{Outcome, Running, control, judge, no_postgres, settle};
use crate::{
    Size,
    child::setting,
    delivery::{Parcel, parcel},
    world::World,
};

const DRAIN: Duration = Duration::from_secs(60);

fn parcels(prefix: &str, count: usize) -> Vec<Parcel> {
    (0..count).map(|n| parcel(&format!("{prefix}_{n}"))).collect()
}

/// One event whose callback always fails, among many that do not.
pub(super) async fn poison(size: Size) -> Outcome {
    let mut world = World::sqlite().await;
    let sender = world.start().sender();
    let count = size.pick(300, 5_000);
    sender.deliver(parcels("calm", count), 16).await;
    let calm = sender.history().quantile(0.99);

    let sender = world.sender();
    let mut with_poison = parcels("msg", count);
    with_poison.insert(count / 2, parcel("poison_1"));
    sender.deliver(with_poison, 16).await;
    let poisoned = sender.history().quantile(0.99);
    let drained = world.database.drained(DRAIN).await;

    let failures = world.database.number("SELECT MAX(failures) FROM dodo_inbox").await;
    let dead = world.database.number("SELECT COUNT(*) FROM dodo_inbox WHERE state = 'dead'").await;
    let ledger = Ledger::open(&world.database.0).await.unwrap();
    let revived = ledger.revive("poison_1").await.unwrap();
    let again =
        world.database.number("SELECT failures FROM dodo_inbox WHERE id = 'poison_1'").await;
    let died_again =
        world.database.drained(DRAIN).await.is_some() && ledger.stats().await.unwrap().dead == 1;
    let effects = world.database.number("SELECT COUNT(*) FROM effect").await;
    let all = i64::try_from(2 * count).unwrap();
    judge(
        drained.is_some()
            && (dead, failures, revived, died_again) == (1, 12, true, true)
            && effects == all
            && again < 12,
        format!(
            "dead {dead} after {failures} failures, revived {revived}, effects {effects}, \
             ack p99 {calm:.1?} without and {poisoned:.1?} with it"
        ),
    )
}

/// SIGTERM under load: with a lease of a minute, what was at work must not wait for it.
pub(super) async fn terminate(size: Size) -> Outcome {
    let mut world = World::sqlite().await;
    world.set(setting::LEASE_MS, 60_000).set(setting::WORK_MS, 5);
    let sender = world.start().sender();
    let (mut slowest, rounds) = (Duration::ZERO, size.pick(2, 10));
    for round in 0..rounds {
        let delivering = {
            let (sender, parcels) = (sender.clone(), parcels(&format!("msg_{round}"), 100));
            tokio::spawn(async move { sender.deliver(parcels, 16).await })
        };
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..400))).await;
        let place = &mut world.places[0];
        let took = tokio::task::block_in_place(|| place.terminate());
        slowest = slowest.max(took);
        place.start();
        delivering.await.unwrap();
    }
    let begun = Instant::now();
    let (clean, text) = settle(&sender.history(), &world.database, Duration::from_secs(50)).await;
    let waited = begun.elapsed();
    judge(
        clean && slowest <= Duration::from_secs(10) && waited < Duration::from_secs(45),
        format!("rounds {rounds} slowest exit {slowest:.1?} {text}"),
    )
}

pub(super) async fn frozen(size: Size) -> Outcome {
    freeze(size, None).await
}

pub(super) async fn frozen_control(size: Size) -> Outcome {
    let row: Running = Box::pin(freeze(size, Some("no_fence")));
    control(row).await
}

/// SIGSTOP for five leases, in the middle of the work; then it goes on as if nothing had happened.
async fn freeze(size: Size, mutant: Option<&str>) -> Outcome {
    let Some(mut world) = World::postgres(2).await else { return no_postgres() };
    world.set("DODO_MUTANT", mutant.unwrap_or_default());
    world.set(setting::LEASE_MS, 1000).set(setting::WORK_MS, 300);
    let sender = world.start().sender();
    let rounds = size.pick(2, 8);
    for round in 0..rounds {
        sender.deliver(parcels(&format!("msg_{round}"), 100), 16).await;
        let at_work = "SELECT COUNT(*) FROM dodo_inbox WHERE claims > 0 AND state = 'pending'";
        while world.database.number(at_work).await < 10 {}
        world.places[0].signal("STOP");
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.places[0].signal("CONT");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    let excess = world
        .database
        .number("SELECT CAST(SUM(claims) - COUNT(*) AS BIGINT) FROM dodo_inbox")
        .await;
    judge(clean && excess > 0, format!("freezes {rounds} leases lost {excess} {text}"))
}

pub(super) async fn clocks(size: Size) -> Outcome {
    wrong_clocks(size, None).await
}

pub(super) async fn clocks_control(size: Size) -> Outcome {
    let row: Running = Box::pin(wrong_clocks(size, Some("host_clock_lease")));
    control(row).await
}

/// Ten minutes fast, ten minutes slow, and right: leases are measured by the server's clock.
async fn wrong_clocks(size: Size, mutant: Option<&str>) -> Outcome {
    let Some(mut world) = World::postgres(3).await else { return no_postgres() };
    world.set("DODO_MUTANT", mutant.unwrap_or_default()).set(setting::WORK_MS, 50);
    world.places[1].set(setting::CLOCK_OFFSET_MS, 600_000);
    world.places[2].set(setting::CLOCK_OFFSET_MS, -600_000);
    world.start();
    let skewed = crate::delivery::Sender::to(&[world.places[1].port, world.places[2].port]);
    for _ in 0..20 {
        skewed.attempt(&parcel("stale")).await;
    }
    let refused = skewed.history().answers.get(&401).copied().unwrap_or_default();
    let sender = crate::delivery::Sender::to(&[world.places[0].port]);
    sender.deliver(parcels("msg", size.pick(300, 3_000)), 32).await;
    let (clean, text) = settle(&sender.history(), &world.database, DRAIN).await;
    let excess = world
        .database
        .number("SELECT CAST(SUM(claims) - COUNT(*) AS BIGINT) FROM dodo_inbox")
        .await;
    judge(
        clean && excess == 0 && refused == 20,
        format!("refused by a wrong clock {refused} leases lost {excess} {text}"),
    )
}

pub(super) async fn latency_sqlite(size: Size) -> Outcome {
    latency(World::sqlite().await, size, Duration::from_millis(250)).await
}

pub(super) async fn latency_postgres(size: Size) -> Outcome {
    let Some(world) = World::postgres(1).await else { return no_postgres() };
    latency(world, size, Duration::from_millis(100)).await
}

/// 200 deliveries per second, whether the ones before are answered or not.
async fn latency(mut world: World, size: Size, p99: Duration) -> Outcome {
    let sender = world.start().sender();
    let count = 200 * size.pick(4, 300);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..count {
        tick.tick().await;
        let sender = sender.clone();
        tasks.spawn(async move { sender.attempt(&parcel(&format!("msg_{n}"))).await });
    }
    let refused = tasks.join_all().await.into_iter().filter(|acked| !acked).count();
    let history = sender.history();
    let (clean, text) = settle(&history, &world.database, DRAIN).await;
    let seen = history.quantile(0.99);
    // A short run on a busy machine proves nothing about the tail.
    let fast = size == Size::Short || (seen < p99 && history.slowest < Duration::from_secs(2));
    judge(
        clean && fast && refused == 0,
        format!(
            "p50 {:.1?} p99 {seen:.1?} max {:.1?} {text}",
            history.quantile(0.5),
            history.slowest
        ),
    )
}
