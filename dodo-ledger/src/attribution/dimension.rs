//! The dimensions of money, and the value of a record in each.

use super::{channel::Channel, record::Record, sanitize};

/// The dimensions that money can be grouped and filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dimension {
    /// Who brought it: the source of the campaign in lower case, the platform of a click id, the site
    /// that sent the visitor, or `direct`. A campaign without a source is `campaign x`. `None`: not
    /// attributed.
    Source,
    /// The medium of the campaign in lower case, such as `email`. A click id of an advertisement is
    /// `paid`.
    Medium,
    /// The id of the campaign, or `utm_campaign`.
    Campaign,
    /// The content of the campaign.
    Content,
    /// The search term, `utm_term`.
    Term,
    /// The tracked link.
    Link,
    /// The path of the first page of the visit.
    LandingPath,
    /// The host that the visitor came from, without `www.`.
    Referrer,
    /// The class of device.
    Device,
    /// The billing country of the payment, two letters.
    Country,
    /// The product. A cart with several is `(2 products)`, because the event has no price per item.
    Product,
    /// The lead, Bantico's `leadId`.
    Lead,
    /// Why money is not attributed: `no_session`, `consent_denied` and others. `None`: it is attributed.
    Reason,
    /// The visitor.
    Visitor,
    /// The customer.
    Customer,
    /// How the money came in: the name of a [`Channel`].
    Channel,
    /// The kind of record: `one_time`, `subscription_new`, `subscription_renewal`, `refund` and others.
    Kind,
    /// The day on which money moved, `2026-11-20`.
    Day,
    /// The currency.
    Currency,
}

/// The number of dimensions whose values are texts in the dictionary.
pub const TEXTS: usize = 15;

impl Dimension {
    /// The dimensions with values in the dictionary. The place of a dimension is its stored number.
    #[doc(hidden)]
    pub const TEXTS: [Self; TEXTS] = [
        Self::Source,
        Self::Medium,
        Self::Campaign,
        Self::Content,
        Self::Term,
        Self::Link,
        Self::LandingPath,
        Self::Referrer,
        Self::Device,
        Self::Country,
        Self::Product,
        Self::Lead,
        Self::Reason,
        Self::Visitor,
        Self::Customer,
    ];

    /// The number in the dictionary and in sums: 1 for the first dimension of [`TEXTS`](Self::TEXTS), and 16
    /// for the channel. `None`: the dimension is neither.
    #[doc(hidden)]
    #[must_use]
    pub fn number(self) -> Option<i64> {
        match self {
            Self::Channel => Some(16),
            other => {
                (1..).zip(Self::TEXTS).find(|(_, dim)| *dim == other).map(|(number, _)| number)
            }
        }
    }

    /// The column of `dodo_money`. `None`: the table has no column with its values.
    pub(crate) const fn column(self) -> Option<&'static str> {
        Some(match self {
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Campaign => "campaign",
            Self::Content => "content",
            Self::Term => "term",
            Self::Link => "link",
            Self::LandingPath => "landing",
            Self::Referrer => "referrer",
            Self::Device => "device",
            Self::Country => "country",
            Self::Product => "product",
            Self::Lead => "lead",
            Self::Reason => "reason",
            Self::Visitor => "visitor",
            Self::Customer => "customer",
            Self::Channel => "channel",
            Self::Kind => "kind",
            Self::Day | Self::Currency => return None,
        })
    }

    /// Whether sums by day and month exist for it. Visitors and customers have few records each.
    pub(crate) const fn has_sums(self) -> bool {
        !matches!(self, Self::Visitor | Self::Customer | Self::Kind | Self::Day | Self::Currency)
    }
}

/// The value of a record in each dimension of [`Dimension::TEXTS`].
pub type Texts = [Option<String>; TEXTS];

/// The values of a record, as long as a column is.
pub(crate) fn texts(record: &Record) -> Texts {
    let campaign = record.record.campaign.as_ref().map(|found| &found.value);
    let journey = record.journey.as_ref();
    let channel = Channel::of(record);
    let of = |text: Option<&String>| {
        let text = text.map(|text| sanitize::column(text.trim()).into_owned());
        text.filter(|text| !text.is_empty())
    };
    let lower = |text: Option<&String>| of(text).map(|text| text.to_lowercase());
    let platform = journey.and_then(|journey| lower(journey.platform.as_ref()));
    let referrer = journey.and_then(|journey| lower(journey.referrer_host.as_ref()));
    let referrer = referrer.map(|host| match host.strip_prefix("www.") {
        Some(site) if !site.is_empty() => site.to_owned(),
        _ => host,
    });
    let name = campaign.and_then(|campaign| {
        of(campaign.campaign_id.as_ref()).or_else(|| of(campaign.link_id.as_ref()))
    });
    let source = match channel {
        Channel::Campaign => campaign
            .and_then(|campaign| lower(campaign.source.as_ref()))
            .or_else(|| name.map(|name| sanitize::column(&format!("campaign {name}")).into_owned()))
            .or_else(|| Some("campaign".to_owned())),
        Channel::PaidClick => platform.clone(),
        Channel::Referral => referrer.clone(),
        Channel::Direct => Some("direct".to_owned()),
        Channel::NotAttributed => None,
    };
    let medium = match channel {
        Channel::PaidClick => Some("paid".to_owned()),
        _ => campaign.and_then(|campaign| lower(campaign.medium.as_ref())),
    };
    let products = &record.record.product_ids;
    Dimension::TEXTS.map(|dimension| match dimension {
        Dimension::Source => source.clone(),
        Dimension::Medium => medium.clone(),
        Dimension::Campaign => of(campaign?.campaign_id.as_ref()),
        Dimension::Content => of(campaign?.content.as_ref()),
        Dimension::Term => of(campaign?.term.as_ref()),
        Dimension::Link => of(campaign?.link_id.as_ref()),
        Dimension::LandingPath => of(journey?.landing_path.as_ref()),
        Dimension::Referrer => referrer.clone(),
        Dimension::Device => of(journey?.device.as_ref()),
        Dimension::Country => of(record.country.as_ref()),
        Dimension::Product => match products.as_slice() {
            [] => None,
            [only] => of(Some(only)),
            many => Some(format!("({} products)", many.len())),
        },
        Dimension::Lead => of(campaign?.lead_id.as_ref()),
        Dimension::Reason => channel.reason(record.reason).map(str::to_owned),
        Dimension::Visitor => of(record.record.visitor.as_ref().map(|found| &found.value)),
        Dimension::Customer => of(record.record.customer_id.as_ref()),
        Dimension::Channel | Dimension::Kind | Dimension::Day | Dimension::Currency => None,
    })
}
