//! Attribution: which visitor and campaign brought which money.
//!
//! This module derives the facts of one event. A ledger, which is a sink, adds the facts that need
//! history: the visitor of a refund or renewal, and whether a charge is the first. [`classify()`]
//! has the rules for that decision and stores no history.

pub(crate) mod classify;
pub(crate) mod facts;
mod hash;
mod options;
mod record;
mod sink;

pub(crate) use self::{
    classify::{ChargeFacts, ChargeHistory, classify},
    facts::{Payloads, facts_of},
    sink::DynSink,
};
pub use self::{
    options::{DisputePolicy, MetadataMapping, email_sha256},
    record::{
        Attributed, AttributionRecord, AttributionStep, ClassificationBasis, Contact,
        NonRevenueReason, RecordFlags, RecordKind, SubscriptionTerms,
    },
    sink::AttributionSink,
};
