//! A product as the API's JSON: from the fields of a request, and for answers.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    SandboxState,
    product::{LicensePlan, MeterPrice, Period, Product, Recurring, RenewalInterval},
    table::Table,
};
use crate::{Error, api::list::Listed, clock, money};

/// Options of a recurring price.
const TRIAL_FLAGS: [&str; 3] = [
    "trial_apply_discounts",
    "trial_payment_method_optional",
    "zero_amount_payment_method_optional",
];

impl Product {
    /// The price of one unit, with the product's own discount.
    pub(crate) fn unit_price(&self) -> i64 {
        self.price - money::share(self.price, i64::from(self.discount_bps), 10_000)
    }

    /// The category that decides the tax.
    pub(crate) fn tax_category(&self) -> &str {
        self.fields.get("tax_category").and_then(Value::as_str).unwrap_or("digital_products")
    }

    /// The ids of the addons on offer with this product.
    pub(crate) fn offers_addon(&self, id: &str) -> bool {
        self.addon_ids().any(|addon| addon == id)
    }

    /// The ids of the addons that it offers.
    pub(crate) fn addon_ids(&self) -> impl Iterator<Item = &str> {
        let addons = self.fields.get("addons").and_then(Value::as_array);
        addons.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether an option of its price is on.
    pub(crate) fn price_flag(&self, name: &str) -> bool {
        self.fields.get("price").and_then(|price| price.get(name)) == Some(&Value::Bool(true))
    }

    fn price_json(&self) -> Value {
        let mut price = json!({
            "type": "one_time_price",
            "currency": self.currency,
            "discount": self.discount_bps / 100,
            "discount_bps": self.discount_bps,
            "purchasing_power_parity": self.price_flag("purchasing_power_parity"),
            "tax_inclusive": self.tax_inclusive,
        });
        let mut set = |name: &str, value: Value| {
            if let Some(fields) = price.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        };
        let Some(recurring) = &self.recurring else {
            set("price", self.price.into());
            set("pay_what_you_want", self.pay_what_you_want.into());
            set("suggested_price", self.suggested_price.into());
            return price;
        };
        set("payment_frequency_count", recurring.every.count.into());
        set("payment_frequency_interval", recurring.every.interval.as_str().into());
        set("subscription_period_count", recurring.term.count.into());
        set("subscription_period_interval", recurring.term.interval.as_str().into());
        if self.meters.is_empty() {
            set("type", "recurring_price".into());
            set("price", self.price.into());
            set("trial_period_days", recurring.trial_days.into());
            set("trial_amount", recurring.trial_amount.into());
            for name in TRIAL_FLAGS {
                set(name, self.price_flag(name).into());
            }
        } else {
            set("type", "usage_based_price".into());
            set("fixed_price", self.price.into());
            set(
                "meters",
                self.fields.get("price").and_then(|price| price.get("meters")).cloned().into(),
            );
        }
        price
    }

    /// A product from the fields of the API's request, for a new one or one that changes.
    ///
    /// # Errors
    /// 422 for prices and terms that Dodo refuses.
    pub(crate) fn from_fields(
        id: String,
        fields: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let price = fields.get("price").cloned().unwrap_or_default();
        let number = |name: &str| price.get(name).and_then(Value::as_i64);
        let flag = |name: &str| price.get(name) == Some(&Value::Bool(true));
        // The rules of the resource keep all numbers in range.
        let whole = |number: i64| u32::try_from(number).unwrap_or(0);
        let period = |count: &str, interval: &str| {
            let interval = price.get(interval).cloned().unwrap_or_default();
            let interval: RenewalInterval = serde_json::from_value(interval).unwrap_or_default();
            Period { count: whole(number(count).unwrap_or(1)), interval }
        };
        let currency = price.get("currency").and_then(Value::as_str).unwrap_or_default();
        let amount = number("price").or(number("fixed_price")).unwrap_or(0);
        let mut product = Self::one_time(id, text("name").unwrap_or_default(), currency, amount);
        (product.created_at, product.updated_at) = (now, now);
        product.description = text("description");
        product.brand_id = text("brand_id");
        product.tax_inclusive = flag("tax_inclusive");
        product.pay_what_you_want = flag("pay_what_you_want");
        product.suggested_price = number("suggested_price");
        let bps = number("discount_bps").or(number("discount").map(|percent| percent * 100));
        product.discount_bps = whole(bps.unwrap_or(0));
        if price.get("type").is_some_and(|kind| kind != "one_time_price") {
            product.recurring = Some(Recurring {
                every: period("payment_frequency_count", "payment_frequency_interval"),
                term: period("subscription_period_count", "subscription_period_interval"),
                trial_days: whole(number("trial_period_days").unwrap_or(0)),
                trial_amount: number("trial_amount"),
            });
        }
        let meters = price.get("meters").and_then(Value::as_array);
        product.meters = meters.into_iter().flatten().filter_map(MeterPrice::from_json).collect();
        product.license = license_plan(&fields);
        product.archived = fields.get("archived_at").is_some_and(|at| !at.is_null());
        if let Some(Value::Object(metadata)) = fields.get("metadata") {
            product.metadata = metadata.clone();
        }
        product.fields = fields;
        product.check().map_err(|error| Error::invalid(error.message().to_owned()))?;
        Ok(product)
    }
}

fn license_plan(fields: &Map<String, Value>) -> Option<LicensePlan> {
    (fields.get("license_key_enabled") == Some(&Value::Bool(true))).then_some(())?;
    let limit = fields.get("license_key_activations_limit").and_then(Value::as_u64);
    let duration = fields.get("license_key_duration");
    Some(LicensePlan {
        entitlement_id: crate::id::new("ent_"),
        activations_limit: limit.and_then(|limit| u32::try_from(limit).ok()),
        duration: duration.and_then(|duration| {
            let count = u32::try_from(duration.get("count")?.as_u64()?).ok()?;
            let interval = serde_json::from_value(duration.get("interval")?.clone()).ok()?;
            Some(Period { count, interval })
        }),
    })
}

impl MeterPrice {
    fn from_json(price: &Value) -> Option<Self> {
        let text = |name: &str| price.get(name).and_then(Value::as_str);
        let units = text("meter_units_per_credit").and_then(|units| units.parse().ok());
        Some(Self {
            meter_id: text("meter_id")?.to_owned(),
            price_per_unit: text("price_per_unit").unwrap_or("0").to_owned(),
            free_threshold: price.get("free_threshold").and_then(Value::as_i64).unwrap_or(0),
            credit: text("credit_entitlement_id").map(|id| (id.to_owned(), units.unwrap_or(1))),
        })
    }
}

impl Listed for Product {
    fn table<'a>(state: &'a SandboxState, _: &str) -> Option<&'a Table<Self>> {
        Some(&state.products)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// A list shows the amount in place of the price's terms.
    fn json(&self, state: &SandboxState) -> Value {
        let mut product = self.details(state);
        if let Some(fields) = product.as_object_mut() {
            fields.insert("price".to_owned(), self.price.into());
        }
        product
    }

    fn details(&self, state: &SandboxState) -> Value {
        let mut product = self.fields.clone();
        let (price, license) = (self.price_json(), self.license.as_ref());
        let own = json!({
            "brand_id": self.brand_id.as_ref().unwrap_or(&state.brand_id),
            "business_id": state.business_id,
            "created_at": clock::rfc3339(self.created_at),
            "currency": self.currency,
            "description": self.description,
            "is_recurring": self.recurring.is_some(),
            "license_key_enabled": license.is_some(),
            "license_key_activations_limit": license.and_then(|license| license.activations_limit),
            "metadata": self.metadata,
            "name": self.name,
            "price": price,
            "price_detail": price,
            "product_id": self.id,
            "tax_category": self.tax_category(),
            "tax_inclusive": self.tax_inclusive,
            "updated_at": clock::rfc3339(self.updated_at),
        });
        if let Value::Object(own) = own {
            product.extend(own);
        }
        Value::Object(product)
    }

    fn is_archived(&self) -> bool {
        self.archived
    }
}
