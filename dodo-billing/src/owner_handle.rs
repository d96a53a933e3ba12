//! An owner, with its access and its actions.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use dodo_core::{Error, ErrorKind};
use jiff::Timestamp;

use crate::{
    access::Access,
    billing::Billing,
    fact::{AppDecision, BillingFact},
    owner::OwnerId,
    store::{self, DecisionRow},
    why::Why,
};

/// An owner. [`Billing::owner`] makes it. Await it for the [`Access`].
#[derive(Clone, Debug)]
#[must_use = "await it for the access, or call a method"]
pub struct Owner {
    pub(crate) billing: Billing,
    id: Option<OwnerId>,
}

impl Owner {
    pub(crate) fn new(billing: Billing, id: &str) -> Self {
        Self { billing, id: OwnerId::new(id).ok() }
    }

    /// The id.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) `invalid_owner`.
    pub fn id(&self) -> Result<&OwnerId, Error> {
        self.id.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the application names no usable owner")
                .with_code("invalid_owner")
        })
    }

    /// The signed token of this owner, for the metadata of a payment link or a checkout that the app creates
    /// itself, under the key `dodo_owner`. The owner gets the purchase, and not the customer who pays:
    /// the payer of a link can type the address of a stranger.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn token(&self) -> Result<String, Error> {
        Ok(self.billing.secrets().sign(self.id()?, self.billing.live()))
    }

    /// The access now.
    ///
    /// # Errors
    /// [`StorageUnavailable`](ErrorKind::StorageUnavailable) without the database;
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for a wrong owner; [`Config`](ErrorKind::Config)
    /// without a ledger.
    pub async fn access(&self) -> Result<Access, Error> {
        self.billing.access(self.id()?).await
    }

    /// All facts about the owner.
    pub(crate) async fn facts(&self) -> Result<Vec<BillingFact>, Error> {
        let mut tx = self.billing.ledger()?.database().read().await?;
        let owners = [self.id()?.clone()].into();
        let facts = self.billing.facts_of(&mut tx, &owners, &Default::default()).await?;
        Ok(facts.into_values().next().unwrap_or_default())
    }

    /// The access at another time, from all facts up to that time that are known now. It answers
    /// "was I locked out on Tuesday?" and "what do I have next month, if nothing happens?".
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn at(&self, time: Timestamp) -> Result<Access, Error> {
        let mut facts = self.facts().await?;
        facts.retain(|fact| fact.at <= time);
        Ok(crate::derive(&facts, self.billing.plans(), time))
    }

    /// The access now, and every fact behind it, the oldest first: for support and for operators.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn why(&self) -> Result<Why, Error> {
        let facts = self.facts().await?;
        let access = crate::derive(&facts, self.billing.plans(), self.billing.now());
        Ok(Why::new(access, facts))
    }

    /// Grants a plan without a purchase, until a time or without an end. `id` names the grant: the
    /// same id again replaces it. `why` is a reason that the owner can read.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn grant(
        &self,
        id: &str,
        plan: &str,
        until: Option<Timestamp>,
        why: &str,
    ) -> Result<Access, Error> {
        self.decide(AppDecision::GrantPlan {
            grant_id: id.to_owned(),
            plan: plan.to_owned(),
            until,
            why: why.to_owned(),
        })
        .await
    }

    /// Ends a grant of the app.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn withdraw_grant(&self, id: &str) -> Result<Access, Error> {
        self.decide(AppDecision::WithdrawGrant { grant_id: id.to_owned() }).await
    }

    /// Denies the owner all access, even the free plan.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn block(&self) -> Result<Access, Error> {
        self.decide(AppDecision::Block).await
    }

    /// Removes a block.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn unblock(&self) -> Result<Access, Error> {
        self.decide(AppDecision::Unblock).await
    }

    /// Ends the access of a subscription now, although it is paid. It cancels nothing at Dodo Payments.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn end_access(&self, subscription_id: &str) -> Result<Access, Error> {
        self.decide(AppDecision::EndAccess { subscription_id: subscription_id.to_owned() }).await
    }

    /// Deletes everything that billing stores about the owner: answers, customers, checkouts, decisions. It
    /// cancels nothing at Dodo Payments.
    ///
    /// The facts stay in the ledger: erase the customers of the owner there first. Otherwise the next
    /// booking brings the owner back, because the metadata of its payments names it.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn erase(&self) -> Result<(), Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let ledger = billing.ledger()?;
        let mut tx = ledger.database().begin().await?;
        {
            let mut tx = ledger.projection_tx("billing", &mut tx);
            let locked =
                store::lock_owners(&mut tx, &[owner.clone()].into(), billing.live()).await?;
            for row in locked.values() {
                billing.erase_owner(&mut tx, owner, row.no).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Stores a decision and the answer that follows from it, in one transaction.
    async fn decide(&self, decision: AppDecision) -> Result<Access, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let ledger = billing.ledger()?;
        let mut tx = ledger.database().begin().await?;
        {
            let mut tx = ledger.projection_tx("billing", &mut tx);
            let owners = [owner.clone()].into();
            let locked = store::lock_owners(&mut tx, &owners, billing.live()).await?;
            let (live, at) = (billing.live(), billing.now());
            store::decide(&mut tx, &DecisionRow { owner, live, at, decision: &decision }).await?;
            billing.answer(&mut tx, locked, &Default::default(), at).await?;
        }
        tx.commit().await?;
        self.access().await
    }
}

impl IntoFuture for Owner {
    type Output = Result<Access, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.access().await })
    }
}
