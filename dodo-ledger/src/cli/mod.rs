//! The operator's commands, over the application's own ledger.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use dodo_core::Client;

use crate::{
    AuditEntry, Ledger, ReconcileReport, StoredEvent, VoidOutcome, error::Error,
    query::ExportFormat,
};

/// Rows shown at most.
const LIMIT: u32 = 1000;

/// The result of a command. Its number is the exit code of the program that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done = 0,
    /// Failed or partly done: an unknown id, no database, no API key, a skipped object.
    Failed = 1,
    /// There is no such command, or it lacks something.
    Usage = 2,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Why a command was not done.
enum CliError {
    Usage,
    /// The object does not exist; the message is already printed.
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

/// Runs the operator's commands: `failed-events`, `redrive msg_x`, `reconcile 30`. Offer it in your
/// program, because your program has your rules and your sinks.
///
/// ```no_run
/// # async fn run(ledger: dodo_ledger::Ledger) -> std::process::ExitCode {
/// use dodo_ledger::Operator;
///
/// let words: Vec<String> = std::env::args().skip(2).collect(); // my-app ledger reconcile 30
/// Operator::new(&ledger).run(&words).await.into()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "call `.run()`"]
pub struct Operator<'a> {
    ledger: &'a Ledger,
    client: Option<&'a Client>,
}

/// Where a command writes.
struct Terminal<'a> {
    out: &'a mut (dyn Write + Send),
    err: &'a mut (dyn Write + Send),
}

impl<'a> Operator<'a> {
    /// The commands, for a `--help`.
    pub const COMMANDS: &'static str = "\
Commands over every ledger:
  migrate              create or update the tables
  stats                counters of the inbox
  failed-events        dead and parked events
  event <id>           one event of the inbox
  redrive <id>         move a dead or parked event back to the queue; all of them
                       with --dead or --parked
  replay <id>          run the callbacks of a finished event again
  export <csv|jsonl>   all live records to the standard output; --test for those of test mode
  prune <days>         erase the bodies of events finished so many days ago
  sink <name>          counters of a sink's queue, and its dead letters
  redrive-sink <name>  move the dead letters of a sink back to the queue
  audit                changes by operators: time, operator, command, object, reason
Commands of the application, with its rules and sinks:
  explain <payment>    the attribution of a payment, and its steps
  reconcile <days>     book payments and refunds of so many days that no webhook delivered
  replay-sink <name> <days>
                       send the records of so many days to a sink again
  erase <customer>     erase the personal data of a customer; amounts remain
  void <record> <operator> <reason>
                       set the money of a record to zero; the record stays
Exit codes: 0 done; 1 failed, partly done, or an unknown id or name; 2 unknown command.
Running workers take the redriven and replayed events.";

    /// Commands over this ledger: the application's own, with its rules and sinks.
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, client: None }
    }

    /// Sets the client for Dodo Payments. Default: [`Client::from_env`].
    pub fn client(mut self, client: &'a Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Returns whether a command needs the application's rules or sinks. With other rules or sinks
    /// it would book, erase or explain other records.
    #[must_use]
    pub fn is_of_the_application(command: &str) -> bool {
        matches!(command, "explain" | "reconcile" | "replay-sink" | "erase" | "void")
    }

    /// Runs one command and prints its output.
    pub async fn run<S: AsRef<str>>(&self, words: &[S]) -> Outcome {
        self.run_on(words, &mut io::stdout(), &mut io::stderr()).await
    }

    /// Runs one command. Results go to `out`, errors to `err`.
    pub async fn run_on<S: AsRef<str>>(
        &self,
        words: &[S],
        out: &mut (dyn Write + Send),
        err: &mut (dyn Write + Send),
    ) -> Outcome {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let mut terminal = Terminal { out, err };
        let Err(error) = self.command(&words, &mut terminal).await else { return Outcome::Done };
        let (outcome, text) = match error {
            CliError::Usage => (Outcome::Usage, Self::COMMANDS.to_owned()),
            CliError::Absent => return Outcome::Failed,
            CliError::Ledger(error) => (Outcome::Failed, with_cause(&error)),
            CliError::Dodo(error) => {
                // An operator reads the cause of an error of the ledger; the sender of a delivery
                // does not.
                let own = std::error::Error::source(&error).and_then(|e| e.downcast_ref());
                (Outcome::Failed, own.map_or_else(|| error.to_string(), with_cause))
            }
            CliError::Terminal(error) => (Outcome::Failed, error.to_string()),
        };
        // Without a terminal the exit code has to do.
        let _unseen = writeln!(terminal.err, "{text}");
        outcome
    }

    async fn command(&self, words: &[&str], terminal: &mut Terminal<'_>) -> Result<(), CliError> {
        let ledger = self.ledger;
        let Terminal { out, .. } = &mut *terminal;
        match words {
            ["help" | "--help" | "-h"] => writeln!(out, "{}", Self::COMMANDS)?,
            ["migrate"] => {
                ledger.migrate().await?;
                writeln!(out, "the tables are up to date")?;
            }
            ["stats"] => {
                let stats = ledger.stats().await?;
                writeln!(out, "pending {} (unbooked {})", stats.pending, stats.unbooked)?;
                writeln!(out, "dead {}", stats.dead)?;
                writeln!(out, "parked {}", stats.parked)?;
                writeln!(out, "lag {:.1} s", stats.lag.as_secs_f64())?;
            }
            ["failed-events"] => {
                for event in ledger.failed_events(LIMIT).await? {
                    show(*out, &event)?;
                }
            }
            ["event", id] => match ledger.event(id).await? {
                Some(event) => show(*out, &event)?,
                None => return terminal.absent(&format!("no event {id}")),
            },
            ["redrive", "--dead"] => {
                writeln!(out, "queued {} dead events", ledger.redrive_dead().await?)?
            }
            ["redrive", "--parked"] => {
                writeln!(out, "queued {} parked events", ledger.redrive_parked().await?)?
            }
            ["redrive", id] => match ledger.redrive(id).await? {
                true => writeln!(out, "queued")?,
                false => return terminal.absent(&format!("event {id} is neither dead nor parked")),
            },
            ["replay", id] => match ledger.replay(id).await? {
                true => writeln!(out, "callbacks queued")?,
                false => {
                    return terminal
                        .absent(&format!("event {id} is unknown, pending, or has no body"));
                }
            },
            ["explain", payment] => match ledger.explain(payment).await? {
                Some(explanation) => writeln!(out, "{explanation}")?,
                None => return terminal.absent(&format!("no payment {payment} in the ledger")),
            },
            ["export", format, rest @ ..] => self.export(format, rest, terminal).await?,
            ["reconcile", days] => self.reconcile(days, terminal).await?,
            ["erase", customer] => {
                let report = ledger.erase_customer(customer).await?;
                if !report.found {
                    return terminal.absent(&format!("no data of customer {customer}"));
                }
                let (records, deliveries) = (report.records, report.deliveries);
                writeln!(out, "changed {records} records, erased {deliveries} deliveries")?;
            }
            ["void", record, operator, reason] => {
                match ledger.void(record, operator, reason).await? {
                    VoidOutcome::Void => writeln!(out, "void")?,
                    VoidOutcome::Unchanged => {
                        writeln!(out, "unchanged: already void or withdrawn")?
                    }
                    VoidOutcome::Unknown => {
                        return terminal.absent(&format!("no record {record} of a payment"));
                    }
                }
            }
            ["audit"] => {
                for entry in ledger.audit(LIMIT).await? {
                    let AuditEntry { at, operator, action, object, reason } = entry;
                    writeln!(out, "{at}\t{operator}\t{action}\t{object}\t{reason}")?;
                }
            }
            ["prune", days] => {
                let days: u32 = days.parse().map_err(|_| CliError::Usage)?;
                let age = Duration::from_secs(24 * 3600) * days;
                writeln!(out, "erased {}", ledger.prune_bodies(age).await?)?;
            }
            ["sink" | "redrive-sink", name] if !ledger.knows_sink(name).await? => {
                return self.no_sink(name, terminal);
            }
            ["sink", name] => self.sink(name, *out).await?,
            ["redrive-sink", name] => {
                writeln!(out, "queued {} dead letters", ledger.redrive_sink(name).await?)?;
            }
            ["replay-sink", name, days] => {
                let (from, until) = last_days(days)?;
                if !ledger.sinks().any(|sink| sink == *name) {
                    return self.no_sink(name, terminal);
                }
                let queued = ledger.replay_sink(name, from, until).await?;
                writeln!(out, "queued {queued} records")?;
            }
            _ => return Err(CliError::Usage),
        }
        Ok(())
    }

    /// Prints that the sink does not exist, and the names of the sinks.
    fn no_sink(&self, name: &str, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
        let sinks: Vec<&str> = self.ledger.sinks().collect();
        terminal.absent(&match sinks.is_empty() {
            true => format!("no sink {name}: its queue has no record"),
            false => format!("no sink {name}: the sinks are {}", sinks.join(", ")),
        })
    }

    async fn sink(&self, name: &str, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
        let stats = self.ledger.sink_stats(name).await?;
        writeln!(out, "pending {}", stats.pending)?;
        writeln!(out, "dead {}", stats.dead)?;
        writeln!(out, "lag {:.1} s", stats.lag.as_secs_f64())?;
        if !stats.paused_for.is_zero() {
            writeln!(out, "paused for {:.1} s (Retry-After)", stats.paused_for.as_secs_f64())?;
        }
        for letter in self.ledger.dead_letters(name, LIMIT).await? {
            let reason = letter.reason.unwrap_or_default();
            writeln!(
                out,
                "{}\t{} failed attempts\t{reason}",
                letter.record_id, letter.failed_attempts
            )?;
        }
        Ok(())
    }

    /// Writes all records.
    async fn export(
        &self,
        format: &str,
        rest: &[&str],
        terminal: &mut Terminal<'_>,
    ) -> Result<(), CliError> {
        let format = match format {
            "csv" => ExportFormat::Csv,
            "jsonl" => ExportFormat::JsonLines,
            _ => return Err(CliError::Usage),
        };
        let records = match rest {
            [] => self.ledger.records(),
            ["--test"] => self.ledger.records().test_mode(),
            _ => return Err(CliError::Usage),
        };
        let written = records.export(format, &mut terminal.out).await?;
        writeln!(terminal.err, "{written} records")?;
        Ok(())
    }

    /// Reconciles the last days with Dodo Payments.
    async fn reconcile(&self, days: &str, terminal: &mut Terminal<'_>) -> Result<(), CliError> {
        let (from, until) = last_days(days)?;
        let own;
        let client = match self.client {
            Some(client) => client,
            None => {
                own = Client::from_env()?;
                &own
            }
        };
        let err = &mut *terminal.err;
        let show = |so_far: ReconcileReport| {
            let (payments, refunds) = (so_far.payments_seen, so_far.refunds_seen);
            let _unseen = write!(err, "\r{payments} payments, {refunds} refunds");
        };
        let found = self.ledger.reconcile(client, from, until, show).await;
        let _unseen = writeln!(terminal.err);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                writeln!(
                    terminal.err,
                    "stopped early; the booked records stay: run the command again"
                )?;
                return Err(error.into());
            }
        };
        writeln!(
            terminal.out,
            "booked {} payments of {} and {} refunds of {}",
            found.payments_booked, found.payments_seen, found.refunds_booked, found.refunds_seen
        )?;
        match found.skipped {
            0 => Ok(()),
            skipped => {
                terminal.absent(&format!("skipped {skipped} objects; the log has their ids"))
            }
        }
    }
}

/// The last so many days.
fn last_days(days: &str) -> Result<(jiff::Timestamp, jiff::Timestamp), CliError> {
    let days: u16 = days.parse().map_err(|_| CliError::Usage)?;
    let now = jiff::Timestamp::now();
    Ok((now - jiff::SignedDuration::from_hours(24 * i64::from(days)), now))
}

impl Terminal<'_> {
    /// Prints why a command did nothing.
    fn absent(&mut self, why: &str) -> Result<(), CliError> {
        writeln!(self.err, "{why}")?;
        Err(CliError::Absent)
    }
}

fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn show(out: &mut (dyn Write + Send), event: &StoredEvent) -> io::Result<()> {
    writeln!(
        out,
        "{}\t{}\t{}\tbooked {}\tattempts {}\tfailed attempts {}\t{}",
        event.id,
        event.state,
        event.kind.as_deref().unwrap_or("-"),
        event.is_booked,
        event.attempts,
        event.failed_attempts,
        event.last_error.as_deref().unwrap_or("-"),
    )
}
