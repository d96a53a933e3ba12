//! The sandbox as an app sees it: over HTTP, and by its library.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails shall panic"
)]

mod api;
mod calendar;
mod checkout;
#[path = "../../src/contract/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the sandbox also checks requests and makes samples")]
mod contract;
mod contract_tests;
mod deliveries;
mod effects;
mod faults;
mod fields;
mod hostile;
mod pages;
mod payloads;
mod program;
mod random;
mod resources;
mod sequences;
mod support;
mod trigger;
