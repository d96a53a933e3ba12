//! What the ledger adds up to, and each record by itself: for pages, exports and people who ask why.

mod calendar;
mod explain;
mod export;
mod filter;
mod money;
mod plan;
mod records;
mod revenue;
mod subscription;
mod subscriptions;
mod sums;

pub use jiff::tz::TimeZone;

pub use crate::attribution::{Channel, ChurnReason, Dimension};

pub use self::{
    calendar::{Bucket, Interval, Period, Range},
    explain::{ExplainedRecord, PaymentExplanation},
    export::{ExportFormat, text as csv_text},
    money::{
        Breakdown, BreakdownRow, Compared, CurrencySums, Cursor, MoneyQuery, Order, Series,
        SeriesRow, Sort,
    },
    records::Records,
    revenue::{Revenue, RevenueRow},
    subscription::SubscriptionStatusView,
    subscriptions::{
        MovementSums, Mrr, MrrMonth, SubscriptionCursor, SubscriptionGroup, SubscriptionItem,
        SubscriptionPage, SubscriptionSummary, SubscriptionSums, Subscriptions, Which,
        lifetime_value,
    },
    sums::{Change, Sums, change, share},
};
