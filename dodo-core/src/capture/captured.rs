use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    CampaignField, CheckoutContext, Device, Role, Skip, Skipped, Visitor, VisitorCapture,
    config::Field,
    consent::gpc,
    cookies,
    value::usable,
    visit::{Page, Visit, is_page, pairs, part},
};
use crate::{Campaign, Consent};

/// Where a value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The app named its signed-in user.
    App,
    /// A cookie.
    Cookie,
    /// The body of the checkout request.
    Body,
    /// The query of the request.
    Query,
    /// The query of our own page that sent the request, from its `Referer`.
    Page,
}

impl Origin {
    /// Which one is taken when several hold a usable value: the lowest. A visitor's id is where its
    /// tool keeps it; a campaign is the fresher, the closer to the visitor's last step it was read.
    const fn rank(self, role: Role) -> u8 {
        match (role, self) {
            (Role::Campaign(_), Self::Cookie) => u8::MAX,
            _ => self as u8,
        }
    }
}

/// A value that was there, and what became of it.
#[derive(Clone)]
pub(super) struct Candidate {
    /// Index into the capture's fields.
    pub(super) field: usize,
    pub(super) origin: Origin,
    pub(super) value: Result<Box<str>, Skip>,
}

/// What was found in one request. Cheap enough to clone; sits in the request's extensions.
#[derive(Clone)]
pub struct Captured {
    capture: VisitorCapture,
    consent: Consent,
    candidates: Vec<Candidate>,
    visitor: Option<Visitor>,
    campaign: Option<Campaign>,
    visit: Visit,
    user_id: Option<String>,
}

impl Captured {
    pub(super) fn read(capture: &VisitorCapture, request: &Parts) -> Self {
        let settings = capture.settings();
        let mut captured = Self {
            capture: capture.clone(),
            consent: Consent::NotAsked,
            candidates: Vec::new(),
            visitor: None,
            campaign: None,
            visit: Visit { device: Device::of(&request.headers), ..Visit::default() },
            user_id: settings.user_id.as_ref().and_then(|of| of(request)).and_then(|id| part(&id)),
        };
        captured.consent = decide(capture, request);
        captured.read_cookies(request);
        let page = Page::of(request);
        for (origin, query) in [(Origin::Query, request.uri.query()), (Origin::Page, page.query())]
        {
            captured.read_query(origin, query.unwrap_or_default());
        }
        captured.visit.landing_path =
            if is_page(request) { part(request.uri.path()) } else { page.path() };
        captured.visit.referrer_host = page.referrer_host();
        if let Some(user) = captured.user_id.clone() {
            for (field, _) in fields_where(capture, |f| f.role == Role::User) {
                captured.offer(field, Origin::App, Ok(user.as_str().into()));
            }
        }
        captured.settle();
        captured
    }

    /// The capture of the layer in front of this request, or of `own`, which an endpoint was given.
    /// Finds nothing where neither is.
    pub(crate) fn of(own: Option<&VisitorCapture>, request: &Parts) -> Self {
        match (own, request.extensions.get::<Self>()) {
            (Some(own), _) => own.begin(request).0,
            (None, Some(captured)) => captured.clone(),
            (None, None) => VisitorCapture::new().click_ids(Vec::<&str>::new()).begin(request).0,
        }
    }

    /// The visitor, if an enabled tool knows them and consent allows it.
    #[must_use]
    pub fn visitor(&self) -> Option<&Visitor> {
        self.visitor.as_ref()
    }

    /// The campaign, if there is one and consent allows it. Always of one link.
    #[must_use]
    pub fn campaign(&self) -> Option<&Campaign> {
        self.campaign.as_ref()
    }

    /// What the visitor agreed to.
    #[must_use]
    pub fn consent(&self) -> Consent {
        self.consent
    }

    /// What was left out so far, and why. Nothing is listed for a key that has a value.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        for (index, field) in self.capture.fields().iter().enumerate() {
            if self.value(index).is_some() {
                continue;
            }
            let (origin, reason) = self.why_not(index);
            skipped.push(Skipped { key: (&*field.key).into(), origin, reason });
        }
        skipped
    }

    /// Whether the capture reads this query parameter, so that an endpoint need not know it.
    #[must_use]
    pub fn reads_query(&self, name: &str) -> bool {
        let settings = self.capture.settings();
        settings.click_ids.iter().any(|id| id == name)
            || settings.fields.iter().any(|f| f.query.iter().any(|(query, _)| query == name))
    }

    /// Takes the tools' values out of the body of a checkout request.
    ///
    /// Whatever consent says, they are taken out; without consent they are dropped.
    pub fn absorb_body(&mut self, body: &mut Map<String, Value>) {
        let capture = self.capture.clone();
        let mut objects = Vec::new();
        for (index, field) in capture.fields().iter().enumerate() {
            for (name, decoder) in &field.body {
                let taken = match name.split_once('.') {
                    None => body.remove(&**name),
                    Some((object, name)) => {
                        objects.push(object);
                        match body.get_mut(object) {
                            Some(Value::Object(object)) => object.remove(name),
                            Some(_) => Some(Value::Array(Vec::new())), // the object is none
                            None => None,
                        }
                    }
                };
                let Some(taken) = taken else { continue };
                let value =
                    scalar(taken).and_then(|text| decoder.decode(&text).map(Cow::into_owned));
                self.offer(index, Origin::Body, value.map(Into::into));
            }
        }
        for object in objects {
            body.remove(object);
        }
        self.settle();
    }

    /// What to keep beside the payment, for the ledger.
    #[must_use]
    pub fn context(&self) -> CheckoutContext {
        CheckoutContext {
            visitor: self.visitor.clone(),
            campaign: self.campaign.clone(),
            tool_ids: self.tool_ids(),
            consent: self.consent,
            landing_path: self.visit.landing_path.clone(),
            referrer_host: self.visit.referrer_host.clone(),
            device: self.visit.device,
            click_ids: self.visit.click_ids.clone(),
            user_id: self.user_id.clone(),
            captured_at: jiff::Timestamp::now(),
        }
    }

    fn tool_ids(&self) -> BTreeMap<String, String> {
        let fields = fields_where(&self.capture, |f| !matches!(f.role, Role::Campaign(_)));
        fields
            .filter_map(|(index, field)| {
                Some((field.key.clone().into_owned(), self.value(index)?.to_owned()))
            })
            .collect()
    }

    fn read_cookies(&mut self, request: &Parts) {
        let capture = self.capture.clone();
        cookies::each(&request.headers, |name, value| {
            for (index, field) in capture.fields().iter().enumerate() {
                for (pattern, decoder) in &field.cookies {
                    if cookies::matches(pattern, name) {
                        let value = decoder.decode(value).map(Into::into);
                        self.offer(index, Origin::Cookie, value);
                    }
                }
            }
        });
    }

    fn read_query(&mut self, origin: Origin, query: &str) {
        let capture = self.capture.clone();
        for (name, value) in pairs(query) {
            for (index, field) in capture.fields().iter().enumerate() {
                for (_, decoder) in field.query.iter().filter(|(query, _)| *query == name) {
                    let value = decoder.decode(&value).map(Into::into);
                    self.offer(index, origin, value);
                }
            }
            if capture.settings().click_ids.iter().any(|id| *id == name)
                && let (true, Some(id)) = (self.consent.allows(), part(&value))
            {
                self.visit.click_ids.entry(name.into_owned()).or_insert(id);
            }
        }
    }

    /// Notes a value for a field. The first usable one of an origin counts.
    fn offer(&mut self, field: usize, origin: Origin, value: Result<Box<str>, Skip>) {
        let value = value.and_then(|value| {
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Skip::Undecodable);
            }
            usable(&value)?;
            if self.consent.allows() { Ok(value) } else { Err(Skip::ConsentDenied) }
        });
        let earlier = self.candidates.iter_mut().find(|c| c.field == field && c.origin == origin);
        match earlier {
            Some(earlier) if earlier.value.is_err() && value.is_ok() => earlier.value = value,
            Some(_) => {}
            None => self.candidates.push(Candidate { field, origin, value }),
        }
    }

    /// Chooses visitor and campaign among the candidates.
    fn settle(&mut self) {
        let capture = self.capture.clone();
        self.visitor = fields_where(&capture, |f| f.role == Role::Visitor)
            .find_map(|(index, _)| self.value(index))
            .and_then(|id| Visitor::new(id).ok());
        let mut tools: Vec<&str> = Vec::new();
        for (_, field) in fields_where(&capture, |f| matches!(f.role, Role::Campaign(_))) {
            if !tools.contains(&field.tool) {
                tools.push(field.tool);
            }
        }
        self.campaign = tools.into_iter().find_map(|tool| self.campaign_of(tool));
    }

    fn campaign_of(&self, tool: &str) -> Option<Campaign> {
        let mut campaign = Campaign::default();
        for (index, field) in self.capture.fields().iter().enumerate() {
            let (Role::Campaign(part), true) = (field.role, field.tool == tool) else { continue };
            let value = self.value(index).map(str::to_owned);
            let slot = match part {
                CampaignField::LinkId => &mut campaign.link_id,
                CampaignField::CampaignId => &mut campaign.campaign_id,
                CampaignField::Source => &mut campaign.source,
                CampaignField::Medium => &mut campaign.medium,
                CampaignField::Content => &mut campaign.content,
                CampaignField::Term => &mut campaign.term,
                CampaignField::LeadId => &mut campaign.lead_id,
            };
            *slot = value;
        }
        Some(campaign).filter(|c| !c.is_empty())
    }

    /// The value of a field: of the best origin that has a usable one. The fields of one campaign
    /// are all taken from one origin.
    pub(super) fn value(&self, index: usize) -> Option<&str> {
        let field = self.capture.fields().get(index)?;
        let origin = self.best_origin(index, field)?;
        let found = self.candidates.iter().find(|c| c.field == index && c.origin == origin)?;
        found.value.as_deref().ok()
    }

    fn best_origin(&self, index: usize, field: &Field) -> Option<Origin> {
        let is_campaign = matches!(field.role, Role::Campaign(_));
        let group = |c: &&Candidate| {
            c.field == index
                || is_campaign
                    && self.capture.fields().get(c.field).is_some_and(|other| {
                        other.tool == field.tool && matches!(other.role, Role::Campaign(_))
                    })
        };
        let usable = self.candidates.iter().filter(group).filter(|c| c.value.is_ok());
        usable.map(|c| c.origin).min_by_key(|origin| origin.rank(field.role))
    }

    fn why_not(&self, index: usize) -> (Option<Origin>, Skip) {
        let candidate = self.candidates.iter().find(|c| c.field == index);
        match candidate {
            None => (None, Skip::Absent),
            Some(Candidate { origin, value: Ok(_), .. }) => (Some(*origin), Skip::Superseded),
            Some(Candidate { origin, value: Err(reason), .. }) => (Some(*origin), *reason),
        }
    }

    pub(super) fn capture(&self) -> &VisitorCapture {
        &self.capture
    }
}

/// Shows what kind of thing was found, never a value: they are personal data.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("consent", &self.consent)
            .field("visitor", &self.visitor.is_some())
            .field("campaign", &self.campaign.is_some())
            .field("candidates", &self.candidates.len())
            .finish_non_exhaustive()
    }
}

fn fields_where(
    capture: &VisitorCapture,
    keep: impl Fn(&Field) -> bool,
) -> impl Iterator<Item = (usize, &Field)> {
    capture.fields().iter().enumerate().filter(move |(_, field)| keep(field))
}

fn decide(capture: &VisitorCapture, request: &Parts) -> Consent {
    let settings = capture.settings();
    if settings.honours_gpc && gpc(&request.headers) {
        return Consent::Denied;
    }
    let mut all = Consent::NotAsked;
    for gate in &settings.gates {
        match gate.decide(request) {
            Consent::Denied => return Consent::Denied,
            Consent::Granted => all = Consent::Granted,
            _ => {}
        }
    }
    all
}

/// A JSON scalar as text.
fn scalar(value: Value) -> Result<String, Skip> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err(Skip::Absent),
        Value::Array(_) | Value::Object(_) => Err(Skip::WrongType),
    }
}
