//! The explanation of an attribution, as data and in sentences.

use std::fmt;

use dodo_core::attribution::{AttributionRecord, AttributionStep, ClassificationBasis, RecordKind};
use serde::Serialize;

use crate::{
    Ledger,
    attribution::{Channel, Record, RecordState, StepAnswer, StepReason, StepReport},
    error::Error,
};

/// The explanation of the attribution of a payment and its reversals. `Display` shows it as text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PaymentExplanation {
    /// `pay_...`.
    pub payment_id: String,
    /// The charge first, then its reversals.
    pub records: Vec<ExplainedRecord>,
    /// The places to check if no visitor was found, the most likely first.
    pub hints: Vec<&'static str>,
}

/// One record with its channel and steps.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ExplainedRecord {
    /// The record.
    pub record: AttributionRecord,
    /// The channel of the money.
    pub channel: Channel,
    /// Each step in its order, with its result or the reason for no result.
    pub steps: Vec<StepReport>,
    /// The whole explanation in sentences.
    pub sentences: Vec<String>,
}

impl Ledger {
    /// Explains a payment: the kind of charge and its reason, the attribution and its steps, and
    /// the reversals. Returns `None` if the payment is unknown.
    ///
    /// The ledger runs the steps again over the facts that it has now.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn explain(&self, payment_id: &str) -> Result<Option<PaymentExplanation>, Error> {
        let found = self.shared.groups().explain(payment_id).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let records: Vec<ExplainedRecord> = found
            .into_iter()
            .map(|(resolved, steps)| {
                let channel = Channel::from_record(&resolved);
                let sentences = sentences(&resolved, channel, &steps);
                ExplainedRecord { record: resolved.record, channel, steps, sentences }
            })
            .collect();
        let hints = records.first().map(hints).unwrap_or_default();
        Ok(Some(PaymentExplanation { payment_id: payment_id.to_owned(), records, hints }))
    }
}

impl fmt::Display for PaymentExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for explained in &self.records {
            writeln!(f, "{}", explained.record.id)?;
            for sentence in &explained.sentences {
                writeln!(f, "  {sentence}")?;
            }
        }
        for hint in &self.hints {
            writeln!(f, "  Check: {hint}")?;
        }
        Ok(())
    }
}

fn sentences(resolved: &Record, channel: Channel, steps: &[StepReport]) -> Vec<String> {
    let record = &resolved.record;
    let mut out = vec![kind(record)];
    if resolved.state == RecordState::Void {
        out.push("An operator set it to zero: it is void.".to_owned());
    }
    out.extend(money(record, resolved.excess));
    out.push(match (channel, resolved.reason) {
        (Channel::Campaign, _) => "A campaign brought it.".to_owned(),
        (Channel::PaidClick, _) => {
            "A click on an advertisement brought it: the visit has a click id.".to_owned()
        }
        (Channel::Referral, _) => "Another site sent the visitor, without a campaign.".to_owned(),
        (Channel::Direct, _) => "Direct: a visit was seen, without a campaign.".to_owned(),
        (Channel::NotAttributed, Some(reason)) => {
            let because = match reason {
                StepReason::NotInMetadata => {
                    "the metadata names no visitor and no campaign".to_owned()
                }
                StepReason::NotInContext => {
                    "the visit had no campaign, no referring site and no known first page"
                        .to_owned()
                }
                other => because(other),
            };
            format!("Not attributed: {because}.")
        }
        (Channel::NotAttributed, None) => "Not attributed.".to_owned(),
    });
    out.push(match &record.visitor {
        Some(found) => format!("Visitor {}: {}.", found.value, found_by(found.step, &found.from)),
        None => "No visitor was found.".to_owned(),
    });
    out.push(match &record.campaign {
        Some(found) => format!("Campaign: {}.", found_by(found.step, &found.from)),
        None => "No campaign was found.".to_owned(),
    });
    match single_skip_reason(steps) {
        Some(reason) => out.push(format!("No step ran: {}.", because(reason))),
        None => steps.iter().for_each(|report| out.extend(step(report, record))),
    }
    if record.flags.reclassified {
        out.push(
            "Its kind changed when more became known, such as an earlier charge of the subscription that arrived later.".to_owned(),
        );
    }
    if record.flags.differs_from_payment {
        out.push("The refund's own metadata names another visitor than the payment: the refund's counts.".to_owned());
    }
    out
}

fn kind(record: &AttributionRecord) -> String {
    let what = match &record.kind {
        RecordKind::OneTime => "A one-time payment",
        RecordKind::SubscriptionNew => "The first paid charge of a subscription",
        RecordKind::SubscriptionRenewal => "A renewal of a subscription",
        RecordKind::Refund { partial: true } => "A partial refund",
        RecordKind::Refund { .. } => "A refund",
        RecordKind::RefundReversal => {
            "A refund that failed after it was booked: the amount is restored"
        }
        RecordKind::DisputeLoss { rdr: true } => {
            "A dispute that Visa's Rapid Dispute Resolution decided against you"
        }
        RecordKind::DisputeLoss { .. } => "A lost dispute",
        RecordKind::DisputeReversal => "A lost dispute that was reversed",
        RecordKind::NonRevenue { .. } => {
            "A payment of nothing (a trial, a full discount or a card update): no revenue"
        }
        _ => "No payment",
    };
    let why = match record.basis {
        ClassificationBasis::ChargeType => ": `charge_type` of Dodo Payments",
        ClassificationBasis::History if record.kind == RecordKind::SubscriptionRenewal => {
            ": an earlier charge of the subscription was paid"
        }
        ClassificationBasis::RetryAttempt => ": only renewals are retried",
        ClassificationBasis::SubscriptionAge => ": the subscription is older than its first period",
        ClassificationBasis::MultiFlag => ": it starts several subscriptions",
        ClassificationBasis::Assumed => ": no earlier charge is known",
        _ => "",
    };
    format!("{what}{why}.")
}

fn money(record: &AttributionRecord, excess: Option<i64>) -> Vec<String> {
    let mut out = Vec::new();
    match &record.money {
        Some(money) => out.push(format!(
            "{} {} with tax, {} {} revenue.",
            money.gross_major(),
            money.currency,
            money.net_major(),
            money.currency
        )),
        None if record.kind.is_revenue() => {
            out.push("The event has no amount, so no money is counted.".to_owned());
        }
        None => {}
    }
    if let (Some(excess), Some(money)) = (excess, &record.money) {
        out.push(format!(
            "{} {} exceed the rest of the payment and are not counted.",
            dodo_core::internals::minor_to_major(excess, money.exponent),
            money.currency
        ));
    }
    if record.flags.parent_missing {
        out.push(
            "The payment has not arrived yet. The ledger corrects this record when it arrives."
                .to_owned(),
        );
    }
    if record.flags.currency_mismatch {
        out.push("It is in another currency than the payment, so its tax is not known.".to_owned());
    }
    if record.flags.reversed {
        out.push("It was reversed again.".to_owned());
    }
    out
}

/// The one reason why no step ran.
fn single_skip_reason(steps: &[StepReport]) -> Option<StepReason> {
    let StepAnswer::Nothing(reason) = &steps.first()?.visitor else { return None };
    let because_of_it = StepAnswer::Nothing(*reason);
    let all =
        steps.iter().all(|step| step.visitor == because_of_it && step.campaign == because_of_it);
    all.then_some(*reason)
}

fn found_by(step: AttributionStep, from: &str) -> String {
    match step {
        AttributionStep::EventMetadata => format!("named in the metadata of {from}"),
        AttributionStep::PaymentRecord => format!("known from the payment {from}"),
        AttributionStep::CheckoutContext => format!("captured when the checkout {from} was opened"),
        AttributionStep::SubscriptionRecord => format!("known from the subscription, by {from}"),
        AttributionStep::RecoveredFrom => {
            format!("known from the abandoned payment {from} that this one recovered")
        }
        AttributionStep::CustomerRecord => format!("known from the customer, by {from}"),
        AttributionStep::EmailMatch => "identified earlier with the same e-mail address".to_owned(),
        _ => format!("known from {from}"),
    }
}

/// The step in the words of a marketer.
fn step_name(step: AttributionStep, of: &AttributionRecord) -> &'static str {
    match step {
        AttributionStep::EventMetadata if of.refund_id.is_some() => "Metadata of the refund",
        AttributionStep::EventMetadata if of.dispute_id.is_some() => "Metadata of the dispute",
        AttributionStep::EventMetadata => "Metadata of the payment",
        AttributionStep::PaymentRecord => "The reversed payment",
        AttributionStep::CheckoutContext => "The visit that opened the checkout",
        AttributionStep::SubscriptionRecord => "The subscription",
        AttributionStep::RecoveredFrom => "The abandoned checkout",
        AttributionStep::CustomerRecord => "The customer",
        AttributionStep::EmailMatch => "The e-mail address",
        _ => "Another step",
    }
}

/// The result of a step. If visitor and campaign share the result, it is one sentence.
fn step(report: &StepReport, of: &AttributionRecord) -> Vec<String> {
    let name = step_name(report.step, of);
    let parts: &[(&str, &StepAnswer)] = if report.visitor == report.campaign {
        &[("visitor or campaign", &report.visitor)]
    } else {
        &[("visitor", &report.visitor), ("campaign", &report.campaign)]
    };
    parts.iter().filter_map(|(part, found)| answer(name, part, found)).collect()
}

fn answer(step: &str, part: &str, answer: &StepAnswer) -> Option<String> {
    match answer {
        StepAnswer::Found { value, from } => {
            Some(format!("{step}: {part} found, {value} (from {from})."))
        }
        StepAnswer::Nothing(reason) => Some(format!("{step}: no {part}, {}.", because(*reason))),
        StepAnswer::NotNeeded => None,
    }
}

fn because(reason: StepReason) -> String {
    match reason {
        StepReason::NotInMetadata => "the metadata does not name one",
        StepReason::NotAReversal => "it is itself a payment",
        StepReason::PaymentNotHere => "the payment has not arrived",
        StepReason::PaymentUnattributed => "the payment has no attribution",
        StepReason::SeeThePayment => "its payment was already searched",
        StepReason::NoSession => "it does not come from a checkout session",
        StepReason::NoContext => "no context was stored when the session was opened",
        StepReason::NotInContext => "the visit had none",
        StepReason::NoSubscription => "it belongs to no subscription",
        StepReason::NoEarlierCharge => {
            "it is the first charge, and the subscription's metadata does not name one"
        }
        StepReason::EarlierChargesUnattributed => "its earlier charges have no attribution",
        StepReason::NotARecovery => "it does not recover an abandoned checkout",
        StepReason::AbandonedUnattributed => "the abandoned checkout does not show one either",
        StepReason::NoCustomer => "it names no customer",
        StepReason::NoEarlierPurchase { days } => {
            return format!("the customer bought nothing attributed in the {days} days before");
        }
        StepReason::NoEmail => "it names no e-mail address",
        StepReason::NotIdentified => "no visitor is linked to this address",
        StepReason::Ambiguous => "two visitors share this address, so the ledger credits neither",
        StepReason::ConsentDenied => "the visitor did not consent to being attributed",
        StepReason::RenewalNotCredited => "renewals are not credited, or no longer",
        StepReason::Forgotten => "the customer was erased",
    }
    .to_owned()
}

/// The places to check if no visitor was found: the common mistakes.
fn hints(charge: &ExplainedRecord) -> Vec<&'static str> {
    if charge.record.visitor.is_some() {
        return Vec::new();
    }
    let said = |reason| charge.steps.iter().any(|step| step.visitor == StepAnswer::Nothing(reason));
    if said(StepReason::ConsentDenied)
        || said(StepReason::RenewalNotCredited)
        || said(StepReason::Forgotten)
    {
        return Vec::new(); // not a mistake
    }
    let mut hints = Vec::new();
    if said(StepReason::NotInContext) || said(StepReason::NoContext) {
        hints.push("is the analytics script's persist mode on, so that there is a visitor cookie?");
        hints.push(
            "does the checkout route see the cookie: same site, and the capture in front of it?",
        );
    }
    // A renewal has no visit.
    if said(StepReason::NoSession) && charge.record.kind != RecordKind::SubscriptionRenewal {
        hints.push("was the payment made by a link outside of your checkout routes? Then no cookie was read.");
    }
    if said(StepReason::NoContext) {
        hints.push("pass the ledger to `context_store(..)` of the checkout");
    }
    if said(StepReason::NotIdentified) {
        hints.push("did the visitor come from another domain? Call `identify` after sign-up: the e-mail address then connects them.");
    }
    if said(StepReason::Ambiguous) {
        hints.push("were two people, or one person on two devices, identified with one address?");
    }
    hints
}
