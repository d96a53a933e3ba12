//! The decision whether to retry, and the delay.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

/// The first delay. It doubles at each retry.
const BASE: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(4);
/// The longest accepted `Retry-After`. The client ignores a longer one as a mistake.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Whether a repeated call has one effect: reads, and writes with their own idempotency key.
pub(super) fn is_idempotent(method: &Method, path: &str, body: Option<&Value>) -> bool {
    let has_key = || {
        let key = body.and_then(|body| body.get("idempotency_key")).and_then(Value::as_str);
        key.is_some_and(|key| !key.is_empty())
    };
    match (method, path) {
        (&Method::GET | &Method::HEAD, _) => true,
        // Each event has an `event_id`, and Dodo Payments ignores a known one.
        (&Method::POST, "/events/ingest" | "/checkouts/preview" | "/licenses/validate") => true,
        (&Method::POST, path) if path.ends_with("/change-plan/preview") => true,
        (&Method::POST, path) if path == "/webhooks" || path.ends_with("/ledger-entries") => {
            has_key()
        }
        _ => false,
    }
}

/// Whether a retry can succeed after this answer.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error()
}

/// The delay before retry number `retry` (from 0): half fixed, half random, so that clients that
/// failed together do not retry together.
pub(super) fn backoff(retry: u32) -> Duration {
    let full = BASE.saturating_mul(1u32.checked_shl(retry).unwrap_or(u32::MAX)).min(CAP);
    let half = full / 2;
    let random = RandomState::new().hash_one(()); // the standard library seeds it randomly
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(random % span)
}

/// Returns the delay that the server asks for: `retry-after-ms`, or `Retry-After` in seconds or as
/// a date. Invalid values count as absent.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let wait = text("retry-after-ms")
        .and_then(|ms| seconds(ms, 1000.0))
        .or_else(|| seconds(text("retry-after")?, 1.0))
        .or_else(|| date(text("retry-after")?, now))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

fn seconds(text: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number / per_second)
        .ok()
        // A finite number can exceed every clock, such as 1e30.
        .or((number.is_finite() && number > 0.0).then_some(MAX_RETRY_AFTER))
}

fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(SystemTime::from(at.timestamp()).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling_of_retry_after_and_survives_nonsense() {
        let now = SystemTime::from(jiff::Timestamp::from_second(1_600_000_000).unwrap());
        for (name, value, expected) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", "0", Some(0)),
            ("retry-after", "1.5", Some(1_500)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "1e30", Some(3_600_000)),
            ("retry-after", "99999999999999999999", Some(3_600_000)),
            ("retry-after", "-1", None),
            ("retry-after", "-1e30", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", None),
            ("retry-after", "", None),
            ("retry-after", "soon", None),
            ("retry-after", "Sun, 13 Sep 2020 12:26:45 GMT", Some(5_000)),
            ("retry-after", "Sun, 13 Sep 2020 12:00:00 GMT", Some(0)),
            ("retry-after", "Thu, 31 Dec 2099 23:59:59 GMT", Some(3_600_000)),
            ("retry-after", "Fri, 99 Foo 2020 12:00:00 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let wait = retry_after(&headers, now).map(|d| d.as_millis());
            assert_eq!(wait, expected, "{name}: {value}");
        }
    }

    #[test]
    fn waits_grow_to_a_cap() {
        for retry in 0..200 {
            let wait = backoff(retry);
            assert!(wait >= BASE / 2 && wait <= CAP, "{retry}: {wait:?}");
        }
        assert!(backoff(10) >= CAP / 2);
    }
}
