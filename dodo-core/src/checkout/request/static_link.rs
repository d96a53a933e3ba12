//! A static link.

use super::builder::builder;

builder! {
    /// The parameters of a static link beside the product, for
    /// [`StaticCheckout`](crate::checkout::StaticCheckout).
    StaticRequest() {
        /// The product. Default: the client names it.
        product_id: product,
        /// The quantity.
        quantity: number,
        /// The page to which the customer returns.
        redirect_url: text,
        /// Prefills the name; ignored if first or last name are given.
        full_name: text,
        /// Prefills the first name.
        first_name: text,
        /// Prefills the last name.
        last_name: text,
        /// Prefills the e-mail address.
        email: text,
        /// Prefills the country, ISO 3166-1 alpha-2.
        country: text,
        /// Prefills street and house number.
        address_line: text,
        /// Prefills the city.
        city: text,
        /// Prefills the state or province.
        state: text,
        /// Prefills the postal code.
        zip_code: text,
        /// Makes the prefilled name read-only.
        disable_full_name: flag,
        /// Makes the prefilled first name read-only.
        disable_first_name: flag,
        /// Makes the prefilled last name read-only.
        disable_last_name: flag,
        /// Makes the prefilled e-mail address read-only.
        disable_email: flag,
        /// Makes the prefilled country read-only.
        disable_country: flag,
        /// Makes the prefilled street read-only.
        disable_address_line: flag,
        /// Makes the prefilled city read-only.
        disable_city: flag,
        /// Makes the prefilled state read-only.
        disable_state: flag,
        /// Makes the prefilled postal code read-only.
        disable_zip_code: flag,
        /// ISO 4217.
        payment_currency: text,
        /// Whether the customer may change the currency.
        show_currency_selector: flag,
        /// The price of a pay-what-you-want product, in minor units. Customers can change it in the
        /// address bar, like every value of a static link.
        payment_amount: amount,
        /// Whether the page asks for discount codes.
        show_discounts: flag,
        /// Adds a pair of metadata.
        metadata: metadata,
    }
}
