//! The capture of visitors and campaigns, and their way into the metadata of a payment.
//!
//! [`VisitorCapture`] has the values to read; [`VisitorLayer`] reads it on every request and puts a
//! [`Captured`] into the request's extensions; the checkout endpoints add the values of the body
//! and [inject](Captured::inject) all of them into the payment's metadata. Data that must not be in
//! metadata (landing path, referrer, device, click ids) goes to the app's [`CheckoutContextStore`].
//!
//! The capture never fails a checkout: it omits an unusable value, with a reason in the [trace](CaptureTrace).

mod campaign;
mod campaign_cookie;
pub(crate) mod candidates;
mod captured;
mod config;
pub mod consent;
mod context;
mod cookies;
mod decode;
mod device;
mod extract;
pub(crate) mod inject;
pub(crate) mod keys;
mod layer;
pub(crate) mod preset;
mod read;
pub(crate) mod trace;
pub(crate) mod value;
mod visit;

pub use self::{
    campaign::Campaign,
    campaign_cookie::CampaignCookie,
    captured::Captured,
    config::{SourceMapping, VisitorCapture},
    context::{CheckoutContext, CheckoutContextStore},
    decode::CookieDecoder,
    device::DeviceClass,
    layer::{VisitorFuture, VisitorLayer, VisitorService},
    preset::{IdRole, Preset},
    trace::CaptureTrace,
    value::VisitorId,
};
pub(crate) use self::{
    context::ErasedContextStore,
    inject::ClientMetadata,
    preset::CampaignField,
    value::{MAX_PAIRS, MAX_VALUE, SkipReason, is_metadata_key, is_placeholder, usable},
};
