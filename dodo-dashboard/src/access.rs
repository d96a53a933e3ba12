//! The access of a person to the dashboard.

use std::{future::Future, pin::Pin, sync::Arc};

use dodo_core::{BoxError, RequestHead};

/// The access of the person at the browser. The app decides it at each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Permission {
    view: bool,
    people: bool,
    operations: bool,
}

impl Permission {
    /// Numbers and ids, without names and addresses.
    pub const fn view() -> Self {
        Self { view: true, people: false, operations: false }
    }

    /// Nothing.
    pub const fn denied() -> Self {
        Self { view: false, people: false, operations: false }
    }

    /// Adds names and e-mail addresses of customers. Denied stays denied.
    pub const fn with_people(mut self) -> Self {
        self.people = self.view;
        self
    }

    /// Adds deliveries, sinks and the set-up. Denied stays denied.
    pub const fn with_operations(mut self) -> Self {
        self.operations = self.view;
        self
    }

    pub(crate) const fn sees_numbers(self) -> bool {
        self.view
    }

    pub(crate) const fn sees_people(self) -> bool {
        self.people
    }

    pub(crate) const fn sees_operations(self) -> bool {
        self.operations
    }

    /// Its part of the entity tag.
    pub(crate) const fn name(self) -> &'static str {
        match (self.people, self.operations) {
            (false, false) => "view",
            (true, false) => "people",
            (false, true) => "operations",
            (true, true) => "all",
        }
    }
}

/// The answer for a person without access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// 403 and a page.
    #[default]
    Page,
    /// 404, as for an unknown path.
    NotFound,
    /// 303 to this path of the app, such as its sign-in. Scripts get 401.
    Redirect(String),
}

/// The app's decision, and its failure.
pub(crate) type Decision = Result<Permission, BoxError>;

/// The app's function.
pub(crate) type Allow =
    Arc<dyn Fn(RequestHead) -> Pin<Box<dyn Future<Output = Decision> + Send>> + Send + Sync>;
