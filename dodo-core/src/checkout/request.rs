//! Checkouts that are built in code: every field, typed.
//!
//! [`SessionRequest`] for sessions, [`LinkRequest`] for dynamic links, [`StaticRequest`] for static
//! ones, and the parts they are made of.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Captured, ClientMetadata, CustomerId, ProductId};

/// Makes a builder over a JSON object: one method per field.
macro_rules! builder {
    (
        $(#[$meta:meta])* $name:ident ( $($required:ident: $type:ty),* )
        { $( $(#[$doc:meta])* $field:ident: $kind:ident ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Serialize)]
        #[serde(transparent)]
        #[must_use]
        pub struct $name {
            fields: Map<String, Value>,
        }

        impl $name {
            /// With what it cannot do without; everything else is optional.
            pub fn new($($required: $type),*) -> Self {
                let required: Vec<(&str, Value)> =
                    vec![$((stringify!($required), $required.into_value())),*];
                let named = required.into_iter().map(|(name, value)| (name.to_owned(), value));
                Self { fields: named.collect() }
            }

            $( builder!(@setter $(#[$doc])* $field $kind); )*

            /// Sets a field by its name in Dodo's reference: for fields that are newer than this
            /// crate. Endpoints drop names that they do not know.
            pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
                self.fields.insert(name.into(), value.into());
                self
            }

            /// The fields, as Dodo names them.
            #[must_use]
            pub fn into_fields(self) -> Map<String, Value> {
                self.fields
            }
        }

        builder!(@default $name ($($required)*));

        /// Shows which fields are set; their values may be personal.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_set().entries(self.fields.keys()).finish()
            }
        }

        impl From<$name> for Value {
            fn from(value: $name) -> Self {
                Self::Object(value.into_fields())
            }
        }
    };
    (@default $name:ident ()) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@default $name:ident ($($required:ident)+)) => {};
    (@setter $(#[$doc:meta])* $field:ident text) => {
        $(#[$doc])*
        pub fn $field(mut self, text: impl Into<String>) -> Self {
            self.fields.insert(stringify!($field).to_owned(), Value::String(text.into()));
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident texts) => {
        $(#[$doc])*
        pub fn $field(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
            let texts = texts.into_iter().map(|text| Value::String(text.into())).collect();
            self.fields.insert(stringify!($field).to_owned(), texts);
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident flag) => {
        $(#[$doc])*
        pub fn $field(mut self, on: bool) -> Self {
            self.fields.insert(stringify!($field).to_owned(), on.into());
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident number) => {
        $(#[$doc])*
        pub fn $field(mut self, number: u32) -> Self {
            self.fields.insert(stringify!($field).to_owned(), number.into());
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident amount) => {
        $(#[$doc])*
        pub fn $field(mut self, minor_units: i64) -> Self {
            self.fields.insert(stringify!($field).to_owned(), minor_units.into());
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident metadata) => {
        $(#[$doc])*
        pub fn $field(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            let pairs = self.fields.entry(stringify!($field)).or_insert_with(|| Map::new().into());
            if let Value::Object(pairs) = pairs {
                pairs.insert(key.into(), value.into());
            }
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident colours) => {
        $(#[$doc])*
        pub fn $field<K: Into<String>, V: Into<String>>(
            mut self,
            colours: impl IntoIterator<Item = (K, V)>,
        ) -> Self {
            let colours = colours.into_iter();
            let colours: Map<_, _> =
                colours.map(|(name, colour)| (name.into(), colour.into().into())).collect();
            self.fields.insert(stringify!($field).to_owned(), colours.into());
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident $part:ident) => {
        $(#[$doc])*
        pub fn $field(mut self, part: impl Into<builder!(@type $part)>) -> Self {
            let part: builder!(@type $part) = part.into();
            self.fields.insert(stringify!($field).to_owned(), part.into_value());
            self
        }
    };
    (@type cart) => { Vec<CartItem> };
    (@type addons) => { Vec<Addon> };
    (@type credits) => { Vec<CreditEntitlement> };
    (@type questions) => { Vec<CustomField> };
    (@type customer) => { Customer };
    (@type address) => { Address };
    (@type product) => { ProductId };
    (@type subscription) => { SubscriptionData };
    (@type on_demand) => { OnDemand };
    (@type look) => { Customization };
    (@type theme) => { ThemeConfig };
    (@type flags) => { FeatureFlags };
}

/// What a builder stores.
trait IntoValue {
    fn into_value(self) -> Value;
}

impl<T: Into<Value>> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! into_value { ($($type:ty),*) => { $(
    impl IntoValue for $type {
        fn into_value(self) -> Value {
            self.into()
        }
    }
)* } }
into_value!(
    String,
    &str,
    u32,
    bool,
    Customer,
    Address,
    SubscriptionData,
    OnDemand,
    Customization,
    ThemeConfig,
    FeatureFlags
);

impl IntoValue for ProductId {
    fn into_value(self) -> Value {
        self.as_str().into()
    }
}

builder! {
    /// A checkout session, `POST /checkouts`, built in code.
    ///
    /// Give it to [`Client::create_session`](crate::Client::create_session), or to an endpoint's
    /// `fields` to set what clients do not decide:
    ///
    /// ```
    /// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{
    ///     Checkout, ProductId,
    ///     request::{CartItem, SessionRequest, SubscriptionData},
    /// };
    /// let pro = SessionRequest::new()
    ///     .product_cart([CartItem::new(ProductId::new("pdt_pro")?, 1)])
    ///     .discount_codes(["LAUNCH"])
    ///     .subscription_data(SubscriptionData::new().trial_period_days(14))
    ///     .metadata("plan", "pro");
    /// let endpoint = Checkout::session(client).fields(pro);
    /// # Ok(())
    /// # }
    /// ```
    SessionRequest() {
        /// What is bought: 1 to 20 items, or none with a product collection.
        product_cart: cart,
        /// Who buys.
        customer: customer,
        /// Where the customer lives; needs the country.
        billing_address: address,
        /// ISO 4217. Ignored by Dodo unless adaptive pricing is on.
        billing_currency: text,
        /// Adds a pair of metadata, which travels to the payment and the subscription.
        metadata: metadata,
        /// Where the customer returns to, after success and after failure.
        return_url: text,
        /// Where the back button leads.
        cancel_url: text,
        /// At most 20 codes.
        discount_codes: texts,
        /// The older form of `discount_codes`.
        discount_code: text,
        /// Which ways to pay are offered. Dodo asks to always include `credit` and `debit`.
        allowed_payment_method_types: texts,
        /// A saved payment method; needs `confirm` and an existing customer.
        payment_method_id: text,
        /// Charge at once; the session then lives 15 minutes instead of 24 hours.
        confirm: flag,
        /// Ask for no more of the address than tax needs.
        minimal_address: flag,
        /// Offer the customer's saved payment methods.
        show_saved_payment_methods: flag,
        /// Make the link short.
        short_link: flag,
        /// Ask for 3-D Secure.
        force_3ds: flag,
        /// The buyer's tax id; needs the country.
        tax_id: text,
        /// The buyer's company.
        customer_business_name: text,
        /// The least that an Indian mandate allows to charge, in paise.
        mandate_min_amount_inr_paise: amount,
        /// A collection whose products are offered.
        product_collection_id: text,
        /// At most five questions of your own.
        custom_fields: questions,
        /// Trial and on-demand terms.
        subscription_data: subscription,
        /// How the page looks.
        customization: look,
        /// What the page asks for and allows.
        feature_flags: flags,
    }
}

impl SessionRequest {
    /// Adds what was captured of the visitor to the metadata, for sessions that the app's own handlers
    /// create. What is set already stays. Call it last: one checkout, one call.
    ///
    /// ```
    /// # use dodo_core::{Captured, CheckoutSession, Client, Error, request::{CartItem, SessionRequest}};
    /// # async fn f(client: Client, request: http::Request<()>, book: CartItem) -> Result<(), Error> {
    /// // `VisitorLayer` is in front of this handler.
    /// let mut session = SessionRequest::new().product_cart([book]).metadata("order", "o_1");
    /// if let Some(captured) = request.extensions().get::<Captured>() {
    ///     session = session.captured(captured);
    /// }
    /// let session: CheckoutSession = client.create_session(session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn captured(self, captured: &Captured) -> Self {
        let own = match self.fields.get("metadata") {
            Some(Value::Object(pairs)) => pairs.clone(),
            _ => Map::new(),
        };
        let pairs = captured.inject(&own, Map::new(), ClientMetadata::Strict);
        if pairs.is_empty() { self } else { self.set("metadata", pairs) }
    }
}

builder! {
    /// A payment or subscription with a link, `POST /payments` and `POST /subscriptions`: the older
    /// way. Given to [`DynamicLink::fields`](crate::DynamicLink::fields).
    LinkRequest() {
        /// The product; its kind decides between payment and subscription.
        product_id: product,
        /// How many of `product_id`.
        quantity: number,
        /// What is bought once, 1 to 100 items.
        product_cart: cart,
        /// What is bought once beside a subscription.
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

builder! {
    /// One line of a cart.
    CartItem(product_id: ProductId, quantity: u32) {
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

builder! {
    /// Who buys: [`Customer::new`] by e-mail, [`Customer::existing`] by id.
    Customer(email: &str) {
        /// The name.
        name: text,
        /// The phone number.
        phone_number: text,
    }
}

impl Customer {
    /// A customer that Dodo Payments knows. Their saved data is used, so only server code should say
    /// who it is.
    pub fn existing(id: &CustomerId) -> Self {
        Self { fields: Map::new() }.set("customer_id", id.as_str())
    }
}

builder! {
    /// A billing address; the country is ISO 3166-1 alpha-2.
    Address(country: &str) {
        /// The city.
        city: text,
        /// The state or province.
        state: text,
        /// Street and house number.
        street: text,
        /// The postal code.
        zipcode: text,
    }
}

builder! {
    /// A question on the hosted page. `field_type` is one of `text`, `number`, `email`, `url`, `date`,
    /// `dropdown`, `boolean`.
    CustomField(key: &str, label: &str, field_type: &str) {
        /// Whether it must be answered.
        required: flag,
        /// What the empty field shows.
        placeholder: text,
        /// What a dropdown offers.
        options: texts,
    }
}

builder! {
    /// Terms of the subscriptions in the cart.
    SubscriptionData() {
        /// Days before the first charge, 0 to 10,000.
        trial_period_days: number,
        /// Charge later and at will.
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
        /// What it is for.
        product_description: text,
        /// Whether fees of currency conversion are in the price.
        adaptive_currency_fees_inclusive: flag,
    }
}

builder! {
    /// How the hosted page looks.
    Customization() {
        /// `dark`, `light` or `system`.
        theme: text,
        /// Show what is bought.
        show_order_details: flag,
        /// Show that it is on demand.
        show_on_demand_tag: flag,
        /// A language code.
        force_language: text,
        /// Colours and fonts.
        theme_config: theme,
    }
}

builder! {
    /// Colours and fonts of the hosted page.
    ThemeConfig() {
        /// Colours of the light theme, by Dodo's names.
        light: colours,
        /// Colours of the dark theme, by Dodo's names.
        dark: colours,
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
        /// How round corners are.
        radius: text,
    }
}

builder! {
    /// What the hosted page asks for and allows.
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
        /// Everything on one page.
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
    /// What a static link carries beside the product. Given to
    /// [`StaticLink::fields`](crate::StaticLink::fields).
    StaticRequest() {
        /// How many.
        quantity: number,
        /// Where the customer returns to.
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
        /// address bar, as everything in a static link.
        payment_amount: amount,
        /// Whether the page asks for discount codes.
        show_discounts: flag,
        /// Adds a pair of metadata.
        metadata: metadata,
    }
}
