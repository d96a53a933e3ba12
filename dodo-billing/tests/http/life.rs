//! The life of a subscription, as the owner and the app see it.

use std::time::Duration;

use dodo_billing::{AccessState, AfterCheckout, ReasonCode};
use dodo_sandbox::cards;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn owner_buys_changes_cancels_and_resumes() {
    let app = App::start().await;
    let before = app.get("user_1", "/").await;
    assert_eq!(
        (before.body["state"].as_str(), before.body["plan"].as_str()),
        (Some("none"), Some("free"))
    );

    let key = app.buys("user_1", "pro", cards::OK).await;
    let access = app.until("user_1", |access| access.state() == AccessState::Active).await;
    assert!(access.can("export") && access.limit("projects") == Some(100), "{access:?}");
    let returned = app.get("user_1", &format!("/return?checkout={key}")).await;
    assert_eq!(returned.body["status"], "done", "{returned:?}");
    let state = app.get("user_1", "/").await.body;
    assert_eq!(state["subscriptions"][0]["actions"], json!(["change", "cancel", "payment_method"]));
    assert_eq!(
        app.post("user_1", "/checkout", json!({ "plan": "pro" })).await.code(),
        (409, "already_subscribed")
    );

    // The answer of Dodo Payments is booked at once: nothing waits for a webhook.
    let cancelled =
        app.post("user_1", "/cancel", json!({ "feedback": "unused", "comment": "bye" })).await;
    assert_eq!(
        (cancelled.status.as_u16(), cancelled.body["state"].as_str()),
        (200, Some("cancelled")),
        "{cancelled:?}"
    );
    assert_eq!(cancelled.body["features"], json!(["export"]));
    assert_eq!(cancelled.body["subscriptions"][0]["actions"], json!(["resume", "change"]));
    let resumed = app.post("user_1", "/resume", json!({})).await;
    assert_eq!(
        (resumed.body["state"].as_str(), resumed.body["will_renew"].as_bool()),
        (Some("active"), Some(true))
    );

    // An upgrade is due now, a downgrade begins with the next period.
    let price = app.post("user_1", "/change/preview", json!({ "plan": "team" })).await.body;
    assert_eq!(price["when"], "now", "{price}");
    assert!(price["due_now"].as_i64().unwrap() > 0, "{price}");
    let changed = app.post("user_1", "/change", json!({ "quote": price["quote"] })).await;
    assert_eq!(
        (changed.status.as_u16(), changed.body["plan"].as_str()),
        (200, Some("team")),
        "{changed:?}"
    );
    let price = app.post("user_1", "/change/preview", json!({ "plan": "pro" })).await.body;
    assert_eq!(
        (price["when"].as_str(), price["due_now"].as_i64()),
        (Some("period_end"), Some(0)),
        "{price}"
    );
    let changed = app.post("user_1", "/change", json!({ "quote": price["quote"] })).await.body;
    assert_eq!(changed["plan"], "team", "{changed}");
    assert_eq!(changed["subscriptions"][0]["scheduled_change"]["product"], "pdt_pro", "{changed}");
    let dropped = app.post("user_1", "/change/drop", json!({})).await.body;
    assert_eq!(dropped["subscriptions"][0]["scheduled_change"], json!(null), "{dropped}");

    let payments = app.get("user_1", "/payments").await.body;
    let paid = payments["items"].as_array().unwrap();
    assert_eq!(paid.last().unwrap()["status"], "succeeded", "{payments}");
    let id = paid.last().unwrap()["id"].as_str().unwrap();
    let invoice = app.get("user_1", &format!("/invoices/{id}")).await;
    assert!(invoice.status == 200 && invoice.raw.starts_with(b"%PDF-"), "{}", invoice.status);
    for path in ["/portal", "/payment-method"] {
        let link = app.post("user_1", path, json!({})).await;
        assert!(
            link.body["url"].as_str().unwrap().starts_with(app.sandbox.url()),
            "{path} {link:?}"
        );
    }
    let plans = app.get("user_1", "/plans").await.body;
    let team = plans.as_array().unwrap().iter().find(|plan| plan["plan"] == "team").unwrap();
    assert_eq!(
        (team["current"].as_bool(), team["prices"][0]["amount"].as_i64()),
        (Some(true), Some(4900))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_decline_and_recovery() {
    let app = App::start().await;
    app.buys("user_1", "pro", cards::OK).await;
    let first = app.until("user_1", |access| access.state() == AccessState::Active).await;
    app.days_pass(31);
    let is_paid = |access: &dodo_billing::Access| access.reason().code == ReasonCode::Paid;
    let renewed =
        app.until("user_1", |access| access.until() > first.until() && is_paid(access)).await;
    assert_eq!((renewed.state(), renewed.reason().code), (AccessState::Active, ReasonCode::Paid));

    app.sandbox.decline_next_charges("INSUFFICIENT_FUNDS", 1);
    app.days_pass(31);
    let failed =
        app.until("user_1", |access| access.reason().code == ReasonCode::PaymentFailed).await;
    assert_eq!(
        (failed.state(), failed.can("export"), failed.recoverable()),
        (AccessState::Grace, true, true)
    );
    let again = app.post("user_1", "/checkout", json!({ "plan": "pro" })).await;
    assert_eq!(again.code(), (409, "already_subscribed"), "who owes buys no second subscription");
    app.days_pass(4);
    let ended = app.billing.owner("user_1").await.unwrap();
    assert_eq!((ended.state(), ended.can("export")), (AccessState::Ended, false), "{ended:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payer_returns_before_any_webhook() {
    let app = App::with(false, |billing| billing).await;
    let key = app.buys("user_1", "pro", cards::OK).await;
    assert!(!app.billing.owner("user_1").await.unwrap().can("export"));
    let owner = app.billing.owner("user_1");
    let outcome = owner.after_checkout(&key, Duration::ZERO).await.unwrap();
    let AfterCheckout::Done(access) = outcome else { panic!("{outcome:?}") };
    assert!(access.can("export"), "{access:?}");

    let key = app.buys("user_2", "pro", cards::DECLINED).await;
    if !key.is_empty() {
        let outcome =
            app.billing.owner("user_2").after_checkout(&key, Duration::ZERO).await.unwrap();
        assert_eq!(outcome, AfterCheckout::Failed);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_becomes_paid_and_a_purchase_stays() {
    let app = App::start().await;
    app.buys("user_1", "trial", cards::OK).await;
    let trial = app.until("user_1", |access| access.can("beta")).await;
    assert_eq!(trial.state(), AccessState::Trialing, "{trial:?}");
    app.days_pass(15);
    let paid = app.until("user_1", |access| access.state() == AccessState::Active).await;
    assert_eq!(paid.reason().code, ReasonCode::Paid);

    app.buys("user_2", "pdt_templates", cards::OK).await;
    let bought = app.until("user_2", |access| access.can("templates")).await;
    assert_eq!(bought.until(), Some(dodo_billing::Until::NoEnd));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_money_ends_access() {
    let app = App::start().await;
    for (user, reason) in [("refunded", ReasonCode::Refunded), ("disputed", ReasonCode::Disputed)] {
        app.buys(user, "pro", cards::OK).await;
        // The subscription alone gives access, too. The payment confirms it.
        app.until(user, |access| access.reason().code == ReasonCode::Paid).await;
        let payments = app.billing.owner(user).payments().await.unwrap();
        let payment = payments.first().unwrap();
        if reason == ReasonCode::Refunded {
            app.sandbox.refund_payment(&payment.id, None).unwrap();
        } else {
            let dispute = app.sandbox.open_dispute(&payment.id).unwrap();
            app.until(user, |access| access.can("export")).await;
            app.sandbox.resolve_dispute(&dispute, dodo_sandbox::DisputeOutcome::Lost).unwrap();
        }
        let ended = app.until(user, |access| access.state() == AccessState::Ended).await;
        assert_eq!((ended.reason().code, ended.can("export")), (reason, false), "{ended:?}");
    }
    let refunded = app.get("refunded", "/payments").await.body;
    assert_eq!(refunded["items"][0]["refunded"], refunded["items"][0]["amount"], "{refunded}");
    app.stop().await;
}

/// The webhooks are lost: a timer asks Dodo Payments, and the answer settles the doubt.
#[tokio::test(flavor = "multi_thread")]
async fn doubt_is_settled_by_a_request() {
    // The first payment of a subscription has 15 minutes. Timers follow the clock of the database, so the
    // subscription starts almost 15 minutes ago.
    let delay = SignedDuration::from_mins(15);
    let began = Timestamp::now() - delay + SignedDuration::from_millis(500);
    let app = App::at(began, false, |billing| billing).await;
    app.knows_the_start_alone("user_1", &crate::client::client(&app)).await;
    let doubtful = app.billing.owner("user_1").await.unwrap();
    assert_eq!(doubtful.checks().len(), 1, "{doubtful:?}");
    assert_eq!(doubtful.reason().code, ReasonCode::FirstPaymentUnconfirmed);
    app.sandbox.advance(Duration::from_secs(15 * 60)).unwrap();
    let settled = app.until("user_1", |access| access.checks().is_empty()).await;
    assert_eq!((settled.state(), settled.reason().code), (AccessState::Active, ReasonCode::Paid));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_purchase_has_no_trial() {
    let app = App::start().await;
    app.buys("user_1", "trial", cards::OK).await;
    app.until("user_1", |access| access.state() == AccessState::Trialing).await;
    app.post("user_1", "/cancel", json!({})).await;
    app.days_pass(15);
    app.until("user_1", |access| access.state() == AccessState::Ended).await;
    app.buys("user_1", "trial", cards::OK).await;
    let again = app.until("user_1", |access| access.can("beta")).await;
    assert_eq!(again.state(), AccessState::Active, "{again:?}");
    app.stop().await;
}
