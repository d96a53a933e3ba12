//! Who buys.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::table::Row;
use crate::clock;

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Row for Customer {
    const NAME: &'static str = "customer";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Customer {
    /// As GET /customers/{id} shows it.
    pub(crate) fn json(&self, business_id: &str) -> Value {
        json!({
            "blocked_at": null,
            "business_id": business_id,
            "created_at": clock::rfc3339(self.created_at),
            "customer_id": self.id,
            "email": self.email,
            "metadata": self.metadata,
            "name": self.name,
            "phone_number": self.phone,
            "updated_at": clock::rfc3339(self.updated_at),
        })
    }

    /// As payments, subscriptions, refunds and disputes carry it.
    pub(crate) fn limited_json(&self) -> Value {
        json!({
            "customer_id": self.id,
            "email": self.email,
            "metadata": self.metadata,
            "name": self.name,
            "phone_number": self.phone,
        })
    }
}

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
