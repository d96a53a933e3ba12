//! Billing against the sandbox, over HTTP: the endpoints, the layers, and the client behind them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod app;
mod attacks;
mod client;
mod gate;
mod life;
