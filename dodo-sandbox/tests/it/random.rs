//! After random actions in a random order, the books are right.

use std::time::Duration;

use dodo_sandbox::{Behavior, Product, Sandbox, cards};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{api, session};

/// One action. Its numbers choose among the existing objects.
#[derive(Clone, Debug)]
enum Step {
    Buy { product: usize, card: usize, quantity: u8 },
    Refund { payment: usize, amount: Option<i64> },
    Dispute(usize),
    Renew(usize),
    Cancel(usize),
    Pause(usize, bool),
    Decline(u8),
    Advance(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, 0..4_usize, 1..5_u8)
            .prop_map(|(product, card, quantity)| Step::Buy { product, card, quantity }),
        3 => (any::<usize>(), prop::option::of(-10..5000_i64))
            .prop_map(|(payment, amount)| Step::Refund { payment, amount }),
        1 => any::<usize>().prop_map(Step::Dispute),
        2 => any::<usize>().prop_map(Step::Renew),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(id, on)| Step::Pause(id, on)),
        1 => (0..3_u8).prop_map(Step::Decline),
        2 => (0..60_u32).prop_map(Step::Advance),
    ]
}

async fn ids(sandbox: &Sandbox, list: &str, key: &str) -> Vec<String> {
    let (_, page) = api(sandbox, "GET", &format!("/{list}?page_size=100"), None).await;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

async fn take(sandbox: &Sandbox, step: Step) {
    let pick = async |list: &str, key: &str, which: usize| {
        let ids = ids(sandbox, list, key).await;
        ids.get(which % ids.len().max(1)).cloned().unwrap_or_else(|| "none".to_owned())
    };
    let payment = async |which| pick("payments", "payment_id", which).await;
    let subscription = async |which| pick("subscriptions", "subscription_id", which).await;
    // A refused action changes nothing: only the outcome counts.
    match step {
        Step::Buy { product, card, quantity } => {
            let product = ["pdt_book", "pdt_pro", "pdt_trial"][product];
            let card =
                [cards::OK, cards::DECLINED, cards::RENEWAL_FAILS, cards::PROCESSING_INDIA][card];
            let cart = json!([{ "product_id": product, "quantity": quantity }]);
            let id = session(sandbox, json!({ "product_cart": cart })).await;
            sandbox.pay_session(&id, card).unwrap();
        }
        Step::Refund { payment: which, amount } => {
            let _ = sandbox.refund_payment(&payment(which).await, amount);
        }
        Step::Dispute(which) => {
            let _ = sandbox.open_dispute(&payment(which).await);
        }
        Step::Renew(which) => {
            let _ = sandbox.renew_subscription(&subscription(which).await);
        }
        Step::Cancel(which) => {
            let _ = sandbox.cancel_subscription(&subscription(which).await);
        }
        Step::Pause(which, on) => {
            let status = if on { "paused" } else { "active" };
            let path = format!("/subscriptions/{}", subscription(which).await);
            api(sandbox, "PATCH", &path, Some(json!({ "status": status }))).await;
        }
        Step::Decline(times) => sandbox.decline_next_charges("GENERIC_DECLINE", times.into()),
        Step::Advance(days) => {
            sandbox.advance(Duration::from_secs(u64::from(days) * 24 * 60 * 60)).unwrap();
        }
    }
}

/// What must hold of every payment and subscription.
async fn check(sandbox: &Sandbox) {
    for id in ids(sandbox, "payments", "payment_id").await {
        let (_, payment) = api(sandbox, "GET", &format!("/payments/{id}"), None).await;
        let number = |key: &str| payment[key].as_i64().unwrap();
        let refunded: i64 = payment["refunds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["amount"].as_i64().unwrap())
            .sum();
        assert!((0..=number("total_amount")).contains(&refunded), "{payment}");
        assert!((0..=number("total_amount")).contains(&number("tax")), "{payment}");
        let full = refunded == number("total_amount") && refunded > 0;
        assert_eq!(payment["refund_status"] == "full", full, "{payment}");
        let (_, lines) = api(sandbox, "GET", &format!("/payments/{id}/line-items"), None).await;
        let left = lines["items"].as_array().unwrap();
        let left: i64 = left.iter().map(|line| line["refundable_amount"].as_i64().unwrap()).sum();
        assert_eq!(left, number("total_amount") - refunded, "{payment} {lines}");
        assert_eq!(payment["status"] == "failed", !payment["error_code"].is_null(), "{payment}");
    }
    for id in ids(sandbox, "subscriptions", "subscription_id").await {
        let (_, subscription) = api(sandbox, "GET", &format!("/subscriptions/{id}"), None).await;
        let date =
            |key: &str| subscription[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert!(date("previous_billing_date") < date("next_billing_date"), "{subscription}");
        let ended = subscription["status"] == "cancelled";
        assert_eq!(ended, !subscription["cancelled_at"].is_null(), "{subscription}");
        if subscription["status"] == "active" && subscription["on_demand"] == Value::Bool(false) {
            assert!(
                date("next_billing_date") > sandbox.now(),
                "nothing due is left: {subscription}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn books_stay_right(steps in prop::collection::vec(step(), 1..25), grace in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut behavior = Behavior::default();
            behavior.grace_days = grace.then_some(3);
            behavior.automatic_retries = grace;
            let sandbox = Sandbox::builder()
                .clock_rate(0.0)
                .behavior(behavior)
                .product(Product::one_time("pdt_book", "Book", "USD", 999))
                .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
                .product(Product::monthly("pdt_trial", "Trial", "USD", 1900).trial_days(14))
                .start()
                .await
                .unwrap();
            for step in steps {
                take(&sandbox, step).await;
            }
            check(&sandbox).await;
        });
    }
}
