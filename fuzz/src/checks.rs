//! What must hold for every input. Run by the fuzz targets, and by an ordinary test over the seeds.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey,
    attribution::MetadataMapping,
    event::{
        AbandonedCheckout, CreditBalanceLow, CreditLedgerEntry, Dispute, DunningAttempt,
        EntitlementGrant, LicenseKey, Payload, Payment, Payout, Refund, Subscription, Timestamp,
    },
    internals::records_for_event,
    webhook::VerifiedEvent,
};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: u64 = 1_795_000_000;

/// Any value of `webhook-signature` over a fixed message.
pub(crate) fn signature_header(data: &[u8]) {
    agree(b"msg_1", NOW.to_string().as_bytes(), data, b"{}");
}

/// A whole delivery: id, timestamp and signature on a line each, then the body. The signature `!` is
/// replaced by the right one, so that the inputs behind a good signature are reached too.
pub(crate) fn verification(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (id, timestamp, signature, body) = (next(), next(), next(), next());
    if signature == b"!" {
        agree(id, timestamp, expected(id, timestamp, body).as_bytes(), body);
    } else {
        agree(id, timestamp, signature, body);
    }
}

fn expected(id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
    let secret = STANDARD.decode(SECRET).expect("the secret is base64");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).expect("any length will do");
    mac.update(&[id, b".", timestamp, b".", body].concat());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The verifier against the rules written down a second time.
fn agree(id: &[u8], timestamp: &[u8], signature: &[u8], body: &[u8]) {
    let mut headers = HeaderMap::new();
    let rows =
        [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    for (name, value) in rows {
        // What cannot be a header never arrives.
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.insert(name, value);
    }
    let key = WebhookKey::new(SECRET, Environment::Live).expect("the secret is a key");
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let key = key.with_clock(move || now);
    let verified = key.verify(&headers, Bytes::copy_from_slice(body));

    let id_ok = (1..=256).contains(&id.len())
        && id.iter().all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'.');
    let seconds = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse::<i128>().ok());
    let time_ok = seconds.is_some_and(|seconds| {
        seconds > 0
            && timestamp.len() <= 12
            && seconds.to_string().as_bytes() == timestamp
            && (seconds - i128::from(NOW)).abs() <= 300
    });
    let expected = expected(id, timestamp, body);
    let listed: Vec<&[u8]> =
        signature.split(|byte| *byte == b' ').filter(|one| !one.is_empty()).collect();
    let signature_ok = signature.len() <= 4096
        && std::str::from_utf8(signature).is_ok()
        && listed.len() <= 16
        && listed.contains(&expected.as_bytes());
    assert_eq!(verified.is_ok(), id_ok && time_ok && signature_ok);
    if let Ok(event) = verified {
        assert_eq!((event.id().as_bytes(), &event.body()[..]), (id, body));
    }
}

/// Any signed body, read as every payload.
pub(crate) fn event(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let event = VerifiedEvent::from_trusted_parts("msg_1", body, Timestamp::UNIX_EPOCH, true);
    let envelope = event.envelope();
    if let Ok(serde_json::Value::Object(tree)) = serde_json::from_slice(data) {
        assert_eq!(envelope.is_ok(), tree.get("type").is_some_and(serde_json::Value::is_string));
    }
    assert_eq!(event.untyped().is_ok(), envelope.is_ok());
    if let Ok(records) = records_for_event(&event, &MetadataMapping::default()) {
        for record in records {
            assert!(record.money.is_none() || record.kind.is_revenue());
        }
    }
    payload::<AbandonedCheckout>(&event);
    payload::<CreditBalanceLow>(&event);
    payload::<CreditLedgerEntry>(&event);
    payload::<Dispute>(&event);
    payload::<DunningAttempt>(&event);
    payload::<EntitlementGrant>(&event);
    payload::<LicenseKey>(&event);
    payload::<Payment>(&event);
    payload::<Payout>(&event);
    payload::<Refund>(&event);
    payload::<Subscription>(&event);
}

/// A payload is the same after writing and reading it again.
fn payload<T: Payload>(event: &VerifiedEvent) {
    let Ok(read) = event.deserialize::<T>() else { return };
    let text = serde_json::to_string(&read.data).expect("payloads can be written");
    let (again, warnings) = T::from_json(&text).expect("the written text is readable");
    assert_eq!(again, read.data);
    // A payload may have the text that marks an unreadable date.
    let is_marked = read.raw().as_str().is_some_and(|text| text.contains("unreadable date"));
    assert!(is_marked || warnings.len() <= read.warnings().len(), "{warnings:?}");
}
