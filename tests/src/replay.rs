//! Requests to `@dodopayments/express` 0.2.6, with its recorded behavior.
//!
//! `tests/data/vectors/express.json` holds them; the [`stub`](crate::stub) is the one they were
//! recorded against, in Rust.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{case::Case, stub::Call, subject::Observed};

/// One recorded request.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// Its name: area and case.
    pub id: String,
    request: RecordedRequest,
    /// What the adaptor did.
    pub express: Express,
}

#[derive(Clone, Debug, Deserialize)]
struct RecordedRequest {
    method: String,
    path: String,
    #[serde(default)]
    query: Option<String>,
    headers: BTreeMap<String, Value>,
    body: Option<RecordedBody>,
}

/// Large bodies were recorded by their length and their beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RecordedBody {
    Text(String),
    Cut { length: usize, head: String },
}

/// What the adaptor did.
#[derive(Clone, Debug, Deserialize)]
pub struct Express {
    /// The status of its answer.
    pub status: u16,
    /// Its answer, when that was JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// Where it redirected to.
    #[serde(default)]
    pub location: Option<String>,
    /// The calls to Dodo's API.
    pub upstream: Vec<Call>,
}

/// All recorded requests.
///
/// # Panics
/// If the file cannot be read.
#[must_use]
pub fn recorded() -> Vec<Recorded> {
    let text = include_str!("../data/vectors/express.json");
    serde_json::from_str(text).expect("the vectors are JSON of this shape")
}

impl Recorded {
    /// The request, to be sent again.
    pub fn case(&self) -> Case {
        let request = &self.request;
        let target = match request.query.as_deref() {
            None | Some("") => request.path.clone(),
            Some(query) => format!("{}?{query}", request.path),
        };
        let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut case = Case::new(&self.id, method, &target);
        for (name, value) in &request.headers {
            if name != "content-length" {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                case = case.header(name, text);
            }
        }
        match &request.body {
            None => case,
            Some(RecordedBody::Text(text)) => case.body(text.as_bytes()),
            Some(RecordedBody::Cut { length, head }) => {
                let mut text = head.clone().into_bytes();
                text.resize(*length, b' ');
                case.body(text)
            }
        }
    }

    /// What we did otherwise than the adaptor, in words; nothing if it was the same.
    #[must_use]
    pub fn differences(&self, ours: &Observed) -> Vec<String> {
        let mut found = Vec::new();
        let express = &self.express;
        if ours.status != express.status {
            found.push(format!("status {} -> {}", express.status, ours.status));
        }
        let upstream: Vec<Call> = ours.upstream.iter().map(Call::bare).collect();
        if upstream != express.upstream {
            found.push(format!("upstream {:?} -> {upstream:?}", express.upstream));
        }
        if ours.status == 200
            && let Some(theirs) = &express.body
        {
            let body: Value = serde_json::from_str(&ours.body).unwrap_or_default();
            if !includes(&body, theirs) {
                found.push(format!("body {theirs} -> {body}"));
            }
        }
        let location = ours.headers.get("location").and_then(|values| values.first());
        if ours.status == 302 && location != express.location.as_ref() {
            found.push(format!("location {:?} -> {location:?}", express.location));
        }
        found
    }
}

/// Whether an answer holds everything that another does; it may say more.
fn includes(answer: &Value, other: &Value) -> bool {
    let empty = Map::new();
    let members = answer.as_object().unwrap_or(&empty);
    other.as_object().is_some_and(|o| o.iter().all(|(k, v)| members.get(k) == Some(v)))
}

/// What must hold between our calls of Dodo's and the adaptor's, within a class of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// We make none.
    None,
    /// We make the same.
    Same,
    /// We make each create once.
    Once,
    /// We send everything that the adaptor sends, and more.
    More,
    /// The adaptor makes none; we make some.
    Some,
}

impl Calls {
    /// Whether it holds.
    #[must_use]
    pub fn hold(self, theirs: &[Call], ours: &[Call]) -> bool {
        match self {
            Self::None => ours.is_empty(),
            Self::Same => ours == theirs,
            Self::Once => {
                let mut once = theirs.to_vec();
                once.dedup();
                ours == once
            }
            Self::More => {
                ours != theirs
                    && ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| {
                        ours.path == theirs.path && contains(&ours.body, &theirs.body)
                    })
            }
            Self::Some => theirs.is_empty() && ours.iter().any(|call| call.method == "POST"),
        }
    }
}

/// Whether a document holds everything that another does.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|w| contains(w, part)))
        }
        _ => whole == part,
    }
}

/// A class of differences from the adaptor, all on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Its name in the migration guide.
    pub name: &'static str,
    /// The difference.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
    /// What becomes of the calls.
    pub calls: Calls,
    /// The recorded requests it explains, with our status.
    pub requests: &'static [(&'static str, u16)],
}

/// Every class of differences.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "method",
        what: "a method that a route does not answer is 405 with `Allow`; `HEAD` too, and it creates nothing",
        why: "the adaptor answers 404 or 400, reads a `GET` on a session route as a checkout, and lets a `HEAD` open a portal session",
        calls: Calls::None,
        requests: &[
            ("static.type_session_get", 405),
            ("static.get_mount.PUT", 405),
            ("static.get_mount.PATCH", 405),
            ("session.post_mount.GET", 405),
            ("session.post_mount.PATCH", 405),
            ("portal.get_mount.HEAD", 405),
        ],
    },
    Difference {
        name: "media type",
        what: "a body that is not `application/json` is 415",
        why: "it is what the status means; and browsers send other types across sites without asking first",
        calls: Calls::None,
        requests: &[("session.text_plain", 415), ("session.form", 415)],
    },
    Difference {
        name: "invalid value",
        what: "values that cannot be meant are 400 with field and JSON Pointer, before Dodo is asked",
        why: "the adaptor sends quantity -5, the country Wonderland and `javascript:` URLs on; the customer sees the fault on the hosted page, or arrives on a foreign page",
        calls: Calls::None,
        requests: &[
            ("static.quantity_0", 400),
            ("static.quantity_neg", 400),
            ("static.quantity_float", 400),
            ("static.amount_neg", 400),
            ("static.null_byte", 400),
            ("dynamic.cart_qty_0", 400),
            ("dynamic.cart_empty_with_product_id", 400),
            ("dynamic.billing_country_bad", 400),
            ("dynamic.trial_string", 400),
            ("session.addons_id_empty", 400),
            ("session.country_emoji", 400),
            ("session.currency_lower", 400),
            ("session.return_javascript", 400),
            ("session.return_mailto", 400),
            ("session.return_unicode", 400),
            ("session.discount_codes_21", 400),
            ("session.ondemand_price_neg", 400),
        ],
    },
    Difference {
        name: "id",
        what: "an id is 1 to 64 of `[A-Za-z0-9_-]`, or 400 without a call",
        why: "the adaptor puts it into paths and links: `../payments` leads elsewhere, `?` and `#` add parameters",
        calls: Calls::None,
        requests: &[
            ("static.productId_query", 400),
            ("static.productId_trail_space", 400),
            ("static.productId_at", 400),
            ("static.productId_quote", 400),
            ("portal.unicode", 400),
            ("portal.id_dotdot_products", 400),
            ("portal.id_dot_only", 400),
            ("portal.id_hash", 400),
            ("portal.id_semi", 400),
            ("portal.id_raw_pct2e", 400),
            ("portal.upstream_echo_html", 400),
        ],
    },
    Difference {
        name: "repeated parameter",
        what: "a parameter that is there twice is 400",
        why: "the adaptor takes the first customer of two, and another reader of the same URL the last",
        calls: Calls::None,
        requests: &[("portal.dup", 400)],
    },
    Difference {
        name: "metadata limits",
        what: "keys are 1 to 40 of `[A-Za-z0-9_-]`, values at most 500 characters, 50 pairs",
        why: "they are Dodo's limits, and here the answer names the key",
        calls: Calls::None,
        requests: &[
            ("static.metadata_odd_name", 400),
            ("static.metadata_bracket", 400),
            ("session.meta_empty_key", 400),
        ],
    },
    Difference {
        name: "accepted",
        what: "null for an optional field means absent; metadata takes numbers and booleans",
        why: "Dodo's schema allows both, and the adaptor refuses them",
        calls: Calls::Some,
        requests: &[
            ("dynamic.metadata_bool", 200),
            ("dynamic.metadata_null", 200),
            ("session.customer_null", 200),
            ("session.amount_null", 200),
            ("session.addons_null", 200),
            ("session.return_null", 200),
            ("session.custom_null", 200),
            ("session.meta_number", 200),
        ],
    },
    Difference {
        name: "sent",
        what: "every documented field is sent",
        why: "the adaptor drops many without a word: discount codes, the phone number, `force_3ds`, `short_link`, the amount of pay-what-you-want items, a metadata key `__proto__`",
        calls: Calls::More,
        requests: &[
            ("dynamic.customer_extra", 200),
            ("dynamic.onetime_all_fields", 200),
            ("dynamic.discount_codes_only", 200),
            ("session.meta_proto", 200),
        ],
    },
    Difference {
        name: "upstream failure",
        what: "Dodo's refusal is 422 with Dodo's code, an unknown product or customer 404, a refused key, a failure or an unusable answer 502, a limit 503 with `Retry-After`, a deadline 504",
        why: "the adaptor answers 400 or 500 to all of them and shows Dodo's text, and sends customers to links that are none",
        calls: Calls::Same,
        requests: &[
            ("static.upstream_fail401", 502),
            ("static.upstream_fail404", 404),
            ("static.upstream_fail429", 503),
            ("static.upstream_reset", 502),
            ("dynamic.payments_empty", 502),
            ("dynamic.payments_slow", 502),
            ("dynamic.subscriptions_nolink", 502),
            ("dynamic.product_pdt_fail500", 502),
            ("session.upstream_fail404", 404),
            ("session.upstream_fail422", 422),
            ("session.upstream_empty", 502),
            ("session.upstream_text", 502),
            ("session.upstream_slow", 502),
            ("session.upstream_nolink", 502),
            ("session.upstream_nosession", 502),
            ("portal.upstream_fail422", 422),
            ("portal.upstream_badjson", 502),
            ("portal.upstream_badlink", 502),
        ],
    },
    Difference {
        name: "created once",
        what: "a create is not repeated when it may have happened",
        why: "Dodo has no idempotency key for them: the adaptor sends a payment three times when the connection breaks after the first",
        calls: Calls::Once,
        requests: &[
            ("dynamic.payments_fail500", 502),
            ("session.upstream_fail429", 503),
            ("session.upstream_fail503html", 502),
            ("session.upstream_reset", 502),
        ],
    },
];
