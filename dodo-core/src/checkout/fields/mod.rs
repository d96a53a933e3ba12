//! The fields of a checkout: one table and its derived lists.

mod kind;
mod place;
mod policy;
mod rule;
mod schema;
mod server;
mod table;

use self::policy::FieldSet as Set;
pub use self::policy::FieldSet;
#[cfg(feature = "unstable-internals")]
pub use self::rule::FieldRule;
pub(crate) use self::table::FIELDS;
pub(super) use self::{
    kind::Kind,
    policy::Policy,
    schema::{Cleaner, Schema, invalid_field, missing_field},
    server::{check_server_fields, check_server_value},
};

/// One field, as Dodo documents it.
#[derive(Debug)]
pub(crate) struct Field {
    /// Names joined by dots; `[]` stands for every element of a list.
    pub(crate) path: &'static str,
    pub(crate) on: Where,
    pub(crate) kind: Kind,
    pub(crate) class: FieldClass,
    /// Set only for fields at the top. Parts of a field have its meaning.
    pub(crate) meaning: Option<Meaning>,
    pub(crate) note: &'static str,
}

/// The common meaning of several fields of one checkout. If server code sets one of them, no client
/// value of the meaning goes to Dodo Payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Goods,
    Payer,
    Discount,
    ReturnAddress,
    BillingAddress,
    Currency,
    Terms,
}

impl Meaning {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Goods => "goods",
            Self::Payer => "payer",
            Self::Discount => "discount",
            Self::ReturnAddress => "return address",
            Self::BillingAddress => "billing address",
            Self::Currency => "currency",
            Self::Terms => "subscription terms",
        }
    }
}

/// The calls that take a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Where(u8);

impl Where {
    pub(crate) const SESSION: Self = Self(1);
    pub(crate) const PAYMENT: Self = Self(2);
    pub(crate) const SUBSCRIPTION: Self = Self(4);
    pub(crate) const STATIC: Self = Self(8);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The side that may set a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldClass {
    /// Any client may set it. Inside of a guarded field, the rule of that field applies.
    Free,
    /// It changes the merchant's revenue or the customer's account. Server code may set it, and
    /// clients only if the application allows the field or its set by name.
    Guarded(Set),
}
