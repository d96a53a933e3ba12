//! Owners: their ids, and the owner of each fact.

mod id;
mod resolve;
mod token;

pub(crate) use self::resolve::{Known, owned};
pub use self::{id::OwnerId, token::OwnerSecrets};
