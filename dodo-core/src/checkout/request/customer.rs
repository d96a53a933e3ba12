//! Who buys.

use serde_json::Map;

use super::builder::builder;
use crate::CustomerId;

builder! {
    /// Who buys: [`CheckoutCustomer::new`] by e-mail, [`CheckoutCustomer::existing`] by id.
    CheckoutCustomer(email: &str) {
        /// The name.
        name: text,
        /// The phone number.
        phone_number: text,
    }
}

impl CheckoutCustomer {
    /// A customer that Dodo Payments knows. Their saved data is used, so only server code should say
    /// who it is.
    pub fn existing(id: &CustomerId) -> Self {
        Self { fields: Map::new() }.set_raw("customer_id", id.as_str())
    }
}

builder! {
    /// A billing address; the country is ISO 3166-1 alpha-2.
    Address(country: &str) {
        /// The city.
        city: text,
        /// The state or province.
        state: text,
        /// Street and house number.
        street: text,
        /// The postal code.
        zipcode: text,
    }
}
