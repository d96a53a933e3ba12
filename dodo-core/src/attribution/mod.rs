//! Attribution: which visitor and campaign brought which money.
//!
//! Here stands what one event shows on its own. What only history knows (whose visitor a refund or a
//! renewal belongs to, whether a charge is the first) is the work of a ledger, which is a sink.

mod facts;
mod record;
mod sink;

pub(crate) use self::{facts::facts_of, sink::DynSink};
pub use self::{
    facts::{DisputePolicy, FactOptions, email_sha256, facts},
    record::{
        AttributionRecord, Basis, Contact, Flags, NonRevenueReason, RecordKind, Resolved, Step,
        SubscriptionTerms,
    },
    sink::AttributionSink,
};
