//! The resolution chain: who brought this money.
//!
//! Seven places are asked in order; the first that knows wins. Visitor and campaign are resolved
//! independently of each other, and a campaign is always taken as a whole.

use std::collections::BTreeMap;

use dodo_core::{
    attribution::{Attributed, AttributionStep},
    capture::{Campaign, consent::Consent},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    entry::{Class, Derived, Entry, Link, Position},
    evidence::{Evidence, Findings, What},
    history::{Find, History, Steps},
    journey::Journey,
    known::Known,
    report::{Answer, Reason, StepReport},
    rules::Rules,
};
use crate::error::Error;

/// The chain in its order. [`AttributionStep::Unattributed`] is what remains when none of them knows.
const STEPS: [AttributionStep; 7] = [
    AttributionStep::EventMetadata,
    AttributionStep::PaymentRecord,
    AttributionStep::CheckoutContext,
    AttributionStep::SubscriptionRecord,
    AttributionStep::RecoveredFrom,
    AttributionStep::CustomerRecord,
    AttributionStep::EmailMatch,
];

/// The steps whose finding does not itself come from the customer's other purchases.
const FIRM: std::ops::RangeInclusive<u8> = 1..=5;

/// What is to be attributed.
pub(super) struct Subject<'a> {
    pub(super) evidence: &'a Evidence,
    /// The id of the object whose metadata `evidence.own` is.
    pub(super) object: &'a str,
    /// The time up to which the customer's past counts.
    pub(super) as_of: Position,
    pub(super) kin: Kin,
    /// Why nothing may be credited, if so.
    pub(super) blocked: Option<Reason>,
}

/// The entries that it stands in a line with.
pub(super) enum Kin {
    /// A charge: the charges just before it, one per subscription.
    Previous(Vec<Entry>),
    /// Money that went back: the charge it went back from, if it is known.
    Parent(Option<Box<Entry>>),
    /// A start or end of a subscription: its first charge.
    FirstCharge(Option<Box<Entry>>),
}

impl Kin {
    /// The entries whose consent, journey and tool ids are inherited.
    fn entries(&self) -> &[Entry] {
        match self {
            Self::Previous(entries) => entries,
            Self::Parent(entry) | Self::FirstCharge(entry) => {
                entry.as_deref().map_or(&[], std::slice::from_ref)
            }
        }
    }

    /// Money that went back has no checkout and no subscription but those of its payment.
    fn see_the_payment(&self) -> Option<Reason> {
        match self {
            Self::Parent(Some(_)) => Some(Reason::SeeThePayment),
            Self::Parent(None) => Some(Reason::PaymentNotHere),
            _ => None,
        }
    }
}

/// Who brought the money, and how that was found out.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolution {
    pub(super) visitor: Option<Attributed<String>>,
    pub(super) campaign: Option<Attributed<Campaign>>,
    pub(super) tool_ids: BTreeMap<String, String>,
    pub(super) user_id: Option<String>,
    pub(super) consent: Consent,
    pub(super) journey: Option<Journey>,
    pub(super) ambiguous: bool,
    /// Why no step was taken.
    blocked: Option<Reason>,
    pub(super) steps: Vec<StepReport>,
}

impl Derived {
    /// With the visit, or the reason why none is known.
    pub(super) fn attributed(self, attributed: &Resolution) -> Self {
        Self { journey: attributed.journey.clone(), reason: attributed.reason(), ..self }
    }
}

impl Resolution {
    /// Why the money is not attributed. `None`: a campaign or a visit is known.
    fn reason(&self) -> Option<Reason> {
        if let Some(reason) = self.blocked {
            return Some(reason);
        }
        let is_seen = self.journey.as_ref().is_some_and(Journey::is_seen);
        if self.campaign.is_some() || is_seen {
            return None;
        }
        let reason_of = |step| {
            let report = self.steps.iter().find(|report: &&StepReport| report.step == step);
            match report.map(|report| &report.campaign) {
                Some(Answer::Nothing(reason)) => Some(*reason),
                _ => None,
            }
        };
        if self.ambiguous && self.visitor.is_none() {
            return Some(Reason::Ambiguous);
        }
        // A reversal depends on its payment, and a renewal on the charges before it.
        match (
            reason_of(AttributionStep::PaymentRecord),
            reason_of(AttributionStep::SubscriptionRecord),
        ) {
            (Some(reason @ (Reason::PaymentNotHere | Reason::PaymentUnattributed)), _)
            | (_, Some(reason @ Reason::EarlierChargesUnattributed)) => Some(reason),
            _ => reason_of(AttributionStep::CheckoutContext),
        }
    }
}

/// What one step has to say about one part.
type Said<T> = Result<(T, String), Reason>;

/// What one step has to say.
struct Offer {
    visitor: Said<String>,
    campaign: Said<Campaign>,
}

impl Offer {
    fn nothing(reason: Reason) -> Self {
        Self { visitor: Err(reason), campaign: Err(reason) }
    }

    fn of(findings: &Findings, from: &str, otherwise: Reason) -> Self {
        let from = || from.to_owned();
        Self {
            visitor: findings.visitor.clone().map(|v| (v, from())).ok_or(otherwise),
            campaign: findings.campaign.clone().map(|c| (c, from())).ok_or(otherwise),
        }
    }

    /// Each part from itself, else from `other`.
    fn or(self, other: Self) -> Self {
        Self { visitor: self.visitor.or(other.visitor), campaign: self.campaign.or(other.campaign) }
    }
}

/// Asks the steps in order.
pub(super) async fn attribute<H: History>(
    history: &mut H,
    rules: &Rules,
    subject: &Subject<'_>,
    known: &Known,
) -> Result<Resolution, Error> {
    let mut out = Resolution {
        consent: consent(subject, known),
        journey: journey(subject, known),
        ..Resolution::default()
    };
    let blocked = if out.consent.allows() { subject.blocked } else { Some(Reason::ConsentDenied) };
    out.blocked = blocked;
    for step in STEPS {
        let mut report = StepReport::new(step);
        if out.visitor.is_some() && out.campaign.is_some() {
            out.steps.push(report);
            continue;
        }
        let offer = match blocked {
            Some(reason) => Offer::nothing(reason),
            None => {
                let wanted = (out.visitor.is_none(), out.campaign.is_none());
                offer(history, rules, subject, known, step, wanted).await?
            }
        };
        out.ambiguous |= offer.visitor == Err(Reason::Ambiguous) && out.visitor.is_none();
        settle(step, &mut out.visitor, offer.visitor, &mut report.visitor, String::clone);
        settle(step, &mut out.campaign, offer.campaign, &mut report.campaign, campaign_in_words);
        out.steps.push(report);
    }
    if blocked.is_none() {
        inherit_ids(&mut out, subject, known);
    }
    Ok(out)
}

/// Takes what a step said, if nothing was found before.
fn settle<T>(
    step: AttributionStep,
    slot: &mut Option<Attributed<T>>,
    said: Said<T>,
    answer: &mut Answer,
    show: impl Fn(&T) -> String,
) {
    if slot.is_some() {
        return;
    }
    *answer = match said {
        Ok((value, from)) => {
            let found = Answer::Found { value: show(&value), from: from.clone() };
            *slot = Some(Attributed { value, step, from });
            found
        }
        Err(reason) => Answer::Nothing(reason),
    };
}

/// The fields of a campaign that are known, for people.
pub(super) fn campaign_in_words(campaign: &Campaign) -> String {
    [
        ("source", &campaign.source),
        ("medium", &campaign.medium),
        ("campaign", &campaign.campaign_id),
        ("content", &campaign.content),
        ("term", &campaign.term),
        ("link", &campaign.link_id),
        ("lead", &campaign.lead_id),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
    .collect::<Vec<_>>()
    .join(", ")
}

async fn offer<H: History>(
    history: &mut H,
    rules: &Rules,
    subject: &Subject<'_>,
    known: &Known,
    step: AttributionStep,
    wanted: (bool, bool),
) -> Result<Offer, Error> {
    let evidence = subject.evidence;
    Ok(match step {
        AttributionStep::EventMetadata => {
            Offer::of(&evidence.own, subject.object, Reason::NotInMetadata)
        }
        AttributionStep::PaymentRecord => match &subject.kin {
            Kin::Parent(Some(parent)) => of_entry(parent, Reason::PaymentUnattributed),
            Kin::Parent(None) => Offer::nothing(Reason::PaymentNotHere),
            _ => Offer::nothing(Reason::NotAReversal),
        },
        AttributionStep::CheckoutContext => match &known.context {
            Some((session, context)) => Offer::of(context, session, Reason::NotInContext),
            None => Offer::nothing(
                subject.kin.see_the_payment().unwrap_or_else(|| known.why_no_context()),
            ),
        },
        AttributionStep::SubscriptionRecord => subscription_record(subject, known),
        AttributionStep::RecoveredFrom => match &known.recovered {
            Some((payment, findings)) => {
                Offer::of(findings, payment, Reason::AbandonedUnattributed)
            }
            None => Offer::nothing(Reason::NotARecovery),
        },
        AttributionStep::CustomerRecord => customer_record(history, rules, subject, wanted).await?,
        AttributionStep::EmailMatch => match &evidence.party.email_sha256 {
            None => Offer::nothing(Reason::NoEmail),
            Some(_) => Offer {
                visitor: known.email_visitor().map(|v| (v, "email".to_owned())),
                campaign: known.email_campaign().map(|c| (c, "email".to_owned())),
            },
        },
        _ => Offer::nothing(Reason::NotInMetadata),
    })
}

/// What a charge was attributed to, and to which payment that goes back.
fn of_entry(entry: &Entry, otherwise: Reason) -> Offer {
    let payment = &entry.record.payment_id;
    // Along a subscription the first payment that knew is named, not the last that was told.
    let origin = |step: &AttributionStep, from: &str| match step {
        AttributionStep::SubscriptionRecord => from.to_owned(),
        _ => payment.clone(),
    };
    let (visitor, campaign) = (&entry.record.visitor, &entry.record.campaign);
    Offer {
        visitor: visitor
            .as_ref()
            .map(|found| (found.value.clone(), origin(&found.step, &found.from)))
            .ok_or(otherwise),
        campaign: campaign
            .as_ref()
            .map(|found| (found.value.clone(), origin(&found.step, &found.from)))
            .ok_or(otherwise),
    }
}

/// The charge before, which knows what all charges before it knew; else the subscription's metadata.
fn subscription_record(subject: &Subject<'_>, known: &Known) -> Offer {
    if known.subscriptions.is_empty() {
        return Offer::nothing(subject.kin.see_the_payment().unwrap_or(Reason::NoSubscription));
    }
    let earlier = match &subject.kin {
        Kin::Parent(_) => &[],
        kin => kin.entries(),
    };
    let nothing = if earlier.is_empty() {
        Reason::NoEarlierCharge
    } else {
        Reason::EarlierChargesUnattributed
    };
    let records = earlier.iter().map(|entry| of_entry(entry, nothing));
    let metadata =
        known.subscriptions.iter().map(|(id, facts)| Offer::of(&facts.findings(), id, nothing));
    records.chain(metadata).fold(Offer::nothing(nothing), |found, next| {
        // A refusal that was given first stays.
        let or = |found: Offer, next: Offer| Offer {
            visitor: if found.visitor.is_ok() || next.visitor.is_err() {
                found.visitor
            } else {
                next.visitor
            },
            campaign: if found.campaign.is_ok() || next.campaign.is_err() {
                found.campaign
            } else {
                next.campaign
            },
        };
        or(found, next)
    })
}

/// The customer's metadata, else the latest purchase of the same customer.
async fn customer_record<H: History>(
    history: &mut H,
    rules: &Rules,
    subject: &Subject<'_>,
    (visitor_wanted, campaign_wanted): (bool, bool),
) -> Result<Offer, Error> {
    let Some(customer) = &subject.evidence.party.customer_id else {
        return Ok(Offer::nothing(Reason::NoCustomer));
    };
    let nothing = Reason::NoEarlierPurchase { days: rules.lookback_days };
    let metadata = Offer::of(&subject.evidence.customer, customer, nothing);
    if matches!(subject.kin, Kin::Parent(Some(_))) {
        // Its payment looked already, at the time when that counted.
        return Ok(metadata.or(Offer::nothing(Reason::SeeThePayment)));
    }
    let since = lookback_start(rules, subject.as_of.at);
    let mut latest = async |steps: Steps| -> Result<Option<Entry>, Error> {
        let mut find = Find::links([Link::Customer(customer.clone())])
            .class(Class::Charge)
            .before(subject.as_of.clone())
            .newest();
        (find.since, find.steps) = (Some(since), steps);
        Ok(history.find(&find).await?.pop())
    };
    let mut records = Offer::nothing(nothing);
    if visitor_wanted && metadata.visitor.is_err() {
        let steps = Steps { visitor: Some(FIRM), campaign: None };
        if let Some(entry) = latest(steps).await? {
            records.visitor = of_entry(&entry, nothing).visitor;
        }
    }
    if campaign_wanted && metadata.campaign.is_err() {
        let steps = Steps { visitor: None, campaign: Some(FIRM) };
        if let Some(entry) = latest(steps).await? {
            records.campaign = of_entry(&entry, nothing).campaign;
        }
    }
    Ok(metadata.or(records))
}

/// The earliest time from which a purchase explains one at `at`.
pub(super) fn lookback_start(rules: &Rules, at: Timestamp) -> Timestamp {
    at.checked_sub(lookback(rules)).unwrap_or(Timestamp::MIN)
}

/// The latest time up to which a purchase at `at` explains others.
pub(super) fn lookback_end(rules: &Rules, at: Timestamp) -> Timestamp {
    at.checked_add(lookback(rules)).unwrap_or(Timestamp::MAX)
}

fn lookback(rules: &Rules) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(rules.lookback_days))
}

/// What the visitor agreed to: asked at this checkout, else at those that this payment goes back to.
fn consent(subject: &Subject<'_>, known: &Known) -> Consent {
    known.consent.unwrap_or_else(|| {
        let inherited = subject.kin.entries().iter().map(|entry| entry.record.consent);
        inherited.chain(known.abandoned_consent).fold(Consent::NotAsked, stricter)
    })
}

fn stricter(a: Consent, b: Consent) -> Consent {
    match (a, b) {
        (Consent::Denied, _) | (_, Consent::Denied) => Consent::Denied,
        (Consent::NotAsked, other) | (other, _) => other,
    }
}

fn journey(subject: &Subject<'_>, known: &Known) -> Option<Journey> {
    if subject.evidence.forgotten {
        return None;
    }
    known
        .journey
        .clone()
        .or_else(|| subject.kin.entries().iter().find_map(|entry| entry.derived.journey.clone()))
}

/// Adds ids of tools and the user of the application: from the object, its customer, its checkout, its
/// kin and its subscriptions. An e-mail match adds the user of the address. The user that the application
/// bound to the checkout wins over metadata.
fn inherit_ids(out: &mut Resolution, subject: &Subject<'_>, known: &Known) {
    let own = [&subject.evidence.own, &subject.evidence.customer];
    let context = known.context.iter().map(|(_, findings)| findings.clone());
    out.user_id = context.clone().find_map(|findings| findings.user_id);
    let metadata = known.subscriptions.iter().map(|(_, facts)| facts.findings());
    let kin = subject.kin.entries().iter().map(|entry| Findings {
        tool_ids: entry.record.tool_ids.clone(),
        user_id: entry.record.user_id.clone(),
        ..Findings::default()
    });
    for findings in own.into_iter().cloned().chain(context).chain(kin).chain(metadata) {
        for (name, id) in findings.tool_ids {
            out.tool_ids.entry(name).or_insert(id);
        }
        out.user_id = out.user_id.take().or(findings.user_id);
    }
    let by_email = out.visitor.as_ref().map(|found| found.step)
        == Some(AttributionStep::EmailMatch)
        || out.campaign.as_ref().map(|found| found.step) == Some(AttributionStep::EmailMatch);
    if by_email {
        out.user_id = out.user_id.take().or_else(|| known.email_user());
    }
}

/// The id of the object whose metadata an evidence shows.
pub(super) fn object_id(what: &What) -> &str {
    match what {
        What::Charge(charge) => &charge.payment_id,
        What::Attempt(attempt) => &attempt.payment_id,
        What::Refund(refund) => &refund.refund_id,
        What::RefundFailed { refund_id, .. } => refund_id,
        What::Dispute(dispute) => &dispute.dispute_id,
        What::Subscription(subscription) => &subscription.subscription_id,
        What::Recovered { payment_id, .. } => payment_id,
    }
}
