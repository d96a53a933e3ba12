//! Fault tests: real processes that are killed, frozen and terminated, and a real PostgreSQL that is
//! stopped and killed, while deliveries are sent and sent again.
//!
//! What must hold in the end: every delivery that was answered with 2xx had its effect, and no
//! delivery had it twice.
//!
//! ```text
//! dodo-ledger/tests/faults/run [long] [row ...]            # with fault points and negative controls
//! cargo test -p dodo-ledger --all-features --test faults   # without: the short rows alone
//! ```
//! `run` compiles a copy of the ledger that can fail at named places, and that breaks a promise on
//! purpose: these negative controls have to be noticed, or the test is worth nothing. The module
//! `decorate` makes the copy.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod child;
mod cluster;
mod decorate;
mod delivery;
mod mirror;
mod oracle;
mod process;
mod report;
mod rows;
mod segment;
mod wait;
mod world;

use std::{path::Path, time::Instant};

use rows::{ROWS, Row, Trial};
use wait::{Halt, within};

/// How much of each row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few seconds per row: for every push.
    Short,
    /// What the table asks for.
    Long,
}

/// Whether the ledger under test is the copy with fault points.
const FAULTS: bool = option_env!("FAULTS_COPY").is_some();

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
}

impl Tally {
    /// Runs a row, or one of its controls.
    fn run(&mut self, runtime: &tokio::runtime::Runtime, seed: u64, row: &Row, trial: Trial) {
        fastrand::seed(seed);
        let begun = Instant::now();
        let ended = runtime.block_on(within(trial.limit(), (row.run)(trial)));
        let (verdict, text) = match ended {
            Ok(report) if trial.passes(&report) => {
                self.passed += 1;
                ("ok", report.to_string())
            }
            Ok(report) => ("FAILED", trial.complaint(&report)),
            Err(Halt::Stuck(what)) => ("FAILED", what),
            Err(Halt::Skipped(why)) => {
                self.skipped += 1;
                ("SKIPPED", why)
            }
        };
        let name = trial.name(row);
        println!("{name:36} {verdict:8} {:6.1} s  {text}", begun.elapsed().as_secs_f64());
        if verdict == "FAILED" {
            self.failed.push(name);
        }
    }
}

/// Whether the words of the command line ask for this: a row by its name or number, a control by
/// `row/control`; a row brings its controls.
fn wanted(words: &[&str], row: &Row, control: Option<&str>) -> bool {
    let number = row.name.split('-').next().unwrap_or_default();
    let asks = |word: &&str| match word.split_once('/') {
        None => *word == row.name || *word == number,
        Some((of, name)) => (of == row.name || of == number) && Some(name) == control,
    };
    words.is_empty() || words.iter().any(asks)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        child::main();
        return;
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let copy = decorate::decorated(&sources);
    let _files =
        copy.expect("each anchor of tests/faults/decorate/table.rs is in the sources once");
    if std::env::var("DODO_FAULT_ROWS").is_ok_and(|value| value == "elsewhere") {
        println!(
            "SKIPPED: DODO_FAULT_ROWS=elsewhere says that tests/faults/run is a check of its own"
        );
        return;
    }
    // The HTTP client asks for a provider even though nothing here is encrypted.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    // What `cargo test` may pass on is of no interest here.
    let mut words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let size = if words.contains(&"long") { Size::Long } else { Size::Short };
    words.retain(|word| *word != "long");
    let seed = std::env::var("DODO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("size {size:?}, fault points {}, DODO_SEED={seed}", if FAULTS { "on" } else { "off" });

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut rows, mut controls, mut left_out) = (Tally::default(), Tally::default(), 0);
    for row in ROWS {
        if wanted(&words, row, None) {
            if FAULTS || !row.needs_faults {
                rows.run(&runtime, seed, row, Trial { size, control: None });
            } else {
                left_out += 1;
            }
        }
        for control in row.controls {
            if !wanted(&words, row, Some(control.name))
                || (control.long_only && size == Size::Short)
            {
                continue;
            }
            if FAULTS {
                controls.run(&runtime, seed, row, Trial { size, control: Some(control) });
            } else {
                left_out += 1;
            }
        }
    }
    println!(
        "{} rows and {} negative controls passed, {} skipped{}",
        rows.passed,
        controls.passed,
        rows.skipped + controls.skipped,
        match left_out {
            0 => String::new(),
            _ => format!("; {left_out} more need the fault points: see docs/fault-tests.md"),
        }
    );
    let failed = [rows.failed, controls.failed].concat();
    if !failed.is_empty() {
        eprintln!("failed: {}", failed.join(", "));
    }
    let skipped = rows.skipped + controls.skipped > 0
        && std::env::var("DODO_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    if skipped {
        eprintln!("DODO_REQUIRE_POSTGRES=1, but something was skipped");
    }
    if !failed.is_empty() || skipped || rows.passed + controls.passed + left_out == 0 {
        std::process::exit(1);
    }
}
