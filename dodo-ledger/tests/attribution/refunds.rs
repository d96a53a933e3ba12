//! Rows about reversals: refunds, disputes, and their own reversals.

use dodo_core::attribution::{AttributionStep, DisputePolicy, RecordKind};
use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, day, dispute, hour, paid, refund, refunded, visitor},
    rows::{Row, row},
};

const NONE: Value = Value::Null;

fn nothing() -> Value {
    json!({})
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = money_back();
    rows.extend(disputes());
    rows
}

fn money_back() -> Vec<Row> {
    vec![
        row(
            0,
            "ids of other tools are inherited by renewals and refunds",
            story![
                charged(
                    "pay_1",
                    "sub_1",
                    day(0),
                    2000,
                    json!({ "metadata": { "datafast_visitor_id": "df-1" } })
                ),
                charged("pay_2", "sub_1", day(31), 2000, nothing()),
                refunded("ref_1", "pay_2", day(32), json!(500), json!({ "is_partial": true })),
            ],
            |r| {
                for id in ["charge:pay_1", "charge:pay_2", "refund:ref_1"] {
                    let ids = &r.get(id).tool_ids;
                    assert_eq!(
                        ids.get("datafast_visitor_id").map(String::as_str),
                        Some("df-1"),
                        "{id}"
                    );
                }
            },
        ),
        row(
            17,
            "two partial refunds",
            story![
                paid("pay_1", day(0), 2000, json!({ "tax": 300, "metadata": { "visitor": "v1" } })),
                refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true })),
                refunded("ref_2", "pay_1", day(2), json!(500), json!({ "is_partial": true })),
            ],
            |r| {
                for id in ["refund:ref_1", "refund:ref_2"] {
                    assert_eq!(r.get(id).kind, RecordKind::Refund { partial: true });
                    assert_eq!(r.money(id), Some((-500, -425)));
                    assert_eq!(r.visitor(id), Some(("v1", AttributionStep::PaymentRecord)));
                }
                assert_eq!(r.net(), 1700 - 850);
            },
        ),
        row(
            18,
            "a refund without its payment",
            story![refunded("ref_1", "pay_1", day(1), json!(2000), nothing())],
            |r| {
                assert!(r.get("refund:ref_1").flags.parent_missing);
                assert_eq!(r.visitor("refund:ref_1"), None);
                assert_eq!(r.money("refund:ref_1"), Some((-2000, -2000)));
            },
        ),
        row(
            18,
            "the payment of a refund arrives later",
            story![
                refunded("ref_1", "pay_1", day(1), json!(2000), nothing()),
                paid("pay_1", day(0), 2000, json!({ "tax": 300, "metadata": { "visitor": "v1" } })),
            ],
            |r| {
                let refund = r.get("refund:ref_1");
                assert!(!refund.flags.parent_missing && !refund.flags.net_is_gross);
                assert_eq!(r.money("refund:ref_1"), Some((-2000, -1700)));
                assert_eq!(r.visitor("refund:ref_1"), Some(("v1", AttributionStep::PaymentRecord)));
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            19,
            "a refund without an amount: the rest, or unknown",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true })),
                refunded("ref_2", "pay_1", day(2), NONE, json!({ "is_partial": true })),
                refunded("ref_3", "pay_1", day(3), NONE, nothing()),
            ],
            |r| {
                assert_eq!(r.money("refund:ref_2"), None);
                assert!(r.get("refund:ref_2").flags.amount_unknown);
                assert_eq!(r.money("refund:ref_3"), Some((-1500, -1500)));
            },
        ),
        row(
            19,
            "an amount without a currency is one of the payment's",
            story![
                paid("pay_1", day(0), 2000, json!({ "tax": 300 })),
                refunded("ref_1", "pay_1", day(1), json!(500), json!({ "currency": null })),
                refunded("ref_2", "pay_1", day(2), json!(500), json!({ "currency": null }))
                    .with(json!({ "is_partial": true })),
                refunded("ref_9", "pay_9", day(2), json!(500), json!({ "currency": null })),
            ],
            |r| {
                for id in ["refund:ref_1", "refund:ref_2"] {
                    assert_eq!(r.money(id), Some((-500, -425)), "{id}");
                    assert!(!r.get(id).flags.amount_unknown, "{id}");
                }
                // The currency of an unknown payment is unknown.
                assert_eq!(r.money("refund:ref_9"), None);
                assert!(r.get("refund:ref_9").flags.amount_unknown);
            },
        ),
        row(
            20,
            "a currency without an amount, and not the payment's",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                refunded("ref_1", "pay_1", day(1), NONE, json!({ "currency": "EUR" })),
            ],
            |r| {
                let refund = r.get("refund:ref_1");
                assert!(refund.flags.currency_mismatch && refund.flags.amount_unknown);
                assert_eq!(refund.money, None, "the amount is not guessed");
            },
        ),
        row(
            20,
            "a refund in another currency",
            story![
                paid("pay_1", day(0), 13700, json!({ "currency": "CAD", "tax": 700 })),
                refunded("ref_1", "pay_1", day(1), json!(14000), json!({ "currency": "USD" })),
            ],
            |r| {
                let refund = r.get("refund:ref_1");
                assert!(refund.flags.currency_mismatch && !refund.flags.clamped);
                assert!(refund.flags.net_is_gross && !refund.flags.parent_missing);
                assert_eq!(refund.money.unwrap().currency, dodo_core::money::Currency::USD);
                assert_eq!(r.money("refund:ref_1"), Some((-14000, -14000)));
            },
        ),
        row(
            21,
            "a refund names another visitor",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                refunded("ref_1", "pay_1", day(1), json!(2000), visitor("v2")),
            ],
            |r| {
                assert_eq!(r.visitor("refund:ref_1"), Some(("v2", AttributionStep::EventMetadata)));
                assert!(r.get("refund:ref_1").flags.differs_from_payment);
            },
        ),
        row(
            21,
            "a refund that failed after it was booked",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                refunded("ref_1", "pay_1", day(1), json!(2000), nothing()),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(2000), nothing()),
                refund("refund.failed", "ref_2", "pay_1", day(2), json!(2000), nothing()),
            ],
            |r| {
                assert!(r.get("refund:ref_1").flags.reversed);
                assert_eq!(r.get("refund:ref_1:reversal").kind, RecordKind::RefundReversal);
                assert_eq!(r.net(), 2000);
                assert_eq!(r.ids().len(), 3, "a failure of an unbooked refund books nothing");
            },
        ),
    ]
}

fn disputes() -> Vec<Row> {
    let amount = || json!("400");
    vec![
        row(
            22,
            "a dispute that is won",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                dispute("opened", "dp_1", "pay_1", day(1), amount(), nothing()),
                dispute("challenged", "dp_1", "pay_1", day(2), amount(), nothing()),
                dispute("won", "dp_1", "pay_1", day(3), amount(), nothing()),
            ],
            |r| assert_eq!(r.ids(), ["charge:pay_1"]),
        ),
        Row {
            rules: Rules::default().disputes(DisputePolicy::OnOpen),
            ..row(
                22,
                "a dispute that is won, counted when it opens",
                story![
                    paid("pay_1", day(0), 2000, nothing()),
                    dispute("opened", "dp_1", "pay_1", day(1), amount(), nothing()),
                    dispute("won", "dp_1", "pay_1", day(3), amount(), nothing()),
                ],
                |r| {
                    assert_eq!(r.kinds(), ["one_time", "dispute_loss", "dispute_reversal"]);
                    assert_eq!(r.net(), 2000);
                },
            )
        },
        row(
            23,
            "a dispute that is lost",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                dispute("opened", "dp_1", "pay_1", day(1), amount(), nothing()),
                dispute("lost", "dp_1", "pay_1", day(9), amount(), nothing()),
            ],
            |r| {
                assert_eq!(r.get("dispute:dp_1:loss").kind, RecordKind::DisputeLoss { rdr: false });
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-400, -400)));
                assert_eq!(
                    r.visitor("dispute:dp_1:loss"),
                    Some(("v1", AttributionStep::PaymentRecord))
                );
            },
        ),
        row(
            23,
            "a dispute that is lost and then won after all",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                dispute("lost", "dp_1", "pay_1", day(9), amount(), nothing()),
                dispute("won", "dp_1", "pay_1", day(19), amount(), nothing()),
            ],
            |r| {
                assert_eq!(r.money("dispute:dp_1:reversal"), Some((400, 400)));
                assert_eq!(r.net(), 2000);
            },
        ),
        row(
            24,
            "a refund by RDR comes as a refund too",
            story![
                paid("pay_1", day(0), 2000, json!({ "tax": 300 })),
                dispute(
                    "lost",
                    "dp_1",
                    "pay_1",
                    day(1),
                    json!("2000"),
                    json!({ "is_resolved_by_rdr": true })
                ),
                refunded("ref_1", "pay_1", hour(25), json!(2000), nothing()),
            ],
            |r| {
                assert_eq!(r.get("dispute:dp_1:loss").kind, RecordKind::DisputeLoss { rdr: true });
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-2000, -1700)));
                assert_eq!(r.money("refund:ref_1"), Some((0, 0)));
                assert!(r.get("refund:ref_1").flags.clamped);
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            25,
            "a dispute expires and is then lost",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                dispute("expired", "dp_1", "pay_1", day(5), amount(), nothing()),
                dispute("lost", "dp_1", "pay_1", day(6), amount(), nothing()),
            ],
            |r| assert_eq!((r.ids().len(), r.net()), (2, 1600)),
        ),
    ]
}
