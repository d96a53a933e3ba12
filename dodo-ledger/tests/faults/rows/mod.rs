//! The rows of the table: the fault, the promise, and the mutants that prove that the row detects a
//! broken promise.

mod database;
mod kills;
mod latency;
mod order;
mod races;
mod sink;
mod workers;
mod writers;

use std::{future::Future, pin::Pin, time::Duration};

use crate::{
    Size,
    report::{Report, Symptom},
    wait::Step,
};

type Running = Pin<Box<dyn Future<Output = Step<Report>>>>;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Trial) -> Running,
    /// Whether the row needs the decorated copy of the ledger.
    pub(crate) needs_faults: bool,
    pub(crate) controls: &'static [Control],
}

/// A negative control: the same row with one promise broken. It passes when the row sees the symptoms
/// of that, and no others.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    /// A `DODO_FAILPOINT` besides the mutant of this name.
    failpoint: Option<&'static str>,
    /// Every one of these.
    must: &'static [Symptom],
    /// The symptoms that may follow.
    may: &'static [Symptom],
    /// Judged by time, which only a long run does.
    pub(crate) long_only: bool,
}

impl Control {
    const fn new(name: &'static str, must: &'static [Symptom], may: &'static [Symptom]) -> Self {
        Self { name, failpoint: None, must, may, long_only: false }
    }

    const fn at(mut self, failpoint: &'static str) -> Self {
        self.failpoint = Some(failpoint);
        self
    }

    const fn in_long_runs(mut self) -> Self {
        self.long_only = true;
        self
    }
}

/// How a row is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) size: Size,
    pub(crate) control: Option<&'static Control>,
}

impl Trial {
    /// A control is never larger than the short row: it has to notice at once.
    pub(crate) fn pick<T>(self, short: T, long: T) -> T {
        if self.size == Size::Long && self.control.is_none() { long } else { short }
    }

    /// As `pick`, and yet smaller for a control.
    pub(crate) fn sized<T>(self, control: T, short: T, long: T) -> T {
        if self.is_control() { control } else { self.pick(short, long) }
    }

    pub(crate) fn is_control(self) -> bool {
        self.control.is_some()
    }

    /// Whether times are judged: not in a short run, which shares its machine with others.
    pub(crate) fn judges_time(self) -> bool {
        self.size == Size::Long
    }

    /// How long the row may take.
    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs(self.pick(180, 3600))
    }

    pub(crate) fn name(self, row: &Row) -> String {
        match self.control {
            None => row.name.to_owned(),
            Some(control) => format!("{}/{}", row.name, control.name),
        }
    }

    pub(crate) fn environment(self) -> Vec<(&'static str, &'static str)> {
        let mutant = self.control.map(|control| ("DODO_MUTANT", control.name));
        let failpoint = self.control.and_then(|control| control.failpoint);
        mutant.into_iter().chain(failpoint.map(|point| ("DODO_FAILPOINT", point))).collect()
    }

    pub(crate) fn passes(self, report: &Report) -> bool {
        let Some(control) = self.control else { return report.is_clean() };
        let seen = |symptom: &Symptom| report.symptoms.contains_key(symptom);
        let expected =
            |symptom: &Symptom| control.must.contains(symptom) || control.may.contains(symptom);
        control.must.iter().all(seen) && report.symptoms.keys().all(expected)
    }

    pub(crate) fn complaint(self, report: &Report) -> String {
        match self.control {
            None => report.to_string(),
            Some(control) => format!("must see {:?}, but has {report}", control.must),
        }
    }
}

macro_rules! rows { ($($name:literal $($faults:ident)? => $function:path, [$($control:expr),* $(,)?];)*) => {
    pub(crate) const ROWS: &[Row] = &[$(Row {
        name: $name,
        run: |trial| Box::pin($function(trial)),
        needs_faults: $(stringify!($faults).len() > 0 ||)? false,
        controls: &[$($control),*],
    }),*];
} }

use Symptom as S;

const LOST: &[S] = &[S::Lost, S::AckedWhileAway];
/// A lost event is not booked either.
const UNBOOKED: &[S] = &[S::Unbooked];
/// Makes it likely that a kill falls between the effect and the mark.
const BETWEEN: &str = "between_effect_and_done:dwell:150";
/// Makes a kill between the booking and its outbox row likely.
const BEFORE_QUEUE: &str = "between_booking_and_queue:dwell:2000";

rows! {
    "7-one-id" => races::one_id, [Control::new("ids_not_unique", &[S::Doubled], &[])];
    "8-repeats-sqlite" => races::repeats_sqlite, [
        Control::new("ids_not_unique", &[S::Doubled], &[]),
    ];
    "8-repeats-postgres" => races::repeats_postgres, [
        Control::new("ids_not_unique", &[S::Doubled], &[]),
    ];
    "9-kills-sqlite" => kills::sqlite, [
        Control::new("effect_outside_tx", &[S::Doubled], &[]).at(BETWEEN),
        Control::new("enqueue_outside_tx", &[S::Unqueued], &[]).at(BEFORE_QUEUE),
    ];
    "10-kills-postgres" => kills::postgres, [
        Control::new("effect_outside_tx", &[S::Doubled], &[]).at(BETWEEN),
        Control::new("enqueue_outside_tx", &[S::Unqueued], &[]).at(BEFORE_QUEUE),
    ];
    "11-points" needs_faults => kills::points, [
        Control::new("effect_outside_tx", &[S::Doubled], &[]),
        Control::new("enqueue_outside_tx", &[S::Unqueued], &[]),
        Control::new("ack_before_commit", &[S::Lost], UNBOOKED),
    ];
    "12-other-body" => races::other_body, [
        Control::new("body_is_identity", &[S::Doubled, S::SecondBody], &[]),
    ];
    "13-order-sqlite" => order::sqlite, [
        Control::new("order_by_arrival", &[S::OrderMatters], &[]),
    ];
    "13-order-postgres" => order::postgres, [
        Control::new("order_by_arrival", &[S::OrderMatters], &[]),
    ];
    "14-database-down" => database::down, [Control::new("ack_before_commit", LOST, UNBOOKED)];
    "15-disk-full" => database::disk_full, [
        Control::new("ack_before_commit", &[S::Lost, S::NeverRefused], UNBOOKED),
    ];
    "16-locked" => database::locked, [Control::new("ack_before_commit", LOST, UNBOOKED)];
    "16-read-only" => database::read_only, [Control::new("ack_before_commit", LOST, UNBOOKED)];
    "17-sink" => sink::outage, [
        Control::new("failure_is_delivery", &[S::Untold], &[]),
        Control::new("new_message_id", &[S::OtherMessageId, S::Untold], &[]),
        Control::new("retry_after_ignored", &[S::TooEarly], &[]),
    ];
    "18-poison" => workers::poison, [
        Control::new("never_dead", &[S::NotDead], &[]),
        Control::new("claims_are_failures", &[S::Miscounted], &[]),
    ];
    "18-panics" needs_faults => workers::panics, [
        Control::new("panics_do_not_count", &[S::Miscounted, S::NotDead], &[]),
    ];
    "18-writers-sqlite" needs_faults => writers::sqlite, [
        Control::new("writers_stay_down", &[S::LateRecovery], &[]),
        Control::new("ack_before_commit", &[S::Lost], UNBOOKED),
    ];
    "18-writers-postgres" needs_faults => writers::postgres, [
        Control::new("writers_stay_down", &[S::LateRecovery], &[]),
        Control::new("ack_before_commit", &[S::Lost], UNBOOKED),
    ];
    "19-sigterm" => workers::terminate, [Control::new("leases_kept", &[S::LeasesKept], &[])];
    "20-frozen" => workers::frozen, [Control::new("no_fence", &[S::Doubled], &[])];
    "21-clocks" => workers::clocks, [
        Control::new("host_clock_lease", &[S::LeasesLost], &[]),
    ];
    "23-latency-sqlite" => latency::sqlite, [
        Control::new("slow_commit", &[S::OverBar], &[])
            .at("before_append_commit:dwell:300")
            .in_long_runs(),
    ];
    "23-latency-postgres" => latency::postgres, [
        Control::new("slow_commit", &[S::OverBar], &[])
            .at("before_append_commit:dwell:300")
            .in_long_runs(),
    ];
}
