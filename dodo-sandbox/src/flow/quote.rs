//! The price of a cart.

use serde_json::{Value, json};

use crate::{
    Error,
    api::products::{ADDONS, LOCALIZED_PRICES},
    flow::discount,
    money::{self, Taxed},
    state::{
        SandboxState,
        object::Object,
        product::{Product, Recurring},
        session::{AddonItem, CartItem, OnDemand},
    },
};

/// One priced addon of a position.
#[derive(Clone, Debug)]
pub(crate) struct AddonLine {
    pub(crate) item: AddonItem,
    pub(crate) name: String,
    currency: String,
    unit: i64,
}

/// One priced position.
#[derive(Clone, Debug)]
pub(crate) struct QuoteLine {
    pub(crate) product: Product,
    pub(crate) quantity: u32,
    pub(crate) addons: Vec<AddonLine>,
    /// All units and addons before discount and tax, due now.
    pub(crate) subtotal: i64,
    pub(crate) discount: i64,
    /// The amount that is due now.
    pub(crate) due: Taxed,
    /// The price of a renewal with addons, for subscriptions: before tax unless it is inclusive.
    pub(crate) recurring_amount: i64,
    /// Days of trial that the purchase begins with.
    pub(crate) trial_days: u32,
}

/// A priced cart.
#[derive(Clone, Debug)]
pub(crate) struct Quote {
    pub(crate) currency: String,
    pub(crate) lines: Vec<QuoteLine>,
    pub(crate) subtotal: i64,
    pub(crate) discount: i64,
    pub(crate) total: i64,
    pub(crate) tax: i64,
    /// The discounts applied, as payments carry them.
    pub(crate) discounts: Option<Value>,
}

/// Circumstances that change the price of a cart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms<'a> {
    pub(crate) country: &'a str,
    /// The currency that the merchant or the customer chose.
    pub(crate) currency: Option<&'a str>,
    pub(crate) discount_codes: &'a [String],
    /// Replaces the products' own trials.
    pub(crate) trial_days: Option<u32>,
    /// The customer, if the merchant named one that exists.
    pub(crate) customer_id: Option<&'a str>,
    /// The terms of the first charge, if the merchant charges on demand.
    pub(crate) on_demand: Option<&'a OnDemand>,
}

/// Prices a cart.
///
/// # Errors
/// 404 for an unknown product or addon; 422 for an empty cart, several currencies, a currency without
/// a price, archived products, discount codes that do not apply, a chosen amount below the minimum, and totals beyond
/// Dodo's range.
pub(crate) fn quote(
    state: &SandboxState,
    cart: &[CartItem],
    terms: Terms<'_>,
) -> Result<Quote, Error> {
    let products = cart
        .iter()
        .map(|item| Ok(localized(state, state.products.find(&item.product_id)?, terms)))
        .collect::<Result<Vec<_>, Error>>()?;
    let first = products.first().ok_or_else(|| {
        Error::unprocessable("PRODUCT_CART_EMTPY", "product_cart: at least one item is needed")
    })?;
    if products.iter().any(|product| product.archived) {
        return Err(Error::unprocessable(
            "PRODUCT_IS_DELETED",
            "product_cart: a product is archived",
        ));
    }
    let discounts = terms
        .discount_codes
        .iter()
        .map(|code| discount::usable(state, code, &products, terms.customer_id))
        .collect::<Result<Vec<_>, _>>()?;
    let mut quote = Quote {
        currency: first.currency.clone(),
        lines: Vec::with_capacity(cart.len()),
        subtotal: 0,
        discount: 0,
        total: 0,
        tax: 0,
        discounts: discount::details(&discounts),
    };
    for (item, product) in cart.iter().zip(&products) {
        if product.currency != quote.currency {
            return Err(Error::unprocessable(
                "UNSUPPORTED_BILLING_CURRENCY",
                "product_cart: all products of a cart have one currency",
            ));
        }
        let line = price(state, product, item, &discounts, terms)?;
        quote.subtotal = money::plus(quote.subtotal, line.subtotal)?;
        quote.discount = money::plus(quote.discount, line.discount)?;
        quote.total = money::plus(quote.total, line.due.total)?;
        quote.tax = money::plus(quote.tax, line.due.tax)?;
        quote.lines.push(line);
    }
    check_currencies(&quote.currency, terms)?;
    discount::check_minimum(quote.discounts.as_ref(), quote.subtotal, &quote.currency)?;
    Ok(quote)
}

/// The sandbox converts no prices, so a chosen currency needs a price of its own.
fn check_currencies(priced: &str, terms: Terms<'_>) -> Result<(), Error> {
    let first_charge = terms.on_demand.and_then(|on_demand| on_demand.product_currency.as_deref());
    for (field, chosen) in
        [("billing_currency", terms.currency), ("product_currency", first_charge)]
    {
        if chosen.is_some_and(|chosen| chosen != priced) {
            return Err(Error::unprocessable(
                "UNSUPPORTED_BILLING_CURRENCY",
                format!(
                    "{field}: the sandbox converts no prices: use {priced}, or add a localized price"
                ),
            ));
        }
    }
    Ok(())
}

/// The currencies that a cart has prices in.
pub(crate) fn currencies(state: &SandboxState, cart: &[CartItem], terms: Terms<'_>) -> Vec<String> {
    let Some(first) = cart.first() else { return Vec::new() };
    let prices = state.matching(&LOCALIZED_PRICES, "product_id", &first.product_id);
    let own = state.products.get(&first.product_id).map(|product| product.currency.as_str());
    let mut found: Vec<_> = own
        .into_iter()
        .chain(prices.filter_map(|price| price.text("currency")))
        .filter(|currency| quote(state, cart, Terms { currency: Some(currency), ..terms }).is_ok())
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A product with its price for the buyer's country or chosen currency.
fn localized(state: &SandboxState, product: &Product, terms: Terms<'_>) -> Product {
    let mut product = product.clone();
    let fits = |price: &&Object| match price.text("mode") {
        Some("by_country") => {
            price.has("country_code", terms.country)
                && terms.currency.is_none_or(|currency| price.has("currency", currency))
        }
        _ => terms.currency.is_some_and(|currency| price.has("currency", currency)),
    };
    let found = state.matching(&LOCALIZED_PRICES, "product_id", &product.id).find(fits);
    if let Some((amount, currency)) =
        found.and_then(|own| own.number("amount").zip(own.text("currency")))
    {
        (product.price, product.currency) = (amount, currency.to_owned());
    }
    let about = terms.on_demand.and_then(|on_demand| on_demand.product_description.as_ref());
    if let (Some(about), Some(_)) = (about, &product.recurring) {
        product.description = Some(about.clone());
    }
    product
}

fn price(
    state: &SandboxState,
    product: &Product,
    item: &CartItem,
    discounts: &[&Object],
    terms: Terms<'_>,
) -> Result<QuoteLine, Error> {
    let unit = unit_price(product, item)?;
    let addons = addons(state, product, &item.addons)?;
    let with_addons = |unit| {
        addons.iter().try_fold(money::times(unit, item.quantity)?, |sum, addon| {
            money::plus(sum, money::times(addon.unit, addon.item.quantity)?)
        })
    };
    let full = with_addons(unit)?;
    let (trial_days, mut subtotal) = match &product.recurring {
        None => (0, full),
        Some(recurring) => match terms.trial_days.unwrap_or(recurring.trial_days) {
            0 => (0, full),
            days => (days, money::times(recurring.trial_amount.unwrap_or(0), item.quantity)?),
        },
    };
    if let (Some(on_demand), Some(_)) = (terms.on_demand, &product.recurring) {
        subtotal = match (on_demand.mandate_only, on_demand.product_price) {
            (true, _) => 0,
            (false, Some(price)) => with_addons(price)?,
            (false, None) => subtotal,
        };
    }
    // Stacked: each code applies to the rest that the codes before it left.
    let discounted = trial_days == 0 || product.price_flag("trial_apply_discounts");
    let left = discounts
        .iter()
        .filter(|discount| discounted && discount::applies_to(discount, &product.id))
        .fold(subtotal, |left, discount| {
            discount::reduce(&Value::Object(discount.fields.clone()), left, &product.currency)
        });
    Ok(QuoteLine {
        quantity: item.quantity,
        addons,
        subtotal,
        discount: subtotal.saturating_sub(left),
        due: money::taxed(left, money::tax_rate(terms.country), product.tax_inclusive),
        recurring_amount: full,
        trial_days,
        product: product.clone(),
    })
}

/// The priced addons of a product.
///
/// # Errors
/// 404 for an unknown one; 422 for a product without it.
pub(crate) fn addons(
    state: &SandboxState,
    product: &Product,
    items: &[AddonItem],
) -> Result<Vec<AddonLine>, Error> {
    let line = |item: &AddonItem| {
        let addon = state.find(&ADDONS, &item.addon_id)?;
        let currency = addon.text("currency").unwrap_or_default();
        if product.recurring.is_none() || !product.offers_addon(&item.addon_id) {
            return Err(Error::invalid("addons: the product does not offer this addon"));
        }
        if currency != product.currency {
            return Err(Error::invalid("addons: the addon has another currency than the product"));
        }
        Ok(AddonLine {
            item: item.clone(),
            name: addon.text("name").unwrap_or_default().to_owned(),
            currency: currency.to_owned(),
            unit: addon.number("price").unwrap_or(0),
        })
    };
    items.iter().filter(|item| item.quantity > 0).map(line).collect()
}

impl AddonLine {
    /// The price of all its units.
    pub(crate) fn amount(&self) -> i64 {
        self.unit.saturating_mul(i64::from(self.item.quantity))
    }

    /// As POST /checkouts/preview shows it.
    pub(crate) fn preview(&self, tax_inclusive: bool, tax_rate: i64) -> Value {
        json!({
            "addon_id": self.item.addon_id,
            "currency": self.currency,
            "discounted_price": self.amount(),
            "name": self.name,
            "og_currency": self.currency,
            "og_price": self.amount(),
            "quantity": self.item.quantity,
            "single_quantity_price": self.unit,
            "tax_category": "digital_products",
            "tax_inclusive": tax_inclusive,
            "tax_rate": tax_rate,
        })
    }
}

fn unit_price(product: &Product, item: &CartItem) -> Result<i64, Error> {
    match item.amount {
        Some(amount) if product.pay_what_you_want => {
            if amount < product.price {
                return Err(Error::unprocessable(
                    "REQUEST_AMOUNT_BELOW_MINIMUM",
                    "product_cart: the amount is below the product's minimum price",
                ));
            }
            Ok(amount)
        }
        None if product.pay_what_you_want => {
            Ok(product.suggested_price.unwrap_or(product.price).max(product.price))
        }
        _ => Ok(product.unit_price()),
    }
}

impl Quote {
    /// Whether the customer must enter a payment method: for money that is due, and for later charges
    /// unless the product waives it.
    pub(crate) fn needs_method(&self) -> bool {
        let waived = |line: &QuoteLine| match (&line.product.recurring, line.trial_days) {
            (None, _) => false,
            (Some(_), 1..) => line.product.price_flag("trial_payment_method_optional"),
            (Some(_), 0) => line.product.price_flag("zero_amount_payment_method_optional"),
        };
        self.total > 0 || !self.lines.iter().all(waived)
    }
}

impl QuoteLine {
    pub(crate) fn recurring(&self) -> Option<&Recurring> {
        self.product.recurring.as_ref()
    }
}
