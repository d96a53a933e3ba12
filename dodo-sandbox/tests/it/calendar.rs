//! Renewals on the calendar: short months and leap years.

use std::time::Duration;

use dodo_sandbox::{Product, RenewalInterval, Sandbox, cards};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use crate::support::{api, session};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::subscription(
            "pdt_quarter",
            "Quarter",
            "USD",
            4900,
            (3, RenewalInterval::Month),
        ))
        .product(Product::subscription("pdt_week", "Week", "USD", 500, (1, RenewalInterval::Week)))
        .product(Product::monthly("pdt_trial", "Trial", "USD", 1900).trial_days(14))
        .start()
        .await
        .unwrap()
}

fn date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Moves the clock to the next day that fits.
fn move_to(sandbox: &Sandbox, fits: impl Fn(Date) -> bool) {
    while !fits(date(sandbox.now())) {
        sandbox.advance(Duration::from_secs(24 * 60 * 60)).unwrap();
    }
}

async fn subscribe(sandbox: &Sandbox, product: &str) -> String {
    let body = json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    let id = session(sandbox, body).await;
    let payment = sandbox.pay_session(&id, cards::OK).unwrap().payment_id;
    let (_, payment) = api(sandbox, "GET", &format!("/payments/{payment}"), None).await;
    payment["subscription_id"].as_str().unwrap().to_owned()
}

async fn read(sandbox: &Sandbox, id: &str) -> Value {
    api(sandbox, "GET", &format!("/subscriptions/{id}"), None).await.1
}

fn moment(subscription: &Value, field: &str) -> Timestamp {
    subscription[field].as_str().unwrap().parse().unwrap()
}

/// Lets so many periods pass and gives the days on which they ended.
async fn days_of(sandbox: &Sandbox, id: &str, periods: usize) -> Vec<Date> {
    let mut days = Vec::new();
    for _ in 0..periods {
        let due = moment(&read(sandbox, id).await, "next_billing_date");
        days.push(date(due));
        let wait = due.duration_since(sandbox.now()).unsigned_abs();
        // Dates are written to the microsecond.
        sandbox.advance(wait + Duration::from_micros(1)).unwrap();
        let renewed = read(sandbox, id).await;
        assert_eq!(moment(&renewed, "previous_billing_date"), due, "it renewed on its day");
    }
    days
}

#[tokio::test]
async fn what_begins_on_the_31st_comes_back_to_it() {
    let sandbox = sandbox().await;
    move_to(&sandbox, |day| day.month() == 1 && day.day() == 31);
    let (monthly, quarterly) =
        (subscribe(&sandbox, "pdt_pro").await, subscribe(&sandbox, "pdt_quarter").await);
    let days = days_of(&sandbox, &monthly, 26).await;
    assert_eq!(days[0].month(), 2);
    for day in &days {
        assert_eq!(day.day(), day.days_in_month(), "{day} is the last day: {days:?}");
    }
    let quarter = read(&sandbox, &quarterly).await;
    let day = date(moment(&quarter, "next_billing_date"));
    assert_eq!(day.day(), day.days_in_month(), "{day}");

    // One charge for each, and none besides.
    let (_, payments) =
        api(&sandbox, "GET", &format!("/payments?subscription_id={monthly}&page_size=100"), None)
            .await;
    assert_eq!(payments["items"].as_array().unwrap().len(), 27);
}

#[tokio::test]
async fn what_begins_on_the_30th_stays_there() {
    let sandbox = sandbox().await;
    move_to(&sandbox, |day| day.month() == 11 && day.day() == 30);
    let id = subscribe(&sandbox, "pdt_pro").await;
    for day in days_of(&sandbox, &id, 14).await {
        assert_eq!(day.day(), day.days_in_month().min(30), "{day}");
    }
}

#[tokio::test]
async fn changed_billing_date_starts_new_rhythm() {
    let sandbox = sandbox().await;
    move_to(&sandbox, |day| day.month() == 1 && day.day() == 31);
    let id = subscribe(&sandbox, "pdt_pro").await;
    // Set to a 28th of February it stays on the 28th; nothing of the 31st is left.
    let due = moment(&read(&sandbox, &id).await, "next_billing_date");
    let february = due.to_zoned(TimeZone::UTC).with().day(28).build().unwrap().timestamp();
    let patch = json!({ "next_billing_date": february.to_string() });
    let (status, _) = api(&sandbox, "PATCH", &format!("/subscriptions/{id}"), Some(patch)).await;
    assert_eq!(status, 200);
    for day in days_of(&sandbox, &id, 6).await {
        assert_eq!(day.day(), 28);
    }
    // Renewed before its time, the period begins now.
    sandbox.advance(Duration::from_secs(5 * 24 * 60 * 60)).unwrap();
    let today = date(sandbox.now()).day();
    sandbox.renew_subscription(&id).unwrap();
    for day in days_of(&sandbox, &id, 3).await {
        assert_eq!(day.day(), today.min(day.days_in_month()));
    }
}

#[tokio::test]
async fn first_whole_period_sets_day_of_month() {
    let sandbox = sandbox().await;
    move_to(&sandbox, |day| day.month() == 1 && day.day() == 17);
    let id = subscribe(&sandbox, "pdt_trial").await; // the trial ends on the 31st
    let days = days_of(&sandbox, &id, 5).await;
    let ends: Vec<i8> = days.iter().map(|day| day.day()).collect();
    assert_eq!((ends[0], ends[2], ends[3], ends[4]), (31, 31, 30, 31), "{days:?}");

    let id = subscribe(&sandbox, "pdt_week").await;
    let days = days_of(&sandbox, &id, 6).await;
    for pair in days.windows(2) {
        assert_eq!((pair[1] - pair[0]).get_days(), 7);
    }
}
