//! An outage of a sink: no record is lost or counted twice, and deliveries are not slower.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::Trial;
use crate::{
    child::setting,
    delivery::{History, parcels},
    report::{Report, Symptom},
    segment::{Mood, Segment},
    wait::{Step, doing, until},
    world::World,
};

/// Times of the short run, and of the long one: an outage of ten minutes, and the intervals that a
/// merchant gets by default, all at ten times the speed. Only the lease cannot be shorter than 1 s.
struct Times {
    /// Before the outage.
    calm: Duration,
    /// Each way to fail.
    phase: Duration,
    lease: Duration,
    backoff: (Duration, Duration),
    retry_after: Duration,
    /// Until all records are sent.
    recovery: Duration,
    per_second: u32,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn times(trial: Trial) -> Times {
    let short = Times {
        calm: millis(500),
        phase: millis(600),
        lease: millis(1_000),
        backoff: (millis(20), millis(500)),
        retry_after: millis(1_000),
        recovery: millis(30_000),
        per_second: 50,
    };
    let long = Times {
        calm: millis(60_000),
        phase: millis(15_000),
        lease: millis(6_000),
        backoff: (millis(200), millis(360_000)),
        retry_after: millis(3_000),
        recovery: millis(600_000),
        per_second: 50,
    };
    trial.pick(short, long)
}

pub(super) async fn outage(trial: Trial) -> Step<Report> {
    let times = times(trial);
    let segment = Segment::start(times.retry_after).await;
    let mut world = World::sqlite(trial).await?;
    world
        .set(setting::SEGMENT, &segment.url)
        .set(setting::LEASE_MS, times.lease.as_millis())
        .set(setting::SINK_BASE_MS, times.backoff.0.as_millis())
        .set(setting::SINK_CAP_MS, times.backoff.1.as_millis());
    let calm = world.start()?;
    let count = |time: Duration| {
        usize::try_from(time.as_millis() * u128::from(times.per_second) / 1000).unwrap()
    };
    let mut refused = calm.pace(parcels("calm", count(times.calm)), times.per_second).await;

    let during = world.sender();
    for (n, mood) in [Mood::Broken, Mood::Busy, Mood::Silent, Mood::Cut].into_iter().enumerate() {
        doing(format!("a sink that is {mood:?}"));
        segment.set(mood);
        let parcels = parcels(&format!("during_{n}"), count(times.phase));
        refused += during.pace(parcels, times.per_second).await;
        // A silent or paused sink gets no request at once.
        until(format!("the sink is asked while it is {mood:?}"), millis(60_000), async || {
            segment.requests().contains_key(&mood)
        })
        .await?;
    }
    segment.set(Mood::Well);
    let recovered = until("all records are sent or dead", times.recovery, async || {
        let pending = "SELECT (SELECT COUNT(*) FROM dodo_outbox WHERE state = 'pending')
                            + (SELECT COUNT(*) FROM dodo_inbox WHERE state = 'pending')";
        world.database.try_number(pending).await.is_ok_and(|pending| pending == 0)
    })
    .await?;

    let mut report = Report::default();
    report.count(Symptom::OtherAnswer, refused);
    let mut history = calm.history();
    let (before, during) = (history.quantile(0.99), during.history());
    let (after, ratio) = (during.quantile(0.99), during.quantile(0.99).div_duration_f64(before));
    report.note(format!(
        "ack p99 {before:.2?} before, {after:.2?} during: x {ratio:.2}; all told {recovered:.1?} after"
    ));
    let enough = trial.judges_time() && !trial.is_control();
    report.flag(Symptom::SlowerAcks, enough && ratio > 1.2);
    history.merge(during);
    told_once(&segment, &history, &mut report);
    report.settle(&history, &world.database, Duration::from_secs(10)).await;
    Ok(report)
}

/// The sink accepted every record once, under its own id. A record may have arrived more often: if
/// the sink closed the connection or was silent, the ledger does not know.
fn told_once(segment: &Segment, history: &History, report: &mut Report) {
    let expected: BTreeSet<String> =
        history.acked.iter().map(|id| format!("charge:pay_{id}")).collect();
    let log = segment.log();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ambiguous: BTreeMap<&str, usize> = BTreeMap::new();
    let mut quiet_until: Option<Instant> = None;
    let mut others = BTreeSet::new();
    for told in &log {
        // A thousandth for the clock.
        if quiet_until.is_some_and(|until| told.at + millis(1) < until) {
            report.count(Symptom::TooEarly, 1);
        }
        if told.mood == Mood::Busy {
            quiet_until = Some(told.at + segment.retry_after);
        }
        for id in &told.ids {
            match told.mood {
                _ if !expected.contains(id) => drop(others.insert(id)),
                Mood::Well => *taken.entry(id).or_default() += 1,
                Mood::Silent | Mood::Cut => *ambiguous.entry(id).or_default() += 1,
                Mood::Broken | Mood::Busy => {}
            }
        }
    }
    let again = taken.values().filter(|times| **times > 1).count();
    report.count(Symptom::Untold, expected.len() - taken.len());
    report.count(Symptom::ToldAgain, again);
    report.count(Symptom::OtherMessageId, others.len());
    report.note(format!(
        "records {} told {} again {again} other ids {}; ids of unknown end {}, attempts of unknown end {}; requests {:?}",
        expected.len(),
        taken.len(),
        others.len(),
        ambiguous.len(),
        ambiguous.values().sum::<usize>(),
        segment.requests()
    ));
}
