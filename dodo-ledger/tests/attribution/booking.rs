//! The group store: memory, SQLite and PostgreSQL agree.

use std::collections::{BTreeMap, BTreeSet};

use dodo_ledger::{
    Ledger, Store,
    attribution::{Batch, Record, RecordState, Rules},
    booking::GroupStore,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection},
    store::sql::{args, sql},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    erased::{ANN, stories},
    memory::{MemoryLedger, fact},
    payloads::{charged, customer, day, paid, payment, refunded, subscription},
    stories::{rules, story},
    support::TestStore,
    world::{Act, bind, identified},
};

pub(crate) async fn open(store: &TestStore, rules: &Rules) -> GroupStore {
    let store = Store::open(&store.url).await.unwrap();
    Ledger::builder(store.clone()).build().unwrap().migrate().await.unwrap();
    GroupStore::new(store, rules.clone())
}

/// Plays the acts as [`MemoryLedger::play_in_batches`] does.
pub(crate) async fn play(groups: &GroupStore, rules: &Rules, acts: &[Act], size: usize) {
    for batch in acts.chunks(size) {
        for act in batch {
            if let Act::Identify { email, visitor } = act {
                groups.identify(email, Some(visitor), None, None).await.unwrap();
                while groups.resolve_queued().await.unwrap().is_some() {}
            }
        }
        let facts = batch.iter().filter_map(|act| fact(act, rules));
        groups.book(Batch::from_facts(facts)).await.unwrap();
    }
}

pub(crate) async fn stored(groups: &GroupStore) -> BTreeMap<String, Record> {
    let records = groups.records().await.unwrap();
    records.into_iter().map(|record| (record.id().to_owned(), record)).collect()
}

pub(crate) fn assert_same(memory: &BTreeMap<String, Record>, stored: &BTreeMap<String, Record>) {
    let ids: BTreeSet<&String> = memory.keys().chain(stored.keys()).collect();
    for id in ids {
        let text = |record: Option<&Record>| {
            record.map(|r| format!("{} {r:?}", serde_json::to_string(&r.record).unwrap()))
        };
        let (memory, stored) = (memory.get(id), stored.get(id));
        assert!(memory == stored, "{:?}\nand\n{:?}", text(memory), text(stored));
    }
}

/// How many instances take turns with the batches. Each has its own groups in memory.
#[derive(Clone, Copy)]
enum Instances {
    /// Every booking finds the groups of the booking before.
    One,
    /// An instance finds old groups in its memory.
    Three,
    /// Nothing is in memory.
    OnePerBatch,
}

/// The story on this store gives the records of the model, before and after an erasure. Groups in memory
/// change nothing: neither the records nor the number of their changes.
async fn holds_contract(store: &TestStore, story: &[Act], rules: &Rules) {
    let mut changes = BTreeSet::new();
    for instances in [Instances::One, Instances::Three, Instances::OnePerBatch] {
        let store = store.fresh().await;
        let tables = Store::open(&store.url).await.unwrap();
        Ledger::builder(tables.clone()).open().await.unwrap();
        let instance = || GroupStore::new(tables.clone(), rules.clone());
        let mut turns = [instance(), instance(), instance()];
        let mut memory = MemoryLedger::play_in_batches(rules, story, 5);
        for (n, batch) in story.chunks(5).enumerate() {
            match instances {
                Instances::One => play(&turns[0], rules, batch, 5).await,
                Instances::Three => play(&turns[n % 3], rules, batch, 5).await,
                Instances::OnePerBatch => {
                    turns[0] = instance();
                    play(&turns[0], rules, batch, 5).await;
                }
            }
        }
        let [groups, other, _] = &turns;
        assert_same(&memory.stored(), &stored(groups).await);
        memory.erase("cus_ann", day(300));
        other.erase_customer("cus_ann", day(300)).await.unwrap();
        while other.resolve_queued().await.unwrap().is_some() {}
        assert_same(&memory.stored(), &stored(groups).await);
        // The erased facts come again, to an instance that may have them in memory.
        let deliveries = story.iter().filter(|act| matches!(act, Act::Deliver(_)));
        play(groups, rules, &deliveries.cloned().collect::<Vec<_>>(), 5).await;
        assert_same(&memory.stored(), &stored(groups).await);
        let versions = sql!("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM dodo_record");
        let versions = tables.run(&versions, args![]).await.unwrap()[0].int(0).unwrap();
        changes.insert(versions);
        store.remove().await;
    }
    assert_eq!(changes.len(), 1, "the number of changes: {changes:?}");
}

fn on_store(open: impl AsyncFnOnce() -> Option<TestStore>, story: &[Act], rules: &Rules) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(store) = open().await else { return };
        holds_contract(&store, story, rules).await;
        store.remove().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_stores_the_records_of_the_model(story in story(40), rules in rules()) {
        on_store(TestStore::memory, &story, &rules);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_stores_the_records_of_the_model(story in story(40), rules in rules()) {
        on_store(async || TestStore::postgres("booking::contract").await, &story, &rules);
    }
}

/// Every text in the tables.
pub(crate) async fn dump(store: &TestStore) -> String {
    let sql = "SELECT id || ' ' || body || ' ' || COALESCE(person, '') FROM dodo_fact
               UNION ALL SELECT id || ' ' || record || ' ' || COALESCE(visit_context, '') || ' '
                   || COALESCE(customer_id, '') || ' '
                   || COALESCE(visitor, '') || ' ' || COALESCE(source, '') || ' '
                   || COALESCE(landing_path, '') FROM dodo_record
               UNION ALL SELECT hash || ' ' || COALESCE(identity, '') FROM dodo_address
               UNION ALL SELECT hash FROM dodo_address_group
               UNION ALL SELECT text FROM dodo_value
               UNION ALL SELECT COALESCE(customer_id, '') || ' ' || COALESCE(source, '') FROM dodo_subscription
               UNION ALL SELECT value FROM dodo_key
               UNION ALL SELECT subject FROM dodo_erasure";
    texts(store, sql).await.join("\n")
}

pub(crate) async fn texts(store: &TestStore, sql: &'static str) -> Vec<String> {
    if store.place().is_some() {
        let mut connection = PgConnection::connect(&store.url).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    } else {
        let mut connection = SqliteConnection::connect(&store.url).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

async fn erases_every_trace(store: &TestStore) {
    for (title, story, traces) in stories() {
        let store = store.fresh().await;
        let rules = Rules::default();
        let groups = open(&store, &rules).await;
        play(&groups, &rules, &story, 3).await;
        let before = dump(&store).await;
        for trace in traces {
            assert!(before.contains(trace), "{title}: {trace} is stored");
        }
        let erase = async || {
            let customer = groups.erase_customer("cus_ann", day(300)).await.unwrap();
            let address = groups.erase_email("ann@example.com", day(300)).await.unwrap();
            while groups.resolve_queued().await.unwrap().is_some() {}
            customer.changes.len() + address.changes.len()
        };
        erase().await;
        assert_eq!(erase().await, 0, "{title}: a second erasure changes nothing");
        let records = stored(&groups).await;
        let deliveries = story.iter().filter(|act| matches!(act, Act::Deliver(_)));
        play(&groups, &rules, &deliveries.cloned().collect::<Vec<_>>(), 3).await;
        assert_same(&records, &stored(&groups).await);
        let after = dump(&store).await;
        for trace in traces.iter().chain(&ANN) {
            assert!(!after.contains(trace), "{title}: {trace} is in\n{after}");
        }
        store.remove().await;
    }
}

async fn books_pending_events_of_an_erased_customer_without_person(store: &TestStore) {
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let visit = bind("cks_1", json!({ "visitor": "v_visit" }));
    play(&groups, &rules, &[visit], 1).await;
    groups.erase_customer("cus_ann", day(366)).await.unwrap();
    let extra = json!({ "checkout_session_id": "cks_1", "metadata": { "visitor": "v_own" } });
    play(&groups, &rules, &story![charged("pay_1", "sub_1", day(0), 2000, extra)], 1).await;
    let after = dump(store).await;
    for trace in ANN.iter().chain(&["v_visit", "v_own"]) {
        assert!(!after.contains(trace), "{trace} is in\n{after}");
    }
    assert_eq!(stored(&groups).await["charge:pay_1"].record.money.map(|m| m.gross), Some(2000));
}

async fn other_rules_resolve_every_group_again(store: &TestStore) {
    let rules = Rules::default().disputes(dodo_core::attribution::DisputePolicy::OnOpen);
    let groups = open(store, &rules).await;
    let story = story![
        paid("pay_1", day(0), 2000, json!({})),
        crate::payloads::dispute("opened", "dp_1", "pay_1", day(2), json!("400"), json!({})),
        identified("ann@example.com", "v1"),
    ];
    play(&groups, &rules, &story, 1).await;
    assert_eq!(stored(&groups).await["dispute:dp_1:loss"].state, RecordState::Valid);
    let changed = GroupStore::new(Store::open(&store.url).await.unwrap(), Rules::default());
    changed.queue_changed_rules().await.unwrap();
    assert_eq!(changed.resolve_queued().await.unwrap().map(|changes| changes.len()), Some(1));
    assert_eq!(stored(&changed).await["dispute:dp_1:loss"].state, RecordState::Withdrawn);
    changed.queue_changed_rules().await.unwrap();
    assert_eq!(changed.resolve_queued().await.unwrap(), None);
}

async fn explains_a_payment_as_the_model_does(store: &TestStore) {
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let story = story![
        bind("cks_1", json!({ "visitor": "v1" })),
        charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
        charged("pay_2", "sub_1", day(31), 2000, json!({})),
        refunded("ref_2", "pay_2", day(32), json!(500), json!({ "is_partial": true })),
        subscription("subscription.on_hold", "sub_1", day(62), json!({})),
    ];
    play(&groups, &rules, &story, 2).await;
    let memory = MemoryLedger::play_in_batches(&rules, &story, 2);
    let explained = groups.explain("pay_2").await.unwrap();
    let ids: Vec<&str> = explained.iter().map(|(record, _)| record.id()).collect();
    assert_eq!(ids, ["charge:pay_2", "refund:ref_2"]);
    for (record, reports) in &explained {
        let (expected, steps) = &memory.explained()[record.id()];
        assert_eq!((record, reports), (expected, steps));
        assert_eq!(groups.record(record.id()).await.unwrap().as_ref(), Some(record));
    }
    assert_eq!(groups.explain("pay_none").await.unwrap(), []);
    let state = groups.subscription("sub_1").await.unwrap().unwrap();
    assert_eq!(state.status, Some(dodo_core::event::SubscriptionStatus::OnHold));
    assert_eq!(groups.subscription("sub_none").await.unwrap(), None);
}

/// Retention deletes checkouts without a payment. A payment keeps all facts of its checkout.
async fn prunes_checkouts_without_a_payment(store: &TestStore) {
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let session = |id: &str| json!({ "checkout_session_id": id });
    let at = |at, visit: &str| json!({ "captured_at": day(at).to_string(), "visitor": visit });
    let failed = |id: &str, cks: &str, who: &str| {
        let extra = json!({ "checkout_session_id": cks, "customer": customer(who) });
        payment("payment.failed", id, day(1), 2000, extra)
    };
    let story = story![
        bind("cks_old", at(0, "v_old")),
        bind("cks_tried", at(0, "v_tried")),
        payment(
            "payment.processing",
            "try_1",
            day(1),
            2000,
            json!({ "customer": customer("eve") })
        ),
        failed("try_1", "cks_tried", "eve"),
        bind("cks_new", at(400, "v_new")),
        bind("cks_paid", at(0, "v_paid")),
        failed("try_2", "cks_paid", "bob"),
        paid("pay_1", day(2), 2000, session("cks_paid"))
            .with(json!({ "customer": customer("bob") })),
    ];
    // One fact each, so that groups are merged.
    play(&groups, &rules, &story, 1).await;
    // As after a race: a key names a group that was merged.
    let race = "UPDATE dodo_key SET group_id = (SELECT MIN(id) FROM dodo_group WHERE parent_id =
                    (SELECT group_id FROM dodo_fact WHERE id = 'context:cks_tried'))
                WHERE value = 'cks_tried'";
    store.run(race).await;
    assert_eq!(groups.prune_unpaid(day(1)).await.unwrap(), 1, "only the one without an attempt");
    assert_eq!(groups.prune_unpaid(day(366)).await.unwrap(), 1);
    assert_eq!(groups.prune_unpaid(day(366)).await.unwrap(), 0);
    let after = dump(store).await;
    for gone in ["v_old", "v_tried", "cks_old", "cks_tried", "try_1", "cus_eve"] {
        assert!(!after.contains(gone), "{gone} is in\n{after}");
    }
    for kept in ["v_new", "v_paid", "try_2", "charge:pay_1"] {
        assert!(after.contains(kept), "{kept} is not in\n{after}");
    }
    assert_eq!(texts(store, "SELECT hash FROM dodo_address").await.len(), 1);
    let merged = texts(store, "SELECT 'merged' FROM dodo_group WHERE parent_id IS NOT NULL").await;
    assert!(merged.len() <= 2, "{merged:?}");
    // A later payment of a pruned checkout starts a new group.
    for (id, cks) in [("pay_2", "cks_old"), ("pay_3", "cks_tried")] {
        play(&groups, &rules, &story![paid(id, day(9), 100, session(cks))], 1).await;
        assert_eq!(stored(&groups).await[&format!("charge:{id}")].record.visitor, None);
    }
}

/// A database in memory has one connection, so these tests read a file.
macro_rules! on_files {
    ($($name:ident),* $(,)?) => { $(
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
                let name = concat!("booking::", stringify!($name));
                let Some(store) = TestStore::postgres(name).await else { return };
                super::$name(&store).await;
                store.remove().await;
            }
        }
    )* };
}

on_files! {
    erases_every_trace,
    books_pending_events_of_an_erased_customer_without_person,
    other_rules_resolve_every_group_again,
    explains_a_payment_as_the_model_does,
    prunes_checkouts_without_a_payment,
}
