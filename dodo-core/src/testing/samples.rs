//! A plausible payload of each type.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    EventKind,
    event::{
        AbandonedCheckout, BillingAddress, CartItem, CreditBalanceLow, CreditLedgerEntry, Customer,
        Date, Decimal, Dispute, DunningAttempt, EntitlementGrant, LicenseKey, Payload, PayloadType,
        Payment, Payout, Refund, Subscription,
    },
    money::Currency,
};

pub(super) const BUSINESS: &str = "bus_test";

/// 3 November 2026, 14:22:07 UTC.
pub(super) fn moment() -> Timestamp {
    Timestamp::new(1_793_715_727, 0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The payload of an event of `kind`, as JSON.
pub(super) fn sample(kind: &EventKind) -> Value {
    let Some(payload) = kind.payload_type() else { return json!({}) };
    let (mut data, status) = match payload {
        PayloadType::AbandonedCheckout => (json(&abandoned_checkout()), "status"),
        PayloadType::CreditBalanceLow => (json(&credit_balance_low()), ""),
        PayloadType::CreditLedgerEntry => (json(&credit_ledger_entry()), "transaction_type"),
        PayloadType::Dispute => (json(&dispute()), "dispute_status"),
        PayloadType::DunningAttempt => (json(&dunning_attempt()), "status"),
        PayloadType::EntitlementGrant => (json(&entitlement_grant()), "status"),
        PayloadType::LicenseKey => (json(&license_key()), "status"),
        PayloadType::Payment => (json(&payment()), "status"),
        PayloadType::Payout => (json(&payout()), "status"),
        PayloadType::Refund => (json(&refund()), "status"),
        PayloadType::Subscription => (json(&subscription()), "status"),
    };
    if let Value::Object(fields) = &mut data {
        if let Some(initial) = kind.initial_status() {
            fields.insert(status.to_owned(), initial.into());
        }
        fields.insert("payload_type".to_owned(), payload.as_str().into());
    }
    data
}

fn json<T: Payload>(payload: &T) -> Value {
    super::to_value(payload)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn now() -> Option<Date> {
    Some(moment().into())
}

fn customer() -> Customer {
    Customer {
        customer_id: some("cus_test"),
        email: some("customer@example.com"),
        name: some("Test Customer"),
        ..Customer::default()
    }
}

fn billing() -> BillingAddress {
    BillingAddress {
        country: some("DE"),
        city: some("Berlin"),
        zipcode: some("10178"),
        ..BillingAddress::default()
    }
}

fn payment() -> Payment {
    Payment {
        payment_id: "pay_test".to_owned(),
        total_amount: 2000,
        tax: Some(300),
        currency: Currency::USD,
        customer: customer(),
        billing: billing(),
        business_id: some(BUSINESS),
        created_at: now(),
        payment_method: some("card"),
        product_cart: vec![CartItem { product_id: "pdt_test".to_owned(), quantity: Some(1) }],
        settlement_amount: Some(2000),
        settlement_currency: Some(Currency::USD),
        settlement_tax: Some(300),
        retry_attempt: Some(0),
        ..Payment::default()
    }
}

fn subscription() -> Subscription {
    Subscription {
        subscription_id: "sub_test".to_owned(),
        product_id: some("pdt_test"),
        quantity: Some(1),
        recurring_pre_tax_amount: Some(1700),
        currency: Some(Currency::USD),
        customer: customer(),
        billing: billing(),
        created_at: now(),
        previous_billing_date: now(),
        payment_frequency_count: Some(1),
        payment_frequency_interval: Some("Month".into()),
        subscription_period_count: Some(10),
        subscription_period_interval: Some("Year".into()),
        trial_period_days: Some(0),
        has_payment_method: Some(true),
        ..Subscription::default()
    }
}

fn refund() -> Refund {
    Refund {
        refund_id: "ref_test".to_owned(),
        payment_id: some("pay_test"),
        amount: Some(2000),
        currency: Some(Currency::USD),
        customer: customer(),
        business_id: some(BUSINESS),
        created_at: now(),
        ..Refund::default()
    }
}

fn dispute() -> Dispute {
    Dispute {
        dispute_id: "dp_test".to_owned(),
        payment_id: some("pay_test"),
        amount: Some(Decimal::from(2000)),
        currency: Some(Currency::USD),
        dispute_stage: Some("dispute".into()),
        customer: customer(),
        business_id: some(BUSINESS),
        created_at: now(),
        ..Dispute::default()
    }
}

fn license_key() -> LicenseKey {
    LicenseKey {
        id: "lic_test".to_owned(),
        key: some("TEST-KEY"),
        product_id: some("pdt_test"),
        customer_id: some("cus_test"),
        payment_id: some("pay_test"),
        business_id: some(BUSINESS),
        instances_count: Some(0),
        created_at: now(),
        ..LicenseKey::default()
    }
}

fn payout() -> Payout {
    Payout {
        payout_id: "pyt_test".to_owned(),
        amount: Some(100_000),
        currency: Some(Currency::USD),
        fee: Some(500),
        business_id: some(BUSINESS),
        created_at: now(),
        ..Payout::default()
    }
}

fn credit_ledger_entry() -> CreditLedgerEntry {
    CreditLedgerEntry {
        id: "cle_test".to_owned(),
        amount: Some(Decimal::from(100)),
        balance_before: Some(Decimal::from(0)),
        balance_after: Some(Decimal::from(100)),
        is_credit: true,
        credit_entitlement_id: some("cde_test"),
        customer_id: some("cus_test"),
        business_id: some(BUSINESS),
        created_at: now(),
        ..CreditLedgerEntry::default()
    }
}

fn credit_balance_low() -> CreditBalanceLow {
    CreditBalanceLow {
        customer_id: "cus_test".to_owned(),
        subscription_id: some("sub_test"),
        credit_entitlement_id: some("cde_test"),
        credit_entitlement_name: some("Credits"),
        available_balance: Some(Decimal::from(10)),
        threshold_amount: Some(Decimal::from(20)),
        threshold_percent: Some(20),
        ..CreditBalanceLow::default()
    }
}

fn abandoned_checkout() -> AbandonedCheckout {
    AbandonedCheckout {
        payment_id: "pay_test".to_owned(),
        customer_id: some("cus_test"),
        abandonment_reason: Some("checkout_incomplete".into()),
        abandoned_at: now(),
        ..AbandonedCheckout::default()
    }
}

fn dunning_attempt() -> DunningAttempt {
    DunningAttempt {
        subscription_id: "sub_test".to_owned(),
        customer_id: some("cus_test"),
        trigger_state: Some("past_due".into()),
        created_at: now(),
        ..DunningAttempt::default()
    }
}

fn entitlement_grant() -> EntitlementGrant {
    EntitlementGrant {
        id: "entg_test".to_owned(),
        entitlement_id: some("ent_test"),
        integration_type: Some("feature_flag".into()),
        customer_id: some("cus_test"),
        payment_id: some("pay_test"),
        business_id: some(BUSINESS),
        created_at: now(),
        ..EntitlementGrant::default()
    }
}
