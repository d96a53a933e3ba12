use serde::{Deserialize, Serialize};

use super::{
    BillingAddress, CartItem, CustomFieldResponse, Customer, Discount, DisputeItem, RefundItem,
    values::{
        ChargeType, PaymentProvider, PaymentStatus, RefundExtent, ThreeDsFlow, ThreeDsStatus,
    },
};
use crate::{
    event::{Date, Metadata, fields, scalar},
    money::Currency,
};

/// A payment, as `payment.*` events carry it.
///
/// `payment_id`, `total_amount` and `currency` are required. The event's kind says what happened;
/// `status` is the state at the time of delivery.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Payment {
    /// `pay_...`.
    #[serde(deserialize_with = "fields::id")]
    pub payment_id: String,
    /// The charged amount with tax, in minor units of `currency`. Zero for trials, full discounts
    /// and card updates.
    #[serde(deserialize_with = "fields::payment_total")]
    pub total_amount: i64,
    /// The currency of the payment.
    pub currency: Currency,
    /// The tax in `total_amount`, in minor units.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub tax: Option<i64>,
    /// State at the time of delivery.
    pub status: Option<PaymentStatus>,
    /// The buyer.
    #[serde(default, deserialize_with = "fields::object")]
    pub customer: Customer,
    /// The billing address.
    #[serde(default, deserialize_with = "fields::object")]
    pub billing: BillingAddress,
    /// The metadata of the checkout, with visitor and campaign.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The time of the last change.
    pub updated_at: Option<Date>,
    /// Whether this is a first or a later charge of a subscription. Since October 2026.
    pub charge_type: Option<ChargeType>,
    /// The subscription; absent for one-time payments and for several subscriptions.
    pub subscription_id: Option<String>,
    /// All subscriptions that this payment starts or pays.
    #[serde(default, deserialize_with = "fields::list")]
    pub subscription_ids: Vec<String>,
    /// Whether the payment starts several subscriptions.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_multi_subscription: bool,
    /// Whether the payment only checks a new card.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_update_payment_method: bool,
    /// 0 for the original charge, from 1 for retries of a renewal.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub retry_attempt: Option<i64>,
    /// The paid service periods. Since October 2026.
    #[serde(default, deserialize_with = "fields::objects")]
    pub service_periods: Vec<ServicePeriod>,
    /// Whether the payment includes usage. Since October 2026.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub includes_usage: bool,
    /// One-time products; empty for subscriptions.
    #[serde(default, deserialize_with = "fields::objects")]
    pub product_cart: Vec<CartItem>,
    /// `cks_...`. Absent without a checkout session.
    pub checkout_session_id: Option<String>,
    /// The URL of the checkout page.
    pub payment_link: Option<String>,
    /// `card`, `bank_transfer`, `paypal`, ...
    pub payment_method: Option<String>,
    /// The saved method that was used.
    pub payment_method_id: Option<String>,
    /// `credit`, `visa`, `apple_pay`, ...
    pub payment_method_type: Option<String>,
    /// The payment provider. It is not `dodo` if the merchant uses another provider.
    pub payment_provider: Option<PaymentProvider>,
    /// The amount credited to the Dodo balance, in minor units of `settlement_currency`.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub settlement_amount: Option<i64>,
    /// The currency of the settlement.
    pub settlement_currency: Option<Currency>,
    /// The tax in `settlement_amount`.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub settlement_tax: Option<i64>,
    /// The refund status at delivery.
    pub refund_status: Option<RefundExtent>,
    /// The refunds at delivery. Book refunds from their own events.
    #[serde(default, deserialize_with = "fields::objects")]
    pub refunds: Vec<RefundItem>,
    /// The disputes at delivery.
    #[serde(default, deserialize_with = "fields::objects")]
    pub disputes: Vec<DisputeItem>,
    /// Discounts that were applied.
    #[serde(default, deserialize_with = "fields::objects")]
    pub discounts: Vec<Discount>,
    /// Deprecated: the only discount.
    pub discount_id: Option<String>,
    /// The invoice.
    pub invoice_id: Option<String>,
    /// The invoice as a PDF.
    pub invoice_url: Option<String>,
    /// Answers of the customer.
    #[serde(default, deserialize_with = "fields::objects")]
    pub custom_field_responses: Vec<CustomFieldResponse>,
    /// The status of the delivery of digital goods.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub digital_products_delivered: bool,
    /// The reason code of a failed payment, such as `INSUFFICIENT_FUNDS`.
    pub error_code: Option<String>,
    /// The reason as a sentence.
    pub error_message: Option<String>,
    /// Personal data.
    pub card_holder_name: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub card_issuing_country: Option<String>,
    /// Text: leading zeros count.
    pub card_last_four: Option<String>,
    /// `VISA`, `MASTERCARD`, ...
    pub card_network: Option<String>,
    /// `DEBIT` or `CREDIT`.
    pub card_type: Option<String>,
    /// Month of expiry.
    pub card_exp_month: Option<String>,
    /// Year of expiry.
    pub card_exp_year: Option<String>,
    /// The status of 3-D Secure.
    pub three_ds_flow: Option<ThreeDsFlow>,
    /// The result of 3-D Secure.
    pub three_ds_status: Option<ThreeDsStatus>,
    /// Its version.
    pub three_ds_version: Option<String>,
    /// `Payment`.
    pub payload_type: Option<String>,
}

impl Payment {
    /// The tax of the payment and the tax of its settlement, for booking. A negative tax, or a tax
    /// above its amount, is omitted with a warning. Net is then gross, and never negative.
    #[doc(hidden)]
    #[must_use]
    pub fn usable_taxes(&self) -> (Option<i64>, Option<i64>) {
        let usable = |amount: i64, tax: i64, field: &'static str| {
            if (0..=amount).contains(&tax) {
                return Some(tax);
            }
            tracing::warn!(
                target: "dodo::webhook", payment_id = self.payment_id, field,
                "tax is negative or above its amount; the payment is booked without this tax"
            );
            None
        };
        let settled = self.settlement_amount.zip(self.settlement_tax);
        (
            self.tax.and_then(|tax| usable(self.total_amount, tax, "tax")),
            settled.and_then(|(amount, tax)| usable(amount, tax, "settlement_tax")),
        )
    }
}

/// The service period that one charge pays for.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServicePeriod {
    /// The subscription.
    pub subscription_id: String,
    /// The start.
    pub starts_at: Option<Date>,
    /// The end.
    pub ends_at: Option<Date>,
    /// The part of a full period, as decimal text.
    pub proration_factor: Option<String>,
}
