//! Starts a sandbox and prints what an app needs to use it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::process::ExitCode;

use dodo_sandbox::{Sandbox, SandboxBuilder};

const HELP: &str = "\
A local Dodo Payments for development and tests. No real money moves.

Usage: dodo-sandbox [OPTIONS]

  --port PORT            listen on 127.0.0.1:PORT (default 4010; 0: any free port)
  --webhook-url URL      send webhooks there; may be given several times
  --api-key KEY          the API key to ask for (default: random)
  --webhook-secret KEY   whsec_..., signs the webhooks (default: random)
  --clock-rate NUMBER  how fast its clock runs: 3600 is an hour in each second,
                         0 stands still until it is advanced (default 1)
  --help                 show this text
";

/// What the command line asks for.
struct Options {
    builder: SandboxBuilder,
    webhooks: Vec<String>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { builder: Sandbox::builder().port(4010), webhooks: Vec::new() };
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        if matches!(name.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let mut value =
            || inline.clone().or_else(|| args.next()).ok_or(format!("{name} needs a value"));
        options.builder = match name.as_str() {
            "--port" => options.builder.port(number(&name, &value()?)?),
            "--api-key" => options.builder.api_key(value()?),
            "--webhook-secret" => options.builder.webhook_secret(value()?),
            "--clock-rate" => options.builder.clock_rate(number(&name, &value()?)?),
            "--webhook-url" => {
                options.webhooks.push(value()?);
                options.builder
            }
            _ => return Err(format!("unknown option {name}; --help lists them")),
        };
    }
    Ok(Some(options))
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: '{text}' cannot be used"))
}

async fn run(options: Options) -> Result<(), dodo_sandbox::Error> {
    let sandbox = options.builder.start().await?;
    println!("Dodo sandbox at {}", sandbox.url());
    println!();
    for (name, value) in sandbox.env() {
        println!("  export {name}={value}");
    }
    println!();
    for url in &options.webhooks {
        sandbox.register_webhook(url)?;
        println!("Webhooks go to {url}");
    }
    println!("Open {} in a browser to steer it; Ctrl-C stops it.", sandbox.url());
    // Without a signal handler the program simply ends with the signal.
    if tokio::signal::ctrl_c().await.is_ok() {
        sandbox.shutdown().await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Some(options)) => run(options).await.map_err(|error| error.to_string()),
        Err(text) => Err(text),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("dodo-sandbox: {text}");
            ExitCode::FAILURE
        }
    }
}
