//! The life of a subscription, as the owner and the app see it.

use std::time::Duration;

use dodo_billing::{AccessState, AfterCheckout, ReasonCode};
use dodo_core::capture::{Preset, VisitorCapture};
use dodo_sandbox::{Behavior, NetworkConditions, PeriodEndCancellation, cards};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::app::{App, json_request};

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
    let state = app.get("user_1", "/").await;
    let tag = state.tag.unwrap();
    let state = state.body;
    let subscription = &state["subscriptions"][0];
    assert_eq!(subscription["actions"], json!(["change", "cancel", "payment_method"]));
    let price =
        ["amount", "currency", "interval", "interval_count"].map(|name| &subscription[name]);
    assert_eq!(price, [&json!(1900), &json!("USD"), &json!("Month"), &json!(1)]);
    let again = async |tag: &str| {
        let request = http::Request::get("/").header("if-none-match", tag);
        app.ask("user_1", request.body(bytes::Bytes::new()).unwrap()).await
    };
    let same = again(&format!("\"old\", {tag}")).await;
    assert_eq!((same.status.as_u16(), same.raw.len(), same.tag.as_deref()), (304, 0, Some(&*tag)));
    assert_eq!(again("\"old\"").await.status, 200);
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
    assert_eq!(again(&tag).await.status, 200, "another state");
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
    let price = app.post("user_1", "/change/preview", json!({ "plan": "pro" })).await.body;
    app.post("user_1", "/change", json!({ "quote": price["quote"] })).await;
    let delete = http::Request::delete("/change").body(bytes::Bytes::new()).unwrap();
    let dropped = app.ask("user_1", delete).await.body;
    assert_eq!(dropped["subscriptions"][0]["scheduled_change"], json!(null), "{dropped}");

    let payments = app.get("user_1", "/payments").await.body;
    let paid = payments["items"].as_array().unwrap();
    assert_eq!(paid.last().unwrap()["status"], "succeeded", "{payments}");
    let id = paid.last().unwrap()["id"].as_str().unwrap();
    let invoice = app.get("user_1", &format!("/invoices/{id}")).await;
    assert!(invoice.status == 200 && invoice.raw.starts_with(b"%PDF-"), "{}", invoice.status);
    let portal = app.get("user_1", "/portal").await;
    let link = portal.location.unwrap_or_default();
    assert!(portal.status == 303 && link.starts_with(app.sandbox.url()), "{link}");
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
    // Two months of 31 days follow: after a February, the days below would end the time of grace.
    let july = "2026-07-01T12:00:00Z".parse().unwrap();
    let app = App::at(july, true, |billing| billing).await;
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
    // timer is due at once. It is not due by the clock of the app, which is behind.
    let began = Timestamp::now() - SignedDuration::from_hours(1);
    let app = App::at(began, false, |billing| billing).await;
    app.knows_the_start_alone("user_1", &crate::client::client(&app)).await;
    let owner = app.billing.owner("user_1");
    let start = owner.why().await.unwrap().facts.first().unwrap().at;
    let doubtful = owner.at(start).await.unwrap();
    assert_eq!(doubtful.checks().len(), 1, "{doubtful:?}");
    assert_eq!(doubtful.reason().code, ReasonCode::FirstPaymentUnconfirmed);
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

#[tokio::test(flavor = "multi_thread")]
async fn license_keys_follow_their_purchase() {
    let app = App::start().await;
    let key = app.buys_a_license("user_1").await;
    let listed = app.get("user_1", "/licenses").await.body;
    let end = key.get(key.len() - 4..).unwrap();
    assert_eq!(
        (&listed[0]["valid"], &listed[0]["key"], &listed[0]["product"]),
        (&json!(true), &json!(format!("****{end}")), &json!("pdt_desktop"))
    );
    assert!(!listed.to_string().contains(&key), "{listed}");
    let activate = async |name: &str| {
        app.post("user_1", "/licenses/activate", json!({ "key": key, "name": name })).await
    };
    let laptop = activate("laptop").await;
    assert_eq!(
        (laptop.status.as_u16(), laptop.body["instance"]["name"].as_str()),
        (200, Some("laptop"))
    );
    assert_eq!(activate("desktop").await.code(), (409, "activation_limit"));
    let instance = laptop.body["instance"]["id"].clone();
    let validate = async || {
        let body = json!({ "key": key, "instance": instance });
        app.post("user_1", "/licenses/validate", body).await.body["valid"].clone()
    };
    assert_eq!(validate().await, json!(true));
    let gone = json!({ "key": key, "instance": instance });
    let removed = app.post("user_1", "/licenses/deactivate", gone.clone()).await;
    assert_eq!((removed.status.as_u16(), validate().await), (200, json!(false)));
    assert_eq!(
        app.post("user_1", "/licenses/deactivate", gone).await.code(),
        (404, "license_not_found")
    );
    assert_eq!(activate("").await.code(), (400, "missing_parameter"));
    assert_eq!(activate("phone").await.status, 200);

    // The money is returned: Dodo Payments may still call the key valid, the app does not.
    let payment = app.billing.owner("user_1").payments().await.unwrap();
    app.sandbox.refund_payment(&payment.first().unwrap().id, None).unwrap();
    app.until("user_1", |access| !access.can("desktop")).await;
    assert_eq!(activate("tablet").await.code(), (409, "license_not_valid"));
    let asked = app.count("POST /licenses/validate");
    assert_eq!(validate().await, json!(false));
    assert_eq!(app.count("POST /licenses/validate"), asked, "Dodo Payments is not asked");
    assert_eq!(app.get("user_1", "/licenses").await.body[0]["valid"], json!(false));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_keeps_the_rest_and_resume_returns_it() {
    let app = App::start().await;
    app.buys("user_1", "pro", cards::OK).await;
    let paid = app.until("user_1", |access| access.reason().code == ReasonCode::Paid).await;
    app.days_pass(10);
    let state = app.get("user_1", "/").await.body;
    let id = state["subscriptions"][0]["id"].as_str().unwrap();
    let id = dodo_core::client::SubscriptionId::new(id).unwrap();
    crate::client::client(&app).pause_subscription(&id).await.unwrap();
    let paused = app.until("user_1", |access| access.state() == AccessState::Paused).await;
    let subscription = paused.subscription("pro").unwrap();
    assert!(!paused.can("export"), "{paused:?}");
    let days = subscription.remaining.unwrap().as_hours() / 24;
    assert!((17..=21).contains(&days), "{days} of the days of a month remain");
    let actions = &app.get("user_1", "/").await.body["subscriptions"][0]["actions"];
    assert_eq!(actions, &json!(["resume", "cancel"]));

    app.days_pass(5);
    let resumed = app.post("user_1", "/resume", json!({})).await;
    assert_eq!((resumed.status.as_u16(), &resumed.body["state"]), (200, &json!("active")));
    let resumed = app.billing.owner("user_1").await.unwrap();
    assert!(resumed.can("export") && resumed.until() > paid.until(), "{resumed:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_card_repairs_a_declined_renewal() {
    let app = App::start().await;
    app.buys("user_1", "pro", cards::OK).await;
    app.until("user_1", |access| access.reason().code == ReasonCode::Paid).await;
    app.sandbox.decline_next_charges("INSUFFICIENT_FUNDS", 1);
    app.days_pass(31);
    app.until("user_1", |access| access.reason().code == ReasonCode::PaymentFailed).await;
    app.days_pass(5);
    let ended = app.get("user_1", "/").await.body;
    assert_eq!(
        (&ended["state"], &ended["recoverable"], &ended["subscriptions"][0]["actions"]),
        (&json!("ended"), &json!(true), &json!(["payment_method"]))
    );
    let link = app.post("user_1", "/payment-method", json!({})).await;
    let link = link.body["url"].as_str().unwrap();
    let page = link.split('?').next().unwrap().rsplit('/').next().unwrap();
    app.sandbox.pay_session(page, cards::OK).unwrap();
    let repaired = app.until("user_1", |access| access.state() == AccessState::Active).await;
    assert!(repaired.can("export") && repaired.will_renew(), "{repaired:?}");
    app.stop().await;
}

/// Some accounts send `cancelled` at the click and `expired` at the end. The answers are the same.
#[tokio::test(flavor = "multi_thread")]
async fn both_styles_of_cancellation_keep_the_paid_time() {
    for style in [PeriodEndCancellation::CancelledAtEnd, PeriodEndCancellation::ExpiredAtEnd] {
        for when in ["period_end", "now"] {
            let case = format!("{style:?} {when}");
            let app = App::start().await;
            let mut behavior = Behavior::default();
            behavior.period_end_cancellation = style;
            app.sandbox.set_behavior(behavior);
            app.buys("user_1", "pro", cards::OK).await;
            let paid = app.until("user_1", |access| access.reason().code == ReasonCode::Paid).await;
            let cancelled = app.post("user_1", "/cancel", json!({ "when": when })).await;
            assert_eq!(cancelled.body["state"], "cancelled", "{case}: {cancelled:?}");
            app.sandbox.wait_until_idle().await;
            let kept = app.billing.owner("user_1").await.unwrap();
            assert!(kept.can("export") && !kept.will_renew(), "{case}: {kept:?}");
            assert_eq!(kept.until(), paid.until(), "{case}");
            let resumed = app.post("user_1", "/resume", json!({})).await;
            if when == "now" || style == PeriodEndCancellation::ExpiredAtEnd {
                assert_eq!(resumed.code(), (409, "not_resumable"), "{case}");
            } else {
                assert_eq!(resumed.status, 200, "{case}");
                app.post("user_1", "/cancel", json!({ "when": when })).await;
            }
            app.days_pass(32);
            let ended = app.until("user_1", |access| access.state() == AccessState::Ended).await;
            assert!(!ended.can("export"), "{case}: {ended:?}");
            app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_that_needs_the_customer_is_202() {
    let app = App::start().await;
    app.buys("user_1", "pro", cards::OK).await;
    app.until("user_1", |access| access.reason().code == ReasonCode::Paid).await;
    let price = app.post("user_1", "/change/preview", json!({ "plan": "team" })).await.body;
    let quote = json!({ "quote": price["quote"] });
    let link = format!("{}/confirm", app.sandbox.url());
    let answer = json!({ "payment_id": "pay_1", "payment_link": link, "client_secret": "cs_1" });
    *app.next_change.lock().unwrap() = Some(answer);
    let waits = app.post("user_1", "/change", quote.clone()).await;
    assert_eq!((waits.status.as_u16(), &waits.body), (202, &json!({ "payment_url": link })));
    assert_eq!(app.get("user_1", "/").await.body["plan"], "pro", "the old plan stays");

    app.sandbox.decline_next_charges("CARD_DECLINED", 1);
    let declined = app.post("user_1", "/change", quote.clone()).await;
    assert_eq!(declined.code(), (409, "payment_failed"), "{declined:?}");
    let changed = app.post("user_1", "/change", quote).await;
    assert_eq!((changed.status.as_u16(), &changed.body["plan"]), (200, &json!("team")));
    app.stop().await;
}

/// No webhook arrives: the comparison finds the subscription, its owner, and each later change.
#[tokio::test(flavor = "multi_thread")]
async fn comparison_repairs_lost_webhooks() {
    let app = App::with(false, |billing| billing).await;
    app.buys("user_1", "pro", cards::OK).await;
    let [found] = &*app.billing.drift().await.unwrap() else { panic!("one subscription") };
    assert!(found.here.is_none() && found.at_dodo.starts_with("active, 1 x pdt_pro"), "{found:?}");
    assert!(!app.billing.owner("user_1").await.unwrap().can("export"), "nothing is booked");
    assert_eq!(&*app.billing.sync().await.unwrap(), std::slice::from_ref(found));
    let access = app.billing.owner("user_1").await.unwrap();
    assert!(access.can("export"), "{access:?}");
    assert_eq!(app.billing.sync().await.unwrap(), []);

    app.sandbox.cancel_subscription(&found.subscription_id).unwrap();
    let [lost] = &*app.billing.sync().await.unwrap() else { panic!("one difference") };
    assert!(lost.here.as_ref().unwrap().starts_with("active"), "{lost:?}");
    assert!(lost.at_dodo.starts_with("cancelled"), "{lost:?}");
    let access = app.billing.owner("user_1").await.unwrap();
    assert_eq!((access.state(), access.can("export")), (AccessState::Cancelled, true));
    assert_eq!(app.billing.drift().await.unwrap(), []);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payer_returns_after_a_declined_attempt() {
    let app = App::start().await;
    app.buys("user_1", "pro", cards::DECLINED).await;
    app.sandbox.wait_until_idle().await;
    app.ledger.settled().await.unwrap();
    // No webhook of the second attempt arrives.
    app.sandbox.simulate_network(NetworkConditions { hold: true, ..NetworkConditions::default() });
    let key = app.buys("user_1", "pro", cards::OK).await;
    let returned = app.get("user_1", &format!("/return?checkout={key}")).await;
    assert_eq!(returned.body["status"], "done", "{returned:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_is_attributed_to_the_visitor_of_its_checkout() {
    let app = App::start().await;
    let mut request = json_request(Method::POST, "/checkout", &json!({ "plan": "pro" }));
    let visit = Request::get("/?utm_source=newsletter&utm_campaign=autumn")
        .header("cookie", "visitor=v_1")
        .body(())
        .unwrap();
    let capture = VisitorCapture::visitors_now().preset(Preset::Utm);
    let (captured, _) = capture.capture(&visit.into_parts().0);
    request.extensions_mut().insert(captured);
    let opened = app.ask("user_1", request).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    app.buys("user_1", "pro", cards::OK).await;
    app.until("user_1", |access| access.state() == AccessState::Active).await;
    app.ledger.settled().await.unwrap();
    let records = app.ledger.records().test_mode().revenue_only().fetch().await.unwrap();
    let [charge] = records.as_slice() else { panic!("{records:?}") };
    let visitor = charge.visitor.as_ref().map(|found| found.value.as_str());
    let campaign = charge.campaign.as_ref().and_then(|found| found.value.source.as_deref());
    assert_eq!((visitor, campaign), (Some("v_1"), Some("newsletter")), "{charge:?}");
    app.stop().await;
}
