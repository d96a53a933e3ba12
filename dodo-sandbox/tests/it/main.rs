//! The sandbox as an app sees it: over HTTP, and by its library.

#![expect(clippy::unwrap_used, reason = "a test that fails shall panic")]

mod checkout;
mod support;
