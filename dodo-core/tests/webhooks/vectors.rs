//! Verification: known answers, and the forms that a delivery may and may not have.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use dodo_core::{Environment, ErrorKind, WebhookKey, testing::sign, webhook::VerifiedEvent};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::support::{NOW, SECRET, key, time};

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED_AT: &str = "1614265330";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn headers(rows: &[(&'static str, &[u8])]) -> HeaderMap {
    let row = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in rows.iter().map(row) {
        headers.append(name, value);
    }
    headers
}

fn delivery(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    headers(&[
        ("webhook-id", id.as_bytes()),
        ("webhook-timestamp", timestamp.as_bytes()),
        ("webhook-signature", signature.as_bytes()),
    ])
}

/// The key with its clock at this time.
fn at(seconds: u64) -> WebhookKey {
    key().with_clock(move || time(seconds))
}

fn check(
    key: &WebhookKey,
    headers: &HeaderMap,
    body: &[u8],
    now: u64,
) -> Result<VerifiedEvent, String> {
    let key = key.clone().with_clock(move || time(now));
    key.verify(headers, Bytes::copy_from_slice(body)).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidSignature);
        assert_eq!(error.code(), "signature_invalid", "the answer must not tell the reason");
        assert_eq!(error.to_string(), "the signature is missing or not valid");
        error.source().unwrap().to_string()
    })
}

/// No delivery says whether real money moved: its key does.
#[test]
fn delivery_has_environment_of_its_key() {
    let signed_at = SIGNED_AT.parse().unwrap();
    for (environment, live) in [(Environment::Live, true), (Environment::Test, false)] {
        let key = WebhookKey::new(SECRET, environment).unwrap();
        let event = check(&key, &delivery(ID, SIGNED_AT, SIGNATURE), BODY, signed_at).unwrap();
        assert_eq!(event.live(), live, "{:?}", key.environment());
    }
}

/// From the test suites of the reference libraries, and computed by hand with two of them.
#[test]
fn known_answers() {
    let zoe = "{\"n\":\"Zoë ☕ 1e2\"}".as_bytes();
    let rust_key = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let rust_body: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    for (secret, id, timestamp, body, signature) in [
        (SECRET, ID, SIGNED_AT, BODY, SIGNATURE),
        (SECRET.trim_start_matches("whsec_"), ID, SIGNED_AT, BODY, SIGNATURE),
        (
            rust_key,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            "1649367553",
            rust_body,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (SECRET, ID, SIGNED_AT, b"", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="),
        (
            SECRET,
            ID,
            SIGNED_AT,
            b"\xff\xfe{\"a\":1}",
            "v1,8ob4FFWsEmw6j0gFb7riE4CWFeEe485rX7jxlsdL7lg=",
        ),
        (SECRET, ID, SIGNED_AT, zoe, "v1,FCBS0tofa0/F0QGYE34ZHg/GoIPdSGBAkLxt8dWL/AA="),
        (
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr",
            ID,
            SIGNED_AT,
            BODY,
            "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg=",
        ),
    ] {
        let key = WebhookKey::new(secret, Environment::Live).unwrap();
        let seconds: u64 = timestamp.parse().unwrap();
        assert_eq!(key.sign(id, seconds, body), signature);
        let event = check(&key, &delivery(id, timestamp, signature), body, seconds).unwrap();
        assert_eq!((event.id(), &event.body()[..]), (id, body));
        assert_eq!(event.received_at().as_second().unsigned_abs(), seconds);
        assert_eq!(event.attempt_at().map(|at| at.as_second().unsigned_abs()), Some(seconds));
    }
}

#[test]
fn signature_headers() {
    let good = SIGNATURE;
    let decoy = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let many = |count: usize| format!("{}{good}", "v1,AAAA ".repeat(count));
    let of_length = |bytes: usize| format!("{good} {}", "x".repeat(bytes - good.len() - 1));
    let refused = "signature_mismatch";
    for (signature, result) in [
        (good.to_owned(), Ok(())),
        (format!("{decoy} v2,{decoy} {good} v1,AAAA"), Ok(())),
        (format!("{good} {decoy}"), Ok(())),
        (
            format!(
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {good}"
            ),
            Ok(()),
        ),
        (format!("  {good}  "), Ok(())),
        (many(15), Ok(())),
        (many(16), Err("signature_too_long")),
        (of_length(4096), Ok(())),
        (of_length(4097), Err("signature_too_long")),
        (String::new(), Err(refused)),
        (" ".to_owned(), Err(refused)),
        ("v1,".to_owned(), Err(refused)),
        ("v1".to_owned(), Err(refused)),
        (",".to_owned(), Err(refused)),
        (good[..8].to_owned(), Err(refused)),
        (good[3..].to_owned(), Err(refused)),
        (decoy.to_owned(), Err(refused)),
        ("v1,R3PTzyfHASBKHH98a7yexTwaJ4yNIcGhFQc1yuN+BPU=".to_owned(), Err(refused)),
        (good.replace("v1,", "v2,"), Err(refused)),
        (good.replace("v1,", "V1,"), Err(refused)),
        (good.replace("v1,", "v1a,"), Err(refused)),
        (good.replace("v1,", "v1, "), Err(refused)),
        (good.replace("v1,", "v1="), Err(refused)),
        (good.trim_end_matches('=').to_owned(), Err(refused)),
        (format!("{good}="), Err(refused)),
        (format!("{good},x"), Err(refused)),
        (good.replace('+', "-").replace('/', "_"), Err(refused)),
        (format!("{decoy},{good}"), Err(refused)),
        (format!("{decoy}\t{good}"), Err(refused)),
        // The last character of the base64 has two bits that say nothing: one form only.
        (good.replace("OE=", "OF="), Err(refused)),
        (
            "v1,83484cf52b04f8e4cf2531adfed9882ad4b2665137b852442d594d20e2c9d4e1".to_owned(),
            Err(refused),
        ),
    ] {
        let headers = delivery(ID, SIGNED_AT, &signature);
        let outcome = check(&key(), &headers, BODY, 1_614_265_330).map(drop);
        assert_eq!(outcome, result.map_err(str::to_owned), "{signature:?}");
    }
}

#[test]
fn headers_with_one_value_occur_once() {
    let all: [(&str, &[u8]); 3] = [
        ("webhook-id", ID.as_bytes()),
        ("webhook-timestamp", SIGNED_AT.as_bytes()),
        ("webhook-signature", SIGNATURE.as_bytes()),
    ];
    for (at, short) in ["id", "timestamp", "signature"].into_iter().enumerate() {
        let mut missing = all.to_vec();
        missing.remove(at);
        let mut repeated = all.to_vec();
        repeated.push(all[at]);
        // Signatures are a list: it may be spread over lines.
        let repeated = (short != "signature").then_some((repeated, "repeated"));
        for (rows, what) in repeated.into_iter().chain([(missing, "missing")]) {
            let reason = check(&key(), &headers(&rows), BODY, 1_614_265_330).unwrap_err();
            assert_eq!(reason, format!("{short}_{what}"));
        }
    }
    let svix = [("svix-id", all[0].1), ("svix-timestamp", all[1].1), ("svix-signature", all[2].1)];
    assert_eq!(check(&key(), &headers(&svix), BODY, 1_614_265_330).unwrap_err(), "id_missing");
}

#[test]
fn ids_are_visible_ascii_without_a_dot() {
    for (id, ok) in [
        ("a", true),
        ("msg_2f8Kq-Z~!", true),
        (&*"x".repeat(256), true),
        (&*"x".repeat(257), false),
        ("", false),
        ("a.1614265330", false),
        ("a b", false),
        ("a\tb", false),
    ] {
        // Signed by the key itself, so that only the id is at fault.
        let headers = sign(&at(NOW), id, BODY);
        assert_eq!(check(&key(), &headers, BODY, NOW).is_ok(), ok, "{id:?}");
    }
    let headers = headers(&[
        ("webhook-id", b"msg_\xe9"),
        ("webhook-timestamp", SIGNED_AT.as_bytes()),
        ("webhook-signature", SIGNATURE.as_bytes()),
    ]);
    assert_eq!(check(&key(), &headers, BODY, 1_614_265_330).unwrap_err(), "id_malformed");
}

#[test]
fn timestamps_are_plain_numbers_within_the_tolerance() {
    for (offset, ok) in [
        (0, true),
        (299, true),
        (300, true),
        (301, false),
        (-299, true),
        (-300, true),
        (-301, false),
    ] {
        let signed_at = NOW.checked_add_signed(offset).unwrap();
        let headers = sign(&at(signed_at), ID, BODY);
        assert_eq!(check(&key(), &headers, BODY, NOW).is_ok(), ok, "{offset}");
        let wide = key().with_tolerance(Duration::from_secs(301));
        assert!(check(&wide, &headers, BODY, NOW).is_ok(), "{offset}");
        let none = key().with_tolerance(Duration::ZERO);
        assert_eq!(check(&none, &headers, BODY, NOW).is_ok(), offset == 0, "{offset}");
    }
    let bounds = [
        i64::MIN.to_string(),
        i64::MAX.to_string(),
        u64::MAX.to_string(),
        (-1_000_000_000_000_000_000_i64).to_string(),
        "1000000000000000000".to_owned(),
        "1000000000000".to_owned(),
        "0".to_owned(),
        "-1".to_owned(),
    ];
    let malformed = [
        "hello",
        "",
        " ",
        "+1795000000",
        "01795000000",
        "1795000000 ",
        "1795000000.0",
        "1795000000.9",
        "1795000000abc",
        "1795000000e0",
        "0x6afd8640",
        "1_795_000_000",
        "2026-11-18T12:00:00Z",
        "١٧٩٥",
    ];
    for timestamp in bounds.iter().map(String::as_str).chain(malformed) {
        // A signature over exactly this text, which no key holder would make.
        let signature = independent_signature(ID, timestamp, BODY);
        let headers = headers(&[
            ("webhook-id", ID.as_bytes()),
            ("webhook-timestamp", timestamp.as_bytes()),
            ("webhook-signature", signature.as_bytes()),
        ]);
        let reason = check(&key(), &headers, BODY, NOW).unwrap_err();
        assert_eq!(reason, "timestamp_malformed", "{timestamp}");
    }
    for (timestamp, now) in [(1, 1), (1, 301), (999_999_999_999, 999_999_999_999)] {
        let headers = sign(&at(timestamp), ID, BODY);
        assert!(check(&key(), &headers, BODY, now).is_ok(), "{timestamp}");
    }
    // A clock before 1970, or as far as it goes, refuses and does not overflow.
    let headers = sign(&at(NOW), ID, BODY);
    let before = std::time::UNIX_EPOCH - Duration::from_secs(1);
    assert!(key().with_clock(move || before).verify(&headers, Bytes::from_static(BODY)).is_err());
    let far = std::time::UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs() / 2);
    assert!(key().with_clock(move || far).verify(&headers, Bytes::from_static(BODY)).is_err());
}

/// The same HMAC over any texts, by the reference crates.
pub(crate) fn independent_signature(id: &str, timestamp: &str, body: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    let secret = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn deliveries_of_an_independent_sender_are_accepted() {
    let sender = standardwebhooks::Webhook::new(SECRET).unwrap();
    let body = br#"{"type":"payment.succeeded"}"#;
    let signature = sender.sign("msg_1", NOW.try_into().unwrap(), body).unwrap();
    let headers = delivery("msg_1", &NOW.to_string(), &signature);
    assert!(check(&key(), &headers, body, NOW).is_ok());
    assert_eq!(signature, key().sign("msg_1", NOW, body));
}

#[test]
fn rotation_accepts_every_key_and_signs_with_the_first() {
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let (old, new) = (key(), WebhookKey::new(OTHER, Environment::Live).unwrap());
    let both = WebhookKey::from_secrets([OTHER, SECRET], Environment::Live).unwrap();
    let (by_old, by_new) = (old.sign(ID, NOW, BODY), new.sign(ID, NOW, BODY));
    assert_eq!(both.sign(ID, NOW, BODY), by_new);
    let accepts = |key: &WebhookKey, signature: &str| {
        check(key, &delivery(ID, &NOW.to_string(), signature), BODY, NOW).is_ok()
    };
    for signature in
        [&by_old, &by_new, &format!("{by_old} {by_new}"), &format!("{by_new} {by_old}")]
    {
        assert!(accepts(&both, signature), "{signature}");
    }
    assert!(!accepts(&new, &by_old), "the old key was removed");
    assert!(accepts(&new, &format!("{by_old} {by_new}")));
}

#[test]
fn bad_keys_are_refused_with_a_reason_and_without_their_value() {
    for (secret, code, says) in [
        ("", "webhook_key_missing", "empty"),
        ("   ", "webhook_key_missing", "empty"),
        ("whsec_", "webhook_key_missing", "empty"),
        ("whsec_AAAA", "webhook_key_too_short", "24 bytes"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ", "webhook_key_too_short", "24 bytes"),
        ("whsec_!!!!canary", "webhook_key_malformed", "base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-w", "webhook_key_malformed", "base64"),
        ("whsec_whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook_key_malformed", "base64"),
        ("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook_key_malformed", "`v1,`"),
        ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook_key_malformed", "base64"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw canary", "webhook_key_malformed", "base64"),
    ] {
        let error = WebhookKey::new(secret, Environment::Live).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Config, code), "{secret}");
        assert!(error.to_string().contains(says), "{secret}: {error}");
        for shown in [error.to_string(), format!("{error:?}")] {
            for part in ["MfKQ", "canary", "AAAA", "!!!!"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
    assert!(WebhookKey::from_secrets::<[&str; 0]>([], Environment::Live).is_err());
    assert!(WebhookKey::from_secrets([SECRET, ""], Environment::Live).is_err());
    assert!(dodo_core::testing::short_key("whsec_AAAA", Environment::Live).is_ok());
    assert!(dodo_core::testing::short_key("whsec_", Environment::Live).is_err());
    let shown = format!("{:?}", key());
    assert!(!shown.contains("MfKQ") && !shown.contains("49, 242"), "{shown}");
}

#[test]
fn any_flipped_bit_is_refused() {
    let flip = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let now = 1_614_265_330;
    for part in 0..4 {
        let parts: [&[u8]; 4] = [ID.as_bytes(), SIGNED_AT.as_bytes(), SIGNATURE.as_bytes(), BODY];
        for bit in 0..parts[part].len() * 8 {
            let mut parts = parts.map(<[u8]>::to_vec);
            parts[part] = flip(&parts[part], bit);
            let [id, timestamp, signature, body] = &parts;
            let values = [id, timestamp, signature].map(|value| HeaderValue::from_bytes(value));
            let [Ok(id), Ok(timestamp), Ok(signature)] = values else { continue };
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", id);
            headers.insert("webhook-timestamp", timestamp);
            headers.insert("webhook-signature", signature);
            assert!(check(&key(), &headers, body, now).is_err(), "part {part}, bit {bit}");
        }
    }
}

#[test]
fn signature_lines_are_one_list() {
    let with = |lines: &[&str]| {
        let mut rows: Vec<(&str, &[u8])> =
            vec![("webhook-id", ID.as_bytes()), ("webhook-timestamp", SIGNED_AT.as_bytes())];
        rows.extend(lines.iter().map(|line| ("webhook-signature", line.as_bytes())));
        check(&key(), &headers(&rows), BODY, 1_614_265_330)
    };
    let (joined, other) = (format!("{SIGNATURE} {SIGNATURE}"), "v1,AAAA");
    for lines in [
        &[SIGNATURE][..],
        &[&joined],
        &[SIGNATURE, SIGNATURE],
        &[other, SIGNATURE],
        &[SIGNATURE, other],
        &["", SIGNATURE],
    ] {
        assert!(with(lines).is_ok(), "{lines:?}");
    }
    assert_eq!(with(&[other, other]).unwrap_err(), "signature_mismatch");
    assert_eq!(with(&vec![other; 17]).unwrap_err(), "signature_too_long");
    let long = "x".repeat(3000);
    assert_eq!(with(&[&long, &long]).unwrap_err(), "signature_too_long");
}
