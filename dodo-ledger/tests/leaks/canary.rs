//! Secrets and personal data that no output may have.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// In every secret and in all personal data.
const CANARY: &str = "canary";

pub(crate) const WRITE_KEY: &str = "canary-write-key";
pub(crate) const API_KEY: &str = "canary-api-key";
pub(crate) const PASSWORD: &str = "canary-password";
/// Of DataFast, Dub, PostHog and Google Analytics.
pub(crate) const TOOL_KEY: &str = "canary-tool-key";
/// In the forwarder's URL.
pub(crate) const TOKEN: &str = "canary-token";
pub(crate) const EMAIL: &str = "canary@example.com";
pub(crate) const VISITOR: &str = "canary-visitor";

/// A secret of Standard Webhooks.
pub(crate) fn secret(of: &str) -> String {
    format!("whsec_{}", STANDARD.encode(format!("canary-{of}-0123456789-0123456789")))
}

/// What a leak looks like: plain, in base64, or as Segment's credentials.
fn traces() -> Vec<String> {
    let mut traces = vec![CANARY.to_owned(), STANDARD.encode(format!("{WRITE_KEY}:"))];
    traces.extend(["webhook", "forwarder"].map(|of| secret(of).replace("whsec_", "")));
    traces
}

/// Fails if a secret or personal data is in one of these texts.
#[track_caller]
pub(crate) fn assert_none(place: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) {
    let traces = traces();
    let leaks: Vec<String> = texts
        .into_iter()
        .filter(|text| traces.iter().any(|trace| text.as_ref().contains(trace)))
        .map(|text| text.as_ref().chars().take(600).collect())
        .collect();
    assert!(
        leaks.is_empty(),
        "{place}: {} leaks, such as\n{}",
        leaks.len(),
        leaks.iter().take(8).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// An object of Dodo's about a payment, full of people.
pub(crate) fn payment(id: &str) -> Value {
    json!({
        "payload_type": "Payment", "payment_id": id, "business_id": "bus_1", "status": "succeeded",
        "created_at": "2026-11-20T10:00:00Z", "total_amount": 2000, "tax": 300, "currency": "USD",
        "customer": {
            "customer_id": "cus_1", "email": EMAIL, "name": "canary name",
            "phone_number": "canary phone", "metadata": { "note": "canary note" },
        },
        "billing": { "city": "canary city", "country": "US", "street": "canary street" },
        "metadata": {
            "visitor": VISITOR, "note": "canary note",
            "datafast_visitor_id": "canary-datafast", "dub_click_id": "canary-click",
            "dub_external_id": "canary-external", "posthog_person_distinct_id": "canary-posthog",
            "ga_client_id": "canary.1",
            "linkId": "canary-link", "campaignId": "canary-campaign", "source": "canary-source",
        },
        "checkout_session_id": format!("cks_{id}"),
        "error_message": "canary message", "card_last_four": "canary card",
        "payment_link": "https://checkout.example/canary",
    })
}

/// The body of an event.
pub(crate) fn event(kind: &str, data: Value) -> Vec<u8> {
    let event = json!({
        "type": kind, "business_id": "bus_1", "timestamp": "2026-11-20T10:00:00Z", "data": data,
    });
    event.to_string().into_bytes()
}
