//! SQLite finds a few of many by an index, however many there are, and looks given rows up one by one. The
//! only test here: it reads the log of the process.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use dodo_core::{
    attribution::AttributionRecord,
    money::Currency,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::sink::FnSink;
use dodo_ledger::{
    Ledger,
    query::{Dimension, ExportFormat, Range, Which},
    sqlx::{self, AssertSqlSafe, Connection, SqliteConnection},
};
use support::{TestStore, delivery, eventually, hooks, payment, work};
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt as _};

/// More than a page of an export.
const EVENTS: usize = 510;

/// Keeps the texts of the statements that the driver logs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeSet<String>>>);

/// The driver tells a short statement as its summary alone.
#[derive(Default)]
struct Text {
    summary: String,
    whole: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.whole),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = Text::default();
            event.record(&mut text);
            let text = if text.whole.is_empty() { text.summary } else { text.whole };
            self.0.lock().unwrap().insert(text);
        }
    }
}

/// A payment of a customer of its own, so that no table stays small.
fn payment_of_customer(n: usize) -> VerifiedEvent {
    let event = payment(&format!("msg_{n}"), &format!("pay_{n}"));
    let body = String::from_utf8(event.body().to_vec()).unwrap();
    let body = body.replace("cus_1", &format!("cus_{n}")).replace("ada@", &format!("ada{n}@"));
    delivery(event.id(), body)
}

/// The steps by which SQLite would run a statement.
async fn plan(connection: &mut SqliteConnection, text: &str) -> Vec<String> {
    let asked = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(asked).fetch_all(connection).await.unwrap();
    plan.into_iter().map(|(.., step)| step).collect()
}

/// Everything that takes a few rows of a table that grows.
async fn take_some(ledger: &Ledger) {
    let page =
        ledger.records().test_mode().revenue_only().newest_first().limit(50).fetch().await.unwrap();
    assert_eq!(page.len(), 50);
    let newest = ledger.records().test_mode().revenue_only().newest_first().limit(1);
    assert_eq!(newest.fetch().await.unwrap().len(), 1);
    let mut file = Vec::new();
    assert_eq!(
        ledger.records().test_mode().export(ExportFormat::JsonLines, &mut file).await.unwrap(),
        510
    );
    ledger.failed_events(10).await.unwrap();
    ledger.failed_event_page(10, None).await.unwrap();
    ledger.dead_letters("told", 10).await.unwrap();
    ledger.replay_sink("told", jiff::Timestamp::MIN, jiff::Timestamp::MAX).await.unwrap();
}

/// After all payments.
const LATE: jiff::Timestamp = jiff::Timestamp::constant(4_102_444_800, 0);

/// The sums of subscriptions and of customers.
async fn sum(ledger: &Ledger) {
    let all = || ledger.subscriptions().test_mode();
    let one = || all().currency(Currency::USD);
    all().summary().await.unwrap();
    one().summary().await.unwrap();
    one().only(Which::AtRisk).summary().await.unwrap();
    one().by_plan().await.unwrap();
    one().by_source().await.unwrap();
    for from in [jiff::Timestamp::MIN, LATE] {
        let span = Range::new(from, jiff::Timestamp::MAX);
        let money = ledger.money().test_mode().currency(Currency::USD).between(span);
        money.group_by(Dimension::Customer).rows().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_for_few_rows_reads_few_rows_and_sums_read_an_index() {
    let statements = Statements::default();
    let seen = statements.clone().with_filter(LevelFilter::DEBUG);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(seen)).unwrap();
    let store = TestStore::sqlite().await.unwrap();
    let told = FnSink::new("told", |record: AttributionRecord| async move {
        if record.id == "charge:pay_0" { Err("not this one") } else { Ok(()) }
    });
    let ledger = store.builder().await.sink(told.include_test_mode()).build().unwrap();
    ledger.migrate().await.unwrap();
    let mut accepted = tokio::task::JoinSet::new();
    for n in 0..EVENTS {
        let (ledger, event) = (ledger.clone(), payment_of_customer(n));
        accepted.spawn(async move { ledger.accept(&event).await.unwrap() });
    }
    accepted.join_all().await;
    let workers = work(&ledger, hooks());
    eventually("all is booked and done, and told but for one", async || {
        let told = ledger.sink_stats("told").await.unwrap();
        ledger.stats().await.unwrap().pending == 0 && told.pending == 1
    })
    .await;
    take_some(&ledger).await;
    sum(&ledger).await;
    workers.shutdown(std::time::Duration::from_secs(5)).await;

    let seen = std::mem::take(&mut *statements.0.lock().unwrap());
    let of = |word: &str| -> Vec<String> {
        seen.iter().filter(|text| text.contains(word)).cloned().collect()
    };
    let (mut few, given) = (of("LIMIT"), of("AS given"));
    // A ranking reads all customers.
    few.retain(|text| !text.contains("ranked0"));
    assert!(few.len() >= 8, "{few:#?}");
    let outbox =
        given.iter().filter(|text| text.trim_start().starts_with("UPDATE dodo_outbox")).count();
    assert!(outbox >= 2, "sent, and to be tried again: {given:#?}");
    let counters = of("FROM dodo_inbox WHERE state = 'pending' AND booked_at IS NULL)");
    assert_eq!(counters.len(), 1, "{counters:#?}");
    let sums = of("COUNT(DISTINCT");
    assert_eq!(sums.len(), 5, "{sums:#?}");
    let people = of("ranked0");
    assert_eq!(people.len(), 2, "of a long span and of a short one: {people:#?}");
    let mut connection = SqliteConnection::connect(&store.url).await.unwrap();
    // With figures about its tables SQLite chooses other plans than without.
    for figures in ["", "ANALYZE"] {
        sqlx::raw_sql(figures).execute(&mut connection).await.unwrap();
        for text in &few {
            let steps = plan(&mut connection, text).await;
            let reads_all =
                steps.iter().any(|step| step.starts_with("SCAN dodo_") && !step.contains("USING"));
            // What links find is sorted: never more than they find.
            let sorts = !text.contains("WITH found")
                && steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!reads_all && !sorts, "{figures} {text}\n{steps:#?}");
        }
        for text in &counters {
            let steps = plan(&mut connection, text).await;
            let reads_all = steps.iter().any(|step| {
                step.contains(" dodo_inbox") && !step.contains("USING")
                    || step.contains("dodo_inbox_failed") && !step.contains("COVERING")
            });
            assert!(!reads_all, "{figures} {text}\n{steps:#?}");
        }
        for text in &sums {
            let steps = plan(&mut connection, text).await;
            let reads_rows = steps.iter().any(|step| {
                let few = ["risk", "ending", "trial"];
                let covering = ["sums", "plan", "source"]
                    .map(|name| format!("COVERING INDEX dodo_subscription_{name} "));
                step.contains(" dodo_subscription ")
                    && !covering.iter().any(|index| step.contains(index))
                    && !few.iter().any(|few| step.contains(&format!("dodo_subscription_{few}")))
            });
            let sorts = steps.iter().any(|step| step.contains("B-TREE FOR GROUP BY"));
            let is_one_currency = text.contains("currency = ");
            assert!(!(reads_rows || sorts && is_one_currency), "{figures} {text}\n{steps:#?}");
        }
        for text in &people {
            let steps = plan(&mut connection, text).await;
            let reads = |step: &&String| step.contains(" dodo_money ");
            let covered = "USING COVERING INDEX dodo_money_customer";
            let ranked = match text.contains("+customer") {
                true => "USING PRIMARY KEY (live=? AND currency=? AND at>? AND at<?)",
                false => covered,
            };
            let steps: Vec<&String> = steps.iter().filter(reads).collect();
            let are_these = matches!(&*steps, [a, b] if a.contains(ranked) && b.contains(covered));
            assert!(are_these, "{figures} {text}\n{steps:#?}");
        }
        for text in &given {
            let steps = plan(&mut connection, text).await;
            let first = |word: &str| steps.iter().position(|step| step.contains(word));
            let Some(table) = first(" dodo_") else { continue };
            assert!(
                first("SCAN given_rows").is_some_and(|rows| rows < table),
                "{figures} {text}\n{steps:#?}"
            );
        }
    }
    store.remove().await;
}
