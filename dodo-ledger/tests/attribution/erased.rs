//! What forgetting a person leaves of them: nothing, whatever way it took into the ledger; and what it
//! leaves of others: everything.

use dodo_core::attribution::{DisputePolicy, email_sha256};
use dodo_ledger::attribution::{Booking, Link, MemoryHistory, Rules, forget};
use serde_json::{Value, json};

use crate::{
    payloads::{
        charged, customer, day, dispute, paid, payment, recovered, refund, refunded, subscription,
        visitor,
    },
    world::{Act, World, bind, identified},
};

/// How a person is to be found in what the ledger holds: `cus_ann` and her address; by every other
/// visitor that a story names.
pub(crate) const ANN: [&str; 6] =
    ["cus_ann", "ann@", "\"ann\"", "71d4f55f", "113, 212, 245", "113,212,245"];

/// All that it holds. `Debug` shows links and facts, but no values of records.
fn everything(history: &MemoryHistory) -> String {
    let entries = history.entries().map(|entry| {
        serde_json::to_string(&(&entry.evidence, &entry.record, &entry.derived)).unwrap()
    });
    format!("{history:?}\n{}", entries.collect::<Vec<_>>().join("\n"))
}

async fn forget_ann(rules: &Rules, history: &mut MemoryHistory) -> Booking {
    let ann = Link::Customer("cus_ann".to_owned());
    let address = Link::email(&email_sha256("ann@example.com").unwrap());
    forget(rules, history, &[ann], &[address]).await.unwrap()
}

/// Plays the story, forgets Ann, and finds these traces of her before and not after.
async fn leaves_nothing(title: &str, story: &[Act], traces: &[&str]) -> MemoryHistory {
    let rules = Rules::default();
    let mut world = World::in_memory(&rules);
    world.play(story).await;
    let World::Memory { history, .. } = &mut world else { panic!("only in memory") };
    let before = everything(history);
    for trace in traces {
        assert!(before.contains(trace), "{title}: {trace} was there");
    }
    forget_ann(&rules, history).await;
    let after = everything(history);
    for trace in traces.iter().chain(&ANN) {
        assert!(!after.contains(trace), "{title}: {trace} is in\n{after}");
    }
    assert!(forget_ann(&rules, history).await.changes.is_empty(), "{title}: nobody is left");
    // What was booked once and comes again brings nobody back.
    let records = world.records().await;
    let deliveries = story.iter().filter(|act| matches!(act, Act::Deliver(_)));
    let again: Vec<Act> = deliveries.cloned().collect();
    assert_eq!(world.play(&again).await, records, "{title}: played again");
    let derived = world.derived_again().await;
    for (id, record) in derived.0 {
        assert_eq!(Some(&record), records.0.get(&id), "{title}");
    }
    let World::Memory { history, .. } = world else { panic!("only in memory") };
    *history
}

pub(crate) fn nobody() -> Value {
    json!({ "customer": null })
}

/// A title, a story, and the traces of Ann in it.
pub(crate) type ErasureRow = (&'static str, Vec<Act>, &'static [&'static str]);

/// Every way on which personal data of Ann reaches the ledger.
pub(crate) fn stories() -> Vec<ErasureRow> {
    vec![
        (
            "a purchase and all that is known of it",
            story![
                bind("cks_1", json!({ "visitor": "v_visit", "landing_path": "/landed" })),
                identified("ann@example.com", "v_said"),
                subscription("subscription.active", "sub_1", day(0), visitor("v_sub")),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                    .with(json!({ "metadata": {
                        "visitor": "v_own", "source": "news", "user_id": "u42", "datafast_visitor_id": "df1",
                    } }))
                    .with(json!({ "customer": {
                        "customer_id": "cus_ann", "email": "ann@example.com", "name": "ann",
                        "metadata": { "visitor": "v_customer" },
                    } })),
                refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_refund")),
                dispute("lost", "dp_1", "pay_1", day(2), json!("400"), json!({})),
            ],
            &["v_visit", "/landed", "v_said", "v_sub", "v_own", "news", "u42", "df1", "v_refund"][..],
        ),
        (
            "what names nobody and belongs to a payment that does",
            story![
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try")).with(nobody()),
                paid("pay_1", day(0), 2000, json!({})),
                refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_refund")).with(nobody()),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), visitor("v_failed"))
                    .with(nobody()),
            ],
            &["v_try", "v_refund", "v_failed"],
        ),
        (
            "what is no entry",
            story![
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try")),
                refund("refund.failed", "ref_1", "pay_2", day(2), json!(500), visitor("v_failed")),
                subscription("subscription.updated", "sub_1", day(0), visitor("v_sub")),
                dispute("won", "dp_1", "pay_3", day(2), json!("400"), json!({})),
            ],
            &["v_try", "v_failed", "v_sub"],
        ),
        (
            "a renewal that names nobody knows of the first charge",
            story![
                charged("pay_1", "sub_1", day(0), 2000, visitor("v_own")),
                charged("pay_2", "sub_1", day(31), 2000, nobody()),
                refunded("ref_2", "pay_2", day(32), json!(500), json!({})).with(nobody()),
            ],
            &["v_own"],
        ),
        (
            "what names nobody and belongs to a subscription that does",
            story![
                charged("pay_1", "sub_1", day(0), 2000, json!({})),
                subscription("subscription.active", "sub_1", day(0), visitor("v_start"))
                    .with(nobody()),
                subscription("subscription.updated", "sub_1", day(1), json!({}))
                    .with(json!({ "metadata": { "source": "v_update" } }))
                    .with(nobody()),
                charged("pay_2", "sub_1", day(31), 2000, visitor("v_later")).with(nobody()),
                refunded("ref_2", "pay_2", day(32), json!(500), visitor("v_back")).with(nobody()),
            ],
            &["v_start", "v_update", "v_later", "v_back"],
        ),
        (
            "another payment of the same checkout",
            story![
                bind("cks_1", json!({ "visitor": "v_visit", "landing_path": "/landed" })),
                paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
                paid("pay_2", day(0), 2000, json!({ "checkout_session_id": "cks_1" })).with(nobody()),
            ],
            &["v_visit", "/landed"],
        ),
        (
            "a charge that names nobody knows of the subscription",
            story![
                subscription("subscription.active", "sub_1", day(0), visitor("v_sub")),
                charged("pay_1", "sub_1", day(0), 2000, nobody()),
            ],
            &["v_sub"],
        ),
        (
            "a payment that names nobody makes up for an abandoned one",
            story![
                bind("cks_1", json!({ "campaign": { "source": "news" } })),
                payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try"))
                    .with(json!({ "checkout_session_id": "cks_1" })),
                recovered("pay_1", "pay_2", day(1)),
                paid("pay_2", day(1), 2000, nobody()),
            ],
            &["v_try", "news"],
        ),
        (
            "what was said of an address that no delivery names",
            story![
                identified("ann@example.com", "v_said"),
                paid("pay_1", day(0), 2000, json!({ "customer": { "customer_id": "cus_ann" } })),
            ],
            &["v_said"],
        ),
        (
            "a failure of what was not booked names nobody",
            story![
                paid("pay_1", day(0), 2000, json!({})),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), visitor("v_failed"))
                    .with(nobody()),
            ],
            &["v_failed"],
        ),
        (
            "the customer's own metadata",
            story![
                paid("pay_1", day(0), 2000, json!({})).with(json!({ "customer": {
                    "customer_id": "cus_ann", "metadata": { "visitor": "v_customer" },
                } })),
                subscription("subscription.active", "sub_1", day(0), json!({ "customer": {
                    "customer_id": "cus_ann", "metadata": { "visitor": "v_start" },
                } })),
            ],
            &["v_customer", "v_start"],
        ),
    ]
}

#[tokio::test]
async fn nothing_is_left_of_who_is_forgotten() {
    for (title, story, traces) in stories() {
        leaves_nothing(title, &story, traces).await;
    }
}

#[tokio::test]
async fn of_others_everything_is_left() {
    let others = || {
        story![
            paid("pay_9", day(0), 2000, visitor("v_bob"))
                .with(json!({ "customer": customer("bob") })),
            bind("cks_9", json!({ "visitor": "v_eve" })),
            paid("pay_8", day(0), 2000, json!({ "checkout_session_id": "cks_9" }))
                .with(json!({ "customer": customer("eve") })),
            identified("bob@example.com", "v_bob"),
            payment("payment.failed", "pay_7", day(0), 2000, visitor("v_bob"))
                .with(json!({ "customer": customer("bob") })),
        ]
    };
    let alone = leaves_nothing("others alone", &others(), &[]).await;
    let anns = story![paid("pay_1", day(0), 2000, visitor("v_ann"))];
    let both = leaves_nothing("others and Ann", &[anns, others()].concat(), &["v_ann"]).await;
    for entry in alone.entries() {
        assert!(both.entries().any(|other| other == entry), "{}", entry.id);
    }
    assert_eq!(both.facts(), alone.facts());

    // Whoever got the money back is named, and is not Ann.
    let given = refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_bob"));
    let story = story![
        paid("pay_1", day(0), 2000, visitor("v_ann")),
        given.with(json!({ "customer": customer("bob") })),
    ];
    let history = leaves_nothing("money that went to another", &story, &["v_ann"]).await;
    let refund = history.entries().find(|entry| entry.id == "refund:ref_1").unwrap();
    assert_eq!(refund.evidence.own.visitor.as_deref(), Some("v_bob"));
    assert_eq!(refund.record.customer_id.as_deref(), Some("cus_bob"));
    assert!(refund.record.visitor.is_none(), "nobody is credited for a forgotten payment");

    // Whoever paid is named, and Ann, who got the money back, gets nothing of theirs.
    let story = story![
        paid("pay_1", day(0), 2000, visitor("v_bob")).with(json!({ "customer": customer("bob") })),
        refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_ann")),
    ];
    let history = leaves_nothing("money that came from another", &story, &["v_ann"]).await;
    let refund = history.entries().find(|entry| entry.id == "refund:ref_1").unwrap();
    assert!(refund.record.visitor.is_none() && refund.record.customer_id.is_none());
    let charge = history.entries().find(|entry| entry.id == "charge:pay_1").unwrap();
    assert_eq!(charge.record.customer_id.as_deref(), Some("cus_bob"));
    assert_eq!(charge.record.visitor.as_ref().map(|found| found.value.as_str()), Some("v_bob"));
}

/// More payments than are looked around at once, of each a refund that names nobody.
#[tokio::test]
async fn nothing_is_left_around_many_payments() {
    let story = (0..501).flat_map(|n| {
        let (payment, refund) = (format!("pay_{n}"), format!("ref_{n}"));
        let back = refunded(&refund, &payment, day(1), json!(500), visitor("v_refund"));
        story![paid(&payment, day(0), 2000, json!({})), back.with(nobody())]
    });
    leaves_nothing("501 payments", &story.collect::<Vec<_>>(), &["v_refund"]).await;
}

/// A dispute that counted when it was opened, and does not by the rules of today.
#[tokio::test]
async fn nothing_is_left_of_what_no_rule_derives() {
    let rules = Rules::default().disputes(DisputePolicy::OnOpen);
    let mut world = World::in_memory(&rules);
    let named = json!({ "metadata": {
        "visitor": "v_own", "source": "news", "user_id": "u42", "datafast_visitor_id": "df1",
    } });
    world
        .play(&story![
            bind("cks_1", json!({ "landing_path": "/landed" })),
            paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })).with(named),
            dispute("opened", "dp_1", "pay_1", day(2), json!("400"), json!({})),
        ])
        .await;
    let World::Memory { mut history, .. } = world else { panic!("only in memory") };
    let changed = forget_ann(&Rules::default(), &mut history).await.changes;
    assert!(changed.iter().any(|change| change.entry.id == "dispute:dp_1:loss" && !change.is_new));
    let after = everything(&history);
    for trace in ["v_own", "news", "u42", "df1", "/landed"].iter().chain(&ANN) {
        assert!(!after.contains(trace), "{trace} is in\n{after}");
    }
    let loss = history.entries().find(|entry| entry.id == "dispute:dp_1:loss").unwrap();
    assert_eq!(loss.record.money.map(|money| money.gross), Some(-400), "the books stay");
    assert!(loss.evidence.forgotten);
}

/// Every address that an entry of hers names goes, whether or not the caller knew of it.
#[tokio::test]
async fn nothing_is_left_of_addresses_that_only_entries_name() {
    let rules = Rules::default();
    let mut world = World::in_memory(&rules);
    let story =
        story![identified("ann@example.com", "v_said"), paid("pay_1", day(0), 2000, json!({})),];
    world.play(&story).await;
    let World::Memory { mut history, .. } = world else { panic!("only in memory") };
    assert!(everything(&history).contains("v_said"));
    let ann = Link::Customer("cus_ann".to_owned());
    forget(&rules, &mut *history, &[ann], &[]).await.unwrap();
    let after = everything(&history);
    for trace in ["v_said"].iter().chain(&ANN) {
        assert!(!after.contains(trace), "{trace} is in\n{after}");
    }
}
