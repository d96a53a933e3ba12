//! The command line of the ledger: lists failed events and redrives them. Commands that need the
//! application's rules or sinks run only in the application.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;

use dodo_ledger::{Ledger, Operator, Outcome, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let url = match words.iter().position(|word| word == "--url") {
        Some(at) if at + 1 < words.len() => words.drain(at..at + 2).nth(1),
        Some(_) => None,
        None => match dodo_core::env::variable("DATABASE_URL") {
            Ok(url) => url,
            Err(error) => {
                eprintln!("{error}");
                return Outcome::Usage.into();
            }
        },
    };
    let command = words.first().map(String::as_str);
    if matches!(command, Some("--help" | "-h")) {
        println!("{}", usage());
        return Outcome::Done.into();
    }
    let (Some(url), Some(command)) = (url, command) else {
        eprintln!("{}", usage());
        return Outcome::Usage.into();
    };
    if Operator::is_of_the_application(command) {
        eprintln!(
            "`{command}` needs the application's rules and sinks: run it in the application, by \
             `dodo_ledger::Operator`. The example shops have it: `axum-shop ledger {command} ...`"
        );
        return Outcome::Usage.into();
    }
    // Only `migrate` makes a file: any other command was given the wrong path.
    let store = match command {
        "migrate" => Store::open(&url).await,
        _ => Store::open_existing(&url).await,
    };
    match store.and_then(|store| Ledger::builder(store).build()) {
        Ok(ledger) => Operator::new(&ledger).run(&words).await.into(),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            eprintln!("{error}{}", cause.unwrap_or_default());
            Outcome::Failed.into()
        }
    }
}

fn usage() -> String {
    format!(
        "usage: ledger --url <sqlite:file | postgres://...> <command>\n{}\n\
         The URL may be in DATABASE_URL instead.",
        Operator::COMMANDS
    )
}
