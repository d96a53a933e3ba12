//! The log has a reason for every absent value, and no line has a value.

use std::{cell::RefCell, fmt, sync::Once};

use dodo_core::{
    capture::{Preset, VisitorCapture},
    internals::ClientMetadata,
};
use serde_json::{Map, json};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

use super::{object, request, with_cookies};

thread_local! {
    static KEPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The lines of a closure, each `LEVEL target name=value ...`.
///
/// One subscriber for the process. With one per thread, tracing may cache an event as disabled if a
/// thread without a subscriber logs it first.
fn lines(of: impl FnOnce()) -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Lines).unwrap());
    KEPT.set(Some(Vec::new()));
    of();
    KEPT.take().unwrap()
}

/// Keeps the lines of threads that ask for them.
struct Lines;

impl Subscriber for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        KEPT.with_borrow(Option::is_some)
    }
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
        let metadata = event.metadata();
        let mut text = Text(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut text);
        KEPT.with_borrow_mut(|kept| kept.iter_mut().for_each(|lines| lines.push(text.0.clone())));
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What a checkout with these cookies and so much metadata of the app logs.
fn checkout(cookies: &str, server: usize, client: serde_json::Value) -> Vec<String> {
    let capture = VisitorCapture::visitors_now().preset(Preset::DataFast);
    let server: Map<_, _> = (0..server).map(|n| (format!("key_{n}"), json!(n))).collect();
    let client = object(client);
    lines(|| {
        let captured = with_cookies(&capture, cookies);
        let _metadata = captured.inject(&server, client, ClientMetadata::Strict);
    })
}

fn warnings(lines: &[String]) -> Vec<&str> {
    let level = Level::WARN.as_str();
    lines.iter().filter(|line| line.starts_with(level)).map(String::as_str).collect()
}

#[test]
fn checkout_logs_injected_and_omitted_keys() {
    let lines = checkout("datafast_visitor_id=canary", 0, json!({}));
    assert_eq!(
        lines,
        ["DEBUG dodo::capture message=explained the metadata of a checkout consent=NotAsked \
          injected=\"datafast_visitor_id\" left_out=\"visitor:absent,datafast_session_id:absent\""]
    );
}

#[test]
fn unusable_value_is_a_warning() {
    for (cookies, server, client, expected) in [
        (
            format!("visitor={}", "v".repeat(4096)),
            0,
            json!({}),
            "key=\"visitor\" reason=\"too_long\"",
        ),
        ("visitor=a\tb".into(), 0, json!({}), "key=\"visitor\" reason=\"control_character\""),
        ("visitor=undefined".into(), 0, json!({}), "key=\"visitor\" reason=\"placeholder\""),
        ("visitor=v1".into(), 50, json!({}), "key=\"visitor\" reason=\"no_room\""),
        ("visitor=a@b.example".into(), 0, json!({}), "key=\"visitor\" reason=\"personal\""),
        (String::new(), 0, json!({"visitor": "evil"}), "key=\"visitor\" reason=\"from_client\""),
    ] {
        let lines = checkout(&cookies, server, client);
        let [warning] = warnings(&lines)[..] else { panic!("{lines:?}") };
        assert!(
            warning.starts_with("WARN dodo::capture ") && warning.ends_with(expected),
            "{warning}"
        );
    }
}

#[test]
fn repeated_warning_is_left_out() {
    let capture = VisitorCapture::visitors_now();
    let lines = lines(|| {
        for value in ["undefined", "null", "a\tb", "undefined"] {
            let captured = with_cookies(&capture, &format!("visitor={value}"));
            let _metadata = captured.inject(&Map::new(), Map::new(), ClientMetadata::Strict);
        }
    });
    let [first, second] = warnings(&lines)[..] else { panic!("{lines:?}") };
    assert!(first.ends_with("repeated=0 key=\"visitor\" reason=\"placeholder\""), "{first}");
    assert!(
        second.ends_with("repeated=0 key=\"visitor\" reason=\"control_character\""),
        "{second}"
    );
}

#[test]
fn key_that_the_client_chose_is_not_logged() {
    let client: Map<_, _> = (0..50).map(|n| (format!("canary_{n}"), json!(n))).collect();
    let lines = checkout("visitor=v1", 0, client.into());
    let [warning] = warnings(&lines)[..] else { panic!("{lines:?}") };
    assert!(warning.ends_with("key=\"any\" reason=\"no_room\""), "{warning}");
    assert!(lines.iter().all(|line| !line.contains("canary")), "{lines:?}");
}

#[test]
fn intended_omission_has_no_warning() {
    assert!(warnings(&checkout("", 0, json!({}))).is_empty());
    assert!(warnings(&checkout("visitor=v1", 0, json!({"order": "o1"}))).is_empty());
}

#[test]
fn no_line_holds_a_value() {
    let cookies = "visitor=canary1; datafast_visitor_id=canary2@example.com";
    let capture = VisitorCapture::visitors_now()
        .preset(Preset::DataFast)
        .preset(Preset::Utm)
        .query("p")
        .into_metadata("bad key")
        .user_id(|_| Some("canary3".into()));
    let parts = request(
        "/canary4?utm_source=canary5&p=canary6&gclid=canary7",
        &[("cookie", cookies), ("referer", "https://canary8.example/"), ("accept", "text/html")],
    );
    let lines = lines(|| {
        let captured = capture.capture(&parts).0;
        let client = object(json!({"utm_medium": "canary9"}));
        let _metadata = captured.inject(&Map::new(), client, ClientMetadata::Strict);
    });
    assert!(lines.len() >= 4, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("canary")), "{lines:?}");
}
