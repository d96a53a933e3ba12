//! One subscription from all its facts, and its state at a time.
//!
//! | module | content |
//! |---|---|
//! | `observation` | the observations from events and API responses, and their order |
//! | `fold` | the summary of all observations and charges, without a clock |
//! | `coverage` | the product, the quantity and the paid-through date |
//! | `judge` | the state table: summary and time to state, end and reason |

mod coverage;
mod fold;
mod judge;
mod observation;

pub(crate) use self::{
    fold::{SubscriptionFold, find},
    observation::Observation,
};
