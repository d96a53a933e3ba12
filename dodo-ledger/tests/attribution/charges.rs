//! Rows about the kind and the amount of a charge.

use dodo_core::attribution::{AttributionStep, ClassificationBasis, NonRevenueReason, RecordKind};
use dodo_ledger::attribution::Rules;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::{
    payloads::{charged, day, paid, refunded, subscription, visitor},
    rows::{Row, row},
    world::Act,
};

fn nothing() -> Value {
    json!({})
}

fn minutes_after(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(minutes.minutes()).unwrap()
}

/// `active`, the payment and `renewed` of a first charge.
fn first_charge() -> Vec<Act> {
    story![
        subscription("subscription.active", "sub_1", day(0), nothing()),
        charged("pay_1", "sub_1", day(0), 2000, visitor("v1")),
        subscription("subscription.renewed", "sub_1", day(0), nothing()),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            1,
            "one-time with tax and a visitor",
            story![paid(
                "pay_1",
                day(0),
                2000,
                json!({ "tax": 300, "metadata": { "visitor": "v1" } })
            )],
            |r| {
                assert_eq!(r.ids(), ["charge:pay_1"]);
                let charge = r.get("charge:pay_1");
                assert_eq!(charge.kind, RecordKind::OneTime);
                let money = charge.money.unwrap();
                assert_eq!(
                    (money.gross, money.tax, money.net, money.exponent),
                    (2000, Some(300), 1700, 2)
                );
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", AttributionStep::EventMetadata)));
                assert_eq!(charge.visitor.as_ref().unwrap().from, "pay_1");
            },
        ),
        row(2, "first charge of a subscription: three events", first_charge(), |r| {
            assert_eq!(r.kinds(), ["subscription_new"]);
        }),
        row(
            3,
            "a renewal without metadata",
            [
                first_charge(),
                story![
                    charged("pay_2", "sub_1", day(31), 2000, nothing()),
                    subscription("subscription.renewed", "sub_1", day(31), nothing()),
                ],
            ]
            .concat(),
            |r| {
                assert_eq!(r.kinds(), ["subscription_new", "subscription_renewal"]);
                assert_eq!(r.get("charge:pay_2").basis, ClassificationBasis::History);
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
                assert_eq!(r.get("charge:pay_2").visitor.as_ref().unwrap().from, "pay_1");
            },
        ),
        row(
            4,
            "one webhook-id twice",
            story![paid("pay_1", day(0), 2000, nothing()), paid("pay_1", day(0), 2000, nothing())],
            |r| assert_eq!((r.ids().len(), r.net()), (1, 2000)),
        ),
        row(
            5,
            "one payment under two webhook-ids",
            story![
                paid("pay_1", day(0), 2000, nothing()),
                paid("pay_1", day(0), 2000, nothing()).again_as("msg_replayed"),
            ],
            |r| assert_eq!((r.ids().len(), r.net()), (1, 2000)),
        ),
        row(
            6,
            "currencies without and with three decimals",
            story![
                paid("pay_jpy", day(0), 500, json!({ "currency": "JPY" })),
                paid("pay_kwd", day(0), 1500, json!({ "currency": "KWD" })),
            ],
            |r| {
                assert_eq!(r.get("charge:pay_jpy").money.unwrap().gross_major(), "500");
                assert_eq!(r.get("charge:pay_kwd").money.unwrap().gross_major(), "1.500");
            },
        ),
        row(
            7,
            "the ariary",
            story![paid("pay_1", day(0), 500, json!({ "currency": "MGA" }))],
            |r| {
                assert_eq!(r.get("charge:pay_1").money.unwrap().exponent, 0);
            },
        ),
        Row {
            rules: Rules::default().exponent("MGA".parse().unwrap(), 2),
            ..row(
                7,
                "the ariary, overridden",
                story![paid("pay_1", day(0), 500, json!({ "currency": "MGA" }))],
                |r| {
                    assert_eq!(r.get("charge:pay_1").money.unwrap().gross_major(), "5.00");
                },
            )
        },
        row(
            8,
            "a trial, charged after 14 days",
            story![
                subscription(
                    "subscription.active",
                    "sub_1",
                    day(0),
                    json!({ "trial_period_days": 14 })
                ),
                charged("pay_1", "sub_1", day(14), 2000, nothing()),
            ],
            |r| assert_eq!(r.kinds(), ["subscription_new"]),
        ),
        row(
            8,
            "first charge of a seen trial is new, whatever the payload says",
            [
                ("said", 14, json!({ "charge_type": "renewal" })),
                ("retried", 16, json!({ "retry_attempt": 2 })),
                ("late", 90, json!({ "charge_type": "renewal", "retry_attempt": 1 })),
            ]
            .into_iter()
            .flat_map(|(name, at, says)| {
                let (sub, pay) = (format!("sub_{name}"), format!("pay_{name}"));
                let trial = json!({ "trial_period_days": 14 });
                story![
                    subscription("subscription.active", &sub, day(0), trial),
                    charged(&pay, &sub, day(at), 2000, says),
                    charged(
                        &format!("{pay}_2"),
                        &sub,
                        day(at + 30),
                        2000,
                        json!({ "charge_type": "new" })
                    ),
                ]
            })
            .collect(),
            |r| {
                for name in ["said", "retried", "late"] {
                    let first = r.get(&format!("charge:pay_{name}"));
                    let new = (RecordKind::SubscriptionNew, ClassificationBasis::History);
                    assert_eq!((first.kind.clone(), first.basis), new, "{name}");
                    let second = r.get(&format!("charge:pay_{name}_2"));
                    let renewal = (RecordKind::SubscriptionRenewal, ClassificationBasis::History);
                    assert_eq!((second.kind.clone(), second.basis), renewal, "{name}");
                }
            },
        ),
        row(
            8,
            "a subscription first seen after a day leaves the charge to its type",
            story![
                subscription(
                    "subscription.updated",
                    "sub_1",
                    day(2),
                    json!({ "created_at": day(0).to_string() })
                ),
                charged("pay_1", "sub_1", day(2), 2000, json!({ "charge_type": "renewal" })),
            ],
            |r| {
                let charge = r.get("charge:pay_1");
                let renewal = (RecordKind::SubscriptionRenewal, ClassificationBasis::ChargeType);
                assert_eq!((charge.kind.clone(), charge.basis), renewal);
            },
        ),
        row(
            8,
            "a subscription that is learned of later turns a renewal into a first charge",
            story![
                charged("pay_1", "sub_1", day(14), 2000, json!({ "charge_type": "renewal" })),
                subscription(
                    "subscription.active",
                    "sub_1",
                    day(0),
                    json!({ "trial_period_days": 14 })
                ),
            ],
            |r| {
                let charge = r.get("charge:pay_1");
                let new = (RecordKind::SubscriptionNew, ClassificationBasis::History);
                assert_eq!((charge.kind.clone(), charge.basis), new);
            },
        ),
        row(
            9,
            "a payment of zero, then a paid one",
            story![
                charged("pay_0", "sub_1", day(0), 0, visitor("v1")),
                charged("pay_1", "sub_1", day(14), 2000, nothing()),
            ],
            |r| {
                let free = RecordKind::NonRevenue { reason: NonRevenueReason::Free };
                assert_eq!(r.get("charge:pay_0").kind, free);
                assert_eq!(r.get("charge:pay_1").kind, RecordKind::SubscriptionNew);
                assert_eq!(
                    r.visitor("charge:pay_1"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
            },
        ),
        row(
            10,
            "a card update, with and without an amount",
            story![
                charged("pay_1", "sub_1", day(0), 0, json!({ "is_update_payment_method": true })),
                charged(
                    "pay_2",
                    "sub_1",
                    day(1),
                    100,
                    json!({ "is_update_payment_method": true, "charge_type": "renewal" })
                ),
            ],
            |r| {
                let setup = RecordKind::NonRevenue { reason: NonRevenueReason::Setup };
                assert_eq!(r.get("charge:pay_1").kind, setup);
                assert_eq!(r.get("charge:pay_2").kind, setup);
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            11,
            "a retry on an empty store",
            story![charged("pay_1", "sub_1", day(0), 2000, json!({ "retry_attempt": 2 }))],
            |r| {
                assert_eq!(r.get("charge:pay_1").kind, RecordKind::SubscriptionRenewal);
                assert_eq!(r.get("charge:pay_1").basis, ClassificationBasis::RetryAttempt);
            },
        ),
        row(
            12,
            "the first charge arrives after its renewal",
            story![
                charged("pay_2", "sub_1", day(1), 2000, nothing()),
                charged("pay_1", "sub_1", day(0), 2000, visitor("v1")),
            ],
            |r| {
                assert_eq!(r.kinds(), ["subscription_new", "subscription_renewal"]);
                assert_eq!(r.get("charge:pay_2").basis, ClassificationBasis::History);
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
            },
        ),
        row(
            13,
            "in the middle of a known subscription's life",
            story![
                subscription(
                    "subscription.updated",
                    "sub_1",
                    day(150),
                    json!({ "created_at": day(0).to_string() })
                ),
                charged("pay_6", "sub_1", day(150), 2000, nothing()),
            ],
            |r| {
                assert_eq!(r.get("charge:pay_6").kind, RecordKind::SubscriptionRenewal);
                assert_eq!(r.get("charge:pay_6").basis, ClassificationBasis::SubscriptionAge);
            },
        ),
        row(
            13,
            "a trial below zero makes no subscription older",
            story![
                subscription(
                    "subscription.active",
                    "sub_1",
                    day(-20),
                    json!({ "trial_period_days": -14 })
                ),
                charged("pay_1", "sub_1", day(0), 2000, nothing()),
            ],
            |r| assert_eq!(r.get("charge:pay_1").kind, RecordKind::SubscriptionNew),
        ),
        row(
            13,
            "a payment with a negative total is unreadable and books nothing",
            story![paid("pay_1", day(0), -500, nothing())],
            |r| assert!(r.0.is_empty()),
        ),
        row(
            13,
            "a tax above its payment is left out: net is gross, and so is the net of a refund",
            story![
                paid("pay_1", day(0), 2000, json!({ "tax": 2001 })),
                paid("pay_2", day(0), 2000, json!({ "tax": -1 })),
                paid("pay_3", day(0), 2000, json!({ "tax": 2000 })),
                paid(
                    "pay_4",
                    day(0),
                    2000,
                    json!({
                        "tax": 300, "settlement_tax": 1801, "settlement_amount": 1800,
                        "settlement_currency": "EUR",
                    })
                ),
                refunded("ref_1", "pay_1", day(1), json!(500), nothing()),
            ],
            |r| {
                let money = |id: &str| r.get(id).money.map(|m| (m.gross, m.tax, m.net)).unwrap();
                assert_eq!(money("charge:pay_1"), (2000, None, 2000));
                assert_eq!(money("charge:pay_2"), (2000, None, 2000));
                assert_eq!(money("charge:pay_3"), (2000, Some(2000), 0));
                assert_eq!(money("charge:pay_4"), (2000, Some(300), 1700));
                let settled = r.get("charge:pay_4").settlement.unwrap();
                assert_eq!((settled.gross, settled.tax, settled.net), (1800, None, 1800));
                assert_eq!(money("refund:ref_1"), (-500, None, -500));
            },
        ),
        row(
            14,
            "a payment names its own subscription first, and each once",
            story![
                charged("pay_1", "sub_1", day(0), 2000, nothing()),
                charged("pay_2", "sub_2", day(0), 2000, json!({ "subscription_ids": ["sub_1"] })),
                charged("pay_3", "sub_3", day(0), 2000, json!({ "subscription_ids": [] })),
            ],
            |r| {
                assert_eq!(r.get("charge:pay_1").subscription_ids, ["sub_1"]);
                assert_eq!(r.get("charge:pay_2").subscription_ids, ["sub_2", "sub_1"]);
                assert_eq!(r.get("charge:pay_3").subscription_ids, ["sub_3"]);
            },
        ),
        row(
            14,
            "one payment starts two subscriptions",
            story![
                paid(
                    "pay_1",
                    day(0),
                    4000,
                    json!({
                        "is_multi_subscription": true, "subscription_ids": ["sub_1", "sub_2"],
                        "metadata": { "visitor": "v1" },
                    })
                ),
                charged("pay_2", "sub_2", day(31), 2000, nothing()),
            ],
            |r| {
                let first = r.get("charge:pay_1");
                assert_eq!(
                    (first.kind.clone(), first.basis),
                    (RecordKind::SubscriptionNew, ClassificationBasis::MultiFlag)
                );
                assert_eq!(first.subscription_ids, ["sub_1", "sub_2"]);
                assert_eq!(r.get("charge:pay_2").kind, RecordKind::SubscriptionRenewal);
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
            },
        ),
        row(
            15,
            "an on-demand charge with metadata of its own",
            story![
                subscription("subscription.active", "sub_1", day(0), json!({ "on_demand": true })),
                charged("pay_1", "sub_1", day(0), 500, visitor("v1")),
                charged("pay_2", "sub_1", day(90), 700, json!({ "metadata": { "order": "77" } })),
            ],
            |r| {
                assert_eq!(r.kinds(), ["subscription_new", "subscription_renewal"]);
                assert!(r.get("charge:pay_2").on_demand);
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
            },
        ),
        row(
            16,
            "a plan change is charged",
            [
                first_charge(),
                story![
                    charged("pay_2", "sub_1", day(10), 900, nothing()),
                    subscription(
                        "subscription.plan_changed",
                        "sub_1",
                        day(10),
                        json!({ "product_id": "pdt_big", "created_at": day(0).to_string() })
                    ),
                ],
            ]
            .concat(),
            |r| {
                let upgrade = r.get("charge:pay_2");
                assert_eq!(upgrade.kind, RecordKind::SubscriptionRenewal);
                assert!(upgrade.plan_change);
                assert_eq!(upgrade.product_ids, ["pdt_big"]);
                assert!(!r.get("charge:pay_1").plan_change);
                assert_eq!(r.get("charge:pay_1").product_ids, ["pdt_plan"]);
            },
        ),
        row(
            16,
            "a plan change explains charges of the hour around it",
            [
                first_charge(),
                story![
                    subscription(
                        "subscription.plan_changed",
                        "sub_1",
                        day(10),
                        json!({ "product_id": "pdt_big", "created_at": day(0).to_string() })
                    ),
                    charged("pay_2", "sub_1", minutes_after(day(10), -61), 900, nothing()),
                    charged("pay_3", "sub_1", minutes_after(day(10), -59), 900, nothing()),
                    charged("pay_4", "sub_1", minutes_after(day(10), 59), 900, nothing()),
                    charged("pay_5", "sub_1", minutes_after(day(10), 61), 900, nothing()),
                ],
            ]
            .concat(),
            |r| {
                for (id, changes, plan) in [
                    ("charge:pay_2", false, "pdt_plan"),
                    ("charge:pay_3", true, "pdt_big"),
                    ("charge:pay_4", true, "pdt_big"),
                    ("charge:pay_5", false, "pdt_big"),
                ] {
                    let record = r.get(id);
                    assert_eq!(
                        (record.plan_change, &*record.product_ids[0]),
                        (changes, plan),
                        "{id}"
                    );
                }
            },
        ),
        row(
            16,
            "an upgrade during the trial is the first charge",
            story![
                subscription(
                    "subscription.active",
                    "sub_1",
                    day(0),
                    json!({ "trial_period_days": 14 })
                ),
                charged("pay_1", "sub_1", day(5), 900, json!({ "charge_type": "plan_change" })),
            ],
            |r| {
                assert_eq!(r.get("charge:pay_1").kind, RecordKind::SubscriptionNew);
                assert!(r.get("charge:pay_1").plan_change);
            },
        ),
        row(
            26,
            "a late payment event already carries its refund",
            story![paid(
                "pay_1",
                day(0),
                2000,
                json!({
                    "refund_status": "full",
                    "refunds": [{ "refund_id": "ref_1", "payment_id": "pay_1", "amount": 2000, "currency": "USD", "status": "succeeded" }],
                })
            )],
            |r| assert_eq!((r.ids(), r.net()), (vec!["charge:pay_1"], 2000)),
        ),
        row(
            37,
            "only subscription.renewed arrived",
            story![subscription("subscription.renewed", "sub_1", day(31), nothing())],
            |r| assert!(r.ids().is_empty() && r.net() == 0),
        ),
    ]
}
