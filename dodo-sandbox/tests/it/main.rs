//! The sandbox as an app sees it: over HTTP, and by its library.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails shall panic")]

mod checkout;
mod support;
