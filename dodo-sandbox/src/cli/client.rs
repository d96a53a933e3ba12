//! Commands that talk to a running sandbox, by its control API.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::{Target, line};

/// A running sandbox.
struct Remote {
    http: reqwest::Client,
    url: String,
}

impl Remote {
    fn new(target: &Target) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(|error| error.to_string())?;
        Ok(Self { http, url: target.url.trim_end_matches('/').to_owned() })
    }

    async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<String, String> {
        let mut request = self.http.request(method, format!("{}/__sandbox{path}", self.url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let unreachable =
            |_| format!("no sandbox at {}: start one with `dodo-sandbox serve`", self.url);
        let answer = request.send().await.map_err(unreachable)?;
        let failed = !answer.status().is_success();
        let text = answer.text().await.map_err(unreachable)?;
        if !failed {
            return Ok(text);
        }
        let error: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(error.get("message").and_then(Value::as_str).unwrap_or(&text).to_owned())
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let text = self.text(method, path, body).await?;
        serde_json::from_str(&text).map_err(|_| "the answer is not JSON".to_owned())
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let answer = self.json(Method::GET, path, None).await?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number or a word of an entry; "-" if it has none.
fn shown(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// Prints a list, each entry as JSON or as a line. Stops if the reader is gone.
fn print(entries: &[Value], json: bool, plain: impl Fn(&Value) -> String) -> bool {
    entries.iter().all(|entry| line(&if json { entry.to_string() } else { plain(entry) }))
}

fn request_line(entry: &Value) -> String {
    format!(
        "{} {} {} {} ms",
        text(entry, "method"),
        text(entry, "path"),
        shown(entry, "status"),
        shown(entry, "duration_ms"),
    )
}

fn delivery_line(entry: &Value) -> String {
    let answer: String = text(entry, "answer").chars().take(80).collect();
    let result = match entry.get("error") {
        Some(Value::String(error)) => error.clone(),
        _ => format!("{} {answer:?}", shown(entry, "status")),
    };
    let (kind, url) = (text(entry, "type"), text(entry, "url"));
    format!("{kind} -> {url} {result} {} ms", shown(entry, "duration_ms"))
}

#[derive(Debug, Args)]
pub(super) struct Trigger {
    /// The event's type, such as payment.succeeded
    event: String,
    /// Replaces a value of the body, such as data.total_amount=500
    #[arg(long = "override", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    #[command(flatten)]
    target: Target,
}

impl Trigger {
    pub(super) async fn run(self) -> Result<(), String> {
        let mut overrides = serde_json::Map::new();
        for pair in &self.overrides {
            let (path, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("unusable override {pair}: use PATH=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            overrides.insert(path.to_owned(), value);
        }
        let body = json!({ "type": self.event, "overrides": overrides });
        let remote = Remote::new(&self.target)?;
        let answer = remote.json(Method::POST, "/trigger", Some(body)).await?;
        line(&format!("{} {}", self.event, text(&answer, "webhook_id")));
        if answer.get("deliveries") == Some(&0.into()) {
            line("no endpoint takes this event: start the sandbox with --webhook-url URL");
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The number of days
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// The number of sales, without renewals
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sales: u32,
    /// The same number makes the same year
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    target: Target,
}

impl Simulate {
    pub(super) async fn run(self) -> Result<(), String> {
        let body = json!({ "days": self.days, "sales": self.sales, "seed": self.seed });
        let remote = Remote::new(&self.target)?;
        let answer = remote.json(Method::POST, "/simulate", Some(body)).await?;
        for (name, count) in answer.as_object().into_iter().flatten() {
            line(&format!("{name} {count}"));
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Prints each entry as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Listen {
    pub(super) async fn run(self) -> Result<(), String> {
        let remote = Remote::new(&self.target)?;
        let latest = remote.json(Method::GET, "/log?after=latest", None).await?;
        let mut after = latest.get("latest").and_then(Value::as_u64).unwrap_or_default();
        loop {
            let answer =
                remote.json(Method::GET, &format!("/log?after={after}&wait=20"), None).await?;
            after = answer.get("latest").and_then(Value::as_u64).unwrap_or(after);
            let entries = answer.get("entries").and_then(Value::as_array).cloned();
            let plain = |entry: &Value| match text(entry, "kind") {
                "delivery" => delivery_line(entry),
                _ => request_line(entry),
            };
            if !print(&entries.unwrap_or_default(), self.json, plain) {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Events {
    /// Prints each event's body as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Events {
    pub(super) async fn run(self) -> Result<(), String> {
        let events = Remote::new(&self.target)?.list("/events").await?;
        let plain = |event: &Value| {
            format!("{} {} {}", text(event, "at"), text(event, "type"), text(event, "webhook_id"))
        };
        print(&events, self.json, plain);
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Requests {
    /// Prints each request as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Requests {
    pub(super) async fn run(self) -> Result<(), String> {
        let requests = Remote::new(&self.target)?.list("/requests").await?;
        print(&requests, self.json, request_line);
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Seed {
    /// A file like that of `serve --config`
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

impl Seed {
    pub(super) async fn run(self) -> Result<(), String> {
        super::config(&self.file)?; // Names the line of a mistake.
        let text = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        let body: Value = toml::from_str(&text).map_err(|error| error.to_string())?;
        let answer = Remote::new(&self.target)?.json(Method::POST, "/seed", Some(body)).await?;
        line(&format!(
            "added {} products, {} discounts, {} endpoints",
            shown(&answer, "products"),
            shown(&answer, "discounts"),
            shown(&answer, "endpoints")
        ));
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    /// A file of `snapshot`
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Reset {
    pub(super) async fn run(self) -> Result<(), String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let snapshot = self.to.as_ref().map(read).transpose()?;
        let body = json!({ "snapshot": snapshot });
        Remote::new(&self.target)?.json(Method::POST, "/reset", Some(body)).await?;
        line(if self.to.is_some() { "continued the snapshot" } else { "began again" });
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Snapshot {
    /// The file to write; standard output without it
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Snapshot {
    pub(super) async fn run(self) -> Result<(), String> {
        let text = Remote::new(&self.target)?.text(Method::GET, "/snapshot", None).await?;
        match self.file {
            Some(path) => {
                std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
            }
            None => {
                line(text.trim_end());
                Ok(())
            }
        }
    }
}
