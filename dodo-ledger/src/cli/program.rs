//! The program `ledger`.

use std::{io, process::ExitCode};

use clap::{CommandFactory, Parser};

use super::{CliError, CliOutcome, args, commands::Run, refuse};
use crate::{Ledger, Store, error::Error};

/// Runs the program `ledger` with the arguments of the process.
#[doc(hidden)]
pub async fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let args::Program { url, command } = match args::Program::try_parse() {
        Ok(program) => program,
        Err(refusal) => return refuse(&refusal, &mut out, &mut err).into(),
    };
    if let Some(name) = command.needs_app_config() {
        return usage(format!(
            "`{name}` needs the rules and sinks of the application: run it in the application, by \
             `dodo_ledger::cli::run`. The example shops have it: `axum-shop ledger {name} ...`"
        ));
    }
    let url = match url
        .map_or_else(|| dodo_core::env::variable("DATABASE_URL"), |url| Ok(Some(url)))
    {
        Ok(Some(url)) => url,
        Ok(None) => return usage("the URL of the database is missing: set --url or DATABASE_URL"),
        Err(error) => return usage(error.to_string()),
    };
    match open(&url, matches!(command, args::Command::Migrate)).await {
        Ok(ledger) => {
            let run = Run { ledger: &ledger, client: None, out: &mut out, err: &mut err };
            run.run(command).await.into()
        }
        Err(error) => {
            let _unseen =
                io::Write::write_fmt(&mut err, format_args!("{}\n", CliError::from(error)));
            CliOutcome::Failed.into()
        }
    }
}

/// Only `migrate` creates a file: any other command has the wrong path.
async fn open(url: &str, creates: bool) -> Result<Ledger, Error> {
    let store = if creates { Store::open(url).await? } else { Store::open_existing(url).await? };
    Ledger::builder(store).build()
}

fn usage(message: impl std::fmt::Display) -> ExitCode {
    let refusal = args::Program::command().error(clap::error::ErrorKind::InvalidValue, message);
    refuse(&refusal, &mut io::stdout(), &mut io::stderr()).into()
}
