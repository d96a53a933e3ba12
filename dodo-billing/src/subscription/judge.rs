//! The state table: the first matching row decides.

use dodo_core::event::SubscriptionStatus as Status;
use jiff::{SignedDuration, Timestamp};

use super::fold::{FIRST_PAYMENT, SubscriptionFold};
use crate::{
    check::{Check, CheckCause},
    reason::{Reason, ReasonCode as Code, date},
    rules::{CancelNow, Rules},
    state::AccessState as State,
    until::{Until, later},
};

/// A renewal is checked this long after the paid-through date.
const RENEWAL: SignedDuration = SignedDuration::from_mins(10);

/// The answer for one subscription.
pub(crate) struct Ruling {
    pub(crate) state: State,
    pub(crate) until: Option<Until>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) reason: Reason,
    pub(crate) recoverable: bool,
    pub(crate) pending: bool,
    pub(crate) remaining: Option<SignedDuration>,
    check: Option<(CheckCause, Timestamp)>,
}

impl Ruling {
    fn live(state: State, until: Until, reason: Reason) -> Self {
        Self {
            state,
            until: Some(until),
            ended_at: None,
            reason,
            recoverable: false,
            pending: false,
            remaining: None,
            check: None,
        }
    }

    fn off(state: State, ended_at: Option<Timestamp>, reason: Reason) -> Self {
        Self { until: None, ended_at, ..Self::live(state, Until::Unknown, reason) }
    }

    fn checked(mut self, cause: CheckCause, due_at: Option<Timestamp>) -> Self {
        self.check = due_at.map(|at| (cause, at));
        self
    }

    fn recoverable(mut self) -> Self {
        self.recoverable = true;
        self
    }
}

impl SubscriptionFold<'_> {
    /// The times at which the answer can change.
    pub(crate) fn boundaries(&self, rules: &Rules) -> impl Iterator<Item = Timestamp> {
        let slack = self.paid_through.map(|paid| later(paid, rules.renewal_slack));
        let grace = self.failure.map(|failure| failure.grace_end);
        [self.paid_through, slack, grace, self.trial_end].into_iter().flatten()
    }

    /// The answer at a time.
    pub(crate) fn judge(&self, rules: &Rules, now: Timestamp) -> Ruling {
        if let Some(ruling) = self.ended_by_money_or_app() {
            return ruling;
        }
        let is_paid = self.paid_through.is_some_and(|paid| now < paid);
        match &self.status {
            None if self.is_confirmed => self.active(rules, now),
            None | Some(Status::Pending | Status::Failed) => self.never_started(),
            _ if self.is_paused => self.paused(),
            Some(Status::Expired) if is_paid && !self.expiry_is_checked => {
                let paid = self.paid_date();
                let text = format!("Reported as expired, but paid until {paid}. A check is due.");
                let reason = Code::Contradiction.because(text);
                Ruling::live(State::Cancelled, self.until(), reason)
                    .checked(CheckCause::Contradiction, self.last_at)
            }
            Some(Status::Expired) => {
                let ended_at = self.last_at.filter(|_| is_paid).or(self.paid_through);
                Ruling::off(State::Ended, ended_at, Code::Expired.because("The term is over."))
            }
            Some(Status::Cancelled) => self.cancelled(rules, is_paid, now),
            Some(Status::PastDue | Status::OnHold) => self.failed(is_paid, now),
            Some(Status::Active) => self.active(rules, now),
            Some(unknown) => self.unknown(unknown.as_str(), is_paid),
        }
    }

    /// The checks that follow from the summary and its answer.
    pub(crate) fn checks(&self, ruling: &Ruling) -> Vec<Check> {
        let mut checks: Vec<_> = ruling.check.into_iter().collect();
        if ruling.state != State::Ended {
            checks.extend(self.contradicted_at.map(|at| (CheckCause::Contradiction, at)));
            checks.extend(self.estimated_at.map(|at| (CheckCause::EstimatedEnd, at)));
        }
        let is_open = |cause: CheckCause| {
            let of_status = matches!(
                cause,
                CheckCause::Contradiction | CheckCause::OnHoldButPaid | CheckCause::UnknownStatus
            );
            !(self.is_checked && of_status)
        };
        checks.retain(|(cause, _)| is_open(*cause));
        let subscription_id = self.id.to_owned();
        let check =
            |(cause, due_at)| Check { subscription_id: subscription_id.clone(), cause, due_at };
        checks.into_iter().map(check).collect()
    }

    /// Dodo Payments still charges for an access whose last charge was returned.
    pub(crate) fn is_refunded_but_billed(&self) -> bool {
        self.reversed.is_some() && self.renews()
    }

    /// Two observations contradict each other, or the expiry contradicts the paid time.
    pub(crate) fn is_contradictory(&self, ruling: &Ruling) -> bool {
        ruling.state != State::Ended
            && (self.contradicted_at.is_some() || ruling.reason.code == Code::Contradiction)
    }

    fn ended_by_money_or_app(&self) -> Option<Ruling> {
        if let Some((at, code)) = self.reversed {
            let text = match code {
                Code::Disputed => format!("The last charge was disputed on {}.", date(at)),
                _ => format!("The last charge was refunded on {}.", date(at)),
            };
            return Some(Ruling::off(State::Ended, Some(at), code.because(text)));
        }
        let at = self.ended_by_app?;
        let reason = Code::CancelledNow.because(format!("Access was ended on {}.", date(at)));
        Some(Ruling::off(State::Ended, Some(at), reason))
    }

    fn never_started(&self) -> Ruling {
        let text = if self.processing {
            "The first payment is being processed."
        } else {
            "No payment succeeded."
        };
        let reason = Code::NeverStarted.because(text);
        Ruling { pending: self.processing, ..Ruling::off(State::None, None, reason) }
    }

    fn paused(&self) -> Ruling {
        let since = self.paused_at.map(|at| format!(" on {}", date(at))).unwrap_or_default();
        let reason = match self.status {
            Some(Status::OnHold) => {
                Code::PauseUnpaid.because(format!("Paused{since}. A payment failed."))
            }
            _ => Code::Paused.because(format!("Paused{since}.")),
        };
        let remaining = self.paid_through.zip(self.paused_at);
        let remaining = remaining.map(|(paid, since)| paid.duration_since(since));
        let remaining = remaining.map(|rest| rest.max(SignedDuration::ZERO));
        Ruling { remaining, ..Ruling::off(State::Paused, self.paused_at, reason) }
    }

    fn cancelled(&self, rules: &Rules, is_paid: bool, now: Timestamp) -> Ruling {
        let paid = self.paid_date();
        let on = self.cancelled_at.map(|at| format!(" on {}", date(at))).unwrap_or_default();
        if !is_paid {
            let reason = match self.failure {
                Some(failure) => {
                    let text = format!("A charge failed on {}. Canceled{on}.", date(failure.since));
                    Code::PaymentFailed.because(text)
                }
                None => Code::Cancelled.because(format!("Canceled{on}.")),
            };
            return Ruling::off(State::Ended, self.paid_through.or(self.cancelled_at), reason);
        }
        if rules.cancel_now == CancelNow::EndNow && !self.cancel_scheduled {
            let reason = Code::Cancelled.because(format!("Canceled{on}."));
            return Ruling::off(State::Ended, self.cancelled_at, reason);
        }
        let reason = if self.trial_end.is_some_and(|end| now < end) {
            Code::TrialCancelled.because(format!("Canceled{on}. Trial until {paid}."))
        } else {
            let text = format!("Canceled{on}. Paid until {paid}. It does not renew.");
            Code::CancelledPaid.because(text)
        };
        Ruling::live(State::Cancelled, self.until(), reason)
    }

    fn failed(&self, is_paid: bool, now: Timestamp) -> Ruling {
        let since = self.failure.map(|f| f.since).or(self.last_at);
        let on = since.map(|at| format!(" on {}", date(at))).unwrap_or_default();
        if is_paid {
            let text = format!("A charge failed{on}. Paid until {}.", self.paid_date());
            return Ruling::live(State::Grace, self.until(), Code::OnHoldButPaid.because(text))
                .checked(CheckCause::OnHoldButPaid, self.last_at);
        }
        let grace_end = self.failure.map(|failure| failure.grace_end);
        match grace_end.filter(|end| now < *end) {
            Some(end) => {
                let text = format!("A charge failed{on}. Access ends on {}.", date(end));
                let reason = Code::PaymentFailed.because(text);
                Ruling::live(State::Grace, Until::At(end), reason).recoverable()
            }
            None => {
                let reason = Code::PaymentFailed.because(format!("A charge failed{on}."));
                Ruling::off(State::Ended, grace_end, reason).recoverable()
            }
        }
    }

    fn active(&self, rules: &Rules, now: Timestamp) -> Ruling {
        if self.on_demand {
            let reason = Code::Paid.because("Active. It has no end date.");
            return Ruling::live(State::Active, Until::NoEnd, reason);
        }
        let Some(paid_through) = self.paid_through else {
            let reason = Code::Paid.because("Active. The end date is not known yet.");
            return Ruling::live(State::Active, Until::Unknown, reason)
                .checked(CheckCause::UnknownEnd, self.last_at);
        };
        if now < paid_through {
            let in_trial = self.trial_end.is_some_and(|end| now < end);
            return if in_trial { self.trial() } else { self.paid(rules) };
        }
        let paid = self.paid_date();
        if self.cancel_scheduled {
            let reason = Code::Cancelled.because(format!("Canceled. It ended on {paid}."));
            return Ruling::off(State::Ended, Some(paid_through), reason);
        }
        if !self.has_payment_method {
            let (code, what) = match self.trial_end {
                Some(_) => (Code::TrialEnded, "The trial"),
                None => (Code::NoPaymentMethod, "The paid time"),
            };
            let reason =
                code.because(format!("{what} ended on {paid}. No payment method is stored."));
            return Ruling::off(State::Ended, Some(paid_through), reason);
        }
        let reason = Code::RenewalUnconfirmed
            .because(format!("Paid until {paid}. No renewal is confirmed."));
        let end = later(paid_through, rules.renewal_slack);
        let ruling = if now < end {
            Ruling::live(State::Grace, Until::At(end), reason)
        } else {
            Ruling::off(State::Ended, Some(end), reason)
        };
        ruling.checked(CheckCause::RenewalUnconfirmed, Some(later(paid_through, RENEWAL)))
    }

    fn trial(&self) -> Ruling {
        let end = self.paid_date();
        if self.cancel_scheduled {
            let reason = Code::TrialCancelled.because(format!("Canceled. Trial until {end}."));
            return Ruling::live(State::Cancelled, self.until(), reason);
        }
        let reason = Code::Trial.because(format!("Trial until {end}."));
        Ruling::live(State::Trialing, self.until(), reason)
    }

    fn paid(&self, rules: &Rules) -> Ruling {
        let paid = self.paid_date();
        if !self.is_confirmed {
            let due_at = self.started_at.map(|at| later(at, FIRST_PAYMENT));
            let reason = Code::FirstPaymentUnconfirmed.because("No payment is confirmed yet.");
            let ruling = if rules.strict_first_payment {
                Ruling { pending: true, ..Ruling::off(State::None, None, reason) }
            } else {
                Ruling::live(State::Active, self.until(), reason)
            };
            return ruling.checked(CheckCause::FirstPaymentUnconfirmed, due_at);
        }
        if self.cancel_scheduled {
            let text = format!("Canceled. Paid until {paid}. It does not renew.");
            let reason = Code::CancelScheduled.because(text);
            return Ruling::live(State::Cancelled, self.until(), reason);
        }
        let reason = Code::Paid.because(format!("Paid until {paid}."));
        Ruling::live(State::Active, self.until(), reason)
    }

    fn unknown(&self, status: &str, is_paid: bool) -> Ruling {
        let reason = Code::UnknownStatus
            .because(format!("Dodo Payments reports the unknown status {status:?}."));
        let ruling = if is_paid || self.paid_through.is_none() {
            Ruling::live(State::Active, self.until(), reason)
        } else {
            Ruling::off(State::Ended, self.paid_through, reason)
        };
        ruling.checked(CheckCause::UnknownStatus, self.last_at)
    }

    fn until(&self) -> Until {
        self.paid_through.map_or(Until::Unknown, Until::At)
    }

    fn paid_date(&self) -> String {
        self.paid_through.map(date).unwrap_or_default()
    }
}
