//! The events of each step, with each switch for undocumented rules.

use std::time::Duration;

use dodo_sandbox::{
    Behavior, DisputeOutcome, GraceEnd, PeriodEndCancellation, Product, RefundOutcome,
    RenewalInterval, Sandbox, cards,
};
use serde_json::{Value, json};

use crate::support::{Receiver, api, session};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// A sandbox whose clock stands still, and a receiver of everything.
struct Stage {
    sandbox: Sandbox,
    receiver: Receiver,
}

impl Stage {
    async fn with(change: impl FnOnce(&mut Behavior)) -> Self {
        let mut behavior = Behavior::default();
        change(&mut behavior);
        let sandbox = Sandbox::builder()
            .clock_rate(0.0)
            // A month of 30 days: `MONTH` also reaches the retry of a renewal, 12 hours later.
            .now("2026-11-10T12:00:00Z".parse().unwrap())
            .behavior(behavior)
            .product(Product::one_time("pdt_book", "Book", "USD", 2000))
            .product(Product::one_time("pdt_app", "App", "USD", 5000).license_keys(Some(3)))
            .product(Product::monthly("pdt_pro", "Pro", "USD", 1900).license_keys(None))
            .product(Product::monthly("pdt_max", "Max", "USD", 4900))
            .product(Product::monthly("pdt_trial", "Trial", "USD", 1900).trial_days(14))
            .product(
                Product::monthly("pdt_paid_trial", "Paid trial", "USD", 1900)
                    .trial_days(14)
                    .trial_amount(100),
            )
            .product(
                Product::monthly("pdt_short", "Short", "USD", 1900)
                    .runs_for(2, RenewalInterval::Month),
            )
            .start()
            .await
            .unwrap();
        let receiver = Receiver::of(&sandbox).await;
        Self { sandbox, receiver }
    }

    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// What arrived since the last look.
    async fn events(&self) -> Vec<String> {
        self.sandbox.wait_until_idle().await;
        self.receiver.take_names()
    }

    async fn buy(&self, product: &str, card: &str) -> String {
        let body = json!({
            "product_cart": [{ "product_id": product, "quantity": 1 }],
            "billing_address": { "country": "US" },
        });
        let id = session(&self.sandbox, body).await;
        self.sandbox.pay_session(&id, card).unwrap().payment_id
    }

    /// Buys, forgets the events of that, and returns the subscription's id.
    async fn subscribe(&self, product: &str, card: &str) -> String {
        let payment_id = self.buy(product, card).await;
        self.events().await;
        let payment = self.read(&format!("/payments/{payment_id}")).await;
        payment["subscription_id"].as_str().unwrap().to_owned()
    }

    async fn read(&self, path: &str) -> Value {
        let (status, body) = api(&self.sandbox, "GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn patch(&self, subscription_id: &str, body: Value) -> Value {
        let path = format!("/subscriptions/{subscription_id}");
        let (status, body) = api(&self.sandbox, "PATCH", &path, Some(body)).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

#[tokio::test]
async fn one_time_purchases() {
    let stage = Stage::new().await;
    stage.buy("pdt_book", cards::OK).await;
    assert_eq!(stage.events().await, ["payment.succeeded"]);
    stage.buy("pdt_book", cards::DECLINED).await;
    assert_eq!(stage.events().await, ["payment.failed"]);
    stage.buy("pdt_app", cards::OK).await;
    assert_eq!(
        stage.events().await,
        ["entitlement_grant.created", "license_key.created", "payment.succeeded"]
    );
    stage.buy("pdt_book", cards::PROCESSING_INDIA).await;
    assert_eq!(stage.events().await, ["payment.processing"]);
    stage.sandbox.advance(2 * DAY).unwrap();
    assert_eq!(stage.events().await, ["payment.succeeded"]);
}

#[tokio::test]
async fn subscriptions_start() {
    let stage = Stage::new().await;
    for (product, card, expected) in [
        (
            "pdt_max",
            cards::OK,
            &[
                "payment.succeeded",
                "subscription.active",
                "subscription.renewed",
                "subscription.updated",
            ][..],
        ),
        (
            "pdt_max",
            cards::DECLINED,
            &["payment.failed", "subscription.failed", "subscription.updated"],
        ),
        (
            "pdt_trial",
            cards::OK,
            &["payment.succeeded", "subscription.active", "subscription.updated"],
        ),
        (
            "pdt_paid_trial",
            cards::OK,
            &["payment.succeeded", "subscription.active", "subscription.updated"],
        ),
    ] {
        stage.buy(product, card).await;
        assert_eq!(stage.events().await, expected, "{product} {card}");
    }

    let quiet = Stage::with(|behavior| {
        behavior.renewed_at_start = false;
        behavior.updated_events = false;
        behavior.zero_payment_at_trial_start = false;
        behavior.renewed_at_trial_start = true;
    })
    .await;
    quiet.buy("pdt_max", cards::OK).await;
    assert_eq!(quiet.events().await, ["payment.succeeded", "subscription.active"]);
    quiet.buy("pdt_trial", cards::OK).await;
    assert_eq!(quiet.events().await, ["subscription.active", "subscription.renewed"]);
}

#[tokio::test]
async fn trials_end_and_renewals_follow_each_on_its_own_date() {
    let stage = Stage::new().await;
    let id = stage.subscribe("pdt_trial", cards::OK).await;
    let started = stage.read(&format!("/subscriptions/{id}")).await;
    let payments = stage.read(&format!("/payments?subscription_id={id}")).await;
    assert_eq!(payments["items"][0]["total_amount"], 0);

    let renewal = ["payment.succeeded", "subscription.renewed", "subscription.updated"];
    stage.sandbox.advance(14 * DAY).unwrap();
    assert_eq!(stage.events().await, renewal);
    let trial_over = stage.read(&format!("/subscriptions/{id}")).await;
    assert_eq!(trial_over["previous_billing_date"], started["next_billing_date"]);

    stage.sandbox.advance(3 * MONTH).unwrap();
    let events = stage.events().await;
    assert_eq!(events.iter().filter(|name| *name == "subscription.renewed").count(), 3);
    assert_eq!(events.len(), 9);
    let payments = stage.read(&format!("/payments?subscription_id={id}&page_size=100")).await;
    let payments = payments["items"].as_array().unwrap();
    let dates: std::collections::BTreeSet<_> =
        payments.iter().map(|payment| payment["created_at"].as_str().unwrap()).collect();
    assert_eq!(dates.len(), 5, "each renewal has its own date: {dates:?}");
    assert!(payments[..4].iter().all(|payment| payment["charge_type"] == "renewal"));
    assert!(payments[..4].iter().all(|payment| payment["total_amount"] == 1900));
}

#[tokio::test]
async fn failed_renewal_puts_on_hold_and_new_card_resumes() {
    let stage = Stage::with(|behavior| behavior.dunning = true).await;
    let id = stage.subscribe("pdt_pro", cards::RENEWAL_FAILS).await;
    stage.sandbox.advance(MONTH).unwrap();
    assert_eq!(
        stage.events().await,
        [
            "dunning.started",
            "entitlement_grant.revoked",
            "payment.failed",
            "subscription.on_hold",
            "subscription.updated"
        ]
    );
    let path = format!("/subscriptions/{id}/update-payment-method");
    let (status, answer) = api(&stage.sandbox, "POST", &path, Some(json!({ "type": "new" }))).await;
    assert_eq!(status, 200, "{answer}");
    let page = answer["payment_link"].as_str().unwrap().rsplit('/').next().unwrap();
    stage.sandbox.pay_session(page, cards::OK).unwrap();
    assert_eq!(
        stage.events().await,
        [
            "dunning.recovered",
            "entitlement_grant.created",
            "payment.succeeded",
            "subscription.active",
            "subscription.renewed",
            "subscription.update_payment_method",
            "subscription.updated",
            "subscription.updated"
        ]
    );
    let subscription = stage.read(&format!("/subscriptions/{id}")).await;
    assert_eq!(subscription["status"], "active");

    let mut behavior = Behavior::default();
    behavior.zero_payment_at_method_update = true;
    stage.sandbox.set_behavior(behavior);
    let method = subscription["payment_method_id"].clone();
    let existing = json!({ "type": "existing", "payment_method_id": method });
    assert_eq!(api(&stage.sandbox, "POST", &path, Some(existing)).await.0, 200);
    let updated = ["subscription.update_payment_method", "subscription.updated"];
    assert_eq!(stage.events().await, updated);
    let (_, answer) = api(&stage.sandbox, "POST", &path, Some(json!({ "type": "new" }))).await;
    let page = answer["payment_link"].as_str().unwrap().rsplit('/').next().unwrap();
    let paid = stage.sandbox.pay_session(page, cards::OK).unwrap();
    assert_eq!(stage.events().await, [&["payment.succeeded"][..], &updated].concat());
    let payment = stage.read(&format!("/payments/{}", paid.payment_id)).await;
    assert_eq!(
        (&payment["total_amount"], &payment["is_update_payment_method"], &payment["charge_type"]),
        (&json!(0), &json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn grace_and_automatic_retries() {
    let stage = Stage::with(|behavior| {
        behavior.grace_days = Some(3);
        behavior.grace_end = GraceEnd::Cancelled;
        behavior.automatic_retries = true;
    })
    .await;
    let saved = stage.subscribe("pdt_max", cards::OK).await;
    stage.sandbox.decline_next_charges("INSUFFICIENT_FUNDS", 2);
    stage.sandbox.advance(MONTH).unwrap();
    assert_eq!(
        stage.events().await,
        ["payment.failed", "payment.failed", "subscription.past_due", "subscription.updated"],
        "the renewal and the retry 12 hours later"
    );
    stage.sandbox.advance(DAY).unwrap();
    assert_eq!(
        stage.events().await,
        [
            "payment.succeeded",
            "subscription.active",
            "subscription.renewed",
            "subscription.updated"
        ]
    );
    let payments = stage.read(&format!("/payments?subscription_id={saved}")).await;
    let id = payments["items"][0]["payment_id"].as_str().unwrap();
    assert_eq!(stage.read(&format!("/payments/{id}")).await["retry_attempt"], 2);
    let subscription = stage.read(&format!("/subscriptions/{saved}")).await;
    let date = |key: &str| subscription[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let (from, to) = (date("previous_billing_date"), date("next_billing_date"));
    assert!(stage.sandbox.now().duration_since(from) > DAY.try_into().unwrap());
    let period = to.duration_since(from);
    assert!((28..=31).contains(&(period.as_hours() / 24)), "late money moves no dates: {period}");
    stage.sandbox.cancel_subscription(&saved).unwrap();

    stage.subscribe("pdt_max", cards::RENEWAL_FAILS).await;
    stage.sandbox.advance(MONTH + 4 * DAY).unwrap();
    let events = stage.events().await;
    assert!(events.contains(&"subscription.past_due".to_owned()), "{events:?}");
    assert!(events.contains(&"subscription.cancelled".to_owned()), "{events:?}");
}

#[tokio::test]
async fn cancellations() {
    let stage = Stage::new().await;
    let id = stage.subscribe("pdt_pro", cards::OK).await;
    let now =
        stage.patch(&id, json!({ "status": "cancelled", "cancellation_feedback": "unused" })).await;
    assert_eq!(now["status"], "cancelled");
    assert_eq!(now["cancellation_feedback"], "unused");
    assert_eq!(
        stage.events().await,
        ["entitlement_grant.revoked", "subscription.cancelled", "subscription.updated"]
    );

    let id = stage.subscribe("pdt_max", cards::OK).await;
    let later = stage.patch(&id, json!({ "cancel_at_next_billing_date": true })).await;
    assert_eq!((&later["status"], &later["cancelled_at"]), (&json!("active"), &Value::Null));
    assert_eq!(stage.events().await, ["subscription.updated"]);
    stage.patch(&id, json!({ "cancel_at_next_billing_date": false })).await;
    stage.patch(&id, json!({ "cancel_at_next_billing_date": true })).await;
    stage.events().await;
    stage.sandbox.advance(MONTH).unwrap();
    assert_eq!(stage.events().await, ["subscription.cancelled", "subscription.updated"]);

    let other = Stage::with(|behavior| {
        behavior.period_end_cancellation = PeriodEndCancellation::ExpiredAtEnd
    })
    .await;
    let id = other.subscribe("pdt_max", cards::OK).await;
    other.patch(&id, json!({ "cancel_at_next_billing_date": true })).await;
    assert_eq!(other.events().await, ["subscription.cancelled", "subscription.updated"]);
    other.sandbox.advance(MONTH).unwrap();
    assert_eq!(other.events().await, ["subscription.expired", "subscription.updated"]);
}

#[tokio::test]
async fn term_ends() {
    let stage = Stage::new().await;
    stage.subscribe("pdt_short", cards::OK).await;
    stage.sandbox.advance(3 * MONTH).unwrap();
    let events = stage.events().await;
    assert_eq!(events.iter().filter(|name| *name == "subscription.renewed").count(), 1);
    assert_eq!(events.iter().filter(|name| *name == "subscription.expired").count(), 1);
}

#[tokio::test]
async fn pauses_move_the_dates() {
    let stage = Stage::new().await;
    let id = stage.subscribe("pdt_pro", cards::OK).await;
    let before = stage.read(&format!("/subscriptions/{id}")).await;
    stage.patch(&id, json!({ "status": "paused" })).await;
    assert_eq!(
        stage.events().await,
        ["entitlement_grant.revoked", "subscription.paused", "subscription.updated"]
    );
    stage.sandbox.advance(60 * DAY).unwrap();
    assert_eq!(stage.events().await, Vec::<String>::new());
    let after = stage.patch(&id, json!({ "status": "active" })).await;
    assert_eq!(
        stage.events().await,
        ["entitlement_grant.created", "subscription.unpaused", "subscription.updated"]
    );
    let date = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let moved =
        date(&after["next_billing_date"]).duration_since(date(&before["next_billing_date"]));
    assert_eq!(moved.as_secs(), 60 * 24 * 60 * 60);
}

#[tokio::test]
async fn plans_change_now_later_or_not() {
    let stage = Stage::new().await;
    let id = stage.subscribe("pdt_max", cards::OK).await;
    let path = format!("/subscriptions/{id}/change-plan");
    let change = |product: &str, mode: &str, extra: Value| {
        let mut body = json!({
            "product_id": product, "quantity": 1, "proration_billing_mode": mode,
        });
        body.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        body
    };
    let call = async |body| api(&stage.sandbox, "POST", &path, Some(body)).await;

    call(change("pdt_pro", "do_not_bill", json!({}))).await;
    assert_eq!(stage.events().await, ["subscription.plan_changed", "subscription.updated"]);

    let (_, answer) = call(change("pdt_max", "difference_immediately", json!({}))).await;
    assert_eq!(
        stage.events().await,
        [
            "payment.succeeded",
            "subscription.active",
            "subscription.plan_changed",
            "subscription.updated"
        ]
    );
    let payment_id = answer["payment_id"].as_str().unwrap();
    let payment = stage.read(&format!("/payments/{payment_id}")).await;
    assert_eq!(
        (&payment["total_amount"], &payment["charge_type"]),
        (&json!(3000), &json!("plan_change"))
    );

    call(change("pdt_pro", "do_not_bill", json!({}))).await;
    stage.events().await;
    stage.sandbox.decline_next_charges("cards::DECLINED", 1);
    call(change("pdt_max", "full_immediately", json!({}))).await;
    assert_eq!(stage.events().await, ["payment.failed"], "by default the plan stays");
    assert_eq!(stage.read(&format!("/subscriptions/{id}")).await["product_id"], "pdt_pro");

    let later = json!({ "effective_at": "next_billing_date" });
    call(change("pdt_max", "do_not_bill", later)).await;
    assert_eq!(stage.events().await, ["subscription.updated"]);
    stage.sandbox.advance(MONTH).unwrap();
    assert_eq!(
        stage.events().await,
        [
            "payment.succeeded",
            "subscription.plan_changed",
            "subscription.renewed",
            "subscription.updated"
        ]
    );

    stage.sandbox.decline_next_charges("cards::DECLINED", 1);
    stage.patch(&id, json!({ "metadata": { "a": 1 } })).await;
    call(change("pdt_pro", "full_immediately", json!({ "on_payment_failure": "apply_change" })))
        .await;
    let events = stage.events().await;
    assert!(events.contains(&"subscription.on_hold".to_owned()), "{events:?}");
    assert!(events.contains(&"subscription.plan_changed".to_owned()), "{events:?}");
}

#[tokio::test]
async fn refunds() {
    let stage = Stage::new().await;
    let book = stage.buy("pdt_book", cards::OK).await;
    stage.events().await;
    stage.sandbox.refund_payment(&book, Some(500)).unwrap();
    assert_eq!(stage.events().await, ["refund.succeeded"]);
    assert_eq!(stage.read(&format!("/payments/{book}")).await["refund_status"], "partial");
    stage.sandbox.refund_payment(&book, None).unwrap();
    stage.events().await;
    let payment = stage.read(&format!("/payments/{book}")).await;
    assert_eq!(payment["refund_status"], "full");
    let amounts: Vec<_> =
        payment["refunds"].as_array().unwrap().iter().map(|r| &r["amount"]).collect();
    assert_eq!(amounts, [&json!(500), &json!(1500)]);

    let app = stage.buy("pdt_app", cards::OK).await;
    stage.events().await;
    stage.sandbox.refund_payment(&app, None).unwrap();
    assert_eq!(stage.events().await, ["entitlement_grant.revoked", "refund.succeeded"]);

    let mut behavior = Behavior::default();
    behavior.refund_outcome = RefundOutcome::Pending;
    stage.sandbox.set_behavior(behavior);
    let book = stage.buy("pdt_book", cards::OK).await;
    stage.events().await;
    let refund = stage.sandbox.refund_payment(&book, None).unwrap();
    assert_eq!(stage.events().await, Vec::<String>::new(), "pending has no event");
    stage.sandbox.resolve_refund(&refund, false).unwrap();
    assert_eq!(stage.events().await, ["refund.failed"]);
    let lines = stage.read(&format!("/payments/{book}/line-items")).await;
    assert_eq!(
        lines["items"][0]["refundable_amount"], 2000,
        "a failed refund leaves the money there"
    );
    stage.sandbox.refund_payment(&book, Some(1500)).unwrap();
    let error = stage.sandbox.refund_payment(&book, Some(501)).unwrap_err();
    assert_eq!(error.code(), "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT", "a pending refund counts");
}

#[tokio::test]
async fn disputes() {
    let stage = Stage::new().await;
    let payment = stage.buy("pdt_book", cards::OK).await;
    stage.events().await;
    for (outcomes, expected) in [
        (
            &[DisputeOutcome::Challenged, DisputeOutcome::Won][..],
            &["challenged", "opened", "won"][..],
        ),
        (&[DisputeOutcome::Lost], &["lost", "opened"]),
        (&[DisputeOutcome::Accepted], &["accepted", "opened"]),
        (&[DisputeOutcome::Cancelled], &["cancelled", "opened"]),
        (&[DisputeOutcome::Expired], &["expired", "opened"]),
    ] {
        let id = stage.sandbox.open_dispute(&payment).unwrap();
        assert_eq!(stage.sandbox.open_dispute(&payment).unwrap_err().code(), "CONFLICT");
        for outcome in outcomes {
            stage.sandbox.resolve_dispute(&id, *outcome).unwrap();
        }
        assert!(stage.sandbox.resolve_dispute(&id, DisputeOutcome::Won).is_err());
        let expected: Vec<_> = expected.iter().map(|name| format!("dispute.{name}")).collect();
        assert_eq!(stage.events().await, expected);
    }
    let id = stage.sandbox.open_rdr_dispute(&payment).unwrap();
    assert_eq!(stage.events().await, ["dispute.lost", "dispute.opened"]);
    let dispute = stage.read(&format!("/disputes/{id}")).await;
    assert_eq!(dispute["is_resolved_by_rdr"], true);
}

#[tokio::test]
async fn abandoned_checkout_is_detected_and_recovered_by_link() {
    let stage = Stage::with(|behavior| behavior.abandoned_checkout_recovery = true).await;
    let lost = stage.buy("pdt_book", cards::DECLINED).await;
    stage.events().await;
    stage.sandbox.advance(Duration::from_secs(59 * 60)).unwrap();
    assert_eq!(stage.events().await, Vec::<String>::new());
    stage.sandbox.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(stage.events().await, ["abandoned_checkout.detected"]);
    let page = stage.sandbox.recovery_link(&lost).unwrap();
    stage.sandbox.pay_session(&page, cards::OK).unwrap();
    assert_eq!(stage.events().await, ["abandoned_checkout.recovered", "payment.succeeded"]);
    assert!(stage.sandbox.recovery_link(&lost).is_err(), "it is recovered already");
}

#[tokio::test]
async fn abandoned_checkout_leaves_a_cancelled_payment() {
    let stage = Stage::new().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }] });
    let id = session(&stage.sandbox, body).await;
    stage.sandbox.abandon_session(&id).unwrap();
    assert_eq!(stage.events().await, ["abandoned_checkout.detected", "payment.cancelled"]);
}

#[tokio::test]
async fn several_subscriptions_in_one_cart_have_one_payment() {
    let stage = Stage::new().await;
    let cart = json!([
        { "product_id": "pdt_max", "quantity": 1 },
        { "product_id": "pdt_pro", "quantity": 2 },
        { "product_id": "pdt_book", "quantity": 1 },
    ]);
    let id = session(&stage.sandbox, json!({ "product_cart": cart })).await;
    let payment_id = stage.sandbox.pay_session(&id, cards::OK).unwrap().payment_id;
    let payment = stage.read(&format!("/payments/{payment_id}")).await;
    assert_eq!(payment["subscription_id"], Value::Null);
    assert_eq!(payment["subscription_ids"].as_array().unwrap().len(), 2);
    assert_eq!(payment["is_multi_subscription"], true);
    let events = stage.events().await;
    assert_eq!(events.iter().filter(|name| *name == "subscription.active").count(), 2);
    assert_eq!(events.iter().filter(|name| *name == "payment.succeeded").count(), 1);
}

#[tokio::test]
async fn on_demand_subscriptions_are_charged_by_the_api_alone() {
    let stage = Stage::new().await;
    let body = json!({
        "product_cart": [{ "product_id": "pdt_max", "quantity": 1 }],
        "subscription_data": { "on_demand": { "mandate_only": false } },
    });
    let id = session(&stage.sandbox, body).await;
    let payment_id = stage.sandbox.pay_session(&id, cards::OK).unwrap().payment_id;
    stage.sandbox.advance(3 * MONTH).unwrap();
    let started = stage.events().await;
    assert_eq!(started.iter().filter(|name| *name == "payment.succeeded").count(), 1);
    let payment = stage.read(&format!("/payments/{payment_id}")).await;
    let id = payment["subscription_id"].as_str().unwrap();
    let charge = json!({ "product_price": 700, "metadata": { "run": 1 } });
    let (status, answer) =
        api(&stage.sandbox, "POST", &format!("/subscriptions/{id}/charge"), Some(charge)).await;
    assert_eq!(status, 200, "{answer}");
    let payment =
        stage.read(&format!("/payments/{}", answer["payment_id"].as_str().unwrap())).await;
    assert_eq!(payment["charge_type"], "on_demand");
    assert_eq!(payment["metadata"], json!({ "run": 1 }));
}
