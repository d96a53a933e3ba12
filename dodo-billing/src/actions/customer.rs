//! The customer of an owner at Dodo Payments, and its portal.

use dodo_core::{CustomerId, Error, client::NewCustomer, event::Customer, internals::OWNER_KEY};

use super::not_found;
use crate::{owner_handle::Owner, store};

impl Owner {
    /// A link to the portal of the newest customer of the owner. An owner without a customer gets one, if
    /// the app names the e-mail address.
    ///
    /// # Errors
    /// [`NotFound`](dodo_core::ErrorKind::NotFound) `no_customer` without a customer and an address; those of
    /// [`access`](Self::access) and of [`portal_link`](dodo_core::Client::portal_link).
    pub async fn portal_link(&self, email: Option<&str>) -> Result<String, Error> {
        let customer = self.customer(email).await?;
        self.billing.client().portal_link(&customer, self.billing.return_to()).await
    }

    /// The newest customer of the owner. An owner without a customer gets one, if the app names the e-mail
    /// address: call it after the sign-up. The metadata of the customer names the owner. Two requests at the
    /// same time create one customer.
    ///
    /// # Errors
    /// As [`portal_link`](Self::portal_link).
    pub async fn customer(&self, email: Option<&str>) -> Result<CustomerId, Error> {
        if let Some(known) = self.known_customer().await? {
            return Ok(known);
        }
        let missing = || not_found("no_customer", "the owner has no customer yet");
        let email = email.map(str::to_owned).ok_or_else(missing)?;
        let customer = self.alone(|owner| async move { owner.customer_alone(Some(&email)).await });
        customer.await?.ok_or_else(missing)
    }

    /// The same for a caller that holds the lease. `None`: there is no customer, and no address to
    /// create one.
    pub(super) async fn customer_alone(
        &self,
        email: Option<&str>,
    ) -> Result<Option<CustomerId>, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        if let Some(known) = self.known_customer().await? {
            return Ok(Some(known));
        }
        let Some(email) = email else { return Ok(None) };
        let customer = match self.lost_customer(email).await? {
            Some(lost) => lost,
            None => {
                let new = NewCustomer::new(email, email).metadata(OWNER_KEY, self.token()?);
                billing.client().create_customer(&new).await?
            }
        };
        let ledger = billing.ledger()?;
        let mut tx = ledger.database().begin().await?;
        let bound = [(customer.as_str().to_owned(), owner.clone())].into();
        let mut projection = ledger.projection_tx("billing", &mut tx);
        store::bind_customers(&mut projection, &bound, billing.live(), billing.now()).await?;
        drop(projection);
        tx.commit().await?;
        Ok(Some(customer))
    }

    /// A customer that an earlier request created without learning its id. The address finds it, and the
    /// signed owner in its metadata proves it.
    async fn lost_customer(&self, email: &str) -> Result<Option<CustomerId>, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let mut customers = billing.client().list::<Customer>("/customers", &[("email", email)]);
        while let Some(customer) = customers.next().await? {
            let token = customer.metadata.get(OWNER_KEY).and_then(|value| value.to_text());
            let of = token.and_then(|token| billing.secrets().verify(&token, billing.live()));
            if let (Some(id), true) = (customer.customer_id, of.as_ref() == Some(owner)) {
                return CustomerId::new(id).map(Some);
            }
        }
        Ok(None)
    }

    async fn known_customer(&self) -> Result<Option<CustomerId>, Error> {
        let database = self.billing.ledger()?.database();
        let known = store::customers_of(database, self.id()?, self.billing.live()).await?;
        known.first().map(CustomerId::new).transpose()
    }
}
