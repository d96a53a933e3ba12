//! Durable webhook inbox and attribution ledger for Dodo Payments.

mod error;
#[expect(dead_code, reason = "the inbox that uses it is on its way")]
mod schema;
#[expect(dead_code, reason = "the inbox that uses it is on its way")]
pub mod store;

pub use self::{
    error::{Error, ErrorKind},
    store::Store,
};
pub use sqlx;
