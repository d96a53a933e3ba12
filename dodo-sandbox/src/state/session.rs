//! A page on which a customer pays.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    SandboxState,
    address::Address,
    object::Object,
    table::{Row, Table},
};
use crate::{
    api::{customers::CUSTOMERS, list::Listed, order::or_default},
    clock::rfc3339,
    flow::quote::{Terms, quote},
};

/// The origin of a page.
#[derive(Clone, Debug, Default)]
pub(crate) enum SessionOrigin {
    /// POST /checkouts.
    #[default]
    Session,
    /// A static payment link, `/buy/{product_id}`.
    StaticLink,
    /// POST /payments: the payment exists already.
    Payment { payment_id: String },
    /// POST /subscriptions: the subscription and its first payment exist already.
    Subscription { subscription_id: String, payment_id: String },
    /// A new payment method for a subscription.
    PaymentMethod { subscription_id: String },
}

/// A number of units of an addon.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct AddonItem {
    pub(crate) addon_id: String,
    pub(crate) quantity: u32,
}

/// One position of a cart.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct CartItem {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    /// Chosen by the customer, per unit; only where they may choose.
    pub(crate) amount: Option<i64>,
    /// Subscriptions only.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) addons: Vec<AddonItem>,
}

impl CartItem {
    /// One unit of a product.
    pub(crate) fn one(product_id: String) -> Self {
        Self { product_id, quantity: 1, amount: None, addons: Vec::new() }
    }
}

/// The buyer from the merchant. Every part can be absent.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct Buyer {
    pub(crate) customer_id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(rename = "phone_number")]
    pub(crate) phone: Option<String>,
    /// Becomes a new customer even if the e-mail address is known.
    #[serde(skip)]
    pub(crate) always_new: bool,
}

impl Buyer {
    /// An existing customer.
    pub(crate) fn known(customer: &Object) -> Self {
        let text = |name: &str| customer.text(name).map(str::to_owned);
        Self {
            customer_id: Some(customer.id.clone()),
            email: text("email"),
            name: text("name"),
            phone: text("phone_number"),
            always_new: false,
        }
    }
}

/// A question that the merchant asks at the checkout.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct CustomField {
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) field_type: FieldType,
    pub(crate) required: Option<bool>,
    pub(crate) placeholder: Option<String>,
    pub(crate) options: Option<Vec<String>>,
}

/// The terms of subscriptions that the merchant charges on demand.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct OnDemand {
    /// Charges nothing now, and only stores the payment method.
    pub(crate) mandate_only: bool,
    /// The unit price of the first charge.
    pub(crate) product_price: Option<i64>,
    pub(crate) product_currency: Option<String>,
    /// Replaces the description of the product.
    pub(crate) product_description: Option<String>,
}

/// The type of the answer of a [`CustomField`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldType {
    Text,
    Number,
    Email,
    Url,
    Date,
    Dropdown,
    Boolean,
}

/// The progress of the customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    #[default]
    Open,
    /// Paid, or under way at the bank: the page cannot be used again. Where the customer was sent.
    Consumed { redirect: Option<String> },
}

/// A hosted page's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) origin: SessionOrigin,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) cart: Vec<CartItem>,
    pub(crate) buyer: Buyer,
    pub(crate) address: Option<Address>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) return_url: Option<String>,
    pub(crate) cancel_url: Option<String>,
    /// The currency of localized prices.
    pub(crate) currency: Option<String>,
    /// The least amount of an Indian mandate, in paise.
    pub(crate) mandate_min: Option<i64>,
    pub(crate) discount_codes: Vec<String>,
    pub(crate) custom_fields: Vec<CustomField>,
    /// Replaces the product's trial.
    pub(crate) trial_days: Option<u32>,
    pub(crate) on_demand: Option<OnDemand>,
    pub(crate) tax_id: Option<String>,
    pub(crate) business_name: Option<String>,
    /// The payment needs a challenge by the cardholder's bank.
    pub(crate) force_3ds: bool,
    /// Options that only the page reads: `customization`, `feature_flags`, `minimal_address`
    /// and `show_saved_payment_methods`, as the API takes them.
    pub(crate) page: Map<String, Value>,
    /// Fields of the page that the customer may not change.
    pub(crate) locked: Vec<&'static str>,
    pub(crate) progress: Progress,
    /// The latest attempt to pay.
    pub(crate) payment_id: Option<String>,
    /// The id of the first attempt to pay, if the API returned it before.
    pub(crate) reserved_payment_id: Option<String>,
    /// Opened by a recovery link: the payment that was abandoned.
    pub(crate) recovering: Option<String>,
}

impl Row for Session {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Session {
    fn table<'a>(state: &'a SandboxState, _: &str) -> Option<&'a Table<Self>> {
        Some(&state.sessions)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, state: &SandboxState) -> Value {
        let payment = self.payment_id.as_ref().and_then(|id| state.payments.get(id));
        let customer = payment.and_then(|payment| state.get(&CUSTOMERS, &payment.customer_id));
        json!({
            "id": self.id,
            "created_at": rfc3339(self.created_at),
            "customer_email": customer.and_then(|own| own.text("email")).or(self.buyer.email.as_deref()),
            "customer_name": customer.and_then(|own| own.text("name")).or(self.buyer.name.as_deref()),
            "payment_id": self.payment_id,
            "payment_status": payment.and_then(|payment| payment.status),
        })
    }
}

impl Session {
    /// An open page for this cart that nothing else is known of.
    pub(crate) fn new(
        state: &SandboxState,
        id: String,
        origin: SessionOrigin,
        life: Duration,
        cart: Vec<CartItem>,
    ) -> Self {
        Self {
            id,
            origin,
            created_at: state.now(),
            expires_at: state.after(life),
            cart,
            ..Self::default()
        }
    }

    /// Whether the customer sees the result before the way back to the shop.
    pub(crate) fn shows_result(&self) -> bool {
        !self.flag("redirect_immediately", true)
    }

    /// A feature flag of the page, or its default.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        let flag = self.page.get("feature_flags").and_then(|flags| flags.get(name));
        flag.and_then(Value::as_bool).unwrap_or(default)
    }

    /// The value that the order has for a field of the page.
    pub(crate) fn given(&self, field: &str) -> Option<&str> {
        let address = self.address.as_ref();
        let value = match field {
            "email" => self.buyer.email.as_ref(),
            "name" => self.buyer.name.as_ref(),
            "phone" => self.buyer.phone.as_ref(),
            "tax_id" => self.tax_id.as_ref(),
            "business_name" => self.business_name.as_ref(),
            "country" => address.map(|own| &own.country),
            "city" => address.and_then(|own| own.city.as_ref()),
            "state" => address.and_then(|own| own.state.as_ref()),
            "street" => address.and_then(|own| own.street.as_ref()),
            "zipcode" => address.and_then(|own| own.zipcode.as_ref()),
            _ => None,
        };
        value.map(String::as_str)
    }

    /// Whether the customer may not change a field of the page.
    pub(crate) fn is_locked(&self, field: &str) -> bool {
        self.locked.contains(&field) && self.given(field).is_some()
    }

    /// Whether the customer may change its cart and currency: no object has these terms yet.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.origin, SessionOrigin::Session | SessionOrigin::StaticLink)
    }

    /// Whether an option of the page is on.
    pub(crate) fn asks(&self, option: &str) -> bool {
        self.page.get(option) == Some(&Value::Bool(true))
    }

    /// An option of `customization`.
    pub(crate) fn look(&self, option: &str) -> Option<&Value> {
        self.page.get("customization")?.get(option).filter(|own| !own.is_null())
    }

    /// Whether the customer must enter a payment method.
    pub(crate) fn needs_method(&self, state: &SandboxState) -> bool {
        quote(state, &self.cart, self.terms()).is_ok_and(|quote| quote.needs_method())
    }

    /// The terms that change the price of its cart.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            country: self.address.as_ref().map_or("", |address| &address.country),
            currency: self.currency.as_deref(),
            discount_codes: &self.discount_codes,
            trial_days: self.trial_days,
            customer_id: self.buyer.customer_id.as_deref(),
            on_demand: self.on_demand.as_ref(),
        }
    }

    /// The URL of the page.
    pub(crate) fn url(&self, state: &SandboxState) -> String {
        state.url(&["session", &self.id])
    }
}
