//! What the ledger adds up to, and each record by itself: for pages, exports and people who ask why.

mod explain;
mod export;
mod filter;
mod records;
mod revenue;
mod subscription;

pub use crate::attribution::Channel;

pub use self::{
    explain::{ExplainedRecord, PaymentExplanation},
    export::{ExportFormat, text as csv_text},
    records::Records,
    revenue::{Dimension, Revenue, RevenueRow},
    subscription::SubscriptionStatusView,
};
