//! Stores to test on, and deliveries to give them.

use std::{
    cell::RefCell,
    path::PathBuf,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU64, Ordering},
        mpsc::Sender,
    },
    time::Duration,
};

use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks,
    webhook::{StateFor, VerifiedEvent, WebhooksBuilder},
};
use dodo_ledger::{
    Ledger, LedgerBuilder, RetryPolicy, Store, Workers,
    sqlx::{Connection, PgConnection},
};
use tracing_subscriber::{Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _};

/// Retries in milliseconds.
pub(crate) const SOON: RetryPolicy =
    RetryPolicy::new(Duration::from_millis(2), Duration::from_millis(20), 28);

pub(crate) const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A unique name: tests run in parallel, and several runs share one server.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A store for one test, removed at its end.
pub(crate) struct TestStore {
    pub(crate) url: String,
    directory: Option<PathBuf>,
    schema: Option<(String, String)>,
}

impl TestStore {
    pub(crate) async fn memory() -> Option<Self> {
        Some(Self { url: "sqlite::memory:".into(), directory: None, schema: None })
    }

    pub(crate) async fn sqlite() -> Option<Self> {
        let directory = std::env::temp_dir().join(format!("dodo-ledger-{}", unique()));
        std::fs::create_dir_all(&directory).unwrap();
        let url = format!("sqlite:{}/ledger.db", directory.display());
        Some(Self { url, directory: Some(directory), schema: None })
    }

    /// A schema of its own on the server of `DODO_TEST_POSTGRES_URL`. Without it the test says that
    /// it was skipped, and fails if `DODO_REQUIRE_POSTGRES=1`.
    #[expect(clippy::print_stderr, reason = "a skipped test prints its reason")]
    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else {
            assert!(
                std::env::var_os("DODO_REQUIRE_POSTGRES").is_none_or(|value| value != "1"),
                "DODO_REQUIRE_POSTGRES=1, but DODO_TEST_POSTGRES_URL is not set"
            );
            eprintln!("SKIPPED {test}: DODO_TEST_POSTGRES_URL is not set");
            return None;
        };
        let schema = unique();
        run_on(&server, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        run_on(&server, format!("CREATE SCHEMA {schema}")).await;
        let join = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{join}options=-csearch_path%3D{schema}");
        Some(Self { url, directory: None, schema: Some((server, schema)) })
    }

    /// Another, empty store of the same kind.
    pub(crate) async fn fresh(&self) -> Self {
        let fresh = match (&self.directory, &self.schema) {
            (Some(_), _) => Self::sqlite().await,
            (_, Some(_)) => Self::postgres("a fresh store").await,
            _ => Self::memory().await,
        };
        fresh.unwrap()
    }

    /// Runs a statement beside the ledger.
    pub(crate) async fn run(&self, statement: &str) {
        use dodo_ledger::sqlx;
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if self.schema.is_some() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        }
    }

    /// The same tables by another URL. The store that made them removes them.
    pub(crate) fn at(url: String) -> Self {
        Self { url, directory: None, schema: None }
    }

    /// The server's URL and the schema.
    pub(crate) fn place(&self) -> Option<(&str, &str)> {
        self.schema.as_ref().map(|(server, schema)| (server.as_str(), schema.as_str()))
    }

    /// The same store over a URL with another setting of the server's, `name=value`.
    pub(crate) fn with_setting(&self, setting: &str) -> Self {
        assert!(self.url.starts_with("postgres"), "settings are PostgreSQL's");
        let escaped = setting.replace(' ', "%5C%20").replace('=', "%3D");
        Self::at(format!("{}%20-c{escaped}", self.url))
    }

    pub(crate) async fn builder(&self) -> LedgerBuilder {
        Ledger::builder(Store::open(&self.url).await.unwrap()).callback_retry(SOON)
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        let ledger = self.builder().await.build().unwrap();
        ledger.migrate().await.unwrap();
        ledger
    }

    pub(crate) async fn remove(self) {
        if let Some((server, schema)) = &self.schema {
            run_on(server, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
        if let Some(directory) = &self.directory {
            std::fs::remove_dir_all(directory).unwrap();
        }
    }
}

pub(crate) async fn run_on(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    dodo_ledger::sqlx::raw_sql(dodo_ledger::sqlx::AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

pub(crate) fn hooks() -> WebhooksBuilder {
    Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap())
}

/// Attaches the callbacks to the ledger, for tests that store events without a route.
pub(crate) fn work<S, P>(ledger: &Ledger, hooks: WebhooksBuilder<S, P>) -> Workers
where
    S: Clone + Send + Sync + 'static,
    P: StateFor<S>,
{
    ledger.attach(hooks).unwrap().1
}

pub(crate) fn delivery(id: &str, body: impl Into<Bytes>) -> VerifiedEvent {
    VerifiedEvent::from_trusted_parts(id, body.into(), jiff::Timestamp::now(), false)
}

/// A `payment.succeeded` of 20.00 USD.
pub(crate) fn payment(id: &str, payment_id: &str) -> VerifiedEvent {
    let body = serde_json::json!({
        "type": "payment.succeeded",
        "business_id": "bus_1",
        "timestamp": "2026-11-20T10:00:00Z",
        "data": {
            "payload_type": "Payment",
            "payment_id": payment_id,
            "created_at": "2026-11-20T10:00:00Z",
            "total_amount": 2000,
            "tax": 300,
            "currency": "USD",
            "settlement_amount": 2000,
            "settlement_currency": "USD",
            "customer": { "customer_id": "cus_1", "email": "ada@example.com", "name": "Ada" },
            "metadata": { "visitor": "v1" }
        }
    });
    delivery(id, body.to_string())
}

/// A `subscription.active`.
pub(crate) fn subscription(id: &str, subscription_id: &str) -> VerifiedEvent {
    let body = serde_json::json!({
        "type": "subscription.active",
        "business_id": "bus_1",
        "timestamp": "2026-11-20T10:00:00Z",
        "data": {
            "payload_type": "Subscription",
            "subscription_id": subscription_id,
            "created_at": "2026-11-20T10:00:00Z",
            "status": "active",
            "product_id": "pdt_1",
            "customer": { "customer_id": "cus_1", "email": "ada@example.com", "name": "Ada" }
        }
    });
    delivery(id, body.to_string())
}

/// A [`payment`] of a checkout for a subscription.
pub(crate) fn payment_of(id: &str, payment_id: &str, session: &str, sub: &str) -> VerifiedEvent {
    let body = payment(id, payment_id);
    let mut body: serde_json::Value = serde_json::from_slice(body.body()).unwrap();
    let data = body.pointer_mut("/data").unwrap().as_object_mut().unwrap();
    data.insert("checkout_session_id".to_owned(), session.into());
    data.insert("subscription_id".to_owned(), sub.into());
    delivery(id, body.to_string())
}

/// A `refund.succeeded` of all of a [`payment`].
pub(crate) fn refund(id: &str, refund_id: &str, payment_id: &str) -> VerifiedEvent {
    let body = serde_json::json!({
        "type": "refund.succeeded",
        "business_id": "bus_1",
        "timestamp": "2026-11-20T11:00:00Z",
        "data": {
            "payload_type": "Refund",
            "refund_id": refund_id,
            "payment_id": payment_id,
            "created_at": "2026-11-20T11:00:00Z",
            "amount": 2000,
            "currency": "USD",
            "is_partial": false,
            "status": "succeeded",
            "customer": { "customer_id": "cus_1", "email": "ada@example.com", "name": "Ada" }
        }
    });
    delivery(id, body.to_string())
}

/// The log as text.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

thread_local! {
    static KEPT: RefCell<Option<(tracing::Level, Log)>> = const { RefCell::new(None) };
}

/// As long as it lives, the log of this thread is kept.
pub(crate) struct Keeping;

impl Drop for Keeping {
    fn drop(&mut self) {
        KEPT.take();
    }
}

impl Log {
    /// Collects what this thread logs up to a level, as long as the guard lives.
    ///
    /// One subscriber for the process. With one per thread, tracing may cache an event as disabled
    /// if a thread without a subscriber logs it first.
    pub(crate) fn of_this_thread(level: tracing::Level) -> (Self, Keeping) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let wanted = dynamic_filter_fn(|event, _| {
                KEPT.with_borrow(|kept| kept.as_ref().is_some_and(|kept| *event.level() <= kept.0))
            });
            let writer =
                || KEPT.with_borrow(|kept| kept.clone().map_or_else(Self::default, |kept| kept.1));
            let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(wanted));
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let log = Self::default();
        KEPT.set(Some((level, log.clone())));
        (log, Keeping)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A clock of tokio that is stopped until the end of this value. Workers do not poll, so nothing
/// but a wake-up makes them work. For tests on the current thread.
pub(crate) struct StoppedClock(#[expect(dead_code, reason = "its end matters")] Sender<()>);

impl StoppedClock {
    pub(crate) fn new() -> Self {
        let (running, ended) = std::sync::mpsc::channel();
        // An idle runtime would advance a paused clock, except during a blocking task.
        tokio::task::spawn_blocking(move || ended.recv());
        tokio::time::pause();
        Self(running)
    }
}

impl Drop for StoppedClock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

/// Checks the condition until it holds; fails the test after 20 s.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    for _ in 0..4000 {
        if holds().await {
            return;
        }
        // Not by tokio's clock, which a test can stop.
        let pause = || std::thread::sleep(Duration::from_millis(5));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
    panic!("not within 20 s: {what}");
}

/// Runs each async test function on every store.
#[macro_export]
macro_rules! on_every_store { ($($name:ident),* $(,)?) => {
    mod in_memory { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let store = $crate::support::TestStore::memory().await.unwrap();
            super::$name(&store).await;
            store.remove().await;
        }
    )* }
    mod on_sqlite { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let store = $crate::support::TestStore::sqlite().await.unwrap();
            super::$name(&store).await;
            store.remove().await;
        }
    )* }
    mod on_postgres { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let name = concat!("on_postgres::", stringify!($name));
            let Some(store) = $crate::support::TestStore::postgres(name).await else { return };
            super::$name(&store).await;
            store.remove().await;
        }
    )* }
} }
