//! After a customer is forgotten, no table holds anything of them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;

/// Like `on_every_store`, without the store in memory: its tables cannot be read from outside.
macro_rules! on_every_file { ($($name:ident),* $(,)?) => { $(
    mod $name {
        use crate::support::TestStore;

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_sqlite() {
            let store = TestStore::sqlite().await.unwrap();
            super::$name(&store).await;
            store.remove().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_postgres() {
            let Some(store) = TestStore::postgres(stringify!($name)).await else { return };
            super::$name(&store).await;
            store.remove().await;
        }
    }
)* } }

mod unbooked;

use std::{path::Path, time::Duration};

use dodo_core::{
    attribution::email_sha256,
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::Inbox,
};
use dodo_ledger::{
    ErasureReport, Identity, Ledger,
    sqlx::{self, Connection as _, Row as _},
};
use serde_json::{Value, json};
use support::{TestStore, delivery, eventually, hooks, work};

on_every_file! {
    every_sample_of_a_customer_is_erased,
    facts_without_a_record_are_erased,
    all_customers_of_an_address_are_erased,
    pending_body_is_erased_when_its_event_is_done,
    facts_without_money_count_as_data,
    others_stay_as_they_were,
    retention_erases_contexts_of_unpaid_checkouts,
    retention_erases_denials_of_unpaid_checkouts,
}

const CUSTOMER: &str = "cus_Qm3xV9rTz6LpK0dWb2HnE";
const EMAIL: &str = "customer@example.com";

/// The personal data of the samples, and of the checkout context.
const TRACES: [&str; 12] = [
    CUSTOMER,
    EMAIL,
    "Test Customer",
    "Karl-Marx-Allee",
    "+4915112345678",
    "C-20417",
    "v_8f3a1c2e9b7d4056",
    "s_20261103_7c41",
    "newsletter",
    "pm_g3Zb6XdUr9PqA2oVh5CfN",
    "canary-visitor",
    "/canary-landing",
];

fn hash(email: &str) -> String {
    email_sha256(email).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What must be nowhere.
fn traces() -> Vec<String> {
    TRACES.iter().map(|trace| (*trace).to_owned()).chain([hash(EMAIL)]).collect()
}

/// Every row of every table as text.
async fn dump(store: &TestStore) -> Vec<String> {
    let mut rows = Vec::new();
    if store.url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&store.url).await.unwrap();
        let there = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let there: Vec<String> =
            sqlx::query_scalar(there).fetch_all(&mut connection).await.unwrap();
        for table in there {
            let columns = format!("SELECT name FROM pragma_table_info('{table}')");
            let columns: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(columns))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            let texts: Vec<String> =
                columns.iter().map(|name| format!("COALESCE(CAST({name} AS TEXT), '')")).collect();
            let all = format!("SELECT {} FROM {table}", texts.join(" || ' | ' || "));
            let all = sqlx::query(sqlx::AssertSqlSafe(all)).fetch_all(&mut connection).await;
            rows.extend(
                all.unwrap().iter().map(|row| format!("{table}: {}", row.get::<String, _>(0))),
            );
        }
    } else {
        let mut connection = sqlx::PgConnection::connect(&store.url).await.unwrap();
        let there = "SELECT table_name::text FROM information_schema.tables
                     WHERE table_schema = current_schema()";
        let there: Vec<String> =
            sqlx::query_scalar(there).fetch_all(&mut connection).await.unwrap();
        for table in there {
            let body = match table.as_str() {
                "dodo_inbox" => ", encode(body, 'escape')",
                _ => ", ''",
            };
            let all = format!("SELECT concat({table}::text{body}) FROM {table}");
            let all = sqlx::query(sqlx::AssertSqlSafe(all)).fetch_all(&mut connection).await;
            rows.extend(
                all.unwrap().iter().map(|row| format!("{table}: {}", row.get::<String, _>(0))),
            );
        }
    }
    rows.sort();
    rows
}

async fn traces_in(store: &TestStore, traces: &[impl AsRef<str>]) -> Vec<String> {
    let rows = dump(store).await;
    let mut found = Vec::new();
    for trace in traces.iter().map(AsRef::as_ref) {
        let lines = rows.iter().filter(|row| row.contains(trace));
        found.extend(
            lines.map(|row| format!("{trace}: {}", row.chars().take(300).collect::<String>())),
        );
    }
    found
}

async fn run(ledger: &Ledger) {
    let workers = work(ledger, hooks().on_any(|_| async { Ok(()) }));
    let settled = tokio::time::timeout(Duration::from_secs(20), ledger.settled()).await;
    settled.unwrap().unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
}

/// Every sample of the customer: its name and its text.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/samples");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    samples.sort();
    assert_eq!(samples.len(), 48);
    samples
}

fn context() -> CheckoutContext {
    let context = json!({
        "visitor": "canary-visitor", "landing_path": "/canary-landing",
        "captured_at": "2026-11-03T14:00:00Z",
    });
    serde_json::from_value(context).unwrap()
}

async fn every_sample_of_a_customer_is_erased(store: &TestStore) {
    let ledger = store.ledger().await;
    ledger.store("cks_n4TzR8uVw1QxB6mKe0LpD", &context()).await.unwrap();
    ledger.identify(Identity::new(EMAIL).visitor("canary-visitor")).await.unwrap();
    for (name, body) in samples() {
        ledger.accept(&delivery(&format!("msg_{name}"), body)).await.unwrap();
    }
    run(&ledger).await;
    let traces = traces();
    for trace in &traces {
        assert!(!traces_in(store, &[trace]).await.is_empty(), "{trace} existed");
    }
    assert!(ledger.erase_customer(CUSTOMER).await.unwrap().records > 0);
    let left = traces_in(store, &traces).await;
    assert!(left.is_empty(), "{} traces:\n{}", left.len(), left.join("\n"));

    // A repeat under other ids brings nothing back into the ledger, and forgetting it again is enough.
    for (name, body) in samples() {
        ledger.accept(&delivery(&format!("msg_{name}_again"), body)).await.unwrap();
    }
    run(&ledger).await;
    ledger.erase_customer(CUSTOMER).await.unwrap();
    let left = traces_in(store, &traces).await;
    assert!(left.is_empty(), "{} traces:\n{}", left.len(), left.join("\n"));
}

/// One sample alone, each of those that leave something besides entries.
async fn facts_without_a_record_are_erased(store: &TestStore) {
    let ledger = store.ledger().await;
    let traces = traces();
    for (name, body) in samples() {
        ledger.accept(&delivery(&format!("msg_{name}"), body.clone())).await.unwrap();
        if body.contains("cks_n4TzR8uVw1QxB6mKe0LpD") {
            ledger.store("cks_n4TzR8uVw1QxB6mKe0LpD", &context()).await.unwrap();
        }
        run(&ledger).await;
        let about = body.contains(CUSTOMER);
        assert_eq!(!traces_in(store, &[CUSTOMER]).await.is_empty(), about, "{name} is read");
        assert_eq!(ledger.erase_customer(CUSTOMER).await.unwrap().found, about, "{name}");
        let left = traces_in(store, &traces).await;
        assert!(left.is_empty(), "after {name}:\n{}", left.join("\n"));
    }
}

async fn all_customers_of_an_address_are_erased(store: &TestStore) {
    let ledger = store.ledger().await;
    for (name, body) in samples() {
        ledger.accept(&delivery(&format!("msg_{name}"), body)).await.unwrap();
    }
    run(&ledger).await;
    assert!(ledger.erase_email("Customer@example.com ").await.unwrap().records > 0);
    let traces = traces();
    let left = traces_in(store, &traces).await;
    assert!(left.is_empty(), "{} traces:\n{}", left.len(), left.join("\n"));
}

async fn pending_body_is_erased_when_its_event_is_done(store: &TestStore) {
    let ledger = store.ledger().await;
    let (_, body) = samples().into_iter().find(|(name, _)| name == "payment.failed").unwrap();
    ledger.accept(&delivery("msg_1", body)).await.unwrap();
    // No worker runs yet. The callback still gets the body.
    ledger.erase_customer(CUSTOMER).await.unwrap();
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.state.as_str(), event.is_booked, event.has_body), ("pending", false, true));
    let (seen, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let hooks = hooks().on_any(move |event| {
        let _closed = seen.send(event.data.as_str().is_some_and(|data| data.contains(CUSTOMER)));
        async { Ok(()) }
    });
    let workers = work(&ledger, hooks);
    eventually("it is done", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(heard.recv().await, Some(true));
    let left = traces_in(store, &TRACES).await;
    assert!(left.is_empty(), "{}", left.join("\n"));
}

async fn facts_without_money_count_as_data(store: &TestStore) {
    let ledger = store.ledger().await;
    let (_, body) = samples().into_iter().find(|(name, _)| name == "payment.failed").unwrap();
    ledger.accept(&delivery("msg_1", body)).await.unwrap();
    run(&ledger).await;
    ledger.prune_bodies(Duration::ZERO).await.unwrap();
    let forgotten = ledger.erase_customer(CUSTOMER).await.unwrap();
    assert_eq!((forgotten.records, forgotten.deliveries, forgotten.found), (0, 0, true));
    assert_eq!(ledger.erase_customer(CUSTOMER).await.unwrap(), ErasureReport::default());
}

async fn others_stay_as_they_were(store: &TestStore) {
    let ledger = store.ledger().await;
    for (name, body) in samples() {
        let mut event: Value = serde_json::from_str(&body).unwrap();
        let text = event.to_string().replace(CUSTOMER, "cus_other").replace(EMAIL, "o@example.com");
        event = serde_json::from_str(&text).unwrap();
        ledger.accept(&delivery(&format!("msg_{name}"), event.to_string())).await.unwrap();
    }
    run(&ledger).await;
    // The erasure of an unknown customer stores the hash of the id.
    let of_others = async || {
        let mut rows = dump(store).await;
        let own = ["dodo_erasure", "dodo_group", "dodo_key"];
        rows.retain(|row| !own.iter().any(|table| row.starts_with(&format!("{table}:"))));
        rows
    };
    let before = of_others().await;
    assert_eq!(ledger.erase_customer(CUSTOMER).await.unwrap(), ErasureReport::default());
    assert_eq!(of_others().await, before);
}

/// Makes everything that was learned so many days older.
async fn age_facts(store: &TestStore, days: i64) {
    let micros = days * 24 * 3600 * 1_000_000;
    let sql = format!("UPDATE dodo_group SET unpaid_since = unpaid_since - {micros}");
    let sql = sqlx::AssertSqlSafe(sql);
    if store.url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&store.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(&store.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

async fn retention_erases_contexts_of_unpaid_checkouts(store: &TestStore) {
    let ledger = store.ledger().await;
    let paid = samples().into_iter().find(|(name, _)| name == "payment.succeeded").unwrap().1;
    ledger.store("cks_n4TzR8uVw1QxB6mKe0LpD", &context()).await.unwrap();
    ledger.accept(&delivery("msg_1", paid)).await.unwrap();
    run(&ledger).await;
    for n in 0..1201 {
        ledger.store(&format!("cks_unpaid_{n}"), &context()).await.unwrap();
    }
    let failed = samples().into_iter().find(|(name, _)| name == "payment.failed").unwrap().1;
    let failed = failed.replace("cks_n4TzR8uVw1QxB6mKe0LpD", "cks_unpaid_7");
    let failed = failed.replace(CUSTOMER, "cus_tried");
    ledger.accept(&delivery("msg_2", failed)).await.unwrap();
    run(&ledger).await;

    let contexts = async || {
        let rows = dump(store).await;
        let facts = rows.iter().filter(|row| row.starts_with("dodo_fact:"));
        let count = |text: &str| facts.clone().filter(|row| row.contains(text)).count();
        (count("context:cks_unpaid_"), count("context:cks_n4TzR8uVw1QxB6mKe0LpD"))
    };
    age_facts(store, 89).await;
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    assert_eq!(ledger.prune_contexts(days(90)).await.unwrap(), 0, "it is not time yet");
    assert_eq!(contexts().await, (1201, 1));
    assert_eq!(ledger.prune_contexts(days(88)).await.unwrap(), 1201);
    assert_eq!(contexts().await, (0, 1), "a paid one stays");
    let left = traces_in(store, &["cks_unpaid_7", "cus_tried"]).await;
    assert!(left.iter().all(|row| row.contains("dodo_inbox")), "{left:?}");

    // The workers do so by themselves.
    ledger.store("cks_unpaid_8", &context()).await.unwrap();
    age_facts(store, 91).await;
    let hooks = hooks().on_any(|_| async { Ok(()) });
    let workers = work(&ledger, hooks);
    eventually("unpaid ones are gone", async || contexts().await.0 == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(contexts().await, (0, 1), "a paid one stays");
}

/// The denial of an erased visitor is kept for paid checkouts, and for recoveries of abandoned
/// ones.
async fn retention_erases_denials_of_unpaid_checkouts(store: &TestStore) {
    let ledger = store.ledger().await;
    let sample = |wanted: &str| samples().into_iter().find(|(name, _)| name == wanted).unwrap().1;
    let denied: CheckoutContext = serde_json::from_value(
        json!({ "consent": "denied", "captured_at": "2026-11-03T14:00:00Z" }),
    )
    .unwrap();
    let session = "cks_n4TzR8uVw1QxB6mKe0LpD";
    for id in [session, "cks_unpaid", "cks_abandoned"] {
        ledger.store(id, &denied).await.unwrap();
    }
    let mut failed: Value = serde_json::from_str(&sample("payment.failed")).unwrap();
    let mut deliver = Vec::new();
    for (payment, session) in [("pay_unpaid", "cks_unpaid"), ("pay_abandoned", "cks_abandoned")] {
        failed["data"]["payment_id"] = json!(payment);
        failed["data"]["checkout_session_id"] = json!(session);
        let text = failed.to_string();
        // A customer who paid nothing.
        deliver.push(match payment {
            "pay_unpaid" => text.replace(CUSTOMER, "cus_unpaid"),
            _ => text,
        });
    }
    let recovered = json!({
        "business_id": "bus_1", "type": "abandoned_checkout.recovered",
        "timestamp": "2026-11-04T14:00:00Z",
        "data": { "payment_id": "pay_abandoned", "recovered_payment_id": "pay_recovered" },
    });
    deliver.push(recovered.to_string());
    let mut paid: Value = serde_json::from_str(&sample("payment.succeeded")).unwrap();
    deliver.push(paid.to_string());
    paid["data"]["payment_id"] = json!("pay_recovered");
    paid["data"]["checkout_session_id"] = Value::Null;
    deliver.push(paid.to_string());
    for (n, body) in deliver.into_iter().enumerate() {
        ledger.accept(&delivery(&format!("msg_{n}"), body)).await.unwrap();
    }
    run(&ledger).await;
    assert!(ledger.erase_customer(CUSTOMER).await.unwrap().records > 0);
    assert!(ledger.erase_customer("cus_unpaid").await.unwrap().found);
    let kept = async || {
        let rows = dump(store).await;
        let has = |id: &str| {
            let mut facts = rows.iter().filter(|row| row.starts_with("dodo_fact:"));
            let context = facts.find(|row| row.contains(&format!("context:{id}")));
            context.is_some_and(|row| row.contains("denied"))
        };
        [has(session), has("cks_unpaid"), has("cks_abandoned")]
    };
    assert_eq!(kept().await, [true, true, true]);
    age_facts(store, 89).await;
    ledger.prune_contexts(Duration::from_secs(88 * 24 * 3600)).await.unwrap();
    assert_eq!(kept().await, [true, false, true]);
}
