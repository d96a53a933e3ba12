//! Triggers and simulations.

use std::collections::BTreeSet;

use dodo_sandbox::{Product, Sandbox, Simulation};
use serde_json::json;

use crate::support::Receiver;

/// The event types that Dodo documents.
const TYPES: &str = include_str!("types.txt");

#[tokio::test]
async fn every_event_type_can_be_triggered_and_is_signed() {
    let sandbox = Sandbox::builder().clock_rate(0.0).start().await.unwrap();
    let receiver = Receiver::of(&sandbox).await;
    let key = standardwebhooks::Webhook::new(sandbox.webhook_secret()).unwrap();
    let types: BTreeSet<_> = TYPES.lines().collect();
    assert_eq!(types.len(), 48);
    for name in types {
        let id = sandbox
            .trigger(name, &[("data.metadata", json!({ "by": "a test" }))])
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        sandbox.wait_until_idle().await;
        let arrivals = receiver.arrivals();
        let arrival = arrivals.iter().find(|arrival| arrival.headers["webhook-id"] == id.as_str());
        let arrival = arrival.unwrap_or_else(|| panic!("{name} did not arrive"));
        key.verify(arrival.raw.as_bytes(), &arrival.headers).unwrap();
        assert_eq!(arrival.body["type"], name);
        assert_eq!(arrival.body["data"]["metadata"]["by"], "a test", "{name}");
        receiver.take_names();
    }
    let error = sandbox.trigger("payment.exploded", &[]).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_REQUEST_BODY");
}

fn shop() -> dodo_sandbox::SandboxBuilder {
    Sandbox::builder()
        .clock_rate(0.0)
        .public_url("http://sandbox.test")
        .seed(5)
        .now("2026-11-28T12:00:00Z".parse().unwrap())
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::monthly("pdt_team", "Team", "USD", 4900))
        .product(Product::one_time("pdt_book", "Book", "EUR", 2900))
        .product(Product::monthly("pdt_trial", "Trial", "USD", 1500).trial_days(14))
}

#[tokio::test]
async fn simulation_fills_the_past_the_same_way_each_time() {
    let mut plan = Simulation::default();
    (plan.days, plan.sales) = (120, 60);
    let mut years = Vec::new();
    for _ in 0..2 {
        let sandbox = shop().start().await.unwrap();
        let receiver = Receiver::of(&sandbox).await;
        let year = sandbox.simulate(plan).await.unwrap();
        assert_eq!(sandbox.now(), "2026-11-28T12:00:00Z".parse().unwrap(), "ends at the present");
        let mut bodies: Vec<_> = receiver.arrivals().into_iter().map(|a| a.raw).collect();
        bodies.sort();
        assert_eq!(bodies.len() as u64, year.events, "each event arrives once");
        years.push((year, bodies));
    }
    let (year, bodies) = &years[0];
    assert_eq!(years[0], years[1]);
    for (name, count, least) in [
        ("visitors", year.visitors, 500),
        ("sales", year.sales, 40),
        ("renewals", year.renewals, 30),
        ("failed payments", year.failed_payments, 1),
    ] {
        assert!(count >= least, "{name}: {year:?}");
    }
    assert!(year.visitors_by_source.len() >= 5, "{year:?}");
    assert_eq!(year.visits.len() as u64, year.checkouts, "each checkout has its visit");
    let paid = |session: &str| bodies.iter().any(|body| body.contains(session));
    assert!(year.visits.iter().filter(|visit| paid(&visit.session_id)).count() >= 40);
    let some = year.visits.iter().find(|visit| visit.campaign.is_some()).unwrap();
    assert!(some.visitor.is_some() && some.landing_path.is_some(), "{some:?}");
    for key in ["\"utm_source\":\"google\"", "\"visitor\":\"v_", "\"linkId\":\"lnk_partner\""] {
        assert!(bodies.iter().any(|body| body.contains(key)), "{key}");
    }
}

#[tokio::test]
async fn simulation_of_a_used_account_goes_forward() {
    let sandbox = shop().start().await.unwrap();
    let mut plan = Simulation::default();
    (plan.days, plan.sales) = (5, 5);
    sandbox.simulate(plan).await.unwrap();
    let before = sandbox.now();
    sandbox.simulate(plan).await.unwrap();
    assert_eq!(sandbox.now().duration_since(before).as_hours(), 5 * 24);
    plan.days = 0;
    assert_eq!(sandbox.simulate(plan).await.unwrap_err().code(), "INVALID_REQUEST_BODY");
}
