use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderValue, request::Parts};

use super::{Captured, ConsentGate, Decoder, Preset, Role};

type UserId = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// Names of click ids that are read unless the app chooses its own.
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

/// What is captured of a visitor, and on what condition. Cheap to clone.
///
/// ```
/// use dodo_core::{Preset, VisitorCapture};
///
/// let capture = VisitorCapture::visitors_now()
///     .preset(Preset::Utm)
///     .preset(Preset::Bantico)
///     .cookie("partner").to("partner_id"); // an own mapping: this cookie, that metadata key
/// ```
///
/// Names of a preset are extended the same way: `.cookie("_bantico_link").to("linkId")` reads that
/// cookie too.
#[derive(Clone, Debug)]
pub struct VisitorCapture(Arc<Config>);

#[derive(Clone)]
pub(super) struct Config {
    pub(super) fields: Vec<Field>,
    pub(super) gates: Vec<Arc<dyn ConsentGate>>,
    pub(super) honours_gpc: bool,
    pub(super) click_ids: Vec<Cow<'static, str>>,
    pub(super) user_id: Option<Arc<UserId>>,
}

/// One metadata key and where its value comes from.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: Cow<'static, str>,
    pub(super) role: Role,
    pub(super) tool: &'static str,
    pub(super) cookies: Vec<(Cow<'static, str>, Decoder)>,
    pub(super) query: Vec<(Cow<'static, str>, Decoder)>,
    pub(super) body: Vec<(Cow<'static, str>, Decoder)>,
}

impl VisitorCapture {
    /// Reads nothing yet. `Sec-GPC: 1` is honoured.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Config {
            fields: Vec::new(),
            gates: Vec::new(),
            honours_gpc: true,
            click_ids: CLICK_IDS.iter().map(|&name| name.into()).collect(),
            user_id: None,
        }))
    }

    /// [`Preset::VisitorsNow`]: the cookie `visitor` becomes the metadata key `visitor`.
    #[must_use]
    pub fn visitors_now() -> Self {
        Self::new().preset(Preset::VisitorsNow)
    }

    /// [`Preset::Bantico`]: the body's object `bantico` becomes six metadata keys.
    #[must_use]
    pub fn bantico() -> Self {
        Self::new().preset(Preset::Bantico)
    }

    /// [`Preset::Utm`]: `utm_source` and its kind, from the query.
    #[must_use]
    pub fn utm() -> Self {
        Self::new().preset(Preset::Utm)
    }

    /// Adds a tool. Where several know the visitor, the one added first is [`Captured::visitor`].
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        for row in preset.fields() {
            let field = self.field(row.key.into(), row.role, preset.name());
            let put = |list: &mut Vec<_>, name: Option<&'static str>, decoder| {
                list.extend(name.map(|name| (Cow::Borrowed(name), decoder)));
            };
            put(&mut field.cookies, row.cookie, row.decoder);
            put(&mut field.query, row.query, Decoder::Raw);
            put(&mut field.body, row.body, Decoder::Raw);
        }
        self
    }

    /// Reads a cookie; one `*` in the name stands for any text.
    pub fn cookie(self, name: impl Into<Cow<'static, str>>) -> Mapping {
        Mapping::new(self, Place::Cookie, name.into())
    }

    /// Reads a query parameter of the page or the request.
    pub fn query(self, name: impl Into<Cow<'static, str>>) -> Mapping {
        Mapping::new(self, Place::Query, name.into())
    }

    /// Reads a field of a checkout's JSON body, and takes it out: `field` or `object.field`.
    pub fn body(self, name: impl Into<Cow<'static, str>>) -> Mapping {
        Mapping::new(self, Place::Body, name.into())
    }

    /// Adds a consent gate. With several, all must agree.
    #[must_use]
    pub fn consent(mut self, gate: impl ConsentGate) -> Self {
        self.config().gates.push(Arc::new(gate));
        self
    }

    /// Does not honour `Sec-GPC: 1`. It is a binding opt-out in California and elsewhere: turn it off
    /// only where another gate asks.
    #[must_use]
    pub fn ignore_global_privacy_control(mut self) -> Self {
        self.config().honours_gpc = false;
        self
    }

    /// Names the query parameters that are click ids. They are kept with the checkout's context and
    /// never go into metadata. By default the well-known ones, `gclid`, `fbclid` and others.
    #[must_use]
    pub fn click_ids<N: Into<Cow<'static, str>>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.config().click_ids = names.into_iter().map(Into::into).collect();
        self
    }

    /// Tells who is signed in, by the app's own id: kept with the checkout's context and used by
    /// presets that want it ([`Preset::Dub`]).
    #[must_use]
    pub fn user_id<F>(mut self, of: F) -> Self
    where
        F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    {
        self.config().user_id = Some(Arc::new(of));
        self
    }

    /// Reads a request: what was found, and the `Set-Cookie` the response must carry, if any.
    ///
    /// The framework-neutral half of [`VisitorLayer`](super::VisitorLayer).
    #[must_use]
    pub fn begin(&self, request: &Parts) -> (Captured, Option<HeaderValue>) {
        (Captured::read(self, request), None)
    }

    /// The metadata keys under which the enabled tools know the visitor, most important first.
    pub fn visitor_keys(&self) -> impl Iterator<Item = &str> {
        self.0.fields.iter().filter(|f| f.role == Role::Visitor).map(|f| &*f.key)
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

    /// The field of this key, made if it is new.
    fn field(&mut self, key: Cow<'static, str>, role: Role, tool: &'static str) -> &mut Field {
        let fields = &mut self.config().fields;
        let at = fields.iter().position(|f| f.key == key).unwrap_or_else(|| {
            let (cookies, query, body) = Default::default();
            fields.push(Field { key, role, tool, cookies, query, body });
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
            .field("honours_gpc", &self.honours_gpc)
            .field("click_ids", &self.click_ids)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Cookie,
    Query,
    Body,
}

/// Something to read that has no metadata key yet: finish with [`to`](Self::to).
#[derive(Debug)]
#[must_use = "names a source and not yet its metadata key: finish with `.to(key)`"]
pub struct Mapping {
    capture: VisitorCapture,
    place: Place,
    name: Cow<'static, str>,
    decoder: Decoder,
    role: Role,
}

impl Mapping {
    fn new(capture: VisitorCapture, place: Place, name: Cow<'static, str>) -> Self {
        Self { capture, place, name, decoder: Decoder::Raw, role: Role::Other }
    }

    /// How the value is written there.
    pub fn decoded(mut self, decoder: Decoder) -> Self {
        self.decoder = decoder;
        self
    }

    /// What the value is. A key that a preset has already defined keeps the preset's role.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The metadata key of the value. If a preset has the same key, this source is tried before the
    /// preset's own of the same kind.
    ///
    /// A key that Dodo Payments would refuse (1 to 40 characters of `[A-Za-z0-9_-]`) is never
    /// injected; the reason is logged at each checkout.
    #[must_use]
    pub fn to(self, key: impl Into<Cow<'static, str>>) -> VisitorCapture {
        self.add(key.into(), false)
    }

    /// As [`to`](Self::to), and the key is read from nowhere else: replaces what a preset reads.
    #[must_use]
    pub fn only_to(self, key: impl Into<Cow<'static, str>>) -> VisitorCapture {
        self.add(key.into(), true)
    }

    fn add(self, key: Cow<'static, str>, only: bool) -> VisitorCapture {
        let Self { mut capture, place, name, decoder, role } = self;
        let field = capture.field(key, role, "own");
        if only {
            (field.cookies, field.query, field.body) = Default::default();
        }
        let list = match place {
            Place::Cookie => &mut field.cookies,
            Place::Query => &mut field.query,
            Place::Body => &mut field.body,
        };
        list.insert(0, (name, decoder));
        capture
    }
}
