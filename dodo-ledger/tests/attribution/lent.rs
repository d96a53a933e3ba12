//! Rows about who lends whom a visitor: checkouts, subscriptions, abandoned payments, earlier purchases.

use dodo_core::Step;
use jiff::ToSpan;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, customer, day, paid, payment, recovered, refunded, subscription, visitor},
    rows::{Row, row},
    world::{Act, Records, World, bind, identified},
};

macro_rules! story { ($($act:expr),* $(,)?) => { vec![$(Act::from($act)),*] }; }

fn source(name: &str) -> Value {
    json!({ "metadata": { "source": name } })
}

/// What an object lent: value, step and object.
#[track_caller]
fn visitor_of<'a>(records: &'a Records, id: &str) -> (&'a str, Step, &'a str) {
    let found = records.get(id).visitor.as_ref().unwrap_or_else(|| panic!("{id} has no visitor"));
    (&found.value, found.step, &found.from)
}

#[track_caller]
fn source_of<'a>(records: &'a Records, id: &str) -> (Option<&'a str>, Step, &'a str) {
    let found = records.get(id).campaign.as_ref().unwrap_or_else(|| panic!("{id} has no campaign"));
    (found.value.source.as_deref(), found.step, &found.from)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = purchases();
    rows.extend(subscriptions());
    rows.push(ladder());
    rows.push(ids());
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
                let lent = ("v1", Step::CustomerRecord, "pay_1");
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
                assert_eq!(visitor_of(r, "charge:pay_5"), ("v4", Step::CustomerRecord, "pay_4"));
                let campaign = (Some("new"), Step::CustomerRecord, "pay_3");
                assert_eq!(source_of(r, "charge:pay_5"), campaign);
                assert_eq!(source_of(r, "charge:pay_4"), campaign);
                assert_eq!(visitor_of(r, "charge:pay_3").0, "v1");
                assert!(r.get("charge:pay_1").campaign.is_none());
            },
        ),
        row(
            0,
            "what was borrowed is not lent on",
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
                assert_eq!(r.visitor("charge:pay_4"), Some(("v1", Step::EmailMatch)));
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
                assert_eq!(visitor_of(r, "charge:pay_2"), ("v1", Step::CustomerRecord, "pay_1"));
                assert_eq!(visitor_of(r, "charge:pay_4"), ("v3", Step::CustomerRecord, "sub_1"));
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
            |r| assert_eq!(visitor_of(r, "charge:pay_2"), ("v1", Step::CustomerRecord, "pay_1")),
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
                assert_eq!(visitor_of(r, "charge:pay_2"), ("v9", Step::CustomerRecord, "cus_ann"));
                assert_eq!(source_of(r, "charge:pay_2"), (Some("x"), Step::CustomerRecord, "pay_1"));
                assert_eq!(visitor_of(r, "charge:pay_3"), ("v1", Step::CustomerRecord, "pay_1"));
                assert_eq!(source_of(r, "charge:pay_3"), (Some("y"), Step::CustomerRecord, "cus_ann"));
                assert_eq!(visitor_of(r, "refund:ref_4"), ("v7", Step::CustomerRecord, "cus_bob"));
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
                assert_eq!(visitor_of(r, "charge:pay_1"), ("v1", Step::CheckoutContext, "cks_1"));
                for id in ["charge:pay_2", "charge:pay_3"] {
                    assert_eq!(visitor_of(r, id), ("v1", Step::SubscriptionRecord, "pay_1"));
                    assert_eq!(source_of(r, id), (Some("x"), Step::SubscriptionRecord, "pay_1"));
                }
                assert_eq!(
                    visitor_of(r, "charge:pay_5"),
                    ("v4", Step::SubscriptionRecord, "pay_4")
                );
                assert_eq!(source_of(r, "charge:pay_5").2, "pay_1");
                assert_eq!(visitor_of(r, "refund:ref_3"), ("v1", Step::PaymentRecord, "pay_1"));
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
                    ("v2", Step::SubscriptionRecord, "sub_2")
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
                    (Some("x"), Step::SubscriptionRecord, "sub_1")
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
                    ("v1", Step::SubscriptionRecord, "pay_1")
                );
                let campaign = (Some("meta"), Step::SubscriptionRecord, "sub_1");
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
                        ("v1", Step::SubscriptionRecord, "pay_1"),
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

/// Who a charge is attributed to when each step knows somebody else, and the first so many know nobody.
fn ladder() -> Row {
    let steps = |n: usize| {
        let own = if n == 0 { visitor("v0") } else { json!({}) };
        let id = |kind: &str| format!("{kind}_{n}");
        let name = format!("person{n}");
        let meta = if n <= 4 { json!({ "visitor": "v4" }) } else { json!({}) };
        let mut who = customer(&name);
        who["metadata"] = meta;
        let charge = charged(&id("pay"), &id("sub"), day(31), 2000, own)
            .with(json!({ "customer": who, "checkout_session_id": id("cks") }));
        let mut acts = story![identified(&format!("{name}@example.com"), "v5"), charge];
        if n <= 1 {
            acts.insert(0, bind(&id("cks"), json!({ "visitor": "v1" })));
        }
        if n <= 2 {
            let first = charged(&id("pay_first"), &id("sub"), day(0), 2000, visitor("v2"));
            acts.push(first.with(json!({ "customer": customer("other") })).into());
        }
        if n <= 3 {
            let failed = payment("payment.failed", &id("pay_lost"), day(30), 2000, visitor("v3"));
            acts.push(failed.with(json!({ "customer": customer("other") })).into());
            acts.push(recovered(&id("pay_lost"), &id("pay"), day(31)).into());
        }
        acts
    };
    row(0, "each step goes before the next", (0..6).flat_map(steps).collect(), |r| {
        let steps = [
            Step::EventMetadata,
            Step::CheckoutContext,
            Step::SubscriptionRecord,
            Step::RecoveredFrom,
            Step::CustomerRecord,
            Step::EmailMatch,
        ];
        for (n, step) in steps.into_iter().enumerate() {
            let id = format!("charge:pay_{n}");
            let (value, found, _) = visitor_of(r, &id);
            assert_eq!((value, found), (format!("v{n}").as_str(), step), "{id}");
        }
    })
}

/// The same for ids of tools and the application's user.
fn ids() -> Row {
    let named =
        |n: usize| json!({ "datafast_visitor_id": format!("df-{n}"), "user_id": format!("u{n}") });
    let steps = move |n: usize| {
        let id = |kind: &str| format!("{kind}_{n}");
        let charge = charged(&id("pay"), &id("sub"), day(31), 2000, json!({})).with(json!({
            "metadata": if n == 0 { named(0) } else { json!({}) },
            "checkout_session_id": id("cks"),
        }));
        let start = subscription("subscription.active", &id("sub"), day(0), json!({}))
            .with(json!({ "metadata": named(3) }));
        let mut acts = story![charge, start];
        if n <= 1 {
            let tools = json!({ "datafast_visitor_id": "df-1" });
            acts.insert(0, bind(&id("cks"), json!({ "tool_ids": tools, "user_id": "u1" })));
        }
        if n <= 2 {
            let first = charged(&id("pay_first"), &id("sub"), day(0), 2000, json!({}));
            acts.push(first.with(json!({ "metadata": named(2) })).into());
        }
        acts
    };
    row(
        0,
        "ids: its own, its checkout's, its subscription's",
        (0..4).flat_map(steps).collect(),
        |r| {
            for n in 0..4 {
                let record = r.get(&format!("charge:pay_{n}"));
                let tool = record.tool_ids.get("datafast_visitor_id");
                assert_eq!(tool.map(String::as_str), Some(format!("df-{n}").as_str()));
                assert_eq!(record.user_id.as_deref(), Some(format!("u{n}").as_str()));
            }
        },
    )
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
                assert_eq!(visitor_of(r, "charge:pay_2"), ("v1", Step::RecoveredFrom, "pay_1"));
                assert_eq!(visitor_of(r, "charge:pay_3"), ("v1", Step::CustomerRecord, "pay_2"));
            },
        ),
    ]
}

/// Why the steps of a charge, and of its refund, did not know.
#[tokio::test]
async fn each_step_says_why_it_does_not_know() {
    use dodo_ledger::attribution::{Answer, Reason as R, Rules, explain};
    let rules = Rules::default();
    let mut world = World::in_memory(&rules);
    let refund = |n: u8| {
        let (id, payment) = (format!("ref_{n}"), format!("pay_{n}"));
        refunded(&id, &payment, day(40), json!(500), json!({ "is_partial": true }))
    };
    let no_email = json!({ "customer": { "customer_id": "cus_x" } });
    world
        .play(&story![
            paid("pay_1", day(0), 2000, no_email.clone()),
            refund(1).with(no_email),
            charged("pay_2", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_none" })),
            charged("pay_3", "sub_1", day(31), 2000, json!({ "customer": null })),
            bind("cks_no", json!({ "consent": "denied" })),
            paid("pay_4", day(0), 2000, json!({ "checkout_session_id": "cks_no" })),
        ])
        .await;
    let World::Memory { mut history, .. } = world else { panic!("only in memory") };
    let none = R::NoEarlierPurchase { days: 90 };
    let reasons = [
        (
            "charge:pay_1",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::NoSubscription,
                R::NotARecovery,
                none,
                R::NoEmail,
            ],
        ),
        (
            "refund:ref_1",
            [
                R::NotInMetadata,
                R::PaymentUnattributed,
                R::SeeThePayment,
                R::SeeThePayment,
                R::NotARecovery,
                R::SeeThePayment,
                R::NoEmail,
            ],
        ),
        (
            "charge:pay_2",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoContext,
                R::NoEarlierCharge,
                R::NotARecovery,
                none,
                R::NotIdentified,
            ],
        ),
        (
            "charge:pay_3",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::EarlierChargesUnattributed,
                R::NotARecovery,
                R::NoCustomer,
                R::NoEmail,
            ],
        ),
        ("charge:pay_4", [R::ConsentDenied; 7]),
    ];
    for (id, expected) in reasons {
        let payment = format!("pay_{}", id.rsplit('_').next().unwrap());
        let explained = explain(&rules, &mut *history, &payment).await.unwrap();
        let (_, steps) = explained.into_iter().find(|(entry, _)| entry.id == id).unwrap();
        let found: Vec<_> = steps.into_iter().map(|step| (step.visitor, step.campaign)).collect();
        let told = |reason| (Answer::Nothing(reason), Answer::Nothing(reason));
        assert_eq!(found, expected.map(told), "{id}");
    }
}

/// How a visitor came is that of this checkout, else that of the one that it goes back to.
#[tokio::test]
async fn a_later_checkout_has_a_journey_of_its_own() {
    let mut world = World::in_memory(&dodo_ledger::attribution::Rules::default());
    let session = |id: &str| json!({ "checkout_session_id": id });
    world
        .play(&story![
            bind("cks_1", json!({ "landing_path": "/one" })),
            bind("cks_2", json!({ "landing_path": "/two" })),
            charged("pay_1", "sub_1", day(0), 2000, session("cks_1")),
            charged("pay_2", "sub_1", day(31), 2000, json!({})),
            charged("pay_3", "sub_1", day(62), 2000, session("cks_2")),
            charged("pay_4", "sub_1", day(93), 2000, json!({})),
        ])
        .await;
    let World::Memory { history, .. } = world else { panic!("only in memory") };
    let paths = history.entries().map(|entry| entry.derived.journey.clone()?.landing_path);
    let paths: Vec<_> = paths.map(Option::unwrap_or_default).collect();
    assert_eq!(paths, ["/one", "/one", "/two", "/two"]);
}
