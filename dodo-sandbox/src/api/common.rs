//! What the bodies of `POST /payments` and `POST /subscriptions` have in common.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{
    body,
    checkouts::{CustomerBody, check_currency},
    prepared::{self, Order},
};
use crate::{
    Error,
    state::{customer::Address, session::CartItem},
};

/// Two readings of one body. Unlike a flattened field, each says which of its fields is wrong.
#[derive(Debug)]
pub(crate) struct Both<A, B>(pub(crate) A, pub(crate) B);

impl<'de, A: de::DeserializeOwned, B: de::DeserializeOwned> Deserialize<'de> for Both<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Value::deserialize(deserializer)?;
        Ok(Self(part(&body)?, part(&body)?))
    }
}

fn part<T: de::DeserializeOwned, E: de::Error>(body: &Value) -> Result<T, E> {
    serde_path_to_error::deserialize(body).map_err(E::custom)
}

/// Who buys, and on which terms.
#[derive(Debug, Deserialize)]
pub(crate) struct Common {
    billing: Address,
    customer: CustomerBody,
    payment_link: Option<bool>,
    return_url: Option<String>,
    metadata: Option<Map<String, Value>>,
    billing_currency: Option<String>,
    discount_code: Option<String>,
    discount_codes: Option<Vec<String>>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
}

/// An order, and whom it is for.
pub(crate) struct Ordered {
    pub(crate) order: Order,
    pub(crate) customer: CustomerBody,
    /// Whether the answer shows the page to pay on.
    pub(crate) with_link: bool,
}

impl Common {
    /// Checks it all and makes an order for this cart.
    ///
    /// # Errors
    /// 422 for what Dodo would not take.
    pub(crate) fn order(self, cart: Vec<CartItem>) -> Result<Ordered, Error> {
        check_currency(self.billing_currency.as_deref())?;
        let order = Order {
            cart,
            billing: self.billing,
            metadata: body::metadata(self.metadata)?,
            return_url: body::web_url("return_url", self.return_url)?,
            discount_codes: prepared::codes(self.discount_code, self.discount_codes)?,
            trial_days: None,
            on_demand: false,
            tax_id: self.tax_id,
            business_name: self.customer_business_name,
        };
        Ok(Ordered { order, customer: self.customer, with_link: self.payment_link == Some(true) })
    }
}
