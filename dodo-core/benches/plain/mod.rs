//! What one would write with `serde` in an hour: the same fields, text for everything, nothing
//! forgiven.
#![expect(dead_code, reason = "the fields are read, that is the point")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    kind: String,
    business_id: String,
    timestamp: String,
    data: Payment,
}

#[derive(Deserialize)]
struct Payment {
    payment_id: String,
    total_amount: i64,
    currency: String,
    tax: Option<i64>,
    status: Option<String>,
    customer: Customer,
    billing: Billing,
    metadata: BTreeMap<String, Value>,
    business_id: Option<String>,
    brand_id: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    charge_type: Option<String>,
    subscription_id: Option<String>,
    subscription_ids: Vec<String>,
    is_multi_subscription: bool,
    is_update_payment_method: bool,
    retry_attempt: Option<i64>,
    #[serde(default)]
    service_periods: Vec<Period>,
    #[serde(default)]
    includes_usage: bool,
    product_cart: Option<Vec<Item>>,
    checkout_session_id: Option<String>,
    payment_link: Option<String>,
    payment_method: Option<String>,
    payment_method_id: Option<String>,
    payment_method_type: Option<String>,
    payment_provider: Option<String>,
    settlement_amount: Option<i64>,
    settlement_currency: Option<String>,
    settlement_tax: Option<i64>,
    refund_status: Option<String>,
    refunds: Vec<Refund>,
    disputes: Vec<Dispute>,
    discounts: Option<Vec<Discount>>,
    discount_id: Option<String>,
    invoice_id: Option<String>,
    invoice_url: Option<String>,
    custom_field_responses: Option<Vec<Answer>>,
    digital_products_delivered: bool,
    error_code: Option<String>,
    error_message: Option<String>,
    card_holder_name: Option<String>,
    card_issuing_country: Option<String>,
    card_last_four: Option<String>,
    card_network: Option<String>,
    card_type: Option<String>,
    card_exp_month: Option<String>,
    card_exp_year: Option<String>,
    three_ds_flow: Option<String>,
    three_ds_status: Option<String>,
    three_ds_version: Option<String>,
    payload_type: Option<String>,
}

#[derive(Deserialize)]
struct Customer {
    customer_id: String,
    email: String,
    name: Option<String>,
    phone_number: Option<String>,
    metadata: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Billing {
    country: Option<String>,
    city: Option<String>,
    state: Option<String>,
    street: Option<String>,
    zipcode: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    product_id: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Answer {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Period {
    subscription_id: String,
    starts_at: String,
    ends_at: String,
    proration_factor: String,
}

#[derive(Deserialize)]
struct Refund {
    refund_id: String,
    payment_id: String,
    amount: Option<i64>,
    currency: Option<String>,
    is_partial: bool,
    reason: Option<String>,
    status: String,
    created_at: String,
}

#[derive(Deserialize)]
struct Dispute {
    dispute_id: String,
    amount: String,
    currency: String,
    dispute_status: String,
    dispute_stage: String,
}

#[derive(Deserialize)]
struct Discount {
    discount_id: String,
    code: String,
    amount: i64,
    #[serde(rename = "type")]
    kind: String,
}
