//! Who buys.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{World, table::Row};
use crate::{api::list::Listed, clock};

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    /// The entry of the block list, and its time.
    pub(crate) blocked: Option<(String, Timestamp)>,
    pub(crate) created_at: Timestamp,
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
            "blocked_at": self.blocked.as_ref().map(|(_, at)| clock::rfc3339(*at)),
            "blocklist_entry_id": self.blocked.as_ref().map(|(id, _)| id),
            "business_id": business_id,
            "created_at": clock::rfc3339(self.created_at),
            "customer_id": self.id,
            "email": self.email,
            "metadata": self.metadata,
            "name": self.name,
            "phone_number": self.phone,
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

impl Listed for Customer {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, world: &World) -> Value {
        self.json(&world.business_id)
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
