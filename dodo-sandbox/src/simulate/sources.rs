//! The sources of the visitors of a simulated shop.

/// A way to the shop: its share of the visitors, the visitors per sale, the first page, the site before it,
/// and the keys that an app writes to the checkout's metadata.
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) weight: u32,
    pub(super) visitors_per_sale: u64,
    pub(super) landing_path: Option<&'static str>,
    pub(super) referrer_host: Option<&'static str>,
    pub(super) metadata: &'static [(&'static str, &'static str)],
}

pub(super) const SOURCES: [Source; 7] = [
    Source {
        name: "not attributed",
        weight: 15,
        visitors_per_sale: 40,
        landing_path: None,
        referrer_host: None,
        metadata: &[],
    },
    Source {
        name: "direct",
        weight: 20,
        visitors_per_sale: 30,
        landing_path: Some("/"),
        referrer_host: None,
        metadata: &[("visitor", "")],
    },
    Source {
        name: "google",
        weight: 25,
        visitors_per_sale: 45,
        landing_path: Some("/pricing"),
        referrer_host: Some("google.com"),
        metadata: &[
            ("visitor", ""),
            ("utm_source", "google"),
            ("utm_medium", "cpc"),
            ("utm_campaign", "brand"),
            ("utm_term", "payments"),
        ],
    },
    Source {
        name: "newsletter",
        weight: 15,
        visitors_per_sale: 15,
        landing_path: Some("/blog/monthly"),
        referrer_host: None,
        metadata: &[
            ("visitor", ""),
            ("utm_source", "newsletter"),
            ("utm_medium", "email"),
            ("utm_campaign", "monthly"),
            ("utm_content", "top"),
        ],
    },
    Source {
        name: "x.com",
        weight: 10,
        visitors_per_sale: 90,
        landing_path: Some("/"),
        referrer_host: Some("x.com"),
        metadata: &[("visitor", ""), ("utm_source", "x.com"), ("utm_medium", "social")],
    },
    Source {
        name: "partner",
        weight: 10,
        visitors_per_sale: 25,
        landing_path: Some("/reviews"),
        referrer_host: Some("partner.example"),
        metadata: &[
            ("linkId", "lnk_partner"),
            ("campaignId", "cmp_launch"),
            ("source", "partner"),
            ("medium", "referral"),
            ("content", "review"),
            ("leadId", "lead_42"),
        ],
    },
    Source {
        name: "podcast",
        weight: 5,
        visitors_per_sale: 20,
        landing_path: Some("/podcast"),
        referrer_host: None,
        metadata: &[
            ("linkId", "lnk_podcast"),
            ("campaignId", "cmp_launch"),
            ("source", "podcast"),
            ("medium", "audio"),
            ("content", "episode-7"),
            ("leadId", "lead_7"),
        ],
    },
];
