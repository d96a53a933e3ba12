//! The example shop without a web framework: its pages, its logic and its state.
//!
//! `examples/axum-shop` and `examples/actix-shop` serve it: a few routes and a layer each.
//! `payments.rs` has the routes to Dodo Payments, and `fulfillment.rs` has the callbacks for its
//! events.

mod art;
mod ask;
mod backend;
mod catalog;
mod consent;
mod database;
mod error;
mod fulfillment;
mod merchant;
mod money;
mod options;
mod orders;
mod pages;
mod payments;
mod reply;
mod routes;
mod run;
mod session;
mod shop;
mod sinks;
mod year;

pub use self::{
    ask::Ask,
    error::StartError,
    reply::Reply,
    run::{GRACE, run, stopped},
    shop::Shop,
};
