//! The content of each page, from the ledger.

mod attention;
mod breakdown;
mod deliveries;
mod events;
mod funnel;
mod money;
mod overview;
mod payment;
mod payments;
mod people;
mod settings;
mod slots;
mod subscription;
mod subscriptions;

use dodo_core::attribution::{AttributionRecord, RecordKind};
use dodo_ledger::{
    Error, FailedEventCursor,
    query::{CurrencySums, Cursor, Dimension, Range, RecordCursor, SubscriptionCursor},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use self::money::none_label;
use crate::{
    Permission,
    answer::Tag,
    dashboard::Settings,
    format::Unit,
    page::{Block, Sheet},
    question::{
        By, Condition, Format, Interval, Mode, Notice, Page, Parsed, Period, Preset, Question,
    },
    range::{interval_of, range_before, range_of},
};

/// Rows of a table among others.
const CARD_ROWS: usize = 10;
/// Rows of a table that has a page to itself.
const PAGE_ROWS: usize = 50;
/// Rows of a file.
const FILE_ROWS: usize = 100_000;

/// The ids of a person in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// The customer at Dodo Payments.
    pub customer_id: Option<String>,
    /// The app's own user.
    pub user_id: Option<String>,
}

/// Asks the ledger for a page.
pub(crate) struct Loader<'a> {
    settings: &'a Settings,
    permission: Permission,
    pub(crate) question: Question,
    notices: Vec<Notice>,
    pub(crate) now: Zoned,
    pub(crate) mode: Mode,
    pub(crate) unit: Unit,
    /// The change number of the ledger, from before the numbers were read.
    pub(crate) change: u64,
    range: Range,
    before: Option<Range>,
    interval: Interval,
    /// The tabs of currencies, each with its net.
    pub(crate) currencies: Vec<(Unit, i128)>,
    is_empty: bool,
}

/// A page's content.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) sheet: Sheet,
    pub(crate) notices: Vec<Notice>,
}

impl Loaded {
    /// The content as a text, without the time of the question.
    pub(crate) fn fingerprint(&self, question: &Question, zone: &TimeZone) -> String {
        // The page and its live part have one tag, so that the first request of the script gets 304.
        let question = &Question { live: false, ..question.clone() };
        let mut text = question.to_string();
        for notice in &self.notices {
            text.push_str(&notice.to_string());
        }
        for block in &self.sheet.blocks {
            text.push_str(&block.html(question, zone).into_string());
        }
        text
    }
}

/// The entity tag of a question, before anything is added up. `None`: the ledger is empty.
pub(crate) async fn tag(
    settings: &Settings,
    parsed: &Parsed,
    permission: Permission,
    now: &Zoned,
) -> Result<Option<Tag>, Error> {
    let Parsed { question, notices } = parsed;
    let change = match settings.ledger.change_number().await? {
        // The checklist in place of the numbers changes without a booking.
        0 => return Ok(None),
        change => change.to_string(),
    };
    // The tag includes the day, because midnight begins another period and unpaid sessions become
    // abandoned.
    let (time, queues) = match question.page {
        Page::Funnel => ("%F %H", String::new()),
        // The end of a trial or a term is a moment.
        Page::Person | Page::Subscription => ("%F %R", String::new()),
        Page::Payments if question.search.is_some() => ("%F %R", String::new()),
        // Their lists may be a minute old, while the counters of the queues stay the same.
        Page::Deliveries | Page::Settings => ("%F %R", deliveries::queues(&settings.ledger).await?),
        _ => ("%F", String::new()),
    };
    let time = now.strftime(time).to_string();
    // The page and its live part have one tag, so that the first request of the script gets 304.
    let question = Question { live: false, ..question.clone() }.to_string();
    let notices: String = notices.iter().map(ToString::to_string).collect();
    Ok(Some(Tag::from_parts(&[
        &change,
        &time,
        &queues,
        &question,
        &notices,
        permission.name(),
        &settings.build,
    ])))
}

impl<'a> Loader<'a> {
    pub(crate) async fn new(
        settings: &'a Settings,
        permission: Permission,
        parsed: Parsed,
        now: Zoned,
    ) -> Result<Self, Error> {
        let Parsed { question, notices } = parsed;
        let mut loader = Self {
            settings,
            permission,
            mode: question.mode.unwrap_or_default(),
            unit: Unit::default(),
            change: settings.ledger.change_number().await?,
            range: range_of(question.period, now.timestamp(), now.time_zone(), None),
            before: None,
            interval: Interval::Day,
            currencies: Vec::new(),
            is_empty: false,
            question,
            notices,
            now,
        };
        loader.choose_money().await?;
        loader.choose_time().await?;
        Ok(loader)
    }

    /// The mode and the currency.
    async fn choose_money(&mut self) -> Result<(), Error> {
        let ledger = &self.settings.ledger;
        let modes: &[Mode] = match self.question.mode {
            None => &[Mode::Live, Mode::Test],
            Some(Mode::Live) => &[Mode::Live],
            Some(Mode::Test) => &[Mode::Test],
        };
        for mode in modes {
            let asked =
                if *mode == Mode::Test { ledger.money().test_mode() } else { ledger.money() };
            let found = asked.currencies().await?;
            let mut found: Vec<(Unit, i128)> =
                found.iter().map(|each| (unit_of(each), each.sums.net)).collect();
            if self.question.page == Page::Subscriptions {
                // A trial has a currency before its first money.
                for unit in self.subscribed(*mode).await? {
                    if !found.iter().any(|known| known.0 == unit) {
                        found.push((unit, 0));
                    }
                }
            }
            if !found.is_empty() {
                self.mode = *mode;
                self.currencies = found;
                break;
            }
        }
        self.is_empty = self.currencies.is_empty();
        let units: Vec<Unit> = self.currencies.iter().map(|(unit, _)| *unit).collect();
        self.unit = units.first().copied().unwrap_or_default();
        if let Some(wanted) = self.question.currency {
            match units.iter().find(|unit| unit.currency == wanted) {
                Some(unit) => self.unit = *unit,
                None => self.notices.push(Notice::NoSuchCurrency(wanted.to_string())),
            }
        }
        Ok(())
    }

    /// The period, the one before, and the columns.
    async fn choose_time(&mut self) -> Result<(), Error> {
        let (period, now, zone) =
            (self.question.period, self.now.timestamp(), self.now.time_zone().clone());
        let first = match period {
            Period::Preset(Preset::All) if !self.is_empty => self.span().await?,
            _ => None,
        };
        self.range = range_of(period, now, &zone, first.map(|span| span.from));
        self.before = range_before(period, self.question.versus, now, &zone);
        self.interval =
            interval_of(self.range, self.question.interval, &zone).unwrap_or_else(|by_length| {
                let wanted = self.question.interval.unwrap_or_default();
                self.notices.push(Notice::TooManyColumns(wanted.name()));
                by_length
            });
        let is_left_out = |by| self.question.page == Page::Funnel && !funnel::is_counted(by);
        let left_out = self.question.conditions.iter().map(|condition| condition.by);
        let left_out: Vec<By> = left_out.filter(|by| is_left_out(*by)).collect();
        if self.question.page == Page::Subscriptions && !self.question.conditions.is_empty() {
            self.notices.push(Notice::NotFiltered);
        }
        self.notices.extend(left_out.into_iter().map(|by| Notice::NotInFunnel(by.title())));
        let is_known = |at: &str| match self.question.page {
            Page::Breakdown | Page::People => at.parse::<Cursor>().is_ok(),
            Page::Payments => at.parse::<RecordCursor>().is_ok(),
            Page::Subscriptions => at.parse::<SubscriptionCursor>().is_ok(),
            Page::Deliveries => at.parse::<FailedEventCursor>().is_ok(),
            _ => true,
        };
        if !self.question.cursor().is_none_or(is_known) {
            self.notices.push(Notice::UnknownCursor);
            self.question.after = None;
        }
        Ok(())
    }

    /// The time of the first and of the last money of the currency.
    async fn span(&self) -> Result<Option<Range>, Error> {
        let money = self.settings.ledger.money().currency(self.unit.currency);
        let money = if self.mode == Mode::Test { money.test_mode() } else { money };
        money.span().await
    }

    /// The page.
    pub(crate) async fn load(&self) -> Result<Loaded, Error> {
        let page = self.question.page;
        let id = self.question.id.as_deref().unwrap_or_default();
        let mut sheet = match page {
            _ if !self.pages().contains(&page.tab()) => self.hidden(),
            Page::Overview => self.overview().await?,
            Page::Breakdown => self.breakdown().await?,
            Page::Payments => self.payments().await?,
            Page::Payment => self.payment(id).await?,
            Page::People => self.people().await?,
            Page::Person => self.person(id).await?,
            Page::Deliveries => self.deliveries().await?,
            Page::Settings => self.set_up().await?,
            Page::Subscriptions => self.subscriptions().await?,
            Page::Subscription => self.subscription(id).await?,
            Page::Funnel => self.funnel().await?,
        };
        if sheet.heading.is_empty() {
            page.title().clone_into(&mut sheet.heading);
        }
        Ok(Loaded { sheet, notices: self.notices.clone() })
    }

    fn hidden(&self) -> Sheet {
        let text = "You may not see this page, or the ledger has nothing for it.".to_owned();
        let link = Some(("Overview".to_owned(), self.question.on(Page::Overview)));
        let blocks = vec![Block::Note { text, link, is_warning: true }];
        let heading = self.question.page.title().to_owned();
        Sheet { heading, blocks, ..Sheet::default() }
    }

    /// The tabs of this person.
    pub(crate) fn pages(&self) -> Vec<Page> {
        let mut pages = vec![
            Page::Overview,
            Page::Breakdown,
            Page::Payments,
            Page::People,
            Page::Subscriptions,
            Page::Funnel,
        ];
        if self.permission.sees_operations() {
            pages.extend([Page::Deliveries, Page::Settings]);
        }
        pages
    }

    /// The conditions in words, each with the question without it.
    pub(crate) fn conditions(&self) -> Vec<(String, Question)> {
        let in_words = |condition: &Condition| {
            let by = condition.by;
            let value = condition.value.as_deref();
            let value = value.map_or_else(
                || none_label(by).to_owned(),
                |value| self.named(by.dimension(), value),
            );
            let verb = if condition.excluded { "is not" } else { "is" };
            let text = format!("{} {verb} {value}", by.title());
            (text, self.question.without(condition))
        };
        self.question.conditions.iter().map(in_words).collect()
    }

    /// The rows that fit a table of this size, or a file.
    fn rows(&self, shown: usize) -> usize {
        if self.question.format == Format::Csv { FILE_ROWS } else { shown }
    }

    /// The name of a value of a dimension.
    fn named(&self, dimension: Dimension, value: &str) -> String {
        match dimension {
            Dimension::Product => self.product(value),
            Dimension::Kind => kind_name(value).to_owned(),
            Dimension::Country => country_name(value).unwrap_or(value).to_owned(),
            Dimension::Device if value == "mobile" => "phone".to_owned(),
            Dimension::Reason | Dimension::Channel => value.replace('_', " "),
            _ => value.to_owned(),
        }
    }

    fn product(&self, id: &str) -> String {
        let name = self.settings.product_name.as_ref().and_then(|name| name(id));
        name.unwrap_or_else(|| id.to_owned())
    }

    /// The products of a record.
    fn products(&self, record: &AttributionRecord) -> Option<String> {
        match record.product_ids.as_slice() {
            [] => None,
            [only] => Some(self.product(only)),
            several => Some(format!("({} products)", several.len())),
        }
    }

    /// The civil day of a moment, as sentences name it.
    fn day(&self, at: Timestamp) -> String {
        at.to_zoned(self.now.time_zone().clone()).strftime("%-d %b %Y").to_string()
    }

    /// The link to the page of a customer.
    fn person_page(&self, customer_id: &str) -> Question {
        self.question.about(Page::Person, customer_id)
    }

    /// Only the table of a file is asked for.
    fn wants(&self, table: &str) -> bool {
        let file = self.question.format == Format::Csv;
        !file || self.question.table.as_deref().is_none_or(|wanted| wanted == table)
    }
}

fn unit_of(found: &CurrencySums) -> Unit {
    Unit { currency: found.currency, exponent: found.exponent }
}

/// The English name of a country, by its ISO 3166 code. The table comes from the time zone database.
fn country_name(code: &str) -> Option<&'static str> {
    let lines = include_str!("../assets/iso3166.tab").lines();
    lines
        .filter_map(|line| line.split_once('\t'))
        .find(|(known, _)| *known == code)
        .map(|pair| pair.1)
}

/// The kind of a record in words, by its stored name.
fn kind_name(name: &str) -> &str {
    match name {
        "one_time" => "One-time",
        "subscription_new" => "New subscription",
        "subscription_renewal" => "Renewal",
        "refund" => "Refund",
        "refund_reversal" => "Failed refund",
        "dispute_loss" => "Lost dispute",
        "dispute_reversal" => "Won dispute",
        "non_revenue" => "No revenue",
        other => other,
    }
}

/// The kind of a record in words.
fn kind_of(kind: &RecordKind) -> String {
    kind_name(kind.as_str()).to_owned()
}

/// The source of a record as one text. `None`: not attributed.
fn source_of(record: &AttributionRecord) -> Option<String> {
    let campaign = &record.campaign.as_ref()?.value;
    let source = campaign.source.as_deref().or(campaign.link_id.as_deref());
    let text = match (source, campaign.campaign_id.as_deref()) {
        (Some(source), Some(name)) => format!("{source} / {name}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => return None,
    };
    Some(text)
}
