//! The table of tools: the places of their ids, and the metadata keys.

use serde::Serialize;

use super::CookieDecoder;

/// The role of a captured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdRole {
    /// The tool's id of the visitor.
    Visitor,
    /// The tool's id of the visit.
    Session,
    /// The click or referral that brought the visitor.
    Referral,
    /// The app's own id of the user, which the app has sent to the tool.
    User,
    /// A part of the campaign.
    Campaign(CampaignField),
    /// Any other value that the app maps.
    Other,
}

/// The field of a [`Campaign`](crate::capture::Campaign) that a value fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CampaignField {
    LinkId,
    CampaignId,
    Source,
    Medium,
    Content,
    Term,
    LeadId,
}

/// One metadata key of a preset and the sources of its value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PresetField {
    /// The metadata key.
    pub key: &'static str,
    /// The role of the value.
    pub role: IdRole,
    /// The cookie with the value. One `*` stands for any text.
    pub cookie: Option<&'static str>,
    /// The query parameter with the value.
    pub query: Option<&'static str>,
    /// The field of the checkout's JSON body with the value, `object.field` or `field`.
    pub body: Option<&'static str>,
    /// The encoding of the cookie.
    pub decoder: CookieDecoder,
    /// The value may be the app's own id of the signed-in user.
    pub app_user: bool,
    /// The pages of the tool put the value into metadata in any case, even if it is an e-mail
    /// address.
    pub any_text: bool,
    /// The value may be personal data, like many ids of signed-in users, so the checkout context
    /// stores it and metadata does not.
    pub context_only: bool,
}

impl PresetField {
    const fn new(key: &'static str, role: IdRole) -> Self {
        let (cookie, query, body, decoder) = (None, None, None, CookieDecoder::Raw);
        let (app_user, any_text, context_only) = (false, false, false);
        Self { key, role, cookie, query, body, decoder, app_user, any_text, context_only }
    }
    const fn any_text(mut self) -> Self {
        self.any_text = true;
        self
    }
    const fn app_user(mut self) -> Self {
        self.app_user = true;
        self
    }
    const fn context_only(mut self) -> Self {
        self.context_only = true;
        self
    }
    const fn cookie(mut self, name: &'static str) -> Self {
        self.cookie = Some(name);
        self
    }
    const fn query(mut self, name: &'static str) -> Self {
        self.query = Some(name);
        self
    }
    const fn body(mut self, name: &'static str) -> Self {
        self.body = Some(name);
        self
    }
    const fn decoded(mut self, decoder: CookieDecoder) -> Self {
        self.decoder = decoder;
        self
    }
}

const fn visitor(key: &'static str) -> PresetField {
    PresetField::new(key, IdRole::Visitor)
}
const fn session(key: &'static str) -> PresetField {
    PresetField::new(key, IdRole::Session)
}
const fn referral(key: &'static str) -> PresetField {
    PresetField::new(key, IdRole::Referral)
}
const fn user(key: &'static str) -> PresetField {
    PresetField::new(key, IdRole::User)
}
const fn campaign(key: &'static str, field: CampaignField) -> PresetField {
    PresetField::new(key, IdRole::Campaign(field))
}

macro_rules! presets { ($( $(#[$doc:meta])* $preset:ident = $name:literal [ $($field:expr),* $(,)? ]; )*) => {
    /// A tool whose ids the capture can read. New tools may be added.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Preset { $( $(#[$doc])* $preset, )* }

    impl Preset {
        /// All presets.
        pub const ALL: &'static [Self] = &[$( Self::$preset, )*];

        /// The tool's name.
        #[must_use]
        pub const fn name(self) -> &'static str {
            match self { $( Self::$preset => $name, )* }
        }

        /// Returns the sources and the metadata keys of the preset.
        #[doc(hidden)]
        #[must_use]
        pub const fn fields(self) -> &'static [PresetField] {
            match self { $( Self::$preset => const { &[$($field),*] }, )* }
        }
    }
} }

use CampaignField as C;

presets! {
    /// [visitors.now](https://visitors.now), in persist mode.
    VisitorsNow = "visitors.now" [visitor("visitor").cookie("visitor")];
    /// [Bantico](https://bantico.com). The page posts its context as the body's object `bantico`. The
    /// names of its cookies are not published, so the capture reads none until the app names one.
    Bantico = "Bantico" [
        campaign("linkId", C::LinkId).body("bantico.linkId"),
        campaign("campaignId", C::CampaignId).body("bantico.campaignId"),
        campaign("source", C::Source).body("bantico.source"),
        campaign("medium", C::Medium).body("bantico.medium"),
        campaign("content", C::Content).body("bantico.content"),
        campaign("leadId", C::LeadId).body("bantico.leadId"),
    ];
    /// UTM parameters of the page, of the request itself or of the campaign cookie.
    Utm = "UTM" [
        campaign("utm_source", C::Source).query("utm_source"),
        campaign("utm_medium", C::Medium).query("utm_medium"),
        campaign("utm_campaign", C::CampaignId).query("utm_campaign"),
        campaign("utm_term", C::Term).query("utm_term"),
        campaign("utm_content", C::Content).query("utm_content"),
    ];
    /// [DataFast](https://datafa.st).
    DataFast = "DataFast" [
        visitor("datafast_visitor_id").cookie("datafast_visitor_id"),
        session("datafast_session_id").cookie("datafast_session_id"),
    ];
    /// [Dub](https://dub.co). The app's user id comes from
    /// [`VisitorCapture::user_id`](crate::capture::VisitorCapture::user_id).
    Dub = "Dub" [referral("dub_click_id").cookie("dub_id"), user("dub_external_id").app_user()];
    /// [Affonso](https://affonso.io).
    Affonso = "Affonso" [referral("affonso_referral").cookie("affonso_referral")];
    /// [Tolt](https://tolt.io).
    Tolt = "Tolt" [referral("tolt_referral").cookie("tolt_referral")];
    /// Rekomi. It documents no cookie: the page posts the referral.
    Rekomi = "Rekomi" [referral("rekomi_ref").body("rekomi_ref")];
    /// [FirstPromoter](https://firstpromoter.com).
    FirstPromoter = "FirstPromoter" [
        visitor("fprom_tid").cookie("_fprom_tid"),
        referral("fprom_ref").cookie("_fprom_ref"),
    ];
    /// [Rewardful](https://www.rewardful.com). The page posts `Rewardful.referral`.
    Rewardful = "Rewardful" [referral("rewardful_referral").body("rewardful_referral")];
    /// [PostHog](https://posthog.com). Its id of an identified visitor is the app's choice, and often an
    /// e-mail address.
    PostHog = "PostHog" [
        visitor("posthog_person_distinct_id")
            .cookie("ph_*_posthog")
            .decoded(CookieDecoder::PostHog)
            .any_text(),
    ];
    /// [Segment](https://segment.com), analytics.js.
    Segment = "Segment" [
        visitor("segment_anonymous_id").cookie("ajs_anonymous_id").decoded(CookieDecoder::Quoted),
        user("segment_user_id").cookie("ajs_user_id").decoded(CookieDecoder::Quoted).context_only(),
    ];
    /// [RudderStack](https://www.rudderstack.com), JavaScript SDK 3.
    RudderStack = "RudderStack" [
        visitor("rudder_anonymous_id").cookie("rl_anonymous_id").decoded(CookieDecoder::RudderStack),
        user("rudder_user_id").cookie("rl_user_id").decoded(CookieDecoder::RudderStack).context_only(),
    ];
    /// Google Analytics 4. If the site has several streams, the first session cookie counts. To
    /// choose a stream, name its cookie.
    Ga4 = "GA4" [
        visitor("ga_client_id").cookie("_ga").decoded(CookieDecoder::GaClient),
        session("ga_session_id").cookie("_ga_*").decoded(CookieDecoder::GaSession),
    ];
    /// Meta's pixel. The values are never hashed.
    Meta = "Meta" [visitor("fbp").cookie("_fbp"), referral("fbc").cookie("_fbc")];
    /// Flowsery.
    Flowsery = "Flowsery" [
        visitor("fs_visitor_id").cookie("_fs_vid"),
        session("fs_session_id").cookie("_fs_sid"),
    ];
    /// Zori.
    Zori = "Zori" [visitor("zori_visitor_id").cookie("zori_visitor_id")];
    /// Metrivo. Its ids are known to its script only: the page posts them.
    Metrivo = "Metrivo" [
        visitor("metrivo_visitor_id").body("metrivo_visitor_id"),
        session("metrivo_session_id").body("metrivo_session_id"),
    ];
    /// [Databuddy](https://www.databuddy.cc). Its ids are known to its script only: the page posts them.
    Databuddy = "Databuddy" [
        visitor("databuddy_anonymous_id").body("databuddy_anonymous_id"),
        session("databuddy_session_id").body("databuddy_session_id"),
    ];
    /// [OpenPanel](https://openpanel.dev). Its id is known to its script only: the page posts it.
    OpenPanel = "OpenPanel" [visitor("openpanel_device_id").body("openpanel_device_id")];
}
