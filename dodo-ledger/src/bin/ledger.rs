//! The command line of the ledger: lists failed events and redrives them. Commands that need the
//! application's rules or sinks run only in the application.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    dodo_ledger::cli::main().await
}
