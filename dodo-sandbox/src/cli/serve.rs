//! `dodo-sandbox serve`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::line;
use crate::{Behavior, Sandbox};

/// Without `--webhook-secret` each run signs with this secret, so that an app's settings stay valid.
const SECRET: &str = "whsec_ZG9kby1zYW5kYm94LWRlZmF1bHQtc2VjcmV0LTE=";

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The address to listen on
    #[arg(long, env = "DODO_SANDBOX_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen on; 0 is any free port
    #[arg(long, env = "DODO_SANDBOX_PORT", default_value_t = 4010)]
    port: u16,
    /// The address that answers name, if apps reach the sandbox by another one
    #[arg(long, env = "DODO_SANDBOX_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Another host name that requests may carry; may be given several times
    #[arg(long, env = "DODO_SANDBOX_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Sends all events there; may be given several times
    #[arg(long, env = "DODO_SANDBOX_WEBHOOK_URL", value_name = "URL", value_delimiter = ',')]
    webhook_url: Vec<String>,
    /// The API key to accept
    #[arg(
        long,
        env = "DODO_SANDBOX_API_KEY",
        value_name = "KEY",
        default_value = "sk_test_sandbox"
    )]
    api_key: String,
    /// Signs the webhooks: whsec_ and at least 24 bytes in base64
    #[arg(
        long,
        env = "DODO_SANDBOX_WEBHOOK_SECRET",
        value_name = "KEY",
        default_value = SECRET,
        hide_default_value = true
    )]
    webhook_secret: String,
    /// The clock's pace: 3600 is an hour in each second, 0 stands still until it is advanced
    #[arg(long, env = "DODO_SANDBOX_CLOCK_RATE", value_name = "NUMBER", default_value_t = 1.0)]
    clock_rate: f64,
    /// The time at which the clock starts, such as 2026-01-31T10:00:00Z
    #[arg(long, env = "DODO_SANDBOX_NOW", value_name = "TIME")]
    now: Option<Timestamp>,
    /// Makes the same ids in each run
    #[arg(long, env = "DODO_SANDBOX_SEED", value_name = "NUMBER")]
    seed: Option<u64>,
    /// Products, discounts, endpoints and behavior
    #[arg(long, env = "DODO_SANDBOX_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keeps the state there, so that it survives a restart
    #[arg(long, env = "DODO_SANDBOX_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The pages that may embed the checkout, such as http://localhost:3000
    #[arg(long, env = "DODO_SANDBOX_FRAME_ANCESTORS", value_name = "SOURCES")]
    frame_ancestors: Option<String>,
    /// Answers 501 where the sandbox would answer a sample
    #[arg(long, env = "DODO_SANDBOX_STRICT")]
    strict: bool,
    /// Answers a sample for ids that do not exist
    #[arg(long, env = "DODO_SANDBOX_ANY_ID")]
    any_id: bool,
    /// The number of the first page of lists: 0, or 1 as the official clients count
    #[arg(
        long,
        env = "DODO_SANDBOX_PAGES_FROM",
        value_name = "NUMBER",
        default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=1)
    )]
    pages_from: u8,
}

pub(super) async fn run(options: Serve) -> Result<(), String> {
    let mut builder = Sandbox::builder()
        .host(options.host)
        .port(options.port)
        .api_key(options.api_key)
        .webhook_secret(options.webhook_secret)
        .clock_rate(options.clock_rate);
    let config = options.config.as_deref().map(super::config).transpose()?.unwrap_or_default();
    let text = |error: crate::Error| error.message().to_owned();
    for product in config.products {
        builder = builder.product(product.into_product().map_err(text)?);
    }
    for discount in config.discounts {
        let points = discount.basis_points().map_err(text)?;
        builder = builder.discount(discount.code, points);
    }
    let urls: Vec<_> = config
        .endpoints
        .into_iter()
        .map(|endpoint| endpoint.url)
        .chain(options.webhook_url)
        .collect();
    for url in &urls {
        builder = builder.webhook_url(url);
    }
    for name in options.allow_host {
        builder = builder.allow_host(name);
    }
    let behavior = config.behavior.unwrap_or_default();
    builder = builder.behavior(Behavior {
        strict: behavior.strict || options.strict,
        any_id: behavior.any_id || options.any_id,
        pages_from: behavior.pages_from.max(options.pages_from),
        ..behavior
    });
    if let Some(url) = options.public_url {
        builder = builder.public_url(url);
    }
    if let Some(sources) = options.frame_ancestors {
        builder = builder.frame_ancestors(sources);
    }
    if let Some(seed) = options.seed {
        builder = builder.seed(seed);
    }
    if let Some(now) = options.now {
        builder = builder.now(now);
    }
    if let Some(directory) = options.data {
        builder = builder.data(directory);
    }
    let sandbox = builder.start().await.map_err(|error| with_cause(&error))?;
    line(&format!("Dodo sandbox at {}\n", sandbox.url()));
    for (name, value) in sandbox.env() {
        line(&format!("  export {name}={}", quoted(&value)));
    }
    line("");
    for url in &urls {
        line(&format!("Webhooks go to {url}"));
    }
    line(&format!(
        "Open {} in a browser for the dashboard. Ctrl-C stops the sandbox.",
        sandbox.url()
    ));
    stop_signal().await;
    sandbox.shutdown().await;
    Ok(())
}

fn with_cause(error: &crate::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{}: {cause}", error.message()),
        None => error.message().to_owned(),
    }
}

/// A value as a POSIX shell reads it.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/=+".contains(c);
    match value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\'', r"'\''")),
    }
}

/// Waits for Ctrl-C or SIGTERM. Without a handler the signal itself ends the program.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
