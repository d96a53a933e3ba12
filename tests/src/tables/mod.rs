//! Cases over the three checkout routes and the portal: request, expected answer, and expected
//! calls to Dodo.
//!
//! Each is a table of rows; most rows are sent to the routes that imitate Express and to those
//! under `/strict`. The [`attacks`] are requests of an attacker.

pub mod attacks;
pub mod dynamic;
pub mod hostile_urls;
pub mod portal;
pub mod served;
pub mod session;
pub mod static_link;

use serde_json::Value;

use crate::case::Case;

/// Every table but the attacks.
pub fn checkout_and_portal() -> Vec<Case> {
    [static_link::cases(), dynamic::cases(), session::cases(), portal::cases(), served::cases()]
        .concat()
}

/// What must come of a field or a value.
#[derive(Clone, Debug)]
enum Want {
    /// 200; it goes to Dodo as it is.
    Sent,
    /// 200; this goes to Dodo.
    SentAs(Value),
    /// 400 `invalid_field` at this place.
    Invalid(&'static str),
    /// 400 `missing_field` at this place.
    Missing(&'static str),
    /// Sent on where Express is imitated; else 400 `field_not_allowed` at this place.
    Guarded(&'static str),
    /// Dropped where Express is imitated, so that this goes to Dodo; else 400 `field_not_allowed`.
    Unknown(&'static str, Value),
}

impl Want {
    /// The case with what must come of a field `patch`; `sent` says what must when it goes to Dodo, as
    /// it is or as something else.
    fn on(
        &self,
        case: Case,
        strict: bool,
        patch: &Value,
        sent: impl FnOnce(Case, &Value) -> Case,
    ) -> Case {
        match (self, strict) {
            (Self::Sent, _) | (Self::Guarded(_), false) => sent(case, patch),
            (Self::SentAs(over), _) | (Self::Unknown(_, over), false) => sent(case, over),
            (Self::Invalid(at), _) => case.problem(400, "invalid_field").at(at).upstream([]),
            (Self::Missing(at), _) => case.problem(400, "missing_field").at(at).upstream([]),
            (Self::Guarded(at) | Self::Unknown(at, _), true) => {
                case.problem(400, "field_not_allowed").at(at).upstream([])
            }
        }
    }
}

/// The members of two objects; those of the second win, and null removes.
fn merged(base: &Value, over: &Value) -> Value {
    let mut all = base.as_object().cloned().unwrap_or_default();
    for (name, value) in over.as_object().into_iter().flatten() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    all.into()
}

/// The failures of Dodo's that a marker at the end of an id asks the stub for, with what must be
/// answered when a create ran into them.
const CREATE_FAILURES: &[(&str, u16, &str)] = &[
    ("fail400", 422, "rejected_by_dodo"),
    ("fail401", 502, "credentials_refused"),
    ("fail403", 502, "credentials_refused"),
    ("fail404", 404, "product_not_found"),
    ("fail409", 422, "rejected_by_dodo"),
    ("fail422", 422, "rejected_by_dodo"),
    ("fail429", 503, "rate_limited"),
    ("fail500", 502, "upstream_failed"),
    ("fail503html", 502, "upstream_failed"),
    ("redirect", 502, "upstream_failed"),
    ("reset", 502, "upstream_failed"),
    ("badjson", 502, "upstream_failed"),
    ("empty", 502, "upstream_failed"),
    ("text", 502, "upstream_failed"),
    ("hang", 504, "upstream_timeout"),
    ("nolink", 502, "upstream_failed"),
    ("badlink", 502, "upstream_failed"),
    ("jslink", 502, "upstream_failed"),
];
