//! The erasure of a customer: nothing is left of the customer, everything of others.

use dodo_core::{attribution::DisputePolicy, capture::consent::Consent};
use dodo_ledger::attribution::Rules;
use serde_json::json;

use crate::{
    erased::{ANN, nobody, stories},
    memory::{MemoryLedger, fact},
    payloads::{
        charged, customer, day, dispute, paid, payment, recovered, refunded, subscription, visitor,
    },
    world::{Act, Records, bind, identified},
};

/// Plays the story, erases Ann, and finds these traces of her before and not after.
fn leaves_nothing(title: &str, story: &[Act], traces: &[&str]) -> MemoryLedger {
    let mut ledger = MemoryLedger::play(&Rules::default(), story);
    let before = ledger.dump();
    for trace in traces {
        assert!(before.contains(trace), "{title}: {trace} is stored");
    }
    let erase = |ledger: &mut MemoryLedger| {
        ledger.erase("cus_ann", day(300)).len() + ledger.erase_address("ann@example.com").len()
    };
    erase(&mut ledger);
    let gone = |ledger: &MemoryLedger| {
        let after = ledger.dump();
        for trace in traces.iter().chain(&ANN) {
            assert!(!after.contains(trace), "{title}: {trace} is in\n{after}");
        }
    };
    gone(&ledger);
    assert_eq!(erase(&mut ledger), 0, "{title}: a second erasure changes nothing");
    let records = ledger.records();
    for act in story {
        if let Act::Deliver(delivery) = act {
            ledger.act(act);
            let subscription = delivery.id.contains("subscription.");
            if !subscription {
                // Under another id, and with an earlier time.
                let mut again = delivery.again_as(&format!("0{}", delivery.id));
                again.body["timestamp"] = json!(day(-1).to_string());
                ledger.act(&again.into());
            }
        }
    }
    gone(&ledger);
    assert_eq!(
        without_times(ledger.records()),
        without_times(records),
        "{title}: a replay changes nothing"
    );
    ledger.assert_resolved();
    ledger
}

/// Without the fields of the fact that counts: a replay can have an earlier time.
fn without_times(mut records: Records) -> Records {
    for record in records.0.values_mut() {
        (record.occurred_at, record.webhook_id) = (day(0), String::new());
    }
    records
}

#[test]
fn erasure_leaves_no_trace_of_the_customer() {
    for (title, story, traces) in stories() {
        leaves_nothing(title, &story, traces);
    }
}

#[test]
fn erasure_covers_facts_around_many_payments() {
    let story = (0..501).flat_map(|n| {
        let (payment, refund) = (format!("pay_{n}"), format!("ref_{n}"));
        let back = refunded(&refund, &payment, day(1), json!(500), visitor("v_refund"));
        story![paid(&payment, day(0), 2000, json!({})), back.with(nobody())]
    });
    let mut ledger = MemoryLedger::new(&Rules::default());
    ledger.book(story.filter_map(|act| fact(&act, &Rules::default())));
    ledger.erase("cus_ann", day(300));
    assert!(!ledger.dump().contains("v_refund"));
}

#[test]
fn erasure_leaves_other_customers_unchanged() {
    let others = || {
        story![
            paid("pay_9", day(0), 2000, visitor("v_bob"))
                .with(json!({ "customer": customer("bob") })),
            bind("cks_9", json!({ "visitor": "v_eve" })),
            paid("pay_8", day(0), 2000, json!({ "checkout_session_id": "cks_9" }))
                .with(json!({ "customer": customer("eve") })),
            identified("bob@example.com", "v_bob"),
        ]
    };
    let alone = without_times(MemoryLedger::play(&Rules::default(), &others()).records());
    let anns = story![paid("pay_1", day(0), 2000, visitor("v_ann"))];
    let both = leaves_nothing("others and Ann", &[anns, others()].concat(), &["v_ann"]);
    let both = without_times(both.records());
    for (id, record) in &alone.0 {
        assert_eq!(Some(record), both.0.get(id));
    }
    // The recovered payment of Eve and its refund are in one group with the failed payment of Ann.
    let recovery = story![
        payment("payment.failed", "pay_1", day(0), 2000, visitor("v_try")),
        recovered("pay_1", "pay_2", day(1)),
        paid("pay_2", day(1), 2000, visitor("v_eve")).with(json!({ "customer": customer("eve") })),
        refunded("ref_2", "pay_2", day(2), json!(500), visitor("v_refund")).with(nobody()),
    ];
    let records = leaves_nothing("a recovery by another", &recovery, &["v_try"]).records();
    assert_eq!(records.visitor("charge:pay_2").map(|found| found.0), Some("v_eve"));
    assert_eq!(records.visitor("refund:ref_2").map(|found| found.0), Some("v_refund"));
    // Two customers in one group.
    let story = story![
        paid("pay_1", day(0), 2000, visitor("v_ann")),
        refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_bob"))
            .with(json!({ "customer": customer("bob") })),
    ];
    let records = leaves_nothing("a refund to another", &story, &["v_ann"]).records();
    let refund = records.get("refund:ref_1");
    assert_eq!((refund.customer_id.as_deref(), &refund.visitor), (Some("cus_bob"), &None));
    let story = story![
        paid("pay_1", day(0), 2000, visitor("v_bob")).with(json!({ "customer": customer("bob") })),
        refunded("ref_1", "pay_1", day(1), json!(500), visitor("v_ann")),
    ];
    let records = leaves_nothing("a refund from another", &story, &["v_ann"]).records();
    let refund = records.get("refund:ref_1");
    assert_eq!((&refund.customer_id, &refund.visitor), (&None, &None));
    assert_eq!(records.visitor("charge:pay_1").map(|found| found.0), Some("v_bob"));
}

/// An event that was received before the erasure and is booked after it.
#[test]
fn pending_event_of_erased_customer_is_booked_without_person() {
    let rules = Rules::default();
    let mut ledger = MemoryLedger::new(&rules);
    ledger.act(&bind("cks_1", json!({ "visitor": "v_visit" })));
    ledger.erase("cus_ann", day(366));
    let extra = json!({ "checkout_session_id": "cks_1", "metadata": { "visitor": "v_own" } });
    ledger.act(&charged("pay_1", "sub_1", day(0), 2000, extra).into());
    ledger.act(&subscription("subscription.active", "sub_1", day(0), visitor("v_sub")).into());
    let dump = ledger.dump();
    for trace in ANN.iter().chain(&["v_visit", "v_own", "v_sub"]) {
        assert!(!dump.contains(trace), "{trace} is in\n{dump}");
    }
    assert_eq!(ledger.records().money("charge:pay_1"), Some((2000, 2000)));
    // An event that the ledger receives later is new, but its subscription metadata stays erased.
    let later = charged("pay_2", "sub_1", day(31), 2000, visitor("v_new"));
    let mut later = fact(&later.into(), &rules).unwrap();
    later.received_at = day(367);
    ledger.book([later]);
    assert_eq!(ledger.records().visitor("charge:pay_2").map(|found| found.0), Some("v_new"));
}

#[test]
fn denied_consent_survives_erasure() {
    let story = story![
        bind("cks_1", json!({ "consent": "denied", "landing_path": "/landed" })),
        charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
    ];
    let mut ledger = leaves_nothing("a denial", &story, &["/landed"]);
    ledger.act(&charged("pay_2", "sub_1", day(31), 2000, visitor("v_new")).into());
    let records = ledger.records();
    assert_eq!(records.get("charge:pay_2").consent, Consent::Denied);
    assert_eq!(records.visitor("charge:pay_2"), None);
}

/// An address that only the facts name is erased with them.
#[test]
fn erasure_of_customer_erases_the_identity_of_the_address() {
    let story =
        story![identified("ann@example.com", "v_said"), paid("pay_1", day(0), 2000, json!({}))];
    let mut ledger = MemoryLedger::play(&Rules::default(), &story);
    assert!(ledger.dump().contains("v_said"));
    ledger.erase("cus_ann", day(300));
    let dump = ledger.dump();
    for trace in ANN.iter().chain(&["v_said"]) {
        assert!(!dump.contains(trace), "{trace} is in\n{dump}");
    }
}

/// A dispute that counted when it was opened, and does not by the rules of today.
#[test]
fn erasure_covers_withdrawn_records() {
    let mut ledger = MemoryLedger::play(
        &Rules::default().disputes(DisputePolicy::OnOpen),
        &story![
            paid("pay_1", day(0), 2000, visitor("v_own")),
            dispute("opened", "dp_1", "pay_1", day(2), json!("400"), json!({})),
        ],
    );
    assert_eq!(ledger.records().money("dispute:dp_1:loss"), Some((-400, -400)));
    ledger.change_rules(&Rules::default());
    ledger.erase("cus_ann", day(300));
    let dump = ledger.dump();
    for trace in ANN.iter().chain(&["v_own"]) {
        assert!(!dump.contains(trace), "{trace} is in\n{dump}");
    }
}
