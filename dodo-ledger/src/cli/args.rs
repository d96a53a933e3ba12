//! The commands and their arguments.

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

use crate::query::ExportFormat;

/// The commands as an application offers them.
#[derive(Debug, Parser)]
#[command(name = "ledger", about, after_help = EXIT_CODES, disable_version_flag = true)]
pub(super) struct Commands {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The program `ledger`: it has neither the rules nor the sinks of an application.
#[derive(Debug, Parser)]
#[command(name = "ledger", about, after_help = EXIT_CODES, disable_version_flag = true)]
pub(super) struct Program {
    /// `sqlite:file` or `postgres://...`. Default: the variable `DATABASE_URL`.
    #[arg(long)]
    pub(super) url: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed, partly done, or an unknown id or name; 2 wrong command.
Commands that change something take --operator and --reason, and add an entry to the audit log.
Running workers take the redriven and replayed events.";

/// One command.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create or update the tables
    Migrate,
    /// Print the counters of the inbox
    Stats,
    /// List dead and parked events
    FailedEvents,
    /// Print one event of the inbox
    Event {
        /// The `webhook-id`
        #[arg(value_parser = text())]
        id: String,
    },
    /// Move a dead or parked event, or all of them, back to the queue
    #[command(group = clap::ArgGroup::new("events").required(true))]
    Redrive {
        /// The `webhook-id`
        #[arg(group = "events", value_parser = text())]
        id: Option<String>,
        /// All dead events
        #[arg(long, group = "events")]
        dead: bool,
        /// All parked events
        #[arg(long, group = "events")]
        parked: bool,
        #[command(flatten)]
        change: Change,
    },
    /// Run the callbacks of a finished event again
    Replay {
        /// The `webhook-id`
        #[arg(value_parser = text())]
        id: String,
        #[command(flatten)]
        change: Change,
    },
    /// Print the attribution of a payment, and its steps
    Explain {
        /// `pay_...`
        #[arg(value_parser = text())]
        payment: String,
    },
    /// Write all records to the standard output
    Export {
        format: Format,
        /// The records of test mode instead of live mode
        #[arg(long)]
        test: bool,
        #[command(flatten)]
        change: Change,
    },
    /// Book payments and refunds that no webhook delivered
    Reconcile {
        /// How many days back
        days: u16,
        #[command(flatten)]
        change: Change,
    },
    /// Print the counters of the queue of a sink, and its dead letters
    Sink {
        /// The name of the sink
        #[arg(value_parser = text())]
        name: String,
    },
    /// Move the dead letters of a sink back to the queue
    RedriveSink {
        /// The name of the sink
        #[arg(value_parser = text())]
        name: String,
        #[command(flatten)]
        change: Change,
    },
    /// Send past records to a sink again
    ReplaySink {
        /// The name of the sink
        #[arg(value_parser = text())]
        name: String,
        /// How many days back
        days: u16,
        #[command(flatten)]
        change: Change,
    },
    /// Compute records, sums and monthly revenue from the facts, and repair rows that differ
    Rebuild {
        #[command(flatten)]
        change: Change,
    },
    /// Set the money of a record to zero; the record stays
    Void {
        /// The id of the record, such as `charge:pay_x`
        #[arg(value_parser = text())]
        record: String,
        #[command(flatten)]
        change: Change,
    },
    /// Erase the personal data of a customer; amounts remain
    Erase {
        /// `cus_...`
        #[arg(value_parser = text())]
        customer: String,
        #[command(flatten)]
        change: Change,
    },
    /// Erase the bodies of events that finished so many days ago
    Prune {
        /// The smallest age of the event in days
        days: u16,
        #[command(flatten)]
        change: Change,
    },
    /// List the newest changes: time, operator, command, object, reason
    Audit,
    /// Create or update the webhook endpoint at Dodo Payments, and print its variable
    SetupWebhook {
        /// The address of the webhook route: https, or http on this machine
        #[arg(value_parser = text())]
        url: String,
        #[command(flatten)]
        change: Change,
    },
}

/// The operator and the reason of a change, for the audit log.
#[derive(Args, Debug)]
pub(super) struct Change {
    /// Your name. Put no data of a customer here: the audit log keeps it forever
    #[arg(long, value_parser = entry)]
    pub(super) operator: String,
    /// The reason of the change. Put no data of a customer here
    #[arg(long, value_parser = entry)]
    pub(super) reason: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

impl From<Format> for ExportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Jsonl => Self::JsonLines,
        }
    }
}

impl Command {
    /// Returns the name of a command that needs the application's rules or sinks. With other rules or
    /// sinks it would book, erase or explain other records.
    pub(super) fn needs_app_config(&self) -> Option<&'static str> {
        match self {
            Self::Explain { .. } => Some("explain"),
            Self::Reconcile { .. } => Some("reconcile"),
            Self::ReplaySink { .. } => Some("replay-sink"),
            Self::Erase { .. } => Some("erase"),
            Self::Void { .. } => Some("void"),
            Self::Rebuild { .. } => Some("rebuild"),
            _ => None,
        }
    }
}

fn text() -> NonEmptyStringValueParser {
    NonEmptyStringValueParser::new()
}

/// The longest operator or reason, in characters.
const LONGEST_ENTRY: usize = 200;

/// Reads a column of the audit log: one line, so that the list stays readable.
fn entry(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    match text {
        "" => Err("it is empty"),
        _ if text.contains(char::is_control) => Err("it has control characters"),
        _ if text.chars().nth(LONGEST_ENTRY).is_some() => Err("it has over 200 characters"),
        _ => Ok(text.to_owned()),
    }
}
