//! Access from outside: facts, and the answers of `derive`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod declaration;
mod laws;
mod life;
mod notation;
mod reasons;
mod rows;
mod store;
mod stored;
