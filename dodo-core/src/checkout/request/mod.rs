//! Checkouts that are built in code: every field, typed.
//!
//! [`SessionRequest`] for sessions, [`LinkRequest`] for dynamic links, [`StaticRequest`] for static
//! ones, and the parts they are made of.

mod builder;
mod cart;
mod customer;
mod link;
mod page;
mod session;
mod static_link;
mod subscription;

pub use self::{
    cart::{Addon, CartItem, CreditEntitlement},
    customer::{Address, Customer},
    link::LinkRequest,
    page::{CustomField, Customization, FeatureFlags, ThemeConfig},
    session::SessionRequest,
    static_link::StaticRequest,
    subscription::{OnDemand, SubscriptionData},
};
