//! The worked rows about subscriptions, through the page. Each row has a currency of its own, so one
//! ledger holds them all.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    html::{cell, links, section},
    world::{Act, World, ago, charged, customer, each_store, last_month, subscription},
};

/// A subscription and the field of its events.
struct Plan<'a> {
    currency: &'a str,
    nth: usize,
}

impl Plan<'_> {
    fn fields(&self, amount: i64, extra: &Value) -> Value {
        let mut all = json!({
            "currency": self.currency, "recurring_pre_tax_amount": amount,
            "customer": customer(&format!("{}{}", self.currency, self.nth)),
        });
        all.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
        all
    }

    fn id(&self) -> String {
        format!("sub_{}{}", self.currency, self.nth)
    }

    fn event(&self, kind: &str, at: Timestamp, amount: i64, extra: &Value) -> Act {
        subscription(kind, &self.id(), at, &self.fields(amount, extra))
    }

    fn pay(&self, at: Timestamp, net: i64) -> Act {
        let id = format!("pay_{}{}_{}", self.currency, self.nth, at.as_second());
        charged(&id, &self.id(), at, (net, 0), &self.fields(net, &json!({})))
    }

    /// Active and paid.
    fn started(&self, at: Timestamp, amount: i64, extra: &Value) -> Vec<Act> {
        vec![self.event("active", at, amount, extra), self.pay(at, amount.max(1))]
    }
}

fn every(unit: &str, count: i64) -> Value {
    json!({ "payment_frequency_interval": unit, "payment_frequency_count": count })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_show_worked_rows() {
    let at = ago(24 * 20);
    let plan = |currency, nth| Plan { currency, nth };
    let nothing = json!({});
    let flagged = json!({
        "cancel_at_next_billing_date": true, "next_billing_date": ago(-24 * 10).to_string() });
    let trial = json!({ "trial_period_days": 30 });
    // Name, currency, acts, and the tiles.
    type Tiles = Vec<(&'static str, Value)>;
    let rows: Vec<(&str, &str, Vec<Act>, Tiles)> = vec![
        (
            "R1",
            "AUD",
            plan("AUD", 1).started(at, 5700, &every("Month", 3)),
            vec![("mrr", json!(1900))],
        ),
        (
            "R2",
            "BRL",
            plan("BRL", 1).started(at, 38000, &every("Year", 2)),
            vec![("mrr", json!(1583))],
        ),
        (
            "R3",
            "CAD",
            plan("CAD", 1).started(at, 1500, &every("Week", 2)),
            vec![("mrr", json!(3259))],
        ),
        (
            "R4",
            "CHF",
            plan("CHF", 1).started(at, 100, &every("Day", 1)),
            vec![("mrr", json!(3042))],
        ),
        (
            "R5",
            "JPY",
            plan("JPY", 1).started(at, 10000, &every("Year", 1)),
            vec![("mrr", json!(833))],
        ),
        (
            "R5",
            "KWD",
            plan("KWD", 1).started(at, 9500, &every("Month", 1)),
            vec![("mrr", json!(9500))],
        ),
        (
            "R6",
            "CZK",
            plan("CZK", 1).started(at, 9500, &json!({ "quantity": 5 })),
            vec![("mrr", json!(9500))],
        ),
        (
            "R7",
            "DKK",
            [
                plan("DKK", 1).started(at, 1900, &nothing),
                vec![plan("DKK", 1).event("updated", ago(24 * 2), 2400, &nothing)],
            ]
            .concat(),
            vec![("mrr", json!(2400)), ("arr", json!(28_800)), ("arpa", json!(2400))],
        ),
        (
            "R8",
            "GBP",
            vec![plan("GBP", 1).event("active", at, 1900, &trial)],
            vec![("mrr", json!(0)), ("trials", json!(1))],
        ),
        (
            "R11",
            "HKD",
            [
                plan("HKD", 1).started(at, 1900, &nothing),
                vec![plan("HKD", 1).event("past_due", ago(24), 1900, &nothing)],
            ]
            .concat(),
            vec![("mrr", json!(1900)), ("at_risk", json!(1900))],
        ),
        (
            "R13",
            "HUF",
            [
                plan("HUF", 1).started(at, 1900, &nothing),
                vec![plan("HUF", 1).event("on_hold", ago(24 * 14), 1900, &nothing)],
            ]
            .concat(),
            vec![("mrr", json!(0)), ("at_risk", json!(0))],
        ),
        (
            "R14",
            "ILS",
            [
                plan("ILS", 1).started(at, 1900, &nothing),
                vec![plan("ILS", 1).event("updated", ago(24), 1900, &flagged)],
            ]
            .concat(),
            vec![("mrr", json!(1900)), ("ending", json!(1900))],
        ),
        (
            "R17",
            "INR",
            [
                plan("INR", 1).started(at, 1900, &nothing),
                vec![
                    plan("INR", 1).event("paused", ago(24 * 3), 1900, &nothing),
                    plan("INR", 1).event("unpaused", ago(24 * 2), 1900, &nothing),
                ],
            ]
            .concat(),
            vec![("mrr", json!(1900)), ("customers", json!(1))],
        ),
        (
            "R20",
            "MXN",
            vec![plan("MXN", 1).event("active", at, 0, &nothing), plan("MXN", 1).pay(at, 4200)],
            vec![("mrr", json!(0))],
        ),
        // One customer left of ten, one has less, one has more, one came back and one is new.
        (
            "V6",
            "EUR",
            {
                let all = |nth| Plan { currency: "EUR", nth };
                let day = last_month;
                let mut acts: Vec<Act> =
                    (0..10).flat_map(|nth| all(nth).started(day(-40), 1000, &nothing)).collect();
                acts.extend([
                    all(0).event("cancelled", day(4), 1000, &nothing),
                    all(1).event("updated", day(5), 600, &nothing),
                    all(2).event("updated", day(6), 1500, &nothing),
                ]);
                acts.extend(all(10).started(day(-40), 300, &nothing));
                acts.push(all(10).event("cancelled", day(-30), 300, &nothing));
                acts.push(all(10).event("active", day(7), 300, &nothing));
                acts.push(all(10).pay(day(7), 300));
                acts.extend(all(11).started(day(8), 2000, &nothing));
                acts
            },
            vec![
                ("mrr", json!(11_400)),
                ("customers", json!(11)),
                ("churn", json!(10.0)),
                ("net_churn", json!(6.0)),
                ("quick_ratio", json!(2.0)),
            ],
        ),
    ];
    each_store("subscriptions_show_worked_rows", "UTC", async |world| {
        for (_, _, acts, _) in &rows {
            world.happen(acts).await;
        }
        for (name, currency, _, tiles) in &rows {
            let shown = world.tables(&format!("?page=subscriptions&cur={currency}")).await;
            for (tile, expected) in tiles {
                assert_eq!(
                    &shown.cell("totals", "now", tile),
                    expected,
                    "{name}, {currency}: {tile}"
                );
            }
        }
        let trial = world.get("?page=subscriptions&cur=GBP").await;
        assert!(trial.contains("£19.00 if all convert"), "R8");
        let moved = world.tables("?page=subscriptions&cur=EUR").await;
        let month = last_month(1).to_zoned(TimeZone::UTC).date();
        let bucket = format!("{month}T00:00:00");
        for (column, amount) in [
            ("new", 2000),
            ("expansion", 500),
            ("reactivation", 300),
            ("contraction", -400),
            ("churn", -1000),
        ] {
            assert_eq!(moved.cell("movements", &bucket, column), json!(amount), "V6: {column}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn month_of_churn_leaves_the_period_of_other_pages() {
    let world = World::sqlite("UTC").await;
    let plan = Plan { currency: "USD", nth: 1 };
    world.happen(&plan.started(last_month(-40), 1900, &json!({}))).await;
    let left = last_month(-12);
    world.happen(&[plan.event("cancelled", left, 1900, &json!({}))]).await;
    let month = left.to_zoned(TimeZone::UTC);
    let (label, value) = (month.strftime("%b %Y").to_string(), month.strftime("%Y-%m").to_string());
    let page = world.get("?page=subscriptions&range=90d").await;
    let to = format!("?month={value}&page=subscriptions&range=90d");
    let months = links(&page).into_iter().filter(|(text, _)| *text == label);
    let months: Vec<String> = months.map(|(_, to)| to).collect();
    // A row beside each of two charts, and the choice above the table.
    assert_eq!(months, [&*to, &*to, &*to]);
    assert!(!page.contains("range=2"), "a link changes the period");
    let page = world.get(&to).await;
    let title = format!("Churn by plan and reason, {label}");
    assert!(section(&page, &title).is_some(), "{title}");
    assert_eq!(cell(&page, &title, "pdt_plan", "MRR").as_deref(), Some("−$19.00"));
    for (tab, to) in [("Overview", "?range=90d"), ("Payments", "?page=payments&range=90d")] {
        assert!(links(&page).contains(&(tab.to_owned(), to.to_owned())), "{tab}");
    }
    world.end().await;
}
