//! The attribution of one record: seven steps in order. The first step with a result wins, for the
//! visitor and the campaign independently.

use std::collections::BTreeMap;

use dodo_core::{
    attribution::{Attributed, AttributionStep},
    capture::{Campaign, consent::Consent},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    charges::Charges,
    fact::{Fact, Person},
    fact_kind::FactKind,
    objects::consent_of,
    record::Record,
    resolve::Resolver,
    step::{STEPS, StepResult, campaign_text},
    subscription::SubscriptionHistory,
    timeline::Ambiguous,
};
use crate::attribution::{StepAnswer, StepReason, StepReport, VisitContext};

/// The attribution of one record.
#[derive(Default)]
pub(super) struct Attribution {
    pub(super) visitor: Option<Attributed<String>>,
    pub(super) campaign: Option<Attributed<Campaign>>,
    pub(super) tool_ids: BTreeMap<String, String>,
    pub(super) user_id: Option<String>,
    pub(super) consent: Consent,
    pub(super) visit_context: Option<VisitContext>,
    pub(super) ambiguous: bool,
    /// The reason for which no campaign and no visit is known. `None`: one of them is known.
    pub(super) reason: Option<StepReason>,
}

impl Attribution {
    /// Returns the reason for which no campaign and no visit is known, from the reason of each step
    /// without a campaign.
    fn missing(&self, reasons: &BTreeMap<AttributionStep, StepReason>) -> Option<StepReason> {
        if self.campaign.is_some() || self.visit_context.as_ref().is_some_and(VisitContext::is_seen)
        {
            return None;
        }
        if self.ambiguous && self.visitor.is_none() {
            return Some(StepReason::Ambiguous);
        }
        // A reversal depends on its payment, and a renewal on the charges before it.
        let of = |step| reasons.get(&step).copied();
        match (of(AttributionStep::PaymentRecord), of(AttributionStep::SubscriptionRecord)) {
            (Some(reason @ (StepReason::PaymentNotHere | StepReason::PaymentUnattributed)), _)
            | (_, Some(reason @ StepReason::EarlierChargesUnattributed)) => Some(reason),
            _ => of(AttributionStep::CheckoutContext),
        }
    }
}

/// The charges that a record inherits from.
pub(super) enum Lineage<'a> {
    /// A charge inherits from the charge before it in each of its subscriptions.
    Previous(Vec<&'a Record>),
    /// A reversal inherits from its payment.
    Parent(Option<&'a Record>),
    /// The start or end of a subscription inherits from its first charge.
    FirstCharge(Option<&'a Record>),
}

/// The input of one attribution.
pub(super) struct Target<'a> {
    pub(super) fact: &'a Fact,
    /// `None`: erased.
    pub(super) person: Option<&'a Person>,
    /// Purchases of the customer up to this time count.
    pub(super) as_of: Timestamp,
    pub(super) session: Option<&'a str>,
    pub(super) payment: Option<&'a str>,
    pub(super) subscriptions: Vec<(&'a str, Option<&'a SubscriptionHistory<'a>>)>,
    pub(super) lineage: Lineage<'a>,
    /// The reason why no visitor and no campaign gets credit.
    pub(super) blocked: Option<StepReason>,
}

impl<'a> Target<'a> {
    fn lineage(&self) -> impl Iterator<Item = &'a Record> {
        let (many, one) = match &self.lineage {
            Lineage::Previous(many) => (many.as_slice(), None),
            Lineage::Parent(one) | Lineage::FirstCharge(one) => (&[][..], *one),
        };
        many.iter().copied().chain(one)
    }

    /// A reversal has the checkout and the subscription of its payment.
    fn see_payment(&self) -> Option<StepReason> {
        match self.lineage {
            Lineage::Parent(Some(_)) => Some(StepReason::SeeThePayment),
            Lineage::Parent(None) => Some(StepReason::PaymentNotHere),
            _ => None,
        }
    }
}

/// The abandoned payment of a recovery.
#[derive(Clone, Copy)]
struct Abandoned<'a> {
    result: StepResult<'a>,
    consent: Option<Consent>,
}

impl<'a> Resolver<'a> {
    /// Runs the steps. The reports are empty, unless the resolver traces.
    pub(super) fn attribute(
        &self,
        charges: &Charges<'a>,
        target: &Target<'_>,
    ) -> (Attribution, Vec<StepReport>) {
        let context = target.session.and_then(|id| self.objects.contexts.get(id).copied());
        let abandoned = self.abandoned(target);
        let mut out = Attribution {
            consent: consent(target, context, abandoned.and_then(|abandoned| abandoned.consent)),
            visit_context: self.visit_context(target, context),
            ..Attribution::default()
        };
        let blocked =
            if out.consent.allows() { target.blocked } else { Some(StepReason::ConsentDenied) };
        out.reason = blocked;
        if blocked.is_some() && !self.trace {
            return (out, Vec::new());
        }
        let mut reasons = BTreeMap::new();
        let mut reports = Vec::new();
        for step in STEPS {
            let is_open = (out.visitor.is_none(), out.campaign.is_none());
            if is_open == (false, false) && !self.trace {
                break;
            }
            let result = match blocked {
                Some(reason) => StepResult::none(reason),
                None if is_open == (false, false) => StepResult::none(StepReason::NotInMetadata),
                None => self.step(charges, target, step, context, abandoned),
            };
            if is_open.1
                && let Err(reason) = result.campaign
            {
                reasons.insert(step, reason);
            }
            out.ambiguous |= is_open.0 && result.visitor.err() == Some(StepReason::Ambiguous);
            if self.trace {
                reports.push(report(step, is_open, result));
            }
            if let (true, Ok((value, from))) = (is_open.0, result.visitor) {
                let (value, from) = (value.to_owned(), from.to_owned());
                out.visitor = Some(Attributed { value, step, from });
            }
            if let (true, Ok((value, from))) = (is_open.1, result.campaign) {
                let (value, from) = (value.clone(), from.to_owned());
                out.campaign = Some(Attributed { value, step, from });
            }
        }
        if blocked.is_none() {
            out.reason = out.missing(&reasons);
            self.add_ids(&mut out, target, context);
        }
        (out, reports)
    }

    fn step<'b>(
        &'b self,
        charges: &'b Charges<'a>,
        target: &'b Target<'_>,
        step: AttributionStep,
        context: Option<&'b Fact>,
        abandoned: Option<Abandoned<'b>>,
    ) -> StepResult<'b> {
        let Some(person) = target.person else { return StepResult::none(StepReason::Forgotten) };
        match step {
            AttributionStep::EventMetadata => StepResult::from_touchpoint(
                &person.own,
                target.fact.object_id(),
                StepReason::NotInMetadata,
            ),
            AttributionStep::PaymentRecord => match target.lineage {
                Lineage::Parent(Some(parent)) => {
                    StepResult::from_charge(parent, StepReason::PaymentUnattributed)
                }
                Lineage::Parent(None) => StepResult::none(StepReason::PaymentNotHere),
                _ => StepResult::none(StepReason::NotAReversal),
            },
            AttributionStep::CheckoutContext => {
                let reason = match (target.session, context) {
                    (Some(_), Some(_)) => StepReason::NotInContext,
                    (Some(_), None) => StepReason::NoContext,
                    (None, _) => target.see_payment().unwrap_or(StepReason::NoSession),
                };
                let session = target.session.unwrap_or_default();
                let visit = context.and_then(|context| self.objects.person(context));
                visit.map_or(StepResult::none(reason), |visit| {
                    StepResult::from_touchpoint(&visit.own, session, reason)
                })
            }
            AttributionStep::SubscriptionRecord => subscription_record(target),
            AttributionStep::RecoveredFrom => {
                abandoned.map_or(StepResult::none(StepReason::NotARecovery), |found| found.result)
            }
            AttributionStep::CustomerRecord => self.customer_record(charges, target, person),
            AttributionStep::EmailMatch => self.email_match(person),
            _ => StepResult::none(StepReason::NotInMetadata),
        }
    }

    /// The metadata of the customer, else the latest purchase with a direct result in the lookback.
    fn customer_record<'b>(
        &self,
        charges: &'b Charges<'a>,
        target: &Target<'_>,
        person: &'b Person,
    ) -> StepResult<'b> {
        let Some(customer) = person.customer_id.as_deref() else {
            return StepResult::none(StepReason::NoCustomer);
        };
        if let Lineage::Parent(Some(_)) = target.lineage {
            // The payment of this reversal has run this step, as of the time of the payment.
            return StepResult::from_touchpoint(
                &person.customer,
                customer,
                StepReason::SeeThePayment,
            );
        }
        let days = self.rules.lookback_days;
        let reason = StepReason::NoEarlierPurchase { days };
        let lookback = SignedDuration::from_hours(24 * i64::from(days));
        let since = target.as_of.checked_sub(lookback).unwrap_or(Timestamp::MIN);
        let (visitor, campaign) = charges.latest_direct(customer, since, target.as_of);
        let visitor = visitor.map(|charge| StepResult::from_charge(charge, reason).visitor);
        let campaign = campaign.map(|charge| StepResult::from_charge(charge, reason).campaign);
        let purchases = StepResult {
            visitor: visitor.unwrap_or(Err(reason)),
            campaign: campaign.unwrap_or(Err(reason)),
        };
        StepResult::from_touchpoint(&person.customer, customer, reason).or(purchases)
    }

    fn email_match(&self, person: &Person) -> StepResult<'_> {
        let Some(hash) = &person.email_sha256 else { return StepResult::none(StepReason::NoEmail) };
        let Some(identity) = self.identities.get(hash) else {
            return StepResult::none(StepReason::NotIdentified);
        };
        fn found<T: ?Sized>(
            value: Result<Option<&T>, Ambiguous>,
        ) -> Result<(&T, &'static str), StepReason> {
            match value {
                Ok(Some(value)) => Ok((value, "email")),
                Ok(None) => Err(StepReason::NotIdentified),
                Err(Ambiguous) => Err(StepReason::Ambiguous),
            }
        }
        StepResult { visitor: found(identity.visitor()), campaign: found(identity.campaign()) }
    }

    /// The abandoned payment that this payment recovered: its metadata, else its checkout.
    fn abandoned<'b>(&'b self, target: &Target<'_>) -> Option<Abandoned<'b>> {
        let abandoned = *self.objects.recoveries.get(target.payment?)?;
        let reason = StepReason::AbandonedUnattributed;
        let none = StepResult::none(reason);
        let Some(failed) = self.objects.failed_payments.get(abandoned).copied() else {
            return Some(Abandoned { result: none, consent: None });
        };
        let session = match &failed.kind {
            FactKind::FailedPayment(failed) => failed.session_id.as_deref(),
            _ => None,
        };
        let context = session.and_then(|id| self.objects.contexts.get(id).copied());
        let consent = context.map(consent_of);
        if consent.is_some_and(|consent| !consent.allows()) {
            return Some(Abandoned { result: none, consent });
        }
        let people = [Some(failed), context].into_iter().flatten();
        let people = people.filter_map(|fact| self.objects.person(fact));
        let results =
            people.map(|person| StepResult::from_touchpoint(&person.own, abandoned, reason));
        Some(Abandoned { result: results.fold(none, StepResult::or), consent })
    }

    fn visit_context(&self, target: &Target<'_>, context: Option<&Fact>) -> Option<VisitContext> {
        target.person?;
        let own = context.map(|context| {
            let visit = self.objects.person(context);
            let visit_context = visit.and_then(|visit| {
                Some(visit.visit_context.clone()?.with_click_ids(&visit.click_ids))
            });
            visit_context.unwrap_or_default()
        });
        own.or_else(|| target.lineage().find_map(|charge| charge.visit_context.clone()))
    }

    /// Adds ids of tools and the user of the application: from the object, its customer, its checkout,
    /// its lineage and its subscriptions. An e-mail match adds the user of the address. The user that
    /// the application bound to the checkout wins over metadata.
    fn add_ids(&self, out: &mut Attribution, target: &Target<'_>, context: Option<&Fact>) {
        let visit = context.and_then(|context| self.objects.person(context));
        out.user_id = visit.and_then(|person| person.own.user_id.clone());
        let own = target.person.into_iter().flat_map(|person| [&person.own, &person.customer]);
        let own = own.chain(visit.map(|person| &person.own)).map(|t| (&t.tool_ids, &t.user_id));
        let lineage = target.lineage();
        let lineage = lineage.map(|charge| (&charge.record.tool_ids, &charge.record.user_id));
        let subscriptions = target.subscriptions.iter().filter_map(|(_, history)| *history);
        let subscriptions =
            subscriptions.map(|history| (&history.own.tool_ids, &history.own.user_id));
        for (tool_ids, user_id) in own.chain(lineage).chain(subscriptions) {
            for (name, id) in tool_ids {
                if !out.tool_ids.contains_key(name) {
                    out.tool_ids.insert(name.clone(), id.clone());
                }
            }
            if out.user_id.is_none() {
                out.user_id.clone_from(user_id);
            }
        }
        let visitor = out.visitor.as_ref().map(|found| found.step);
        let campaign = out.campaign.as_ref().map(|found| found.step);
        let is_email = [visitor, campaign].contains(&Some(AttributionStep::EmailMatch));
        if out.user_id.is_none() && is_email {
            let hash = target.person.and_then(|person| person.email_sha256);
            let identity = hash.and_then(|hash| self.identities.get(&hash));
            let user = identity.and_then(|identity| identity.user().ok().flatten());
            out.user_id = user.map(str::to_owned);
        }
    }
}

/// The charge before this one, which holds the results of all earlier charges; else the metadata of
/// the subscription.
fn subscription_record<'b>(target: &'b Target<'_>) -> StepResult<'b> {
    if target.subscriptions.is_empty() {
        return StepResult::none(target.see_payment().unwrap_or(StepReason::NoSubscription));
    }
    let reason = match target.lineage().next() {
        Some(_) => StepReason::EarlierChargesUnattributed,
        None => StepReason::NoEarlierCharge,
    };
    let charges = target.lineage().map(|charge| StepResult::from_charge(charge, reason));
    let known = target.subscriptions.iter().filter_map(|(id, history)| Some((*id, (*history)?)));
    let metadata = known.map(|(id, history)| StepResult::from_touchpoint(&history.own, id, reason));
    charges.chain(metadata).fold(StepResult::none(reason), StepResult::or)
}

/// The consent of this checkout, else of the inherited charges. One denial denies all.
fn consent(target: &Target<'_>, context: Option<&Fact>, abandoned: Option<Consent>) -> Consent {
    context.map(consent_of).unwrap_or_else(|| {
        let inherited = target.lineage().map(|charge| charge.record.consent);
        inherited.chain(abandoned).fold(Consent::NotAsked, |a, b| match (a, b) {
            (Consent::Denied, _) | (_, Consent::Denied) => Consent::Denied,
            (Consent::NotAsked, other) | (other, _) => other,
        })
    })
}

fn report(step: AttributionStep, is_open: (bool, bool), result: StepResult<'_>) -> StepReport {
    fn answer(is_open: bool, found: Result<(String, &str), StepReason>) -> StepAnswer {
        match found {
            _ if !is_open => StepAnswer::NotNeeded,
            Ok((value, from)) => StepAnswer::Found { value, from: from.to_owned() },
            Err(reason) => StepAnswer::Nothing(reason),
        }
    }
    let visitor = result.visitor.map(|(value, from)| (value.to_owned(), from));
    let campaign = result.campaign.map(|(value, from)| (campaign_text(value), from));
    StepReport { step, visitor: answer(is_open.0, visitor), campaign: answer(is_open.1, campaign) }
}
