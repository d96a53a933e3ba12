//! Which records a question is about.

use dodo_core::money::Currency;
use jiff::Timestamp;

use crate::{attribution::Dimension, store::sql::Arg};

/// Which records a question is about: live ones unless test mode is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) test_mode: bool,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) currency: Option<Currency>,
    pub(super) values: Vec<(Dimension, Option<String>)>,
}

impl Dimension {
    /// The column of `dodo_record`.
    fn record_column(self) -> &'static str {
        match self {
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
            Self::Day => "(occurred_micros / 86400000000)",
        }
    }
}

/// A statement in the making. Values only travel as arguments.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    texts: Vec<String>,
    pub(super) args: Vec<Arg>,
}

impl Conditions {
    pub(super) fn from_filter(filter: &Filter) -> Self {
        let mut all = Self::default();
        let live = all.bind(!filter.test_mode);
        all.push(format!("live = {live}"));
        if let Some(from) = filter.from {
            let at = all.bind(from.as_microsecond());
            all.push(format!("occurred_micros >= {at}"));
        }
        if let Some(until) = filter.until {
            let at = all.bind(until.as_microsecond());
            all.push(format!("occurred_micros < {at}"));
        }
        if let Some(currency) = filter.currency {
            let code = all.bind(currency.as_str());
            all.push(format!("currency = {code}"));
        }
        for (dimension, value) in &filter.values {
            let column = dimension.record_column();
            let condition = match value {
                Some(value) => {
                    let value = all.bind(value.as_str());
                    // A day is a number in the table and a date in the question.
                    match dimension {
                        Dimension::Day => format!("{column} = CAST({value} AS BIGINT)"),
                        _ => format!("{column} = {value}"),
                    }
                }
                None => format!("{column} IS NULL"),
            };
            all.push(condition);
        }
        all
    }

    /// Binds a value and gives its placeholder.
    pub(super) fn bind(&mut self, arg: impl Into<Arg>) -> String {
        self.args.push(arg.into());
        format!("${}", self.args.len())
    }

    pub(super) fn push(&mut self, condition: String) {
        self.texts.push(condition);
    }

    pub(super) fn text(&self) -> String {
        self.texts.join(" AND ")
    }
}
