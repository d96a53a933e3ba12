//! Durable webhook inbox and attribution ledger for Dodo Payments.

mod error;
pub mod store;

pub use self::{
    error::{Error, ErrorKind},
    store::Store,
};
pub use sqlx;
