//! Workers that are poisoned, terminated, frozen, and whose clocks are wrong.

use std::time::Duration;

use dodo_ledger::Ledger;

use super::Trial;
use crate::{
    child::setting,
    delivery::{parcel, parcels},
    report::{Report, Symptom},
    wait::{Step, doing, until},
    world::World,
};

/// No bar, but an end.
const DRAIN: Duration = Duration::from_secs(600);
/// After so many failures an event is dead.
const MAX_FAILURES: i64 = 12;

const POISON_CLAIMS: &str = "SELECT attempts FROM dodo_inbox WHERE id = 'poison_1'";
const POISON_FAILURES: &str = "SELECT failed_attempts FROM dodo_inbox WHERE id = 'poison_1'";
const DEAD: &str = "SELECT COUNT(*) FROM dodo_inbox WHERE state = 'dead'";

async fn until_dead_or_over(world: &World) -> Step<()> {
    until("the event is dead, or has failed too often", DRAIN, async || {
        world.database.number(DEAD).await > 0
            || world.database.number(POISON_FAILURES).await > MAX_FAILURES
    })
    .await
    .map(drop)
}

/// One event whose callback always fails, among many that do not. Its worker is killed a few times
/// while it runs the event, which does not count as a failed attempt.
pub(super) async fn poison(trial: Trial) -> Step<Report> {
    const KILLS: i64 = 3;
    let mut world = World::sqlite(trial).await?;
    world.set(setting::LEASE_MS, 1000).set(setting::SLOW_MS, 150);
    let sender = world.start()?;
    let count = trial.pick(100, 5_000);
    sender.deliver(parcels("calm", count), 16).await?;
    let calm = sender.history().quantile(0.99);

    let poisoned = world.sender();
    let mut with_poison = parcels("msg", count);
    with_poison.insert(count / 2, parcel("poison_1"));
    poisoned.deliver(with_poison, 16).await?;
    for _ in 0..KILLS {
        let claims = world.database.number(POISON_CLAIMS).await;
        until("the poisonous event is claimed", DRAIN, async || {
            world.database.number(POISON_CLAIMS).await > claims
        })
        .await?;
        world.places[0].kill()?;
        world.places[0].start()?;
    }
    until_dead_or_over(&world).await?;

    let mut report = Report::default();
    let (claims, failures) =
        (world.database.number(POISON_CLAIMS).await, world.database.number(POISON_FAILURES).await);
    let dead = world.database.number(DEAD).await;
    report.flag(Symptom::NotDead, dead == 0);
    report.flag(Symptom::Miscounted, dead > 0 && (dead, failures) != (1, MAX_FAILURES));
    report.flag(Symptom::Unexercised, claims <= failures && !trial.is_control());
    let poisoned = poisoned.history();
    report.note(format!(
        "dead {dead} after {failures} failures and {claims} claims; ack p99 {calm:.1?} without and \
         {:.1?} with it",
        poisoned.quantile(0.99)
    ));
    if trial.is_control() {
        return Ok(report);
    }

    // Brought back to life it fails and dies again; the others have nothing to do with it.
    let ledger = Ledger::open(&world.database.0).await.unwrap();
    let queued = ledger.redrive("poison_1").await.unwrap();
    report.flag(Symptom::NotRevived, !queued || world.database.number(POISON_FAILURES).await >= 12);
    until_dead_or_over(&world).await?;
    let again = world.database.number(POISON_FAILURES).await;
    report.flag(Symptom::Miscounted, again != MAX_FAILURES);
    report.note(format!("queued {queued}, dead again after {again}"));
    let mut history = sender.history();
    history.merge(poisoned);
    // Its effect is never to be.
    history.acked.remove("poison_1");
    report.settle(&history, &world.database, DRAIN).await;
    Ok(report)
}

/// What runs the callbacks panics where nothing contains it: 30 times among many events, then always.
pub(super) async fn panics(trial: Trial) -> Step<Report> {
    const PANICS: i64 = 30;
    let mut world = World::sqlite(trial).await?;
    // Of all that fails only the panics are to be counted: no lease may end on a busy machine.
    world.set(setting::LEASE_MS, trial.sized(1_000, 20_000, 20_000));
    world.set("DODO_FAILPOINT", format!("after_callbacks:panic:{PANICS}"));
    let sender = world.start()?;
    sender.deliver(parcels("msg", trial.pick(300, 5_000)), 16).await?;
    let drained = world.database.drained(DRAIN).await;
    let counted =
        world.database.number("SELECT CAST(SUM(failed_attempts) AS BIGINT) FROM dodo_inbox").await;
    let mut report = Report::default();
    report.flag(Symptom::Undrained, drained.is_none());
    report.flag(Symptom::Miscounted, counted != PANICS);

    world.places[0].kill()?;
    world.set("DODO_FAILPOINT", "after_callbacks:panic:1000000");
    world.start()?;
    sender.deliver(vec![parcel("poison_1")], 1).await?;
    let died =
        until("the event is dead", Duration::from_secs(trial.sized(6, 30, 30)), async || {
            world.database.number(DEAD).await > 0
        })
        .await;
    report.flag(Symptom::NotDead, died.is_err());
    let (claims, failures) =
        (world.database.number(POISON_CLAIMS).await, world.database.number(POISON_FAILURES).await);
    report.flag(Symptom::Miscounted, (claims, failures) != (MAX_FAILURES, MAX_FAILURES));
    report.note(format!(
        "panics {PANICS} counted {counted}; always: claims {claims} failures {failures}"
    ));
    let mut history = sender.history();
    history.acked.remove("poison_1");
    if !trial.is_control() {
        report.settle(&history, &world.database, DRAIN).await;
    }
    Ok(report)
}

/// SIGTERM under load, with callbacks that outlast the grace: their leases are of a minute, and must
/// not be waited for.
pub(super) async fn terminate(trial: Trial) -> Step<Report> {
    // All that are pending are due, or will be when the lease ends.
    const LEASED: &str = "SELECT COUNT(*) FROM dodo_inbox
         WHERE state = 'pending' AND booked_at IS NOT NULL
         AND available_at > CAST(unixepoch('subsec') * 1000 AS INTEGER) + 2000";
    const AT_WORK: &str = "SELECT COUNT(*) FROM dodo_inbox
         WHERE id LIKE 'slow%' AND attempts > 0 AND state = 'pending'";
    let mut world = World::sqlite(trial).await?;
    world.set(setting::LEASE_MS, 60_000).set(setting::WORK_MS, 5);
    world.set(setting::SLOW_MS, 2_500).set(setting::GRACE_MS, 1_000);
    let sender = world.start()?;
    let mut report = Report::default();
    let (mut slowest, mut kept, rounds) = (Duration::ZERO, 0, trial.pick(2, 10));
    for round in 0..rounds {
        let mut some = parcels(&format!("msg_{round}"), 100);
        some.extend(parcels(&format!("slow_{round}"), 4));
        let delivering = sender.start(some, 16);
        until("a slow callback is at work", DRAIN, async || {
            world.database.number(AT_WORK).await > 0
        })
        .await?;
        doing("terminating a server");
        let place = &mut world.places[0];
        slowest = slowest.max(place.terminate()?);
        kept += usize::try_from(world.database.number(LEASED).await).unwrap();
        if kept > 0 {
            break;
        }
        world.places[0].start()?;
        delivering.await.unwrap()?;
    }
    report.count(Symptom::LeasesKept, kept);
    report.flag(Symptom::LateExit, slowest > Duration::from_secs(10));
    report.note(format!("rounds {rounds} slowest exit {slowest:.1?} leases kept {kept}"));
    if kept == 0 {
        report.settle(&sender.history(), &world.database, Duration::from_secs(50)).await;
        // Claimed a second time, although the first lease would have lasted a minute.
        let handed_back = world.database.excess_claims().await;
        report.flag(Symptom::Unexercised, handed_back == 0);
        report.note(format!("released {handed_back}"));
    }
    Ok(report)
}

/// SIGSTOP for five leases, in the middle of the work; then it goes on as if nothing had happened.
pub(super) async fn frozen(trial: Trial) -> Step<Report> {
    let mut world = World::postgres(trial, 2).await?;
    world.set(setting::LEASE_MS, 1000).set(setting::WORK_MS, 300);
    let sender = world.start()?;
    let rounds = trial.pick(2, 8);
    for round in 0..rounds {
        sender.deliver(parcels(&format!("msg_{round}"), 100), 16).await?;
        until("ten events are at work", DRAIN, async || {
            let at_work =
                "SELECT COUNT(*) FROM dodo_inbox WHERE attempts > 0 AND state = 'pending'";
            world.database.number(at_work).await >= 10
        })
        .await?;
        world.places[0].signal("STOP");
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.places[0].signal("CONT");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut report = Report::default();
    report.settle(&sender.history(), &world.database, DRAIN).await;
    let excess = world.database.excess_claims().await;
    report.flag(Symptom::Unexercised, excess == 0);
    report.note(format!("freezes {rounds} leases lost {excess}"));
    Ok(report)
}

/// Ten minutes fast, ten minutes slow, and right: leases are measured by the server's clock.
pub(super) async fn clocks(trial: Trial) -> Step<Report> {
    const STALE: u64 = 20;
    let mut world = World::postgres(trial, 3).await?;
    world.set(setting::WORK_MS, 50);
    world.places[1].set(setting::CLOCK_OFFSET_MS, 600_000);
    world.places[2].set(setting::CLOCK_OFFSET_MS, -600_000);
    world.start()?;
    let skewed = world.sender_to(&[world.places[1].port, world.places[2].port]);
    for _ in 0..STALE {
        skewed.attempt(&parcel("stale")).await;
    }
    let refused = skewed.history().answers.get(&401).copied().unwrap_or_default();
    let sender = world.sender_to(&[world.places[0].port]);
    sender.deliver(parcels("msg", trial.pick(300, 3_000)), 32).await?;
    let mut report = Report::default();
    report.count(Symptom::StaleAccepted, usize::try_from(STALE - refused).unwrap());
    report.settle(&sender.history(), &world.database, DRAIN).await;
    let lost = world.database.excess_claims().await;
    report.count(Symptom::LeasesLost, lost);
    report.note(format!("refused by a wrong clock {refused} leases lost {lost}"));
    Ok(report)
}
