use std::{collections::BTreeMap, fmt};

use http::request::Parts;
use jiff::Timestamp;

use super::{
    CampaignField, CheckoutContext, IdRole, VisitorCapture, VisitorId,
    candidates::{Candidates, CaptureSource},
    config::Field,
    consent::Decision,
    visit::Visit,
};
use crate::capture::{Campaign, consent::Consent};

/// The captured values of one request. [`VisitorLayer`](super::VisitorLayer) puts it into the
/// request's extensions; it is cheap to clone.
#[derive(Clone)]
pub struct Captured {
    pub(super) capture: VisitorCapture,
    pub(super) decision: Decision,
    pub(super) candidates: Candidates,
    pub(super) visit: Visit,
    pub(super) user_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) at: Timestamp,
    visitor: Option<VisitorId>,
    campaign: Option<Campaign>,
}

impl Captured {
    pub(super) fn new(
        capture: VisitorCapture,
        decision: Decision,
        visit: Visit,
        at: Timestamp,
    ) -> Self {
        let candidates = Candidates::new(
            !decision.consent.allows(),
            capture.settings().campaign_cookie.as_ref().is_some_and(|c| c.is_first_touch()),
        );
        let (visitor, campaign, user_id, email) = (None, None, None, None);
        Self { capture, decision, candidates, visit, user_id, email, at, visitor, campaign }
    }

    /// For endpoints: returns the values of the capture `own` if the endpoint has one, else the
    /// values of the layer in front of it. Without both, it has no values.
    pub(crate) fn from_request(own: Option<&VisitorCapture>, request: &Parts) -> Self {
        if let Some(own) = own {
            return own.capture(request).0;
        }
        match request.extensions.get::<Self>() {
            Some(captured) => {
                let mut captured = captured.clone();
                captured.identify(request);
                captured
            }
            None => VisitorCapture::nothing().capture(request).0,
        }
    }

    /// The visitor, if an enabled tool has an id and consent allows it.
    #[must_use]
    pub fn visitor(&self) -> Option<&VisitorId> {
        self.visitor.as_ref()
    }

    /// The campaign, if there is one and consent allows it. Always of one link.
    #[must_use]
    pub fn campaign(&self) -> Option<&Campaign> {
        self.campaign.as_ref()
    }

    /// The consent of the visitor.
    #[must_use]
    pub fn consent(&self) -> Consent {
        self.decision.consent
    }

    /// The checkout context, which the ledger stores beside the payment.
    #[must_use]
    pub fn context(&self) -> CheckoutContext {
        CheckoutContext {
            visitor: self.visitor.clone(),
            campaign: self.campaign.clone(),
            tool_ids: self.tool_ids(),
            consent: self.decision.consent,
            landing_path: self.visit.landing_path.clone(),
            referrer_host: self.visit.referrer_host.clone(),
            device: self.visit.device.class(),
            click_ids: self.visit.click_ids.clone(),
            user_id: self.user_id.clone(),
            email: self.email.clone().filter(|_| self.decision.consent.allows()),
            captured_at: self.at,
        }
    }

    fn tool_ids(&self) -> BTreeMap<String, String> {
        let fields = self.capture.fields();
        let ids = fields.iter().enumerate().filter(|(_, field)| !field.is_campaign());
        let id = |(index, field): (usize, &Field)| {
            let (_, id) = self.value(index)?;
            Some((field.key.clone().into_owned(), id.to_owned()))
        };
        ids.filter_map(id).collect()
    }

    /// The value of a field, and its place.
    pub(super) fn value(&self, index: usize) -> Option<(CaptureSource, &str)> {
        self.candidates.value(self.capture.fields(), index)
    }

    /// Chooses visitor and campaign among the candidates.
    pub(super) fn settle(&mut self) {
        let fields = self.capture.fields();
        let value = |index| self.value(index).map(|(_, value)| value);
        let visitor = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.role == IdRole::Visitor)
            .find_map(|(index, _)| VisitorId::new(value(index)?).ok());

        let mut campaigns: Vec<(&str, Campaign)> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let (IdRole::Campaign(part), Some(value)) = (field.role, value(index)) else {
                continue;
            };
            let known = campaigns.iter().position(|(tool, _)| *tool == field.tool);
            let at = known.unwrap_or(campaigns.len());
            if known.is_none() {
                campaigns.push((field.tool, Campaign::default()));
            }
            if let Some((_, campaign)) = campaigns.get_mut(at) {
                *part.slot(campaign) = Some(value.to_owned());
            }
        }
        self.campaign = campaigns.into_iter().map(|(_, campaign)| campaign).next();
        self.visitor = visitor;
    }
}

impl CampaignField {
    /// The field it names.
    pub(crate) fn slot(self, campaign: &mut Campaign) -> &mut Option<String> {
        match self {
            Self::LinkId => &mut campaign.link_id,
            Self::CampaignId => &mut campaign.campaign_id,
            Self::Source => &mut campaign.source,
            Self::Medium => &mut campaign.medium,
            Self::Content => &mut campaign.content,
            Self::Term => &mut campaign.term,
            Self::LeadId => &mut campaign.lead_id,
        }
    }
}

/// Shows which values exist. Never shows a value, because it is personal data.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("consent", &self.decision.consent)
            .field("visitor", &self.visitor.is_some())
            .field("campaign", &self.campaign.is_some())
            .finish_non_exhaustive()
    }
}
