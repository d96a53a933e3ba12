//! What the shop sells. The list is also the allow-list of the checkout: a browser can name
//! products of it and quantities, nothing else.

use dodo_core::{ProductId, money::Currency};

/// One product.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Product {
    /// Dodo's id for it.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// The price in minor units.
    pub price: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// How many decimals the currency has.
    pub exponent: u8,
    /// The period of a subscription, such as `month`.
    pub every: Option<String>,
}

/// All products, in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog(Vec<Product>);

impl Catalog {
    /// A catalog of these.
    pub(crate) fn new(products: impl IntoIterator<Item = Product>) -> Self {
        Self(products.into_iter().collect())
    }

    /// All of it.
    #[must_use]
    pub(crate) fn products(&self) -> &[Product] {
        &self.0
    }

    /// The product with this id.
    #[must_use]
    pub(crate) fn get(&self, id: &str) -> Option<&Product> {
        self.0.iter().find(|product| product.id.as_str() == id)
    }

    /// What a product is called; its id, if it is not (or no longer) sold here.
    #[must_use]
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.get(id).map_or(id, |product| &product.name)
    }
}
