//! Records that an operator set to zero.

use dodo_ledger::{
    VoidOutcome,
    cli::{self, CliOutcome as Outcome},
    query::Dimension,
};
use serde_json::json;

use crate::{
    payloads::{day, paid, refunded, visitor},
    support::TestStore,
    world::World,
};

crate::on_every_store! { void_charge_and_its_refund_count_nothing, void_command_names_its_result }

async fn revenue(ledger: &dodo_ledger::Ledger) -> Vec<i128> {
    let rows = ledger.revenue().group_by(Dimension::Visitor).fetch().await.unwrap();
    rows.iter().map(|row| row.net).collect()
}

async fn void_charge_and_its_refund_count_nothing(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let refund = refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true }));
    world.play(&[paid("pay_1", day(0), 2000, visitor("v1")).into(), refund.into()]).await;
    assert_eq!(revenue(&ledger).await.iter().sum::<i128>(), 1500);

    let void = async |record| ledger.void(record, "ann", "our own test purchase").await.unwrap();
    assert_eq!(void("charge:pay_2").await, VoidOutcome::Unknown);
    assert_eq!(void("charge:pay_1").await, VoidOutcome::Void);
    assert_eq!(void("charge:pay_1").await, VoidOutcome::Unchanged);
    assert_eq!(revenue(&ledger).await.iter().sum::<i128>(), 0);

    // The record and its visitor stay. A later delivery brings no money back.
    let later = refunded("ref_2", "pay_1", day(2), json!(300), json!({ "is_partial": true }));
    let records = world.play(&[later.into()]).await;
    assert_eq!(records.get("charge:pay_1").visitor.as_ref().unwrap().value, "v1");
    assert_eq!(revenue(&ledger).await.iter().sum::<i128>(), 0);
    let explanation = ledger.explain("pay_1").await.unwrap().unwrap().to_string();
    assert!(explanation.contains("it is void"), "{explanation}");

    let audit = ledger.audit(10).await.unwrap();
    let entry = &audit[0];
    assert_eq!(audit.len(), 1, "one entry per change");
    assert_eq!(
        [&*entry.operator, &entry.action, &entry.object, &entry.reason],
        ["ann", "void", "charge:pay_1", "our own test purchase"]
    );
}

async fn void_command_names_its_result(store: &TestStore) {
    let ledger = store.ledger().await;
    World::Stored(ledger.clone()).play(&[paid("pay_1", day(0), 2000, json!({})).into()]).await;
    for (words, outcome, says) in [
        (
            &["void", "charge:pay_1", "--operator", "ann", "--reason", "a test"][..],
            Outcome::Done,
            "void\n",
        ),
        (
            &["void", "charge:pay_1", "--operator", "ann", "--reason", "a test"],
            Outcome::Done,
            "unchanged: already void",
        ),
        (
            &["void", "charge:pay_2", "--operator", "ann", "--reason", "a test"],
            Outcome::Failed,
            "no record charge:pay_2",
        ),
        (&["void", "charge:pay_1"], Outcome::Usage, "--operator <OPERATOR>"),
        (&["audit"], Outcome::Done, "\tann\tvoid\tcharge:pay_1\ta test\n"),
    ] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let got = cli::run_with(&ledger, None, words, &mut out, &mut err).await;
        let printed = String::from_utf8([out, err].concat()).unwrap();
        assert_eq!(got, outcome, "{words:?}: {printed}");
        assert!(printed.contains(says), "{words:?}: {printed}");
    }
}
