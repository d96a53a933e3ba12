//! The customer of an event of any type: an erasure finds the body of the event by it.

use dodo_core::{attribution::email_sha256, internals::Envelope};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{fact::Person, sanitize};
use crate::attribution::{hash, subject};

/// The customer of an event. Each field is empty if the payload does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventOwner {
    pub(crate) customer_id: Option<String>,
    /// The hash of the e-mail address as hexadecimal text.
    pub(crate) email_sha256: Option<String>,
}

/// The places where payloads name the customer, as raw JSON, so that one bad value does not hide
/// the others.
#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    customer: Option<&'a RawValue>,
    #[serde(borrow)]
    customer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    email: Option<&'a RawValue>,
}

impl EventOwner {
    pub(crate) fn from_envelope(event: &Envelope) -> Self {
        let data: Data<'_> = read(event.data.as_str());
        let customer: Data<'_> = read(data.customer.map(RawValue::get));
        let id = text(data.customer_id).or_else(|| text(customer.customer_id));
        let email = text(customer.email).or_else(|| text(data.email));
        let hash = email.as_deref().and_then(email_sha256);
        Self {
            customer_id: id.map(|id| sanitize::id(&id).into_owned()),
            email_sha256: hash.map(|hash| hash::to_hex(&hash)),
        }
    }
}

impl EventOwner {
    /// Returns an empty value if the customer was erased.
    pub(crate) fn unless(self, erased: bool) -> Self {
        if erased { Self::default() } else { self }
    }

    /// Whether a fact names the same customer and the same address.
    pub(crate) fn is(&self, person: &Person) -> bool {
        let hash = person.email_sha256.map(|hash| hash::to_hex(&hash));
        self.customer_id.is_some()
            && self.customer_id == person.customer_id
            && self.email_sha256 == hash
    }

    /// The hashes by which an erasure names the customer and the address.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = String> {
        let customer = self.customer_id.as_deref().map(subject);
        customer.into_iter().chain(self.email_sha256.as_deref().map(subject))
    }
}

fn read(json: Option<&str>) -> Data<'_> {
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}
