//! The rules of attribution, and the words of its results: [`Rules`], [`StepReason`], [`StepReport`].
//!
//! [`engine`](crate::engine) applies the rules to facts. The databases are in `booking`.

mod channel;
pub(crate) mod fit;
mod journey;
mod report;
mod rules;
pub(crate) mod whose;

pub use self::{
    channel::Channel,
    journey::Journey,
    report::{StepAnswer, StepReason, StepReport},
    rules::{RenewalCredit, Rules},
};
