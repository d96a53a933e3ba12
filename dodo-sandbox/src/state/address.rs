//! Billing addresses.

use serde_json::{Value, json};

/// A billing address.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct Address {
    pub(crate) country: String,
    pub(crate) city: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) street: Option<String>,
    pub(crate) zipcode: Option<String>,
}

impl Address {
    pub(crate) fn json(&self) -> Value {
        json!({
            "city": self.city,
            "country": self.country,
            "state": self.state,
            "street": self.street,
            "zipcode": self.zipcode,
        })
    }
}
