//! Keys, the ids that connect facts to a group; and objects, the subjects of facts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{fact::Fact, fact_kind::FactKind, hash::to_hex};

/// An id that connects facts to one group. Facts with a common key are in the same group.
///
/// An e-mail address is not a key, because two customers can share it. Keys of test mode and of live
/// mode differ, so their facts never meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    kind: KeyKind,
    live: bool,
    value: String,
}

/// The kind of id. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum KeyKind {
    /// `cus_...`.
    Customer = 1,
    /// `pay_...`.
    Payment = 2,
    /// `sub_...`.
    Subscription = 3,
    /// `cks_...`.
    Session = 4,
    /// The object of a fact that names no other id, such as a refund without its payment.
    Object = 5,
}

impl Key {
    /// The key of a customer: the SHA-256 of the id, so that the key can outlive an erasure.
    #[must_use]
    pub fn customer(live: bool, id: &str) -> Self {
        Self { kind: KeyKind::Customer, live, value: subject(id) }
    }

    /// The key of a payment.
    #[must_use]
    pub fn payment(live: bool, id: &str) -> Self {
        Self { kind: KeyKind::Payment, live, value: id.to_owned() }
    }

    /// The key of a subscription.
    #[must_use]
    pub fn subscription(live: bool, id: &str) -> Self {
        Self { kind: KeyKind::Subscription, live, value: id.to_owned() }
    }

    /// The key of a checkout session. A context does not know its mode, so the key has none.
    #[must_use]
    pub fn session(id: &str) -> Self {
        Self { kind: KeyKind::Session, live: false, value: id.to_owned() }
    }

    /// The key from its stored parts. `None`: the number of the kind is unknown.
    #[must_use]
    pub fn from_parts(kind: i64, live: bool, value: String) -> Option<Self> {
        use KeyKind::{Customer, Object, Payment, Session, Subscription};
        let kinds = [Customer, Payment, Subscription, Session, Object];
        let kind = kinds.into_iter().find(|known| *known as i64 == kind)?;
        Some(Self { kind, live, value })
    }

    /// The kind of id.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// `true` in live mode.
    #[must_use]
    pub fn live(&self) -> bool {
        self.live
    }

    /// The id, or the hash of a customer id.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The hash by which an erasure names a customer id, or the SHA-256 of an e-mail address in hexadecimal.
#[must_use]
pub fn subject(id: &str) -> String {
    to_hex(&Sha256::digest(id))
}

/// The object that a fact is about, such as `charge:pay_x`. An erasure names objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(String);

impl ObjectId {
    /// An object by its name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fact {
    /// The ids that decide which group the fact is in. Every fact has at least one, except an erasure:
    /// the caller knows its group.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let live = self.live;
        let mut keys = Vec::new();
        let payment = |id: &str| Key::payment(live, id);
        let subscription = |id: &String| Key::subscription(live, id);
        match &self.kind {
            FactKind::Charge(charge) => {
                keys.push(payment(&charge.payment_id));
                keys.extend(charge.subscription_ids.iter().map(subscription));
                keys.extend(charge.session_id.as_deref().map(Key::session));
            }
            FactKind::FailedPayment(failed) => {
                keys.push(payment(&failed.payment_id));
                keys.extend(failed.subscription_ids.iter().map(subscription));
                keys.extend(failed.session_id.as_deref().map(Key::session));
            }
            FactKind::Recovery { abandoned, recovered } => {
                keys.extend([payment(abandoned), payment(recovered)]);
            }
            FactKind::Refund(refund) => keys.push(payment(&refund.payment_id)),
            FactKind::RefundFailed { payment_id, .. } => keys.push(payment(payment_id)),
            FactKind::Dispute(dispute) => keys.push(payment(&dispute.payment_id)),
            FactKind::Subscription(body) | FactKind::ApiSnapshot(body) => {
                keys.push(subscription(&body.subscription_id));
            }
            FactKind::Context { session_id, .. } => keys.push(Key::session(session_id)),
            FactKind::Grant(grant) => {
                keys.extend(grant.payment_id.as_deref().map(payment));
                keys.extend(grant.subscription_id.as_ref().map(subscription));
            }
            FactKind::LicenseKey(key) => {
                keys.extend(key.payment_id.as_deref().map(payment));
                keys.extend(key.subscription_id.as_ref().map(subscription));
            }
            FactKind::PlanChange(change) => keys.push(subscription(&change.subscription_id)),
            FactKind::Void(void) => keys.push(payment(&void.payment_id)),
            FactKind::Erasure { .. } => return keys,
        }
        keys.retain(|key| !key.value.is_empty());
        let customer = self.person.as_ref().and_then(|person| person.customer_id.as_deref());
        keys.extend(customer.map(|id| Key::customer(live, id)));
        if keys.is_empty() {
            let value = self.object().0;
            keys.push(Key { kind: KeyKind::Object, live, value });
        }
        keys
    }

    /// The hashes by which an erasure names the customer and the e-mail address of the fact.
    pub fn subjects(&self) -> impl Iterator<Item = String> {
        let person = self.person.as_ref();
        let customer = person.and_then(|person| person.customer_id.as_deref()).map(subject);
        let address = person.and_then(|person| person.email_sha256.as_ref());
        customer.into_iter().chain(address.map(|hash| subject(&to_hex(hash))))
    }

    /// The object that the fact is about.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        ObjectId(match &self.kind {
            FactKind::Erasure { .. } => self.id.clone(),
            kind => format!("{}:{}", kind.name(), self.object_id()),
        })
    }

    /// The id of the object whose metadata [`Person::own`](super::Person::own) is.
    #[must_use]
    pub fn object_id(&self) -> &str {
        match &self.kind {
            FactKind::Charge(charge) => &charge.payment_id,
            FactKind::FailedPayment(failed) => &failed.payment_id,
            FactKind::Recovery { recovered, .. } => recovered,
            FactKind::Refund(refund) => &refund.refund_id,
            FactKind::RefundFailed { refund_id, .. } => refund_id,
            FactKind::Dispute(dispute) => &dispute.dispute_id,
            FactKind::Subscription(body) | FactKind::ApiSnapshot(body) => &body.subscription_id,
            FactKind::Context { session_id, .. } => session_id,
            FactKind::Grant(grant) => &grant.grant_id,
            FactKind::LicenseKey(key) => &key.license_key_id,
            FactKind::PlanChange(change) => &change.subscription_id,
            FactKind::Void(void) => &void.record_id,
            FactKind::Erasure { .. } => &self.id,
        }
    }

    /// The payment that a refund or a dispute takes money from.
    pub(super) fn reversed_payment(&self) -> Option<&str> {
        match &self.kind {
            FactKind::Refund(refund) => Some(&refund.payment_id),
            FactKind::RefundFailed { payment_id, .. } => Some(payment_id),
            FactKind::Dispute(dispute) => Some(&dispute.payment_id),
            _ => None,
        }
    }
}

impl FactKind {
    /// The stored name of the kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Charge(_) => "charge",
            Self::FailedPayment(_) => "failed_payment",
            Self::Recovery { .. } => "recovery",
            Self::Refund(_) => "refund",
            Self::RefundFailed { .. } => "refund_failed",
            Self::Dispute(_) => "dispute",
            Self::Subscription(_) => "subscription",
            Self::Context { .. } => "context",
            Self::Grant(_) => "grant",
            Self::LicenseKey(_) => "license_key",
            Self::PlanChange(_) => "plan_change",
            Self::ApiSnapshot(_) => "api_snapshot",
            Self::Void(_) => "void",
            Self::Erasure { .. } => "erasure",
        }
    }
}
