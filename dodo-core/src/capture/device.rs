use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// The class of device a request comes from, as far as its headers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop or laptop computer.
    Desktop,
    /// A program that says so: crawlers, link previews, HTTP libraries.
    Bot,
    /// The headers do not tell.
    #[default]
    Unknown,
}

/// Words of user agents, in the order in which they decide.
const WORDS: &[(Device, &[&str])] = &[
    (
        Device::Bot,
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
    (Device::Tablet, &["ipad", "tablet", "kindle", "silk/", "playbook"]),
    (Device::Mobile, &["iphone", "ipod", "mobile", "windows phone", "opera mini"]),
    // Android without "Mobile" is a tablet, by Google's own advice to browser makers.
    (Device::Tablet, &["android"]),
    (Device::Desktop, &["windows nt", "macintosh", "x11", "linux", "cros"]),
];

/// User agents are looked at up to this many bytes.
const MAX_USER_AGENT: usize = 512;

impl Device {
    /// Reads `User-Agent`, and `Sec-CH-UA-Mobile` where it says nothing.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(http::header::USER_AGENT).map_or(&[][..], |v| v.as_bytes());
        let agent = agent.get(..MAX_USER_AGENT).unwrap_or(agent).to_ascii_lowercase();
        let has = |word: &&str| agent.windows(word.len()).any(|w| w == word.as_bytes());
        let found = WORDS.iter().find(|(_, words)| words.iter().any(has)).map(|(d, _)| *d);
        let hint = || match headers.get("sec-ch-ua-mobile")?.as_bytes() {
            b"?1" => Some(Self::Mobile),
            b"?0" => Some(Self::Desktop),
            _ => None,
        };
        found.or_else(hint).unwrap_or_default()
    }
}
