//! Lists page by page: no row is skipped or repeated, also with equal times.

use dodo_ledger::query::{ExportFormat, RecordCursor};
use serde_json::json;

use crate::{
    payloads::{day, paid, refunded},
    support::{TestStore, delivery, hooks, work},
    world::{Act, World, bind},
};

crate::on_every_store! {
    records_of_one_instant_are_paged_in_both_orders,
    failed_events_of_one_instant_are_paged,
}

async fn records_of_one_instant_are_paged_in_both_orders(store: &TestStore) {
    let ledger = store.ledger().await;
    let refunds = (0..7).map(|n| {
        let id = format!("ref_{n}");
        refunded(&id, "pay_1", day(1), json!(10), json!({ "is_partial": true })).into()
    });
    let context = bind("cks_1", json!({ "referrer_host": "www.news.example" }));
    let extra = json!({ "checkout_session_id": "cks_1" });
    let story: Vec<Act> =
        refunds.chain([context, paid("pay_1", day(0), 1000, extra).into()]).collect();
    World::Stored(ledger.clone()).play(&story).await;
    let records = || ledger.records().revenue_only();
    let oldest = records().fetch().await.unwrap();
    let oldest: Vec<String> = oldest.into_iter().map(|record| record.id).collect();
    assert_eq!((oldest.len(), oldest[0].as_str()), (8, "charge:pay_1"));
    let usd = dodo_core::money::Currency::USD;
    for asked in [records(), records().currency(usd)] {
        for size in 1..9 {
            for newest_first in [false, true] {
                let asked = asked.clone().limit(size);
                let asked = if newest_first { asked.newest_first() } else { asked };
                let mut seen = Vec::new();
                let mut next: Option<RecordCursor> = None;
                loop {
                    let page = asked.clone().after(next).page().await.unwrap();
                    seen.extend(page.records.into_iter().map(|listed| listed.record.id));
                    next = page.next.map(|next| next.to_string().parse().unwrap());
                    if next.is_none() {
                        break;
                    }
                }
                if newest_first {
                    seen.reverse();
                }
                assert_eq!(seen, oldest, "pages of {size}");
            }
        }
    }
    // The source of a row is the value that sums group it by.
    let listed = records().limit(1).page().await.unwrap().records.remove(0);
    assert_eq!(
        (listed.source.as_deref(), listed.channel.as_str()),
        (Some("news.example"), "referral")
    );
    assert!("1".parse::<RecordCursor>().is_err() && "a.b".parse::<RecordCursor>().is_err());
    let mut file = Vec::new();
    let written =
        records().limit(7).newest_first().export(ExportFormat::JsonLines, &mut file).await;
    assert_eq!(written.unwrap(), 7);
}

async fn failed_events_of_one_instant_are_paged(store: &TestStore) {
    use dodo_core::webhook::Inbox;
    if store.url.contains(":memory:") {
        return;
    }
    let ledger = store.ledger().await;
    for n in 0..5 {
        ledger.accept(&delivery(&format!("msg_{n}"), "not JSON")).await.unwrap();
    }
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    workers.shutdown(std::time::Duration::from_secs(5)).await;
    store.run("UPDATE dodo_inbox SET finished_at = 5").await;
    store.run("UPDATE dodo_inbox SET finished_at = 6 WHERE id = 'msg_1'").await;
    for size in 1..7 {
        let (mut seen, mut next) = (Vec::new(), None);
        loop {
            let page = ledger.failed_event_page(size, next).await.unwrap();
            seen.extend(page.events.into_iter().map(|event| event.id));
            next = page.next.map(|next| next.to_string().parse().unwrap());
            if next.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["msg_1", "msg_4", "msg_3", "msg_2", "msg_0"], "pages of {size}");
    }
    assert!("x".parse::<dodo_ledger::FailedEventCursor>().is_err());
}
