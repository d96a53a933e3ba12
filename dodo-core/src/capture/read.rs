//! Reads a request: cookies, queries, and the body of a checkout.

use std::collections::BTreeMap;

use http::{HeaderValue, request::Parts};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    CampaignCookie, Captured, SkipReason, VisitorCapture,
    campaign_cookie::Kept,
    candidates::CaptureSource,
    config::BodyName,
    consent, cookies,
    visit::{Page, Visit, pairs, part},
};
use crate::SignedIn;

/// The largest number of click ids of one visit.
const MAX_CLICK_IDS: usize = 4;

impl VisitorCapture {
    /// Reads a request. Returns the captured values, and the `Set-Cookie` header of the response,
    /// if any.
    ///
    /// The framework-neutral half of [`VisitorLayer`](super::VisitorLayer).
    #[must_use]
    pub fn capture(&self, request: &Parts) -> (Captured, Option<HeaderValue>) {
        self.capture_at(request, Timestamp::now())
    }

    /// Like [`capture`](Self::capture), at the given time.
    #[must_use]
    pub fn capture_at(&self, request: &Parts, now: Timestamp) -> (Captured, Option<HeaderValue>) {
        let decision = consent::decide(self, request);
        let mut captured = Captured::new(self.clone(), decision, Visit::from_request(request), now);
        captured.identify(request);
        let cookie = captured.read_cookies(request);

        let page = Page::from_request(request, self.settings().own_host.as_deref());
        let mut seen = Kept {
            at: now.as_second(),
            landing_path: page.landing_path(request),
            referrer_host: page.referrer_host(),
            ..Kept::default()
        };
        captured.read_query(CaptureSource::Query, request.uri.query(), &mut seen);
        let by_query = seen.is_touch();
        captured.read_query(CaptureSource::Page, page.query(), &mut seen);

        let set_cookie = captured.keep(request, cookie, seen, by_query);
        captured.settle();
        (captured, set_cookie)
    }
}

impl Captured {
    /// Gets the signed-in user, if it is not known yet, from the capture's own closure, else from
    /// [`SignedIn`]. It does so even without consent, because the id is the app's own data. Tools
    /// do not get it without consent.
    pub(super) fn identify(&mut self, request: &Parts) {
        let signed_in = request.extensions.get::<SignedIn>();
        if self.email.is_none() {
            self.email = signed_in.and_then(|user| user.email.clone());
        }
        if self.user_id.is_some() {
            return;
        }
        let of = self.capture.settings().user_id.clone();
        let named = of.and_then(|of| consent::unwinding(|| of(request)).flatten());
        let user = named.or_else(|| signed_in.and_then(|user| user.user_id.clone()));
        self.user_id = user.and_then(|id| part(&id));
        let Some(id) = &self.user_id else { return };
        for (index, field) in self.capture.fields().iter().enumerate() {
            if field.app_user {
                self.candidates.add((index, 0), CaptureSource::App, Ok(id));
            }
        }
    }

    /// Reads the cookies of the tools. Returns the content of the campaign cookie, if the browser
    /// sent it.
    ///
    /// Of several campaign cookies the first genuine one counts, because a subdomain can also set
    /// one.
    fn read_cookies(&mut self, request: &Parts) -> Option<Option<Kept>> {
        let settings = self.capture.settings();
        let mut sent = None;
        cookies::each(&request.headers, |name, value| {
            if let Some(own) = settings.campaign_cookie.as_ref().filter(|own| own.is(name)) {
                let kept = sent.get_or_insert(None);
                *kept = kept.take().or_else(|| own.read(value, self.at));
            }
            for (index, field) in settings.fields.iter().enumerate() {
                for (nth, (pattern, decoder)) in field.cookies.iter().enumerate() {
                    if cookies::matches(pattern, name) {
                        self.candidates.add(
                            (index, nth),
                            CaptureSource::Cookie,
                            decoder.decode(value),
                        );
                    }
                }
            }
        });
        sent
    }

    /// Reads a query, and adds to `seen` the values that the campaign cookie stores.
    fn read_query(&mut self, origin: CaptureSource, query: Option<&str>, seen: &mut Kept) {
        let settings = self.capture.settings();
        let is_first = !seen.is_touch();
        for (name, value) in pairs(query.unwrap_or_default()) {
            for (index, field) in settings.fields.iter().enumerate() {
                let names = field.query.iter().enumerate();
                for (nth, (_, decoder)) in names.filter(|(_, (query, _))| *query == name) {
                    let value = decoder.decode(&value);
                    if let (true, true, Ok(value)) = (is_first, field.is_campaign(), &value)
                        && let Some(value) = part(value)
                    {
                        seen.campaign.entry(field.key.clone().into_owned()).or_insert(value);
                    }
                    self.candidates.add((index, nth), origin, value);
                }
            }
            if is_first
                && seen.click_ids.len() < MAX_CLICK_IDS
                && settings.click_ids.contains(&name)
                && let Some(id) = part(&value)
            {
                seen.click_ids.entry(name.into_owned()).or_insert(id);
            }
        }
    }

    /// Joins the values of earlier pages with the values of this request, and returns the
    /// `Set-Cookie` for the result.
    fn keep(
        &mut self,
        request: &Parts,
        cookie: Option<Option<Kept>>,
        seen: Kept,
        by_query: bool,
    ) -> Option<HeaderValue> {
        let settings = self.capture.settings();
        let own = settings.campaign_cookie.as_ref();
        if !self.decision.consent.allows() {
            self.visit.take(Kept { click_ids: BTreeMap::new(), ..seen });
            return own.filter(|_| cookie.is_some()).and_then(CampaignCookie::remove);
        }
        let Some(own) = own else {
            self.visit.take(seen);
            return None;
        };
        let kept = cookie.flatten();
        for (index, field) in settings.fields.iter().enumerate() {
            let value = kept.as_ref().and_then(|kept| kept.campaign.get(&*field.key));
            if let (true, Some(value)) = (field.is_campaign(), value) {
                self.candidates.add((index, 0), CaptureSource::Kept, Ok(value));
            }
        }
        let next = match &kept {
            None => Some(seen),
            Some(kept) => kept.followed_by(seen, by_query, own.is_first_touch()),
        };
        let is_page = super::visit::is_page(request);
        let set_cookie = next.as_ref().filter(|_| is_page).and_then(|next| own.write(next));
        self.visit.take(next.or(kept).unwrap_or_default());
        set_cookie
    }

    /// Removes the values of the tools from the body of a checkout request.
    ///
    /// Without consent it also drops the removed values.
    #[doc(hidden)]
    pub fn take_from_body(&mut self, body: &mut Map<String, Value>) {
        let fields = self.capture.fields();
        for (index, field) in fields.iter().enumerate() {
            for (nth, (name, decoder)) in field.body.iter().enumerate() {
                let Some(taken) = name.take(body) else { continue };
                let value = taken.and_then(|text| decoder.decode(&text).map(|v| v.into_owned()));
                self.candidates.add((index, nth), CaptureSource::Body, value);
            }
        }
        for (name, _) in fields.iter().flat_map(|field| &field.body) {
            name.clear(body);
        }
        self.settle();
    }
}

impl BodyName {
    /// Removes the value from the body and returns it.
    fn take(&self, body: &mut Map<String, Value>) -> Option<Result<String, SkipReason>> {
        let value = match &self.object {
            None => body.remove(&*self.field)?,
            Some(object) => match body.get_mut(&**object)? {
                Value::Object(object) => object.remove(&*self.field)?,
                Value::Null => return None,
                _ => return Some(Err(SkipReason::WrongType)),
            },
        };
        scalar(value)
    }

    /// Removes the rest of a tool's own object, because Dodo Payments does not accept it.
    fn clear(&self, body: &mut Map<String, Value>) {
        let Some(object) = &self.object else { return };
        let emptied = |v: &Value| v.as_object().is_some_and(Map::is_empty);
        if self.whole || body.get(&**object).is_some_and(emptied) {
            body.remove(&**object);
        }
    }
}

/// A JSON scalar as text. `None` for `null`.
fn scalar(value: Value) -> Option<Result<String, SkipReason>> {
    match value {
        Value::String(text) => Some(Ok(text)),
        Value::Number(number) => Some(Ok(number.to_string())),
        Value::Bool(flag) => Some(Ok(flag.to_string())),
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some(Err(SkipReason::WrongType)),
    }
}
