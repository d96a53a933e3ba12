//! What a cart costs.

use serde_json::{Value, json};

use crate::{
    Error,
    clock::rfc3339,
    money::{self, Taxed},
    state::{
        Discount, World,
        product::{Product, Recurring},
        session::CartItem,
    },
};

/// One priced position.
#[derive(Clone, Debug)]
pub(crate) struct QuoteLine {
    pub(crate) product: Product,
    pub(crate) quantity: u32,
    /// All units before discount and tax, due now.
    pub(crate) subtotal: i64,
    pub(crate) discount: i64,
    /// What is due now.
    pub(crate) due: Taxed,
    /// What a renewal costs, for subscriptions: before tax unless it is inclusive.
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

/// What changes the price of a cart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms<'a> {
    pub(crate) country: &'a str,
    pub(crate) discount_codes: &'a [String],
    /// Replaces the products' own trials.
    pub(crate) trial_days: Option<u32>,
}

/// Prices a cart.
///
/// # Errors
/// 404 for an unknown product; 422 for an empty cart, several currencies, unknown discount codes, a
/// chosen amount below the least, and totals beyond reason.
pub(crate) fn quote(world: &World, cart: &[CartItem], terms: Terms<'_>) -> Result<Quote, Error> {
    let first = cart.first().ok_or_else(|| {
        Error::unprocessable("PRODUCT_CART_EMTPY", "product_cart: at least one item is needed")
    })?;
    let currency = world.products.find(&first.product_id)?.currency.clone();
    let discounts = terms
        .discount_codes
        .iter()
        .map(|code| find_discount(world, code))
        .collect::<Result<Vec<_>, _>>()?;
    let mut quote = Quote {
        currency,
        lines: Vec::with_capacity(cart.len()),
        subtotal: 0,
        discount: 0,
        total: 0,
        tax: 0,
        discounts: discounts_json(world, &discounts),
    };
    for item in cart {
        let product = world.products.find(&item.product_id)?;
        if product.currency != quote.currency {
            return Err(Error::unprocessable(
                "UNSUPPORTED_BILLING_CURRENCY",
                "product_cart: all products of a cart have one currency",
            ));
        }
        let line = price(product, item, &discounts, terms)?;
        quote.subtotal = money::plus(quote.subtotal, line.subtotal)?;
        quote.discount = money::plus(quote.discount, line.discount)?;
        quote.total = money::plus(quote.total, line.due.total)?;
        quote.tax = money::plus(quote.tax, line.due.tax)?;
        quote.lines.push(line);
    }
    Ok(quote)
}

fn price(
    product: &Product,
    item: &CartItem,
    discounts: &[&Discount],
    terms: Terms<'_>,
) -> Result<QuoteLine, Error> {
    let unit = unit_price(product, item)?;
    let full = money::times(unit, item.quantity)?;
    let (trial_days, subtotal) = match &product.recurring {
        None => (0, full),
        Some(recurring) => match terms.trial_days.unwrap_or(recurring.trial_days) {
            0 => (0, full),
            days => (days, money::times(recurring.trial_amount.unwrap_or(0), item.quantity)?),
        },
    };
    // Stacked: each code takes its share of what the ones before it left.
    let left = discounts.iter().fold(subtotal, |left, discount| {
        left.saturating_sub(money::share(left, i64::from(discount.basis_points), 10_000))
    });
    Ok(QuoteLine {
        quantity: item.quantity,
        subtotal,
        discount: subtotal.saturating_sub(left),
        due: money::taxed(left, money::tax_rate(terms.country), product.tax_inclusive),
        recurring_amount: full,
        trial_days,
        product: product.clone(),
    })
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
        _ => Ok(product.price),
    }
}

fn find_discount<'a>(world: &'a World, code: &str) -> Result<&'a Discount, Error> {
    world.discounts.iter().find(|discount| discount.code.eq_ignore_ascii_case(code)).ok_or_else(
        || Error::unprocessable("INVALID_DISCOUNT_CODE", "this discount code does not exist"),
    )
}

fn discounts_json(world: &World, discounts: &[&Discount]) -> Option<Value> {
    let details = discounts.iter().enumerate().map(|(position, discount)| {
        json!({
            "amount": discount.basis_points,
            "business_id": world.business_id,
            "code": discount.code,
            "created_at": rfc3339(discount.created_at),
            "cycles_remaining": null,
            "discount_id": discount.id,
            "expires_at": null,
            "metadata": {},
            "name": null,
            "position": position,
            "preserve_on_plan_change": true,
            "restricted_to": [],
            "subscription_cycles": null,
            "times_used": discount.times_used,
            "type": "percentage",
            "usage_limit": null,
        })
    });
    (!discounts.is_empty()).then(|| details.collect())
}

impl QuoteLine {
    pub(crate) fn recurring(&self) -> Option<&Recurring> {
        self.product.recurring.as_ref()
    }
}
