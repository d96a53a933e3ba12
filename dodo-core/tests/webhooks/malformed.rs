//! Signed bodies that are not events: no panic and no 5xx.

use std::sync::atomic::{AtomicUsize, Ordering};

use dodo_core::{Webhooks, endpoint::Endpoint, testing::signed_request};
use http::StatusCode;
use serde_json::json;

use crate::support::{Log, key, noting, samples};

#[tokio::test]
async fn signed_body_without_event_is_answered_400() {
    let hooks = noting(&Log::default());
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let in_data = |data: &str| format!("{{\"type\":\"payment.succeeded\",\"data\":{data}}}");
    let mut bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b" ".to_vec(),
        b"null".to_vec(),
        b"1".to_vec(),
        b"\"payment.succeeded\"".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{\"type\":null}".to_vec(),
        b"{\"type\":1,\"data\":{}}".to_vec(),
        b"{\"type\":\"payment.succeeded\"}".to_vec(),
        b"{\"type\":\"payment.succeeded\",\"data\":null}".to_vec(),
        b"{\"type\":\"payment.succeeded\",\"data\":{}} x".to_vec(),
        b"\xef\xbb\xbf{\"type\":\"payment.succeeded\",\"data\":{}}".to_vec(),
        b"\xff\xfe".to_vec(),
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        "[".repeat(10_000).into_bytes(),
        in_data(&deep("[", "]")).into_bytes(),
        in_data(&format!("{{\"payment_id\":{}}}", deep("[", "]"))).into_bytes(),
    ];
    for (id, amount, currency) in [
        ("1", "1", "\"EUR\""),
        ("null", "1", "\"EUR\""),
        ("\"pay_1\"", "null", "\"EUR\""),
        ("\"pay_1\"", "1.5", "\"EUR\""),
        ("\"pay_1\"", "1e999", "\"EUR\""),
        ("\"pay_1\"", "9223372036854775808", "\"EUR\""),
        ("\"pay_1\"", "\"one\"", "\"EUR\""),
        ("\"pay_1\"", "-1", "\"EUR\""),
        ("\"pay_1\"", "9007199254740992", "\"EUR\""),
        ("\" \"", "1", "\"EUR\""),
        ("\"pay_1\"", "1", "null"),
        ("\"pay_1\"", "1", "\"EURO\""),
        ("\"pay_1\"", "1", "7"),
    ] {
        let data =
            format!("{{\"payment_id\":{id},\"total_amount\":{amount},\"currency\":{currency}}}");
        bodies.push(in_data(&data).into_bytes());
    }
    for body in bodies {
        let answer = hooks.handle(signed_request(&key(), "msg_1", body.clone())).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{shown}");
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(problem["code"], "payload_unreadable", "{shown}");
    }
}

/// Every sample, cut off, with bytes changed, and with pieces of another: whatever comes of it, it is
/// an event or it is not.
#[tokio::test]
async fn ten_thousand_broken_bodies_break_nothing() {
    let parked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = parked.clone();
    let plain = noting(&Log::default());
    let parking = Webhooks::builder(key())
        .on_unreadable(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        })
        .on_payment_succeeded(|_| async { Ok(()) })
        .build()
        .unwrap();
    let samples = samples();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |limit: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(limit.max(1)).unwrap()).unwrap()
    };
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for round in 0..10_000 {
        let mut body = samples[random(samples.len())].1.clone().into_bytes();
        match round % 4 {
            0 => body.truncate(random(body.len())),
            1 => {
                for _ in 0..=random(4) {
                    let at = random(body.len());
                    body[at] = u8::try_from(random(256)).unwrap();
                }
            }
            2 => {
                let from = random(body.len());
                let piece = body[from..].to_vec();
                let at = random(body.len());
                body.splice(at..at, piece);
            }
            _ => {
                let tokens: [&[u8]; 10] =
                    [b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"\"\\ud800\"", b"-"];
                let at = random(body.len());
                body.splice(at..at, tokens[random(tokens.len())].iter().copied());
            }
        }
        let answer = plain.handle(signed_request(&key(), "msg_1", body.clone())).await;
        *statuses.entry(answer.status().as_u16()).or_default() += 1;
        assert!(matches!(answer.status().as_u16(), 200 | 400), "{}", body.escape_ascii());
        let answer = parking.handle(signed_request(&key(), "msg_1", body)).await;
        assert_eq!(answer.status(), 200, "with `on_unreadable` everything signed is taken");
    }
    println!("statuses: {statuses:?}");
    assert!(statuses[&200] > 100 && statuses[&400] > 1000, "{statuses:?}");
    assert!(parked.load(Ordering::Relaxed) > 100);
}

/// Such an amount is booked by an event of its own. The payment must not be lost for it.
#[tokio::test]
async fn amount_of_listed_object_beyond_range_is_left_out() {
    let log = Log::default();
    let hooks = noting(&log);
    for pointer in ["/refunds/0/amount", "/disputes/0/amount", "/discounts/0/amount"] {
        for (amount, is_read) in [
            ("9007199254740991", true),
            ("-9007199254740991", true),
            ("9007199254740992", false),
            ("-9007199254740992", false),
            ("\"9007199254740993\"", false),
            ("1e300", false),
            ("\"99999999999999999999999999\"", false),
        ] {
            let mut data = json!({
                "payment_id": "pay_1", "total_amount": 1900, "currency": "USD",
                "refunds": [{ "refund_id": "ref_1", "amount": 1 }],
                "disputes": [{ "dispute_id": "dp_1", "amount": "1" }],
                "discounts": [{ "discount_id": "dsc_1", "amount": 1 }],
            });
            *data.pointer_mut(pointer).unwrap() = json!("HERE");
            let body = json!({ "type": "payment.succeeded", "timestamp": "2026-11-01T00:00:00Z",
                "business_id": "bus_1", "data": data });
            let body = body.to_string().replace("\"HERE\"", amount);
            let answer = hooks.handle(signed_request(&key(), "msg_1", body)).await;
            assert_eq!(answer.status(), 200, "{pointer} {amount}");
            let seen = log.lock().unwrap().pop().unwrap();
            assert_eq!(seen.data["total_amount"], 1900, "{pointer} {amount}");
            let kept = seen.data.pointer(pointer).unwrap();
            assert_eq!(!kept.is_null(), is_read, "{pointer} {amount}: {kept}");
            let warned: Vec<_> = seen.warnings.iter().map(|w| w.pointer.as_str()).collect();
            let expected = format!("/data{pointer}");
            let expected = if is_read { vec![] } else { vec![expected.as_str()] };
            assert_eq!(warned, expected, "{pointer} {amount}");
        }
    }
}
