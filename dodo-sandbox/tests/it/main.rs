//! The sandbox as an app sees it: over HTTP, and by its library.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails shall panic")]

mod api;
mod calendar;
mod checkout;
mod deliveries;
mod faults;
mod hostile;
mod pages;
mod payloads;
mod program;
mod random;
mod sequences;
mod support;
mod trigger;
