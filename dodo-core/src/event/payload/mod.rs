//! The payloads: the `data` of events.
//!
//! The object's own id is required, and for a payment its amount and currency. Every other field
//! may be absent, `null` or unknown.

mod abandoned_checkout;
mod common;
mod credit;
mod dispute;
mod dunning;
mod entitlement_grant;
mod license_key;
mod payment;
mod payout;
mod refund;
mod subscription;
mod values;

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    abandoned_checkout::AbandonedCheckout,
    common::{BillingAddress, CartItem, CustomFieldResponse, Customer, Discount, RefundItem},
    credit::{
        CreditBalanceLow, CreditEntitlementItem, CreditLedgerEntry, MeterCreditItem, MeterItem,
    },
    dispute::{Dispute, DisputeItem},
    dunning::DunningAttempt,
    entitlement_grant::{
        DigitalDelivery, DigitalFile, EntitlementGrant, GrantedFeature, GrantedLicenseKey,
    },
    license_key::LicenseKey,
    payment::{Payment, ServicePeriod},
    payout::Payout,
    refund::Refund,
    subscription::{AddonItem, CancelledBy, ScheduledPlanChange, Subscription},
    values::*,
};
use super::{FieldWarning, lenient};
use crate::Error;

mod private {
    /// Seals [`Payload`](super::Payload), so that it can grow.
    pub trait Sealed {}
}

/// A payload of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a payload of dodo-core",
    note = "payloads are `Payment`, `Subscription`, `Refund` and the others in `PayloadType`; for a type of your own use `WebhooksBuilder::on` or `RawJson::deserialize`"
)]
pub trait Payload:
    private::Sealed
    + DeserializeOwned
    + Serialize
    + Clone
    + std::fmt::Debug
    + Default
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// The type of the payload.
    const TYPE: PayloadType;

    /// Reads `data` of an event. Returns the payload and the omitted fields.
    ///
    /// `Deserialize` refuses invalid values; this function omits them with a warning.
    ///
    /// # Errors
    /// [`UnreadableEvent`](crate::ErrorKind::UnreadableEvent) when the text is not JSON, or lacks a required field.
    fn from_json(json: &str) -> Result<(Self, Vec<FieldWarning>), Error> {
        lenient::read(json, "").map(|read| (read.value, read.warnings))
    }

    /// The id of the object.
    fn id(&self) -> &str;
}

macro_rules! payloads {
    ($( $payload:ident { $id:ident $($amount:ident)* } )*) => {
        /// The type of an event's `data`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum PayloadType {
            $( #[doc = concat!("[`", stringify!($payload), "`](crate::event::", stringify!($payload), ")")] $payload, )*
        }

        impl PayloadType {
            /// The text in `data.payload_type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$payload => stringify!($payload), )*
                }
            }

            /// The field that holds the object's own id.
            pub(crate) const fn id_field(self) -> &'static str {
                match self {
                    $( Self::$payload => stringify!($id), )*
                }
            }

            /// The fields that hold amounts of money.
            pub(crate) const fn amounts(self) -> &'static [&'static str] {
                match self {
                    $( Self::$payload => &[$( stringify!($amount) ),*], )*
                }
            }

            /// The type of the payload.
            pub(crate) fn type_id(self) -> std::any::TypeId {
                match self {
                    $( Self::$payload => std::any::TypeId::of::<$payload>(), )*
                }
            }
        }

        $( impl private::Sealed for $payload {}

        impl Payload for $payload {
            const TYPE: PayloadType = PayloadType::$payload;
            fn id(&self) -> &str {
                &self.$id
            }
        }

        /// Shows the id only: payloads hold personal data and secrets.
        impl std::fmt::Debug for $payload {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($payload)).field(stringify!($id), &self.$id).finish_non_exhaustive()
            }
        } )*
    };
}

// Each payload with the field of its own id and its amounts of money.
payloads! {
    AbandonedCheckout { payment_id }
    CreditBalanceLow { customer_id }
    CreditLedgerEntry { id }
    Dispute { dispute_id amount }
    DunningAttempt { subscription_id }
    EntitlementGrant { id }
    LicenseKey { id }
    Payment { payment_id total_amount tax settlement_amount settlement_tax }
    Payout { payout_id amount fee tax refunds chargebacks }
    Refund { refund_id amount }
    Subscription { subscription_id recurring_pre_tax_amount trial_amount }
}

/// `Debug` of a part of a payload shows only these fields, because the others can be personal data
/// or secrets.
macro_rules! parts {
    ($( $part:ident { $($shown:ident)* } )*) => { $(
        impl std::fmt::Debug for $part {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($part))
                    $( .field(stringify!($shown), &self.$shown) )*
                    .finish_non_exhaustive()
            }
        }
    )* };
}

parts! {
    AddonItem { addon_id quantity }
    BillingAddress { country }
    CancelledBy { actor_type }
    CartItem { product_id quantity }
    CreditEntitlementItem { credit_entitlement_id }
    CustomFieldResponse {}
    Customer { customer_id }
    DigitalDelivery { files }
    DigitalFile { file_id }
    Discount { discount_id amount }
    DisputeItem { dispute_id }
    GrantedFeature { feature_id }
    GrantedLicenseKey { id }
    MeterCreditItem { meter_id }
    MeterItem { meter_id }
    RefundItem { refund_id }
    ScheduledPlanChange { id product_id quantity }
    ServicePeriod { subscription_id starts_at ends_at }
}
