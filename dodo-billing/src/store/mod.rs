//! The tables of billing, and their rows. Everything that a fact of the ledger holds stays there.

mod lease;
mod load;
mod rows;
mod schema;

pub(crate) use self::{
    lease::{free_lease, take_lease},
    load::{Loaded, known, load_groups},
    rows::{
        Change, Checkout, DecisionRow, LockedOwner, StoredAnswer, bind_customers, change_of,
        checkout_of, customers_of, decide, decisions_of, delete_change, delete_checkouts,
        erase_owner, groups_of, has_customer, link_groups, lock_owners, open_checkout,
        owner_of_customer, owner_of_number, owner_of_row, owners_after, owners_of_groups,
        put_checkout, read_answer, unbind_customer, unlink_groups, write_owners,
    },
    schema::SCHEMA,
};
