//! Rows about the steps that refunds and disputes take, and about what is odd in them.

use dodo_core::attribution::{AttributionStep, DisputePolicy, RecordKind};
use dodo_ledger::attribution::{RenewalCredit, Rules};
use serde_json::{Value, json};

use crate::{
    payloads::{self, Delivery, charged, day, paid, refunded, visitor},
    rows::{Row, row},
    world::Act,
};

const NONE: Value = Value::Null;

fn charge() -> Delivery {
    paid("pay_1", day(0), 2000, json!({ "tax": 300 }))
}

fn refund(id: &str, at: i64, amount: impl Into<Value>) -> Delivery {
    refunded(id, "pay_1", day(at), amount.into(), json!({ "is_partial": true }))
}

fn failed(id: &str, at: i64) -> Delivery {
    payloads::refund("refund.failed", id, "pay_1", day(at), NONE, json!({}))
}

fn dispute(step: &str, at: i64, amount: &str) -> Delivery {
    payloads::dispute(step, "dp_1", "pay_1", day(at), json!(amount), json!({}))
}

fn story<const N: usize>(deliveries: [Delivery; N]) -> Vec<Act> {
    deliveries.into_iter().map(Act::from).collect()
}

fn on_open(row: Row) -> Row {
    Row { rules: Rules::default().disputes(DisputePolicy::OnOpen), ..row }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = steps();
    rows.extend(moments());
    rows.extend(alone());
    rows.extend(decimals());
    rows.extend(not_credited());
    rows
}

/// Which step counts.
fn steps() -> Vec<Row> {
    vec![
        row(
            0,
            "a dispute that is won and lost after that stays lost",
            story([charge(), dispute("won", 1, "300"), dispute("lost", 2, "400")]),
            |r| {
                assert_eq!(r.ids(), ["charge:pay_1", "dispute:dp_1:loss"]);
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-400, -340)));
                assert!(!r.get("dispute:dp_1:loss").flags.reversed);
            },
        ),
        row(
            25,
            "an expired dispute counts from its expiry, with its amount at that time",
            story([charge(), dispute("expired", 5, "400"), dispute("lost", 6, "500")]),
            |r| {
                let loss = r.get("dispute:dp_1:loss");
                assert_eq!(
                    (loss.occurred_at, loss.event_type.as_str()),
                    (day(5), "dispute.expired")
                );
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-400, -340)));
            },
        ),
        row(
            0,
            "a dispute that is won twice came back the first time",
            story([
                charge(),
                dispute("lost", 1, "400"),
                dispute("won", 2, "400"),
                dispute("cancelled", 3, "400"),
            ]),
            |r| {
                assert_eq!(r.get("dispute:dp_1:reversal").occurred_at, day(2));
                assert_eq!(r.net(), 1700);
            },
        ),
        on_open(row(
            0,
            "a dispute whose opening was not delivered",
            story([charge(), dispute("lost", 2, "400")]),
            |r| assert_eq!(r.money("dispute:dp_1:loss"), Some((-400, -340))),
        )),
        on_open(row(
            0,
            "a dispute that was won is opened again: nothing is decided",
            story([
                charge(),
                dispute("opened", 1, "400"),
                dispute("won", 2, "400"),
                dispute("opened", 3, "400"),
            ]),
            |r| {
                assert_eq!(r.money("dispute:dp_1:reversal"), Some((400, 340)));
                assert!(r.get("dispute:dp_1:loss").flags.reversed);
            },
        )),
        on_open(row(
            24,
            "only a loss can be one by RDR",
            story([
                charge(),
                dispute("opened", 1, "400").with(json!({ "is_resolved_by_rdr": true })),
                dispute("lost", 2, "400"),
            ]),
            |r| {
                assert_eq!(r.get("dispute:dp_1:loss").kind, RecordKind::DisputeLoss { rdr: false });
            },
        )),
        on_open(row(
            24,
            "an opened dispute that RDR settles is one by RDR",
            story([
                charge(),
                dispute("opened", 1, "400"),
                dispute("lost", 2, "400").with(json!({ "is_resolved_by_rdr": true })),
            ]),
            |r| {
                assert_eq!(r.get("dispute:dp_1:loss").kind, RecordKind::DisputeLoss { rdr: true });
            },
        )),
        row(
            21,
            "a refund that failed at first and then succeeded stands",
            story([charge(), failed("ref_1", 1), refund("ref_1", 2, 500)]),
            |r| {
                assert_eq!(r.ids(), ["charge:pay_1", "refund:ref_1"]);
                assert!(!r.get("refund:ref_1").flags.reversed);
                assert_eq!(r.net(), 1700 - 425);
            },
        ),
        row(
            5,
            "of two deliveries of a refund the one that happened first counts",
            story([
                charge(),
                refund("ref_1", 2, 500),
                refund("ref_1", 1, 400),
                refund("ref_2", 3, 2000),
            ]),
            |r| {
                assert_eq!(r.get("refund:ref_1").occurred_at, day(1));
                assert_eq!(r.money("refund:ref_1"), Some((-400, -340)));
                assert_eq!(r.money("refund:ref_2"), Some((-1600, -1360)));
            },
        ),
        row(
            21,
            "a refund that was booked before its failure was delivered",
            story([charge(), refund("ref_1", 1, 500), refund("ref_2", 3, 200), failed("ref_1", 2)]),
            |r| {
                let reversal = r.get("refund:ref_1:reversal");
                assert_eq!(reversal.kind, RecordKind::RefundReversal);
                assert_eq!(reversal.refund_id.as_deref(), Some("ref_1"));
                assert_eq!(reversal.payment_id, "pay_1");
                assert_eq!(r.net(), 1700 - 170);
            },
        ),
    ]
}

/// What happens at one moment, and how much is left.
fn moments() -> Vec<Row> {
    vec![
        row(
            0,
            "a dispute that is lost and won at one moment came back after it went",
            story([charge(), dispute("lost", 1, "400"), dispute("won", 1, "400")]),
            |r| {
                assert_eq!(r.money("dispute:dp_1:reversal"), Some((400, 340)));
                assert_eq!(r.net(), 1700);
            },
        ),
        row(
            24,
            "of a dispute and a refund at one moment the refund gets what is left",
            story([charge(), refund("ref_1", 1, 2000), dispute("lost", 1, "1500")]),
            |r| {
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-1500, -1275)));
                assert_eq!(r.money("refund:ref_1"), Some((-500, -425)));
            },
        ),
        row(
            19,
            "exactly the rest is not clamped, and a clamped record has the excess",
            story([
                charge(),
                refund("ref_1", 1, 500),
                refund("ref_2", 2, 1500),
                refund("ref_3", 3, 1),
            ]),
            |r| {
                assert!(!r.get("refund:ref_2").flags.clamped);
                assert!(r.get("refund:ref_3").flags.clamped);
                assert_eq!(r.money("refund:ref_3"), Some((0, 0)));
            },
        ),
        row(
            10,
            "a charge without revenue has no reversal",
            story([
                paid("pay_1", day(0), 100, json!({ "is_update_payment_method": true })),
                refund("ref_1", 1, 100),
            ]),
            |r| {
                assert_eq!(r.money("refund:ref_1"), Some((0, 0)));
                let flags = &r.get("refund:ref_1").flags;
                assert!(flags.clamped && !flags.currency_mismatch);
                assert_eq!(r.net(), 0);
            },
        ),
    ]
}

/// Without their payment, or without an amount.
fn alone() -> Vec<Row> {
    let lent = || paid("pay_0", day(0), 1000, visitor("v1"));
    vec![
        row(
            18,
            "a dispute without its payment comes back without it",
            story([dispute("lost", 1, "400"), dispute("won", 2, "400")]),
            |r| {
                assert_eq!(r.money("dispute:dp_1:loss"), Some((-400, -400)));
                assert_eq!(r.money("dispute:dp_1:reversal"), Some((400, 400)));
                for id in ["dispute:dp_1:loss", "dispute:dp_1:reversal"] {
                    let flags = &r.get(id).flags;
                    assert!(flags.parent_missing && flags.net_is_gross, "{id}");
                    assert!(!flags.currency_mismatch && !flags.amount_unknown, "{id}");
                }
            },
        ),
        row(
            18,
            "a refund without its payment and without an amount",
            story([refunded("ref_1", "pay_1", day(1), NONE, json!({}))]),
            |r| {
                let flags = &r.get("refund:ref_1").flags;
                assert_eq!(r.money("refund:ref_1"), None);
                assert!(flags.amount_unknown && flags.parent_missing && !flags.net_is_gross);
            },
        ),
        row(
            18,
            "a refund without its payment looks at what the customer bought before it",
            story([lent(), refund("ref_1", 10, 500), paid("pay_2", day(20), 1000, visitor("v2"))]),
            |r| {
                assert_eq!(
                    r.visitor("refund:ref_1"),
                    Some(("v1", AttributionStep::CustomerRecord))
                );
                assert_eq!(r.get("refund:ref_1").visitor.as_ref().unwrap().from, "pay_0");
            },
        ),
        row(
            17,
            "a refund with its payment does not: that looked for itself",
            story([
                charge().with(json!({ "customer": payloads::customer("bob") })),
                lent(),
                refund("ref_1", 10, 500),
            ]),
            |r| assert_eq!(r.visitor("refund:ref_1"), None),
        ),
        row(
            19,
            "the reversal of a refund without an amount has no amount",
            story([charge(), refund("ref_1", 1, NONE), failed("ref_1", 2)]),
            |r| {
                let reversal = r.get("refund:ref_1:reversal");
                assert_eq!(reversal.money, None);
                assert!(reversal.flags.amount_unknown && !reversal.flags.parent_missing);
                assert!(!reversal.flags.net_is_gross);
                assert_eq!(r.net(), 1700);
            },
        ),
        row(
            19,
            "a dispute without an amount has no money",
            story([charge(), dispute("lost", 1, "unknown")]),
            |r| {
                assert_eq!(r.money("dispute:dp_1:loss"), None);
                assert!(r.get("dispute:dp_1:loss").flags.amount_unknown);
                assert_eq!(r.net(), 1700);
            },
        ),
        row(
            19,
            "an amount is believed, whether or not it is said to be all",
            story([charge(), refunded("ref_1", "pay_1", day(1), json!(500), json!({}))]),
            |r| assert_eq!(r.money("refund:ref_1"), Some((-500, -425))),
        ),
        row(
            19,
            "a negative amount is a reversal, and an absent tax is unknown",
            story([
                paid("pay_1", day(0), 2000, json!({ "tax": null })),
                refund("ref_1", 1, -500),
                refunded("ref_9", "pay_9", day(1), json!(-500), json!({})),
            ]),
            |r| {
                assert_eq!(r.money("refund:ref_1"), Some((-500, -500)));
                assert_eq!(r.get("refund:ref_1").money.unwrap().tax, None);
                assert_eq!(r.money("refund:ref_9"), Some((-500, -500)));
            },
        ),
    ]
}

/// Decimals that the merchant set also hold for reversals.
fn decimals() -> Vec<Row> {
    let ariary = || json!({ "currency": "MGA" });
    let charge = || paid("pay_1", day(0), 500, ariary());
    let step = |step, at| dispute(step, at, "5.00").with(ariary());
    vec![Row {
        rules: Rules::default().exponent("MGA".parse().unwrap(), 2),
        ..row(
            7,
            "the ariary with decimals",
            story([
                charge().with(
                    json!({ "settlement_amount": 500, "settlement_tax": 0, "settlement_currency": "MGA" }),
                ),
                step("lost", 1),
                step("won", 2),
                step("lost", 3),
                refund("ref_1", 4, 100).with(ariary()),
                refunded("ref_9", "pay_9", day(4), json!(100), ariary()),
            ]),
            |r| {
                for (id, major) in [
                    ("charge:pay_1", "5.00"),
                    ("dispute:dp_1:loss", "-5.00"),
                    ("dispute:dp_1:reversal", "0.00"),
                    ("refund:ref_1", "0.00"),
                    ("refund:ref_9", "-1.00"),
                ] {
                    assert_eq!(r.get(id).money.unwrap().gross_major(), major, "{id}");
                }
                let settlement = r.get("charge:pay_1").settlement.unwrap();
                assert_eq!(settlement.gross_major(), "5.00");
            },
        )
    }]
}

/// The reversal of a renewal without credit has no attribution.
fn not_credited() -> Vec<Row> {
    let story = || {
        story([
            charged("pay_1", "sub_1", day(0), 2000, visitor("v1")),
            charged("pay_2", "sub_1", day(31), 2000, visitor("v2")),
            refunded("ref_1", "pay_1", day(40), json!(500), json!({ "is_partial": true })),
            refunded("ref_2", "pay_2", day(40), json!(500), json!({ "is_partial": true }))
                .with(visitor("v3")),
        ])
    };
    let with = |credit, title, check| Row {
        rules: Rules::default().renewal_credit(credit),
        ..row(0, title, story(), check)
    };
    vec![
        with(RenewalCredit::Never, "renewals that are never credited", |r| {
            assert_eq!(r.visitor("charge:pay_1"), Some(("v1", AttributionStep::EventMetadata)));
            assert_eq!(r.visitor("refund:ref_1"), Some(("v1", AttributionStep::PaymentRecord)));
            assert_eq!(r.visitor("charge:pay_2"), None);
            assert_eq!(r.visitor("refund:ref_2"), None);
        }),
        with(RenewalCredit::Within(31), "renewals that are credited for so long", |r| {
            assert_eq!(r.visitor("refund:ref_2"), Some(("v3", AttributionStep::EventMetadata)));
            assert!(r.get("refund:ref_2").flags.differs_from_payment);
        }),
        with(RenewalCredit::Within(30), "and not for longer", |r| {
            assert_eq!(r.visitor("charge:pay_2"), None);
            assert_eq!(r.visitor("refund:ref_2"), None);
        }),
    ]
}
