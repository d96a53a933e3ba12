//! The process under test: a server with a ledger and workers. Its callback writes one row per
//! event through the event transaction.

use std::{
    convert::Infallible,
    env,
    io::Write,
    time::{Duration, SystemTime},
};

use dodo_axum::webhooks;
use dodo_core::{
    Environment, Event, WebhookKey, Webhooks, attribution::AttributionRecord, event::RawJson,
};
use dodo_ledger::{
    Ledger, PgTx, Retention, RetryPolicy, SqliteTx, Store,
    sink::{FnSink, Segment},
    sqlx,
};

use crate::{delivery::KEY, mirror::Mirror};

/// What the driver tells a child, through the environment.
pub(crate) mod setting {
    pub(crate) const URL: &str = "FAULTS_URL";
    pub(crate) const PORT: &str = "FAULTS_PORT";
    pub(crate) const LEASE_MS: &str = "FAULTS_LEASE_MS";
    /// How long the callback takes, after its effect.
    pub(crate) const WORK_MS: &str = "FAULTS_WORK_MS";
    /// How long the callback of a `slow` or `poison` event takes, before its effect.
    pub(crate) const SLOW_MS: &str = "FAULTS_SLOW_MS";
    /// The grace period of a shutdown.
    pub(crate) const GRACE_MS: &str = "FAULTS_GRACE_MS";
    /// Where Segment is. Without it there is no sink.
    pub(crate) const SEGMENT: &str = "FAULTS_SEGMENT";
    pub(crate) const SINK_BASE_MS: &str = "FAULTS_SINK_BASE_MS";
    pub(crate) const SINK_CAP_MS: &str = "FAULTS_SINK_CAP_MS";
    /// Whether there is a sink on this machine, which takes everything.
    pub(crate) const BOOKS: &str = "FAULTS_BOOKS";
    /// Whether there is a projection.
    pub(crate) const MIRROR: &str = "FAULTS_MIRROR";
    /// By how much the host's clock is wrong.
    pub(crate) const CLOCK_OFFSET_MS: &str = "DODO_CLOCK_OFFSET_MS";
}

/// The name of the sink of [`setting::BOOKS`].
pub(crate) const BOOKS: &str = "books";

fn millis(name: &str, default: u64) -> Duration {
    let number = env::var(name).ok().and_then(|text| text.parse().ok());
    Duration::from_millis(number.unwrap_or(default))
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

async fn callback(event: Event<RawJson>, sqlite: bool) -> Result<(), dodo_core::BoxError> {
    let poison = event.id.starts_with("poison");
    if poison || event.id.starts_with("slow") {
        // Not in the transaction: SQLite has one.
        tokio::time::sleep(millis(setting::SLOW_MS, 0)).await;
    }
    if poison {
        return Err("poison".into());
    }
    Ok(effect(&event, sqlite).await?)
}

async fn effect(event: &Event<RawJson>, sqlite: bool) -> Result<(), dodo_ledger::Error> {
    const INSERT: &str = "INSERT INTO effect (event) VALUES ($1)";
    // A mutant of the ledger may take one id for several, and marks them behind a `#`.
    let id = event.id.split('#').next();
    let work = millis(setting::WORK_MS, 0);
    if sqlite {
        let mut tx = SqliteTx::join(event).await?;
        sqlx::query(INSERT).bind(id).execute(&mut *tx).await?;
        tokio::time::sleep(work).await;
    } else {
        let mut tx = PgTx::join(event).await?;
        sqlx::query(INSERT).bind(id).execute(&mut *tx).await?;
        tokio::time::sleep(work).await;
    }
    Ok(())
}

async fn open(url: &str) -> Store {
    loop {
        match Store::open(url).await {
            Ok(store) => return store,
            Err(error) => {
                tracing::warn!(?error, "the database is not reachable yet");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn serve() {
    let url = env::var(setting::URL).unwrap();
    let sqlite = url.starts_with("sqlite:");
    let mut builder = Ledger::builder(open(&url).await)
        .lease(millis(setting::LEASE_MS, 5_000))
        .callback_retry(RetryPolicy::new(Duration::from_millis(50), Duration::from_millis(500), 12))
        .retention(Retention::default().bodies(None));
    if let Ok(segment) = env::var(setting::SEGMENT) {
        rustls::crypto::ring::default_provider().install_default().unwrap();
        let backoff = RetryPolicy::new(
            millis(setting::SINK_BASE_MS, 20),
            millis(setting::SINK_CAP_MS, 500),
            5,
        );
        let sink = Segment::at(&segment, "key").unwrap().include_test_mode().without_identify();
        builder = builder.sink(sink).sink_retry(backoff.max_attempts(100));
    }
    if env::var_os(setting::BOOKS).is_some() {
        let takes_all = |_: AttributionRecord| std::future::ready(Ok::<(), Infallible>(()));
        builder = builder.sink(FnSink::new(BOOKS, takes_all).include_test_mode());
    }
    if env::var_os(setting::MIRROR).is_some() {
        builder = builder.projection(Mirror);
    }
    let ledger = builder.build().unwrap();
    let offset = env::var(setting::CLOCK_OFFSET_MS).ok().and_then(|text| text.parse::<i64>().ok());
    let key = WebhookKey::new(KEY, Environment::Live).unwrap().with_clock(move || {
        let offset = offset.unwrap_or(0);
        let by = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    });
    let hooks = Webhooks::builder(key).on_any(move |event: Event<RawJson>| callback(event, sqlite));
    let (hooks, workers) = ledger.attach(hooks).unwrap();

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
    workers.shutdown(millis(setting::GRACE_MS, 5_000)).await;
}
