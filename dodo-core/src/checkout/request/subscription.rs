//! Terms of subscriptions.

use super::builder::builder;

builder! {
    /// Terms of the subscriptions in the cart.
    SubscriptionData() {
        /// Days before the first charge, 0 to 10,000.
        trial_period_days: number,
        /// Charges later, on demand.
        on_demand: on_demand,
    }
}

builder! {
    /// Terms of an on-demand subscription.
    OnDemand(mandate_only: bool) {
        /// The first charge, in minor units.
        product_price: amount,
        /// Its currency.
        product_currency: text,
        /// The description of the charge.
        product_description: text,
        /// Whether the price includes the fees of currency conversion.
        adaptive_currency_fees_inclusive: flag,
    }
}
