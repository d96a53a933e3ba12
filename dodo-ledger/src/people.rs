//! Who is who, and forgetting it.

use std::{collections::BTreeSet, fmt};

use dodo_core::{Campaign, Visitor, email_sha256};

use crate::{
    Ledger,
    attribution::{self, Find, History as _, Link, fit},
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
#[derive(Clone, Default)]
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

/// Shows what is there, never what it is: it is personal data.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("visitor", &self.visitor.is_some())
            .field("campaign", &self.campaign.is_some())
            .field("user_id", &self.user_id.is_some())
            .finish_non_exhaustive()
    }
}

/// Callbacks of pending events still need the body; it goes when they are done.
const ERASE_BODIES: Sql =
    sql!("UPDATE dodo_inbox SET body = NULL WHERE customer_id = $1 AND state <> 'pending'");

impl Ledger {
    /// Notes whose an e-mail address is, for payments that nothing else explains: call it when
    /// somebody signs up or signs in. Payments that were booked before are looked at again.
    ///
    /// Two visitors with one address make it ambiguous: neither is credited. A visitor that is no
    /// [`Visitor`] is left out, with a warning.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn identify(&self, identity: Identity) -> Result<(), Error> {
        let visitor = identity.visitor.as_deref().filter(|id| match Visitor::new(id) {
            Ok(_) => true,
            Err(reason) => {
                tracing::warn!(target: "dodo::ledger", %reason, "an identified visitor was left out");
                false
            }
        });
        let mut past = self.shared.begin_booking().await?;
        let booking = attribution::identify(
            &self.shared.rules,
            &mut past,
            &identity.email,
            visitor,
            identity.campaign.as_ref(),
            identity.user_id.as_deref(),
        )
        .await?;
        self.shared.commit_booking(past, booking).await
    }

    /// Forgets a customer: who it was goes from the ledger and from the stored deliveries that no
    /// callback waits for; what was paid stays, attributed to nobody. Says how many records were
    /// changed.
    ///
    /// What sinks were told is with them: ask them to forget, too.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn forget(&self, customer_id: &str) -> Result<u64, Error> {
        self.forget_whom(Link::Customer(fit::id(customer_id).into_owned())).await
    }

    /// Forgets whoever has this e-mail address, under any customer id. As [`forget`](Self::forget).
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn forget_email(&self, email: &str) -> Result<u64, Error> {
        let Some(hash) = email_sha256(email) else { return Ok(0) };
        self.forget_whom(Link::email(&hash)).await
    }

    async fn forget_whom(&self, person: Link) -> Result<u64, Error> {
        let mut past = self.shared.begin_booking().await?;
        let entries = past.find(&Find::links([person.clone()])).await?;
        let mut customers: BTreeSet<String> =
            entries.into_iter().filter_map(|entry| entry.evidence.party.customer_id).collect();
        if let Link::Customer(id) = &person {
            customers.insert(id.clone()); // also of events that are no entries
        }
        let booking = attribution::forget(&self.shared.rules, &mut past, person).await?;
        let mut tx = past.write().await?;
        for customer in &customers {
            tx.execute(&ERASE_BODIES, args![customer]).await?;
        }
        tx.commit().await?;
        Ok(u64::try_from(booking.changes.len()).unwrap_or_default())
    }
}
