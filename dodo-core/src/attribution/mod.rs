//! Attribution: which visitor and campaign brought which money.
//!
//! This module derives the facts of one event. A ledger, which is a sink, adds the facts that need
//! history: the visitor of a refund or renewal, and whether a charge is the first. [`classify()`]
//! has the rules for that decision and stores no history.

mod classify;
mod facts;
mod hash;
mod options;
mod record;
mod sink;

pub use self::{
    classify::{ChargeFacts, ChargeHistory, Classified, SubscriptionState, classify},
    facts::facts,
    options::{DisputePolicy, MetadataMapping, email_sha256},
    record::{
        Attributed, AttributionRecord, AttributionStep, ClassificationBasis, Contact,
        NonRevenueReason, RecordFlags, RecordKind, SubscriptionTerms,
    },
    sink::AttributionSink,
};
pub(crate) use self::{
    facts::{Payloads, facts_of},
    sink::DynSink,
};
