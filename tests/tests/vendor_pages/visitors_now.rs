//! visitors.now: persist mode sets the cookie `visitor`, the app passes it in the session's metadata.
//! "First successful charge is new, subsequent are renewals", refunds are negative revenue; without
//! metadata an earlier attribution counts, then the e-mail address.

use dodo_core::{
    attribution::{AttributionStep, RecordKind},
    capture::VisitorCapture,
};
use dodo_ledger::{Identity, query::Dimension};
use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_now_page_holds() {
    let app = App::start(VisitorCapture::visitors_now(), |ledger| ledger).await;
    let visitor = |record: &dodo_core::attribution::AttributionRecord| {
        record.visitor.as_ref().map(|found| (found.value.clone(), found.step))
    };

    // The cookie travels in the metadata, alone.
    let first =
        app.buy("pdt_club", "visitor=v_8f3a; theme=dark", "ann@example.com", json!({})).await;
    assert_eq!(app.metadata(), json!({ "visitor": "v_8f3a" }));
    let new = app.record(&format!("charge:{first}")).await;
    assert_eq!(new.kind, RecordKind::SubscriptionNew);
    assert_eq!(visitor(&new), Some(("v_8f3a".to_owned(), AttributionStep::EventMetadata)));

    // The next charge of the subscription is a renewal of the same visitor.
    app.sandbox.renew_subscription(&new.subscription_ids[0]).unwrap();
    app.settle().await;
    let charges = app.charges().await;
    assert_eq!(charges.len(), 2);
    assert_eq!(charges[1].kind, RecordKind::SubscriptionRenewal);
    assert_eq!(visitor(&charges[1]).unwrap().0, "v_8f3a");

    // A refund is negative revenue of the visitor.
    app.sandbox.refund_payment(&first, None).unwrap();
    app.settle().await;
    let rows = app.ledger.revenue().group_by(Dimension::Visitor).test_mode().fetch().await.unwrap();
    let paid = i128::from(new.money.unwrap().gross);
    assert_eq!((rows[0].key(), rows[0].gross), (Some("v_8f3a"), paid), "two charges, one refund");
    assert_eq!((rows[0].charges, rows[0].reversals), (2, 1));

    // Without persist mode there is no cookie: the key is omitted, and the checkout works.
    let unknown = app.buy("pdt_guide", "visitor=undefined", "bob@example.com", json!({})).await;
    assert_eq!(app.metadata(), json!({}));
    assert_eq!(visitor(&app.record(&format!("charge:{unknown}")).await), None);

    // `identify` in the app: the e-mail address is the last step.
    app.ledger.identify(Identity::new("BOB@example.com").visitor("v_bob")).await.unwrap();
    app.ledger.settled().await.unwrap();
    let found = visitor(&app.record(&format!("charge:{unknown}")).await);
    assert_eq!(found, Some(("v_bob".to_owned(), AttributionStep::EmailMatch)));
    app.stop().await;
}
