//! Rows about the rest of a payment after several reversals. The payment is 2000 with a tax of 300
//! in most rows.

use dodo_core::attribution::DisputePolicy;
use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    payloads::{self, Delivery, day, paid, refunded},
    rows::{Row, row},
    world::{Act, Records},
};

fn charge() -> Delivery {
    paid("pay_1", day(0), 2000, json!({ "tax": 300 }))
}

/// A refund of the payment on this day.
fn refund(id: &str, at: i64, amount: impl Into<Value>) -> Delivery {
    refunded(id, "pay_1", day(at), amount.into(), json!({ "is_partial": true }))
}

fn failed(id: &str, at: i64) -> Delivery {
    payloads::refund("refund.failed", id, "pay_1", day(at), Value::Null, json!({}))
}

fn dispute(step: &str, id: &str, at: i64, amount: &str) -> Delivery {
    payloads::dispute(step, id, "pay_1", day(at), json!(amount), json!({}))
}

fn story<const N: usize>(deliveries: [Delivery; N]) -> Vec<Act> {
    deliveries.into_iter().map(Act::from).collect()
}

/// Exactly these reversals exist: key, gross and net.
#[track_caller]
fn went_back(records: &Records, expected: &[(&str, i64, i64)]) {
    let reversals = records.ids().into_iter().filter(|id| !id.starts_with("charge:"));
    let found: Vec<_> = reversals
        .map(|id| {
            let (gross, net) = records.money(id).unwrap();
            (id, gross, net)
        })
        .collect();
    assert_eq!(found, expected);
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = undone();
    rows.extend(shares());
    rows
}

/// A reversed reversal does not use up the limit of the others.
fn undone() -> Vec<Row> {
    vec![
        row(
            0,
            "a refund while a dispute is lost that is won later",
            story([
                charge(),
                dispute("lost", "dp_1", 1, "2000"),
                refund("ref_1", 2, 2000),
                dispute("won", "dp_1", 3, "2000"),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("dispute:dp_1:loss", -2000, -1700),
                        ("dispute:dp_1:reversal", 2000, 1700),
                        ("refund:ref_1", -2000, -1700),
                    ],
                );
                assert!(!r.get("refund:ref_1").flags.clamped);
                assert!(r.get("dispute:dp_1:loss").flags.reversed);
                assert_eq!(r.net(), 0);
            },
        ),
        Row {
            rules: Rules::default().disputes(DisputePolicy::OnOpen),
            ..row(
                0,
                "a refund while a dispute is open that is cancelled later",
                story([
                    charge(),
                    dispute("opened", "dp_1", 1, "2000"),
                    refund("ref_1", 2, 2000),
                    dispute("cancelled", "dp_1", 3, "2000"),
                ]),
                |r| {
                    assert_eq!(r.money("refund:ref_1"), Some((-2000, -1700)));
                    assert_eq!(r.net(), 0);
                },
            )
        },
        row(
            0,
            "a refund beside one that fails later",
            story([
                charge(),
                refund("ref_1", 1, 2000),
                refund("ref_2", 2, 2000),
                failed("ref_1", 3),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("refund:ref_1", -2000, -1700),
                        ("refund:ref_1:reversal", 2000, 1700),
                        ("refund:ref_2", -2000, -1700),
                    ],
                );
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            0,
            "a refund that had room for a part, and the rest after it",
            story([
                charge(),
                refund("ref_1", 1, 1500),
                refund("ref_2", 2, 1000),
                failed("ref_1", 3),
                refunded("ref_3", "pay_1", day(4), Value::Null, json!({})),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("refund:ref_1", -1500, -1275),
                        ("refund:ref_1:reversal", 1500, 1275),
                        ("refund:ref_2", -1000, -850),
                        ("refund:ref_3", -1000, -850),
                    ],
                );
            },
        ),
        row(
            0,
            "a reversed reversal considers the earlier ones",
            story([
                charge(),
                dispute("lost", "dp_1", 1, "1500"),
                refund("ref_1", 2, 1000),
                failed("ref_1", 3),
                refund("ref_2", 4, 800),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("dispute:dp_1:loss", -1500, -1275),
                        ("refund:ref_1", -500, -425),
                        ("refund:ref_1:reversal", 500, 425),
                        ("refund:ref_2", -500, -425),
                    ],
                );
                assert!(r.get("refund:ref_1").flags.clamped);
                assert!(r.get("refund:ref_2").flags.clamped);
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            0,
            "two disputes that are won, and a refund after all",
            story([
                charge(),
                dispute("lost", "dp_1", 1, "2000"),
                dispute("lost", "dp_2", 2, "2000"),
                dispute("won", "dp_1", 3, "2000"),
                dispute("won", "dp_2", 4, "2000"),
                refund("ref_1", 5, 2000),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("dispute:dp_1:loss", -2000, -1700),
                        ("dispute:dp_1:reversal", 2000, 1700),
                        ("dispute:dp_2:loss", -2000, -1700),
                        ("dispute:dp_2:reversal", 2000, 1700),
                        ("refund:ref_1", -2000, -1700),
                    ],
                );
            },
        ),
        row(
            0,
            "a dispute that is lost, won and lost again has its room for good",
            story([
                charge(),
                dispute("lost", "dp_1", 1, "2000"),
                refund("ref_1", 2, 2000),
                dispute("won", "dp_1", 3, "2000"),
                dispute("lost", "dp_1", 4, "2000"),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("dispute:dp_1:loss", -2000, -1700),
                        ("dispute:dp_1:reversal", 0, 0),
                        ("refund:ref_1", 0, 0),
                    ],
                );
                assert!(!r.get("dispute:dp_1:loss").flags.reversed);
            },
        ),
    ]
}

/// Shares of the tax add up.
fn shares() -> Vec<Row> {
    vec![
        row(
            0,
            "a payment that is refunded in thirds",
            story([
                paid("pay_1", day(0), 3, json!({ "tax": 1 })),
                refund("ref_1", 1, 1),
                refund("ref_2", 2, 1),
                refund("ref_3", 3, 1),
            ]),
            |r| {
                // Of 2: 0.67, 1.33 and 2, each rounded, less what went before.
                went_back(
                    r,
                    &[("refund:ref_1", -1, -1), ("refund:ref_2", -1, 0), ("refund:ref_3", -1, -1)],
                );
                assert_eq!(r.get("refund:ref_2").money.unwrap().tax, Some(-1));
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            0,
            "many small refunds",
            std::iter::once(charge())
                .chain((0..20).map(|n| refund(&format!("ref_{n}"), n + 1, 1)))
                .map(Act::from)
                .collect(),
            |r| assert_eq!(r.net(), 1700 - 17),
        ),
        row(
            0,
            "shares use the valid reversals: a failed refund does not count",
            story([
                paid("pay_1", day(0), 3, json!({ "tax": 1 })),
                refund("ref_1", 1, 1),
                refund("ref_2", 2, 1),
                failed("ref_1", 3),
                refunded("ref_3", "pay_1", day(4), Value::Null, json!({})),
            ]),
            |r| {
                went_back(
                    r,
                    &[
                        ("refund:ref_1", -1, -1),
                        ("refund:ref_1:reversal", 1, 1),
                        ("refund:ref_2", -1, -1),
                        ("refund:ref_3", -2, -1),
                    ],
                );
            },
        ),
    ]
}
