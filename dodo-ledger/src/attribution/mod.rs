//! Which visitor and campaign brought which money.
//!
//! [`Evidence`] is what one delivery proves. [`book`] writes it down and derives the record that
//! follows from it and from all other evidence: what kind of charge it is ([`classify`](dodo_core::internals::classify())), how much went
//! back (`settle`, `money`), and who brought it (`chain`). Everything that the new evidence puts in
//! another light is derived again in the same transaction, so that the ledger does not depend on the
//! order of deliveries.
//!
//! Not here: where entries are stored ([`History`] is what a store has to answer), what they add up
//! to (`query`), and who is told about them (`sink`).

mod booking;
mod chain;
mod context;
mod dependents;
mod derive;
mod entry;
mod evidence;
mod facts;
pub(crate) mod fit;
mod forget;
mod history;
mod identify;
mod journey;
mod known;
mod memory;
mod money;
mod reading;
mod record;
mod report;
mod rules;
mod settle;
mod standing;
mod taking;
mod wanted;
pub(crate) mod whose;

pub use self::{
    booking::{Booking, Change, book},
    context::bind_context,
    derive::explain,
    entry::{Class, Derived, Entry, Head, Link, Position, charge_id, step_number},
    evidence::{
        Attempt, Charge, Dispute, DisputeStep, Evidence, Findings, Origin, Party, Refund,
        Subscription, SubscriptionStep, What,
    },
    forget::forget,
    history::{Find, History, Steps},
    identify::identify,
    journey::Journey,
    memory::MemoryHistory,
    report::{Answer, Reason, StepReport},
    rules::{RenewalCredit, Rules},
    standing::{Said, SubscriptionStanding},
    wanted::Wanted,
};
pub(crate) use self::{
    context::{context_fact, is_late, look_again},
    derive::{is_open, is_open_by_itself},
    forget::book_forgotten,
    standing::standing,
};
