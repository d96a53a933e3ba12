//! The common part of the bodies of `POST /payments` and `POST /subscriptions`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    body,
    checkouts::{CustomerBody, check_methods},
    prepared::{self, Order},
};
use crate::{
    Error,
    state::{customer::Address, session::CartItem},
};

/// The buyer and the terms.
#[derive(Debug, Deserialize)]
pub(crate) struct Common {
    billing: Address,
    customer: CustomerBody,
    payment_link: Option<bool>,
    return_url: Option<String>,
    metadata: Option<Map<String, Value>>,
    discount_code: Option<String>,
    discount_codes: Option<Vec<String>>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    allowed_payment_method_types: Option<Vec<String>>,
    force_3ds: Option<bool>,
}

/// An order and its customer.
pub(crate) struct Ordered {
    pub(crate) order: Order,
    pub(crate) customer: CustomerBody,
    /// Whether the answer has the address of the page.
    pub(crate) with_link: bool,
}

impl Common {
    /// Makes an order for this cart.
    ///
    /// # Errors
    /// 422 for values that Dodo refuses.
    pub(crate) fn order(self, cart: Vec<CartItem>) -> Result<Ordered, Error> {
        check_methods(self.allowed_payment_method_types.as_deref())?;
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
            force_3ds: self.force_3ds == Some(true),
        };
        Ok(Ordered { order, customer: self.customer, with_link: self.payment_link == Some(true) })
    }
}
