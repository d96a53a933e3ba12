//! The edge cases of attribution that the ledger decides, one row each. The rows that the checkout
//! and the webhook endpoint decide are in `seams.rs`; numbers are shared.

use dodo_core::{Basis, Consent, DisputePolicy, NonRevenueReason, RecordKind, Step};
use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    consent, contested, lent,
    payloads::{
        charged, customer, day, dispute, hour, paid, payment, recovered, refund, refunded,
        subscription, visitor,
    },
    settled,
    world::{Act, Records, bind, identified},
};

/// One edge case: what happens, and what the ledger says then.
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) title: &'static str,
    pub(crate) rules: Rules,
    pub(crate) story: Vec<Act>,
    pub(crate) check: fn(&Records),
}

pub(crate) fn row(number: u32, title: &'static str, story: Vec<Act>, check: fn(&Records)) -> Row {
    Row { number, title, rules: Rules::default(), story, check }
}

macro_rules! story { ($($act:expr),* $(,)?) => { vec![$(Act::from($act)),*] }; }

const NONE: Value = Value::Null;

fn nothing() -> Value {
    json!({})
}

/// `active`, the payment and `renewed` of a first charge.
fn first_charge() -> Vec<Act> {
    story![
        subscription("subscription.active", "sub_1", day(0), nothing()),
        charged("pay_1", "sub_1", day(0), 2000, visitor("v1")),
        subscription("subscription.renewed", "sub_1", day(0), nothing()),
    ]
}

pub(crate) fn all() -> Vec<Row> {
    let mut rows = charges();
    rows.extend(money_back());
    rows.extend(disputes());
    rows.extend(settled::rows());
    rows.extend(who());
    rows.extend(consent::rows());
    rows.extend(contested::rows());
    rows.extend(lent::rows());
    rows
}

fn charges() -> Vec<Row> {
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
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", Step::EventMetadata)));
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
                assert_eq!(r.get("charge:pay_2").basis, Basis::History);
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::SubscriptionRecord)));
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
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", Step::SubscriptionRecord)));
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
                assert_eq!(r.get("charge:pay_1").basis, Basis::RetryAttempt);
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
                assert!(r.get("charge:pay_2").flags.reclassified);
                assert_eq!(r.get("charge:pay_2").basis, Basis::History);
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::SubscriptionRecord)));
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
                assert_eq!(r.get("charge:pay_6").basis, Basis::SubscriptionAge);
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
                    (RecordKind::SubscriptionNew, Basis::MultiFlag)
                );
                assert_eq!(first.subscription_ids, ["sub_1", "sub_2"]);
                assert_eq!(r.get("charge:pay_2").kind, RecordKind::SubscriptionRenewal);
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::SubscriptionRecord)));
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
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::SubscriptionRecord)));
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
                    assert_eq!(r.visitor(id), Some(("v1", Step::PaymentRecord)));
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
                assert_eq!(r.visitor("refund:ref_1"), Some(("v1", Step::PaymentRecord)));
                assert_eq!(r.net(), 0);
            },
        ),
        row(
            19,
            "a refund without an amount: the rest, or nobody knows",
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
                assert_eq!(refund.money.unwrap().currency, dodo_core::Currency::USD);
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
                assert_eq!(r.visitor("refund:ref_1"), Some(("v2", Step::EventMetadata)));
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
                assert_eq!(r.ids().len(), 3, "a failure of what was not booked is nothing");
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
                assert_eq!(r.visitor("dispute:dp_1:loss"), Some(("v1", Step::PaymentRecord)));
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

fn who() -> Vec<Row> {
    vec![
        row(
            27,
            "Bantico's keys, most of them empty",
            story![paid(
                "pay_1",
                day(0),
                2000,
                json!({ "metadata": { "linkId": "", "source": "x" } })
            )],
            |r| {
                let campaign = &r.get("charge:pay_1").campaign.as_ref().unwrap().value;
                assert_eq!(
                    (campaign.link_id.as_deref(), campaign.source.as_deref()),
                    (None, Some("x"))
                );
            },
        ),
        row(
            28,
            "visitors that are no texts",
            story![
                paid("pay_1", day(0), 2000, json!({ "metadata": { "visitor": 12345 } })),
                paid(
                    "pay_2",
                    day(0),
                    2000,
                    json!({ "metadata": { "visitor": true }, "customer": customer("bob") })
                ),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), Some(("12345", Step::EventMetadata)));
                assert_eq!(r.visitor("charge:pay_2"), Some(("true", Step::EventMetadata)));
            },
        ),
        row(
            29,
            "visitor and campaign from different steps",
            story![
                charged(
                    "pay_1",
                    "sub_1",
                    day(0),
                    2000,
                    json!({ "metadata": { "source": "x", "medium": "email" } })
                ),
                charged("pay_2", "sub_1", day(31), 2000, visitor("v1")),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::EventMetadata)));
                let campaign = r.get("charge:pay_2").campaign.as_ref().unwrap();
                assert_eq!(campaign.step, Step::SubscriptionRecord);
                assert_eq!(campaign.value.source.as_deref(), Some("x"));
                assert_eq!(campaign.value.medium.as_deref(), Some("email"));
            },
        ),
        row(
            34,
            "the visitor said no at the checkout",
            story![
                bind(
                    "cks_1",
                    json!({ "consent": "denied", "device": "mobile", "landing_path": "/pricing" })
                ),
                charged(
                    "pay_1",
                    "sub_1",
                    day(0),
                    2000,
                    json!({ "checkout_session_id": "cks_1", "metadata": { "visitor": "v1" } })
                ),
                charged("pay_2", "sub_1", day(31), 2000, nothing()),
                refunded("ref_1", "pay_2", day(32), json!(2000), nothing()),
            ],
            |r| {
                for id in ["charge:pay_1", "charge:pay_2", "refund:ref_1"] {
                    assert_eq!(r.get(id).consent, Consent::Denied, "{id}");
                    assert_eq!(r.visitor(id), None, "{id}");
                }
            },
        ),
        row(
            35,
            "two visitors have one e-mail address",
            story![
                identified("ann@example.com", "v1"),
                identified("Ann@example.com ", "v2"),
                paid("pay_1", day(0), 2000, nothing()),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), None);
                assert!(r.get("charge:pay_1").flags.ambiguous);
            },
        ),
        row(
            35,
            "one visitor has the e-mail address",
            story![identified("ann@example.com", "v1"), paid("pay_1", day(0), 2000, nothing())],
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", Step::EmailMatch)));
                assert!(!r.get("charge:pay_1").flags.ambiguous);
            },
        ),
        row(36, "test mode", story![paid("pay_1", day(0), 2000, nothing()).test_mode()], |r| {
            assert!(!r.get("charge:pay_1").live);
        }),
        row(
            0,
            "what was captured at the checkout",
            story![
                bind(
                    "cks_1",
                    json!({ "visitor": "v1", "campaign": { "source": "x" }, "consent": "granted" })
                ),
                paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", Step::CheckoutContext)));
                assert_eq!(r.get("charge:pay_1").visitor.as_ref().unwrap().from, "cks_1");
                assert_eq!(r.get("charge:pay_1").consent, Consent::Granted);
            },
        ),
        row(
            0,
            "an abandoned checkout that was recovered",
            story![
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v1")),
                paid("pay_2", day(1), 2000, nothing()),
                recovered("pay_1", "pay_2", day(1)),
            ],
            |r| assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::RecoveredFrom))),
        ),
        row(
            0,
            "an earlier purchase of the customer, within 90 days and beyond",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                paid("pay_2", day(89), 2000, nothing()),
                paid("pay_3", day(92), 2000, nothing()),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", Step::CustomerRecord)));
                assert_eq!(r.visitor("charge:pay_3"), None, "a borrowed visitor is not lent on");
            },
        ),
        row(
            0,
            "the customer's metadata",
            story![paid(
                "pay_1",
                day(0),
                2000,
                json!({ "customer": { "customer_id": "cus_a", "metadata": { "visitor": "v9" } } })
            )],
            |r| assert_eq!(r.visitor("charge:pay_1"), Some(("v9", Step::CustomerRecord))),
        ),
        row(
            0,
            "the subscription's metadata, delivered after the charge",
            story![
                charged("pay_1", "sub_1", day(0), 2000, nothing()),
                subscription("subscription.active", "sub_1", day(0), visitor("v1")),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", Step::SubscriptionRecord)));
                assert_eq!(
                    r.visitor("subscription:sub_1:started"),
                    Some(("v1", Step::EventMetadata))
                );
            },
        ),
    ]
}
