//! The owner of each fact of a group.
//!
//! The order of trust: a checkout session that the app opened for an owner, a signed token in the metadata,
//! the owner of the customer. A token owns its payment and its subscription, and not their customer. The
//! e-mail address is never evidence. Of two facts of one rank, the earlier one counts, so the order of
//! arrival decides nothing.

use std::collections::BTreeMap;

use dodo_ledger::attribution::{Fact, FactKind, Timeline};

use super::{OwnerId, OwnerSecrets};
use crate::fact::BillingFact;

/// The owners in the tables of billing for the objects of a group.
#[derive(Default)]
pub(crate) struct Known {
    /// The owner of each session that the app opened.
    pub(crate) sessions: BTreeMap<String, OwnerId>,
    /// The owner of each bound customer.
    pub(crate) customers: BTreeMap<String, OwnerId>,
}

/// The facts of one group by owner, and customers that the group binds to their owners.
#[derive(Default)]
pub(crate) struct Owned {
    pub(crate) facts: BTreeMap<OwnerId, Vec<BillingFact>>,
    pub(crate) customers: BTreeMap<String, OwnerId>,
}

/// Payments, subscriptions and customers of a group, each with its owner.
#[derive(Default)]
struct Objects<'a> {
    payments: BTreeMap<&'a str, Object<'a>>,
    subscriptions: BTreeMap<&'a str, Object<'a>>,
    /// By the token in the metadata of the customer.
    customers: BTreeMap<&'a str, OwnerId>,
}

/// The first value of each kind that a fact has.
#[derive(Default)]
struct Object<'a> {
    session: Option<OwnerId>,
    token: Option<OwnerId>,
    customer: Option<&'a str>,
    subscriptions: Vec<&'a str>,
}

impl Object<'_> {
    fn strong(&self) -> Option<&OwnerId> {
        self.session.as_ref().or(self.token.as_ref())
    }
}

/// Sorts the facts of this mode by owner. Facts without an owner are left out.
pub(crate) fn owned(
    timeline: &Timeline,
    known: &Known,
    secrets: &OwnerSecrets,
    live: bool,
) -> Owned {
    let facts = timeline.facts().iter().filter(|fact| fact.live == live);
    let mut objects = Objects::default();
    for fact in facts.clone() {
        objects.learn(fact, known, secrets);
    }
    objects.join_subscriptions();
    let customers = objects.bound_customers(known);
    let mut owned = Owned::default();
    for fact in facts {
        let owner = objects.owner(fact, &customers);
        if let Some((owner, fact)) = owner.zip(BillingFact::of(fact)) {
            owned.facts.entry(owner.clone()).or_default().push(fact);
        }
    }
    owned.customers = customers.into_iter().map(|(id, owner)| (id.to_owned(), owner)).collect();
    owned
}

impl<'a> Objects<'a> {
    fn learn(&mut self, fact: &'a Fact, known: &Known, secrets: &OwnerSecrets) {
        let person = fact.person.as_ref();
        let customer = person.and_then(|person| person.customer_id.as_deref());
        let verified = |token: Option<&String>| {
            let owner = secrets.verify(token?, fact.live);
            if owner.is_none() {
                tracing::warn!(
                    target: "dodo::billing", fact = fact.id,
                    "owner in metadata ignored: its signature is wrong; keep old secrets during a rotation"
                );
            }
            owner
        };
        let from_customer = person.and_then(|person| person.customer.owner.as_ref());
        if let Some((customer, owner)) = customer.zip(verified(from_customer)) {
            self.customers.entry(customer).or_insert(owner);
        }
        let (object, session, subscriptions) = match &fact.kind {
            FactKind::Charge(charge) => (
                self.payments.entry(&charge.payment_id).or_default(),
                charge.session_id.as_deref(),
                &*charge.subscription_ids,
            ),
            FactKind::FailedPayment(payment) => (
                self.payments.entry(&payment.payment_id).or_default(),
                payment.session_id.as_deref(),
                &*payment.subscription_ids,
            ),
            FactKind::Subscription(body) | FactKind::ApiSnapshot(body) => {
                (self.subscriptions.entry(&body.subscription_id).or_default(), None, &[][..])
            }
            _ => return,
        };
        if object.session.is_none() {
            object.session = session.and_then(|id| known.sessions.get(id)).cloned();
        }
        if object.token.is_none() {
            object.token = verified(person.and_then(|person| person.own.owner.as_ref()));
        }
        object.customer = object.customer.or(customer);
        object.subscriptions.extend(subscriptions.iter().map(String::as_str));
    }

    /// A subscription has no session, so the session of its first payment counts.
    fn join_subscriptions(&mut self) {
        let mut payments: Vec<_> = self.payments.values().collect();
        // A session takes precedence over a token. Of two sessions for one subscription, that of
        // the payment with the lesser id counts.
        payments.sort_by_key(|payment| payment.session.is_none());
        for payment in payments {
            for id in &payment.subscriptions {
                let subscription = self.subscriptions.entry(id).or_default();
                if subscription.session.is_none() {
                    subscription.session.clone_from(&payment.session);
                }
                if subscription.token.is_none() {
                    subscription.token.clone_from(&payment.token);
                }
                subscription.customer = subscription.customer.or(payment.customer);
            }
        }
    }

    /// The owner of each customer. A bound customer keeps its owner.
    ///
    /// A token in the metadata of a payment binds no customer. The payer of a payment link can type the
    /// address of a stranger, and the customer of that address stays the stranger's.
    fn bound_customers(&self, known: &Known) -> BTreeMap<&'a str, OwnerId> {
        let objects = || self.subscriptions.values().chain(self.payments.values());
        let by_session = objects().filter_map(|o| Some((o.customer?, o.session.as_ref()?)));
        let by_metadata = self.customers.iter().map(|(id, owner)| (*id, owner));
        let mut bound: BTreeMap<&str, OwnerId> = BTreeMap::new();
        for (customer, owner) in by_metadata.chain(by_session) {
            let owner = known.customers.get(customer).unwrap_or(owner);
            bound.entry(customer).or_insert_with(|| owner.clone());
        }
        for customer in objects().filter_map(|object| object.customer) {
            if let Some(owner) = known.customers.get(customer) {
                bound.entry(customer).or_insert_with(|| owner.clone());
            }
        }
        bound
    }

    fn owner<'b>(
        &'b self,
        fact: &'b Fact,
        customers: &'b BTreeMap<&'a str, OwnerId>,
    ) -> Option<&'b OwnerId> {
        let from_customer = |id: Option<&str>| customers.get(id?);
        let from_subscription = |id: &str| {
            let subscription = self.subscriptions.get(id)?;
            subscription.strong().or_else(|| from_customer(subscription.customer))
        };
        let from_payment = |id: &str| {
            let payment = self.payments.get(id)?;
            let from_subscriptions =
                payment.subscriptions.iter().find_map(|id| from_subscription(id));
            from_subscriptions.or(payment.strong()).or_else(|| from_customer(payment.customer))
        };
        let person = fact.person.as_ref();
        let customer = || from_customer(person.and_then(|person| person.customer_id.as_deref()));
        match &fact.kind {
            FactKind::Charge(charge) => from_payment(&charge.payment_id),
            FactKind::FailedPayment(payment) => from_payment(&payment.payment_id),
            FactKind::Refund(refund) => from_payment(&refund.payment_id),
            FactKind::RefundFailed { payment_id, .. } => from_payment(payment_id),
            FactKind::Dispute(dispute) => from_payment(&dispute.payment_id),
            FactKind::Subscription(body) | FactKind::ApiSnapshot(body) => {
                from_subscription(&body.subscription_id)
            }
            FactKind::Grant(grant) => {
                let from_subscription =
                    grant.subscription_id.as_deref().and_then(from_subscription);
                let from_payment = || grant.payment_id.as_deref().and_then(from_payment);
                from_subscription.or_else(from_payment).or_else(customer)
            }
            FactKind::LicenseKey(key) => {
                let from_subscription = key.subscription_id.as_deref().and_then(from_subscription);
                let from_payment = || key.payment_id.as_deref().and_then(from_payment);
                from_subscription.or_else(from_payment).or_else(customer)
            }
            _ => None,
        }
    }
}
