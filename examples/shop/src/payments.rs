//! Everything the shop does with Dodo Payments, in one place.

use std::{convert::Infallible, future::ready};

use dodo_core::{
    BoxError, CampaignCookie, CheckoutContext, CheckoutContextStore, Client, CustomerPortal,
    Endpoint, Error, Preset, RequestHead, SignedIn, VisitorCapture, WebhookKey, Webhooks,
    WebhooksBuilder,
    checkout::{
        SessionCheckout, StaticCheckout,
        request::{CheckoutCustomer, FeatureFlags, SessionRequest, StaticRequest},
    },
    endpoint::CheckoutEndpoint,
    webhook::Given,
};

use crate::{
    Shop,
    fulfilment::{self, ACCOUNT_KEY},
    orders,
    session::Account,
};

/// The Dodo side of a shop.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) client: Client,
    pub(crate) key: WebhookKey,
}

impl Shop {
    /// What is read from every visit: the `visitor` cookie of visitors.now, and the campaign of the
    /// page one landed on, kept in a first-party cookie of the shop's own.
    #[must_use]
    pub fn capture(&self) -> VisitorCapture {
        let shop = self.clone();
        let mut cookie = CampaignCookie::last_touch();
        if !self.secure() {
            cookie = cookie.insecure_for_development();
        }
        VisitorCapture::visitors_now().preset(Preset::Utm).keep_campaign(cookie).user_id(
            move |head| {
                let cookies = head.headers.get("cookie").and_then(|c| c.to_str().ok());
                shop.sessions().account(cookies).map(|account| account.id)
            },
        )
    }

    /// `POST` opens a checkout session, `GET` answers with a payment link. Only what the shop sells
    /// can be bought, and the server says for whom.
    ///
    /// # Errors
    /// If an option is unusable.
    pub fn checkout(&self) -> Result<impl CheckoutEndpoint, Error> {
        let client = &self.payments().client;
        let back = format!("{}/return", self.public_url());
        let sold = || self.catalog().products().iter().map(|product| product.id.clone());

        let shop = self.clone();
        let link = StaticCheckout::builder(client.clone())
            .return_url(&back)
            .allow_products(sold())
            .server_fields_with(move |head| ready(Ok::<_, Infallible>(shop.link_fields(&head))))
            .build()?;

        let shop = self.clone();
        let opened = self.clone();
        let session = SessionCheckout::builder(client.clone())
            .return_url(&back)
            .allow_products(sold())
            .server_fields_with(move |head| {
                let shop = shop.clone();
                async move { shop.session_fields(&head).await }
            })
            .context_store(move |session_id: String, context: CheckoutContext| {
                let shop = opened.clone();
                async move { shop.checkout_opened(&session_id, &context).await }
            })
            .build()?;
        Ok(link.or(session))
    }

    async fn session_fields(&self, head: &RequestHead) -> Result<SessionRequest, BoxError> {
        let Some(account) = self.current_account(head) else { return Ok(SessionRequest::new()) };
        let fields = SessionRequest::new().metadata(ACCOUNT_KEY, account.id.as_str());
        if let Some(customer) = self.database().customer_of(&account.id).await? {
            return Ok(fields.customer(CheckoutCustomer::existing(&customer)));
        }
        // Nobody has checked the e-mail address, and Dodo would take a known one for its owner:
        // with a customer of their own, nobody gets into somebody else's portal.
        let fields = fields.feature_flags(FeatureFlags::new().always_create_new_customer(true));
        Ok(match (&account.email, &account.name) {
            (Some(email), Some(name)) => fields.customer(CheckoutCustomer::new(email).name(name)),
            _ => fields,
        })
    }

    /// Keeps for whom a session was opened, and what is known of the visit.
    async fn checkout_opened(
        &self,
        session_id: &str,
        context: &CheckoutContext,
    ) -> Result<(), BoxError> {
        if let Some(account) = &context.user_id {
            let mut lease = self.database().lease().await?;
            orders::opened(lease.connection(), session_id, account).await?;
        }
        self.ledger().bind(session_id, context).await
    }

    fn link_fields(&self, head: &RequestHead) -> StaticRequest {
        let Some(account) = self.current_account(head) else { return StaticRequest::new() };
        let fields = StaticRequest::new().metadata(ACCOUNT_KEY, account.id);
        match (account.email, account.name) {
            (Some(email), Some(name)) => fields.email(email).full_name(name),
            _ => fields,
        }
    }

    /// The way into the customer's own portal, and nobody else's.
    ///
    /// # Errors
    /// If the shop's own URL cannot be used.
    pub fn portal(&self) -> Result<CustomerPortal, Error> {
        let shop = self.clone();
        CustomerPortal::builder(self.payments().client.clone())
            .customer(move |head| {
                let shop = shop.clone();
                async move { shop.current_user(&head).await }
            })
            .return_url(format!("{}/account", self.public_url()))
            .build()
    }

    /// The callbacks that fulfill orders, and grant and revoke access.
    pub(crate) fn webhooks(&self) -> WebhooksBuilder<Self, Given<Self>> {
        let payments = self.payments();
        Webhooks::builder(payments.key.clone())
            .with_state(self.clone())
            .on_payment_succeeded(fulfilment::paid)
            .on_refund_succeeded(fulfilment::refunded)
            .on_subscription_active(fulfilment::granted)
            .on_subscription_renewed(fulfilment::granted)
            .on_subscription_plan_changed(fulfilment::granted)
            .on_subscription_unpaused(fulfilment::granted)
            .on_subscription_updated(fulfilment::updated)
            .on_subscription_paused(fulfilment::held)
            .on_subscription_on_hold(fulfilment::held)
            .on_subscription_cancelled(fulfilment::revoked)
            .on_subscription_expired(fulfilment::revoked)
            .on_subscription_failed(fulfilment::revoked)
    }

    /// The signed-in user. The customer at Dodo Payments is known once the account has paid.
    async fn current_user(&self, head: &RequestHead) -> Result<Option<SignedIn>, BoxError> {
        let Some(account) = self.current_account(head) else { return Ok(None) };
        let customer = self.database().customer_of(&account.id).await?;
        let user = SignedIn::user(account.id);
        Ok(Some(match customer {
            Some(customer) => user.customer(customer),
            None => user,
        }))
    }

    fn current_account(&self, head: &RequestHead) -> Option<Account> {
        self.sessions().account(head.header("cookie"))
    }
}
