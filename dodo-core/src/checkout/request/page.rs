//! The appearance and the questions of the hosted page.

use super::builder::builder;

builder! {
    /// The appearance of the hosted page.
    Customization() {
        /// `dark`, `light` or `system`.
        theme: text,
        /// Shows the bought items.
        show_order_details: flag,
        /// Shows that the subscription is on demand.
        show_on_demand_tag: flag,
        /// A language code.
        force_language: text,
        /// Colors and fonts.
        theme_config: theme,
    }
}

builder! {
    /// Colors and fonts of the hosted page.
    ThemeConfig() {
        /// Colors of the light theme, by Dodo's names.
        light: colors,
        /// Colors of the dark theme, by Dodo's names.
        dark: colors,
        /// A font file.
        font_primary_url: text,
        /// A font file.
        font_secondary_url: text,
        /// The size of text.
        font_size: text,
        /// The weight of text.
        font_weight: text,
        /// The text of the button, at most 100 characters.
        pay_button_text: text,
        /// The radius of the corners.
        radius: text,
    }
}

builder! {
    /// The questions and the permissions of the hosted page.
    FeatureFlags() {
        /// Default true.
        allow_currency_selection: flag,
        /// Default true.
        allow_discount_code: flag,
        /// Default true.
        allow_phone_number_collection: flag,
        /// Default true.
        allow_tax_id: flag,
        /// Default false.
        always_create_new_customer: flag,
        /// Default false.
        redirect_immediately: flag,
        /// Whether the phone number is required.
        require_phone_number: flag,
        /// Whether the tax id is required.
        require_tax_id: flag,
        /// Whether the cardholder's name is required.
        require_cardholder_name: flag,
        /// Shows the whole checkout on one page.
        single_page: flag,
        /// Whether addons can be changed on the page.
        allow_editing_addons: flag,
        /// Whether the company's name can be changed on the page.
        allow_customer_editing_business_name: flag,
        /// Whether the city can be changed on the page.
        allow_customer_editing_city: flag,
        /// Whether the country can be changed on the page.
        allow_customer_editing_country: flag,
        /// Whether the e-mail address can be changed on the page.
        allow_customer_editing_email: flag,
        /// Whether the name can be changed on the page.
        allow_customer_editing_name: flag,
        /// Whether the state can be changed on the page.
        allow_customer_editing_state: flag,
        /// Whether the street can be changed on the page.
        allow_customer_editing_street: flag,
        /// Whether the tax id can be changed on the page.
        allow_customer_editing_tax_id: flag,
        /// Whether the postal code can be changed on the page.
        allow_customer_editing_zipcode: flag,
    }
}

builder! {
    /// A question on the hosted page. `field_type` is one of `text`, `number`, `email`, `url`, `date`,
    /// `dropdown`, `boolean`.
    CustomField(key: &str, label: &str, field_type: &str) {
        /// Whether the customer must answer.
        required: flag,
        /// The text of the empty field.
        placeholder: text,
        /// The options of a dropdown.
        options: texts,
    }
}
