//! The edge cases of attribution that the ledger decides, one row each. The rows that the checkout
//! and the webhook endpoint decide are in `checkout_cases.rs`; numbers are shared.

use dodo_core::{attribution::AttributionStep, capture::consent::Consent};
use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    charges, consent, disputes, inheritance, late, partial_reversals,
    payloads::{charged, customer, day, paid, payment, recovered, refunded, subscription, visitor},
    refunds, resolution_order,
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

fn nothing() -> Value {
    json!({})
}

pub(crate) fn all() -> Vec<Row> {
    let mut rows = charges::rows();
    rows.extend(refunds::rows());
    rows.extend(partial_reversals::rows());
    rows.extend(who());
    rows.extend(consent::rows());
    rows.extend(disputes::rows());
    rows.extend(inheritance::rows());
    rows.extend(resolution_order::rows());
    rows.extend(late::rows());
    rows
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
            0,
            "the user bound to the checkout wins over metadata",
            story![
                bind("cks_1", json!({ "user_id": "42" })),
                paid(
                    "pay_1",
                    day(0),
                    2000,
                    json!({ "checkout_session_id": "cks_1", "metadata": { "user_id": "666" } })
                ),
                paid(
                    "pay_2",
                    day(0),
                    2000,
                    json!({ "metadata": { "user_id": "7" }, "customer": customer("bob") })
                ),
            ],
            |r| {
                assert_eq!(r.get("charge:pay_1").user_id.as_deref(), Some("42"));
                assert_eq!(r.get("charge:pay_2").user_id.as_deref(), Some("7"));
            },
        ),
        row(
            28,
            "visitors that are not texts",
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
                assert_eq!(
                    r.visitor("charge:pay_1"),
                    Some(("12345", AttributionStep::EventMetadata))
                );
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("true", AttributionStep::EventMetadata))
                );
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
                assert_eq!(r.visitor("charge:pay_2"), Some(("v1", AttributionStep::EventMetadata)));
                let campaign = r.get("charge:pay_2").campaign.as_ref().unwrap();
                assert_eq!(campaign.step, AttributionStep::SubscriptionRecord);
                assert_eq!(campaign.value.source.as_deref(), Some("x"));
                assert_eq!(campaign.value.medium.as_deref(), Some("email"));
            },
        ),
        row(
            34,
            "the visitor denied consent at the checkout",
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
                assert_eq!(r.visitor("charge:pay_1"), Some(("v1", AttributionStep::EmailMatch)));
                assert!(!r.get("charge:pay_1").flags.ambiguous);
            },
        ),
        row(36, "test mode", story![paid("pay_1", day(0), 2000, nothing()).test_mode()], |r| {
            assert!(!r.get("charge:pay_1").live);
        }),
        row(
            0,
            "the checkout context",
            story![
                bind(
                    "cks_1",
                    json!({ "visitor": "v1", "campaign": { "source": "x" }, "consent": "granted" })
                ),
                paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
            ],
            |r| {
                assert_eq!(
                    r.visitor("charge:pay_1"),
                    Some(("v1", AttributionStep::CheckoutContext))
                );
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
            |r| assert_eq!(r.visitor("charge:pay_2"), Some(("v1", AttributionStep::RecoveredFrom))),
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
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v1", AttributionStep::CustomerRecord))
                );
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
            |r| {
                assert_eq!(r.visitor("charge:pay_1"), Some(("v9", AttributionStep::CustomerRecord)))
            },
        ),
        row(
            0,
            "the subscription's metadata, delivered after the charge",
            story![
                charged("pay_1", "sub_1", day(0), 2000, nothing()),
                subscription("subscription.active", "sub_1", day(0), visitor("v1")),
            ],
            |r| {
                assert_eq!(
                    r.visitor("charge:pay_1"),
                    Some(("v1", AttributionStep::SubscriptionRecord))
                );
                assert_eq!(
                    r.visitor("subscription:sub_1:started"),
                    Some(("v1", AttributionStep::EventMetadata))
                );
            },
        ),
    ]
}
