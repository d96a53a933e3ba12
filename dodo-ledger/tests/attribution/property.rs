//! For any order and any duplication of the same deliveries the ledger is the same.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::{Timestamp, ToSpan};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    payloads::{
        self, Delivery, charged, customer, day, dispute, hour, paid, recovered, refund,
        subscription,
    },
    world::{Act, Records, World, bind, identified},
};
use dodo_ledger::attribution::{RenewalCredit, Rules};

/// Without what is about the way the deliveries took.
pub(crate) fn without_arrival(mut records: Records) -> Records {
    for record in records.0.values_mut() {
        record.flags.reclassified = false;
    }
    records
}

const PEOPLE: [&str; 2] = ["ann", "bob"];

/// Metadata of an object: nothing, a visitor, a campaign, or both.
fn metadata() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!({})),
        2 => (0..3).prop_map(|n| json!({ "visitor": format!("v{n}") })),
        1 => (0..3).prop_map(|n| json!({ "source": format!("s{n}"), "medium": "email" })),
        1 => (0..3).prop_map(|n| json!({ "visitor": format!("v{n}"), "linkId": format!("l{n}"), "datafast_visitor_id": "d" })),
    ]
}

/// A moment of the story: few enough for some to be the same.
fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..60).prop_map(|n| hour(n * 60))
}

fn person() -> impl Strategy<Value = Value> {
    prop::sample::select(&PEOPLE[..]).prop_map(customer)
}

/// Few ids, so that things meet.
fn id(prefix: &'static str, many: u8) -> impl Strategy<Value = String> {
    (0..many).prop_map(move |n| format!("{prefix}_{n}"))
}

/// A charge has one time and one amount, whatever it is delivered as.
fn when(payment: &str) -> Timestamp {
    let n: i64 = payment.rsplit('_').next().unwrap().parse().unwrap();
    day(0).checked_add((n * 17 % 70 * 24).hours()).unwrap()
}

fn payment() -> impl Strategy<Value = Delivery> {
    let one_time = (id("pay", 12), 0..3_i64, person(), metadata(), any::<bool>()).prop_map(
        |(id, amount, who, metadata, session)| {
            let session = if session { json!("cks_1") } else { Value::Null };
            let extra = json!({ "customer": who, "metadata": metadata, "tax": amount * 100, "checkout_session_id": session });
            paid(&id, when(&id), 1000 * (amount + 1), extra)
        },
    );
    let kinds = prop::sample::select(&["new", "renewal", "plan_change", "on_demand"][..]);
    let kinds = prop_oneof![5 => Just(Value::Null), 1 => kinds.prop_map(Value::from)];
    let recurring = (id("pay", 12), id("sub", 2), 0..3_i64, metadata(), kinds, 0..8_u8).prop_map(
        |(id, sub, amount, metadata, kind, odd)| {
            let who = customer(PEOPLE[usize::from(sub.ends_with('1'))]);
            let ids = if odd == 2 { json!(["sub_0", "sub_1"]) } else { json!([sub]) };
            let extra = json!({
                "customer": who, "metadata": metadata, "charge_type": kind, "tax": 77,
                "is_update_payment_method": odd == 0, "retry_attempt": i64::from(odd == 1),
                "is_multi_subscription": odd == 2, "subscription_ids": ids,
            });
            charged(&id, &sub, when(&id), 1000 * amount, extra)
        },
    );
    prop_oneof![1 => one_time, 2 => recurring]
}

fn act() -> impl Strategy<Value = Act> {
    let money_back =
        (0..6_u8, moment(), prop::option::of(1..2500_i64), any::<(bool, bool)>(), metadata())
            .prop_map(|(n, at, amount, (partial, failed), metadata)| {
                let kind = if failed { "refund.failed" } else { "refund.succeeded" };
                // Two refunds of each of three payments.
                let (id, payment) = (format!("ref_{n}"), format!("pay_{}", n % 3 * 3));
                refund(
                    kind,
                    &id,
                    &payment,
                    at,
                    json!(amount),
                    json!({ "is_partial": partial, "metadata": metadata }),
                )
            });
    let steps =
        prop::sample::select(&["opened", "challenged", "lost", "won", "expired", "cancelled"][..]);
    let disputes = (0..3_u8, steps, moment(), 1..2500_i64, any::<bool>()).prop_map(
        |(n, step, at, amount, rdr)| {
            let (id, payment) = (format!("dp_{n}"), format!("pay_{}", n * 3));
            dispute(
                step,
                &id,
                &payment,
                at,
                json!(amount.to_string()),
                json!({ "is_resolved_by_rdr": rdr }),
            )
        },
    );
    let kinds = prop::sample::select(
        &["active", "renewed", "cancelled", "plan_changed", "updated", "expired"][..],
    );
    let subscriptions = (id("sub", 2), kinds, moment(), metadata(), 0..3_i64, any::<bool>())
        .prop_map(|(id, kind, at, metadata, plan, old)| {
            let created = if old { day(-40) } else { day(0) };
            let who = customer(PEOPLE[usize::from(id.ends_with('1'))]);
            let extra = json!({
                "metadata": metadata, "product_id": format!("pdt_{plan}"), "customer": who,
                "created_at": created.to_string(), "trial_period_days": plan * 7,
            });
            subscription(&format!("subscription.{kind}"), &id, at, extra)
        });
    let attempts = (id("pay", 12), metadata()).prop_map(|(id, metadata)| {
        payloads::payment(
            "payment.failed",
            &id,
            when(&id),
            1000,
            json!({ "metadata": metadata, "checkout_session_id": "cks_2" }),
        )
    });
    let recoveries = (0..6_u8, moment())
        .prop_map(|(n, at)| recovered(&format!("pay_{n}"), &format!("pay_{}", n + 6), at));
    let people = (prop::sample::select(&PEOPLE[..]), 0..2_u8)
        .prop_map(|(name, n)| identified(&format!("{name}@example.com"), &format!("v{n}")));
    prop_oneof![
        8 => payment().prop_map(Act::from),
        4 => money_back.prop_map(Act::from),
        4 => disputes.prop_map(Act::from),
        3 => subscriptions.prop_map(Act::from),
        1 => attempts.prop_map(Act::from),
        1 => recoveries.prop_map(Act::from),
        1 => people,
        1 => Just(bind("cks_1", json!({ "visitor": "v7", "device": "mobile", "landing_path": "/a" }))),
        1 => Just(bind("cks_2", json!({ "campaign": { "source": "s7" }, "device": "tablet" }))),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let credit = prop::sample::select(
        &[RenewalCredit::Always, RenewalCredit::Never, RenewalCredit::Within(20)][..],
    );
    let policy = prop::sample::select(
        &[dodo_core::DisputePolicy::OnLoss, dodo_core::DisputePolicy::OnOpen][..],
    );
    let credit = prop_oneof![3 => Just(RenewalCredit::Always), 1 => credit];
    (credit, policy, 5_u32..90).prop_map(|(credit, policy, days)| {
        Rules::default().renewal_credit(credit).disputes(policy).lookback_days(days)
    })
}

/// The deliveries again: some twice, some under another `webhook-id`, in another order.
fn disturbed(story: &[Act], repeats: &[(Index, bool)], order: &[u32]) -> Vec<Act> {
    let mut acts = story.to_vec();
    for (which, other_id) in repeats {
        let act = which.get(story).clone();
        acts.push(match act {
            // A replay comes after what it repeats, and its id sorts after it too.
            Act::Deliver(delivery) if *other_id && is_keyed(&delivery) => {
                Act::Deliver(delivery.again_as(&format!("{}~", delivery.id)))
            }
            act => act,
        });
    }
    let mut keyed: Vec<(u32, Act)> = acts
        .into_iter()
        .enumerate()
        .map(|(at, act)| (order[at % order.len()].wrapping_mul(at as u32 + 1), act))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, act)| act).collect()
}

/// Whether a repeat under another id is recognised by the object: all that is about money.
fn is_keyed(delivery: &Delivery) -> bool {
    let kind = delivery.body["type"].as_str().unwrap();
    kind.starts_with("payment.") || kind.starts_with("refund.succeeded")
}

/// Different bodies come under different ids.
fn named(acts: Vec<Act>) -> Vec<Act> {
    let name = |act| match act {
        Act::Deliver(delivery) => {
            let mut hasher = DefaultHasher::new();
            delivery.body.to_string().hash(&mut hasher);
            let id = format!("{}_{:x}", delivery.id, hasher.finish());
            Act::Deliver(delivery.again_as(&id))
        }
        act => act,
    };
    acts.into_iter().map(name).collect()
}

fn run(acts: &[Act], rules: &Rules) -> Records {
    // A context is kept before its session can be paid; everything else comes in any order.
    let (mut acts, rest): (Vec<Act>, Vec<Act>) =
        acts.iter().cloned().partition(|act| matches!(act, Act::Bind(..)));
    acts.extend(rest);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut world = World::in_memory(rules);
    let records = runtime.block_on(world.play(&acts));
    never_more_than_was_paid(&records);
    // Nothing was left behind: what is stored is what follows from everything that is known.
    let again = runtime.block_on(world.derived_again());
    for (id, record) in &again.0 {
        assert_eq!(Some(record), records.0.get(id), "{id} would be derived otherwise now");
    }
    without_arrival(records)
}

/// Of no payment goes back more than was paid, and of a payment of which all went back nothing stays.
fn never_more_than_was_paid(records: &Records) {
    for charge in records.0.values().filter(|record| record.id.starts_with("charge:")) {
        let (paid, earned) = charge.money.map_or((0, 0), |money| (money.gross, money.net));
        let currency = charge.money.map(|money| money.currency);
        let (mut back, mut net) = (0, 0);
        for record in records
            .0
            .values()
            .filter(|record| record.payment_id == charge.payment_id && !record.kind.is_charge())
        {
            let money = record.money.filter(|money| Some(money.currency) == currency);
            let Some(money) = money else { continue };
            assert!(money.gross.abs() <= paid, "{} is more than was paid", record.id);
            (back, net) = (back + money.gross, net + money.net);
        }
        let id = &charge.id;
        assert!(-paid <= back && back <= 0, "{id}: {back} of {paid} went back");
        assert!(-earned <= net && net <= 0, "{id}: {net} of {earned} went back");
        assert!(
            back != -paid || net == -earned,
            "{id}: {net} of {earned} went back with all of it"
        );
    }
}

/// The refund or dispute that a delivery is about.
fn object_of(act: &Act) -> Option<&str> {
    let Act::Deliver(delivery) = act else { return None };
    let data = &delivery.body["data"];
    data["refund_id"].as_str().or(data["dispute_id"].as_str())
}

/// What came back in the end might as well never have gone: it changes nothing else.
fn what_is_undone_takes_no_room(story: &[Act], told: &Records, rules: &Rules) {
    let undone = told.0.values().filter(|record| record.flags.reversed);
    let undone: BTreeSet<&str> = undone
        .filter_map(|record| record.refund_id.as_deref().or(record.dispute_id.as_deref()))
        .collect();
    if undone.is_empty() {
        return;
    }
    let mut rest = story.to_vec();
    rest.retain(|act| object_of(act).is_none_or(|object| !undone.contains(object)));
    let without = run(&rest, rules);
    for (id, record) in &without.0 {
        assert_eq!(told.0.get(id), Some(record), "{id} differs without {undone:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        story in prop::collection::vec(act(), 1..24).prop_map(named),
        repeats in prop::collection::vec(any::<(Index, bool)>(), 0..8),
        order in prop::collection::vec(any::<u32>(), 40),
        rules in rules(),
    ) {
        let told = run(&story, &rules);
        let again = run(&disturbed(&story, &repeats, &order), &rules);
        let differ: Vec<_> = told
            .0
            .iter()
            .filter(|(id, record)| again.0.get(*id) != Some(record))
            .map(|(id, record)| (record, again.0.get(id)))
            .collect();
        prop_assert!(differ.is_empty() && told.0.len() == again.0.len(), "{differ:#?}");
        what_is_undone_takes_no_room(&story, &told, &rules);
    }
}

/// On SQLite in memory, in two batches.
fn run_stored(acts: &[Act], rules: &Rules) -> Records {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = crate::support::TestStore::memory().await.unwrap();
        let ledger = store.builder().await.rules(rules.clone()).build();
        ledger.migrate().await.unwrap();
        let mut world = World::Stored(ledger);
        let (first, second) = acts.split_at(acts.len() / 2);
        world.play(first).await;
        world.play(second).await
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read ahead and written behind for a batch is what a history in memory says.
    #[test]
    fn a_store_says_the_same_as_memory(
        story in prop::collection::vec(act(), 1..40).prop_map(named),
        rules in rules(),
    ) {
        let (mut acts, rest): (Vec<Act>, Vec<Act>) =
            story.into_iter().partition(|act| !matches!(act, Act::Deliver(..)));
        acts.extend(rest);
        let told = run(&acts, &rules);
        let stored = without_arrival(run_stored(&acts, &rules));
        let differ: Vec<_> = told
            .0
            .iter()
            .filter(|(id, record)| stored.0.get(*id) != Some(record))
            .map(|(id, record)| (record, stored.0.get(id)))
            .collect();
        prop_assert!(differ.is_empty() && told.0.len() == stored.0.len(), "{differ:#?}");
    }
}

/// More purchases than are held in memory for one customer: they are searched in the tables.
#[test]
fn a_customer_with_many_purchases_is_found_too() {
    let mut acts: Vec<Act> = Vec::new();
    for n in 0..300_i64 {
        let extra = if n == 250 { payloads::visitor("v250") } else { json!({}) };
        acts.push(paid(&format!("pay_{n}"), hour(n), 1000, extra).into());
    }
    // Between two that are there, in a batch of its own with one that it explains.
    acts.push(paid("pay_x", hour(280), 1000, payloads::visitor("v280")).into());
    acts.push(paid("pay_y", hour(281), 1000, json!({})).into());
    let rules = Rules::default();
    let told = run(&acts, &rules);
    let stored = without_arrival(run_stored(&acts, &rules));
    assert_eq!(told.visitor("charge:pay_y"), Some(("v280", dodo_core::Step::CustomerRecord)));
    assert_eq!(told, stored);
}
