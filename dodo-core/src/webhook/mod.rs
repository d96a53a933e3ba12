//! Webhooks: verify the raw bytes, dispatch by type, and answer so that no paid order is lost.

mod builder;
mod callback;
mod callbacks;
mod endpoint;
pub(crate) mod envelope;
mod fast_path;
mod id;
mod inbox;
mod key;
mod layer;
mod refusals;
mod result;
mod signature;
mod verified;

pub(crate) use self::envelope::Envelope;
pub use self::{
    builder::WebhooksBuilder,
    endpoint::Webhooks,
    inbox::{Dispatcher, Inbox, Receipt},
    key::WebhookKey,
    layer::{VerifyWebhook, VerifyWebhookLayer},
    result::{CallbackResult, Given, NoState, StateFor},
    verified::VerifiedEvent,
};
