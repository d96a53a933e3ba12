//! What the typed webhook callbacks do: orders fulfilled, access granted and taken away.
//!
//! Deliveries come at least once and in any order, so every change is keyed by the event's id, and
//! a subscription only ever moves forward in time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dodo_core::{Currency, CustomerId};
use jiff::Timestamp;

/// Which event a change comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The idempotency key: `webhook-id`.
    pub event_id: String,
    /// When it happened at Dodo.
    pub at: Timestamp,
}

/// Whom a payment or subscription belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The account that opened the checkout, from the metadata that the server set there.
    pub account: Option<String>,
    /// The customer at Dodo.
    pub customer: Option<CustomerId>,
}

/// An order for something that is paid once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The payment at Dodo.
    pub payment_id: String,
    /// What was bought, in words.
    pub product: String,
    /// What was paid, in minor units, tax included.
    pub paid: i64,
    /// What was given back, in minor units.
    pub refunded: i64,
    /// The currency of both.
    pub currency: Currency,
    /// How many decimals it has.
    pub exponent: u8,
    /// When it was paid.
    pub at: Timestamp,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Access is granted.
    Granted,
    /// Granted, and it ends with the period that is paid.
    Ending,
    /// A charge failed, or the customer paused: no access until it is active again.
    Held,
    /// Cancelled or run out: access is taken away.
    Revoked,
}

/// A subscription and the access that comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The subscription at Dodo.
    pub subscription_id: String,
    /// What was subscribed to, in words.
    pub product: String,
    /// Where it stands.
    pub standing: Standing,
    /// Since when it stands there.
    pub since: Timestamp,
    /// When the last event about it happened.
    pub(crate) changed: Timestamp,
    /// Until when it is paid.
    pub paid_until: Option<Timestamp>,
}

/// What one account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Belongings {
    /// Newest first.
    pub orders: Vec<Order>,
    /// Newest change first.
    pub subscriptions: Vec<Access>,
}

/// Orders and subscriptions of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seen: HashSet<String>,
    orders: BTreeMap<String, (Owner, Order)>,
    subscriptions: BTreeMap<String, (Owner, Access)>,
    /// Refunds by payment: a refund may arrive before its payment.
    refunds: HashMap<String, i64>,
    /// Which account each checkout session was opened for.
    sessions: HashMap<String, String>,
    /// The customers that an account's own checkout sessions made.
    customers: HashMap<CustomerId, String>,
}

impl Orders {
    /// A payment for something that is paid once arrived: fulfil the order.
    pub(crate) fn fulfil(&self, cause: &Cause, owner: Owner, order: Order) {
        self.once(cause, |state| {
            let refunded = state.refunds.get(&order.payment_id).copied().unwrap_or(0);
            let order = Order { refunded, ..order };
            state.orders.insert(order.payment_id.clone(), (owner, order));
        });
    }

    /// The server opened a checkout session for this account.
    pub(crate) fn opened(&self, session_id: String, account: String) {
        self.lock().sessions.insert(session_id, account);
    }

    /// A payment of a session arrived: its customer is whoever the session was opened for.
    ///
    /// Metadata would not do: a buyer can write what they like into a payment link, and with it
    /// somebody else's customer into their own account.
    pub(crate) fn paid_session(&self, session_id: &str, customer: Option<&CustomerId>) {
        let mut state = self.lock();
        if let (Some(account), Some(customer)) = (state.sessions.get(session_id).cloned(), customer)
        {
            // The first account keeps the customer.
            state.customers.entry(customer.clone()).or_insert(account);
        }
    }

    /// Money was given back.
    pub(crate) fn refund(&self, cause: &Cause, payment_id: &str, amount: Option<i64>) {
        self.once(cause, |state| {
            let paid = state.orders.get(payment_id).map(|(_, order)| order.paid);
            let total = state.refunds.entry(payment_id.to_owned()).or_default();
            // Dodo may leave the amount out; then all that is left was given back.
            let left = paid.unwrap_or(0).saturating_sub(*total);
            *total = total.saturating_add(amount.unwrap_or(left));
            if let Some((_, order)) = state.orders.get_mut(payment_id) {
                order.refunded = *total;
            }
        });
    }

    /// A subscription changed. What is older than what is known already changes nothing.
    pub(crate) fn subscription(&self, cause: &Cause, owner: Owner, access: Access) {
        self.once(cause, |state| {
            let known = state.subscriptions.get(&access.subscription_id).map(|(_, known)| known);
            let ended = |a: &Access| a.standing == Standing::Revoked;
            let newer = known.is_none_or(|known| {
                (access.changed, ended(&access)) >= (known.changed, ended(known))
            });
            if newer {
                let same = known.filter(|known| known.standing == access.standing);
                let since = same.map_or(access.since, |known| known.since);
                let access = Access { since, ..access };
                state.subscriptions.insert(access.subscription_id.clone(), (owner, access));
            }
        });
    }

    /// What an account has.
    #[must_use]
    pub(crate) fn of(&self, account: &str) -> Belongings {
        let state = self.lock();
        let mine = |owner: &Owner| state.owns(account, owner);
        let mut orders: Vec<_> = state
            .orders
            .values()
            .filter(|(o, _)| mine(o))
            .map(|(_, order)| order.clone())
            .collect();
        orders.sort_by_key(|order| std::cmp::Reverse(order.at));
        let mut subscriptions: Vec<_> =
            state.subscriptions.values().filter(|(o, _)| mine(o)).map(|(_, a)| a.clone()).collect();
        subscriptions.sort_by_key(|access| std::cmp::Reverse(access.since));
        Belongings { orders, subscriptions }
    }

    /// The customer at Dodo that an account is, once it has paid.
    #[must_use]
    pub(crate) fn customer_of(&self, account: &str) -> Option<CustomerId> {
        let state = self.lock();
        state.customers.iter().find(|(_, owner)| *owner == account).map(|(id, _)| id.clone())
    }

    /// Runs a change unless this very event has run before.
    fn once(&self, cause: &Cause, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.seen.insert(cause.event_id.clone()) {
            change(&mut state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Events of a subscription may lack the metadata of its checkout; the customer leads back.
    fn owns(&self, account: &str, owner: &Owner) -> bool {
        match (&owner.account, &owner.customer) {
            (Some(owner), _) => owner == account,
            (None, Some(customer)) => self.customers.get(customer).is_some_and(|a| a == account),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn cause(event_id: &str) -> Cause {
        Cause { event_id: event_id.into(), at: at(0) }
    }

    fn owner(account: Option<&str>, customer: &str) -> Owner {
        Owner {
            account: account.map(Into::into),
            customer: Some(CustomerId::new(customer).unwrap()),
        }
    }

    fn order(payment_id: &str) -> Order {
        Order {
            payment_id: payment_id.into(),
            product: "Field guide".into(),
            paid: 1900,
            refunded: 0,
            currency: Currency::USD,
            exponent: 2,
            at: at(0),
        }
    }

    fn access(standing: Standing, since: i64) -> Access {
        Access {
            subscription_id: "sub_1".into(),
            product: "Print club".into(),
            standing,
            since: at(since),
            changed: at(since),
            paid_until: None,
        }
    }

    #[test]
    fn one_event_has_one_effect() {
        let orders = Orders::default();
        orders.fulfil(&cause("e1"), owner(Some("ada"), "cus_1"), order("pay_1"));
        for _ in 0..3 {
            orders.refund(&cause("e2"), "pay_1", Some(500));
        }
        orders.refund(&cause("e3"), "pay_1", None);
        let mine = orders.of("ada");
        assert_eq!(mine.orders.len(), 1);
        assert_eq!(mine.orders[0].refunded, 1900, "500 and then the rest");
        assert_eq!(orders.of("bob"), Belongings::default());
    }

    #[test]
    fn a_refund_may_come_before_its_payment() {
        let orders = Orders::default();
        orders.refund(&cause("e2"), "pay_1", Some(1900));
        orders.fulfil(&cause("e1"), owner(Some("ada"), "cus_1"), order("pay_1"));
        assert_eq!(orders.of("ada").orders[0].refunded, 1900);
    }

    #[test]
    fn a_subscription_moves_forward_only() {
        use Standing::{Granted, Held, Revoked};
        for (story, ends) in [
            (vec![(Granted, 1), (Revoked, 2)], Revoked),
            (vec![(Revoked, 2), (Granted, 1)], Revoked),
            (vec![(Revoked, 2), (Granted, 2)], Revoked),
            (vec![(Granted, 1), (Held, 2), (Granted, 3)], Granted),
            (vec![(Granted, 3), (Granted, 1), (Held, 2)], Granted),
        ] {
            let orders = Orders::default();
            for (n, (standing, since)) in story.iter().enumerate() {
                let cause = cause(&format!("e{n}"));
                orders.subscription(&cause, owner(Some("ada"), "cus_1"), access(*standing, *since));
            }
            assert_eq!(orders.of("ada").subscriptions[0].standing, ends, "{story:?}");
        }
    }

    #[test]
    fn events_without_metadata_find_their_account_by_the_customer() {
        let orders = Orders::default();
        orders.subscription(&cause("e1"), owner(None, "cus_1"), access(Standing::Granted, 1));
        assert_eq!(orders.of("ada"), Belongings::default(), "nobody knows the customer yet");
        orders.opened("cks_1".into(), "ada".into());
        orders.paid_session("cks_1", Some(&CustomerId::new("cus_1").unwrap()));
        assert_eq!(orders.of("ada").subscriptions.len(), 1);
    }

    #[test]
    fn a_customer_belongs_to_the_account_that_opened_the_session() {
        let orders = Orders::default();
        let cus_1 = CustomerId::new("cus_1").unwrap();
        orders.opened("cks_1".into(), "ada".into());
        orders.paid_session("cks_1", Some(&cus_1));
        assert_eq!(orders.customer_of("ada"), Some(cus_1.clone()));

        orders.fulfil(&cause("e1"), owner(Some("mallory"), "cus_1"), order("pay_1"));
        assert_eq!(orders.customer_of("mallory"), None, "metadata can be forged");
        orders.paid_session("cks_unknown", Some(&cus_1));
        orders.opened("cks_2".into(), "mallory".into());
        orders.paid_session("cks_2", Some(&cus_1));
        assert_eq!(orders.customer_of("mallory"), None, "the first account keeps the customer");
    }
}
