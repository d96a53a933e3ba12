//! Payments middleware for [Dodo Payments](https://dodopayments.com), without a web framework.

mod campaign;
mod capture;
mod checkout;
mod client;
mod consent;
mod endpoint;
mod environment;
mod error;
mod head;
mod id;
mod panic;
mod portal;
mod time;
mod web_url;

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
    checkout::{Checkout, DynamicLink, Session, StaticLink},
    client::{
        Call, Client, ClientBuilder, Product, Transport, TransportError, UpstreamFailure,
        path_segment,
    },
    portal::CustomerPortal,
};

pub(crate) type BoxFuture<T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'static>>;
