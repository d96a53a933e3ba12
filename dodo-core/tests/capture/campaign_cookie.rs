//! Our own cookie: a visitor's way from the landing page to the checkout.

use std::time::Duration;

use dodo_core::capture::{CampaignCookie, Captured, Preset, VisitorCapture, consent::Consent};
use http::{HeaderValue, request::Parts};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{injected, request};

const KEY: &str = "a key of at least sixteen bytes";

/// A browser that keeps our cookie and a clock that the test moves.
struct Browser {
    capture: VisitorCapture,
    cookie: Option<String>,
    now: Timestamp,
}

impl Browser {
    fn new(cookie: CampaignCookie) -> Self {
        let capture = VisitorCapture::new().preset(Preset::Utm).campaign_cookie(cookie);
        Self { capture, cookie: None, now: "2026-11-20T12:00:00Z".parse().unwrap() }
    }

    fn request(&self, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut all = headers.to_vec();
        let cookie = self.cookie.as_ref().map(|value| format!("theme=dark; {value}"));
        all.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        request(uri, &all)
    }

    fn send(&mut self, uri: &str, headers: &[(&str, &str)]) -> (Captured, Option<HeaderValue>) {
        let (captured, set) = self.capture.capture_at(&self.request(uri, headers), self.now);
        if let Some(set) = &set {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        self.now += 60.seconds();
        (captured, set)
    }

    /// Loads a page by a link from elsewhere.
    fn visit(&mut self, uri: &str) -> Option<HeaderValue> {
        self.send(uri, &[("accept", "text/html")]).1
    }

    /// What a checkout by `fetch` from the page `/cart` would put into metadata.
    fn checkout(&mut self) -> Value {
        injected(&self.checkout_call())
    }

    fn checkout_call(&mut self) -> Captured {
        let headers = [("referer", "https://shop.example/cart"), ("sec-fetch-dest", "empty")];
        let (captured, set) = self.send("/api/checkout", &headers);
        assert_eq!(set, None, "only pages set the cookie");
        captured
    }
}

#[test]
fn campaign_lasts_from_landing_to_checkout() {
    let mut browser = Browser::new(CampaignCookie::last_touch().signed_with(KEY).unwrap());
    let set = browser.visit("/landing?utm_source=newsletter&utm_campaign=launch&gclid=g1").unwrap();
    let text = set.to_str().unwrap();
    let (pair, attributes) = text.split_once("; ").unwrap();
    assert!(pair.starts_with("dodo_campaign="), "{text}");
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax", "Secure"]);

    assert_eq!(browser.visit("/pricing"), None, "nothing new, no new cookie");
    let captured = browser.checkout_call();
    assert_eq!(injected(&captured), json!({"utm_source": "newsletter", "utm_campaign": "launch"}));
    assert_eq!(captured.campaign().unwrap().campaign_id.as_deref(), Some("launch"));
    let context = captured.context();
    assert_eq!(context.landing_path.as_deref(), Some("/landing"));
    assert_eq!(json!(context.click_ids), json!({"gclid": "g1"}));
}

#[test]
fn first_touch_and_last_touch_credit_whom_they_say() {
    for (cookie, expected) in
        [(CampaignCookie::first_touch(), "first"), (CampaignCookie::last_touch(), "last")]
    {
        let mut browser = Browser::new(cookie);
        browser.visit("/a?utm_source=first&utm_medium=m");
        browser.visit("/b?utm_source=last&utm_medium=m");
        browser.visit("/c"); // a direct visit does not change the credit
        let captured = browser.checkout_call();
        assert_eq!(injected(&captured)["utm_source"], expected);
        let landing = if expected == "first" { "/a" } else { "/b" };
        assert_eq!(captured.context().landing_path.as_deref(), Some(landing));
    }
}

#[test]
fn campaign_in_checkout_query_is_last_touch() {
    for (cookie, expected) in
        [(CampaignCookie::first_touch(), "kept"), (CampaignCookie::last_touch(), "query")]
    {
        let mut browser = Browser::new(cookie);
        browser.visit("/?utm_source=kept");
        let (captured, _) = browser.send("/api/checkout?utm_source=query", &[]);
        assert_eq!(injected(&captured), json!({"utm_source": expected}));
    }
}

#[test]
fn campaign_stays_one_unit() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.visit("/a?utm_source=old&utm_term=old&gclid=old");
    browser.visit("/b?utm_source=new");
    let captured = browser.checkout_call();
    assert_eq!(injected(&captured), json!({"utm_source": "new"}));
    assert!(captured.context().click_ids.is_empty(), "the old click belongs to the old link");
}

#[test]
fn first_visit_without_campaign_keeps_landing_path() {
    let mut browser = Browser::new(CampaignCookie::first_touch());
    let headers = [("accept", "text/html"), ("referer", "https://news.example/item")];
    assert!(browser.send("/story", &headers).1.is_some());
    assert_eq!(browser.checkout(), json!({}));
    browser.visit("/promo?utm_source=ad");
    let captured = browser.checkout_call();
    assert_eq!(injected(&captured), json!({"utm_source": "ad"}));
    let context = captured.context();
    assert_eq!(context.landing_path.as_deref(), Some("/story"));
    assert_eq!(context.referrer_host.as_deref(), Some("news.example"));
}

#[test]
fn old_tab_does_not_restore_old_campaign() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.visit("/a?utm_source=old");
    browser.visit("/b?utm_source=new");
    let old_tab = [("accept", "text/html"), ("referer", "https://shop.example/a?utm_source=old")];
    assert_eq!(browser.send("/c", &old_tab).1, None);
    assert_eq!(browser.checkout(), json!({"utm_source": "new"}));
}

#[test]
fn consent_given_on_the_landing_page_still_counts_on_the_next() {
    let mut browser = Browser::new(CampaignCookie::first_touch());
    browser.capture = browser.capture.clone().consent(|request: &Parts| {
        let agreed = request.headers.contains_key("x-agreed");
        if agreed { Consent::Granted } else { Consent::Denied }
    });
    assert_eq!(browser.visit("/landing?utm_source=newsletter"), None, "no consent yet");
    let next = [
        ("accept", "text/html"),
        ("x-agreed", "yes"),
        ("referer", "https://shop.example/landing?utm_source=newsletter"),
    ];
    let (captured, set) = browser.send("/pricing", &next);
    assert!(set.is_some());
    assert_eq!(captured.context().landing_path.as_deref(), Some("/landing"));
    assert_eq!(injected(&captured), json!({"utm_source": "newsletter"}));
}

#[test]
fn withdrawn_consent_removes_cookie_and_credit() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.visit("/?utm_source=newsletter");
    let (captured, set) = browser.send("/", &[("accept", "text/html"), ("sec-gpc", "1")]);
    assert_eq!(injected(&captured), json!({}));
    let text = set.unwrap().to_str().unwrap().to_owned();
    assert!(text.starts_with("dodo_campaign=; ") && text.contains("Max-Age=0"), "{text}");
    assert_eq!(browser.send("/", &[("accept", "text/html"), ("sec-gpc", "1")]).1, None);
    assert_eq!(browser.checkout(), json!({}));
}

#[test]
fn changed_signed_cookie_is_ignored() {
    let signed = || CampaignCookie::last_touch().signed_with(KEY).unwrap();
    let mut browser = Browser::new(signed());
    browser.visit("/?utm_source=newsletter");
    let good = browser.cookie.clone().unwrap();
    for at in "dodo_campaign=".len()..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        browser.cookie = Some(String::from_utf8(bytes).unwrap());
        assert_eq!(browser.checkout(), json!({}), "character {at}");
    }
    let unsigned = good.split_once('.').unwrap().0.to_owned();
    for forged in [unsigned, format!("{good}.x"), "dodo_campaign=".into(), "dodo_campaign=.".into()]
    {
        browser.cookie = Some(forged.clone());
        assert_eq!(browser.checkout(), json!({}), "{forged}");
    }
    // A cookie of another name, signed by the same key, is not this one.
    let mut other = Browser::new(signed().name("other").unwrap());
    other.visit("/?utm_source=newsletter");
    browser.cookie = other.cookie.map(|cookie| cookie.replace("other=", "dodo_campaign="));
    assert_eq!(browser.checkout(), json!({}));
    browser.cookie = Some(good);
    assert_eq!(browser.checkout(), json!({"utm_source": "newsletter"}));
}

#[test]
fn forged_cookie_does_not_hide_genuine_one() {
    let mut browser = Browser::new(CampaignCookie::last_touch().signed_with(KEY).unwrap());
    browser.visit("/?utm_source=newsletter");
    let good = browser.cookie.take().unwrap();
    browser.cookie = Some(format!("dodo_campaign=e30.forged; {good}"));
    assert_eq!(browser.checkout(), json!({"utm_source": "newsletter"}));
}

#[test]
fn keys_rotate() {
    let mut browser = Browser::new(CampaignCookie::last_touch().signed_with(KEY).unwrap());
    browser.visit("/?utm_source=newsletter");
    let rotated = CampaignCookie::last_touch()
        .signed_with("the next key, sixteen bytes")
        .and_then(|cookie| cookie.signed_with(KEY))
        .unwrap();
    browser.capture = VisitorCapture::new().preset(Preset::Utm).campaign_cookie(rotated);
    assert_eq!(browser.checkout(), json!({"utm_source": "newsletter"}));
    let without = CampaignCookie::last_touch().signed_with("the next key, sixteen bytes").unwrap();
    browser.capture = VisitorCapture::new().preset(Preset::Utm).campaign_cookie(without);
    assert_eq!(browser.checkout(), json!({}));
}

#[test]
fn unsigned_cookie_is_read_and_garbage_is_not() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.visit("/?utm_source=newsletter");
    assert_eq!(browser.checkout(), json!({"utm_source": "newsletter"}));
    for garbage in ["", "x", "e30", "bnVsbA", "eyJ0IjoiYSJ9", "%%%", "W10"] {
        browser.cookie = Some(format!("dodo_campaign={garbage}"));
        assert_eq!(browser.checkout(), json!({}), "{garbage}");
    }
}

#[test]
fn expired_campaign_is_ignored_in_kept_cookie() {
    let cookie = CampaignCookie::last_touch().max_age(Duration::from_secs(3600));
    let mut browser = Browser::new(cookie);
    let set = browser.visit("/?utm_source=newsletter").unwrap();
    assert!(set.to_str().unwrap().contains("Max-Age=3600"));
    let landed = browser.now - 60.seconds();
    for (age, found) in [(3600, true), (3601, false), (-300, true), (-301, false)] {
        browser.now = landed + age.seconds();
        assert_eq!(browser.checkout() != json!({}), found, "{age}");
    }
}

#[test]
fn cookie_has_limits_of_age_and_size() {
    let mut browser = Browser::new(CampaignCookie::last_touch().max_age(Duration::MAX));
    let long = "ü".repeat(66); // 396 bytes in the query, kept as 132
    let mut uri = "/l".to_owned() + &"a".repeat(150) + "?x=y";
    for name in ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] {
        uri += &format!("&{name}={}", long.replace('ü', "%C3%BC"));
    }
    for name in ["gclid", "fbclid", "msclkid", "ttclid", "twclid", "yclid"] {
        uri += &format!("&{name}={}", "c".repeat(200));
    }
    let set = browser.visit(&uri).unwrap();
    let text = set.to_str().unwrap();
    assert!(text.contains("Max-Age=34560000"), "{text}");
    assert!(text.len() < 4096, "{}", text.len());
    let captured = browser.checkout_call();
    assert_eq!(captured.context().click_ids.len(), 4, "at most four click ids are kept");
    assert_eq!(injected(&captured)["utm_source"], long);
    // Values over 200 characters are not kept in the cookie.
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.visit(&format!("/?utm_source={}&utm_medium=m", "s".repeat(201)));
    assert_eq!(browser.checkout(), json!({"utm_medium": "m"}));
}

#[test]
fn what_no_browser_would_keep_is_not_sent() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    let mut uri = "/?x=y".to_owned();
    for name in ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] {
        uri += &format!("&{name}={}", "%E3%81%82".repeat(200)); // 600 bytes each
    }
    assert_eq!(browser.visit(&uri), None);
}

#[test]
fn names_domains_and_keys_are_checked() {
    let cookie = CampaignCookie::first_touch;
    for bad in ["", "a b", "a;b", "a=b", "a\r\n", "é"] {
        assert!(cookie().name(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a;b", "a b", "shop.example/path"] {
        assert!(cookie().domain(bad).is_err(), "{bad:?}");
    }
    assert!(cookie().signed_with("fifteen bytes!!").is_err());
    assert!(cookie().signed_with("sixteen bytes!!!").is_ok());
    let shown = format!("{:?}", cookie().signed_with("canary canary canary").unwrap());
    assert!(!shown.contains("canary"));
}

#[test]
fn options_of_the_cookie_show_in_set_cookie() {
    let cookie = CampaignCookie::last_touch()
        .name("touch")
        .and_then(|cookie| cookie.domain("shop.example"))
        .unwrap()
        .insecure_for_development();
    let set = Browser::new(cookie).visit("/?utm_source=s").unwrap();
    let text = set.to_str().unwrap();
    assert!(text.starts_with("touch=") && text.contains("Domain=shop.example"), "{text}");
    assert!(!text.contains("Secure"), "{text}");
}

#[test]
fn posted_form_does_not_count_as_visit() {
    let browser = Browser::new(CampaignCookie::last_touch());
    let mut parts = browser.request("/?utm_source=s", &[("accept", "text/html")]);
    assert!(browser.capture.capture_at(&parts, browser.now).1.is_some());
    parts.method = http::Method::POST;
    assert_eq!(browser.capture.capture_at(&parts, browser.now).1, None);
}

#[test]
fn only_pages_set_the_cookie() {
    for headers in [
        &[("accept", "*/*")][..],
        &[("accept", "image/avif,*/*"), ("sec-fetch-dest", "image")],
        &[("accept", "text/html"), ("sec-purpose", "prefetch")],
    ] {
        let mut browser = Browser::new(CampaignCookie::last_touch());
        assert_eq!(browser.send("/?utm_source=s", headers).1, None, "{headers:?}");
    }
}

#[test]
fn other_tools_ids_are_not_kept_in_our_cookie() {
    let mut browser = Browser::new(CampaignCookie::last_touch());
    browser.capture = browser.capture.clone().preset(Preset::VisitorsNow);
    let headers = [("accept", "text/html"), ("cookie", "visitor=v1")];
    browser.send("/?utm_source=s", &headers);
    assert_eq!(browser.checkout(), json!({"utm_source": "s"}));
}
