//! What one event shows, without history.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use dodo_core::{
    EventKind,
    attribution::{
        AttributionRecord, AttributionStep, ClassificationBasis, DisputePolicy, MetadataMapping,
        NonRevenueReason, RecordKind,
    },
    capture::Campaign,
    event::Payment,
    internals::records_for_event,
    money::Currency,
    testing::EventBuilder,
};
use serde_json::json;

fn records(event: &EventBuilder) -> Vec<AttributionRecord> {
    records_for_event(&event.to_verified(), &MetadataMapping::default()).unwrap()
}

fn only(event: &EventBuilder) -> AttributionRecord {
    let mut records = records(event);
    records.truncate(1);
    records.pop().unwrap_or_else(|| panic!("no record"))
}

fn payment() -> EventBuilder {
    EventBuilder::new(EventKind::PaymentSucceeded)
}

fn event(kind: &str) -> EventBuilder {
    EventBuilder::new(kind.into())
}

fn money(record: &AttributionRecord) -> Option<(i64, Option<i64>, i64, &str)> {
    record.money.as_ref().map(|m| (m.gross, m.tax, m.net, m.currency.as_str()))
}

#[test]
fn charge_has_money_and_visitor() {
    let event = payment().set_json(
        "metadata",
        json!({"visitor":"v1","linkId":"","source":"x","utm_source":"y","datafast_visitor_id":"d1","user_id":7}),
    );
    let record = only(&event);
    assert_eq!(record.id(), "charge:pay_test");
    assert_eq!((&record.kind, record.basis), (&RecordKind::OneTime, ClassificationBasis::Event));
    assert_eq!(money(&record), Some((2000, Some(300), 1700, "USD")));
    assert_eq!(record.money.unwrap().net_major(), "17.00");
    let visitor = record.visitor.unwrap();
    assert_eq!(
        (&*visitor.value, visitor.step, &*visitor.from),
        ("v1", AttributionStep::EventMetadata, "pay_test")
    );
    let mut campaign = Campaign::default();
    campaign.source = Some("x".to_owned());
    assert_eq!(record.campaign.unwrap().value, campaign, "one link, never a mix of two");
    assert_eq!(record.tool_ids["datafast_visitor_id"], "d1");
    assert_eq!(record.user_id.as_deref(), Some("7"));
    assert_eq!(record.customer_id.as_deref(), Some("cus_test"));
    assert!(record.email_sha256.is_some());
    assert!(!format!("{record:?}", record = only(&event)).contains("customer@example.com"));
}

#[test]
fn tax_outside_of_its_amount_is_left_out() {
    for (tax, settlement_tax, paid, settled) in [
        (json!(300), json!(300), (Some(300), 1700), (Some(300), 1700)),
        (json!(0), json!(0), (Some(0), 2000), (Some(0), 2000)),
        (json!(2000), json!(2000), (Some(2000), 0), (Some(2000), 0)),
        (json!(null), json!(null), (None, 2000), (None, 2000)),
        (json!(2001), json!(2001), (None, 2000), (None, 2000)),
        (json!(-1), json!(-1), (None, 2000), (None, 2000)),
        (json!("5000"), json!(300), (None, 2000), (Some(300), 1700)),
        (json!(300), json!(5000), (Some(300), 1700), (None, 2000)),
    ] {
        let event =
            payment().set_json("tax", tax.clone()).set_json("settlement_tax", settlement_tax);
        let record = only(&event);
        let shown = [record.money, record.settlement].map(|money| {
            let money = money.unwrap();
            (money.tax, money.net)
        });
        assert_eq!(shown, [paid, settled], "{tax}");
    }
}

#[test]
fn what_a_charge_is() {
    let sub = json!("sub_1");
    for (fields, kind, basis) in [
        (json!({}), RecordKind::OneTime, ClassificationBasis::Event),
        (
            json!({"subscription_id": sub}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::Assumed,
        ),
        (
            json!({"subscription_ids": [sub]}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::Assumed,
        ),
        (
            json!({"subscription_id": sub, "charge_type": "new"}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::ChargeType,
        ),
        (
            json!({"subscription_id": sub, "charge_type": "renewal"}),
            RecordKind::SubscriptionRenewal,
            ClassificationBasis::ChargeType,
        ),
        (
            json!({"subscription_id": sub, "charge_type": "plan_change"}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::Assumed,
        ),
        (
            json!({"subscription_id": sub, "charge_type": "on_demand", "retry_attempt": 1}),
            RecordKind::SubscriptionRenewal,
            ClassificationBasis::RetryAttempt,
        ),
        (
            json!({"subscription_id": sub, "charge_type": "something_new"}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::Assumed,
        ),
        (
            json!({"subscription_id": sub, "retry_attempt": 2}),
            RecordKind::SubscriptionRenewal,
            ClassificationBasis::RetryAttempt,
        ),
        (
            json!({"subscription_ids": [sub, "sub_2"], "is_multi_subscription": true}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::MultiFlag,
        ),
        (
            json!({"is_multi_subscription": true}),
            RecordKind::SubscriptionNew,
            ClassificationBasis::MultiFlag,
        ),
        (
            json!({"subscription_id": sub, "total_amount": 0}),
            RecordKind::NonRevenue { reason: NonRevenueReason::Free },
            ClassificationBasis::Event,
        ),
        (
            json!({"total_amount": 0, "charge_type": "new"}),
            RecordKind::NonRevenue { reason: NonRevenueReason::Free },
            ClassificationBasis::Event,
        ),
        (
            json!({"is_update_payment_method": true}),
            RecordKind::NonRevenue { reason: NonRevenueReason::Setup },
            ClassificationBasis::Event,
        ),
        (
            json!({"is_update_payment_method": true, "charge_type": "renewal", "subscription_id": sub}),
            RecordKind::NonRevenue { reason: NonRevenueReason::Setup },
            ClassificationBasis::Event,
        ),
    ] {
        let event = fields
            .as_object()
            .unwrap()
            .iter()
            .fold(payment(), |event, (key, value)| event.set_json(key, value.clone()));
        let record = only(&event);
        assert_eq!((&record.kind, record.basis), (&kind, basis), "{fields}");
        assert_eq!(
            record.money.is_some(),
            record.kind.is_revenue(),
            "{fields}: money counts as revenue"
        );
        assert_eq!(record.plan_change, fields["charge_type"] == "plan_change", "{fields}");
        assert_eq!(record.on_demand, fields["charge_type"] == "on_demand", "{fields}");
    }
}

#[test]
fn absent_is_not_a_visitor_and_numbers_are_text() {
    for (value, visitor) in [
        (json!("v1"), Some("v1")),
        (json!(12345), Some("12345")),
        (json!(true), Some("true")),
        (json!(""), None),
        (json!("  "), None),
        (json!("undefined"), None),
        (json!("null"), None),
        (json!(null), None),
        (json!({"a": 1}), None),
    ] {
        let record = only(&payment().set_json("metadata", json!({"visitor": value})));
        assert_eq!(record.visitor.map(|v| v.value).as_deref(), visitor, "{value}");
    }
}

#[test]
fn metadata_of_customer_is_later_step() {
    let customer = json!({"customer_id":"cus_1","metadata":{"visitor":"old","utm_source":"ads"}});
    let record = only(
        &payment()
            .set_json("customer", customer.clone())
            .set_json("metadata", json!({"visitor":"new"})),
    );
    let (visitor, campaign) = (record.visitor.unwrap(), record.campaign.unwrap());
    assert_eq!((&*visitor.value, visitor.step), ("new", AttributionStep::EventMetadata));
    assert_eq!((campaign.step, &*campaign.from), (AttributionStep::CustomerRecord, "cus_1"));
    assert!(
        AttributionStep::EventMetadata < AttributionStep::PaymentRecord
            && AttributionStep::PaymentRecord < AttributionStep::CustomerRecord
    );
    let record = only(&payment().set_json("customer", customer));
    assert_eq!(record.visitor.unwrap().step, AttributionStep::CustomerRecord);
}

#[test]
fn exponents_follow_the_currency_unless_overridden() {
    for (currency, exponent, text) in
        [("JPY", 0, "500"), ("KWD", 3, "0.500"), ("MGA", 0, "500"), ("EUR", 2, "5.00")]
    {
        let edit = |p: &mut Payment| {
            p.total_amount = 500;
            p.tax = None;
            p.currency = currency.parse().unwrap();
        };
        let event = payment().modify(edit).unwrap();
        let money = only(&event).money.unwrap();
        assert_eq!((money.exponent, &*money.gross_major()), (exponent, text));
    }
    let options = MetadataMapping::default().exponent("MGA".parse().unwrap(), 2);
    let event = payment().set_json("currency", "MGA");
    let record = &records_for_event(&event.to_verified(), &options).unwrap()[0];
    assert_eq!(record.money.unwrap().gross_major(), "20.00");
}

#[test]
fn refunds_are_negative_and_never_a_guess() {
    let full = only(
        &event("refund.succeeded")
            .set_json("is_partial", true)
            .set_json("metadata", json!({"visitor":"v2"})),
    );
    assert_eq!(full.id, "refund:ref_test");
    assert_eq!(full.kind, RecordKind::Refund { partial: true });
    assert_eq!(money(&full), Some((-2000, None, -2000, "USD")));
    assert!(full.flags.net_is_gross);
    assert_eq!(
        (full.payment_id.as_str(), full.visitor.unwrap().value.as_str()),
        ("pay_test", "v2")
    );
    for unknown in ["amount", "currency"] {
        let record = only(&event("refund.succeeded").set_json(unknown, json!(null)));
        assert!(record.money.is_none() && record.flags.amount_unknown, "{unknown}");
        let stated = (unknown == "currency").then_some(2000);
        assert_eq!(record.stated_amount, stated, "without {unknown}");
    }
    let negative = only(&event("refund.succeeded").set_json("amount", json!(-500)));
    assert_eq!(money(&negative), Some((-500, None, -500, "USD")), "a refund is never income");
    let failed = only(&event("refund.failed"));
    assert_eq!((failed.kind.is_revenue(), failed.money), (false, None));
}

#[test]
fn disputes_follow_the_policy() {
    let on_open = MetadataMapping::default().disputes(DisputePolicy::OnOpen);
    for (kind, by_loss, by_open) in [
        ("opened", None, Some("loss")),
        ("challenged", None, None),
        ("accepted", Some("loss"), Some("loss")),
        ("expired", Some("loss"), Some("loss")),
        ("lost", Some("loss"), Some("loss")),
        ("won", Some("reversal"), Some("reversal")),
        ("cancelled", Some("reversal"), Some("reversal")),
    ] {
        let event = event(&format!("dispute.{kind}"));
        for (options, expected) in [(&MetadataMapping::default(), by_loss), (&on_open, by_open)] {
            let records = records_for_event(&event.to_verified(), options).unwrap();
            let ids: Vec<&str> = records.iter().map(AttributionRecord::id).collect();
            let expected: Vec<String> =
                expected.iter().map(|end| format!("dispute:dp_test:{end}")).collect();
            assert_eq!(ids, expected, "{kind}");
            for record in &records {
                assert_eq!(record.kind.is_revenue(), record.id.ends_with(":loss"), "{kind}");
                assert_eq!(record.money.is_some(), record.kind.is_revenue(), "{kind}");
            }
        }
    }
    for (amount, gross) in [
        (json!("400"), Some(-400)),
        (json!(400), Some(-400)),
        (json!("4.00"), Some(-400)),
        (json!("-4.00"), Some(-400)),
        (json!("x"), None),
    ] {
        let record = only(&event("dispute.lost").set_json("amount", amount.clone()));
        assert_eq!(record.money.map(|m| m.gross), gross, "{amount}");
        assert_eq!(record.flags.amount_unknown, gross.is_none(), "{amount}");
    }
}

#[test]
fn lifecycle_records_carry_no_money() {
    let all = records(&payment());
    assert_eq!(
        all.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
        ["charge:pay_test", "identify:pay_test"]
    );
    let identify = &all[1];
    assert_eq!(
        (&identify.kind, identify.money, identify.settlement),
        (&RecordKind::Identify, None, None)
    );
    assert_eq!(identify.contact.as_ref().unwrap().email.as_deref(), Some("customer@example.com"));
    for (kind, id, expected) in [
        ("subscription.active", "subscription:sub_test:started", RecordKind::SubscriptionStarted),
        (
            "subscription.cancelled",
            "subscription:sub_test:cancelled",
            RecordKind::SubscriptionCancelled,
        ),
    ] {
        let record = only(&event(kind));
        assert_eq!((record.id.as_str(), &record.kind), (id, &expected));
        assert_eq!((record.money, record.kind.is_revenue()), (None, false));
        assert_eq!(record.subscription.unwrap().recurring_pre_tax_amount, Some(1700));
    }
}

#[test]
fn negative_price_of_a_subscription_is_left_out() {
    for (price, expected) in [(json!(0), Some(0)), (json!(-1700), None), (json!("-1"), None)] {
        let event =
            event("subscription.active").set_json("recurring_pre_tax_amount", price.clone());
        let terms = only(&event).subscription.unwrap();
        assert_eq!(terms.recurring_pre_tax_amount, expected, "{price}");
    }
}

#[test]
fn only_these_kinds_say_something() {
    let silent = EventKind::ALL
        .iter()
        .filter(|kind| records(&EventBuilder::new((*kind).clone())).is_empty());
    assert_eq!(silent.count(), 48 - 10, "payment, 2 refunds, 5 disputes, 2 subscriptions");
    // A renewed subscription is not revenue. Its payment is.
    assert!(records(&event("subscription.renewed")).is_empty());
    assert!(records(&event("a.new_one")).is_empty());
}

#[test]
fn records_survive_being_stored() {
    let subscription =
        payment().set_json("subscription_id", "sub_1").set_json("charge_type", "renewal");
    for event in [
        subscription,
        payment(),
        event("refund.succeeded"),
        event("dispute.lost"),
        event("subscription.active"),
    ] {
        for record in records(&event) {
            assert!(record.id.len() < 100);
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<AttributionRecord>(&text).unwrap(), record);
        }
    }
    let oldest = r#"{"id":"charge:x","webhook_id":"m","event_type":"payment.succeeded","occurred_at":"2026-01-01T00:00:00Z",
        "received_at":"2026-01-01T00:00:00Z","live":true,"business_id":"b","kind":{"type":"one_time"},"a_field_of_tomorrow":1}"#;
    let record: AttributionRecord = serde_json::from_str(oldest).unwrap();
    assert_eq!((record.money, record.flags.clamped), (None, false));
    assert_eq!(Currency::default().as_str(), "XXX");
}
