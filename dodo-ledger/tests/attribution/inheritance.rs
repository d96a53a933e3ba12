//! Rows about who lends whom a visitor: checkouts, subscriptions, abandoned payments, earlier purchases.

use dodo_core::attribution::AttributionStep;
use jiff::ToSpan;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, customer, day, paid, payment, recovered, refunded, subscription, visitor},
    rows::{Row, row},
    world::{Records, bind, identified},
};

fn source(name: &str) -> Value {
    json!({ "metadata": { "source": name } })
}

/// What an object lent: value, step and object.
#[track_caller]
fn visitor_of<'a>(records: &'a Records, id: &str) -> (&'a str, AttributionStep, &'a str) {
    let found = records.get(id).visitor.as_ref().unwrap_or_else(|| panic!("{id} has no visitor"));
    (&found.value, found.step, &found.from)
}

#[track_caller]
fn source_of<'a>(records: &'a Records, id: &str) -> (Option<&'a str>, AttributionStep, &'a str) {
    let found = records.get(id).campaign.as_ref().unwrap_or_else(|| panic!("{id} has no campaign"));
    (found.value.source.as_deref(), found.step, &found.from)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = purchases();
    rows.extend(subscriptions());
    rows.extend(abandoned());
    rows
}

fn purchases() -> Vec<Row> {
    let late = |extra: Value| {
        let at = day(90).checked_add(1.seconds()).unwrap();
        paid("pay_late", at, 2000, extra)
    };
    vec![
        row(
            0,
            "an earlier purchase explains for 90 days to the second",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                paid("pay_2", day(90), 2000, json!({})),
                paid("pay_3", day(0), 2000, visitor("v3")).with(json!({ "customer": customer("bob") })),
                late(json!({ "customer": customer("bob") })),
            ],
            |r| {
                let lent = ("v1", AttributionStep::CustomerRecord, "pay_1");
                assert_eq!(visitor_of(r, "charge:pay_2"), lent);
                assert_eq!(r.visitor("charge:pay_late"), None);
            },
        ),
        row(
            0,
            "visitor and campaign each from the latest purchase that knew",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                paid("pay_2", day(1), 2000, source("old")),
                paid("pay_3", day(2), 2000, source("new")),
                paid("pay_4", day(3), 2000, visitor("v4")),
                paid("pay_5", day(4), 2000, json!({})),
                paid("pay_6", day(5), 2000, visitor("v6")).with(source("later")),
            ],
            |r| {
                assert_eq!(visitor_of(r, "charge:pay_5"), ("v4", AttributionStep::CustomerRecord, "pay_4"));
                let campaign = (Some("new"), AttributionStep::CustomerRecord, "pay_3");
                assert_eq!(source_of(r, "charge:pay_5"), campaign);
                assert_eq!(source_of(r, "charge:pay_4"), campaign);
                assert_eq!(visitor_of(r, "charge:pay_3").0, "v1");
                assert!(r.get("charge:pay_1").campaign.is_none());
            },
        ),
        row(
            0,
            "inherited attribution is not inherited again",
            story![
                paid("pay_1", day(0), 2000, source("x")),
                paid("pay_2", day(89), 2000, json!({})),
                paid("pay_3", day(92), 2000, json!({})),
                identified("bob@example.com", "v1"),
                paid("pay_4", day(0), 2000, json!({ "customer": customer("bob") })),
                paid(
                    "pay_5",
                    day(1),
                    2000,
                    json!({ "customer": { "customer_id": "cus_bob", "email": "b@example.com" } }),
                ),
            ],
            |r| {
                assert_eq!(source_of(r, "charge:pay_2").0, Some("x"));
                assert!(r.get("charge:pay_3").campaign.is_none());
                assert_eq!(r.visitor("charge:pay_4"), Some(("v1", AttributionStep::EmailMatch)));
                assert_eq!(r.visitor("charge:pay_5"), None);
            },
        ),
        row(
            0,
            "what a checkout or a subscription said is lent",
            story![
                bind("cks_1", json!({ "visitor": "v1" })),
                paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
                paid("pay_2", day(1), 2000, json!({})),
                subscription("subscription.active", "sub_1", day(2), visitor("v3")),
                charged("pay_3", "sub_1", day(2), 2000, json!({})),
                paid("pay_4", day(3), 2000, json!({})),
            ],
            |r| {
                assert_eq!(visitor_of(r, "charge:pay_2"), ("v1", AttributionStep::CustomerRecord, "pay_1"));
                assert_eq!(visitor_of(r, "charge:pay_4"), ("v3", AttributionStep::CustomerRecord, "sub_1"));
            },
        ),
        row(
            0,
            "only purchases lend: no refund, and no subscription that was started",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")),
                refunded("ref_1", "pay_1", day(1), json!(500), visitor("v8"))
                    .with(json!({ "is_partial": true })),
                subscription("subscription.active", "sub_1", day(1), visitor("v9")),
                paid("pay_2", day(2), 2000, json!({})),
            ],
            |r| assert_eq!(visitor_of(r, "charge:pay_2"), ("v1", AttributionStep::CustomerRecord, "pay_1")),
        ),
        row(
            0,
            "the customer's metadata goes before what the customer bought",
            story![
                paid("pay_1", day(0), 2000, visitor("v1")).with(
                    json!({ "metadata": { "visitor": "v1", "source": "x" } })
                ),
                paid("pay_2", day(1), 2000, json!({})).with(
                    json!({ "customer": { "customer_id": "cus_ann", "metadata": { "visitor": "v9" } } })
                ),
                paid("pay_3", day(1), 2000, json!({})).with(
                    json!({ "customer": { "customer_id": "cus_ann", "metadata": { "source": "y" } } })
                ),
                paid("pay_4", day(0), 2000, json!({})).with(json!({ "customer": customer("bob") })),
                refunded("ref_4", "pay_4", day(1), json!(500), json!({ "is_partial": true })).with(
                    json!({ "customer": { "customer_id": "cus_bob", "metadata": { "visitor": "v7" } } })
                ),
            ],
            |r| {
                assert_eq!(visitor_of(r, "charge:pay_2"), ("v9", AttributionStep::CustomerRecord, "cus_ann"));
                assert_eq!(source_of(r, "charge:pay_2"), (Some("x"), AttributionStep::CustomerRecord, "pay_1"));
                assert_eq!(visitor_of(r, "charge:pay_3"), ("v1", AttributionStep::CustomerRecord, "pay_1"));
                assert_eq!(source_of(r, "charge:pay_3"), (Some("y"), AttributionStep::CustomerRecord, "cus_ann"));
                assert_eq!(visitor_of(r, "refund:ref_4"), ("v7", AttributionStep::CustomerRecord, "cus_bob"));
            },
        ),
    ]
}

fn subscriptions() -> Vec<Row> {
    let both = |id, first: &str, second: &str| {
        paid(id, day(31), 2000, json!({ "subscription_ids": [first, second] }))
    };
    vec![
        row(
            0,
            "renewals name the charge that knew first, not the one before",
            story![
                bind("cks_1", json!({ "visitor": "v1" })),
                charged("pay_1", "sub_1", day(0), 2000, source("x"))
                    .with(json!({ "checkout_session_id": "cks_1" })),
                charged("pay_2", "sub_1", day(31), 2000, json!({})),
                charged("pay_3", "sub_1", day(62), 2000, json!({})),
                charged("pay_4", "sub_1", day(93), 2000, visitor("v4")),
                charged("pay_5", "sub_1", day(124), 2000, json!({})),
                refunded("ref_3", "pay_3", day(125), json!(500), json!({ "is_partial": true })),
            ],
            |r| {
                assert_eq!(
                    visitor_of(r, "charge:pay_1"),
                    ("v1", AttributionStep::CheckoutContext, "cks_1")
                );
                for id in ["charge:pay_2", "charge:pay_3"] {
                    assert_eq!(
                        visitor_of(r, id),
                        ("v1", AttributionStep::SubscriptionRecord, "pay_1")
                    );
                    assert_eq!(
                        source_of(r, id),
                        (Some("x"), AttributionStep::SubscriptionRecord, "pay_1")
                    );
                }
                assert_eq!(
                    visitor_of(r, "charge:pay_5"),
                    ("v4", AttributionStep::SubscriptionRecord, "pay_4")
                );
                assert_eq!(source_of(r, "charge:pay_5").2, "pay_1");
                assert_eq!(
                    visitor_of(r, "refund:ref_3"),
                    ("v1", AttributionStep::PaymentRecord, "pay_1")
                );
            },
        ),
        row(
            0,
            "a charge of two subscriptions asks the first one first",
            story![
                charged("pay_1", "sub_1", day(0), 2000, visitor("v1")),
                charged("pay_2", "sub_2", day(0), 2000, visitor("v2"))
                    .with(json!({ "metadata": { "visitor": "v2", "source": "x" } })),
                charged("pay_3", "sub_3", day(0), 2000, visitor("v3"))
                    .with(json!({ "metadata": { "visitor": "v3", "source": "y" } })),
                both("pay_12", "sub_1", "sub_2"),
                both("pay_32", "sub_3", "sub_2").with(json!({ "created_at": day(32).to_string() })),
            ],
            |r| {
                assert_eq!(visitor_of(r, "charge:pay_12").0, "v1");
                assert_eq!(source_of(r, "charge:pay_12").0, Some("x"));
                assert_eq!(visitor_of(r, "charge:pay_32").0, "v3");
                assert_eq!(source_of(r, "charge:pay_32").0, Some("y"));
            },
        ),
        row(
            0,
            "each of two subscriptions is asked for its own, and a plan of both is one",
            story![
                subscription("subscription.active", "sub_1", day(0), json!({})),
                subscription("subscription.active", "sub_2", day(0), visitor("v2")),
                both("pay_12", "sub_1", "sub_2"),
            ],
            |r| {
                assert_eq!(
                    visitor_of(r, "charge:pay_12"),
                    ("v2", AttributionStep::SubscriptionRecord, "sub_2")
                );
                assert_eq!(r.get("charge:pay_12").product_ids, ["pdt_plan"]);
            },
        ),
        row(
            0,
            "a campaign without anything in it is none",
            story![
                bind("cks_1", json!({ "campaign": {} })),
                subscription("subscription.active", "sub_1", day(0), source("x")),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
            ],
            |r| {
                assert_eq!(
                    source_of(r, "charge:pay_1"),
                    (Some("x"), AttributionStep::SubscriptionRecord, "sub_1")
                )
            },
        ),
        row(
            0,
            "the metadata of a subscription says what no charge of it says",
            story![
                subscription("subscription.active", "sub_1", day(0), json!({}))
                    .with(json!({ "metadata": { "visitor": "v9", "source": "meta" } })),
                charged("pay_1", "sub_1", day(1), 2000, visitor("v1")),
                charged("pay_2", "sub_1", day(31), 2000, json!({})),
            ],
            |r| {
                assert_eq!(
                    visitor_of(r, "charge:pay_2"),
                    ("v1", AttributionStep::SubscriptionRecord, "pay_1")
                );
                let campaign = (Some("meta"), AttributionStep::SubscriptionRecord, "sub_1");
                assert_eq!(source_of(r, "charge:pay_1"), campaign);
                assert_eq!(source_of(r, "charge:pay_2"), campaign);
            },
        ),
        row(
            0,
            "the start and the end of a subscription are its first charge's",
            story![
                charged("pay_1", "sub_1", day(0), 2000, visitor("v1"))
                    .with(json!({ "metadata": { "visitor": "v1", "user_id": "42" } })),
                charged("pay_2", "sub_1", day(31), 2000, visitor("v2")),
                subscription("subscription.active", "sub_1", day(0), json!({})),
                subscription("subscription.cancelled", "sub_1", day(40), json!({})),
                subscription("subscription.active", "sub_2", day(0), json!({})),
            ],
            |r| {
                for id in ["subscription:sub_1:started", "subscription:sub_1:cancelled"] {
                    assert_eq!(
                        visitor_of(r, id),
                        ("v1", AttributionStep::SubscriptionRecord, "pay_1"),
                        "{id}"
                    );
                    assert_eq!(r.get(id).user_id.as_deref(), Some("42"), "{id}");
                    assert!(!r.get(id).flags.parent_missing, "{id}");
                }
                assert!(r.get("subscription:sub_2:started").flags.parent_missing);
            },
        ),
    ]
}

fn abandoned() -> Vec<Row> {
    let failed = |id, extra| payment("payment.failed", id, day(0), 2000, extra);
    vec![
        row(
            0,
            "ids in the customer's metadata are the customer's subscription's",
            story![subscription("subscription.active", "sub_1", day(0), json!({})).with(json!({
                "customer": { "customer_id": "cus_a", "metadata": { "datafast_visitor_id": "df" } },
            }))],
            |r| {
                let ids = &r.get("subscription:sub_1:started").tool_ids;
                assert_eq!(ids.get("datafast_visitor_id").map(String::as_str), Some("df"));
            },
        ),
        row(
            0,
            "what a recovery learned is lent to later purchases",
            story![
                failed("pay_1", visitor("v1")),
                paid("pay_2", day(1), 2000, json!({})),
                recovered("pay_1", "pay_2", day(1)),
                paid("pay_3", day(2), 2000, json!({})),
            ],
            |r| {
                assert_eq!(
                    visitor_of(r, "charge:pay_2"),
                    ("v1", AttributionStep::RecoveredFrom, "pay_1")
                );
                assert_eq!(
                    visitor_of(r, "charge:pay_3"),
                    ("v1", AttributionStep::CustomerRecord, "pay_2")
                );
            },
        ),
    ]
}
