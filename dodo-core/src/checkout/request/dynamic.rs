//! Fields of a dynamic payment link.

use super::builder::builder;

builder! {
    /// The fields of `POST /payments` and `POST /subscriptions`, for
    /// [`DynamicCheckout`](crate::checkout::DynamicCheckout).
    DynamicRequest() {
        /// The product; its kind decides between payment and subscription.
        product_id: product,
        /// How many of `product_id`.
        quantity: number,
        /// The one-time items, 1 to 100.
        product_cart: cart,
        /// The one-time items beside a subscription.
        one_time_product_cart: cart,
        /// Who buys.
        customer: customer,
        /// Where the customer lives.
        billing: address,
        /// ISO 4217.
        billing_currency: text,
        /// Adds a pair of metadata.
        metadata: metadata,
        /// Where the customer returns to.
        return_url: text,
        /// At most 20 codes.
        discount_codes: texts,
        /// The older form of `discount_codes`.
        discount_code: text,
        /// Which ways to pay are offered.
        allowed_payment_method_types: texts,
        /// A saved payment method.
        payment_method_id: text,
        /// Offer the customer's saved payment methods.
        show_saved_payment_methods: flag,
        /// Make the link short.
        short_link: flag,
        /// Ask for 3-D Secure.
        force_3ds: flag,
        /// The buyer's tax id.
        tax_id: text,
        /// The buyer's company.
        customer_business_name: text,
        /// The least that an Indian mandate allows to charge, in paise.
        mandate_min_amount_inr_paise: amount,
        /// Days before a subscription's first charge, 0 to 10,000.
        trial_period_days: number,
        /// Addons of a subscription.
        addons: addons,
        /// Terms of an on-demand subscription.
        on_demand: on_demand,
        /// Skip the page after paying.
        redirect_immediately: flag,
        /// Ask for a phone number.
        require_phone_number: flag,
        /// Whether fees of currency conversion are in the price.
        adaptive_currency_fees_inclusive: flag,
    }
}
