//! Everything the shop does with Dodo Payments, in one place.

use std::convert::Infallible;

use dodo_core::{
    Checkout, Client, CustomerId, CustomerPortal, Endpoint, Preset, RequestHead, VisitorCapture,
    WebhookKey, Webhooks,
};

use crate::{Shop, fulfilment};

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
        VisitorCapture::visitors_now().preset(Preset::Utm)
    }

    /// `POST` opens a checkout session, `GET` answers with a payment link.
    #[must_use]
    pub fn checkout(&self) -> impl Endpoint {
        let client = &self.payments().client;
        let back = format!("{}/return", self.public_url());
        Checkout::static_link(client.clone())
            .return_url(&back)
            .or(Checkout::session(client.clone()).return_url(&back))
    }

    /// The way into the customer's own portal, and nobody else's.
    #[must_use]
    pub fn portal(&self) -> CustomerPortal {
        let shop = self.clone();
        CustomerPortal::for_customer(self.payments().client.clone(), move |head| {
            std::future::ready(Ok::<_, Infallible>(shop.current_customer(&head)))
        })
        .return_url(format!("{}/account", self.public_url()))
    }

    /// Fulfils orders, grants and revokes access, and books the money.
    #[must_use]
    pub fn webhooks(&self) -> Webhooks {
        let payments = self.payments();
        Webhooks::builder(payments.key.clone())
            .environment(payments.client.environment())
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
            .attribution_sink(self.books())
            .build()
    }

    /// Who asks, as a customer of Dodo's: only known once their account has paid.
    fn current_customer(&self, head: &RequestHead) -> Option<CustomerId> {
        let account = self.sessions().account(head.header("cookie"))?;
        self.orders().customer_of(&account.id)
    }
}
