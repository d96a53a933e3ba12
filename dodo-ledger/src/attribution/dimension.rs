//! The dimensions of money, and the value of a record in each.

use dodo_core::capture::Campaign;

use super::{channel::Channel, record::Record, sanitize, visit_context::VisitContext};

/// The dimensions that money can be grouped and filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dimension {
    /// The source of the money: the source of the campaign in lower case, the platform of a click
    /// id, the site that sent the visitor, or `direct`. A campaign without a source is
    /// `campaign x`. `None`: not attributed.
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
    /// The reason for which money is not attributed: `no_session`, `consent_denied` and others.
    /// `None`: it is attributed.
    Reason,
    /// The visitor.
    Visitor,
    /// The customer.
    Customer,
    /// The name of the [`Channel`] of the money.
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

    /// The dimensions of a campaign: the first ones of [`TEXTS`](Self::TEXTS).
    pub(crate) const CAMPAIGN: [Self; CAMPAIGN_TEXTS] =
        [Self::Source, Self::Medium, Self::Campaign, Self::Content, Self::Term, Self::Link];

    /// Whether the [funnel](crate::Ledger::funnel) groups and filters by this dimension: true for
    /// the dimensions of a campaign, and the channel.
    #[must_use]
    pub const fn has_funnel(self) -> bool {
        matches!(
            self,
            Self::Source
                | Self::Medium
                | Self::Campaign
                | Self::Content
                | Self::Term
                | Self::Link
                | Self::Channel
        )
    }

    /// The number in the dictionary and in sums: 1 for the first dimension of [`TEXTS`](Self::TEXTS), 16 for
    /// the channel and 17 for the kind. `None`: the dimension is none of them.
    #[doc(hidden)]
    #[must_use]
    pub fn number(self) -> Option<i64> {
        match self {
            Self::Channel => Some(16),
            Self::Kind => Some(17),
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

    /// The column of `dodo_record`. `None`: a day is a span of time.
    pub(crate) const fn record_column(self) -> Option<&'static str> {
        Some(match self {
            Self::Visitor => "visitor",
            Self::Campaign => "campaign_id",
            Self::Link => "link_id",
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Content => "content",
            Self::Term => "term",
            Self::Lead => "lead_id",
            Self::Channel => "channel",
            Self::Reason => "reason",
            Self::LandingPath => "landing_path",
            Self::Referrer => "referrer_host",
            Self::Device => "device",
            Self::Country => "country",
            Self::Product => "product_id",
            Self::Customer => "customer_id",
            Self::Kind => "kind",
            Self::Currency => "currency",
            Self::Day => return None,
        })
    }

    /// Whether sums by day and month exist for this dimension. Visitors and customers have few
    /// records each.
    pub(crate) const fn has_sums(self) -> bool {
        !matches!(self, Self::Visitor | Self::Customer | Self::Day | Self::Currency)
    }
}

/// The number of dimensions of `Dimension::CAMPAIGN`.
pub const CAMPAIGN_TEXTS: usize = 6;

/// The values of a campaign in the dimensions of `Dimension::CAMPAIGN`.
pub type CampaignTexts = [Option<String>; CAMPAIGN_TEXTS];

/// The value of a record in each dimension of [`Dimension::TEXTS`].
pub type Texts = [Option<String>; TEXTS];

/// A text as a column stores it. `None`: the text is empty without blanks.
fn column_text(text: Option<&String>) -> Option<String> {
    let text = text.map(|text| sanitize::column(text.trim()).into_owned());
    text.filter(|text| !text.is_empty())
}

fn lower(text: Option<&String>) -> Option<String> {
    column_text(text).map(|text| text.to_lowercase())
}

fn referrer(visit_context: Option<&VisitContext>) -> Option<String> {
    let host = lower(visit_context?.referrer_host.as_ref())?;
    Some(match host.strip_prefix("www.") {
        Some(site) if !site.is_empty() => site.to_owned(),
        _ => host,
    })
}

/// The values of a visit by a campaign, another site or an advertisement, cut to the length of a
/// column.
pub(super) fn campaign_texts(
    channel: Channel,
    campaign: Option<&Campaign>,
    visit_context: Option<&VisitContext>,
) -> CampaignTexts {
    let source = match channel {
        Channel::Campaign => campaign.and_then(|campaign| {
            let name = || {
                let id = column_text(campaign.campaign_id.as_ref());
                id.or_else(|| column_text(campaign.link_id.as_ref()))
            };
            let named = |name| sanitize::column(&format!("campaign {name}")).into_owned();
            let source = lower(campaign.source.as_ref()).or_else(|| name().map(named));
            source.or_else(|| Some("campaign".to_owned()))
        }),
        Channel::PaidClick => {
            visit_context.and_then(|visit_context| lower(visit_context.platform.as_ref()))
        }
        Channel::Referral => referrer(visit_context),
        Channel::Direct => Some("direct".to_owned()),
        Channel::NotAttributed => None,
    };
    let medium = match channel {
        Channel::PaidClick => Some("paid".to_owned()),
        _ => campaign.and_then(|campaign| lower(campaign.medium.as_ref())),
    };
    let of = |field: fn(&Campaign) -> Option<&String>| column_text(campaign.and_then(field));
    [
        source,
        medium,
        of(|campaign| campaign.campaign_id.as_ref()),
        of(|campaign| campaign.content.as_ref()),
        of(|campaign| campaign.term.as_ref()),
        of(|campaign| campaign.link_id.as_ref()),
    ]
}

/// The values of a record, cut to the length of a column.
pub(crate) fn texts(record: &Record) -> Texts {
    let campaign = record.record.campaign.as_ref().map(|found| &found.value);
    let visit_context = record.visit_context.as_ref();
    let channel = Channel::from_record(record);
    let products = &record.record.product_ids;
    let product = match products.as_slice() {
        [] => None,
        [only] => column_text(Some(only)),
        many => Some(format!("({} products)", many.len())),
    };
    let [source, medium, id, content, term, link] =
        campaign_texts(channel, campaign, visit_context);
    [
        source,
        medium,
        id,
        content,
        term,
        link,
        column_text(visit_context.and_then(|visit_context| visit_context.landing_path.as_ref())),
        referrer(visit_context),
        column_text(visit_context.and_then(|visit_context| visit_context.device.as_ref())),
        column_text(record.country.as_ref()),
        product,
        column_text(campaign.and_then(|campaign| campaign.lead_id.as_ref())),
        channel.reason(record.reason).map(str::to_owned),
        column_text(record.record.visitor.as_ref().map(|found| &found.value)),
        column_text(record.record.customer_id.as_ref()),
    ]
}
