//! A database that is away, full, locked or read-only.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use dodo_ledger::sqlx::{self, Connection, SqliteConnection};

use super::Trial;
use crate::{
    delivery::{History, Sender, parcel, parcels},
    process::Place,
    report::{Report, Symptom},
    wait::{Halt, Step, doing, until},
    world::World,
};

/// No bar, but an end.
const DRAIN: Duration = Duration::from_secs(600);
/// "Answers within 5 s", and what a loaded machine adds.
const ANSWER: Duration = Duration::from_millis(5500);
/// "Well again within 10 s".
const RECOVERY: Duration = Duration::from_secs(10);

/// Attempts for some time, without success expected.
async fn attempts_for(world: &World, time: Duration, senders: usize) -> History {
    doing("sending to a database that is away");
    let sender = world.sender();
    let until = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..senders {
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

/// A control that answers at once would otherwise only pile up work.
fn senders(trial: Trial) -> usize {
    trial.sized(2, 16, 16)
}

/// In a control, the processes are killed before the database is back, so unstored events are lost.
/// In the row itself the processes recover.
fn forget(trial: Trial, world: &mut World) -> Step<()> {
    if !trial.is_control() {
        return Ok(());
    }
    world.places.iter_mut().try_for_each(Place::kill)
}

/// Starts what was killed.
fn remember(trial: Trial, world: &mut World) -> Step<()> {
    if !trial.is_control() {
        return Ok(());
    }
    world.start().map(drop)
}

async fn until_first_ack(sender: &Sender) -> Step<Duration> {
    until("a delivery is answered with 2xx again", Duration::from_secs(60), async || {
        sender.attempt(&parcel("first_after")).await
    })
    .await
}

/// Whether only 503 was answered, and everything is well again; with the sender's history from
/// before.
async fn recovers(world: &World, sender: &Sender, seen: &History) -> Step<Report> {
    let recovered = until_first_ack(sender).await?;
    sender.deliver(parcels("after", 200), 16).await?;
    let mut history = sender.history();
    history.acked.extend(seen.acked.iter().cloned());
    history.attempted.extend(seen.attempted.iter().cloned());
    let mut report = Report::default();
    let refused = seen.answers.get(&503).copied().unwrap_or_default();
    let other = seen.answers.keys().filter(|status| ![200, 503].contains(*status)).count();
    report.count(Symptom::AckedWhileAway, seen.acked.len());
    report.flag(Symptom::NeverRefused, refused == 0 && seen.acked.is_empty());
    report.count(Symptom::OtherAnswer, other);
    report.flag(Symptom::NoRetryAfter, seen.without_retry_after > 0);
    report.flag(Symptom::LateAnswer, seen.slowest > ANSWER);
    report.flag(Symptom::LateRecovery, recovered > RECOVERY);
    report.note(format!(
        "while away {:?} slowest {:.1?} recovered in {recovered:.1?}",
        seen.answers, seen.slowest
    ));
    report.settle(&history, &world.database, DRAIN).await;
    Ok(report)
}

/// PostgreSQL is stopped.
pub(super) async fn down(trial: Trial) -> Step<Report> {
    let mut world = World::postgres(trial, 2).await?;
    let sender = world.start()?;
    sender.deliver(parcels("before", 200), 16).await?;
    world.cluster().down()?;
    let seen =
        attempts_for(&world, Duration::from_secs(trial.sized(1, 6, 60)), senders(trial)).await;
    forget(trial, &mut world)?;
    world.cluster().up()?;
    remember(trial, &mut world)?;
    recovers(&world, &sender, &seen).await
}

/// Another process holds the file's lock.
pub(super) async fn locked(trial: Trial) -> Step<Report> {
    let mut world = World::sqlite(trial).await?;
    let sender = world.start()?;
    sender.deliver(parcels("before", 200), 16).await?;
    world.database.drained(DRAIN).await;
    let mut other = SqliteConnection::connect(&world.database.0).await.unwrap();
    until("another process gets the file's lock", Duration::from_secs(30), async || {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.is_ok()
    })
    .await?;
    let seen =
        attempts_for(&world, Duration::from_secs(trial.sized(1, 6, 30)), senders(trial)).await;
    forget(trial, &mut world)?;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    remember(trial, &mut world)?;
    recovers(&world, &sender, &seen).await
}

/// PostgreSQL takes no writes.
pub(super) async fn read_only(trial: Trial) -> Step<Report> {
    let mut world = World::postgres(trial, 2).await?;
    let sender = world.start()?;
    sender.deliver(parcels("before", 200), 16).await?;
    const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                                WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    world.database.run("ALTER ROLE dodo SET default_transaction_read_only = on").await;
    world.database.run(END_SESSIONS).await;
    let seen =
        attempts_for(&world, Duration::from_secs(trial.sized(1, 3, 30)), senders(trial)).await;
    world
        .database
        .run("BEGIN READ WRITE; ALTER ROLE dodo RESET default_transaction_read_only; COMMIT")
        .await;
    world.database.run(END_SESSIONS).await;
    recovers(&world, &sender, &seen).await
}

/// A file system of our own, as long as this lives.
struct Disk(std::path::PathBuf);

impl Disk {
    /// Whether another 64 KiB have no room.
    fn is_full(&self) -> bool {
        let probe = self.0.join("probe");
        let written = std::fs::write(&probe, [0; 65_536]);
        let _not_there = std::fs::remove_file(&probe);
        written.is_err()
    }

    fn mount(&self, options: &[&str]) -> bool {
        let place = self.0.display().to_string();
        let arguments = [options, &[&place]].concat();
        let as_root = Command::new("mount").args(&arguments).output();
        as_root.is_ok_and(|output| output.status.success())
            || Command::new("sudo")
                .args(["-n", "mount"])
                .args(&arguments)
                .output()
                .is_ok_and(|output| output.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(&self.0).output();
        if !gone.is_ok_and(|output| output.status.success()) {
            let _not_mounted = Command::new("sudo").args(["-n", "umount"]).arg(&self.0).output();
        }
        let _leave_no_trace = std::fs::remove_dir_all(&self.0);
    }
}

/// A file system of 2 MiB that becomes full, and is then made larger.
pub(super) async fn disk_full(trial: Trial) -> Step<Report> {
    let name = format!("dodo-faults-disk-{}", std::process::id());
    let disk = Disk(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&disk.0).unwrap();
    if !disk.mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) {
        return Err(Halt::Skipped("a file system can be mounted by root only".to_owned()));
    }
    let mut world = World::sqlite_at(trial, &disk.0).await?;
    let sender = world.start()?;
    let mut sent = 0;
    until("the file system is full", Duration::from_secs(60), async || {
        sender.attempt(&parcel(&format!("msg_{sent}"))).await;
        sent += 1;
        disk.is_full()
    })
    .await?;
    let seen = attempts_for(&world, Duration::from_secs(3), senders(trial)).await;
    let mut report = Report::default();
    report.flag(Symptom::NeverRefused, !seen.answers.contains_key(&503));
    report.note(format!(
        "acked before full {}; then {:?}",
        sender.history().acked.len(),
        seen.answers
    ));
    assert!(disk.mount(&["-o", "remount,size=256m"]), "the file system cannot be made larger");
    let recovered = until_first_ack(&sender).await?;
    report.flag(Symptom::LateRecovery, recovered > RECOVERY);
    let mut history = sender.history();
    history.merge(seen);
    let other = history.answers.keys().filter(|status| ![200, 503].contains(*status)).count();
    report.count(Symptom::OtherAnswer, other);
    report.flag(Symptom::NoRetryAfter, history.without_retry_after > 0);
    report.flag(Symptom::LateAnswer, history.slowest > ANSWER);
    report.note(format!("recovered in {recovered:.1?}"));
    report.settle(&history, &world.database, DRAIN).await;
    let integrity = world.database.texts("PRAGMA integrity_check").await;
    report.flag(Symptom::Damaged, integrity != ["ok"]);
    report.note(format!("integrity {integrity:?}"));
    drop(world);
    Ok(report)
}
