//! Products, discounts, endpoints and behavior as a file or a request names them.

use serde::Deserialize;

use crate::{Behavior, Error, Product, RenewalInterval, id};

/// The content of `sandbox.toml`, and the body of `POST /__sandbox/seed`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) products: Vec<NewProduct>,
    pub(crate) discounts: Vec<NewDiscount>,
    pub(crate) endpoints: Vec<NewEndpoint>,
    pub(crate) behavior: Option<Behavior>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    #[serde(alias = "id")]
    product_id: String,
    name: String,
    currency: String,
    /// In minor units.
    price: i64,
    description: Option<String>,
    #[serde(default)]
    tax_inclusive: bool,
    /// Makes it a subscription that is charged at this interval.
    every: Option<RenewalInterval>,
    #[serde(default)]
    trial_days: u32,
    /// Makes it a product with license keys.
    #[serde(default)]
    license_key: bool,
    activations_limit: Option<u32>,
}

impl NewProduct {
    /// The product, checked. Its ids follow from its own, so a restart makes them again.
    pub(crate) fn into_product(self) -> Result<Product, Error> {
        let seed = self
            .product_id
            .bytes()
            .fold(0, |seed: u64, byte| seed.wrapping_mul(0x0000_0100_0000_01b3) ^ u64::from(byte));
        let product = id::seeded(&mut fastrand::Rng::with_seed(seed), || {
            let (id, name, currency) = (self.product_id, self.name, self.currency);
            let mut product = match self.every {
                None => Product::one_time(id, name, currency, self.price),
                Some(every) => Product::subscription(id, name, currency, self.price, (1, every)),
            };
            product = product.trial_days(self.trial_days);
            if let Some(text) = self.description {
                product = product.description(text);
            }
            if self.tax_inclusive {
                product = product.tax_inclusive();
            }
            if self.license_key {
                product = product.license_keys(self.activations_limit);
            }
            product
        });
        product.check().map(|()| product)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDiscount {
    pub(crate) code: String,
    /// The share that the code takes off.
    pub(crate) percent: f64,
}

impl NewDiscount {
    /// The share in basis points.
    pub(crate) fn basis_points(&self) -> Result<u32, Error> {
        if self.code.is_empty() || !(0.0..=100.0).contains(&self.percent) {
            return Err(Error::config("unusable discount: use a code and a percentage up to 100"));
        }
        // In range: at most 10,000.
        Ok((self.percent * 100.0).round() as u32)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpoint {
    pub(crate) url: String,
}
