//! Fault tests: real processes that are killed, frozen and terminated, and a real PostgreSQL that is
//! stopped and killed, while deliveries are sent and sent again.
//!
//! What must hold in the end: every delivery that was answered with 2xx had its effect, and no
//! delivery had it twice.
//!
//! ```text
//! cargo test -p dodo-ledger --all-features --test faults              # the short version
//! RUSTFLAGS='--cfg dodo_faults' cargo test --release --target-dir target/faults \
//!     -p dodo-ledger --all-features --test faults -- long [row ...]   # everything
//! ```
//! With `--cfg dodo_faults` the ledger can die at named places, and each promise can be broken on
//! purpose: these negative controls have to be noticed, or the test is worth nothing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod child;
mod cluster;
mod delivery;
mod oracle;
mod process;
mod rows;
mod world;

use std::time::Instant;

use rows::{Outcome, ROWS};

/// How much of each row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few seconds per row: for every push.
    Short,
    /// What the table asks for.
    Long,
}

impl Size {
    pub(crate) const fn pick<T: Copy>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// Whether the ledger under test was built with its fault points.
pub(crate) const FAULTS: bool = cfg!(dodo_faults);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        child::main();
        return;
    }
    // The HTTP client asks for a provider even though nothing here is encrypted.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    // What `cargo test` may pass on is of no interest here.
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let size = if words.contains(&"long") { Size::Long } else { Size::Short };
    let wanted: Vec<&str> = words.into_iter().filter(|word| *word != "long").collect();
    let seed = std::env::var("DODO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("size {size:?}, fault points {}, DODO_SEED={seed}", if FAULTS { "on" } else { "off" });
    fastrand::seed(seed);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut failed = Vec::new();
    for row in ROWS {
        if !wanted.is_empty() && !wanted.contains(&row.name) {
            continue;
        }
        let begun = Instant::now();
        let outcome = runtime.block_on((row.run)(size));
        let (verdict, text) = match outcome {
            Outcome::Passed(text) => ("ok", text),
            Outcome::Skipped(text) => ("SKIPPED", text),
            Outcome::Failed(text) => {
                failed.push(row.name);
                ("FAILED", text)
            }
        };
        println!("{:24} {verdict:8} {:6.1} s  {text}", row.name, begun.elapsed().as_secs_f64());
    }
    if !failed.is_empty() {
        eprintln!("failed: {}", failed.join(", "));
        std::process::exit(1);
    }
}
