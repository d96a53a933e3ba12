//! A dashboard of the money in a [`Ledger`](dodo_ledger::Ledger), for any app: its sources, its
//! payments and customers, and the state of deliveries.
//!
//! It is one value and one route, without other files. The app decides about access: a
//! [`DashboardBuilder`] without [`allow`](DashboardBuilder::allow) is not an endpoint and cannot be
//! built.
//!
//! ```
//! use dodo_core::{BoxError, RequestHead};
//! use dodo_dashboard::{Dashboard, Permission};
//!
//! # #[derive(Clone)] struct Staff { is_admin: bool }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ledger = dodo_ledger::Ledger::in_memory().await?;
//! let dashboard = Dashboard::builder(&ledger)
//!     .allow(async |head: RequestHead| {
//!         // What the app's own sign-in put into the request's extensions.
//!         Ok::<_, BoxError>(match head.extension::<Staff>() {
//!             Some(staff) if staff.is_admin => Permission::view().with_people().with_operations(),
//!             Some(_) => Permission::view(),
//!             None => Permission::denied(),
//!         })
//!     })
//!     .title("Acme")
//!     .build()?;
//! // axum: `.nest("/admin/revenue", dodo_axum::mount(dashboard))`
//! # let _ = dashboard;
//! # Ok(()) }
//! ```
//!
//! `question` reads the query string, `load` asks the ledger, `page` writes HTML, and `dashboard`
//! joins them.

// The crate needs one of the two databases of the ledger.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

mod access;
mod answer;
mod builder;
mod cache;
mod chart;
mod dashboard;
mod format;
mod load;
mod page;
mod question;
mod range;
mod table;
mod theme;

pub use self::{
    access::{Denied, Permission},
    builder::{DashboardBuilder, Decided, Undecided},
    dashboard::Dashboard,
    load::Person,
    theme::{Scheme, Theme},
};
