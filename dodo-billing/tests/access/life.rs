//! Random lives of a subscription, as Dodo Payments would report them.
//!
//! Each event has two bodies: the object at the time of the event, and the object at a later attempt.

use dodo_billing::fact::{
    BillingFact, BillingFactKind as Kind, BillingPeriod, PaymentFact, SubscriptionBody,
};
use dodo_core::{
    EventKind,
    event::{BillingInterval, PaymentStatus, SubscriptionStatus as Status},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::notation::day;

/// One act of a life. An act that the state does not allow does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Renew,
    FailOnHold,
    FailPastDue,
    Recover,
    Cancel,
    ScheduleCancel,
    UndoCancel,
    Pause,
    Unpause,
    ChangePlan,
    SetQuantity(u32),
}

/// An act, the hours until it, and the hours until the attempt that delivers each of its events.
pub(crate) type Step = (Act, i64, [i64; 4]);

pub(crate) fn steps() -> impl Strategy<Value = (bool, Vec<Step>)> {
    let act = prop_oneof![
        4 => Just(Act::Renew),
        1 => Just(Act::FailOnHold),
        1 => Just(Act::FailPastDue),
        2 => Just(Act::Recover),
        1 => Just(Act::Cancel),
        1 => Just(Act::ScheduleCancel),
        1 => Just(Act::UndoCancel),
        1 => Just(Act::Pause),
        1 => Just(Act::Unpause),
        1 => Just(Act::ChangePlan),
        1 => (2..9_u32).prop_map(Act::SetQuantity),
    ];
    let attempts = prop::array::uniform4(prop_oneof![3 => Just(0), 1 => 1..28_i64]);
    (any::<bool>(), prop::collection::vec((act, 1..240_i64, attempts), 0..10))
}

/// A subscription with all states that it had.
pub(crate) struct Life {
    object: SubscriptionBody,
    at: Timestamp,
    states: Vec<(Timestamp, SubscriptionBody)>,
    events: Vec<(Timestamp, EventKind, i64)>,
    payments: Vec<BillingFact>,
}

impl Life {
    pub(crate) fn new(has_trial: bool, steps: &[Step]) -> Self {
        let (length, at) = (if has_trial { 14 } else { 30 }, day(0.0));
        let object = SubscriptionBody {
            subscription_id: "sub_1".to_owned(),
            status: Some(Status::Active),
            created_at: Some(at),
            product_id: Some("pdt_A".to_owned()),
            quantity: Some(1),
            next_billing_date: Some(at + hours(24 * length)),
            previous_billing_date: Some(at),
            trial_period_days: Some(if has_trial { 14 } else { 0 }),
            interval: Some(BillingPeriod { unit: BillingInterval::Day, count: 30 }),
            has_payment_method: Some(true),
            ..SubscriptionBody::default()
        };
        let (states, events, payments) = (Vec::new(), Vec::new(), Vec::new());
        let mut life = Self { object, at, states, events, payments };
        life.pay(if has_trial { 0 } else { 1900 });
        life.emit(&["active", "renewed", "updated"], [0; 4]);
        for step in steps {
            life.step(*step);
        }
        life
    }

    fn step(&mut self, (act, wait, attempts): Step) {
        let status = self.object.status.clone().unwrap();
        let due = self.object.next_billing_date.unwrap();
        let soon = self.at + hours(wait);
        let is_charge = matches!(act, Act::Renew | Act::FailOnHold | Act::FailPastDue);
        // Dodo Payments charges at the billing date and not before. Other acts happen before it.
        if status == Status::Active && (is_charge || soon >= due) {
            if self.object.cancel_at_next_billing_date {
                self.at = due;
                self.set(Status::Cancelled);
                self.object.cancelled_at = Some(due);
                return self.emit(&["cancelled"], attempts);
            }
            self.at = due;
            return match act {
                Act::FailOnHold => self.fail(Status::OnHold, attempts),
                Act::FailPastDue => self.fail(Status::PastDue, attempts),
                _ => self.renew(due, attempts),
            };
        }
        self.at = soon;
        match (act, status) {
            (Act::Recover, Status::OnHold | Status::PastDue) => {
                self.set(Status::Active);
                self.object.past_due_ends_at = None;
                self.renew_dates(self.at);
                self.pay(1900);
                self.emit(&["active", "updated"], attempts);
            }
            (Act::Cancel, Status::Active | Status::OnHold | Status::PastDue | Status::Paused) => {
                self.set(Status::Cancelled);
                self.object.cancelled_at = Some(self.at);
                self.emit(&["cancelled", "updated"], attempts);
            }
            (Act::ScheduleCancel, Status::Active) => {
                self.object.cancel_at_next_billing_date = true;
                self.emit(&["updated"], attempts);
            }
            (Act::UndoCancel, Status::Active) => {
                self.object.cancel_at_next_billing_date = false;
                self.emit(&["updated"], attempts);
            }
            (Act::Pause, Status::Active) => {
                self.set(Status::Paused);
                self.object.paused_at = Some(self.at);
                self.emit(&["paused", "updated"], attempts);
            }
            (Act::Unpause, Status::Paused) => {
                self.set(Status::Active);
                let paused = self.object.paused_at.take().unwrap();
                self.object.next_billing_date = Some(due + self.at.duration_since(paused));
                self.emit(&["unpaused", "updated"], attempts);
            }
            (Act::ChangePlan, Status::Active) => {
                self.object.product_id = Some("pdt_B".to_owned());
                self.renew_dates(self.at);
                self.pay(3000);
                self.emit(&["plan_changed", "updated"], attempts);
            }
            (Act::SetQuantity(quantity), Status::Active) => {
                self.object.quantity = Some(quantity);
                self.emit(&["updated"], attempts);
            }
            _ => {}
        }
    }

    fn renew(&mut self, due: Timestamp, attempts: [i64; 4]) {
        self.renew_dates(due);
        self.pay(1900);
        self.emit(&["renewed", "updated"], attempts);
    }

    fn fail(&mut self, status: Status, attempts: [i64; 4]) {
        let event = if status == Status::OnHold { "on_hold" } else { "past_due" };
        self.object.past_due_ends_at = (status == Status::PastDue).then(|| self.at + hours(24 * 3));
        self.set(status);
        self.emit(&[event, "updated"], attempts);
    }

    fn set(&mut self, status: Status) {
        self.object.status = Some(status);
    }

    fn renew_dates(&mut self, from: Timestamp) {
        self.object.previous_billing_date = Some(from);
        self.object.next_billing_date = Some(from + hours(24 * 30));
    }

    fn pay(&mut self, amount: i64) {
        let id = format!("pay_{}", self.payments.len());
        let payment = PaymentFact {
            payment_id: id.clone(),
            status: PaymentStatus::Succeeded,
            paid_at: self.at,
            amount,
            subscription_ids: vec!["sub_1".to_owned()],
            card_update: false,
            items: Vec::new(),
            service_periods: Vec::new(),
        };
        let kind = Kind::Payment(Box::new(payment));
        self.payments.push(BillingFact { id: format!("msg_{id}"), at: self.at, kind });
    }

    fn emit(&mut self, events: &[&str], attempts: [i64; 4]) {
        self.states.push((self.at, self.object.clone()));
        for (event, attempt) in events.iter().zip(attempts) {
            let kind = EventKind::from(&*format!("subscription.{event}"));
            self.events.push((self.at, kind, attempt));
        }
    }

    /// The time after the last attempt.
    pub(crate) fn end(&self) -> Timestamp {
        self.at + hours(28)
    }

    /// The paid-through date of the object, if no charge failed.
    pub(crate) fn object(&self) -> &SubscriptionBody {
        &self.object
    }

    /// Each event with the body of its first attempt.
    pub(crate) fn prompt(&self) -> Vec<BillingFact> {
        self.facts(|_| 0)
    }

    /// Each event with the body of a later attempt.
    pub(crate) fn late(&self) -> Vec<BillingFact> {
        self.facts(|hours| hours)
    }

    fn facts(&self, delay: impl Fn(i64) -> i64) -> Vec<BillingFact> {
        let events = self.events.iter().enumerate().map(|(index, (at, event, attempt))| {
            let attempt_at = *at + hours(delay(*attempt));
            let mut states = self.states.iter().rev();
            // The states of one instant: the body shows the last one.
            let (_, body) = states.find(|(since, _)| *since <= attempt_at).unwrap();
            let kind = Kind::Subscription {
                event: event.clone(),
                attempt_at: Some(attempt_at),
                body: Box::new(body.clone()),
            };
            BillingFact { id: format!("msg_{index}"), at: *at, kind }
        });
        events.chain(self.payments.iter().cloned()).collect()
    }
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}
