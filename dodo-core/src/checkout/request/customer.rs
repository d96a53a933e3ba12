//! The customer of a checkout.

use serde_json::Map;

use super::builder::builder;
use crate::CustomerId;

builder! {
    /// The customer of a checkout: [`CheckoutCustomer::new`] by e-mail,
    /// [`CheckoutCustomer::existing`] by id.
    CheckoutCustomer(email: &str) {
        /// The name.
        name: text,
        /// The phone number.
        phone_number: text,
    }
}

impl CheckoutCustomer {
    /// Names an existing customer. Dodo Payments uses the saved data of the customer, so only
    /// server code should set the id.
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
