//! Facts: the stored knowledge of the ledger, as typed and immutable values.
//!
//! Every struct here and in `fact_kind` is stored. [`FORMAT`] is the version of its JSON, and a test
//! pins that JSON. `resolve` ignores many fields. `dodo-billing` and the dashboard rebuild history
//! from them.

use std::{collections::BTreeMap, fmt};

use dodo_core::{EventKind, attribution::Contact, capture::Campaign};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{VisitContext, fact_kind::FactKind};

/// The version of the stored JSON.
pub const FORMAT: i16 = 1;

/// The content of one event, API object or call of the application.
///
/// The serialized form is the stored body. It leaves out the three fields that have columns of their
/// own: `id`, `occurred_at` and `person`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The `webhook-id`, `api:pay_x:<hash>`, `context:cks_x`, `erasure:<hash>:<time>` or `void:<record>`.
    #[serde(skip)]
    pub id: String,
    /// The channel that brought the fact.
    #[serde(default, skip_serializing_if = "Source::is_webhook")]
    pub source: Source,
    /// The time of the event, in whole microseconds.
    #[serde(skip)]
    pub occurred_at: Timestamp,
    /// The time at which the ledger received the fact.
    pub received_at: Timestamp,
    /// The signed `webhook-timestamp` of the attempt that brought the body.
    #[serde(default)]
    pub attempt_at: Option<Timestamp>,
    /// The type of the event.
    pub event_type: EventKind,
    /// `true` in live mode.
    #[serde(default)]
    pub live: bool,
    /// The business at Dodo Payments. Empty for facts of the application.
    #[serde(default)]
    pub business_id: String,
    /// The brand, if the object names one.
    #[serde(default)]
    pub brand_id: Option<String>,
    /// Amounts, times and ids: the books.
    pub kind: FactKind,
    /// All personal data of the fact. `None`: erased.
    #[serde(skip)]
    pub person: Option<Person>,
}

/// The channel that brought a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A verified webhook.
    #[default]
    Webhook,
    /// The API of Dodo Payments. A webhook about the same object takes precedence.
    Api,
    /// The application, or an operator.
    Application,
}

impl Source {
    fn is_webhook(&self) -> bool {
        *self == Self::Webhook
    }
}

/// Everything in a fact that names a person. Erasure removes it and nothing else.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// `cus_...`.
    pub customer_id: Option<String>,
    /// SHA-256 of the trimmed, lower-case e-mail address.
    #[serde(with = "super::hash::optional")]
    pub email_sha256: Option<[u8; 32]>,
    /// Address and name, for sinks that identify.
    pub contact: Option<Contact>,
    /// The metadata of the object itself, or the captured visit.
    #[serde(skip_serializing_if = "Touchpoint::is_empty")]
    pub own: Touchpoint,
    /// The metadata of the customer.
    #[serde(skip_serializing_if = "Touchpoint::is_empty")]
    pub customer: Touchpoint,
    /// Landing path, referrer and device of the visit.
    pub visit_context: Option<VisitContext>,
    /// Click ids of the visit, by parameter: `gclid` and others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub click_ids: BTreeMap<String, String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person { .. }")
    }
}

/// One recorded contact: the visitor, the campaign, and ids of other tools.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Touchpoint {
    /// The visitor.
    pub visitor: Option<String>,
    /// The campaign, never empty.
    pub campaign: Option<Campaign>,
    /// Ids of other tools, by metadata key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tool_ids: BTreeMap<String, String>,
    /// The user of the application.
    pub user_id: Option<String>,
    /// The signed token of billing that names the owner, unchecked. `None` in captured visits.
    pub owner: Option<String>,
}

impl Touchpoint {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for Touchpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Touchpoint { .. }")
    }
}
