//! Webhooks over the public API: what is accepted, what is refused, what reaches the callbacks.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod building;
mod callbacks;
mod forgeries;
mod layer;
mod malformed;
mod rotation;
mod samples;
mod support;
mod variants;
mod vectors;
