//! Who is who, and forgetting it.

use dodo_core::{Campaign, email_sha256};

use crate::{
    Ledger,
    attribution::{self, Link},
    error::Error,
    store::sql::{Sql, args, sql},
};

/// What an application knows about a person: an e-mail address, and whose it is.
///
/// ```
/// use dodo_ledger::Identity;
///
/// let identity = Identity::new("ann@example.com").visitor("v_8f3a").user_id("42");
/// # let _ = identity;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "hand it to `Ledger::identify`"]
pub struct Identity {
    email: String,
    visitor: Option<String>,
    campaign: Option<Campaign>,
    user_id: Option<String>,
}

impl Identity {
    /// A person with this address. Only its hash is kept.
    pub fn new(email: impl Into<String>) -> Self {
        Self { email: email.into(), ..Self::default() }
    }

    /// Who they are to the analytics tool.
    pub fn visitor(mut self, visitor: impl Into<String>) -> Self {
        self.visitor = Some(visitor.into());
        self
    }

    /// What brought them.
    pub fn campaign(mut self, campaign: Campaign) -> Self {
        self.campaign = Some(campaign);
        self
    }

    /// Who they are to the application.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }
}

/// Callbacks of unfinished events still need the body; it goes when they are done.
const ERASE_BODIES: Sql =
    sql!("UPDATE dodo_inbox SET body = NULL WHERE customer_id = $1 AND state = 'done'");

impl Ledger {
    /// Notes whose an e-mail address is, for payments that nothing else explains: call it when
    /// somebody signs up or signs in. Payments that were booked before are looked at again.
    ///
    /// Two visitors with one address make it ambiguous: neither is credited.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn identify(&self, identity: Identity) -> Result<(), Error> {
        let mut tx = self.shared.begin_booking().await?;
        let booking = attribution::identify(
            &self.shared.rules,
            &mut tx,
            &identity.email,
            identity.visitor.as_deref(),
            identity.campaign.as_ref(),
            identity.user_id.as_deref(),
        )
        .await?;
        self.shared.commit_booking(tx, &booking).await
    }

    /// Forgets a customer: who it was goes from the ledger and from the stored deliveries that are
    /// done; what was paid stays, attributed to nobody. Says how many records were changed.
    ///
    /// What sinks were told is with them: ask them to forget, too.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn forget(&self, customer_id: &str) -> Result<u64, Error> {
        let mut tx = self.shared.begin_booking().await?;
        let link = Link::Customer(customer_id.to_owned());
        let booking = attribution::forget(&self.shared.rules, &mut tx, link).await?;
        tx.execute(&ERASE_BODIES, args![customer_id]).await?;
        tx.commit().await?;
        Ok(u64::try_from(booking.changes.len()).unwrap_or_default())
    }

    /// Forgets whoever has this e-mail address, under any customer id. As [`forget`](Self::forget),
    /// except that stored deliveries keep their bodies until they are erased with time.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn forget_email(&self, email: &str) -> Result<u64, Error> {
        let Some(hash) = email_sha256(email) else { return Ok(0) };
        let mut tx = self.shared.begin_booking().await?;
        let booking = attribution::forget(&self.shared.rules, &mut tx, Link::email(&hash)).await?;
        tx.commit().await?;
        Ok(u64::try_from(booking.changes.len()).unwrap_or_default())
    }
}
