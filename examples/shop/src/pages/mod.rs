//! The pages. Each is a function from data to markup. `maud` escapes all values.

mod account;
mod layout;
mod merchant;
mod notice;
mod storefront;
mod thanks;

pub(crate) use self::{
    account::{account, account_live, change, members, sign_in},
    layout::{Chrome, Tab},
    merchant::{merchant, merchant_live, merchant_only},
    notice::{failed, not_found},
    storefront::{Trail, storefront},
    thanks::{Outcome, thanks, thanks_live},
};
