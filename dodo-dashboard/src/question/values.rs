use dodo_ledger::query::Dimension;
use jiff::civil::Date;

/// An enumeration whose values have names in the query string.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $( $(#[$default:ident])? $value:ident = $text:literal, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $name { $( $(#[$default])? $value, )* }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$( Self::$value, )*];

            /// The name in the query string.
            pub(crate) const fn name(self) -> &'static str {
                match self { $( Self::$value => $text, )* }
            }

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

named! {
    /// The pages.
    Page {
        #[default] Overview = "overview",
        Breakdown = "breakdown",
        Payments = "payments",
        Payment = "payment",
        People = "people",
        Person = "person",
        Subscriptions = "subscriptions",
        Subscription = "subscription",
        Funnel = "funnel",
        Deliveries = "deliveries",
        Settings = "settings",
    }
}

impl Page {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Breakdown => "Breakdown",
            Self::Payments => "Payments",
            Self::Payment => "Payment",
            Self::People => "People",
            Self::Person => "Person",
            Self::Subscriptions => "Subscriptions",
            Self::Subscription => "Subscription",
            Self::Funnel => "Funnel",
            Self::Deliveries => "Deliveries",
            Self::Settings => "Settings",
        }
    }

    /// Whether it compares the period with another one.
    pub(crate) const fn compares(self) -> bool {
        matches!(self, Self::Overview | Self::Breakdown | Self::Funnel)
    }

    /// The tab that is marked on the page.
    pub(crate) const fn tab(self) -> Self {
        match self {
            Self::Payment => Self::Payments,
            Self::Person => Self::People,
            Self::Subscription => Self::Subscriptions,
            tab => tab,
        }
    }
}

named! {
    /// The period to compare with.
    Versus { #[default] Before = "before", Year = "year", Nothing = "none", }
}

named! {
    /// The values that rows are grouped by.
    By {
        #[default] Source = "source",
        Medium = "medium",
        Campaign = "campaign",
        Content = "content",
        Term = "term",
        Link = "link",
        Landing = "landing",
        Referrer = "referrer",
        Device = "device",
        Country = "country",
        Product = "product",
        Kind = "kind",
        Lead = "lead",
        Channel = "channel",
        Reason = "reason",
    }
}

impl By {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Medium => "Medium",
            Self::Campaign => "Campaign",
            Self::Content => "Content",
            Self::Term => "Term",
            Self::Link => "Link",
            Self::Landing => "Landing page",
            Self::Referrer => "Referrer",
            Self::Device => "Device",
            Self::Country => "Country",
            Self::Product => "Product",
            Self::Kind => "Kind",
            Self::Lead => "Lead",
            Self::Channel => "Channel",
            Self::Reason => "Reason",
        }
    }
}

impl By {
    /// The meaning of a value, for people who read the page.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Source => "the site, newsletter or platform of the campaign (utm_source)",
            Self::Medium => "the kind of campaign, such as email or cpc (utm_medium)",
            Self::Campaign => "the name or id of the campaign (utm_campaign)",
            Self::Content => "the variant of the link or advertisement (utm_content)",
            Self::Term => "the search words that the campaign bought (utm_term)",
            Self::Link => "the tracked link that the visitor clicked",
            Self::Landing => "the first page that the visitor opened",
            Self::Referrer => "the other site that sent the visitor",
            Self::Device => "the device of the visitor at the checkout",
            Self::Country => "the country of the billing address",
            Self::Product => "the product that was paid",
            Self::Kind => "first charges, renewals, refunds and disputes apart",
            Self::Lead => "the id that the campaign tool gave to a possible customer",
            Self::Channel => {
                "the way to the shop: campaign, paid click, another site, direct, or not attributed"
            }
            Self::Reason => "why money is not attributed",
        }
    }
}

named! {
    /// The width of a column of a chart.
    Interval { Hour = "hour", #[default] Day = "day", Week = "week", Month = "month", Year = "year", }
}

named! {
    /// The column that a table is sorted by.
    Sort {
        #[default] Net = "net",
        Charges = "charges",
        Customers = "customers",
    }
}

named! {
    /// Real money, or that of test mode.
    Mode { #[default] Live = "live", Test = "test", }
}

named! {
    /// The format of the answer.
    Format { #[default] Html = "html", Json = "json", Csv = "csv", }
}

named! {
    /// A period by its name.
    Preset {
        Today = "today",
        Days7 = "7d",
        #[default] Days28 = "28d",
        Days90 = "90d",
        Months12 = "12m",
        MonthToDate = "mtd",
        LastMonth = "last-month",
        YearToDate = "ytd",
        All = "all",
    }
}

impl Preset {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Days7 => "Last 7 days",
            Self::Days28 => "Last 28 days",
            Self::Days90 => "Last 90 days",
            Self::Months12 => "12 months and this one",
            Self::MonthToDate => "Month to date",
            Self::LastMonth => "Last month",
            Self::YearToDate => "Year to date",
            Self::All => "All time",
        }
    }
}

/// The period that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Preset(Preset),
    /// Civil days, the last one included. The first is not after the last.
    Days(Date, Date),
}

impl Default for Period {
    fn default() -> Self {
        Self::Preset(Preset::default())
    }
}

impl By {
    /// The dimension of the ledger.
    pub(crate) const fn dimension(self) -> Dimension {
        match self {
            Self::Source => Dimension::Source,
            Self::Medium => Dimension::Medium,
            Self::Campaign => Dimension::Campaign,
            Self::Content => Dimension::Content,
            Self::Term => Dimension::Term,
            Self::Link => Dimension::Link,
            Self::Landing => Dimension::LandingPath,
            Self::Referrer => Dimension::Referrer,
            Self::Device => Dimension::Device,
            Self::Country => Dimension::Country,
            Self::Product => Dimension::Product,
            Self::Kind => Dimension::Kind,
            Self::Lead => Dimension::Lead,
            Self::Channel => Dimension::Channel,
            Self::Reason => Dimension::Reason,
        }
    }
}
