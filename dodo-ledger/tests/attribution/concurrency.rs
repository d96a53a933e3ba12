//! Bookings, erasures, retention and identities from several connections at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dodo_ledger::{
    attribution::{Batch, Fact, RecordState, Rules},
    booking::GroupStore,
};
use serde_json::json;

use crate::{
    booking::{assert_same, dump, open, stored, texts},
    memory::{MemoryLedger, fact},
    payloads::{charged, customer, day, hour, paid, payment, recovered, refunded, subscription},
    support::TestStore,
    world::{Act, bind},
};

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
                let mut batch = Batch::from_facts(facts);
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

/// Bookings, erasures, retention and identities at once: no deadlock, and every fact stays in the group
/// of its keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_of_all_kinds_keep_groups_whole() {
    let Some(store) = TestStore::postgres("booking::mixed").await else { return };
    let groups = open(&store, &Rules::default()).await;
    let facts = crowded(120);
    let booking = {
        let (groups, facts) = (groups.clone(), facts.clone());
        tokio::spawn(async move { book_concurrently(&groups, &facts, 8, true).await })
    };
    let erasing = {
        let groups = groups.clone();
        tokio::spawn(async move {
            for n in 0..4 {
                groups.erase_customer(&format!("cus_c{n}"), day(366)).await.unwrap();
                groups.resolve_queued().await.unwrap();
            }
        })
    };
    let pruning = {
        let groups = groups.clone();
        tokio::spawn(async move {
            for _ in 0..8 {
                groups.prune_unpaid(day(400)).await.unwrap();
                groups.identify("c9@example.com", Some("v9"), None, None).await.unwrap();
            }
        })
    };
    booking.await.unwrap();
    erasing.await.unwrap();
    pruning.await.unwrap();
    while groups.resolve_queued().await.unwrap().is_some() {}

    let lost = "SELECT dodo_fact.id FROM dodo_fact
                LEFT JOIN dodo_group ON dodo_group.id = dodo_fact.group_id
                WHERE dodo_group.id IS NULL OR dodo_group.parent_id IS NOT NULL
                UNION ALL SELECT value FROM dodo_key
                LEFT JOIN dodo_group ON dodo_group.id = dodo_key.group_id
                WHERE dodo_group.id IS NULL";
    assert_eq!(texts(&store, lost).await, [""; 0]);
    let pairs = async |sql| -> BTreeMap<String, String> {
        let split = |text: &String| {
            let (name, group) = text.rsplit_once(' ').unwrap();
            (name.to_owned(), group.to_owned())
        };
        texts(&store, sql).await.iter().map(split).collect()
    };
    let for_fact = pairs("SELECT id || ' ' || group_id FROM dodo_fact").await;
    let of_key =
        pairs("SELECT kind || ' ' || live || ' ' || value || ' ' || group_id FROM dodo_key");
    let of_key = of_key.await;
    // A key can name a group that was merged: its parents lead to the root.
    let parents =
        pairs("SELECT id || ' ' || parent_id FROM dodo_group WHERE parent_id IS NOT NULL");
    let parents = parents.await;
    let root = |group: &String| {
        let mut root = group.clone();
        while let Some(parent) = parents.get(&root) {
            root.clone_from(parent);
        }
        root
    };
    let mut checked = 0;
    for fact in &facts {
        let Some(group) = for_fact.get(&fact.id) else { continue };
        for key in fact.keys() {
            let (kind, live) = (key.kind() as i64, i64::from(key.live()));
            let found = of_key.get(&format!("{kind} {live} {}", key.value()));
            assert_eq!(found.map(root).as_ref(), Some(group));
            checked += 1;
        }
    }
    assert!(checked > 500, "only {checked} keys were checked");
    let after = dump(&store).await;
    for n in 0..4 {
        for trace in [format!("\"cus_c{n}\""), format!(" c{n}@Example.com ")] {
            assert!(!after.contains(&trace), "{trace} is stored");
        }
    }
    assert!(after.contains("\"cus_c5\""));
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
