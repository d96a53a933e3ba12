//! The group store: memory, SQLite and PostgreSQL agree, also under concurrency.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dodo_ledger::{
    Store,
    attribution::Rules,
    booking::GroupStore,
    engine::{Batch, Fact, Record, RecordState},
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    erased::{ANN, stories},
    memory::{MemoryLedger, fact},
    payloads::{charged, customer, day, hour, paid, payment, recovered, refunded, subscription},
    stories::{rules, story},
    support::TestStore,
    world::{Act, bind, identified},
};

async fn open(store: &TestStore, rules: &Rules) -> GroupStore {
    let groups = GroupStore::new(Store::open(&store.url).await.unwrap(), rules.clone());
    groups.create_tables().await.unwrap();
    groups
}

/// Plays the acts as [`MemoryLedger::play_in_batches`] does.
async fn play(groups: &GroupStore, rules: &Rules, acts: &[Act], size: usize) {
    for batch in acts.chunks(size) {
        for act in batch {
            if let Act::Identify { email, visitor } = act {
                groups.identify(email, Some(visitor), None, None).await.unwrap();
                while groups.resolve_queued().await.unwrap().is_some() {}
            }
        }
        let facts = batch.iter().filter_map(|act| fact(act, rules));
        groups.book(Batch::of(facts)).await.unwrap();
    }
}

async fn stored(groups: &GroupStore) -> BTreeMap<String, Record> {
    let records = groups.records().await.unwrap();
    records.into_iter().map(|record| (record.id().to_owned(), record)).collect()
}

fn assert_same(memory: &BTreeMap<String, Record>, stored: &BTreeMap<String, Record>) {
    let ids: BTreeSet<&String> = memory.keys().chain(stored.keys()).collect();
    for id in ids {
        let text = |record: Option<&Record>| {
            record.map(|r| format!("{} {r:?}", serde_json::to_string(&r.record).unwrap()))
        };
        let (memory, stored) = (memory.get(id), stored.get(id));
        assert!(memory == stored, "{:?}\nand\n{:?}", text(memory), text(stored));
    }
}

/// The story on this store gives the records of the model, before and after an erasure.
async fn holds_contract(store: &TestStore, story: &[Act], rules: &Rules) {
    let groups = open(store, rules).await;
    let mut memory = MemoryLedger::play_in_batches(rules, story, 5);
    play(&groups, rules, story, 5).await;
    assert_same(&memory.stored(), &stored(&groups).await);
    memory.erase("cus_ann", day(300));
    groups.erase_customer("cus_ann", day(300)).await.unwrap();
    while groups.resolve_queued().await.unwrap().is_some() {}
    assert_same(&memory.stored(), &stored(&groups).await);
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
async fn dump(store: &TestStore) -> String {
    let sql = "SELECT id || ' ' || body || ' ' || COALESCE(person, '') FROM dodo_fact
               UNION ALL SELECT id || ' ' || record || ' ' || COALESCE(journey, '') || ' '
                   || COALESCE(customer_id, '') || ' ' || COALESCE(email_sha256, '') || ' '
                   || COALESCE(visitor, '') || ' ' || COALESCE(source, '') || ' '
                   || COALESCE(landing_path, '') FROM dodo_record
               UNION ALL SELECT hash || ' ' || COALESCE(identity, '') FROM dodo_address
               UNION ALL SELECT hash FROM dodo_address_group
               UNION ALL SELECT value FROM dodo_key
               UNION ALL SELECT customer_sha256 FROM dodo_erasure";
    texts(store, sql).await.join("\n")
}

async fn texts(store: &TestStore, sql: &'static str) -> Vec<String> {
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
            let mut changes = groups.erase_customer("cus_ann", day(300)).await.unwrap();
            changes.extend(groups.erase_email("ann@example.com", day(300)).await.unwrap());
            while groups.resolve_queued().await.unwrap().is_some() {}
            changes.len()
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
    let rules = Rules::default().disputes(dodo_core::DisputePolicy::OnOpen);
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
    assert_eq!(state.status, Some(dodo_core::SubscriptionStatus::OnHold));
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
        failed("try_1", "cks_tried", "eve"),
        bind("cks_new", at(9, "v_new")),
        bind("cks_paid", at(0, "v_paid")),
        failed("try_2", "cks_paid", "bob"),
        paid("pay_1", day(2), 2000, session("cks_paid"))
            .with(json!({ "customer": customer("bob") })),
    ];
    // One fact each, so that groups are merged.
    play(&groups, &rules, &story, 1).await;
    assert_eq!(groups.prune_unpaid(day(1)).await.unwrap(), 1, "only the one without an attempt");
    assert_eq!(groups.prune_unpaid(day(5)).await.unwrap(), 1);
    assert_eq!(groups.prune_unpaid(day(5)).await.unwrap(), 0);
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
    play(&groups, &rules, &story![paid("pay_2", day(9), 100, session("cks_old"))], 1).await;
    assert_eq!(stored(&groups).await["charge:pay_2"].record.visitor, None);
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

/// Facts of few customers that share payments, sessions and subscriptions, some of them twice.
fn crowded(payments: i64) -> Vec<Fact> {
    let rules = Rules::default();
    let mut acts: Vec<Act> = Vec::new();
    for n in 0..payments {
        let who = customer(&format!("c{}", n % (payments / 8)));
        let (pay, session) = (format!("pay_{n}"), format!("cks_{n}"));
        let sub = format!("sub_{}", n % (payments / 4));
        let extra = json!({ "customer": who, "checkout_session_id": session });
        acts.push(charged(&pay, &sub, hour(n), 2000, extra).into());
        acts.push(bind(&session, json!({ "visitor": format!("v{n}") })));
        let anonymous = json!({ "customer": null });
        acts.push(refunded(&format!("ref_{n}"), &pay, hour(n + 9), json!(100), anonymous).into());
        let failed = json!({ "checkout_session_id": session, "customer": null });
        acts.push(payment("payment.failed", &format!("try_{n}"), hour(n), 2000, failed).into());
        if n % 16 == 0 {
            let other = format!("pay_{}", n * 7 % payments);
            acts.push(recovered(&format!("try_{n}"), &other, hour(n)).into());
            let body = json!({ "customer": who });
            acts.push(subscription("subscription.active", &sub, hour(n), body).into());
        }
    }
    let again: Vec<Act> = acts.iter().step_by(10).cloned().collect();
    acts.into_iter().chain(again).filter_map(|act| fact(&act, &rules)).collect()
}

/// Books the facts from several connections at once, in random order. Returns the repeated batches.
async fn book_concurrently(
    groups: &GroupStore,
    facts: &[Fact],
    size: usize,
    sorted: bool,
) -> usize {
    let mut facts = facts.to_vec();
    fastrand::shuffle(&mut facts);
    let batches: Vec<Vec<Fact>> = facts.chunks(size).map(<[Fact]>::to_vec).collect();
    let todo = Arc::new(Mutex::new(batches));
    let repeats = Arc::new(Mutex::new(0));
    let worker = || {
        let (groups, todo, repeats) = (groups.clone(), todo.clone(), repeats.clone());
        tokio::spawn(async move {
            let next = || todo.lock().unwrap().pop();
            while let Some(facts) = next() {
                let mut batch = Batch::of(facts);
                if !sorted {
                    fastrand::shuffle(&mut batch.key_order);
                }
                while let Err(error) = groups.book(batch.clone()).await {
                    assert!(error.is_transient(), "{error:?}");
                    *repeats.lock().unwrap() += 1;
                }
            }
        })
    };
    let workers: Vec<_> = (0..6).map(|_| worker()).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    *repeats.lock().unwrap()
}

/// The groups of the store are the connected components of all facts.
async fn assert_groups(store: &TestStore, groups: &GroupStore, facts: &[Fact]) {
    let mut memory = MemoryLedger::new(&Rules::default());
    memory.book(facts.to_vec());
    let expected: BTreeSet<BTreeSet<String>> = memory
        .timelines()
        .map(|timeline| timeline.facts().iter().map(|fact| fact.id.clone()).collect())
        .collect();
    let rows = texts(store, "SELECT group_id || ' ' || id FROM dodo_fact").await;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let (group, id) = row.split_once(' ').unwrap();
        found.entry(group.to_owned()).or_default().insert(id.to_owned());
    }
    assert_eq!(found.into_values().collect::<BTreeSet<_>>(), expected);
    let merged = texts(
        store,
        "SELECT dodo_fact.id FROM dodo_fact JOIN dodo_group ON dodo_group.id = dodo_fact.group_id
         WHERE parent_id IS NOT NULL",
    );
    assert_eq!(merged.await, [""; 0]);
    let mut stored = stored(groups).await;
    stored.retain(|_, record| record.state != RecordState::Withdrawn);
    let mut expected = memory.stored();
    for record in stored.values_mut().chain(expected.values_mut()) {
        record.record.flags.reclassified = false;
    }
    assert_same(&expected, &stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_bookings_give_connected_groups_without_deadlock() {
    for size in [1, 16, 128] {
        let Some(store) = TestStore::postgres("booking::concurrent").await else { return };
        let groups = open(&store, &Rules::default()).await;
        let facts = crowded(120);
        let repeats = book_concurrently(&groups, &facts, size, true).await;
        assert_groups(&store, &groups, &facts).await;
        assert_eq!(repeats, 0, "batches of {size}");
        store.remove().await;
    }
}

/// Identities that arrive during the bookings reach every record: no booking and no `identify` misses
/// the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_identities_reach_every_record() {
    let Some(store) = TestStore::postgres("booking::identities").await else { return };
    let rules = Rules::default();
    let groups = open(&store, &rules).await;
    let who = |n: i64| format!("d{}", n % 40);
    let acts: Vec<Act> = (0..400)
        .map(|n| {
            let extra = json!({ "customer": customer(&who(n)) });
            paid(&format!("pay_{n}"), hour(n), 2000, extra).into()
        })
        .collect();
    let facts: Vec<Fact> = acts.iter().filter_map(|act| fact(act, &rules)).collect();
    let identities: Vec<(String, String)> =
        (0..40).map(|n| (format!("{}@example.com", who(n)), format!("v{n}"))).collect();
    let booking = {
        let (groups, facts) = (groups.clone(), facts.clone());
        tokio::spawn(async move { book_concurrently(&groups, &facts, 4, true).await })
    };
    let identifying = {
        let (groups, identities) = (groups.clone(), identities.clone());
        tokio::spawn(async move {
            for (email, visitor) in &identities {
                groups.identify(email, Some(visitor), None, None).await.unwrap();
                groups.resolve_queued().await.unwrap();
            }
        })
    };
    assert_eq!(booking.await.unwrap(), 0);
    identifying.await.unwrap();
    while groups.resolve_queued().await.unwrap().is_some() {}
    let mut memory = MemoryLedger::new(&rules);
    memory.book(facts);
    for (email, visitor) in &identities {
        memory.identify(email, Some(visitor), None, None);
    }
    let stored = stored(&groups).await;
    assert!(stored.values().all(|record| record.record.visitor.is_some()));
    assert_same(&memory.stored(), &stored);
    store.remove().await;
}

/// The negative control: keys that are not sorted give deadlocks. Repeats still give the right groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsorted_keys_give_deadlocks() {
    let mut repeats = 0;
    for _ in 0..8 {
        let Some(store) = TestStore::postgres("booking::unsorted").await else { return };
        let quick = store.with_setting("deadlock_timeout=20ms");
        let groups = open(&quick, &Rules::default()).await;
        let facts = crowded(120);
        repeats += book_concurrently(&groups, &facts, 64, false).await;
        assert_groups(&store, &groups, &facts).await;
        store.remove().await;
        if repeats > 0 {
            break;
        }
    }
    assert!(repeats > 0, "no transaction was repeated");
}
