//! The table of checkout fields, and of the side that may set each field.
//!
//! Sources: Dodo Payments' API reference for `POST /checkouts`, `/payments` and `/subscriptions`, and
//! its page on static payment links. `docs/field-policy.md` is generated from this table.

use super::{Field, FieldClass::*, Kind::*, Meaning, Set::*, Where};

const S: Where = Where::SESSION;
const P: Where = Where::PAYMENT;
const U: Where = Where::SUBSCRIPTION;
const L: Where = Where::STATIC;
const D: Where = P.and(U);
const SD: Where = S.and(D);

/// The largest integer that every JSON parser reads exactly.
const MAX_AMOUNT: i64 = 9_007_199_254_740_991;
/// Dodo's integers are 32 bits wide.
const MAX_QUANTITY: i64 = i32::MAX as i64;

const QUANTITY: super::Kind = Int(1, MAX_QUANTITY);
const AMOUNT: super::Kind = Amount(MAX_AMOUNT);

macro_rules! fields { ($( $path:literal $on:ident $(: $meaning:ident,)? $kind:expr, $class:expr, $note:literal; )*) => {
    /// Every field that Dodo Payments documents for a checkout.
    pub(crate) const FIELDS: &[Field] = &[ $( Field {
        path: $path, on: $on, kind: $kind, class: $class, note: $note,
        meaning: meaning!($($meaning)?),
    } ),* ];
} }

macro_rules! meaning {
    () => {
        None
    };
    ($meaning:ident) => {
        Some(Meaning::$meaning)
    };
}

fields! {
    "product_cart" S: Goods, List(0, 20), Free, "the goods; empty only with `product_collection_id`";
    "product_cart[]" S Object(&["product_id", "quantity"]), Free, "";
    "product_cart[].product_id" S Id, Free, "";
    "product_cart[].quantity" S QUANTITY, Free, "";
    "product_cart[].amount" S AMOUNT, Guarded(PayWhatYouWant), "minor units, for pay-what-you-want products";
    "product_cart[].addons" S Items(100), Free, "for subscriptions";
    "product_cart[].addons[]" S Object(&["addon_id", "quantity"]), Free, "";
    "product_cart[].addons[].addon_id" S Id, Free, "";
    "product_cart[].addons[].quantity" S QUANTITY, Free, "";
    "product_cart[].credit_entitlements" S Items(100), Guarded(Credits), "credits that this session grants instead of the product's";
    "product_cart[].credit_entitlements[]" S Object(&["credit_entitlement_id", "credits_amount"]), Free, "";
    "product_cart[].credit_entitlements[].credit_entitlement_id" S Id, Free, "";
    "product_cart[].credit_entitlements[].credits_amount" S Decimal, Free, "a decimal number as text";
    "customer" SD: Payer, Customer, Free, "an existing customer by id, or a new one by e-mail";
    "customer.customer_id" SD Id, Guarded(ExistingCustomer), "an existing customer of the shop";
    "customer.email" SD Email, Free, "";
    "customer.name" SD Text(1, 255), Free, "";
    "customer.phone_number" SD Text(1, 32), Free, "";
    "billing_address" S: BillingAddress, Object(&["country"]), Free, "";
    "billing_address.country" S Country, Free, "";
    "billing_address.city" S Text(0, 255), Free, "";
    "billing_address.state" S Text(0, 255), Free, "";
    "billing_address.street" S Text(0, 500), Free, "";
    "billing_address.zipcode" S Text(0, 32), Free, "";
    "billing" D: BillingAddress, Object(&["country"]), Free, "";
    "billing.country" D Country, Free, "";
    "billing.city" D Text(0, 255), Free, "";
    "billing.state" D Text(0, 255), Free, "";
    "billing.street" D Text(0, 500), Free, "";
    "billing.zipcode" D Text(0, 32), Free, "";
    "billing_currency" SD: Currency, Currency, Free, "";
    "metadata" SD Metadata, Free, "at most 50 pairs; pairs of server code and of the visitor capture win";
    "return_url" SD: ReturnAddress, ReturnUrl, Free, "only to allowed origins";
    "cancel_url" S: ReturnAddress, ReturnUrl, Free, "only to allowed origins";
    "discount_codes" SD: Discount, List(0, 20), Free, "not together with `discount_code`";
    "discount_codes[]" SD Text(1, 255), Free, "";
    "discount_code" SD: Discount, Text(1, 255), Free, "the older form of `discount_codes`";
    "allowed_payment_method_types" SD Items(200), Free, "";
    "allowed_payment_method_types[]" SD Word, Free, "";
    "payment_method_id" SD: Payer, Id, Guarded(SavedPaymentMethods), "charges a saved payment method";
    "confirm" S: Payer, Bool, Guarded(SavedPaymentMethods), "charges at once, without a hosted page";
    "show_saved_payment_methods" SD Bool, Guarded(SavedPaymentMethods), "";
    "minimal_address" S Bool, Free, "";
    "short_link" SD Bool, Free, "";
    "force_3ds" SD Bool, Guarded(Risk), "decides who bears the loss of a stolen card";
    "tax_id" SD Text(1, 64), Free, "";
    "customer_business_name" SD Text(1, 255), Free, "";
    "mandate_min_amount_inr_paise" SD: Terms, AMOUNT, Guarded(OnDemand), "the minimum amount of an Indian mandate, in paise";
    "product_collection_id" S: Goods, Id, Guarded(Collections), "offers every product of the collection";
    "custom_fields" S List(0, 5), Guarded(Forms), "questions on the hosted page";
    "custom_fields[]" S Object(&["key", "label", "field_type"]), Free, "";
    "custom_fields[].key" S Text(1, 64), Free, "";
    "custom_fields[].label" S Text(1, 255), Free, "";
    "custom_fields[].field_type" S OneOf(&["text", "number", "email", "url", "date", "dropdown", "boolean"]), Free, "";
    "custom_fields[].required" S Bool, Free, "";
    "custom_fields[].placeholder" S Text(0, 255), Free, "";
    "custom_fields[].options" S Items(100), Free, "";
    "custom_fields[].options[]" S Text(1, 255), Free, "";
    "subscription_data" S: Terms, Object(&[]), Free, "";
    "subscription_data.trial_period_days" S Int(0, 10_000), Guarded(Trial), "days before the first charge";
    "subscription_data.on_demand" S Object(&["mandate_only"]), Guarded(OnDemand), "";
    "subscription_data.on_demand.mandate_only" S Bool, Free, "";
    "subscription_data.on_demand.product_price" S AMOUNT, Free, "minor units";
    "subscription_data.on_demand.product_currency" S Currency, Free, "";
    "subscription_data.on_demand.product_description" S Text(0, 1000), Free, "";
    "subscription_data.on_demand.adaptive_currency_fees_inclusive" S Bool, Free, "";
    "customization" S Object(&[]), Free, "how the hosted page looks";
    "customization.theme" S OneOf(&["dark", "light", "system"]), Free, "";
    "customization.show_order_details" S Bool, Free, "";
    "customization.show_on_demand_tag" S Bool, Free, "";
    "customization.force_language" S Text(2, 16), Free, "";
    "customization.theme_config" S Object(&[]), Free, "";
    "customization.theme_config.light" S Texts, Free, "16 colors";
    "customization.theme_config.dark" S Texts, Free, "16 colors";
    "customization.theme_config.font_primary_url" S Url, Guarded(Fonts), "a file that the hosted page loads";
    "customization.theme_config.font_secondary_url" S Url, Guarded(Fonts), "a file that the hosted page loads";
    "customization.theme_config.font_size" S Text(1, 16), Free, "";
    "customization.theme_config.font_weight" S Text(1, 16), Free, "";
    "customization.theme_config.pay_button_text" S Limited(100), Free, "";
    "customization.theme_config.radius" S Text(1, 16), Free, "";
    "feature_flags" S Object(&[]), Guarded(Forms), "the inputs and choices of the hosted page";
    "feature_flags.allow_currency_selection" S Bool, Free, "";
    "feature_flags.allow_discount_code" S Bool, Free, "";
    "feature_flags.allow_phone_number_collection" S Bool, Free, "";
    "feature_flags.allow_tax_id" S Bool, Free, "";
    "feature_flags.always_create_new_customer" S Bool, Free, "";
    "feature_flags.redirect_immediately" S Bool, Free, "";
    "feature_flags.require_phone_number" S Bool, Free, "";
    "feature_flags.require_tax_id" S Bool, Free, "";
    "feature_flags.require_cardholder_name" S Bool, Free, "";
    "feature_flags.single_page" S Bool, Free, "";
    "feature_flags.allow_editing_addons" S Bool, Free, "";
    "feature_flags.allow_customer_editing_business_name" S Bool, Free, "";
    "feature_flags.allow_customer_editing_city" S Bool, Free, "";
    "feature_flags.allow_customer_editing_country" S Bool, Free, "";
    "feature_flags.allow_customer_editing_email" S Bool, Free, "";
    "feature_flags.allow_customer_editing_name" S Bool, Free, "";
    "feature_flags.allow_customer_editing_state" S Bool, Free, "";
    "feature_flags.allow_customer_editing_street" S Bool, Free, "";
    "feature_flags.allow_customer_editing_tax_id" S Bool, Free, "";
    "feature_flags.allow_customer_editing_zipcode" S Bool, Free, "";

    "product_id" U: Goods, Id, Free, "one product: a subscription, or a payment if the product is paid once";
    "quantity" U: Goods, QUANTITY, Free, "of `product_id`; 1 if absent";
    "product_cart" P: Goods, List(1, 100), Free, "goods that are bought once";
    "product_cart[]" P Object(&["product_id", "quantity"]), Free, "";
    "product_cart[].product_id" P Id, Free, "";
    "product_cart[].quantity" P QUANTITY, Free, "";
    "product_cart[].amount" P AMOUNT, Guarded(PayWhatYouWant), "minor units, for pay-what-you-want products";
    "one_time_product_cart" U: Goods, List(0, 100), Free, "bought once beside the subscription";
    "one_time_product_cart[]" U Object(&["product_id", "quantity"]), Free, "";
    "one_time_product_cart[].product_id" U Id, Free, "";
    "one_time_product_cart[].quantity" U QUANTITY, Free, "";
    "one_time_product_cart[].amount" U AMOUNT, Guarded(PayWhatYouWant), "minor units, for pay-what-you-want products";
    "addons" U: Goods, Items(100), Free, "";
    "addons[]" U Object(&["addon_id", "quantity"]), Free, "";
    "addons[].addon_id" U Id, Free, "";
    "addons[].quantity" U QUANTITY, Free, "";
    "trial_period_days" U: Terms, Int(0, 10_000), Guarded(Trial), "days before the first charge";
    "on_demand" U: Terms, Object(&["mandate_only"]), Guarded(OnDemand), "";
    "on_demand.mandate_only" U Bool, Free, "";
    "on_demand.product_price" U AMOUNT, Free, "minor units";
    "on_demand.product_currency" U Currency, Free, "";
    "on_demand.product_description" U Text(0, 1000), Free, "";
    "on_demand.adaptive_currency_fees_inclusive" U Bool, Free, "";
    "payment_link" D Bool, Free, "always sent as true: without it there is no page to pay on";
    "redirect_immediately" D Bool, Free, "";
    "require_phone_number" D Bool, Free, "";
    "adaptive_currency_fees_inclusive" D: Terms, Bool, Guarded(Risk), "decides who pays for the conversion";

    "productId" L: Goods, Id, Free, "the product";
    "quantity" L QUANTITY, Free, "1 if absent";
    "redirect_url" L: ReturnAddress, ReturnUrl, Free, "only to allowed origins";
    "fullName" L: Payer, Text(1, 255), Free, "";
    "firstName" L: Payer, Text(1, 255), Free, "";
    "lastName" L: Payer, Text(1, 255), Free, "";
    "email" L: Payer, Email, Free, "";
    "country" L: BillingAddress, Country, Free, "";
    "addressLine" L: BillingAddress, Text(1, 500), Free, "";
    "city" L: BillingAddress, Text(1, 255), Free, "";
    "state" L: BillingAddress, Text(1, 255), Free, "";
    "zipCode" L: BillingAddress, Text(1, 32), Free, "";
    "disableFullName" L: Payer, Switch, Free, "";
    "disableFirstName" L: Payer, Switch, Free, "";
    "disableLastName" L: Payer, Switch, Free, "";
    "disableEmail" L: Payer, Switch, Free, "";
    "disableCountry" L: BillingAddress, Switch, Free, "";
    "disableAddressLine" L: BillingAddress, Switch, Free, "";
    "disableCity" L: BillingAddress, Switch, Free, "";
    "disableState" L: BillingAddress, Switch, Free, "";
    "disableZipCode" L: BillingAddress, Switch, Free, "";
    "paymentCurrency" L: Currency, Currency, Free, "";
    "showCurrencySelector" L: Currency, Bool, Free, "";
    "paymentAmount" L AMOUNT, Guarded(PayWhatYouWant), "for pay-what-you-want products; sent unchanged";
    "showDiscounts" L Bool, Free, "";
}
