//! Monthly recurring revenue: the worked rows, in every order, and in the tables.

use dodo_core::{attribution::SubscriptionTerms, money::Currency};
use dodo_ledger::{
    attribution::{MovementKind, Recurring, Rules, monthly, recurring},
    query::{Interval, Range, TimeZone, Which},
};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    booking::{open, play},
    memory::MemoryLedger,
    payloads::{charged, customer, day, subscription},
    stories::{rules, story},
    support::TestStore,
    world::Act,
};

#[test]
fn amount_per_month() {
    for (number, amount, unit, count, expected) in [
        ("R1", 1900, "Month", 1, 1900),
        ("R1", 5700, "Month", 3, 1900),
        ("R2", 19000, "Year", 1, 1583),
        ("R2", 38000, "Year", 2, 1583),
        ("R3", 500, "Week", 1, 2173),
        ("R3", 1500, "Week", 2, 3259),
        ("R4", 100, "Day", 1, 3042),
        ("R4", 3000, "Day", 30, 3042),
        ("R5", 10000, "Year", 1, 833),
        ("R5", 9500, "Month", 1, 9500),
        ("R6", 9500, "Month", 1, 9500),
        ("no count", 9500, "Month", 0, 9500),
    ] {
        let mut terms = SubscriptionTerms::default();
        terms.recurring_pre_tax_amount = Some(amount);
        terms.payment_frequency_interval = Some(unit.to_owned());
        terms.payment_frequency_count = Some(count);
        assert_eq!(monthly(&terms), expected, "{number}");
    }
}

/// An event of a subscription of 19.00 a month.
fn event(kind: &str, id: &str, at: Timestamp, extra: Value) -> Act {
    let mut fields = json!({ "recurring_pre_tax_amount": 1900, "created_at": day(0).to_string() });
    fields.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    subscription(&format!("subscription.{kind}"), id, at, fields).into()
}

fn paid(id: &str, subscription: &str, at: Timestamp, extra: Value) -> Act {
    charged(id, subscription, at, 2261, extra).into()
}

fn started() -> Vec<Act> {
    story![event("active", "sub_1", day(0), json!({})), paid("pay_1", "sub_1", day(0), json!({}))]
}

fn of_story(story: &[Act]) -> Recurring {
    let ledger = MemoryLedger::play(&Rules::default(), story);
    let mut all = Recurring::default();
    let records = ledger.stored();
    for timeline in ledger.timelines() {
        let found = recurring(timeline, records.values());
        all.subscriptions.extend(found.subscriptions);
        all.movements.extend(found.movements);
    }
    all.subscriptions.sort_by(|a, b| a.id.cmp(&b.id));
    all.movements.sort();
    all
}

/// Kind, days since the beginning, amount and reason of each movement.
type Moved = (MovementKind, i64, i64, &'static str);

fn moved(recurring: &Recurring) -> Vec<Moved> {
    let begin = day(0);
    let days = |at: Timestamp| at.duration_since(begin).as_hours() / 24;
    let reason = |movement: &dodo_ledger::attribution::Movement| {
        movement.reason.map_or("", dodo_ledger::query::ChurnReason::as_str)
    };
    recurring.movements.iter().map(|m| (m.kind, days(m.at), m.amount, reason(m))).collect()
}

#[test]
fn worked_rows_of_subscriptions() {
    use MovementKind::{Churn, Contraction, Expansion, New, Reactivation};
    let nothing = || json!({});
    let minutes = |days: i64, minutes: i64| day(days).checked_add(minutes.minutes()).unwrap();
    let new = (New, 0, 1900, "");
    let of_bob = json!({ "customer": customer("bob") });
    let flagged = |at: i64| json!({ "cancel_at_next_billing_date": true, "next_billing_date": day(at).to_string() });
    let rows: Vec<(&str, Vec<Act>, Vec<Moved>)> = vec![
        (
            "R7",
            [started(), story![event("updated", "sub_1", day(5), json!({ "recurring_pre_tax_amount": 2400 }))]].concat(),
            vec![new, (Expansion, 5, 500, "")],
        ),
        ("R8", story![event("active", "sub_1", day(0), json!({ "trial_period_days": 14 }))], vec![]),
        (
            "R9",
            story![
                event("active", "sub_1", day(0), json!({ "trial_period_days": 14 })),
                paid("pay_1", "sub_1", day(14), nothing()),
            ],
            vec![(New, 14, 1900, "")],
        ),
        (
            "R10",
            story![
                event("active", "sub_1", day(0), json!({ "on_demand": true })),
                paid("pay_1", "sub_1", day(0), nothing()),
            ],
            vec![],
        ),
        ("R11", [started(), story![event("past_due", "sub_1", day(30), nothing())]].concat(), vec![new]),
        (
            "R12",
            [
                started(),
                story![event("on_hold", "sub_1", day(30), nothing()), event("active", "sub_1", day(35), nothing())],
            ]
            .concat(),
            vec![new],
        ),
        (
            "R13",
            [started(), story![event("on_hold", "sub_1", day(30), nothing())]].concat(),
            vec![new, (Churn, 43, -1900, "payment_failed")],
        ),
        (
            "R13, with a second event of the hold",
            [
                started(),
                story![event("on_hold", "sub_1", day(30), nothing()), event("on_hold", "sub_1", day(35), nothing())],
            ]
            .concat(),
            vec![new, (Churn, 43, -1900, "payment_failed")],
        ),
        (
            "R14",
            [
                started(),
                story![
                    event("updated", "sub_1", day(10), flagged(20)),
                    event("cancelled", "sub_1", day(20), flagged(20)),
                ],
            ]
            .concat(),
            vec![new, (Churn, 20, -1900, "asked")],
        ),
        (
            "R15",
            [
                started(),
                story![
                    event("cancelled", "sub_1", day(10), flagged(20)),
                    event("expired", "sub_1", day(20), flagged(20)),
                ],
            ]
            .concat(),
            vec![new, (Churn, 20, -1900, "asked")],
        ),
        (
            "R15, with an end that comes early",
            [
                started(),
                story![
                    event("cancelled", "sub_1", day(10), flagged(20)),
                    event("expired", "sub_1", minutes(20, -1), flagged(20)),
                ],
            ]
            .concat(),
            vec![new, (Churn, 19, -1900, "asked")],
        ),
        (
            "R16",
            [started(), story![event("cancelled", "sub_1", day(10), nothing())]].concat(),
            vec![new, (Churn, 10, -1900, "asked")],
        ),
        (
            "R17",
            [
                started(),
                story![event("paused", "sub_1", day(10), nothing()), event("unpaused", "sub_1", day(20), nothing())],
            ]
            .concat(),
            vec![new, (Churn, 10, -1900, "paused"), (Reactivation, 20, 1900, "")],
        ),
        (
            "R18",
            story![
                event("active", "sub_1", day(0), json!({ "discount_cycles_remaining": 3 })),
                charged("pay_1", "sub_1", day(0), 950, nothing()),
            ],
            vec![new],
        ),
        (
            "R19",
            story![
                event("active", "sub_1", day(0), json!({ "tax_inclusive": true })),
                charged("pay_1", "sub_1", day(0), 2261, json!({ "tax": 361 })),
            ],
            vec![new],
        ),
        (
            "R20",
            story![
                event("active", "sub_1", day(0), json!({ "recurring_pre_tax_amount": 0 })),
                charged("pay_1", "sub_1", day(0), 4200, nothing()),
            ],
            vec![],
        ),
        (
            "V1 to V3",
            [
                started(),
                story![
                    event("active", "sub_2", day(1), json!({ "recurring_pre_tax_amount": 500 })),
                    paid("pay_2", "sub_2", day(1), nothing()),
                    event("cancelled", "sub_2", day(5), json!({ "recurring_pre_tax_amount": 500 })),
                    event("cancelled", "sub_1", day(6), nothing()),
                    event("active", "sub_3", day(9), json!({ "recurring_pre_tax_amount": 2900 })),
                    paid("pay_3", "sub_3", day(9), nothing()),
                ],
            ]
            .concat(),
            vec![
                new,
                (Expansion, 1, 500, ""),
                (Contraction, 5, -500, ""),
                (Churn, 6, -1900, "asked"),
                (Reactivation, 9, 2900, ""),
            ],
        ),
        (
            "V4",
            [
                started(),
                story![event("plan_changed", "sub_1", day(3), json!({ "recurring_pre_tax_amount": 2900 }))],
            ]
            .concat(),
            vec![new, (Expansion, 3, 1000, "")],
        ),
        (
            "V4, yearly",
            [
                started(),
                story![event(
                    "plan_changed",
                    "sub_1",
                    day(3),
                    json!({ "recurring_pre_tax_amount": 19000, "payment_frequency_interval": "Year" })
                )],
            ]
            .concat(),
            vec![new, (Contraction, 3, -317, "")],
        ),
        (
            "V5",
            [
                started(),
                story![
                    event("cancelled", "sub_1", day(3), nothing()),
                    event("active", "sub_2", minutes(3, 20), json!({ "recurring_pre_tax_amount": 2900 })),
                    paid("pay_2", "sub_2", minutes(3, 20), nothing()),
                ],
            ]
            .concat(),
            vec![new, (Expansion, 3, 1000, "")],
        ),
        (
            "V10",
            [
                started(),
                story![
                    event("active", "sub_2", day(0), json!({ "currency": "EUR" })),
                    paid("pay_2", "sub_2", day(0), json!({ "currency": "EUR" })),
                ],
            ]
            .concat(),
            vec![new, new],
        ),
        (
            "another customer",
            [
                started(),
                story![event("active", "sub_2", day(1), of_bob.clone()), paid("pay_2", "sub_2", day(1), of_bob)],
            ]
            .concat(),
            vec![new, (New, 1, 1900, "")],
        ),
    ];
    for (number, story, expected) in rows {
        assert_eq!(moved(&of_story(&story)), expected, "{number}");
        // R21: every order gives the same movements.
        let forwards = of_story(&story);
        let mut acts = story.clone();
        for turn in 0..acts.len() {
            acts.rotate_left(1);
            assert_eq!(of_story(&acts), forwards, "{number}, rotated by {turn}");
            let reversed: Vec<Act> = acts.iter().rev().cloned().collect();
            assert_eq!(of_story(&reversed), forwards, "{number}, reversed");
        }
    }
}

/// An end in the past takes the revenue away. An end in the future names its time.
#[test]
fn rows_of_subscriptions_with_an_end() {
    let row = |kind: &str, at: Timestamp, extra: Value| {
        let story = [started(), story![event(kind, "sub_1", at, extra)]].concat();
        let row = of_story(&story).subscriptions.remove(0);
        (row.mrr, row.counts_until, row.ending, row.at_risk)
    };
    let flagged =
        json!({ "cancel_at_next_billing_date": true, "next_billing_date": day(20).to_string() });
    assert_eq!(row("updated", day(1), json!({})), (1900, None, false, false));
    assert_eq!(row("cancelled", day(10), json!({})), (0, None, false, false));
    assert_eq!(row("cancelled", day(10), flagged), (1900, Some(day(20)), true, false));
    let held_until = day(30).checked_add((13 * 24).hours()).unwrap();
    assert_eq!(row("on_hold", day(30), json!({})), (1900, Some(held_until), false, true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Movements add up to what counts, a customer is new once, and order has no effect.
    #[test]
    fn movements_add_up_to_the_revenue(story in story(40), rules in rules()) {
        let play = |story: &[Act]| {
            let ledger = MemoryLedger::play(&rules, story);
            let records = ledger.stored();
            let timelines: Vec<_> = ledger.timelines().cloned().collect();
            timelines.iter().map(|timeline| recurring(timeline, records.values())).collect::<Vec<_>>()
        };
        let mut backwards = story.clone();
        backwards.reverse();
        let sorted = |mut all: Vec<Recurring>| {
            all.sort_by_key(|one| format!("{one:?}"));
            all.retain(|one| *one != Recurring::default());
            all
        };
        prop_assert_eq!(sorted(play(&story)), sorted(play(&backwards)));
        for one in play(&story) {
            let end: i64 = one.movements.iter().map(|movement| movement.amount).sum();
            let level = |row: &dodo_ledger::attribution::SubscriptionRow| {
                if row.counts_until.is_some() { 0 } else { row.mrr }
            };
            prop_assert_eq!(end, one.subscriptions.iter().map(level).sum::<i64>());
            prop_assert!(end >= 0);
        }
    }
}

crate::on_every_store! { subscriptions_and_months }

async fn subscriptions_and_months(store: &TestStore) {
    if store.url.contains(":memory:") {
        return;
    }
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let bob = json!({ "customer": customer("bob"), "product_id": "pdt_b" });
    let sam = json!({ "customer": customer("sam"), "trial_period_days": 14 });
    let story = [
        started(),
        story![
            event("active", "sub_2", day(5), bob.clone()),
            paid("pay_2", "sub_2", day(5), bob.clone()),
            event("on_hold", "sub_2", day(40), bob),
            event("active", "sub_3", day(6), sam),
            event(
                "cancelled",
                "sub_1",
                day(50),
                json!({
                "cancel_at_next_billing_date": true, "next_billing_date": day(61).to_string() })
            ),
        ],
    ]
    .concat();
    let mut backwards = story.clone();
    backwards.reverse();
    play(&groups, &rules, &backwards, 2).await;
    let ledger = store.ledger().await;
    let at = |days: i64| ledger.subscriptions().currency(Currency::USD).at(day(days));
    let summary = at(51).summary().await.unwrap().remove(0);
    let numbers =
        |sums: dodo_ledger::query::SubscriptionSums| (sums.subscriptions, sums.customers, sums.mrr);
    assert_eq!(numbers(summary.counting), (2, 2, 3800));
    assert_eq!(numbers(summary.at_risk), (1, 1, 1900));
    assert_eq!(numbers(summary.ending), (1, 1, 1900));
    assert_eq!(numbers(summary.trials), (1, 1, 1900), "R8: if all convert");
    let later = at(60).summary().await.unwrap().remove(0);
    assert_eq!(numbers(later.counting), (1, 1, 1900), "the hold is over");
    assert_eq!(numbers(at(62).summary().await.unwrap()[0].counting), (0, 0, 0));

    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = at(51).page(2, cursor).await.unwrap();
        seen.extend(page.subscriptions.into_iter().map(|item| (item.subscription_id, item.mrr)));
        cursor = page.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            break;
        }
    }
    let expected = [("sub_2", 1900), ("sub_1", 1900), ("sub_3", 0)];
    assert_eq!(seen, expected.map(|(id, mrr)| (id.to_owned(), mrr)));
    for (which, expected) in [
        (Which::Counting, vec!["sub_2", "sub_1"]),
        (Which::AtRisk, vec!["sub_2"]),
        (Which::Ending, vec!["sub_1"]),
        (Which::Trial, vec!["sub_3"]),
    ] {
        let page = at(51).only(which).page(10, None).await.unwrap();
        let ids: Vec<_> = page.subscriptions.into_iter().map(|item| item.subscription_id).collect();
        assert_eq!(ids, expected, "{which:?}");
    }
    let plans = at(51).by_plan().await.unwrap();
    let plans: Vec<_> = plans.iter().map(|plan| (plan.value.as_deref(), plan.sums.mrr)).collect();
    assert_eq!(plans, [(Some("pdt_b"), 1900), (Some("pdt_plan"), 1900)]);

    let zone = TimeZone::UTC;
    let range = Range::new(day(0).checked_sub(24.hours()).unwrap(), day(70));
    let months = ledger.mrr().currency(Currency::USD).months(range, &zone).await.unwrap();
    assert_eq!(months.len(), range.buckets(Interval::Month, &zone).len());
    let ends: Vec<_> = months.iter().map(|m| (m.start, m.end, m.customers_end)).collect();
    assert_eq!(ends, [(0, 0, 0), (0, 3800, 2), (3800, 1900, 1), (1900, 0, 0)]);
    let april = &months[2];
    assert_eq!((april.churn.amount, april.customer_churn()), (-1900, Some(500)));
    assert_eq!(april.churn_reasons[0].0.as_str(), "payment_failed");
    let losses = ledger.mrr().currency(Currency::USD).losses(april.bucket.range).await.unwrap();
    let losses: Vec<_> = losses.iter().map(|l| (l.reason.as_str(), l.sums.amount)).collect();
    assert_eq!(losses, [("payment_failed", -1900)]);
    // A movement at the first moment of a span is in the span.
    let late = Range::new(day(53), day(54));
    let part = ledger.mrr().currency(Currency::USD).months(late, &zone).await.unwrap();
    assert_eq!((part[0].start, part[0].churn.amount, part[0].end), (3800, -1900, 1900));

    // A rebuild repairs the tables, and says how many rows.
    for (damage, repaired) in [
        ("DELETE FROM dodo_mrr", 4),
        ("DELETE FROM dodo_subscription WHERE id <> 'sub_1'", 2),
        ("UPDATE dodo_subscription SET mrr = mrr + 1", 3),
        ("UPDATE dodo_mrr SET amount = amount + 1, reason = 0 WHERE subscription_id = 'sub_2'", 4),
        ("UPDATE dodo_mrr SET subscription_id = 'sub_of_nobody' WHERE kind = 5", 4),
        ("SELECT 1", 0),
    ] {
        store.run(damage).await;
        assert_eq!(groups.rebuild().await.unwrap().recurring, repaired, "{damage}");
        let summary = at(51).summary().await.unwrap().remove(0);
        assert_eq!(numbers(summary.counting), (2, 2, 3800), "{damage}");
        let rebuilt = ledger.mrr().currency(Currency::USD).months(range, &zone).await.unwrap();
        assert_eq!(rebuilt, months, "{damage}");
    }

    // Erasure removes the customer, and no money.
    groups.erase_customer("cus_ann", day(300)).await.unwrap();
    let page = at(51).only(Which::Ending).page(10, None).await.unwrap();
    assert_eq!(page.subscriptions[0].customer_id, None);
    assert_eq!(numbers(at(51).summary().await.unwrap()[0].counting), (2, 2, 3800));
    let after = ledger.mrr().currency(Currency::USD).months(range, &zone).await.unwrap();
    assert_eq!(after, months);
}
