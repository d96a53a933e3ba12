use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

/// The class of device of a request, from its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeviceClass {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop or laptop computer.
    Desktop,
    /// A program that identifies itself: crawlers, link previews, HTTP libraries.
    Bot,
    /// The headers do not show the device.
    #[default]
    Unknown,
}

/// Words of user agents, in the order in which they decide.
const WORDS: &[(DeviceClass, &[&str])] = &[
    (
        DeviceClass::Bot,
        &[
            "bot",
            "crawl",
            "spider",
            "slurp",
            "preview",
            "headless",
            "lighthouse",
            "curl/",
            "wget/",
            "python-",
            "go-http-client",
            "okhttp",
            "axios/",
            "node-fetch",
            "java/",
            "facebookexternalhit",
            "monitor",
        ],
    ),
    (DeviceClass::Tablet, &["ipad", "tablet", "kindle", "silk/", "playbook"]),
    (DeviceClass::Mobile, &["iphone", "ipod", "mobile", "windows phone", "opera mini"]),
    // Android without "Mobile" is a tablet, by Google's own advice to browser makers.
    (DeviceClass::Tablet, &["android"]),
    (DeviceClass::Desktop, &["windows nt", "macintosh", "x11", "linux", "cros "]),
];

/// The number of bytes of a user agent that are read.
const MAX_USER_AGENT: usize = 512;

/// The headers that name the device. They are parsed only for a checkout, because most requests are
/// not a checkout.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviceHeaders {
    agent: Option<HeaderValue>,
    mobile: Option<HeaderValue>,
}

impl DeviceHeaders {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            agent: headers.get(header::USER_AGENT).cloned(),
            mobile: headers.get("sec-ch-ua-mobile").cloned(),
        }
    }

    /// Reads `User-Agent`, and `Sec-CH-UA-Mobile` if the first one does not decide.
    pub(super) fn class(&self) -> DeviceClass {
        let agent = self.agent.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let agent = agent.get(..MAX_USER_AGENT).unwrap_or(agent).to_ascii_lowercase();
        let has = |word: &&str| agent.windows(word.len()).any(|w| w == word.as_bytes());
        let found = WORDS.iter().find(|(_, words)| words.iter().any(has)).map(|(d, _)| *d);
        let hint = || match self.mobile.as_ref()?.as_bytes() {
            b"?1" => Some(DeviceClass::Mobile),
            b"?0" => Some(DeviceClass::Desktop),
            _ => None,
        };
        found.or_else(hint).unwrap_or_default()
    }
}
