//! The steps of a sale: each step changes the state and emits its events.

pub(crate) mod allowance;
pub(crate) mod checkout;
pub(crate) mod complete;
pub(crate) mod credit;
pub(crate) mod discount;
pub(crate) mod entitlement;
pub(crate) mod method;
pub(crate) mod payout;
pub(crate) mod plan;
pub(crate) mod quote;
pub(crate) mod recovery;
pub(crate) mod redirect;
pub(crate) mod renewal;
pub(crate) mod reversal;
pub(crate) mod schedule;
pub(crate) mod subscription;
pub(crate) mod usage;
