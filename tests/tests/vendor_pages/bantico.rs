//! Bantico: the page posts `{productId, bantico}`, with an empty text for each field that the link does
//! not have. The six fields are the payment's metadata, and campaign and lead of the record.

use dodo_core::{
    attribution::AttributionStep,
    capture::{Preset, VisitorCapture},
};
use dodo_ledger::query::Dimension;
use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bantico_page_holds() {
    let app = App::start(VisitorCapture::new().preset(Preset::Bantico), |ledger| ledger).await;
    let posted = json!({
        "productId": "pdt_club",
        "bantico": {
            "linkId": "lnk_1", "campaignId": "spring", "source": "newsletter", "medium": "email",
            "content": "", "leadId": "lead_7",
        },
    });
    let first = app.buy("pdt_club", "", "ann@example.com", posted).await;
    assert_eq!(
        app.metadata(),
        json!({
            "linkId": "lnk_1", "campaignId": "spring", "source": "newsletter", "medium": "email",
            "leadId": "lead_7",
        })
    );
    let record = app.record(&format!("charge:{first}")).await;
    let campaign = record.campaign.as_ref().unwrap();
    assert_eq!(
        (campaign.step, campaign.value.content.as_deref()),
        (AttributionStep::EventMetadata, None)
    );
    assert_eq!(campaign.value.lead_id.as_deref(), Some("lead_7"));

    // A renewal has no browser: the campaign of the subscription counts.
    app.sandbox.renew_subscription(&record.subscription_ids[0]).unwrap();
    app.settle().await;
    let charges = app.charges().await;
    assert_eq!(charges[1].campaign.as_ref().unwrap().value, campaign.value);
    for (by, expected) in [
        (Dimension::Link, "lnk_1"),
        (Dimension::Campaign, "spring"),
        (Dimension::Source, "newsletter"),
        (Dimension::Medium, "email"),
        (Dimension::Lead, "lead_7"),
        (Dimension::Channel, "campaign"),
    ] {
        let rows = app.ledger.revenue().group_by(by).test_mode().fetch().await.unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.key(), row.charges)).collect();
        assert_eq!(seen, [(Some(expected), 2)], "{by:?}");
    }
    app.stop().await;
}
