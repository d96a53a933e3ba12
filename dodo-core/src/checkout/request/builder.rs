//! The macro for the types of this folder: a JSON object, and one method per field.

use serde_json::Value;

use super::{
    Address, CheckoutCustomer, Customization, FeatureFlags, OnDemand, SubscriptionData, ThemeConfig,
};
use crate::ProductId;

/// Makes a builder over a JSON object: one method per field.
macro_rules! builder {
    (
        $(#[$meta:meta])* $name:ident ( $($required:ident: $type:ty),* )
        { $( $(#[$doc:meta])* $field:ident: $kind:ident ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, serde::Serialize)]
        #[serde(transparent)]
        #[must_use]
        pub struct $name {
            fields: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            /// Creates it with its required fields. All other fields are optional.
            pub fn new($($required: $type),*) -> Self {
                let required: Vec<(&str, serde_json::Value)> = vec![
                    $((stringify!($required), super::builder::IntoValue::into_value($required))),*
                ];
                let named = required.into_iter().map(|(name, value)| (name.to_owned(), value));
                Self { fields: named.collect() }
            }

            $( builder!(@setter $(#[$doc])* $field $kind); )*

            /// Sets a field by its name in Dodo's reference, for fields that are newer than this crate.
            pub fn set_raw(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
                self.fields.insert(name.into(), value.into());
                self
            }

        }

        builder!(@default $name ($($required)*));

        /// Shows which fields are set; their values may be personal.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.fields.keys()).finish()
            }
        }

        impl From<$name> for serde_json::Value {
            fn from(value: $name) -> Self {
                Self::Object(value.fields)
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
            self.fields.insert(stringify!($field).to_owned(), serde_json::Value::String(text.into()));
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident texts) => {
        $(#[$doc])*
        pub fn $field(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
            let texts = texts.into_iter().map(|text| serde_json::Value::String(text.into())).collect();
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
        pub fn $field(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
            let pairs = self.fields.entry(stringify!($field)).or_insert_with(|| serde_json::Map::new().into());
            if let serde_json::Value::Object(pairs) = pairs {
                pairs.insert(key.into(), value.into());
            }
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident colors) => {
        $(#[$doc])*
        pub fn $field<K: Into<String>, V: Into<String>>(
            mut self,
            colors: impl IntoIterator<Item = (K, V)>,
        ) -> Self {
            let colors = colors.into_iter();
            let colors: serde_json::Map<_, _> =
                colors.map(|(name, color)| (name.into(), color.into().into())).collect();
            self.fields.insert(stringify!($field).to_owned(), colors.into());
            self
        }
    };
    (@setter $(#[$doc:meta])* $field:ident $part:ident) => {
        $(#[$doc])*
        pub fn $field(mut self, part: impl Into<builder!(@type $part)>) -> Self {
            let part: builder!(@type $part) = part.into();
            self.fields.insert(stringify!($field).to_owned(), super::builder::IntoValue::into_value(part));
            self
        }
    };
    (@type cart) => { Vec<super::CheckoutItem> };
    (@type addons) => { Vec<super::Addon> };
    (@type credits) => { Vec<super::CreditEntitlement> };
    (@type questions) => { Vec<super::CustomField> };
    (@type customer) => { super::CheckoutCustomer };
    (@type address) => { super::Address };
    (@type product) => { crate::ProductId };
    (@type subscription) => { super::SubscriptionData };
    (@type on_demand) => { super::OnDemand };
    (@type look) => { super::Customization };
    (@type theme) => { super::ThemeConfig };
    (@type flags) => { super::FeatureFlags };
}
pub(super) use builder;

/// The values that a builder stores.
pub(super) trait IntoValue {
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
    CheckoutCustomer,
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
