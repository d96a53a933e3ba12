//! What holds for the whole workspace: every framework answers the same, and answers right.
//!
//! - [`case`]: one request and what must come of it. Tables of cases live beside the tests.
//! - [`stub`]: an upstream that plays Dodo's API, well and badly.
//! - [`client`]: sends a case over a connection of its own.
//! - [`logs`]: what was logged, and by which server.

pub mod case;
pub mod client;
pub mod logs;
pub mod stub;
