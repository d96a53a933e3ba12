//! Payloads as they may be one day: every sample, changed in every place in every way that must not
//! lose an order.

use std::collections::HashSet;

use dodo_core::{EventKind, endpoint::Endpoint, event::FieldWarning, testing::signed_request};
use serde_json::{Value, json};

use crate::support::{Log, Seen, amounts, key, noting, required, samples};

struct Run {
    log: Log,
    hooks: dodo_core::Webhooks,
    count: usize,
    enums: HashSet<&'static str>,
}

impl Run {
    /// Delivers `body`, signed over its bytes: 200, and its callback has seen the right object.
    async fn deliver(&mut self, what: &str, original: &Value, body: String) -> Seen {
        self.count += 1;
        let answer = self.hooks.handle(signed_request(&key(), "msg_1", body.clone())).await;
        assert_eq!(answer.status(), 200, "{what}: {body}");
        let seen = self.log.lock().unwrap().pop();
        let seen = seen.unwrap_or_else(|| panic!("{what}: no callback for {body}"));
        assert_eq!(seen.kind.as_str(), original["type"], "{what}");
        let id = required(seen.kind.payload_type().unwrap())[0];
        assert_eq!(seen.object, original["data"][id], "{what}");
        seen
    }

    /// Delivers `body`, in which the amount at `pointer` is out of range: 400, and no callback of its type.
    async fn refuse(&mut self, what: &str, pointer: &str, body: String) {
        self.count += 1;
        let answer = self.hooks.handle(signed_request(&key(), "msg_1", body.clone())).await;
        assert_eq!(answer.status(), 400, "{what}: {body}");
        let problem: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(problem["pointer"], pointer, "{what}");
        assert!(self.log.lock().unwrap().is_empty(), "{what}");
    }
}

/// Whether a place holds an amount of money.
fn is_amount(body: &Value, pointer: &str) -> bool {
    let kind = EventKind::from(body["type"].as_str().unwrap());
    let amounts = amounts(kind.payload_type().unwrap());
    amounts.iter().any(|key| pointer == format!("/data/{key}"))
}

/// Every place in `data`: a pointer, and whether the payload requires it.
fn places(body: &Value) -> Vec<(String, bool)> {
    fn walk(at: &str, value: &Value, out: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::Array(list) => {
                list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
            }
            _ => return,
        };
        for (key, child) in children {
            let at = format!("{at}/{key}");
            walk(&at, child, out);
            out.push(at);
        }
    }
    let mut pointers = Vec::new();
    walk("/data", &body["data"], &mut pointers);
    let kind = EventKind::from(body["type"].as_str().unwrap());
    let required = required(kind.payload_type().unwrap());
    pointers
        .into_iter()
        .map(|pointer| {
            let is_required = required.iter().any(|key| pointer == format!("/data/{key}"));
            (pointer, is_required)
        })
        .collect()
}

fn remove(body: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.remove(key)),
        Value::Array(list) => drop(list.remove(key.parse().unwrap())),
        _ => unreachable!(),
    }
}

/// Whether one place is the other, or inside it.
fn covers(a: &str, b: &str) -> bool {
    let inside = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    a == b || inside(a, b) || inside(b, a)
}

#[tokio::test]
async fn every_variant_reaches_its_callback() {
    let log = Log::default();
    let mut run = Run { hooks: noting(&log), log, count: 0, enums: HashSet::new() };
    let mut payloads = HashSet::new();
    for (name, text) in samples() {
        let body: Value = serde_json::from_str(&text).unwrap();
        let kind = EventKind::from(body["type"].as_str().unwrap());
        // Every wrong type once per payload, and a different one in each place of the others.
        let is_first = payloads.insert(kind.payload_type());
        for (place, (pointer, is_required)) in places(&body).into_iter().enumerate() {
            let what = |change: &str| format!("{name} {pointer} {change}");
            if !is_required {
                let only = (!is_first).then_some(place);
                optional_field(&mut run, &what, &body, &pointer, only).await;
                unsound(&mut run, &what, &body, &pointer, only).await;
            }
            known_changes(&mut run, &what, &body, &pointer).await;
        }
        whole_body(&mut run, &name, &body, &text).await;
    }
    let missed: Vec<_> = ENUMS.iter().filter(|name| !run.enums.contains(**name)).collect();
    assert!(missed.is_empty(), "no sample has {missed:?}");
    println!("{} variants answered 200 and reached their callback", run.count);
    assert!(run.count > 10_000, "only {} variants", run.count);
}

/// An optional field may be gone, `null`, or of any other type.
async fn optional_field(
    run: &mut Run,
    what: &(impl Fn(&str) -> String + Sync),
    body: &Value,
    pointer: &str,
    only: Option<usize>,
) {
    let mut removed = body.clone();
    remove(&mut removed, pointer);
    let seen = run.deliver(&what("removed"), body, removed.to_string()).await;
    assert_nothing_missed(&what("removed"), &seen, pointer);

    let wrong = [
        json!(true),
        json!(-7),
        json!(1.5),
        json!("\u{1F980} no such thing"),
        json!([]),
        json!([1, {"a": 2}]),
        json!({}),
        json!({"a": [1]}),
        json!(18_446_744_073_709_551_615_u64),
    ];
    let wrong = match only {
        Some(place) => vec![wrong[place % wrong.len()].clone()],
        None => wrong.to_vec(),
    };
    for wrong in wrong.into_iter().chain([Value::Null]) {
        let mut changed = body.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong.clone();
        let what = what(&format!("= {wrong}"));
        if wrong.is_u64() && is_amount(body, pointer) {
            run.refuse(&what, pointer, changed.to_string()).await;
            continue;
        }
        let seen = run.deliver(&what, body, changed.to_string()).await;
        if wrong.is_null() {
            assert_nothing_missed(&what, &seen, pointer);
            continue;
        }
        // A value of another type is absent, with a warning at its place. A value of the right type
        // is present.
        let read = seen.data.pointer(&pointer["/data".len()..]);
        // Where an element of a list went, the next one moved up.
        let is_absent = in_list(pointer) || read.is_none_or(says_nothing);
        let warned = seen.warnings.iter().any(|warning| covers(&warning.pointer, pointer));
        let quoted = |warning: &FieldWarning| warning.problem.contains("no such thing");
        assert!(!seen.warnings.iter().any(quoted), "{what}: {:?}", seen.warnings);
        let kept = read.is_some_and(|read| same(read, &wrong));
        assert!((is_absent && warned) || kept, "{what}: {read:?}, {:?}", seen.warnings);
    }
}

fn in_list(pointer: &str) -> bool {
    pointer.split('/').any(|key| key.parse::<usize>().is_ok())
}

/// An element of a list without its own id is left out; nothing else may be missed.
fn assert_nothing_missed(what: &str, seen: &Seen, pointer: &str) {
    let element = pointer.rsplit_once('/').unwrap().0;
    let is_element = element.ends_with(|c: char| c.is_ascii_digit());
    let missed = |warning: &&FieldWarning| !(is_element && covers(&warning.pointer, element));
    assert_eq!(seen.warnings.iter().find(missed), None, "{what}");
}

/// Whether a value is what an absent field reads as.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.iter().all(says_nothing),
        Value::Object(map) => map.values().all(says_nothing),
        _ => false,
    }
}

/// Whether `read` says what was sent, be it a number as text.
fn same(read: &Value, sent: &Value) -> bool {
    read == sent
        || read.as_str() == Some(&sent.to_string())
        || (sent.is_number() && read.as_f64() == sent.as_f64())
        || (sent.is_object() && read.is_object())
}

/// Well-formed JSON that Rust's texts, numbers and trees cannot represent. The field is repaired or
/// absent, with a warning.
async fn unsound(
    run: &mut Run,
    what: &(impl Fn(&str) -> String + Sync),
    body: &Value,
    pointer: &str,
    only: Option<usize>,
) {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let all = [r#""cut \ud83d""#, r#""\udc00\ud800""#, "1e400", r#"{"k\ud800":"v"}"#, &deep];
    let chosen = only.map_or(all.as_slice(), |place| &all[place % all.len()..=place % all.len()]);
    for unsound in chosen {
        let mut changed = body.clone();
        *changed.pointer_mut(pointer).unwrap() = json!("HERE");
        let text = changed.to_string().replace("\"HERE\"", unsound);
        let what = what(&format!("= {unsound:.20}"));
        if *unsound == "1e400" && is_amount(body, pointer) {
            run.refuse(&what, pointer, text).await;
            continue;
        }
        run.deliver(&what, body, text).await;
    }
}

/// Changes that lose nothing: unknown values of enums, unknown fields, integers as `1.0` and text.
async fn known_changes(
    run: &mut Run,
    what: &(impl Fn(&str) -> String + Sync),
    body: &Value,
    pointer: &str,
) {
    match body.pointer(pointer).unwrap() {
        Value::Object(_) if !pointer.ends_with("metadata") => {
            let mut changed = body.clone();
            changed.pointer_mut(pointer).unwrap()["brand_new_field"] = json!({"deep": [[1]]});
            let seen = run.deliver(&what("+ unknown field"), body, changed.to_string()).await;
            assert_eq!(seen.warnings, [], "{}", what("+ unknown field"));
        }
        Value::Number(n) if n.is_i64() && !pointer.contains("metadata") => {
            for form in [format!("{n}.0"), format!("\"{n}\""), format!("\"{n}.00\"")] {
                let text = with_text(body, pointer, &form);
                let seen = run.deliver(&what(&form), body, text).await;
                assert_eq!(seen.warnings, [], "{}", what(&form));
                let read = seen.data.pointer(&pointer["/data".len()..]).unwrap();
                assert_eq!(read.to_string().trim_matches('"'), n.to_string(), "{}", what(&form));
            }
            let big = "9007199254740993";
            if is_amount(body, pointer) {
                return run.refuse(&what(big), pointer, with_text(body, pointer, big)).await;
            }
            let seen = run.deliver(&what(big), body, with_text(body, pointer, big)).await;
            let read = seen.data.pointer(&pointer["/data".len()..]).unwrap();
            // The payload can be read without the amount of a listed object.
            let lists = ["/refunds/", "/disputes/", "/discounts/"];
            let listed = lists.iter().any(|list| pointer.contains(list));
            let expected = if listed && pointer.ends_with("/amount") { "null" } else { big };
            assert_eq!(read.to_string().trim_matches('"'), expected, "{}", what("beyond 2^53"));
        }
        Value::String(_) if is_enum(pointer) => {
            run.enums.extend(ENUMS.iter().find(|name| pointer.ends_with(&format!("/{name}"))));
            let mut changed = body.clone();
            *changed.pointer_mut(pointer).unwrap() = json!("some_new_value");
            let seen = run.deliver(&what("= unknown value"), body, changed.to_string()).await;
            assert_eq!(seen.warnings, [], "{}", what("= unknown value"));
            let read = seen.data.pointer(&pointer["/data".len()..]).unwrap();
            assert_eq!(read, "some_new_value", "{}", what("= unknown value"));
        }
        _ => {}
    }
}

/// Every field of the samples that is an enum at Dodo Payments. Each is found at least once.
const ENUMS: [&str; 19] = [
    "abandonment_reason",
    "cancellation_feedback",
    "dispute_stage",
    "dispute_status",
    "integration_type",
    "overage_behavior",
    "payload_type",
    "payment_frequency_interval",
    "payment_provider",
    "refund_status",
    "revocation_reason",
    "rollover_timeframe_interval",
    "source",
    "status",
    "subscription_period_interval",
    "transaction_type",
    "trigger_state",
    "type",
    "reference_type",
];

fn is_enum(pointer: &str) -> bool {
    let key = pointer.rsplit('/').next().unwrap_or_default();
    ENUMS.contains(&key) && !pointer.contains("metadata")
}

/// The body with the value at `pointer` written as exactly `form`.
fn with_text(body: &Value, pointer: &str, form: &str) -> String {
    let mut changed = body.clone();
    *changed.pointer_mut(pointer).unwrap() = json!("\u{1}here");
    changed.to_string().replace(r#""\u0001here""#, form)
}

/// Other ways to write the same event.
async fn whole_body(run: &mut Run, name: &str, body: &Value, text: &str) {
    let mut ways = vec![
        ("as it is", text.to_owned()),
        ("compact", body.to_string()),
        ("pretty", serde_json::to_string_pretty(body).unwrap()),
        ("blanks", format!(" \r\n\t{text}\n\n")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("a byte order mark and NUL bytes", format!("\u{feff} {text}\0\0")),
        ("control characters inside texts", {
            let note = "\"data\":{\"note\":\"line\nend\t\0\",";
            body.to_string().replacen("\"data\":{", note, 1).replacen(':', ":\n", 1)
        }),
        ("keys reversed", reversed(body)),
        ("escaped", escaped(body)),
        ("no payload_type", {
            let mut body = body.clone();
            body["data"].as_object_mut().unwrap().remove("payload_type");
            body.to_string()
        }),
        ("unknown key in the envelope", {
            let mut body = body.clone();
            body["api_version"] = json!({"v": [2]});
            body.to_string()
        }),
        ("deep unknown field", {
            let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
            body.to_string().replacen("\"data\":{", &format!("\"data\":{{\"deep\":{deep},"), 1)
        }),
        ("unknown number beyond every type", {
            body.to_string().replacen("\"data\":{", "\"data\":{\"big\":1e999,", 1)
        }),
    ];
    for missing in ["timestamp", "business_id"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(missing);
        ways.push(("part of the envelope missing", body.to_string()));
    }
    for (way, text) in ways {
        run.deliver(&format!("{name} {way}"), body, text).await;
    }
    let kind = EventKind::from(body["type"].as_str().unwrap());
    for key in required(kind.payload_type().unwrap()) {
        let value = &body["data"][*key];
        let twice = format!("\"data\":{{{}:\"first\",{}:{value},", json!(key), json!(key));
        let text = body.to_string().replacen("\"data\":{", &twice, 1);
        run.deliver(&format!("{name} {key} repeated"), body, text).await;
    }
    if body["data"].get("metadata").is_some_and(Value::is_object) {
        let text = body.to_string().replacen(
            "\"metadata\":{",
            "\"metadata\":{\"order\":\"x\",\"2024\":\"y\",\"order\":\"z\",\"score\":1.0,",
            1,
        );
        // The first `metadata` may be the customer's.
        run.deliver(&format!("{name} metadata with a key twice"), body, text).await;
    }
}

fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let members: Vec<String> =
                map.iter().rev().map(|(k, v)| format!("{}:{}", json!(k), reversed(v))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// Every letter of every text, keys included, as `\u....`.
fn escaped(value: &Value) -> String {
    let text = |text: &str| {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{units}\"")
    };
    match value {
        Value::Object(map) => {
            let members: Vec<String> =
                map.iter().map(|(k, v)| format!("{}:{}", text(k), escaped(v))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(escaped).collect::<Vec<_>>().join(","))
        }
        Value::String(s) => text(s),
        other => other.to_string(),
    }
}
