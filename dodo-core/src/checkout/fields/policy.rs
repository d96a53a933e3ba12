use std::collections::BTreeSet;

use super::{FIELDS, FieldClass};
use crate::Error;

/// Sets of fields that decide the revenue of the merchant or the account that pays. Each set is one
/// case in which an application can accept them from a client.
///
/// ```
/// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
/// use dodo_core::checkout::{FieldSet, SessionCheckout};
/// // Customers name their own price.
/// let donate =
///     SessionCheckout::builder(client).allow_field_set(FieldSet::PayWhatYouWant).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldSet {
    /// `amount` and `paymentAmount`: the price of pay-what-you-want products.
    PayWhatYouWant,
    /// `trial_period_days`: the length of the trial.
    Trial,
    /// `on_demand` and `mandate_min_amount_inr_paise`: mandates to charge later.
    OnDemand,
    /// `customer_id`: the account. A client that may set it can buy in the name of any customer.
    ExistingCustomer,
    /// `payment_method_id`, `confirm`, `show_saved_payment_methods`: the saved card to charge.
    SavedPaymentMethods,
    /// `credit_entitlements`: the number of granted credits.
    Credits,
    /// `force_3ds`, `adaptive_currency_fees_inclusive`: the side that bears losses and fees.
    Risk,
    /// `product_collection_id`: offers every product of a collection.
    Collections,
    /// `custom_fields`, `feature_flags`: the questions of the hosted page.
    Forms,
    /// `font_primary_url`, `font_secondary_url`: files that the hosted page loads.
    Fonts,
}

/// The fields that a client may set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    /// Behaves as Express: every documented field passes, and every other field is dropped.
    express: bool,
    /// Whole paths, or last names, of guarded fields.
    allowed: BTreeSet<Box<str>>,
    sets: BTreeSet<FieldSet>,
    /// Sets that an option of the endpoint denies to clients, even if another option allows them.
    denied: BTreeSet<FieldSet>,
}

impl Policy {
    pub(crate) fn is_express(&self) -> bool {
        self.express
    }

    pub(crate) fn make_express(&mut self) {
        self.express = true;
    }

    pub(crate) fn deny_set(&mut self, set: FieldSet) {
        self.denied.insert(set);
    }

    pub(crate) fn allow_set(&mut self, set: FieldSet) {
        self.sets.insert(set);
    }

    /// Allows a guarded field by its path or its last name.
    pub(crate) fn allow(&mut self, name: &str) -> Result<(), Error> {
        let guards = |class| matches!(class, FieldClass::Guarded(_));
        if !FIELDS.iter().any(|f| guards(f.class) && (f.path == name || last(f.path) == name)) {
            return Err(Error::option(
                "allow_fields",
                name,
                "use a guarded field of the page on field policy",
            ));
        }
        self.allowed.insert(name.into());
        Ok(())
    }

    pub(crate) fn permits(&self, path: &str, class: FieldClass) -> bool {
        match class {
            FieldClass::Free => true,
            FieldClass::Guarded(set) => {
                !self.denied.contains(&set)
                    && (self.express
                        || self.sets.contains(&set)
                        || self.allowed.contains(path)
                        || self.allowed.contains(last(path)))
            }
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
