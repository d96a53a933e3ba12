//! The facts that the chain looks at, read in one go.

use dodo_core::capture::{Campaign, CheckoutContext, consent::Consent};

use super::{
    entry::Link,
    evidence::{Evidence, Findings, What},
    facts::{self, Few, Identities, SubscriptionFacts},
    history::History,
    journey::Journey,
    report::Reason,
};
use crate::error::Error;

/// What is known around one piece of evidence.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The checkout session and what was captured for it.
    pub(super) context: Option<(String, Findings)>,
    /// The consent asked at this checkout.
    pub(super) consent: Option<Consent>,
    pub(super) journey: Option<Journey>,
    has_session: bool,
    /// The subscriptions, with what is known about each.
    pub(super) subscriptions: Vec<(String, SubscriptionFacts)>,
    /// The abandoned payment that this one makes up for.
    pub(super) recovered: Option<(String, Findings)>,
    /// The consent asked at the abandoned checkout.
    pub(super) abandoned_consent: Option<Consent>,
    identities: Identities,
}

/// The key of what was captured for a checkout session.
pub(crate) fn context_key(session_id: &str) -> String {
    facts::key("checkout", session_id)
}

impl Known {
    /// Reads what is known around this evidence.
    pub(super) async fn read<H: History>(
        history: &mut H,
        evidence: &Evidence,
    ) -> Result<Self, Error> {
        let (session, subscriptions, payment) = match &evidence.what {
            What::Charge(charge) => (
                charge.checkout_session_id.as_ref(),
                charge.subscription_ids.clone(),
                Some(charge.payment_id.as_str()),
            ),
            What::Subscription(subscription) => {
                (None, vec![subscription.subscription_id.clone()], None)
            }
            _ => (None, Vec::new(), None),
        };
        let email = evidence.party.email_sha256.as_ref().map(Link::email);
        let named =
            |kind: &str, id: Option<&str>| id.map_or_else(String::new, |id| facts::key(kind, id));
        let mut keys = vec![
            named("checkout", session.map(String::as_str)),
            named("recovered", payment),
            named("email", email.as_ref().map(Link::value)),
        ];
        keys.extend(subscriptions.iter().map(|id| facts::key("subscription", id)));
        let stored = history.facts(&keys).await?;
        let get = |at: usize| stored.get(at).and_then(Option::as_ref);

        let mut known = Self { has_session: session.is_some(), ..Self::default() };
        if let (Some(session), Some(context)) = (session, facts::read::<CheckoutContext>(get(0))?) {
            known.learn_context(session, &context);
        }
        if let Some(abandoned) = facts::read::<String>(get(1))? {
            let (findings, consent) = abandoned_findings(history, &abandoned).await?;
            known.recovered = Some((abandoned, findings));
            known.abandoned_consent = consent;
        }
        known.identities = facts::read(get(2))?.unwrap_or_default();
        for (at, id) in subscriptions.into_iter().enumerate() {
            known.subscriptions.push((id, facts::read(get(3 + at))?.unwrap_or_default()));
        }
        Ok(known)
    }

    fn learn_context(&mut self, session: &str, context: &CheckoutContext) {
        self.consent = Some(context.consent);
        self.journey = Some(Journey {
            landing_path: context.landing_path.clone(),
            referrer_host: context.referrer_host.clone(),
            device: serde_json::to_value(context.device)
                .ok()
                .and_then(|device| device.as_str().map(str::to_owned)),
        });
        self.context = Some((session.to_owned(), findings_of(context)));
    }

    /// The facts of the subscriptions.
    pub(super) fn subscription_facts(&self) -> Vec<SubscriptionFacts> {
        self.subscriptions.iter().map(|(_, facts)| facts.clone()).collect()
    }

    pub(super) fn why_no_context(&self) -> Reason {
        if self.has_session { Reason::NoContext } else { Reason::NoSession }
    }

    /// The one visitor that the e-mail address belongs to.
    pub(super) fn email_visitor(&self) -> Result<String, Reason> {
        only(&self.identities.visitors).cloned()
    }

    /// The one campaign that the e-mail address belongs to.
    pub(super) fn email_campaign(&self) -> Result<Campaign, Reason> {
        let text = only(&self.identities.campaigns)?;
        serde_json::from_str(text).map_err(|_| Reason::NotIdentified)
    }

    /// The one user of the application that the e-mail address belongs to.
    pub(super) fn email_user(&self) -> Option<String> {
        only(&self.identities.users).ok().cloned()
    }
}

/// The only thing that was said.
fn only(said: &Few) -> Result<&String, Reason> {
    match said.only() {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(Reason::NotIdentified),
        Err(()) => Err(Reason::Ambiguous),
    }
}

fn findings_of(context: &CheckoutContext) -> Findings {
    Findings {
        visitor: context.visitor.as_ref().map(|visitor| visitor.as_str().to_owned()),
        campaign: context.campaign.clone().filter(|campaign| !campaign.is_empty()),
        tool_ids: context.tool_ids.clone(),
        user_id: context.user_id.clone(),
    }
}

/// What an abandoned payment shows: its own metadata, else its checkout; and what was said there. Who
/// said no is shown by neither.
async fn abandoned_findings<H: History>(
    history: &mut H,
    payment_id: &str,
) -> Result<(Findings, Option<Consent>), Error> {
    let stored = history.facts(&[facts::key("attempt", payment_id)]).await?;
    let Some(evidence) = facts::read::<Evidence>(stored.first().and_then(Option::as_ref))? else {
        return Ok((Findings::default(), None));
    };
    let session = match &evidence.what {
        What::Attempt(attempt) => attempt.checkout_session_id.as_deref(),
        _ => None,
    };
    let context = match session {
        Some(session) => {
            let stored = history.facts(&[context_key(session)]).await?;
            facts::read::<CheckoutContext>(stored.first().and_then(Option::as_ref))?
        }
        None => None,
    };
    let consent = context.as_ref().map(|context| context.consent);
    if consent.is_some_and(|consent| !consent.allows()) {
        return Ok((Findings::default(), consent));
    }
    let context = context.as_ref().map(findings_of).unwrap_or_default();
    let findings = Findings {
        visitor: evidence.own.visitor.or(context.visitor),
        campaign: evidence.own.campaign.or(context.campaign),
        ..Findings::default()
    };
    Ok((findings, consent))
}
