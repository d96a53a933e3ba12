//! The names of a first program: `use dodo_core::prelude::*`.
//!
//! `dodo-axum` and `dodo-actix` have a prelude that adds their routes to these names.

#[doc(no_inline)]
pub use crate::{
    BoxError, Client, CustomerId, Dodo, Environment, Event, EventKind, ProductId, RequestHead,
    SignedIn, WebhookKey, Webhooks,
    capture::{CampaignCookie, Preset, VisitorCapture},
    client::DodoBuilder,
    endpoint::Endpoint,
    event::{
        AbandonedCheckout, Dispute, EntitlementGrant, LicenseKey, Payment, Refund, Subscription,
    },
};
