//! The process under test: a server with a ledger and workers, whose callback writes one row per
//! event through the event's own transaction.

use std::{
    env,
    io::Write,
    time::{Duration, SystemTime},
};

use dodo_axum::webhooks;
use dodo_core::{Event, RawData, WebhookKey, Webhooks};
use dodo_ledger::{Backoff, Ledger, PgTx, SqliteTx, Store, sqlx};

use crate::delivery::KEY;

/// What the driver tells a child, through the environment.
pub(crate) mod setting {
    pub(crate) const URL: &str = "FAULTS_URL";
    pub(crate) const PORT: &str = "FAULTS_PORT";
    pub(crate) const LEASE_MS: &str = "FAULTS_LEASE_MS";
    /// How long the callback takes, after its effect.
    pub(crate) const WORK_MS: &str = "FAULTS_WORK_MS";
    /// Seconds by which the host's clock is wrong.
    pub(crate) const CLOCK_OFFSET_MS: &str = "DODO_CLOCK_OFFSET_MS";
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub(crate) fn main() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(serve());
}

async fn effect(event: &Event<RawData>, sqlite: bool) -> Result<(), dodo_ledger::Error> {
    const INSERT: &str = "INSERT INTO effect (event) VALUES ($1)";
    // A mutant of the ledger may take one id for several, and marks them behind a `#`.
    let id = event.id.split('#').next();
    if sqlite {
        let mut tx = SqliteTx::of(event).await?;
        sqlx::query(INSERT).bind(id).execute(&mut *tx).await?;
        hold().await;
    } else {
        let mut tx = PgTx::of(event).await?;
        sqlx::query(INSERT).bind(id).execute(&mut *tx).await?;
        hold().await;
    }
    Ok(())
}

async fn hold() {
    let work = number(setting::WORK_MS, 0);
    if work > 0 {
        tokio::time::sleep(Duration::from_millis(work)).await;
    }
}

async fn open(url: &str) -> Store {
    loop {
        match Store::open(url).await {
            Ok(store) => return store,
            Err(error) => {
                tracing::warn!(?error, "the database is not there yet");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn serve() {
    let url = env::var(setting::URL).unwrap();
    let sqlite = url.starts_with("sqlite:");
    let ledger = Ledger::builder(open(&url).await)
        .lease(Duration::from_millis(number(setting::LEASE_MS, 5_000)))
        .backoff(Backoff { base: Duration::from_millis(50), cap: Duration::from_millis(500) })
        .poll_every(Duration::from_millis(20))
        .keep_bodies_for(None)
        .build();
    let offset = env::var(setting::CLOCK_OFFSET_MS).ok().and_then(|text| text.parse::<i64>().ok());
    let key = WebhookKey::new(KEY).unwrap().with_clock(move || {
        let offset = offset.unwrap_or(0);
        let by = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    });
    let hooks = Webhooks::builder(key)
        .on_any(move |event: Event<RawData>| async move {
            if event.id.starts_with("poison") {
                return Err("poison".into());
            }
            effect(&event, sqlite).await.map_err(dodo_core::BoxError::from)
        })
        .inbox(ledger.clone())
        .build();
    let workers = ledger.spawn(hooks.dispatcher());

    let address = format!("127.0.0.1:{}", env::var(setting::PORT).unwrap());
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    println!("ready");
    std::io::stdout().flush().unwrap();
    let router = axum::Router::new().route("/webhook", webhooks(hooks));
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
}
