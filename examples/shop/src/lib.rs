//! The example shop without a web framework: its pages, its logic and its state.
//!
//! `examples/axum-shop` and `examples/actix-shop` serve it: a few routes and a layer each.
//! `plans.rs` declares the features of the products, `payments.rs` has the routes to Dodo Payments,
//! and `shipping.rs` has the callback for one-time payments.

mod account;
mod art;
mod ask;
mod backend;
mod catalog;
mod consent;
mod database;
mod error;
mod merchant;
mod money;
mod options;
mod pages;
mod payments;
mod plans;
mod reply;
mod routes;
mod run;
mod session;
mod shipping;
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
