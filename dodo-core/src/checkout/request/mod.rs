//! Typed fields of checkouts, for server code: [`SessionRequest`], [`DynamicRequest`],
//! [`StaticRequest`] and their parts.

mod builder;
mod cart;
mod customer;
mod dynamic;
mod page;
mod session;
mod static_link;
mod subscription;

pub use self::{
    cart::{Addon, CheckoutItem, CreditEntitlement},
    customer::{Address, CheckoutCustomer},
    dynamic::DynamicRequest,
    page::{CustomField, Customization, FeatureFlags, ThemeConfig},
    session::SessionRequest,
    static_link::StaticRequest,
    subscription::{OnDemand, SubscriptionData},
};
