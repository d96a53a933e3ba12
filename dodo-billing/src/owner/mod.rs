//! Owners: who they are, and which facts are theirs.

mod id;
mod resolve;
mod token;

pub(crate) use self::resolve::{Known, owned};
pub use self::{id::OwnerId, token::OwnerSecrets};
