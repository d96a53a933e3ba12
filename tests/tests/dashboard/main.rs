//! The dashboard over a ledger, as a person asks it: numbers against known stories, on both stores.

mod html;
mod property;
mod questions;
mod recurring;
mod rows;
mod schema;
mod world;
