//! Access from facts: what an owner may use, until when, and why.
//!
//! [`Plans`] declares plans, features and limits in code. [`Billing`] follows the bookings of a ledger and
//! answers [`billing.owner("user_42").await`](Billing::owner) from one row. [`derive()`] is the pure function
//! behind each answer: it turns the facts about one owner into an [`Access`].
//!
//! ```
//! use dodo_billing::{Plan, Plans, SoldProduct, days, derive};
//! use dodo_core::event::Timestamp;
//!
//! let plans = Plans::builder()
//!     .free_plan(Plan::new("free").limit("projects", 3))
//!     .plan(
//!         Plan::new("pro")
//!             .product("pdt_pro_monthly")
//!             .product("pdt_pro_yearly")
//!             .features(["export", "api"])
//!             .limit("projects", 100),
//!     )
//!     .plan(Plan::new("team").product("pdt_team").includes("pro").seats("seats"))
//!     .product(SoldProduct::once("pdt_templates").feature("templates"))
//!     .hold_grace(days(5))
//!     .build()?;
//!
//! let access = derive(&[], &plans, "2027-01-20T00:00:00Z".parse::<Timestamp>()?);
//! assert!(!access.can("export"));
//! assert_eq!(access.limit("projects"), Some(3));
//! assert_eq!(access.reason().text, "No payment succeeded.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | content |
//! |---|---|
//! | `plan`, `plans`, `rules` | the declaration and its checks |
//! | `fact` | the input |
//! | `history`, `payment` | facts by object, each once and in order |
//! | `subscription` | one subscription: observations, summary, state table |
//! | `purchase`, `grant`, `license` | the other sources |
//! | `holdings`, `access` | the join of all sources, and the next change |
//! | `change` | the difference between two answers |
//! | `owner`, `from_ledger` | the owner of each fact of the ledger, and the mapping of facts |
//! | `billing`, `owner_handle`, `owners`, `sync`, `why` | what the app calls |
//! | `projection`, `answer`, `store` | the booking transaction, the stored answer, the tables |
//! | `actions`, `endpoint`, `gate` | requests to Dodo Payments, the routes, the layers |
//! | `listener` | notifications of the app |

// The crate needs one of the two databases.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

mod access;
mod actions;
#[cfg(feature = "actix-web")]
mod actix;
mod answer;
mod billing;
mod change;
mod check;
mod derive;
mod endpoint;
mod error;
pub mod fact;
mod from_ledger;
mod gate;
mod grant;
mod history;
mod holdings;
mod license;
mod listener;
mod owner;
mod owner_handle;
mod owners;
mod payment;
mod plan;
mod plans;
mod projection;
mod purchase;
mod reason;
mod rules;
mod source;
mod state;
mod store;
mod subscription;
mod sync;
mod until;
mod why;

pub use self::{
    access::Access,
    actions::{
        AfterCheckout, ChangePreview, ChangeWhen, CheckoutOptions, OpenedCheckout, PaymentLine,
        PlanChanged,
    },
    billing::{Billing, BillingBuilder},
    change::AccessChange,
    check::{Check, CheckCause, Problem},
    derive::derive,
    endpoint::BillingEndpoints,
    error::{Error, ErrorKind},
    gate::{AccessLayer, AccessService},
    license::LicenseAccess,
    listener::{AccessChanged, AccessListener},
    owner::{OwnerId, OwnerSecrets},
    owner_handle::Owner,
    plan::{Plan, SoldProduct, days},
    plans::{Plans, PlansBuilder},
    reason::{Reason, ReasonCode},
    rules::{CancelNow, PartialRefund},
    source::{AccessSource, RenewalPrice, SourceKind},
    state::AccessState,
    sync::Drift,
    until::Until,
    why::{Why, WhyFact},
};
