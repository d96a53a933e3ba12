//! Attribution: which visitor and campaign brought which money.
//!
//! Here stands what one event shows on its own. What only history knows (whose visitor a refund or a
//! renewal belongs to, whether a charge is the first) is the work of a ledger, which is a sink. How
//! history decides about a charge is here too, without keeping any: [`classify()`].

mod classify;
mod facts;
mod hash;
mod options;
mod record;
mod sink;

pub use self::{
    classify::{ChargeFacts, ChargeHistory, Classified, SubscriptionState, classify},
    facts::facts,
    options::{DisputePolicy, FactOptions, email_sha256},
    record::{
        AttributionRecord, Basis, Contact, Flags, NonRevenueReason, RecordKind, Resolved, Step,
        SubscriptionTerms,
    },
    sink::AttributionSink,
};
pub(crate) use self::{
    facts::{Payloads, facts_of},
    sink::DynSink,
};
