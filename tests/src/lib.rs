//! What holds for the whole workspace: every framework answers the same, and answers right.
//!
//! - [`case`]: one request and what must come of it. Tables of cases live beside the tests.
//! - [`server`]: an application on axum, on actix-web, and on plain hyper with tower.
//! - [`subject`]: one such server in this process, and everything it did for one request.
//! - [`parity`]: sends cases to all three and compares.
//! - [`conformance`]: the application for checks from outside, also a binary.
//! - [`fixture`]: an application with the middleware and handlers of a shop.
//! - [`delivery`], [`hooks`]: webhooks, signed by another implementation and received.
//! - [`program`], [`browser`]: a program of the workspace as a child process, and a headless
//!   Chromium to use it with.
//! - [`postgres`]: a schema of a test's own.
//! - [`replay`]: requests that were recorded with the Node adaptor.
//! - [`process`]: the conformance binary as a process of its own.
//! - [`tables`]: cases over the checkout routes and the portal.
//! - [`docs`]: pages that are generated from tables.
//! - [`language`]: how texts are written.
//! - [`stub`], [`client`], [`record`], [`logs`]: the upstream, the caller, the callbacks that ran
//!   and the log of a subject.

pub mod browser;
pub mod case;
pub mod client;
pub mod conformance;
pub mod delivery;
pub mod docs;
pub mod fixture;
pub mod hooks;
pub mod language;
pub mod logs;
pub mod parity;
pub mod postgres;
pub mod process;
pub mod program;
pub mod record;
pub mod replay;
pub mod server;
pub mod shop;
pub mod stub;
pub mod subject;
pub mod tables;

/// The programs that README.md shows, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The adapter that the documentation builds, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-an-adapter.md")]
#[derive(Debug)]
pub struct WritingAnAdapter;

/// The programs of the guides, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/checkout.md")]
#[doc = include_str!("../../docs/field-policy.md")]
#[doc = include_str!("../../docs/api-client.md")]
#[doc = include_str!("../../llms.txt")]
#[doc = include_str!("../../docs/webhooks.md")]
#[doc = include_str!("../../docs/attribution-capture.md")]
#[doc = include_str!("../../docs/consent-and-cookies.md")]
#[doc = include_str!("../../docs/ledger.md")]
#[doc = include_str!("../../docs/attribution.md")]
#[doc = include_str!("../../docs/sinks.md")]
#[doc = include_str!("../../docs/billing.md")]
#[doc = include_str!("../../docs/dashboard.md")]
#[doc = include_str!("../../docs/sandbox.md")]
#[derive(Debug)]
pub struct Guides;
