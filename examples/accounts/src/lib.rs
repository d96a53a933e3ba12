//! What an application has before payments: accounts, sessions, orders, and care with `Host` and
//! `Cookie`. Shared by the examples.

mod request;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dodo_core::CustomerId;

pub use self::request::{Hosts, cookie};

/// A user of the application.
#[derive(Clone, Debug)]
pub struct Account {
    /// Identifies the account.
    pub email: String,
    /// Which customer of Dodo Payments this is, once there is one.
    pub customer: Option<CustomerId>,
}

/// The application's own store: accounts, sessions, orders. In memory, because this is an example.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    accounts: HashMap<String, (String, Account)>,
    sessions: HashMap<String, String>,
    orders: HashMap<String, Vec<String>>,
}

impl Accounts {
    /// Adds an account.
    pub fn add(&self, account: Account, password: &str) {
        let row = (password.to_owned(), account.clone());
        self.tables().accounts.insert(account.email, row);
    }

    /// A new session, if the password is right.
    #[must_use]
    pub fn start_session(&self, email: &str, password: &str) -> Option<String> {
        let mut tables = self.tables();
        let (right, _) = tables.accounts.get(email)?;
        if right != password {
            return None;
        }
        // The standard library seeds this from the system; an application takes its session crate.
        let random = || RandomState::new().hash_one(email);
        let session = format!("{:016x}{:016x}", random(), random());
        tables.sessions.insert(session.clone(), email.to_owned());
        Some(session)
    }

    /// The account of the session in the values of the request's `Cookie` headers.
    #[must_use]
    pub fn of_session<'h>(&self, cookies: impl IntoIterator<Item = &'h [u8]>) -> Option<Account> {
        let session = cookie(cookies, "session")?;
        let tables = self.tables();
        let email = tables.sessions.get(&session)?;
        tables.accounts.get(email).map(|(_, account)| account.clone())
    }

    /// What an account ordered.
    #[must_use]
    pub fn orders(&self, email: &str) -> Vec<String> {
        self.tables().orders.get(email).cloned().unwrap_or_default()
    }

    /// Adds an order if it does not exist: an event can have many deliveries.
    pub fn add_order(&self, email: &str, payment_id: &str) {
        let mut tables = self.tables();
        let orders = tables.orders.entry(email.to_owned()).or_default();
        if !orders.iter().any(|order| order == payment_id) {
            orders.push(payment_id.to_owned());
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
