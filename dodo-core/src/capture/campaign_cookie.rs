//! Our own first-party cookie: the campaign of the first or the last visit, until the checkout.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{Error, ErrorKind};

/// The longest time for which browsers store a cookie: 400 days (RFC 6265bis).
const MAX_AGE: Duration = Duration::from_secs(34_560_000);
/// The longest value written. Browsers keep 4096 bytes of name, value and attributes.
const MAX_VALUE: usize = 3072;
/// The shortest key that signs, in bytes.
const MIN_KEY: usize = 16;
/// The largest accepted difference between the clocks of two servers of the application.
const SKEW_SECONDS: i64 = 300;

/// Stores the campaign from the landing page to the checkout, in a first-party cookie. The capture
/// writes this cookie only if the app passes one to
/// [`VisitorCapture::campaign_cookie`](crate::capture::VisitorCapture::campaign_cookie).
///
/// The cookie is `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`. It has the campaign's parameters,
/// click ids, the landing path and the host of the referrer, and no id of the visitor. The layer
/// writes it if a page load brings something new, never without consent, and removes it if consent
/// is withdrawn.
///
/// ```
/// use dodo_core::capture::{CampaignCookie, Preset, VisitorCapture};
/// # fn main() -> Result<(), dodo_core::Error> {
/// let secret = "at least sixteen bytes, from your secrets";
/// let cookie = CampaignCookie::last_touch().signed_with(secret)?;
/// let capture = VisitorCapture::new().preset(Preset::Utm).campaign_cookie(cookie);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct CampaignCookie {
    name: Cow<'static, str>,
    domain: Option<Cow<'static, str>>,
    max_age: Duration,
    keys: Vec<Hmac<Sha256>>,
    secure: bool,
    first_touch: bool,
}

impl CampaignCookie {
    /// Credits the first campaign that brought the visitor, for 400 days.
    pub fn first_touch() -> Self {
        Self {
            name: "dodo_campaign".into(),
            domain: None,
            max_age: MAX_AGE,
            keys: Vec::new(),
            secure: true,
            first_touch: true,
        }
    }

    /// Credits the last campaign before the checkout. A visit without one changes nothing.
    pub fn last_touch() -> Self {
        Self { first_touch: false, ..Self::first_touch() }
    }

    /// Sets the name of the cookie. Default: `dodo_campaign`.
    ///
    /// # Errors
    /// A name that no cookie can have.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Result<Self, Error> {
        let name = name.into();
        let is_token = |b: u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(invalid("a cookie cannot have this name"));
        }
        self.name = name;
        Ok(self)
    }

    /// Shares the cookie between the subdomains of this domain, such as `example.com`.
    ///
    /// # Errors
    /// If `domain` is not a domain.
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Result<Self, Error> {
        let domain = domain.into();
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        if domain.is_empty() || !domain.bytes().all(is_part) {
            return Err(invalid("a cookie cannot have this domain"));
        }
        self.domain = Some(domain);
        Ok(self)
    }

    /// Sets the lifetime of the cookie. Maximum: 400 days.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age.min(MAX_AGE);
        self
    }

    /// Signs the cookie (HMAC-SHA256), so that a visitor cannot make up a campaign or its date. Called
    /// again, adds a key that is still accepted: the first one signs.
    ///
    /// # Errors
    /// A key of less than 16 bytes.
    pub fn signed_with(mut self, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let key = key.as_ref();
        let short = || invalid("the key of the campaign cookie has less than 16 bytes");
        if key.len() < MIN_KEY {
            return Err(short());
        }
        self.keys.push(Hmac::new_from_slice(key).map_err(|_| short())?);
        Ok(self)
    }

    pub(super) fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Omits `Secure`, for browsers that do not store such cookies on `http://localhost` (Safari).
    /// Do not use it in production.
    pub fn insecure_for_development(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Whether this is the name of the campaign cookie.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn is_first_touch(&self) -> bool {
        self.first_touch
    }

    /// Reads the cookie of an earlier response. `None`: it is forged, expired or unreadable.
    pub(super) fn read(&self, value: &str, now: Timestamp) -> Option<Kept> {
        let payload = match value.split_once('.') {
            None => value,
            Some((payload, _)) => payload,
        };
        if !self.keys.is_empty() {
            let signature = BASE64URL.decode(value.split_once('.')?.1).ok()?;
            self.keys.iter().find(|key| self.mac(key, payload).verify_slice(&signature).is_ok())?;
        }
        let kept: Kept = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
        let age = now.as_second().checked_sub(kept.at)?;
        let max_age = i64::try_from(self.max_age.as_secs()).ok()?;
        (-SKEW_SECONDS..=max_age).contains(&age).then_some(kept)
    }

    /// Returns the `Set-Cookie` of the campaign. `None`: the campaign is too long for a cookie.
    pub(super) fn write(&self, kept: &Kept) -> Option<HeaderValue> {
        let mut value = BASE64URL.encode(serde_json::to_vec(kept).ok()?);
        if let Some(key) = self.keys.first() {
            let signature = self.mac(key, &value).finalize().into_bytes();
            value.push('.');
            BASE64URL.encode_string(signature, &mut value);
        }
        if value.len() > MAX_VALUE {
            tracing::debug!(target: "dodo::capture", "a campaign is too long for its cookie and is not kept");
            return None;
        }
        self.set(&value, self.max_age)
    }

    /// The `Set-Cookie` that removes it.
    pub(super) fn remove(&self) -> Option<HeaderValue> {
        self.set("", Duration::ZERO)
    }

    /// Name and domain were checked when they were given, and the value is base64.
    fn set(&self, value: &str, max_age: Duration) -> Option<HeaderValue> {
        let (name, max_age) = (&self.name, max_age.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        let (domain_is, domain) = match &self.domain {
            Some(domain) => ("; Domain=", &**domain),
            None => ("", ""),
        };
        let cookie = format!(
            "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}{domain_is}{domain}"
        );
        HeaderValue::from_str(&cookie).ok()
    }

    /// The signature includes the name, so that a signed value is not valid in another cookie.
    fn mac(&self, key: &Hmac<Sha256>, payload: &str) -> Hmac<Sha256> {
        key.clone().chain_update(self.name.as_bytes()).chain_update(b"=").chain_update(payload)
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// Shows whether it is signed, never a key.
impl fmt::Debug for CampaignCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CampaignCookie")
            .field("name", &self.name)
            .field("domain", &self.domain)
            .field("max_age", &self.max_age)
            .field("keys", &self.keys.len())
            .field("secure", &self.secure)
            .field("first_touch", &self.first_touch)
            .finish()
    }
}

/// The content of the cookie. Names are short, because browsers send it with every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The time of writing, in seconds since 1970.
    #[serde(rename = "t")]
    pub(super) at: i64,
    /// The campaign's values by metadata key.
    #[serde(rename = "c", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) campaign: BTreeMap<String, String>,
    /// Click ids by query parameter.
    #[serde(rename = "k", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) click_ids: BTreeMap<String, String>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub(super) landing_path: Option<String>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub(super) referrer_host: Option<String>,
}

impl Kept {
    /// Whether a campaign or a paid click brought the visitor.
    pub(super) fn is_touch(&self) -> bool {
        !self.campaign.is_empty() || !self.click_ids.is_empty()
    }

    /// Returns the new content after a page with the values `seen`. `None`: the content stays.
    ///
    /// Only the page's own query brings a new campaign: an older page in another tab, seen through
    /// its `Referer`, must not bring back an older one.
    pub(super) fn followed_by(
        &self,
        seen: Self,
        by_query: bool,
        first_touch: bool,
    ) -> Option<Self> {
        let same = self.campaign == seen.campaign && self.click_ids == seen.click_ids;
        let brings = if self.is_touch() { by_query && !first_touch } else { seen.is_touch() };
        if same || !brings {
            return None;
        }
        if first_touch {
            let (landing_path, referrer_host) =
                (self.landing_path.clone(), self.referrer_host.clone());
            return Some(Self { landing_path, referrer_host, ..seen });
        }
        Some(seen)
    }
}
