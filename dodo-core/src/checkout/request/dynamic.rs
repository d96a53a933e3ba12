//! Fields of a dynamic payment link.

use super::builder::builder;

builder! {
    /// The fields of `POST /payments` and `POST /subscriptions`, for
    /// [`DynamicCheckout`](crate::checkout::DynamicCheckout).
    DynamicRequest() {
        /// The product. Its kind decides between payment and subscription.
        product_id: product,
        /// The quantity of `product_id`.
        quantity: number,
        /// The one-time items, 1 to 100.
        product_cart: cart,
        /// The one-time items beside a subscription.
        one_time_product_cart: cart,
        /// The customer.
        customer: customer,
        /// The billing address of the customer.
        billing: address,
        /// ISO 4217.
        billing_currency: text,
        /// Adds a pair of metadata.
        metadata: metadata,
        /// The page to which the customer returns.
        return_url: text,
        /// At most 20 codes.
        discount_codes: texts,
        /// The older form of `discount_codes`.
        discount_code: text,
        /// The offered payment methods.
        allowed_payment_method_types: texts,
        /// A saved payment method.
        payment_method_id: text,
        /// Offers the customer's saved payment methods.
        show_saved_payment_methods: flag,
        /// Makes the link short.
        short_link: flag,
        /// Requires 3-D Secure.
        force_3ds: flag,
        /// The buyer's tax id.
        tax_id: text,
        /// The buyer's company.
        customer_business_name: text,
        /// The smallest charge that an Indian mandate allows, in paise.
        mandate_min_amount_inr_paise: amount,
        /// Days before a subscription's first charge, 0 to 10,000.
        trial_period_days: number,
        /// Addons of a subscription.
        addons: addons,
        /// Terms of an on-demand subscription.
        on_demand: on_demand,
        /// Skips the page after the payment.
        redirect_immediately: flag,
        /// Asks for a phone number.
        require_phone_number: flag,
        /// Whether the price includes the fees of currency conversion.
        adaptive_currency_fees_inclusive: flag,
    }
}
