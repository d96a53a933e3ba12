//! Queries: sums, lists, single records, exports and explanations.

mod breakdown;
mod calendar;
mod checkouts;
mod contacts;
mod disputes;
mod explain;
mod export;
mod funnel;
mod history;
mod money;
mod mrr;
mod plan;
mod ranking;
mod records;
mod refunds;
mod revenue;
mod series;
mod span;
mod subscription;
mod subscriptions;
mod sums;

pub use jiff::tz::TimeZone;

pub use crate::attribution::{Channel, ChurnReason, Dimension};

pub use self::{
    breakdown::{
        Breakdown, BreakdownRow, Compared, CurrencySums, Cursor, Order, Series, SeriesRow, Sort,
    },
    calendar::{Bucket, Interval, Period, Range},
    checkouts::{
        FunnelBreakdown, FunnelCompared, FunnelFailure, FunnelRow, FunnelSums, FunnelWaits,
    },
    disputes::OpenDispute,
    explain::{ExplainedRecord, PaymentExplanation},
    export::{ExportFormat, text as csv_text},
    funnel::Funnel,
    history::ObjectEvent,
    money::MoneyQuery,
    mrr::{Loss, MovementSums, Mrr, MrrMonth, lifetime_value},
    records::{ListedRecord, RecordCursor, RecordPage, Records},
    revenue::{Revenue, RevenueRow},
    subscription::SubscriptionStatusView,
    subscriptions::{
        SubscriptionCursor, SubscriptionGroup, SubscriptionItem, SubscriptionPage,
        SubscriptionSummary, SubscriptionSums, Subscriptions, Which,
    },
    sums::{Change, Sums, change, share},
};
