use dodo_core::EventKind;
use dodo_tests::{
    case::Case,
    conformance::Conformance,
    delivery::{Delivery, KEY, STRANGERS_KEY, now, sample, sample_kinds},
    fixture::Shop,
    hooks::callback_name,
    parity::Parity,
};

const KIB: usize = 1024;
const SUCCEEDED: &str = r#"{"type":"payment.succeeded","business_id":"bus_1","timestamp":"2026-01-01T00:00:00Z","data":{"payload_type":"Payment","payment_id":"pay_1","total_amount":500,"currency":"EUR","metadata":{"visitor":"v-1"}}}"#;

/// A payment event of another state.
fn payment(state: &str) -> String {
    SUCCEEDED.replace("payment.succeeded", &format!("payment.{state}"))
}

#[tokio::test]
async fn every_type_reaches_its_callback() {
    let kinds = sample_kinds();
    assert_eq!(kinds.len(), 48);
    let cases = kinds.iter().flat_map(|kind| {
        let callback = callback_name(&EventKind::from(kind.as_str()));
        let delivery = Delivery::new(&format!("msg_{}", kind.replace('.', "_")), sample(kind));
        [
            delivery.to("/api/webhook").callbacks(["onPayload", &callback]),
            delivery.to("/api/webhook-bench").callbacks([]),
        ]
        .map(|case| case.status(200).upstream([]))
    });
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("every event type");
}

/// What the signer of another implementation signed, and what of it must be refused.
#[tokio::test]
async fn signatures() {
    let good = || Delivery::new("msg_1", SUCCEEDED);
    let at = |timestamp: i64| Delivery::signed(KEY, "msg_1", timestamp, SUCCEEDED);
    let named =
        |name: &str, delivery: Delivery| Case { name: name.into(), ..delivery.to("/api/webhook") };
    let accepted = |name: &str, delivery: Delivery| {
        named(name, delivery).status(200).callbacks(["onPayload", "onPaymentSucceeded"])
    };
    let refused = |name: &str, delivery: Delivery| {
        named(name, delivery).problem(401, "signature_invalid").callbacks([]).upstream([])
    };
    let signed = good();
    let signed_as = |signature: String| Delivery { signature, ..signed.clone() };
    let right = &signed.signature;
    let stranger = Delivery::signed(STRANGERS_KEY, "msg_1", now(), SUCCEEDED);

    let mut cases = vec![
        accepted("now", good()),
        accepted("almost too old", at(now() - 290)),
        accepted("almost too new", at(now() + 290)),
        accepted("among others", signed_as(format!("v1,AAAA v1a,BBBB {right} v2,{right}"))),
        refused("too old", at(now() - 310)),
        refused("too new", at(now() + 310)),
        refused("no time", Delivery { timestamp: "hello".into(), ..good() }),
        refused("another time", Delivery { timestamp: (now() - 1).to_string(), ..at(now()) }),
        refused("another id", Delivery { id: "msg_2".into(), ..good() }),
        refused("another body", Delivery { body: payment("failed").into_bytes(), ..good() }),
        refused("a space more", Delivery { body: format!("{SUCCEEDED} ").into_bytes(), ..good() }),
        refused("a stranger's key", stranger),
        refused("empty", signed_as("v1,".into())),
        refused("the beginning", signed_as(right[..12].to_owned())),
        refused("another version", signed_as(right.replacen("v1", "v2", 1))),
        refused("too many", signed_as(format!("{} {right}", vec!["v1,AAAA"; 100].join(" ")))),
        Case::post("no headers", "/api/webhook", SUCCEEDED).problem(401, "signature_invalid"),
    ];
    for bit in 0..8 {
        let mut delivery = good();
        delivery.body[bit * 7] ^= 1 << bit;
        cases.push(refused(&format!("bit {bit} flipped"), delivery));
    }
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut missing = named(&format!("without {name}"), good());
        missing.headers.remove(name);
        cases.push(missing.problem(401, "signature_invalid").callbacks([]));
        let twice = named(&format!("{name} twice"), good());
        let value = twice.headers[name].clone();
        let twice = twice.header(name, value);
        // Signatures are a list, which may be spread over lines. The others have one value.
        cases.push(match name {
            "webhook-signature" => twice.status(200),
            _ => twice.problem(401, "signature_invalid").callbacks([]),
        });
    }
    let any_type = named("any content type", good());
    let mut without = named("no content type", good());
    without.headers.remove("content-type");
    cases.push(without.status(200));
    let mut text = any_type;
    text.headers.insert("content-type", "text/plain".parse().unwrap());
    cases.push(text.status(200));

    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("signatures");
}

#[tokio::test]
async fn signed_bodies_without_event() {
    let fault = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/faults/");
        std::fs::read(format!("{path}{name}.json")).unwrap()
    };
    let (dunning, payment) = (fault("02-dunning-unreadable"), fault("02-payment-unreadable"));
    let bodies: [(&str, &[u8]); 16] = [
        ("empty", b""),
        ("no JSON", b"hello"),
        ("a list", b"[]"),
        ("null", b"null"),
        ("no type", br#"{"data":{}}"#),
        ("a type that is a number", br#"{"type":1,"data":{}}"#),
        ("no data", br#"{"type":"payment.succeeded"}"#),
        ("no id", br#"{"type":"payment.succeeded","data":{"total_amount":1,"currency":"EUR"}}"#),
        (
            "no amount",
            br#"{"type":"payment.succeeded","data":{"payment_id":"p","currency":"EUR"}}"#,
        ),
        ("not UTF-8", b"\xff\xfe{\"type\":\"payment.succeeded\"}"),
        ("a byte order mark", b"\xef\xbb\xbf{\"type\":\"payment.succeeded\",\"data\":{}}"),
        ("half", br#"{"type":"payment.succeeded","data":{"payment_id":"#),
        ("a dunning attempt whose id is a number", &dunning),
        ("a payment without a currency", &payment),
        (
            "a negative total",
            br#"{"type":"payment.failed","data":{"payment_id":"p","total_amount":-1,"currency":"EUR"}}"#,
        ),
        (
            "a refund beyond every amount",
            br#"{"type":"refund.failed","data":{"refund_id":"r","amount":9007199254740992}}"#,
        ),
    ];
    let strict = bodies.map(|(name, body)| {
        let case = Delivery::new("msg_1", body).to("/webhook");
        Case { name: name.to_owned(), ..case }.problem(400, "payload_unreadable")
    });
    let lenient = bodies.map(|(name, body)| {
        let case = Delivery::new("msg_1", body).to("/webhook/lenient");
        let case = Case { name: format!("{name}, registered"), ..case };
        case.status(200).callbacks(["onPayload", "onUnreadable"])
    });
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    parity.check(strict.into_iter().chain(lenient)).await.assert_equal("unreadable events");
}

#[tokio::test]
async fn unknown_types_bodies_and_sizes() {
    let padded = |length: usize| {
        let mut body = br#"{"type":"future.thing","data":{"x":""#.to_vec();
        body.resize(length - 3, b'x');
        body.extend(b"\"}}");
        Delivery::new("msg_1", body)
    };
    let cases = [
        Delivery::new("msg_1", r#"{"type":"future.thing","data":{}}"#)
            .to("/api/webhook")
            .status(200)
            .callbacks(["onPayload", "onUnknown"]),
        padded(256 * KIB).to("/api/webhook").status(200),
        padded(256 * KIB + 1).to("/api/webhook").problem(413, "body_too_large").callbacks([]),
        padded(300 * KIB).to("/api/webhook").problem(413, "body_too_large").callbacks([]),
        padded(1024).to("/webhook/lenient").status(200),
        padded(1025).to("/webhook/lenient").problem(413, "body_too_large").callbacks([]),
    ];
    let conformance = Parity::start(Conformance::surrounded).await.unwrap();
    let shop = Parity::start(Shop::surrounded).await.unwrap();
    let (own, others): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|c| c.path == "/webhook/lenient");
    let report = conformance.check(others).await.and(shop.check(own).await);
    report.assert_equal("unknown types and sizes");
}

#[tokio::test]
async fn callbacks_that_fail_panic_or_hang() {
    let deliver =
        |state: &str| Delivery::new(&format!("msg_{state}"), payment(state)).to("/webhook");
    let failed = |state: &str, name: &str, code: &str| {
        deliver(state).problem(500, code).callbacks(["onPayload", name])
    };
    let cases = [
        deliver("succeeded").status(200).callbacks([
            "onPayload",
            "onPaymentSucceeded",
            "again",
            "sink",
            "sink",
        ]),
        failed("failed", "onPaymentFailed", "callback_failed"),
        failed("cancelled", "onPaymentCancelled", "callback_panicked"),
        failed("processing", "onPaymentProcessing", "callback_timed_out"),
    ];
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("callbacks");
}

#[tokio::test]
async fn handlers_of_the_application_get_the_delivery() {
    let good = || Delivery::new("msg_1", SUCCEEDED);
    let refund = r#"{"type":"refund.succeeded","data":{"refund_id":"ref_1"}}"#;
    let tampered = || Delivery { body: payment("failed").into_bytes(), ..good() };
    let cases = [
        good().to("/page/verified").status(200),
        Delivery::new("msg_1", "no event at all").to("/page/verified").status(200),
        tampered().to("/page/verified").problem(401, "signature_invalid"),
        good().to("/page/payment").status(200),
        tampered().to("/page/payment").problem(401, "signature_invalid"),
        Delivery::new("msg_1", refund).to("/page/payment").problem(400, "unexpected_event"),
        Delivery::new("msg_1", r#"{"type":"future.thing","data":{}}"#)
            .to("/page/payment")
            .problem(400, "unexpected_event"),
        Delivery::new("msg_1", "{}").to("/page/payment").problem(400, "payload_unreadable"),
        Delivery::new("msg_1", vec![b' '; 256 * KIB + 1])
            .to("/page/verified")
            .problem(413, "body_too_large"),
    ];
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    for (framework, observed) in parity.observe(&cases[3]).await.unwrap() {
        assert_eq!(observed.body, "pay_1 is payment.succeeded", "{framework}");
    }
    parity.check(cases).await.assert_equal("extractors of deliveries");
}

/// Damage that costs nothing: the event is read all the same.
#[tokio::test]
async fn damaged_bytes_after_verification() {
    let fault = concat!(env!("CARGO_MANIFEST_DIR"), "/data/faults/05-bom.json");
    let mut broken_name = SUCCEEDED.replace("\"v-1\"", "\"v-?\"").into_bytes();
    let at = broken_name.iter().position(|byte| *byte == b'?').unwrap();
    broken_name[at] = 0xff;
    let cases = [
        ("a byte order mark", std::fs::read(fault).unwrap()),
        ("a byte that is not UTF-8 inside of a text", broken_name),
        ("NUL bytes behind the JSON", format!("{SUCCEEDED}\0\0").into_bytes()),
        ("blanks around an amount", SUCCEEDED.replace("500", "\" 500 \"").into_bytes()),
        ("blanks around a currency", SUCCEEDED.replace("EUR", " eur ").into_bytes()),
        ("blanks around an id", SUCCEEDED.replace("pay_1", " pay_1 ").into_bytes()),
        (
            "blanks around the type",
            SUCCEEDED.replace("payment.succeeded", " payment.succeeded ").into_bytes(),
        ),
    ]
    .map(|(name, body)| {
        let case = Delivery::new("msg_1", body).to("/api/webhook");
        let case = Case { name: name.to_owned(), ..case };
        case.status(200).callbacks(["onPayload", "onPaymentSucceeded"])
    });
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("damaged bytes");
}
