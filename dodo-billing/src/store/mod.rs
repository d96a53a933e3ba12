//! The tables of billing, and their rows. Everything that a fact of the ledger holds stays there.

mod load;
mod rows;
mod schema;

pub(crate) use self::{
    load::{Loaded, known, load_groups},
    rows::{
        Change, Checkout, DecisionRow, LockedOwner, bind_customers, change_of, checkout_of,
        customers_of, decide, decisions_of, erase_owner, groups_of, link_groups, lock_owners,
        open_checkout, owner_of_number, owner_of_row, owners_of_groups, put_checkout, read_answer,
        unlink_groups, write_owners,
    },
    schema::SCHEMA,
};
