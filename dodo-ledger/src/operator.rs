//! The operator's commands, over the application's own ledger.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use dodo_core::Client;

use crate::{Ledger, ReconcileReport, StoredEvent, error::Error, query::Format};

/// Rows shown at most.
const LIMIT: u32 = 1000;

/// What became of a command. Its number is the exit code of the program that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done = 0,
    /// It was not done, or not wholly: an unknown id, no database, no API key, an object that was
    /// passed over.
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
enum Trouble {
    Usage,
    /// What it was about is not there; already said.
    Absent,
    Ledger(Error),
    Dodo(dodo_core::Error),
    Terminal(io::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<dodo_core::Error> for Trouble {
    fn from(error: dodo_core::Error) -> Self {
        Self::Dodo(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

/// Runs the operator's commands: `failed`, `revive msg_x`, `reconcile 30`. Offer it in your program,
/// because what is booked there follows your rules and is told to your sinks.
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
Over the ledger as it is:
  migrate              create or update the tables
  stats                how the inbox stands
  failed               dead and parked events
  event <id>           one event of the inbox
  revive <id>          a dead or parked event gets a new life
  revive-dead          so does every dead event
  revive-parked        and every parked one
  replay <id>          run the callbacks of a finished event again
  export <csv|jsonl>   all live records to the standard output; --test for those of test mode
  erase <days>         erase the bodies of events finished so many days ago
  sink <name>          how the queue of a sink stands, and its dead letters
  revive-sink <name>   queue the dead letters of a sink again
By the application's rules, and told to its sinks:
  explain <payment>    who brought a payment, and how that is known
  reconcile <days>     book what no webhook brought in so many days; asks Dodo Payments
  replay-sink <name> <days>
                       tell a sink again what occurred in so many days
  forget <customer>    erase who a customer was; what was paid stays
Exit codes: 0 done; 1 failed, not wholly done, or an unknown id or name; 2 no such command.
Revived and replayed events are taken by the running workers.";

    /// Commands over this ledger: the application's own, with its rules and sinks.
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, client: None }
    }

    /// Asks Dodo Payments through this client. Unless set, it is [`Client::from_env`].
    pub fn client(mut self, client: &'a Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Whether a command follows the application's rules or tells its sinks: over a ledger that has
    /// others it would book, erase or explain something else.
    #[must_use]
    pub fn is_of_the_application(command: &str) -> bool {
        matches!(command, "explain" | "reconcile" | "replay-sink" | "forget")
    }

    /// Runs one command and prints what it says.
    pub async fn run<S: AsRef<str>>(&self, words: &[S]) -> Outcome {
        self.run_on(words, &mut io::stdout(), &mut io::stderr()).await
    }

    /// Runs one command; what it says goes to `out`, what it complains about to `err`.
    pub async fn run_on<S: AsRef<str>>(
        &self,
        words: &[S],
        out: &mut (dyn Write + Send),
        err: &mut (dyn Write + Send),
    ) -> Outcome {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let mut terminal = Terminal { out, err };
        let Err(trouble) = self.command(&words, &mut terminal).await else { return Outcome::Done };
        let (outcome, said) = match trouble {
            Trouble::Usage => (Outcome::Usage, Self::COMMANDS.to_owned()),
            Trouble::Absent => return Outcome::Failed,
            Trouble::Ledger(error) => (Outcome::Failed, with_cause(&error)),
            Trouble::Dodo(error) => {
                // Of the ledger's own trouble an operator hears more than the sender of a delivery.
                let own = std::error::Error::source(&error).and_then(|e| e.downcast_ref());
                (Outcome::Failed, own.map_or_else(|| error.to_string(), with_cause))
            }
            Trouble::Terminal(error) => (Outcome::Failed, error.to_string()),
        };
        // Without a terminal the exit code has to do.
        let _unheard = writeln!(terminal.err, "{said}");
        outcome
    }

    async fn command(&self, words: &[&str], terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
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
                writeln!(out, "oldest due since {:.1} s", stats.lag.as_secs_f64())?;
            }
            ["failed"] => {
                for event in ledger.failed_events(LIMIT).await? {
                    show(*out, &event)?;
                }
            }
            ["event", id] => match ledger.event(id).await? {
                Some(event) => show(*out, &event)?,
                None => return terminal.absent(&format!("no event {id}")),
            },
            ["revive", id] => match ledger.redrive(id).await? {
                true => writeln!(out, "revived")?,
                false => return terminal.absent("nothing to revive"),
            },
            ["revive-dead"] => writeln!(out, "revived {}", ledger.redrive_dead().await?)?,
            ["revive-parked"] => writeln!(out, "revived {}", ledger.redrive_parked().await?)?,
            ["replay", id] => match ledger.replay(id).await? {
                true => writeln!(out, "will run again")?,
                false => return terminal.absent("nothing to replay"),
            },
            ["explain", payment] => match ledger.explain(payment).await? {
                Some(explanation) => writeln!(out, "{explanation}")?,
                None => return terminal.absent(&format!("no payment {payment} in the ledger")),
            },
            ["export", format, rest @ ..] => self.export(format, rest, terminal).await?,
            ["reconcile", days] => self.reconcile(days, terminal).await?,
            ["forget", customer] => {
                let forgotten = ledger.erase_customer(customer).await?;
                if !forgotten.found {
                    return terminal.absent(&format!("nothing is known of a customer {customer}"));
                }
                let (records, deliveries) = (forgotten.records, forgotten.deliveries);
                writeln!(out, "changed {records} records, erased {deliveries} deliveries")?;
            }
            ["erase", days] => {
                let days: u32 = days.parse().map_err(|_| Trouble::Usage)?;
                let age = Duration::from_secs(24 * 3600) * days;
                writeln!(out, "erased {}", ledger.prune_bodies(age).await?)?;
            }
            ["sink" | "revive-sink", name] if !ledger.knows_sink(name).await? => {
                return self.no_sink(name, terminal);
            }
            ["sink", name] => self.sink(name, *out).await?,
            ["revive-sink", name] => {
                writeln!(out, "revived {}", ledger.redrive_sink(name).await?)?;
            }
            ["replay-sink", name, days] => {
                let (from, until) = last_days(days)?;
                if !ledger.sinks().any(|sink| sink == *name) {
                    return self.no_sink(name, terminal);
                }
                let queued = ledger.replay_sink(name, from, until).await?;
                writeln!(out, "queued {queued} records")?;
            }
            _ => return Err(Trouble::Usage),
        }
        Ok(())
    }

    /// Says that there is no such sink, and which there are.
    fn no_sink(&self, name: &str, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
        let sinks: Vec<&str> = self.ledger.sinks().collect();
        terminal.absent(&match sinks.is_empty() {
            true => format!("no sink {name}: nothing was ever queued for it"),
            false => format!("no sink {name}: there are {}", sinks.join(", ")),
        })
    }

    async fn sink(&self, name: &str, out: &mut (dyn Write + Send)) -> Result<(), Trouble> {
        let stats = self.ledger.sink_stats(name).await?;
        writeln!(out, "pending {}", stats.pending)?;
        writeln!(out, "dead {}", stats.dead)?;
        writeln!(out, "oldest due since {:.1} s", stats.lag.as_secs_f64())?;
        if !stats.quiet.is_zero() {
            writeln!(out, "left alone for {:.1} s more, as it asked", stats.quiet.as_secs_f64())?;
        }
        for letter in self.ledger.dead_letters(name, LIMIT).await? {
            let reason = letter.reason.unwrap_or_default();
            writeln!(out, "{}\t{} failures\t{reason}", letter.record_id, letter.failures)?;
        }
        Ok(())
    }

    /// Writes all records.
    async fn export(
        &self,
        format: &str,
        rest: &[&str],
        terminal: &mut Terminal<'_>,
    ) -> Result<(), Trouble> {
        let format = match format {
            "csv" => Format::Csv,
            "jsonl" => Format::JsonLines,
            _ => return Err(Trouble::Usage),
        };
        let records = match rest {
            [] => self.ledger.records(),
            ["--test"] => self.ledger.records().test_mode(),
            _ => return Err(Trouble::Usage),
        };
        let written = records.export(format, &mut terminal.out).await?;
        writeln!(terminal.err, "{written} records")?;
        Ok(())
    }

    /// Asks Dodo Payments for the last days.
    async fn reconcile(&self, days: &str, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
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
                writeln!(terminal.err, "what was booked until then stays: run it again")?;
                return Err(error.into());
            }
        };
        writeln!(
            terminal.out,
            "booked {} payments of {} and {} refunds of {}",
            found.payments_booked, found.payments_seen, found.refunds_booked, found.refunds_seen
        )?;
        match found.unreadable {
            0 => Ok(()),
            passed_over => terminal.absent(&format!(
                "{passed_over} could not be fetched, read or booked: the log names them"
            )),
        }
    }
}

/// The last so many days.
fn last_days(days: &str) -> Result<(jiff::Timestamp, jiff::Timestamp), Trouble> {
    let days: u16 = days.parse().map_err(|_| Trouble::Usage)?;
    let now = jiff::Timestamp::now();
    Ok((now - jiff::SignedDuration::from_hours(24 * i64::from(days)), now))
}

impl Terminal<'_> {
    /// Says why a command came to nothing.
    fn absent(&mut self, why: &str) -> Result<(), Trouble> {
        writeln!(self.err, "{why}")?;
        Err(Trouble::Absent)
    }
}

fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn show(out: &mut (dyn Write + Send), event: &StoredEvent) -> io::Result<()> {
    writeln!(
        out,
        "{}\t{}\t{}\tbooked {}\tclaims {}\tfailures {}\t{}",
        event.id,
        event.state,
        event.kind.as_deref().unwrap_or("-"),
        event.booked,
        event.claims,
        event.failures,
        event.last_error.as_deref().unwrap_or("-"),
    )
}
