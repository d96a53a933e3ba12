//! The life of subscriptions in the example shop, in a browser, with the sandbox's clock moved: state,
//! reason and pages at each step.

use dodo_tests::shop::{CARD_DECLINED, CARD_OK, Visit};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const CLUB: &str = "pdt_print_club";
const STUDIO: &str = "pdt_print_studio";

/// What the account page and the members' page show.
struct Shown {
    state: &'static str,
    reason: &'static str,
    /// A part of the sentence.
    sentence: &'static str,
    /// Whether the members' page is open.
    open: bool,
}

const fn shown(
    state: &'static str,
    reason: &'static str,
    sentence: &'static str,
    open: bool,
) -> Shown {
    Shown { state, reason, sentence, open }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trial_decline_recovery_and_plan_changes() {
    let Some(visit) = Visit::start("shop_billing_trial", "axum-shop").await else { return };
    visit.sign_in("Ada").await;
    visit.subscribe(STUDIO).await;
    visit.shows("trial", shown("trialing", "trial", "Trial until", true)).await;
    visit.end_period().await;
    visit.shows("paid", shown("active", "paid", "Paid until", true)).await;

    // Decline and recovery, first inside the grace period, then after it.
    for (later, failed) in [
        (0, shown("grace", "payment_failed", "A charge failed", true)),
        (4 * DAY, shown("ended", "payment_failed", "A charge failed", false)),
    ] {
        visit.decline_next().await;
        visit.end_period().await;
        visit.advance(later).await;
        visit.shows(failed.state, failed).await;
        visit.press("payment-method").await;
        visit.arrive(&visit.sandbox).await;
        visit.pay_with(CARD_OK).await;
        visit.arrive(&visit.shop).await;
        visit.shows("recovered", shown("active", "paid", "Paid until", true)).await;
    }

    // A downgrade begins with the next period, and can be dropped.
    visit.change_to(CLUB, "$0.00", "with the next period").await;
    visit.scheduled(&["It changes to Print club."]).await;
    visit.press("change/drop").await;
    visit.scheduled(&[]).await;
    visit.change_to(CLUB, "$0.00", "with the next period").await;
    visit.end_period().await;
    visit.has_product("Print club").await;
    visit.shows("downgraded", shown("active", "paid", "Paid until", true)).await;
    // An upgrade is due now, and the rest of the period is set off.
    let due = visit.change_to(STUDIO, "$", "now").await;
    assert_ne!(due, "$0.00");
    visit.has_product("Print studio").await;
    visit.shows("upgraded", shown("active", "paid", "Paid until", true)).await;
    visit.ends_without_complaint().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_and_both_styles_of_cancellation() {
    let Some(visit) = Visit::start("shop_billing_cancel", "axum-shop").await else { return };
    visit.sign_in("Ada").await;
    let id = visit.subscribe(CLUB).await;
    visit.shows("paid", shown("active", "paid", "Paid until", true)).await;

    visit.in_the_dashboard("pause", &id).await;
    visit.shows("paused", shown("paused", "paused", "Paused", false)).await;
    visit.press("resume").await;
    visit.shows("resumed", shown("active", "paid", "Paid until", true)).await;

    // At the end of the period: the subscription is updated at the click, and canceled at the end.
    let at_end = shown("cancelled", "cancel_scheduled", "Paid until", true);
    visit.press("cancel").await;
    visit.shows("cancel-scheduled", at_end).await;
    visit.press("resume").await;
    visit.shows("resumed-again", shown("active", "paid", "Paid until", true)).await;
    visit.press("cancel").await;
    visit.end_period().await;
    visit.shows("over", shown("ended", "cancelled", "Canceled", false)).await;

    // The other style: canceled at the click, expired at the end.
    visit.sign_in("Grace").await;
    let behavior = json!({ "period_end_cancellation": "expired_at_end" });
    visit.control(Method::PUT, "/behavior", behavior).await;
    visit.subscribe(CLUB).await;
    visit.press("cancel").await;
    visit.shows("cancelled", shown("cancelled", "cancelled_paid", "Paid until", true)).await;
    visit.end_period().await;
    visit.shows("expired", shown("ended", "expired", "The term is over", false)).await;

    // Now: the paid time remains, whichever style the account has.
    for (name, style) in [("Linus", "expired_at_end"), ("Barbara", "cancelled_at_end")] {
        visit.sign_in(name).await;
        let behavior = json!({ "period_end_cancellation": style });
        visit.control(Method::PUT, "/behavior", behavior).await;
        visit.subscribe(CLUB).await;
        visit.press_now().await;
        visit
            .shows("cancelled-now", shown("cancelled", "cancelled_paid", "Paid until", true))
            .await;
        visit.end_period().await;
        visit.shows("over-now", shown("ended", "cancelled", "Canceled", false)).await;
    }
    visit.ends_without_complaint().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refund_lost_dispute_and_failed_first_charge() {
    let Some(visit) = Visit::start("shop_billing_money_back", "axum-shop").await else { return };
    visit.sign_in("Ada").await;
    visit.subscribe(CLUB).await;
    let payment = visit.newest_payment().await;
    visit.in_the_dashboard("refund", &payment).await;
    visit.shows("refunded", shown("ended", "refunded", "refunded", false)).await;
    visit.browser.wait_for_texts("[data-payment] .pill", |pills| pills == ["Refunded"]).await;

    visit.sign_in("Grace").await;
    visit.subscribe(CLUB).await;
    let payment = visit.newest_payment().await;
    let path = format!("/payments/{payment}/dispute");
    let dispute = visit.control(Method::POST, &path, json!({})).await;
    visit.shows("disputed", shown("active", "paid", "Paid until", true)).await;
    let path = format!("/disputes/{}/resolve", dispute["dispute_id"].as_str().expect("an id"));
    visit.control(Method::POST, &path, json!({ "outcome": "lost" })).await;
    visit.shows("lost", shown("ended", "disputed", "dispute", false)).await;

    // A subscription that never began did not end.
    visit.sign_in("Linus").await;
    visit.begin(CLUB).await;
    visit.pay_with(CARD_DECLINED).await;
    let declined = |alerts: &[String]| alerts.concat().contains("declined");
    visit.browser.wait_for_texts("[role=alert]", declined).await;
    visit.settled().await;
    visit.open("/account").await;
    let pills = visit.browser.texts("[data-subscription] .pill").await;
    assert!(pills.is_empty() || pills == ["Not started"], "{pills:?}");
    visit.open("/").await;
    assert_eq!(visit.browser.texts(&format!("[data-buy='{CLUB}']")).await, ["Subscribe"]);
    visit.ends_without_complaint().await;
}

/// The steps of the tests.
trait Life {
    async fn subscribe(&self, product: &str) -> String;
    async fn advance(&self, seconds: i64);
    async fn end_period(&self);
    async fn decline_next(&self);
    async fn press(&self, route: &str);
    async fn press_now(&self);
    async fn change_to(&self, product: &str, due: &str, when: &str) -> String;
    async fn scheduled(&self, change: &[&str]);
    async fn has_product(&self, name: &str);
    async fn newest_payment(&self) -> String;
    async fn shows(&self, picture: &str, wanted: Shown);
    async fn ends_without_complaint(&self);
}

impl Life for Visit {
    /// Buys a subscription. Gives its id.
    async fn subscribe(&self, product: &str) -> String {
        self.begin(product).await;
        self.pay_with(CARD_OK).await;
        self.arrive(&self.shop).await;
        self.browser.wait_for_texts("h1", |h1| h1 == ["Welcome aboard"]).await;
        self.open("/account").await;
        let id = "return document.querySelector('[data-subscription]')?.dataset.subscription";
        let found = async || self.browser.script(id).await.as_str().map(str::to_owned);
        self.browser.wait("a subscription", found).await
    }

    async fn advance(&self, seconds: i64) {
        self.control(Method::POST, "/clock", json!({ "seconds": seconds })).await;
    }

    /// Moves the clock to an hour after the end of the period: months have no fixed length.
    async fn end_period(&self) {
        self.open("/account").await;
        let state = "return fetch('/billing').then(answer => answer.json())";
        let state = self.browser.script(state).await;
        let end = state["subscriptions"][0]["period_end"].as_str().expect("a period");
        let now = self.control(Method::GET, "/clock", json!(null)).await;
        let [end, now] = [end, now["now"].as_str().expect("a time")];
        let left =
            end.parse::<Timestamp>().expect("a time").duration_since(now.parse().expect("a time"));
        self.advance(left.as_secs() + HOUR).await;
    }

    async fn decline_next(&self) {
        let charge = json!({ "code": "INSUFFICIENT_FUNDS", "times": 1 });
        self.control(Method::POST, "/decline", charge).await;
    }

    /// Presses the first button for a route of billing.
    async fn press(&self, route: &str) {
        self.open("/account").await;
        self.browser.click(&format!("form[action='/billing/{route}'] button")).await;
    }

    async fn press_now(&self) {
        self.open("/account").await;
        self.browser.click("form[action='/billing/cancel']:has([value=now]) button").await;
    }

    /// Changes the plan at the price that the page shows. Gives the price.
    async fn change_to(&self, product: &str, due: &str, when: &str) -> String {
        self.open("/account").await;
        self.browser.click(&format!("a[href^='/change?product={product}&']")).await;
        let price = self.browser.wait_for_texts("#due", |due| !due.is_empty()).await.concat();
        assert!(price.starts_with(due), "{price}");
        let text = self.browser.texts("#when").await.concat();
        assert!(text.contains(when), "{text}");
        self.browser.click("form[action='/billing/change'] button").await;
        self.browser.wait_for_texts("h2", |h2| h2.contains(&"Subscriptions".to_owned())).await;
        price.split(' ').next().unwrap_or_default().to_owned()
    }

    async fn scheduled(&self, change: &[&str]) {
        self.browser.wait_for_texts(".scheduled", |shown| shown == change).await;
    }

    async fn has_product(&self, name: &str) {
        self.open("/account").await;
        let is_it = |names: &[String]| names == [name];
        self.browser.wait_for_texts("[data-subscription] strong", is_it).await;
    }

    async fn newest_payment(&self) -> String {
        self.open("/account").await;
        let id = "return document.querySelector('[data-payment]')?.dataset.payment";
        let found = async || self.browser.script(id).await.as_str().map(str::to_owned);
        self.browser.wait("a payment", found).await
    }

    /// Waits for the account page, and looks at the members' page and the shop.
    async fn shows(&self, picture: &str, wanted: Shown) {
        let Shown { state, reason, sentence, open } = wanted;
        self.open("/account").await;
        let row = "const row = document.querySelector('[data-subscription]');\
                   return row && [row.dataset.state, row.dataset.reason]";
        let is_it =
            async || (self.browser.script(row).await == json!([state, reason])).then_some(());
        self.browser.wait(&format!("{state} {reason}"), is_it).await;
        let text = self.browser.texts("[data-subscription] .reason").await.concat();
        assert!(text.contains(sentence), "{state} {reason}: {text}");
        self.picture(picture).await;
        self.open("/members").await;
        let page = if open { "/members" } else { "/account" };
        assert!(self.browser.url().await.ends_with(page), "{state} {reason}");
        if open {
            assert_eq!(self.browser.texts(".reason").await, [text]);
        }
        self.open("/account").await;
    }

    async fn ends_without_complaint(&self) {
        let complaints = self.browser.console().await;
        assert!(complaints.is_empty(), "the pages complain: {complaints:#?}");
    }
}
