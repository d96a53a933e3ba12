//! The moderation screen, without state.

use http::StatusCode;
use serde_json::json;

use super::call::{Call, Reply, Route};
use crate::{Error, state::SandboxState};

pub(crate) const ROUTES: &[Route] = &[
    ("POST /moderation/screen", screen),
    ("GET /moderation/usage", |_, _| {
        Ok(Reply::Json(
            json!({ "daily": [], "screens_to_next_block": 1000, "unbilled_screens": 0 }),
        ))
    }),
];

/// Dodo's test mode decides by words in the text.
fn screen(_: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let text = call.text("text").unwrap_or_default();
    let refusal = |status, code, message| Err(Error::refused(status, code, message));
    let decision = match () {
        () if text.contains("dodo_mock_overloaded") => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return refusal(status, "TOO_MANY_REQUESTS", "the screen is overloaded");
        }
        () if text.contains("dodo_mock_not_ready") => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return refusal(status, "SERVICE_UNAVAILABLE", "the screen is not ready");
        }
        () if text.contains("dodo_mock_deny") => "deny",
        () if text.contains("dodo_mock_flag") => "flag",
        () => "allow",
    };
    Ok(Reply::Json(json!({
        "decision": decision,
        "request_id": call.text("request_id"),
        "categories": {},
        "provenance": {},
        "passes": 1,
        "latency_ms": 1,
    })))
}
