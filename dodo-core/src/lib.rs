//! Payments middleware for [Dodo Payments](https://dodopayments.com), without a web framework.

pub mod attribution;
mod campaign;
mod capture;
mod checkout;
mod client;
mod consent;
mod currency;
mod endpoint;
mod environment;
mod error;
mod event;
mod head;
mod id;
mod money;
mod panic;
mod portal;
mod refusal;
mod time;
mod web_url;
mod webhook;

pub use self::capture::{
    AllGates, AnyGate, CampaignCookie, CampaignField, Captured, CheckoutContext,
    CheckoutContextStore, ClientMetadata, ConsentGate, Cookiebot, Decoder, Device, Explained,
    Explanation, Mapping, OneTrust, Origin, Outcome, Preset, PresetField, Role, Skip, Skipped, Tcf,
    Visitor, VisitorCapture, VisitorFuture, VisitorLayer, VisitorService,
};
pub use self::{
    campaign::Campaign,
    consent::Consent,
    endpoint::{Endpoint, EndpointService, Methods, Or, read_body, serve},
    environment::Environment,
    error::{BoxError, Error, ErrorKind},
    head::{RequestHead, SignedIn},
    id::{CustomerId, ProductId},
};

pub use self::{
    checkout::{
        Checkout, CheckoutSession, ClientFields, DynamicLink, FieldInfo, FieldSet, Session,
        StaticLink, request,
    },
    client::{
        Call, Client, ClientBuilder, Product, Transport, TransportError, UpstreamFailure,
        path_segment,
    },
    portal::CustomerPortal,
};

pub use self::{
    attribution::{
        AttributionRecord, AttributionSink, Basis, Contact, DisputePolicy, FactOptions, Flags,
        NonRevenueReason, RecordKind, Resolved, Step, SubscriptionTerms, email_sha256,
    },
    currency::{Currency, minor_to_major},
    event::*,
    money::Money,
    webhook::{
        Dispatcher, Envelope, Inbox, Receipt, SignedEvent, VerifyWebhook, VerifyWebhookLayer,
        WebhookKey, Webhooks, WebhooksBuilder,
    },
};

/// A moment in time, as events and records carry it.
pub use jiff::Timestamp;

pub(crate) type BoxFuture<T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'static>>;
