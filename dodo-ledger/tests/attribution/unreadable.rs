//! A stored record that cannot be read: the facts are the books, so its group computes it again.

use dodo_ledger::store::sql::{Sql, args, sql};
use serde_json::json;

use crate::{
    payloads::{day, paid, refunded, visitor},
    support::TestStore,
    world::World,
};

crate::on_every_store! { unreadable_record_is_computed_again }

const DAMAGES: [Sql; 3] = [
    sql!("UPDATE dodo_record SET record = '{' WHERE id = 'charge:pay_1'"),
    sql!("UPDATE dodo_record SET visit_context = '[1]' WHERE id = 'charge:pay_1'"),
    sql!("UPDATE dodo_record SET state = 9 WHERE id = 'charge:pay_1'"),
];

async fn unreadable_record_is_computed_again(store: &TestStore) {
    if store.url.contains(":memory:") {
        return; // one ledger has it
    }
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let first = world.play(&[paid("pay_1", day(0), 2000, visitor("v1")).into()]).await;
    for (n, damage) in (1..).zip(DAMAGES) {
        // Another ledger: what this one keeps in memory is not damaged.
        let mut world = World::Stored(store.builder().await.build().unwrap());
        ledger.database().run(&damage, args![]).await.unwrap();
        assert!(ledger.record("charge:pay_1").await.is_err());
        let extra = json!({ "is_partial": true });
        let refund = refunded(&format!("ref_{n}"), "pay_1", day(n), json!(100), extra);
        let records = world.play(&[refund.into()]).await;
        assert_eq!(records.get("charge:pay_1"), first.get("charge:pay_1"));
        assert_eq!(records.0.len(), 1 + usize::try_from(n).unwrap());
    }
}
