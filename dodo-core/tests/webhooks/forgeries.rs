//! Deliveries made without the key, and a second verifier that must agree on every one.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dodo_core::testing::EventBuilder;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};

use crate::support::{NOW, SECRET, key, time};

/// Xorshift: the same deliveries in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// A delivery as bytes: id, timestamp, signature, body.
type Delivery = [Vec<u8>; 4];

/// Changes something, without knowing the key.
fn mutate(random: &mut Random, delivery: &mut Delivery, other: &Delivery) {
    let part = random.below(4);
    match random.below(7) {
        0 => {
            let bytes = &mut delivery[part];
            if !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        1 => {
            let length = random.below(delivery[part].len() + 1);
            delivery[part].truncate(length);
        }
        2 => {
            let at = random.below(delivery[part].len() + 1);
            delivery[part].insert(at, u8::try_from(random.below(256)).unwrap());
        }
        3 => delivery[part].clone_from(&other[part]),
        4 => {
            let other = random.below(4);
            delivery.swap(part, other);
        }
        5 => {
            let mut guess = b"v1,".to_vec();
            let bytes: Vec<u8> =
                (0..32).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            guess.extend(STANDARD.encode(bytes).bytes());
            delivery[2] = guess;
        }
        _ => {
            // Move a byte over the border between two signed parts.
            if let Some(byte) = delivery[0].pop() {
                delivery[1].insert(0, byte);
            }
        }
    }
}

/// The rules again, in as few lines as they take and with none of the code under test.
fn oracle(delivery: &Delivery, secret: &[u8]) -> bool {
    let [id, timestamp, signatures, body] = delivery;
    let well_formed_id = (1..=256).contains(&id.len())
        && id.iter().all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'.');
    let Ok(seconds) = std::str::from_utf8(timestamp).unwrap_or("x").parse::<i128>() else {
        return false;
    };
    let plain = seconds.to_string().as_bytes() == timestamp && seconds > 0 && timestamp.len() <= 12;
    let fresh = (seconds - i128::from(NOW)).abs() <= 300;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(&[id, b".".as_slice(), timestamp, b".", body].concat());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let listed = signatures.split(|byte| *byte == b' ').filter(|one| !one.is_empty());
    let matches = listed.clone().any(|one| one == expected.as_bytes());
    well_formed_id && plain && fresh && matches && listed.count() <= 16 && signatures.len() <= 4096
}

fn accepted(delivery: &Delivery) -> Option<bool> {
    let mut headers = HeaderMap::new();
    for (name, value) in
        ["webhook-id", "webhook-timestamp", "webhook-signature"].iter().zip(delivery)
    {
        // What cannot be a header never arrives.
        headers.insert(*name, HeaderValue::from_bytes(value).ok()?);
    }
    let body = Bytes::copy_from_slice(&delivery[3]);
    Some(key().with_clock(|| time(NOW)).verify(&headers, body).is_ok())
}

/// How many are tried: a million with optimizations (`cargo test --release`), fewer without.
const COUNT: usize = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };

#[test]
fn nothing_without_the_key_is_accepted() {
    let secret = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let sign = |id: &str, body: Vec<u8>| -> Delivery {
        let signature = key().sign(id, NOW, &body);
        [id.into(), NOW.to_string().into(), signature.into(), body]
    };
    let body = |kind: &str| EventBuilder::new(kind.into()).body().to_vec();
    let original = sign("msg_2f8Kq", body("payment.succeeded"));
    let other = sign("msg_9zX1w", body("refund.succeeded"));
    assert_eq!((accepted(&original), oracle(&original, &secret)), (Some(true), true));

    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut forged, mut unchanged, mut impossible) = (0, 0, 0);
    while forged < COUNT {
        let mut delivery = original.clone();
        for _ in 0..=random.below(3) {
            mutate(&mut random, &mut delivery, &other);
        }
        let Some(accepted) = accepted(&delivery) else {
            impossible += 1;
            continue;
        };
        let agreed = oracle(&delivery, &secret);
        assert_eq!(accepted, agreed, "{:?}", delivery.map(|part| part.escape_ascii().to_string()));
        // Blanks around the list of signatures change nothing; two changes may undo each other; and
        // all four parts may come from the other delivery.
        let [id, timestamp, signatures, body] = &delivery;
        let is_original = |d: &Delivery| {
            let signature = signatures.split(|b| *b == b' ').any(|one| one == d[2]);
            (id, timestamp, body) == (&d[0], &d[1], &d[3]) && signature
        };
        if is_original(&original) || is_original(&other) {
            unchanged += 1;
            continue;
        }
        assert!(!accepted, "{:?}", delivery.map(|part| part.escape_ascii().to_string()));
        forged += 1;
    }
    println!(
        "{forged} forged deliveries refused, {unchanged} unchanged ones agreed on, {impossible} could not be sent"
    );
}
