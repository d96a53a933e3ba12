use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, LazyLock},
};

use http::request::Parts;

use super::{
    CampaignCookie, CampaignField, CaptureTrace, CookieDecoder, IdRole, Preset,
    consent::ConsentGate,
};
use crate::{repeats::Repeats, web_url::WebOrigin};

type UserId = dyn Fn(&Parts) -> Option<String> + Send + Sync;
type Observer = dyn Fn(&CaptureTrace) + Send + Sync;

/// The default names of click ids.
const CLICK_IDS: &[&str] = &[
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "fbclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "epik",
    "rdt_cid",
    "ScCid",
    "yclid",
    "dub_id",
];

/// The values to capture of a visitor, and the consent gates. Cheap to clone.
///
/// ```
/// use dodo_core::capture::{Preset, VisitorCapture};
///
/// let capture = VisitorCapture::visitors_now()
///     .preset(Preset::Utm)
///     .preset(Preset::Bantico)
///     .cookie("partner").into_metadata("partner_id"); // your own mapping: this cookie, that metadata key
/// ```
///
/// Names of a preset are extended the same way: `.cookie("_bantico_link").into_metadata("linkId")` reads that
/// cookie too.
#[derive(Clone, Debug)]
pub struct VisitorCapture(Arc<Config>);

#[derive(Clone)]
pub(super) struct Config {
    pub(super) fields: Vec<Field>,
    pub(super) gates: Vec<Arc<dyn ConsentGate>>,
    pub(super) honors_gpc: bool,
    pub(super) click_ids: Vec<Cow<'static, str>>,
    pub(super) user_id: Option<Arc<UserId>>,
    pub(super) campaign_cookie: Option<CampaignCookie>,
    pub(super) observer: Option<Arc<Observer>>,
    pub(super) unmask: Vec<Cow<'static, str>>,
    /// The host of the application's public address, if it is known.
    pub(super) own_host: Option<Box<str>>,
    /// Counts warnings by key and reason, because visitors can cause any number of them.
    pub(super) warned: Arc<Repeats<(Box<str>, &'static str)>>,
}

/// One metadata key and the sources of its value.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: Cow<'static, str>,
    pub(super) role: IdRole,
    pub(super) tool: &'static str,
    pub(super) cookies: Vec<(Cow<'static, str>, CookieDecoder)>,
    pub(super) query: Vec<(Cow<'static, str>, CookieDecoder)>,
    pub(super) body: Vec<(BodyName, CookieDecoder)>,
    /// Its value may be the app's own id of the signed-in user.
    pub(super) app_user: bool,
    /// The value goes into metadata in any case, even if it is an e-mail address.
    pub(super) any_text: bool,
    /// The value may be personal data, so it goes into the checkout context and not into metadata.
    pub(super) context_only: bool,
}

/// A field of the body: `field`, or `object.field`.
#[derive(Clone, Debug)]
pub(super) struct BodyName {
    pub(super) object: Option<Box<str>>,
    pub(super) field: Box<str>,
    /// The object belongs to a tool, so the capture removes the whole object from the body.
    pub(super) whole: bool,
}

impl BodyName {
    fn new(name: &str, whole: bool) -> Self {
        match name.split_once('.') {
            Some((object, field)) => {
                Self { object: Some(object.into()), field: field.into(), whole }
            }
            None => Self { object: None, field: name.into(), whole },
        }
    }
}

impl VisitorCapture {
    /// Starts a capture without sources. It respects `Sec-GPC: 1`.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Config {
            fields: Vec::new(),
            gates: Vec::new(),
            honors_gpc: true,
            click_ids: CLICK_IDS.iter().map(|&name| name.into()).collect(),
            user_id: None,
            campaign_cookie: None,
            observer: None,
            unmask: Vec::new(),
            own_host: None,
            warned: Arc::default(),
        }))
    }

    /// A capture without sources and signals, for endpoints without a capture.
    pub(super) fn nothing() -> &'static Self {
        static NOTHING: LazyLock<VisitorCapture> =
            LazyLock::new(|| VisitorCapture::new().click_ids::<&str>([]));
        &NOTHING
    }

    /// [`Preset::VisitorsNow`]: the cookie `visitor` becomes the metadata key `visitor`.
    #[must_use]
    pub fn visitors_now() -> Self {
        Self::new().preset(Preset::VisitorsNow)
    }

    /// Adds a tool. If several tools have an id of the visitor, the tool that was added first sets
    /// [`Captured::visitor`](super::Captured::visitor).
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        for row in preset.fields() {
            let field = self.field(row.key.into(), row.role, preset.name());
            field.cookies.extend(row.cookie.map(|name| (name.into(), row.decoder)));
            field.query.extend(row.query.map(|name| (name.into(), CookieDecoder::Raw)));
            field.body.extend(row.body.map(|name| (BodyName::new(name, true), CookieDecoder::Raw)));
            // The app may have mapped the key before. The preset sets its role and tool.
            (field.role, field.tool) = (row.role, preset.name());
            field.app_user = row.app_user;
            field.any_text = row.any_text;
            field.context_only = row.context_only;
        }
        self
    }

    /// Reads a cookie; one `*` in the name stands for any text.
    pub fn cookie(self, name: impl Into<Cow<'static, str>>) -> SourceMapping {
        SourceMapping::new(self, Place::Cookie, name.into())
    }

    /// Reads a query parameter of the page or the request.
    pub fn query(self, name: impl Into<Cow<'static, str>>) -> SourceMapping {
        SourceMapping::new(self, Place::Query, name.into())
    }

    /// Reads a field of a checkout's JSON body and removes it from the body: `field` or
    /// `object.field`.
    pub fn body(self, name: impl Into<Cow<'static, str>>) -> SourceMapping {
        SourceMapping::new(self, Place::Body, name.into())
    }

    /// Adds a consent gate. With several, all must agree.
    #[must_use]
    pub fn consent(mut self, gate: impl ConsentGate) -> Self {
        self.config().gates.push(Arc::new(gate));
        self
    }

    /// Ignores `Sec-GPC: 1`. The signal is a binding opt-out in California and elsewhere: ignore it
    /// only if another gate asks for consent.
    #[must_use]
    pub fn ignore_global_privacy_control(mut self) -> Self {
        self.config().honors_gpc = false;
        self
    }

    /// Names the query parameters that are click ids. The checkout context stores them, never
    /// metadata. Default: the well-known ones, `gclid`, `fbclid` and others.
    #[must_use]
    pub fn click_ids<N: Into<Cow<'static, str>>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.config().click_ids = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the function that returns the app's own id of the signed-in user. Default:
    /// [`SignedIn::user_id`](crate::SignedIn). The checkout context stores the id, and presets that
    /// need it use it ([`Preset::Dub`]).
    #[must_use]
    pub fn user_id<F>(mut self, of: F) -> Self
    where
        F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    {
        self.config().user_id = Some(Arc::new(of));
        self
    }

    /// Stores the campaign in a first-party cookie, from the landing page to the checkout. Default:
    /// off.
    #[must_use]
    pub fn campaign_cookie(mut self, cookie: CampaignCookie) -> Self {
        self.config().campaign_cookie = Some(cookie);
        self
    }

    /// Passes the [`CaptureTrace`] of every checkout to `observer`, for a page for developers.
    #[must_use]
    pub fn on_trace<F>(mut self, observer: F) -> Self
    where
        F: Fn(&CaptureTrace) + Send + Sync + 'static,
    {
        self.config().observer = Some(Arc::new(observer));
        self
    }

    /// Shows the value of this metadata key in explanations, unmasked. For development.
    #[must_use]
    pub fn unmask(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.config().unmask.push(key.into());
        self
    }

    /// Sets the public address of the application. Pages at this address count as its own,
    /// independent of `Host`, and the campaign cookie is `Secure` if the address is https.
    pub(crate) fn at(mut self, origin: &WebOrigin) -> Self {
        let config = self.config();
        config.own_host = Some(origin.host().into());
        config.campaign_cookie =
            config.campaign_cookie.take().map(|cookie| cookie.secure(origin.is_secure()));
        self
    }

    /// The metadata keys under which the enabled tools know the visitor, most important first.
    #[doc(hidden)]
    pub fn visitor_keys(&self) -> impl Iterator<Item = &str> {
        self.0.fields.iter().filter(|f| f.role == IdRole::Visitor).map(|f| &*f.key)
    }

    /// The metadata keys that name the campaign, one group per tool.
    pub(crate) fn campaign_keys(&self) -> Vec<Vec<(String, CampaignField)>> {
        let mut tools: Vec<(&str, Vec<(String, CampaignField)>)> = Vec::new();
        for field in self.fields() {
            let IdRole::Campaign(part) = field.role else { continue };
            let key = (field.key.clone().into_owned(), part);
            match tools.iter_mut().find(|(tool, _)| *tool == field.tool) {
                Some((_, keys)) => keys.push(key),
                None => tools.push((field.tool, vec![key])),
            }
        }
        tools.into_iter().map(|(_, keys)| keys).collect()
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.0.fields
    }

    pub(super) fn settings(&self) -> &Config {
        &self.0
    }

    fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.0)
    }

    /// The field of this key. Creates it if it is new.
    fn field(&mut self, key: Cow<'static, str>, role: IdRole, tool: &'static str) -> &mut Field {
        let fields = &mut self.config().fields;
        let at = fields.iter().position(|f| f.key == key).unwrap_or_else(|| {
            let (cookies, query, body) = Default::default();
            let (app_user, any_text, context_only) = (false, false, false);
            fields.push(Field {
                key,
                role,
                tool,
                cookies,
                query,
                body,
                app_user,
                any_text,
                context_only,
            });
            fields.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut fields[at]
    }
}

impl Default for VisitorCapture {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("fields", &self.fields)
            .field("gates", &self.gates.len())
            .field("honors_gpc", &self.honors_gpc)
            .field("click_ids", &self.click_ids)
            .field("campaign_cookie", &self.campaign_cookie)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Cookie,
    Query,
    Body,
}

/// A source without a metadata key: finish with [`into_metadata`](Self::into_metadata).
#[derive(Debug)]
#[must_use = "names a source and not yet its metadata key: finish with `.into_metadata(key)`"]
pub struct SourceMapping {
    capture: VisitorCapture,
    place: Place,
    name: Cow<'static, str>,
    decoder: CookieDecoder,
    role: IdRole,
}

impl SourceMapping {
    fn new(capture: VisitorCapture, place: Place, name: Cow<'static, str>) -> Self {
        Self { capture, place, name, decoder: CookieDecoder::Raw, role: IdRole::Other }
    }

    /// Sets the encoding of the value.
    pub fn decode_with(mut self, decoder: CookieDecoder) -> Self {
        self.decoder = decoder;
        self
    }

    /// Sets the role of the value. A key of a preset keeps the preset's role.
    pub fn role(mut self, role: IdRole) -> Self {
        self.role = role;
        self
    }

    /// The metadata key of the value. If a preset has the same key, this source is tried before the
    /// preset's own of the same kind.
    ///
    /// A key that Dodo Payments would refuse (1 to 40 characters of `[A-Za-z0-9_-]`) is never
    /// injected; the reason is logged at each checkout.
    #[must_use]
    pub fn into_metadata(self, key: impl Into<Cow<'static, str>>) -> VisitorCapture {
        self.add(key.into(), false)
    }

    /// As [`into_metadata`](Self::into_metadata), and replaces the sources of a preset for this
    /// key.
    #[must_use]
    pub fn replace_metadata(self, key: impl Into<Cow<'static, str>>) -> VisitorCapture {
        self.add(key.into(), true)
    }

    fn add(self, key: Cow<'static, str>, only: bool) -> VisitorCapture {
        let Self { mut capture, place, name, decoder, role } = self;
        let field = capture.field(key, role, "own");
        if only {
            (field.cookies, field.query, field.body) = Default::default();
        }
        match place {
            Place::Cookie => field.cookies.insert(0, (name, decoder)),
            Place::Query => field.query.insert(0, (name, decoder)),
            Place::Body => field.body.insert(0, (BodyName::new(&name, false), decoder)),
        }
        capture
    }
}
