//! The command line for operators: failed events, sinks, exports, erasure, and the audit log.
//!
//! Offer it in your program, because your program has your rules and your sinks.
//!
//! ```no_run
//! # async fn run(ledger: dodo_ledger::Ledger) -> std::process::ExitCode {
//! let words = std::env::args_os().skip(2); // my-app ledger reconcile 30 --operator ann --reason nightly
//! dodo_ledger::cli::run(&ledger, words).await
//! # }
//! ```

mod args;
mod commands;
mod program;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use dodo_core::Client;

pub use self::program::main;
use self::{args::Commands, commands::Run};
use crate::{Ledger, error::Error};

/// The result of a command. Its number is the exit code of the program that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CliOutcome {
    /// The command succeeded.
    Done = 0,
    /// Failed or partly done: an unknown id, no database, no API key, a skipped object.
    Failed = 1,
    /// The command does not exist, or one of its arguments is missing or wrong.
    Usage = 2,
}

impl From<CliOutcome> for ExitCode {
    fn from(outcome: CliOutcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// The reason why a command failed.
enum CliError {
    /// The object does not exist. The message is already printed.
    Absent,
    Ledger(Error),
    Dodo(dodo_core::Error),
    Terminal(io::Error),
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<dodo_core::Error> for CliError {
    fn from(error: dodo_core::Error) -> Self {
        Self::Dodo(error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error: &dyn std::error::Error = match self {
            Self::Absent => return Ok(()),
            Self::Ledger(error) => error,
            Self::Dodo(error) => error,
            Self::Terminal(error) => error,
        };
        write!(f, "{error}")?;
        match error.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// Runs one command on the ledger of an application. Prints to the terminal. `words` are the arguments
/// after the name of the program. The client for Dodo Payments is [`Client::from_env`].
pub async fn run<W>(ledger: &Ledger, words: impl IntoIterator<Item = W>) -> ExitCode
where
    W: Into<OsString> + Clone,
{
    run_with(ledger, None, words, &mut io::stdout(), &mut io::stderr()).await.into()
}

/// Runs one command with a client of your own. Results go to `out`, errors to `err`.
pub async fn run_with<W>(
    ledger: &Ledger,
    client: Option<&Client>,
    words: impl IntoIterator<Item = W>,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> CliOutcome
where
    W: Into<OsString> + Clone,
{
    let words = std::iter::once("ledger".into()).chain(words.into_iter().map(Into::into));
    match Commands::try_parse_from(words) {
        Ok(Commands { command }) => Run { ledger, client, out, err }.run(command).await,
        Err(refusal) => refuse(&refusal, out, err),
    }
}

/// Prints the requested help, or the reason why the words are not a command.
fn refuse(refusal: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> CliOutcome {
    // Without a terminal, only the exit code reports the error.
    let (outcome, _unseen) = match refusal.use_stderr() {
        true => (CliOutcome::Usage, write!(err, "{}", refusal.render())),
        false => (CliOutcome::Done, write!(out, "{}", refusal.render())),
    };
    outcome
}
