//! Everything the shop does with Dodo Payments, in one place.

use std::{convert::Infallible, future::ready};

use dodo_core::{
    BoxError, CustomerPortal, Error, RequestHead, SignedIn,
    capture::{CampaignCookie, CheckoutContext, CheckoutContextStore, Preset, VisitorCapture},
    checkout::request::{CheckoutCustomer, FeatureFlags, SessionRequest, StaticRequest},
    endpoint::{CheckoutEndpoint, Endpoint},
    webhook::{Given, WebhooksBuilder},
};

use crate::{
    Shop,
    consent::Choice,
    fulfillment::{self, ACCOUNT_KEY},
    orders,
    session::{Account, SessionKey},
};

/// Reads the `visitor` cookie of visitors.now and the campaign of the landing page, which it keeps in a
/// first-party cookie. Reads nothing without the visitor's consent.
pub(crate) fn capture(sessions: SessionKey, secure: bool) -> VisitorCapture {
    let mut cookie = CampaignCookie::last_touch();
    if !secure {
        cookie = cookie.insecure_for_development();
    }
    VisitorCapture::visitors_now()
        .preset(Preset::Utm)
        .campaign_cookie(cookie)
        .consent(Choice::gate)
        .user_id(move |parts| {
            let head = RequestHead::from(parts.clone());
            sessions.account(&head).map(|account| account.id)
        })
}

impl Shop {
    /// The capture for the layer in front of all pages.
    #[must_use]
    pub fn capture(&self) -> VisitorCapture {
        self.dodo().capture()
    }

    /// `POST` opens a checkout session, `GET` answers with a payment link. Only what the shop sells
    /// can be bought, and the server says for whom.
    ///
    /// # Errors
    /// If an option is unusable.
    pub fn checkout(&self) -> Result<impl CheckoutEndpoint, Error> {
        let back = format!("{}/return", self.public_url());
        let sold = || self.catalog().products().iter().map(|product| product.id.clone());

        let shop = self.clone();
        let link = self
            .dodo()
            .static_checkout()
            .return_url(&back)
            .allow_products(sold())
            .reserve_metadata([ACCOUNT_KEY])
            .server_fields_with(move |head| ready(Ok::<_, Infallible>(shop.link_fields(&head))))
            .build()?;

        let shop = self.clone();
        let opened = self.clone();
        let session = self
            .dodo()
            .session_checkout()
            .return_url(&back)
            .allow_products(sold())
            .reserve_metadata([ACCOUNT_KEY])
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
        // The shop has not verified the e-mail address, and Dodo would select the known customer with
        // that address. With a new customer, the account cannot open another customer's portal.
        let fields = fields.feature_flags(FeatureFlags::new().always_create_new_customer(true));
        Ok(match (&account.email, &account.name) {
            (Some(email), Some(name)) => fields.customer(CheckoutCustomer::new(email).name(name)),
            _ => fields,
        })
    }

    /// Stores the account of a session, and the context of the visit.
    async fn checkout_opened(
        &self,
        session_id: &str,
        context: &CheckoutContext,
    ) -> Result<(), BoxError> {
        if let Some(account) = &context.user_id {
            let mut lease = self.database().lease().await?;
            orders::opened(lease.connection(), session_id, account).await?;
        }
        self.ledger().store(session_id, context).await
    }

    fn link_fields(&self, head: &RequestHead) -> StaticRequest {
        let Some(account) = self.current_account(head) else { return StaticRequest::new() };
        let fields = StaticRequest::new().metadata(ACCOUNT_KEY, account.id);
        match (account.email, account.name) {
            (Some(email), Some(name)) => fields.email(email).full_name(name),
            _ => fields,
        }
    }

    /// The portal of the signed-in customer.
    ///
    /// # Errors
    /// If the shop's own URL cannot be used.
    pub fn portal(&self) -> Result<CustomerPortal, Error> {
        let shop = self.clone();
        self.dodo()
            .portal()
            .customer(move |head| {
                let shop = shop.clone();
                async move { shop.current_user(&head).await }
            })
            .return_url(format!("{}/account", self.public_url()))
            .build()
    }

    /// The callbacks that fulfill orders, and grant and revoke access.
    pub(crate) fn webhooks(&self) -> WebhooksBuilder<Self, Given<Self>> {
        self.dodo()
            .webhooks()
            .with_state(self.clone())
            .on_payment_succeeded(fulfillment::paid)
            .on_refund_succeeded(fulfillment::refunded)
            .on_subscription_active(fulfillment::granted)
            .on_subscription_renewed(fulfillment::granted)
            .on_subscription_plan_changed(fulfillment::granted)
            .on_subscription_unpaused(fulfillment::granted)
            .on_subscription_updated(fulfillment::updated)
            .on_subscription_paused(fulfillment::paused)
            .on_subscription_on_hold(fulfillment::on_hold)
            .on_subscription_cancelled(fulfillment::canceled)
            .on_subscription_expired(fulfillment::over)
            .on_subscription_failed(fulfillment::over)
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
        self.sessions().account(head)
    }
}
