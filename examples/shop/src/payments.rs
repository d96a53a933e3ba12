//! All connections of the shop to Dodo Payments.

use dodo_billing::BillingEndpoints;
use dodo_core::{
    RequestHead, SignedIn,
    capture::{CampaignCookie, Preset, VisitorCapture},
    webhook::{Given, WebhooksBuilder},
};

use crate::{Shop, consent::Choice, session::SessionKey, shipping};

/// Reads the `visitor` cookie of visitors.now and the campaign of the landing page, which it keeps in a
/// first-party cookie. Reads nothing without the visitor's consent.
pub(crate) fn capture(sessions: SessionKey, secure: bool) -> VisitorCapture {
    let mut cookie = CampaignCookie::last_touch();
    if !secure {
        cookie = cookie.insecure_for_development();
    }
    VisitorCapture::visitors_now()
        .preset(Preset::Utm)
        .preset(Preset::Bantico)
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

    /// Checkout, plan change, cancellation, portal and invoices of the signed-in account. A browser
    /// can buy only declared products, and the server names the owner.
    #[must_use]
    pub fn billing_endpoints(&self) -> BillingEndpoints {
        self.billing().endpoints("/account")
    }

    /// The account of a request, for billing. It has no e-mail address, because the demo does not
    /// verify it.
    #[must_use]
    pub fn signed_in(&self, head: &RequestHead) -> Option<SignedIn> {
        self.sessions().account(head).map(|account| SignedIn::user(account.id))
    }

    /// The callback that ships one-time goods. Access to subscriptions needs no callback.
    pub(crate) fn webhooks(&self) -> WebhooksBuilder<Self, Given<Self>> {
        self.dodo().webhooks().with_state(self.clone()).on_payment_succeeded(shipping::paid)
    }
}
