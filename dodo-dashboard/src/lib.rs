//! Work in progress.
#![allow(dead_code, unused_imports)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod format;
mod question;
mod range;
