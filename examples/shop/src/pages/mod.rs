//! The pages. Each is a function from data to markup. `maud` escapes all values.

mod account;
mod layout;
mod notice;
mod revenue;
mod storefront;
mod thanks;

pub(crate) use self::{
    account::{AccountView, account, account_live, sign_in},
    layout::{Chrome, Tab},
    notice::{failed, not_found, owners_only},
    revenue::{RevenueView, explain, revenue, revenue_live},
    storefront::{Trail, storefront},
    thanks::{Outcome, thanks, thanks_live},
};
