//! Worked rows about money: each a story and the answers to it.

use dodo_core::money::Currency;
use dodo_ledger::{
    attribution::Dimension,
    query::{Cursor, Interval, Period, Range, Sums, TimeZone, share},
};
use jiff::ToSpan;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, customer, day, dispute, paid, refunded},
    support::TestStore,
    world::{Act, World, bind},
};

crate::on_every_store! {
    worked_rows_about_money,
    worked_rows_about_attribution,
    comparison_is_with_the_span_before,
    questions_that_cannot_be_answered,
}

/// M1 to M14 of the worked rows: each a story, its currency, and its sums.
async fn worked_rows_about_money(store: &TestStore) {
    let base = |id: &str| -> Act { paid(id, day(0), 2261, json!({ "tax": 361 })).into() };
    let refund = |id: &str, at: i64, amount: i64| -> Act {
        let partial = json!({ "is_partial": amount != 2261 });
        refunded(id, "pay_1", day(at), json!(amount), partial).into()
    };
    let step = |step: &str, at: i64| -> Act {
        dispute(step, "dp_1", "pay_1", day(at), json!("2261"), json!({})).into()
    };
    let in_currency = |id: &str, currency: &str, total: i64, tax: i64| -> Act {
        let extra = json!({ "currency": currency, "tax": tax, "customer": customer(id) });
        paid(id, day(0), total, extra).into()
    };
    let usd = Currency::USD;
    // Story, currency; net, gross, tax, charges, average, refund rate.
    type Numbers = (i128, i128, i128, u64, Option<i128>, Option<i64>);
    let rows: Vec<(&str, Vec<Act>, Currency, Numbers)> = vec![
        ("M1", story![base("pay_1")], usd, (1900, 2261, 361, 1, Some(1900), Some(0))),
        (
            "M2",
            story![base("pay_1"), refund("ref_1", 1, 2261)],
            usd,
            (0, 0, 0, 1, Some(1900), Some(1000)),
        ),
        (
            "M3",
            story![
                base("pay_1"),
                refund("r1", 1, 1000),
                refund("r2", 2, 1000),
                refund("r3", 3, 261)
            ],
            usd,
            (0, 0, 0, 1, Some(1900), Some(1000)),
        ),
        (
            "M4",
            story![base("pay_1"), refund("r1", 1, 1000), step("lost", 2)],
            usd,
            (0, 0, 0, 1, Some(1900), Some(442)),
        ),
        (
            "M5",
            story![base("pay_1"), refund("r1", 1, 1000), step("lost", 2), step("won", 3)],
            usd,
            (1060, 1261, 201, 1, Some(1900), Some(442)),
        ),
        (
            "M6",
            story![in_currency("pay_1", "USD", 2261, 361), in_currency("pay_2", "JPY", 1785, 285)],
            "JPY".parse().unwrap(),
            (1500, 1785, 285, 1, Some(1500), Some(0)),
        ),
        (
            "M7",
            story![in_currency("pay_1", "KWD", 11305, 1805)],
            "KWD".parse().unwrap(),
            (9500, 11305, 1805, 1, Some(9500), Some(0)),
        ),
        ("M8", story![paid("pay_1", day(0), 0, json!({}))], usd, (0, 0, 0, 0, None, None)),
        (
            "M9",
            story![
                base("pay_1"),
                refunded("ref_1", "pay_1", day(1), Value::Null, json!({ "is_partial": true }))
            ],
            usd,
            (1900, 2261, 361, 1, Some(1900), Some(0)),
        ),
        (
            "M12",
            story![
                paid("pay_1", day(0), 1900, json!({})),
                paid("pay_2", day(0), 1200, json!({})),
                paid("pay_3", day(0), 1900, json!({})),
                refunded("ref_1", "pay_1", day(1), json!(1900), json!({})),
            ],
            usd,
            (3100, 3100, 0, 3, Some(1667), Some(380)),
        ),
    ];
    for (number, story, currency, expected) in rows {
        let store = store.fresh().await;
        let ledger = store.ledger().await;
        World::Stored(ledger.clone()).play(&story).await;
        let now = ledger.money().currency(currency).totals().await.unwrap().now;
        let seen = (now.net, now.gross, now.tax(), now.charges, now.average(), now.refund_rate());
        assert_eq!(seen, expected, "{number}");
        if number == "M6" {
            let all = ledger.money().currencies().await.unwrap();
            let all: Vec<_> =
                all.iter().map(|row| (row.currency.as_str(), row.sums.net, row.exponent)).collect();
            assert_eq!(all, [("JPY", 1500, 0), ("USD", 1900, 2)]);
        }
        if number == "M3" || number == "M4" {
            let parts = ledger.money().currency(usd).exclude(Dimension::Kind, "one_time");
            let zone = TimeZone::UTC;
            let days = parts.series(Interval::Day, &zone).await.unwrap();
            let nets: Vec<_> =
                days.total.iter().map(|sums| (sums.net, sums.tax())).skip(1).collect();
            match number {
                "M3" => assert_eq!(nets, [(-840, -160), (-841, -159), (-219, -42)]),
                _ => assert_eq!(nets, [(-840, -160), (-1060, -201)]),
            }
        }
        store.remove().await;
    }
    // M14: a month with nothing but the refund of an earlier charge.
    let ledger = store.ledger().await;
    let story = story![
        paid("pay_1", "2026-10-20T12:00:00Z".parse().unwrap(), 1900, json!({})),
        refunded("ref_1", "pay_1", "2026-11-20T12:00:00Z".parse().unwrap(), json!(1900), json!({})),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let november = Range::new(
        "2026-11-01T00:00:00Z".parse().unwrap(),
        "2026-12-01T00:00:00Z".parse().unwrap(),
    );
    let now = ledger.money().currency(usd).between(november).totals().await.unwrap().now;
    assert_eq!((now.net, now.refund_rate(), now.average()), (-1900, None, None), "M14");
}

/// A1, A8 and A10: one row for two spellings, shares of channels, and no share of a negative total.
async fn worked_rows_about_attribution(store: &TestStore) {
    let ledger = store.ledger().await;
    let bought = |n: u8, context: Value, total: i64| {
        let session = format!("cks_{n}");
        let extra = json!({ "checkout_session_id": session, "customer": customer(&n.to_string()) });
        story![bind(&session, context), paid(&format!("pay_{n}"), day(0), total, extra)]
    };
    let story = [
        bought(1, json!({ "campaign": { "source": "Newsletter " } }), 2000),
        bought(2, json!({ "campaign": { "source": "newsletter" } }), 4000),
        bought(3, json!({ "referrer_host": "www.news.example" }), 1000),
        bought(4, json!({ "landing_path": "/" }), 1000),
        bought(5, json!({ "visitor": "v1" }), 2000),
    ]
    .concat();
    World::Stored(ledger.clone()).play(&story).await;
    let usd = || ledger.money().currency(Currency::USD);
    let sources = usd().group_by(Dimension::Source).rows().await.unwrap();
    let mut seen: Vec<_> =
        sources.rows.iter().map(|row| (row.value.as_str(), row.sums.now.net)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("direct", 1000), ("news.example", 1000), ("newsletter", 6000)], "A1");
    assert_eq!((sources.none.now.net, sources.count, sources.next), (2000, 3, None));
    let channels = usd().group_by(Dimension::Channel).rows().await.unwrap();
    let net = |names: &[&str]| -> i128 {
        let rows = channels.rows.iter().filter(|row| names.contains(&row.value.as_str()));
        rows.map(|row| row.sums.now.charges_net).sum()
    };
    let all = channels.total.now.charges_net;
    let attributed = net(&["campaign", "referral", "paid_click"]);
    assert_eq!(share(attributed, all), Some(700), "A8");
    assert_eq!(share(attributed + net(&["direct"]), all), Some(800), "A8");

    let two = [Some("newsletter"), None];
    let mut question = usd();
    for value in two {
        question = question.filter(Dimension::Source, value);
    }
    assert_eq!(question.totals().await.unwrap().now.net, 8000, "any of two values");
    assert_eq!(usd().exclude(Dimension::Source, None).totals().await.unwrap().now.net, 8000);
}

async fn comparison_is_with_the_span_before(store: &TestStore) {
    let ledger = store.ledger().await;
    let story = story![
        charged("pay_1", "sub_1", day(0), 1000, json!({ "metadata": { "source": "a" } })),
        charged("pay_2", "sub_1", day(31), 2000, json!({})),
        paid(
            "pay_3",
            day(32),
            500,
            json!({ "customer": customer("bob"), "metadata": { "source": "b" } })
        ),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let now = day(34);
    let zone = TimeZone::UTC;
    let (range, before) =
        (Period::Days(20).range(now, &zone), Period::Days(40).before(now, &zone).unwrap());
    assert_eq!(before.from, "2026-01-15T00:00:00Z".parse().unwrap());
    let before = Range::new(before.from, range.from);
    let question = ledger.money().currency(Currency::USD).between(range).versus(before);
    let totals = question.clone().totals().await.unwrap();
    assert_eq!((totals.now.net, totals.before.unwrap().net), (2500, 1000));
    assert_eq!((totals.now.new_customers, totals.before.unwrap().new_customers), (1, 1));
    let rows = question.clone().group_by(Dimension::Source).rows().await.unwrap();
    let rows: Vec<_> = rows
        .rows
        .iter()
        .map(|row| (row.value.as_str(), row.sums.now.net, row.sums.before.unwrap().net))
        .collect();
    assert_eq!(rows, [("a", 2000, 1000), ("b", 500, 0)]);
    let series = question.series(Interval::Week, &zone).await.unwrap();
    let nets: Vec<_> = series.total.iter().map(|sums| sums.net).collect();
    assert_eq!(nets.iter().sum::<i128>(), 2500);
    assert_eq!(series.before.unwrap().iter().map(|sums| sums.net).sum::<i128>(), 1000);
    let span = ledger.money().currency(Currency::USD).span().await.unwrap().unwrap();
    assert_eq!(span.from, day(0).checked_add(2.seconds()).unwrap());
}

async fn questions_that_cannot_be_answered(store: &TestStore) {
    use dodo_ledger::ErrorKind::Config as Setup;
    let ledger = store.ledger().await;
    let usd = || ledger.money().currency(Currency::USD);
    assert_eq!(ledger.money().totals().await.unwrap_err().kind(), Setup, "no currency");
    assert_eq!(usd().rows().await.unwrap_err().kind(), Setup, "no dimension");
    assert_eq!(usd().group_by(Dimension::Day).rows().await.unwrap_err().kind(), Setup);
    assert_eq!(usd().group_by(Dimension::Currency).rows().await.unwrap_err().kind(), Setup);
    assert_eq!(usd().filter(Dimension::Day, "x").totals().await.unwrap_err().kind(), Setup);
    assert!("1".parse::<Cursor>().is_err() && "x.y".parse::<Cursor>().is_err());
    let empty = usd().group_by(Dimension::Source).rows().await.unwrap();
    assert_eq!((empty.rows.len(), empty.total.now, empty.count), (0, Sums::default(), 0));
    assert!(ledger.money().currencies().await.unwrap().is_empty());
    let series = usd().series(Interval::Day, &TimeZone::UTC).await.unwrap();
    assert!(series.buckets.is_empty());
    assert_eq!(ledger.change_number().await.unwrap(), 0);
    World::Stored(ledger.clone()).play(&story![paid("pay_1", day(0), 1000, json!({}))]).await;
    assert!(ledger.change_number().await.unwrap() > 0);
}
