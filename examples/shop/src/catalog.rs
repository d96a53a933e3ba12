//! The products of the shop. The list is also the allow-list of the checkout: a browser can name
//! only its products and quantities.

use dodo_core::{ProductId, money::Currency};

/// One product.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Product {
    /// The id at Dodo Payments.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// The price in minor units.
    pub price: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// The number of decimals of the currency.
    pub exponent: u8,
    /// The period of a subscription, such as `month`.
    pub every: Option<String>,
}

/// All products, in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog(Vec<Product>);

impl Catalog {
    /// Creates a catalog of these products.
    pub(crate) fn new(products: impl IntoIterator<Item = Product>) -> Self {
        Self(products.into_iter().collect())
    }

    /// Returns all products.
    #[must_use]
    pub(crate) fn products(&self) -> &[Product] {
        &self.0
    }

    /// The product with this id.
    #[must_use]
    pub(crate) fn get(&self, id: &str) -> Option<&Product> {
        self.0.iter().find(|product| product.id.as_str() == id)
    }

    /// Returns the name of a product, or its id if the shop does not sell it.
    #[must_use]
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.get(id).map_or(id, |product| &product.name)
    }
}
