//! The items of a cart.

use super::builder::builder;
use crate::ProductId;

builder! {
    /// One line of a cart.
    CheckoutItem(product_id: ProductId, quantity: u32) {
        /// The price in minor units, for pay-what-you-want products.
        amount: amount,
        /// Addons, for subscriptions.
        addons: addons,
        /// Credits granted instead of the product's own.
        credit_entitlements: credits,
    }
}

builder! {
    /// An addon of a subscription.
    Addon(addon_id: &str, quantity: u32) {}
}

builder! {
    /// Credits that are granted; the amount is a decimal number as text.
    CreditEntitlement(credit_entitlement_id: &str, credits_amount: &str) {}
}
