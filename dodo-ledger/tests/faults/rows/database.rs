//! A database that is away, full, locked or read-only.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use dodo_ledger::sqlx::{self, Connection, SqliteConnection};

use super::{Outcome, Running, control, judge, no_postgres, settle};
use crate::{
    Size,
    delivery::{History, Parcel, Sender, parcel},
    world::World,
};

const DRAIN: Duration = Duration::from_secs(60);
/// "Answers within 5 s", and what a loaded machine adds.
const ANSWER: Duration = Duration::from_millis(5500);

fn parcels(prefix: &str, count: usize) -> Vec<Parcel> {
    (0..count).map(|n| parcel(&format!("{prefix}_{n}"))).collect()
}

/// Attempts for some time, without success expected.
async fn attempts_for(world: &World, time: Duration) -> History {
    let sender = world.sender();
    let until = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let sender = sender.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while Instant::now() < until {
                sender.attempt(&parcel(&format!("down_{n}_{count}"))).await;
                count += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    tasks.join_all().await;
    sender.history()
}

fn only_503(seen: &History) -> bool {
    seen.answers.keys().eq([&503]) && seen.without_retry_after == 0 && seen.slowest <= ANSWER
}

async fn until_first_ack(sender: &Sender) -> Duration {
    let begun = Instant::now();
    while !sender.attempt(&parcel("first_after")).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// Whether everything is well again, with the sender's history from before.
async fn recovers(world: &World, sender: &Sender, seen: &History) -> Outcome {
    let recovered = until_first_ack(sender).await;
    sender.deliver(parcels("after", 200), 16).await;
    let mut history = sender.history();
    history.acked.extend(seen.acked.iter().cloned());
    history.attempted.extend(seen.attempted.iter().cloned());
    let (clean, text) = settle(&history, &world.database, DRAIN).await;
    let bad = format!("while away {:?} slowest {:.1?}", seen.answers, seen.slowest);
    judge(
        clean && only_503(seen) && recovered <= Duration::from_secs(10),
        format!("{bad} recovered in {recovered:.1?} {text}"),
    )
}

pub(super) async fn down(size: Size) -> Outcome {
    stop_postgres(size, None).await
}

pub(super) async fn down_control(size: Size) -> Outcome {
    let row: Running = Box::pin(stop_postgres(size, Some("ack_before_commit")));
    control(row).await
}

async fn stop_postgres(size: Size, mutant: Option<&str>) -> Outcome {
    let Some(mut world) = World::postgres(2).await else { return no_postgres() };
    world.set("DODO_MUTANT", mutant.unwrap_or_default());
    let sender = world.start().sender();
    sender.deliver(parcels("before", 200), 16).await;
    world.cluster().down();
    let seen = attempts_for(&world, Duration::from_secs(size.pick(6, 60))).await;
    world.cluster().up();
    recovers(&world, &sender, &seen).await
}

/// Another process holds the file's lock.
pub(super) async fn locked(size: Size) -> Outcome {
    let mut world = World::sqlite().await;
    let sender = world.start().sender();
    sender.deliver(parcels("before", 200), 16).await;
    world.database.drained(DRAIN).await;
    let mut other = SqliteConnection::connect(&world.database.0).await.unwrap();
    while sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.is_err() {}
    let seen = attempts_for(&world, Duration::from_secs(size.pick(6, 30))).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    recovers(&world, &sender, &seen).await
}

pub(super) async fn read_only(size: Size) -> Outcome {
    let Some(mut world) = World::postgres(2).await else { return no_postgres() };
    let sender = world.start().sender();
    sender.deliver(parcels("before", 200), 16).await;
    const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                                WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    world.database.run("ALTER ROLE dodo SET default_transaction_read_only = on").await;
    world.database.run(END_SESSIONS).await;
    let seen = attempts_for(&world, Duration::from_secs(size.pick(4, 30))).await;
    world
        .database
        .run("BEGIN READ WRITE; ALTER ROLE dodo RESET default_transaction_read_only; COMMIT")
        .await;
    world.database.run(END_SESSIONS).await;
    recovers(&world, &sender, &seen).await
}

/// A file system of 2 MiB that becomes full, and is then made larger.
pub(super) async fn disk_full(_: Size) -> Outcome {
    let disk = std::env::temp_dir().join(format!("dodo-faults-disk-{}", std::process::id()));
    std::fs::create_dir_all(&disk).unwrap();
    let place = disk.display().to_string();
    let mount = |arguments: &[&str]| {
        Command::new("mount").args(arguments).arg(&place).status().is_ok_and(|s| s.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) {
        std::fs::remove_dir_all(&disk).unwrap();
        return Outcome::Skipped("a file system can be mounted by root only".to_owned());
    }
    let mut world = World::sqlite_at(&disk).await;
    let sender = world.start().sender();
    let (mut refused, mut sent) = (0, 0);
    while refused < 50 && sent < 20_000 {
        if !sender.attempt(&parcel(&format!("msg_{sent}"))).await {
            refused += 1;
        }
        sent += 1;
    }
    let acked = sender.history().acked;
    let grown = mount(&["-o", "remount,size=256m"]);
    let recovered = until_first_ack(&sender).await;
    let history = sender.history();
    let (clean, text) = settle(&history, &world.database, DRAIN).await;
    let integrity = world.database.texts("PRAGMA integrity_check").await;
    drop(world);
    let _unmounted = Command::new("umount").arg(&place).status();
    let _leave_no_trace = std::fs::remove_dir_all(&disk);
    let passed = clean
        && grown
        && refused == 50
        && integrity == ["ok"]
        && history.answers.keys().all(|status| [200, 503].contains(status));
    judge(
        passed,
        format!(
            "acked before full {} recovered in {recovered:.1?} integrity {integrity:?} {text}",
            acked.len()
        ),
    )
}
