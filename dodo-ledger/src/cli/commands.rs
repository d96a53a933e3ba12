//! The actions and the output of the commands.

use std::{
    io::{self, Write},
    time::Duration,
};

use dodo_core::Client;
use jiff::{SignedDuration, Timestamp};

use super::{
    CliError, CliOutcome,
    args::{Change, Command},
};
use crate::{
    AuditEntry, Ledger, ReconcileReport, StoredEvent, VoidOutcome, attribution::subject,
    query::ExportFormat,
};

/// Rows shown at most.
const LIMIT: u32 = 1000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A command with the ledger and the terminal that it uses.
pub(super) struct Run<'a> {
    pub(super) ledger: &'a Ledger,
    /// `None`: by the environment.
    pub(super) client: Option<&'a Client>,
    pub(super) out: &'a mut (dyn Write + Send),
    pub(super) err: &'a mut (dyn Write + Send),
}

impl Run<'_> {
    pub(super) async fn run(mut self, command: Command) -> CliOutcome {
        let error = match self.command(command).await {
            Ok(()) => return CliOutcome::Done,
            Err(error) => error.to_string(),
        };
        if !error.is_empty() {
            // Without a terminal, only the exit code reports the error.
            let _unseen = writeln!(self.err, "{error}");
        }
        CliOutcome::Failed
    }

    async fn command(&mut self, command: Command) -> Result<(), CliError> {
        let ledger = self.ledger;
        match command {
            Command::Migrate => {
                ledger.migrate().await?;
                writeln!(self.out, "the tables are up to date")?;
            }
            Command::Stats => {
                let stats = ledger.stats().await?;
                writeln!(self.out, "pending {} (unbooked {})", stats.pending, stats.unbooked)?;
                writeln!(self.out, "dead {}", stats.dead)?;
                writeln!(self.out, "parked {}", stats.parked)?;
                writeln!(self.out, "lag {:.1} s", stats.lag.as_secs_f64())?;
            }
            Command::FailedEvents => {
                for event in ledger.failed_events(LIMIT).await? {
                    show(self.out, &event)?;
                }
            }
            Command::Event { id } => match ledger.event(&id).await? {
                Some(event) => show(self.out, &event)?,
                None => return self.absent(&format!("no event {id}")),
            },
            Command::Redrive { id: Some(id), change, .. } => {
                self.note(&change, "redrive", &id).await?;
                if !ledger.redrive(&id).await? {
                    return self.absent(&format!("event {id} is neither dead nor parked"));
                }
                writeln!(self.out, "queued")?;
            }
            Command::Redrive { parked, change, .. } => {
                let state = if parked { "parked" } else { "dead" };
                self.note(&change, "redrive", &format!("all {state} events")).await?;
                let queued = match parked {
                    true => ledger.redrive_parked().await?,
                    false => ledger.redrive_dead().await?,
                };
                writeln!(self.out, "queued {queued} {state} events")?;
            }
            Command::Replay { id, change } => {
                self.note(&change, "replay", &id).await?;
                if !ledger.replay(&id).await? {
                    return self.absent(&format!("event {id} is unknown, pending, or has no body"));
                }
                writeln!(self.out, "callbacks queued")?;
            }
            Command::Explain { payment } => match ledger.explain(&payment).await? {
                Some(explanation) => writeln!(self.out, "{explanation}")?,
                None => return self.absent(&format!("no payment {payment} in the ledger")),
            },
            Command::Export { format, test, change } => {
                let mode = if test { "test mode" } else { "live mode" };
                self.note(&change, "export", &format!("all records of {mode}")).await?;
                let records = match test {
                    true => ledger.records().test_mode(),
                    false => ledger.records(),
                };
                let written = records.export(ExportFormat::from(format), &mut self.out).await?;
                writeln!(self.err, "{written} records")?;
            }
            Command::Reconcile { days, change } => self.reconcile(days, &change).await?,
            Command::Sink { name } => self.sink(&name).await?,
            Command::RedriveSink { name, change } => {
                if !ledger.knows_sink(&name).await? {
                    return self.no_sink(&name);
                }
                self.note(&change, "redrive-sink", &name).await?;
                writeln!(self.out, "queued {} dead letters", ledger.redrive_sink(&name).await?)?;
            }
            Command::ReplaySink { name, days, change } => {
                if !ledger.sinks().any(|sink| sink == name) {
                    return self.no_sink(&name);
                }
                self.note(&change, "replay-sink", &format!("{name}, {days} days")).await?;
                let (from, until) = last_days(days);
                let queued = ledger.replay_sink(&name, from, until).await?;
                writeln!(self.out, "queued {queued} records")?;
            }
            Command::Rebuild { change } => {
                self.note(&change, "rebuild", "all tables that follow from facts").await?;
                let report = ledger.rebuild().await?;
                for (name, repaired) in [
                    ("records", report.records),
                    ("money rows", report.money_rows),
                    ("values", report.values),
                    ("sums", report.sums),
                    ("rows of monthly revenue", report.recurring),
                    ("checkout sessions", report.sessions),
                ] {
                    writeln!(self.out, "repaired {repaired} {name}")?;
                }
            }
            Command::Void { record, change } => {
                match ledger.void(&record, &change.operator, &change.reason).await? {
                    VoidOutcome::Void => writeln!(self.out, "void")?,
                    VoidOutcome::Unchanged => {
                        writeln!(self.out, "unchanged: already void or withdrawn")?;
                    }
                    VoidOutcome::Unknown => {
                        return self.absent(&format!("no record {record} of a payment"));
                    }
                }
            }
            Command::Erase { customer, change } => {
                // The log is kept forever, so it does not name the customer.
                self.note(&change, "erase", &subject(&customer)).await?;
                let report = ledger.erase_customer(&customer).await?;
                if !report.found {
                    return self.absent(&format!("no data of customer {customer}"));
                }
                let (records, deliveries) = (report.records, report.deliveries);
                writeln!(self.out, "changed {records} records, erased {deliveries} deliveries")?;
            }
            Command::Prune { days, change } => {
                self.note(&change, "prune", &format!("bodies older than {days} days")).await?;
                let erased = ledger.prune_bodies(DAY * u32::from(days)).await?;
                writeln!(self.out, "erased {erased}")?;
            }
            Command::Audit => {
                for entry in ledger.audit(LIMIT).await? {
                    let AuditEntry { at, operator, action, object, reason } = entry;
                    writeln!(self.out, "{at}\t{operator}\t{action}\t{object}\t{reason}")?;
                }
            }
            Command::SetupWebhook { url, change } => self.setup_webhook(&url, &change).await?,
        }
        Ok(())
    }

    /// Adds the audit entry first, so that every change has an entry.
    async fn note(&self, change: &Change, action: &str, object: &str) -> Result<(), CliError> {
        Ok(self.ledger.note(&change.operator, action, object, &change.reason).await?)
    }

    /// Prints why a command did nothing.
    fn absent(&mut self, why: &str) -> Result<(), CliError> {
        writeln!(self.err, "{why}")?;
        Err(CliError::Absent)
    }

    /// Prints that the sink does not exist, and the names of the sinks.
    fn no_sink(&mut self, name: &str) -> Result<(), CliError> {
        let sinks: Vec<&str> = self.ledger.sinks().collect();
        let why = match sinks.is_empty() {
            true => format!("no sink {name}: its queue has no record"),
            false => format!("no sink {name}: the sinks are {}", sinks.join(", ")),
        };
        self.absent(&why)
    }

    async fn sink(&mut self, name: &str) -> Result<(), CliError> {
        if !self.ledger.knows_sink(name).await? {
            return self.no_sink(name);
        }
        let stats = self.ledger.sink_stats(name).await?;
        writeln!(self.out, "pending {}", stats.pending)?;
        writeln!(self.out, "dead {}", stats.dead)?;
        writeln!(self.out, "lag {:.1} s", stats.lag.as_secs_f64())?;
        if !stats.paused_for.is_zero() {
            let seconds = stats.paused_for.as_secs_f64();
            writeln!(self.out, "paused for {seconds:.1} s (Retry-After)")?;
        }
        for letter in self.ledger.dead_letters(name, LIMIT).await? {
            let (id, failed) = (letter.record_id, letter.failed_attempts);
            let reason = letter.reason.unwrap_or_default();
            writeln!(self.out, "{id}\t{failed} failed attempts\t{reason}")?;
        }
        Ok(())
    }

    /// Reconciles the last days with Dodo Payments.
    async fn reconcile(&mut self, days: u16, change: &Change) -> Result<(), CliError> {
        let client = self.client()?;
        self.note(change, "reconcile", &format!("{days} days")).await?;
        let (from, until) = last_days(days);
        let err = &mut *self.err;
        let show = |so_far: ReconcileReport| {
            let (payments, refunds) = (so_far.payments_seen, so_far.refunds_seen);
            let _unseen = write!(err, "\r{payments} payments, {refunds} refunds");
        };
        let report = self.ledger.reconcile(&client, from, until, show).await;
        let _unseen = writeln!(self.err);
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let hint = "stopped early; the booked records stay: run the command again";
                writeln!(self.err, "{hint}")?;
                return Err(error.into());
            }
        };
        writeln!(
            self.out,
            "booked {} payments of {} and {} refunds of {}",
            report.payments_booked,
            report.payments_seen,
            report.refunds_booked,
            report.refunds_seen
        )?;
        match report.skipped {
            0 => Ok(()),
            skipped => self.absent(&format!("skipped {skipped} objects; the log has their ids")),
        }
    }

    /// Registers the webhook route for all events. The secret goes to the standard output alone.
    async fn setup_webhook(&mut self, url: &str, change: &Change) -> Result<(), CliError> {
        let client = self.client()?;
        // A query may hold a secret.
        let place = url.split(['?', '#']).next().unwrap_or_default();
        self.note(change, "setup-webhook", place).await?;
        let endpoint = client.ensure_webhook_endpoint(url, &[]).await?;
        let done = if endpoint.created { "created" } else { "updated" };
        writeln!(self.err, "{done} endpoint {} in {}", endpoint.id, client.environment())?;
        writeln!(self.out, "DODO_PAYMENTS_WEBHOOK_KEY={}", endpoint.secret())?;
        Ok(())
    }

    fn client(&self) -> Result<Client, CliError> {
        match self.client {
            Some(client) => Ok(client.clone()),
            None => Ok(Client::from_env()?),
        }
    }
}

/// The last so many days.
fn last_days(days: u16) -> (Timestamp, Timestamp) {
    let now = Timestamp::now();
    (now - SignedDuration::from_hours(24 * i64::from(days)), now)
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
