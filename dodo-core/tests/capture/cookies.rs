//! Cookie headers as strangers send them.

use dodo_core::capture::VisitorCapture;
use http::{HeaderValue, Request};

use super::{reasons, request, with_cookies};

fn visitor(cookies: &str) -> Option<String> {
    let captured = with_cookies(&VisitorCapture::visitors_now(), cookies);
    captured.visitor().map(|visitor| visitor.as_str().to_owned())
}

#[test]
fn invalid_pairs_do_not_hide_other_pairs() {
    for (cookies, expected) in [
        ("visitor=v1", Some("v1")),
        ("  visitor = v1 ;a=b", Some("v1")),
        ("visitor=\"v1\"", Some("v1")),
        ("a=b;;;;visitor=v1;;", Some("v1")),
        ("=x; =; visitor=v1", Some("v1")),
        ("novalue; visitor=v1", Some("v1")),
        ("a=b=c=d; visitor=v=1", Some("v=1")),
        ("a=\"semi;visitor=v1\"", Some("v1\"")), // a quote does not protect a semicolon
        ("VISITOR=v1", None),                    // names are case-sensitive
        ("xvisitor=v1; visitor2=v2", None),
        ("visitor", None),
        ("", None),
        (";", None),
    ] {
        assert_eq!(visitor(cookies).as_deref(), expected, "{cookies}");
    }
}

#[test]
fn of_two_cookies_of_one_name_the_first_usable_one_counts() {
    assert_eq!(visitor("visitor=first; visitor=second").as_deref(), Some("first"));
    assert_eq!(visitor("visitor=; visitor=second").as_deref(), Some("second"));
    assert_eq!(visitor("visitor=null; visitor=undefined").as_deref(), None);
}

#[test]
fn several_cookie_headers_count_as_one() {
    let parts =
        request("/", &[("cookie", "a=b"), ("cookie", "visitor=v1"), ("cookie", "visitor=v2")]);
    let captured = VisitorCapture::visitors_now().capture(&parts).0;
    assert_eq!(captured.visitor().unwrap().as_str(), "v1");
}

#[test]
fn bytes_that_are_not_utf8_cost_only_their_own_pair() {
    let mut value = b"odd=\xff\xfe; visitor=v1; worse=".to_vec();
    value.extend([0xC3, 0x28]);
    let request = Request::get("/").header("cookie", HeaderValue::from_bytes(&value).unwrap());
    let parts = request.body(()).unwrap().into_parts().0;
    assert_eq!(VisitorCapture::visitors_now().capture(&parts).0.visitor().unwrap().as_str(), "v1");
}

#[test]
fn text_beyond_ascii_is_read() {
    let value = HeaderValue::from_bytes("stadt=Köln; visitor=Jürgen".as_bytes()).unwrap();
    let parts = Request::get("/").header("cookie", value).body(()).unwrap().into_parts().0;
    let captured = VisitorCapture::visitors_now().capture(&parts).0;
    assert_eq!(captured.visitor().unwrap().as_str(), "Jürgen");
}

#[test]
fn no_more_than_64_kib_and_500_cookies_are_looked_at() {
    for (filler, found) in [
        (format!("big={}; ", "x".repeat(65_000)), true),
        (format!("big={}; ", "x".repeat(66_000)), false),
        ("a=b; ".repeat(499), true),
        ("a=b; ".repeat(500), false),
    ] {
        let read = visitor(&format!("{filler}visitor=v1"));
        assert_eq!(read.is_some(), found, "{} bytes", filler.len());
        assert!(visitor(&format!("visitor=v1; {filler}")).is_some());
    }
}

#[test]
fn star_in_name_matches_any_text() {
    let capture = VisitorCapture::new().cookie("ph_*_posthog").into_metadata("id");
    for (cookies, found) in [
        ("ph_phc_x_posthog=1", true),
        ("ph__posthog=1", true),
        ("ph_posthog=1", false), // the two ends do not overlap
        ("ph_phc_x_posthog2=1", false),
        ("xph_phc_x_posthog=1", false),
    ] {
        let captured = with_cookies(&capture, cookies);
        assert_eq!(reasons(&captured).is_empty(), found, "{cookies}");
    }
}
