//! The identity of an e-mail address, and the erasure of a person.

use std::fmt;

use dodo_core::{
    SignedIn,
    capture::{Campaign, Captured, CheckoutContext, VisitorId},
};
use jiff::Timestamp;

use crate::{Ledger, booking::Erased, erasure::ErasureReport, error::Error, notify::WakeSignal};

/// The data of an application about a person: an e-mail address, and its visitor or user.
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
    /// A person with this address. The ledger stores only the hash of the address.
    pub fn new(email: impl Into<String>) -> Self {
        Self { email: email.into(), ..Self::default() }
    }

    /// Sets the visitor id of the analytics tool.
    pub fn visitor(mut self, visitor: impl Into<String>) -> Self {
        self.visitor = Some(visitor.into());
        self
    }

    /// Sets the campaign that brought the person.
    pub fn campaign(mut self, campaign: Campaign) -> Self {
        self.campaign = Some(campaign);
        self
    }

    /// The person of a captured checkout or visit, with this address. `None`: the capture has no
    /// visitor and no campaign, for example without consent.
    pub(crate) fn from_context(email: &str, context: &CheckoutContext) -> Option<Self> {
        let visitor = context.visitor.as_ref().map(|visitor| visitor.as_str().to_owned());
        let campaign = context.campaign.clone().filter(|campaign| !campaign.is_empty());
        let is_known = context.consent.allows() && (visitor.is_some() || campaign.is_some());
        let (email, user_id) = (email.to_owned(), context.user_id.clone());
        is_known.then_some(Self { email, visitor, campaign, user_id })
    }

    /// Sets the id of the user in the application.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }
}

/// Shows which fields are set, without their values: they are personal data.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("visitor", &self.visitor.is_some())
            .field("campaign", &self.campaign.is_some())
            .field("user_id", &self.user_id.is_some())
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Links an e-mail address to a visitor or user, for payments without another attribution. Call
    /// it when a user signs up or signs in. A worker then computes the records of that address
    /// again.
    ///
    /// If two visitors share an address, the ledger credits neither and stores only that the
    /// address is ambiguous. Records that are attributed by the address get the user's id, if the
    /// address has exactly one user. The ledger ignores invalid [`VisitorId`]s, user ids and
    /// campaign names, and logs a warning.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn identify(&self, identity: Identity) -> Result<(), Error> {
        let visitor = identity.visitor.as_deref().filter(|id| is_usable(id, "visitor"));
        let user_id = identity.user_id.as_deref().filter(|id| is_usable(id, "user"));
        let campaign = identity.campaign.map(usable).filter(|campaign| !campaign.is_empty());
        let groups = self.shared.groups();
        let queued = groups.identify(&identity.email, visitor, campaign.as_ref(), user_id).await?;
        if queued {
            self.shared.offer(WakeSignal::Stored);
        }
        Ok(())
    }

    /// Identifies the visitor of a request by the e-mail address of a user, and links the user's id
    /// to the address: call it when a user signs up or signs in. If the ledger is the
    /// `context_store` of a checkout and the request has a [`SignedIn`] with an address, the
    /// checkout route calls it.
    ///
    /// The user's id comes from `user` only: at sign-in, the request may still have the previous
    /// user.
    ///
    /// Returns `false` if `user` has no address, the request shows no visitor and no campaign, or consent
    /// was denied.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub async fn identify_captured(
        &self,
        captured: &Captured,
        user: &SignedIn,
    ) -> Result<bool, Error> {
        let email = user.email.as_deref();
        let identity = email.and_then(|email| Identity::from_context(email, &captured.context()));
        let Some(mut identity) = identity else { return Ok(false) };
        identity.user_id.clone_from(&user.user_id);
        self.identify(identity).await?;
        Ok(true)
    }

    /// Erases the personal data of a customer: from the facts, from the records and from the stored
    /// deliveries. The books stay, without attribution. If a callback still needs a delivery, the
    /// ledger erases its body when the callback is done.
    ///
    /// The ledger books pending events of the customer later, without personal data. Sinks keep the
    /// records that they received: ask them to erase the customer, too.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn erase_customer(&self, customer_id: &str) -> Result<ErasureReport, Error> {
        let groups = self.shared.groups();
        let erased = groups.erase_customer(customer_id, Timestamp::now()).await?;
        Ok(self.erased(erased).await)
    }

    /// Erases every customer with this e-mail address, as [`erase_customer`](Self::erase_customer), and the identity of
    /// the address. It uses one transaction for each customer. After an error, call it again.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn erase_email(&self, email: &str) -> Result<ErasureReport, Error> {
        let groups = self.shared.groups();
        let erased = groups.erase_email(email, Timestamp::now()).await?;
        Ok(self.erased(erased).await)
    }

    async fn erased(&self, erased: Erased) -> ErasureReport {
        let records = u64::try_from(erased.changes.len()).unwrap_or_default();
        let deliveries = erased.deliveries;
        let found = records + deliveries + erased.facts > 0;
        if found {
            self.shared.store.purge_copies().await;
            // Other groups of an address are resolved again.
            self.shared.offer(WakeSignal::Stored);
            self.shared.offer_changes();
        }
        ErasureReport { records, deliveries, found }
    }
}

/// Whether the text is valid in a capture.
fn is_usable(text: &str, what: &str) -> bool {
    match VisitorId::new(text) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(
                target: "dodo::ledger", what, reason = error.code(), "a part of an identity was left out"
            );
            false
        }
    }
}

/// A campaign without invalid texts.
fn usable(mut campaign: Campaign) -> Campaign {
    let parts = [
        &mut campaign.link_id,
        &mut campaign.campaign_id,
        &mut campaign.source,
        &mut campaign.medium,
        &mut campaign.content,
        &mut campaign.term,
        &mut campaign.lead_id,
    ];
    for part in parts {
        *part = part.take().filter(|text| is_usable(text, "campaign"));
    }
    campaign
}
