//! Products: the catalog of a sandbox.

use jiff::{Span, Timestamp};
use serde_json::{Map, Value};

use super::table::Row;
use crate::{Error, clock, money::MAX_AMOUNT};

/// A unit of billing periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RenewalInterval {
    Day,
    Week,
    #[default]
    Month,
    Year,
}

impl RenewalInterval {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "Day",
            Self::Week => "Week",
            Self::Month => "Month",
            Self::Year => "Year",
        }
    }
}

/// A number of intervals: how often a subscription is charged, or how long it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) count: u32,
    pub(crate) interval: RenewalInterval,
}

impl Period {
    pub(crate) fn after(self, start: Timestamp) -> Timestamp {
        let count = i64::from(self.count.clamp(1, 10_000));
        let span = match self.interval {
            RenewalInterval::Day => Span::new().try_days(count),
            RenewalInterval::Week => Span::new().try_weeks(count),
            RenewalInterval::Month => Span::new().try_months(count),
            RenewalInterval::Year => Span::new().try_years(count.min(1_000)),
        };
        span.map_or(Timestamp::MAX, |span| clock::add_span(start, span))
    }

    /// As [`after`](Self::after), in the rhythm of a day of the month: a short month does not move
    /// those after it.
    pub(crate) fn after_on(self, start: Timestamp, day: i8) -> Timestamp {
        match self.interval {
            RenewalInterval::Day | RenewalInterval::Week => self.after(start),
            RenewalInterval::Month | RenewalInterval::Year => clock::on_day(self.after(start), day),
        }
    }
}

/// The billing terms of a subscription product.
#[derive(Clone, Debug)]
pub(crate) struct Recurring {
    pub(crate) every: Period,
    pub(crate) term: Period,
    pub(crate) trial_days: u32,
    /// The price of a paid trial, per unit.
    pub(crate) trial_amount: Option<i64>,
}

/// The license keys that a sale of a product creates.
#[derive(Clone, Debug)]
pub(crate) struct LicensePlan {
    pub(crate) entitlement_id: String,
    pub(crate) activations_limit: Option<u32>,
    /// The life of a key; `None`: without limit.
    pub(crate) duration: Option<Period>,
}

/// The price of a meter's units in a usage-based product.
#[derive(Clone, Debug)]
pub(crate) struct MeterPrice {
    pub(crate) meter_id: String,
    /// In minor units of the product's currency, a decimal number as text.
    pub(crate) price_per_unit: String,
    pub(crate) free_threshold: i64,
    /// Units are paid with this credit first: its entitlement, and the units that one credit pays.
    pub(crate) credit: Option<(String, i64)>,
}

/// A product of the sandbox's catalog. Prices are in minor units of their currency.
///
/// ```
/// use dodo_sandbox::Product;
///
/// let book = Product::one_time("pdt_book", "A good book", "EUR", 2900).tax_inclusive();
/// let plan = Product::monthly("pdt_pro", "Pro", "USD", 1900).trial_days(14);
/// ```
#[derive(Clone, Debug)]
pub struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) currency: String,
    pub(crate) price: i64,
    pub(crate) tax_inclusive: bool,
    pub(crate) pay_what_you_want: bool,
    pub(crate) suggested_price: Option<i64>,
    pub(crate) recurring: Option<Recurring>,
    pub(crate) license: Option<LicensePlan>,
    pub(crate) meters: Vec<MeterPrice>,
    /// Off the price of each unit, in basis points.
    pub(crate) discount_bps: u32,
    /// `None`: the business's own brand.
    pub(crate) brand_id: Option<String>,
    pub(crate) archived: bool,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// The other fields, as the API takes and shows them.
    pub(crate) fields: Map<String, Value>,
}

impl Row for Product {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Product {
    /// A one-time product.
    pub fn one_time(
        id: impl Into<String>,
        name: impl Into<String>,
        currency: impl Into<String>,
        price: i64,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            id: id.into(),
            name: name.into(),
            description: None,
            currency: currency.into(),
            price,
            tax_inclusive: false,
            pay_what_you_want: false,
            suggested_price: None,
            recurring: None,
            license: None,
            meters: Vec::new(),
            discount_bps: 0,
            brand_id: None,
            archived: false,
            metadata: Map::new(),
            created_at: now,
            updated_at: now,
            fields: Map::new(),
        }
    }

    /// A subscription that is charged every `count` intervals and runs for ten years.
    pub fn subscription(
        id: impl Into<String>,
        name: impl Into<String>,
        currency: impl Into<String>,
        price: i64,
        (count, interval): (u32, RenewalInterval),
    ) -> Self {
        let recurring = Recurring {
            every: Period { count, interval },
            term: Period { count: 10, interval: RenewalInterval::Year },
            trial_days: 0,
            trial_amount: None,
        };
        Self { recurring: Some(recurring), ..Self::one_time(id, name, currency, price) }
    }

    /// A subscription that is charged every month.
    pub fn monthly(
        id: impl Into<String>,
        name: impl Into<String>,
        currency: impl Into<String>,
        price: i64,
    ) -> Self {
        Self::subscription(id, name, currency, price, (1, RenewalInterval::Month))
    }

    /// A text under the name.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// The price holds the tax already. Without this the tax is added to it.
    #[must_use]
    pub fn tax_inclusive(mut self) -> Self {
        self.tax_inclusive = true;
        self
    }

    /// The customer chooses the price; the product's own is the least. One-time products only.
    #[must_use]
    pub fn pay_what_you_want(mut self, suggested: i64) -> Self {
        self.pay_what_you_want = true;
        self.suggested_price = Some(suggested);
        self
    }

    /// Begins with a free trial. Subscriptions only.
    #[must_use]
    pub fn trial_days(mut self, days: u32) -> Self {
        if let Some(recurring) = &mut self.recurring {
            recurring.trial_days = days;
        }
        self
    }

    /// Sets the price of the trial per unit. Subscriptions only.
    #[must_use]
    pub fn trial_amount(mut self, amount: i64) -> Self {
        if let Some(recurring) = &mut self.recurring {
            recurring.trial_amount = Some(amount);
        }
        self
    }

    /// Ends the subscription after this number of intervals instead of ten years. Subscriptions
    /// only.
    #[must_use]
    pub fn runs_for(mut self, count: u32, interval: RenewalInterval) -> Self {
        if let Some(recurring) = &mut self.recurring {
            recurring.term = Period { count, interval };
        }
        self
    }

    /// Each sale creates a license key with this number of activations. `None`: without limit.
    #[must_use]
    pub fn license_keys(mut self, activations_limit: Option<u32>) -> Self {
        let entitlement_id = crate::id::new("ent_");
        self.license = Some(LicensePlan { entitlement_id, activations_limit, duration: None });
        self
    }

    /// A pair of the product's own metadata, which Dodo does not copy to payments.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(plain) {
            return Err(Error::config("a product's id has 1 to 64 letters, digits, '_' and '-'"));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Error::config("a product's currency is an ISO 4217 code, such as USD"));
        }
        let amounts = [Some(self.price), self.suggested_price, self.trial_amount_each()];
        if !amounts.into_iter().flatten().all(|amount| (0..=MAX_AMOUNT).contains(&amount)) {
            return Err(Error::config(
                "a product's prices are not negative and not absurdly large",
            ));
        }
        Ok(())
    }

    fn trial_amount_each(&self) -> Option<i64> {
        self.recurring.as_ref()?.trial_amount
    }
}

/// The catalog of a sandbox that starts without products.
pub(crate) fn demo_catalog() -> Vec<Product> {
    vec![
        Product::one_time("pdt_sandbox_book", "The Field Guide", "USD", 2900)
            .description("An e-book, paid once"),
        Product::monthly("pdt_sandbox_pro", "Pro plan", "USD", 1900)
            .description("A subscription, charged every month"),
        Product::monthly("pdt_sandbox_trial", "Team plan", "EUR", 4900)
            .description("A subscription with 14 days free")
            .trial_days(14),
        Product::one_time("pdt_sandbox_poster", "Poster", "JPY", 4800)
            .description("Priced in a currency without decimals"),
        Product::one_time("pdt_sandbox_license", "Desktop app", "KWD", 9500)
            .description("With a license key, in a currency with three decimals")
            .license_keys(Some(3)),
        Product::one_time("pdt_sandbox_tip", "Tip jar", "USD", 100)
            .description("Pay what you want")
            .pay_what_you_want(500),
    ]
}
