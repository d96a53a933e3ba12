//! Webhooks over the public API: accepted and refused deliveries, and the data of callbacks.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod building;
mod callbacks;
mod forgeries;
mod layer;
mod malformed;
mod redaction;
mod rotation;
mod samples;
mod support;
mod variants;
mod vectors;
