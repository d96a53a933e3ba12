//! Serves the conformance application for black-box checks:
//!
//! ```text
//! cargo run -p dodo-tests --bin conformance -- --framework axum --listen 127.0.0.1:8080
//! ```
//!
//! With `--ledger sqlite:PATH` or `--ledger postgres://...` deliveries to `/api/webhook` are taken
//! into a durable inbox, and `GET /__ledger` answers all records; `--lease SECONDS` sets how long a
//! worker owns an event.
//!
//! With `--on-unreadable` a callback takes events that cannot be read: `GET /__callbacks` then lists
//! `onUnreadable`.
//!
//! Prints one line with the address once it listens; port 0 picks a free one.

use std::{net::TcpListener, process::ExitCode, time::Duration};

use dodo_core::BoxError;
use dodo_ledger::{Ledger, Store};
use dodo_tests::{
    conformance::Conformance,
    server::{self, Framework, Settings},
};

const USAGE: &str = "usage: conformance --framework axum|actix|tower --listen HOST:PORT \
                     [--ledger URL [--lease SECONDS]] [--on-unreadable]";

struct Arguments {
    framework: Framework,
    listen: String,
    ledger: Option<String>,
    lease: Option<Duration>,
    on_unreadable: bool,
}

fn arguments() -> Result<Arguments, BoxError> {
    let (mut framework, mut listen, mut ledger, mut lease) = (None, None, None, None);
    let mut on_unreadable = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--on-unreadable" {
            on_unreadable = true;
            continue;
        }
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--framework" => framework = Some(value.parse()?),
            "--listen" => listen = Some(value),
            "--ledger" => ledger = Some(value),
            "--lease" => lease = Some(Duration::from_secs(value.parse().map_err(|_| USAGE)?)),
            _ => return Err(USAGE.into()),
        }
    }
    let (framework, listen) = (framework.ok_or(USAGE)?, listen.ok_or(USAGE)?);
    Ok(Arguments { framework, listen, ledger, lease, on_unreadable })
}

async fn run() -> Result<(), BoxError> {
    let Arguments { framework, listen, ledger, lease, on_unreadable } = arguments()?;
    let mut application = Conformance::from_env()?;
    if on_unreadable {
        application = application.with_unreadable_callback()?;
    }
    let mut _workers = None;
    if let Some(url) = ledger {
        let builder = Ledger::builder(Store::open(&url).await?);
        let ledger = lease.into_iter().fold(builder, dodo_ledger::LedgerBuilder::lease).build()?;
        ledger.migrate().await?;
        let (with_ledger, workers) = application.with_ledger(ledger);
        (application, _workers) = (with_ledger, Some(workers));
    }
    let listener = TcpListener::bind(&listen)
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("{framework} listens on http://{}", listener.local_addr()?);
    server::serve(framework, listener, application, Settings::default()).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
