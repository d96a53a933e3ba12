//! The command line.

mod client;
mod serve;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A local Dodo Payments for development and tests. No real money moves.
#[derive(Debug, Parser)]
#[command(name = "dodo-sandbox", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    serve: serve::Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the sandbox (also without a command)
    Serve(Box<serve::Serve>),
    /// Makes an event of this type happen, and delivers it
    Trigger(client::Trigger),
    /// Fills the account with visitors, sales, renewals, refunds and disputes
    Simulate(client::Simulate),
    /// Prints one line per API request and per delivery, until Ctrl-C
    Listen(client::Listen),
    /// Prints the events so far
    Events(client::Events),
    /// Prints the API requests so far
    Requests(client::Requests),
    /// Adds the products, discounts, endpoints and behavior of a file
    Seed(client::Seed),
    /// Begins again, or continues a snapshot
    Reset(client::Reset),
    /// Writes the state to a file (the sandbox runs with --data)
    Snapshot(client::Snapshot),
}

/// The sandbox that a command talks to.
#[derive(Debug, Args)]
struct Target {
    /// The address of a running sandbox
    #[arg(long, env = "DODO_SANDBOX_URL", default_value = "http://127.0.0.1:4010")]
    url: String,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => failed(&text),
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(serve)) => serve::run(*serve).await,
        Some(Command::Trigger(command)) => command.run().await,
        Some(Command::Simulate(command)) => command.run().await,
        Some(Command::Listen(command)) => command.run().await,
        Some(Command::Events(command)) => command.run().await,
        Some(Command::Requests(command)) => command.run().await,
        Some(Command::Seed(command)) => command.run().await,
        Some(Command::Reset(command)) => command.run().await,
        Some(Command::Snapshot(command)) => command.run().await,
    }
}

#[expect(clippy::print_stderr, reason = "the program's own output")]
fn failed(text: &str) -> ExitCode {
    eprintln!("dodo-sandbox: {text}");
    ExitCode::FAILURE
}

/// Writes a line. `false` if the reader is gone.
fn line(text: &str) -> bool {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{text}").is_ok()
}

/// Reads a configuration file.
fn config(path: &std::path::Path) -> Result<crate::config::Config, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{shown}: {}", error.to_string().trim_end()))
}
