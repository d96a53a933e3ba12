//! A local [Dodo Payments](https://dodopayments.com): its API, hosted checkout and portal pages,
//! signed webhooks with retries, a clock that can be moved, and faults on demand. For tests and for
//! trying an app without an account; no real money moves.

#![recursion_limit = "256"] // `json!` of the larger objects

mod api;
mod app;
mod clock;
mod control;
mod countries;
mod deliver;
mod error;
mod events;
mod flow;
mod id;
mod money;
mod pages;
mod sandbox;
mod settings;
mod sign;
mod state;
mod steer;

pub use self::{
    api::fault::{Fault, FaultKind, RecordedRequest},
    control::{PaymentOutcome, ReleaseOrder},
    deliver::Disturbance,
    error::{Error, ErrorKind},
    flow::reversal::DisputeOutcome,
    sandbox::{Builder, Sandbox},
    settings::{GraceEnd, PeriodEndCancel, RefundOutcome, Settings},
    state::{
        card::{
            CARD_DECLINED, CARD_INDIA, CARD_NO_FUNDS, CARD_OK, CARD_OK_MASTERCARD,
            CARD_RENEWAL_FAILS,
        },
        product::{Interval, Product},
        webhook::{Attempt, Delivery, DeliveryState},
    },
};
