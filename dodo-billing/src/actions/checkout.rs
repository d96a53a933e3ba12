//! A checkout for an owner: the server names owner, customer and cart.

use std::fmt;

use dodo_core::{
    BoxError, Error, ErrorKind, ProductId,
    capture::{Captured, CheckoutContextStore as _},
    checkout::request::{
        CheckoutCustomer, CheckoutItem, FeatureFlags, SessionRequest, SubscriptionData,
    },
};
use jiff::SignedDuration;

use super::{conflict, not_found, random_key};
use crate::{
    access::Access,
    fact::BillingFactKind,
    owner_handle::Owner,
    source::AccessSource,
    store::{self, Checkout},
    until::later,
};

/// The time for which billing returns an open session with the same cart again.
const REUSE: SignedDuration = SignedDuration::from_mins(15);

/// What an owner buys. The product is one that the plans declare.
#[derive(Clone, Default)]
#[must_use]
pub struct CheckoutOptions {
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) email: Option<String>,
    pub(crate) force: bool,
    pub(crate) captured: Option<Captured>,
}

impl CheckoutOptions {
    /// One unit of the first product of a plan (`pro`), or of a product (`pdt_...`).
    pub fn of(plan_or_product: impl Into<String>) -> Self {
        Self { name: plan_or_product.into(), quantity: 1, ..Self::default() }
    }

    /// Sets the units, such as seats. Default: 1.
    pub fn quantity(mut self, quantity: u32) -> Self {
        self.quantity = quantity;
        self
    }

    /// Sets the e-mail address of an owner who has no customer yet. Dodo Payments asks for it otherwise.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Attributes the payment to the visitor and the campaign of a request, which the visitor layer put into
    /// its extensions. Without consent the payment has neither.
    pub fn captured(mut self, captured: &Captured) -> Self {
        self.captured = Some(captured.clone());
        self
    }

    /// Opens a session even if another payment is being processed.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// Does not show the e-mail address.
impl fmt::Debug for CheckoutOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutOptions")
            .field("name", &self.name)
            .field("quantity", &self.quantity)
            .finish_non_exhaustive()
    }
}

/// A checkout session of an owner.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedCheckout {
    /// The page on which the owner pays.
    pub checkout_url: String,
    /// `cks_...`.
    pub session_id: String,
}

/// `Debug` does not show the link, because it opens the payment.
impl fmt::Debug for OpenedCheckout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedCheckout")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

impl Owner {
    /// Opens a checkout session. An open one with the same cart, younger than 15 minutes, is given again. An
    /// owner without a customer gets one, if the options name the e-mail address.
    ///
    /// # Errors
    /// - [`NotFound`](ErrorKind::NotFound) `plan_not_found`: no plan and no product has this name.
    /// - [`Conflict`](ErrorKind::Conflict) `already_subscribed`: the owner has a subscription of the plan
    ///   that is live, or that a payment brings back. `payment_in_progress`: a payment has no result yet.
    /// - Those of [`access`](Self::access) and of
    ///   [`create_session`](dodo_core::Client::create_session).
    pub async fn checkout(&self, options: CheckoutOptions) -> Result<OpenedCheckout, Error> {
        let product = self
            .billing
            .plans()
            .product_named(&options.name)
            .ok_or_else(|| not_found("plan_not_found", "there is no such plan or product"))?;
        let product = ProductId::new(product)?;
        if !(1..=1_000_000).contains(&options.quantity) {
            let message = "the quantity is out of range";
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_code("quantity_out_of_range")
                .with_field("quantity"));
        }
        self.alone(|owner| async move { owner.checkout_alone(product, options).await }).await
    }

    async fn checkout_alone(
        &self,
        product: ProductId,
        options: CheckoutOptions,
    ) -> Result<OpenedCheckout, Error> {
        let (billing, owner) = (&self.billing, self.id()?);
        let plan = billing.plans().plan_of(product.as_str());
        refuse_second(&self.access().await?, plan, &options)?;
        let database = billing.ledger()?.database();
        let (live, now) = (billing.live(), billing.now());
        let cart = format!("{product}*{}", options.quantity);
        let since = later(now, -REUSE);
        if let Some(open) = store::open_checkout(database, owner, live, &cart, since).await?
            && let Some(checkout_url) = open.checkout_url
        {
            return Ok(OpenedCheckout { checkout_url, session_id: open.session_id });
        }
        let key = random_key()?;
        let mut request = SessionRequest::new()
            .product_cart([CheckoutItem::new(product, options.quantity)])
            .metadata(dodo_core::internals::OWNER_KEY, self.token()?);
        if let Some(captured) = &options.captured {
            request = request.captured(captured);
        }
        if plan.is_some_and(|plan| billing.plans().has_trial_once(plan)) && self.had_trial().await?
        {
            request = request.subscription_data(SubscriptionData::new().trial_period_days(0));
        }
        if let Some(page) = billing.return_to() {
            let separator = if page.contains('?') { '&' } else { '?' };
            request = request.return_url(format!("{page}{separator}checkout={key}"));
        }
        request = match self.customer_alone(options.email.as_deref()).await? {
            Some(customer) => request.customer(CheckoutCustomer::existing(&customer)),
            // Without the flag, Dodo Payments attaches the session to any customer with the address that the
            // customer types.
            None => request.feature_flags(FeatureFlags::new().always_create_new_customer(true)),
        };
        let session = billing.client().create_session(request).await?;
        let checkout = Checkout {
            session_id: session.session_id().to_owned(),
            cart,
            checkout_url: session.checkout_url.clone(),
        };
        // Store the session before the link leaves the server, so that the payment finds its owner
        // in any order of deliveries.
        let mut tx = database.begin().await?;
        store::put_checkout(&mut tx, &key, owner, live, &checkout, now).await?;
        tx.commit().await?;
        if let Some(captured) = &options.captured {
            self.keep_context(&checkout.session_id, captured).await;
        }
        let checkout_url = session.checkout_url.ok_or_else(|| {
            Error::new(ErrorKind::UpstreamFailed, "Dodo Payments sent no usable link")
        })?;
        Ok(OpenedCheckout { checkout_url, session_id: checkout.session_id })
    }
}

impl Owner {
    /// Stores the checkout context for the ledger. A failure is logged and does not fail the
    /// checkout.
    async fn keep_context(&self, session_id: &str, captured: &Captured) {
        let kept = async {
            self.billing.ledger()?.store(session_id, &captured.context()).await?;
            Ok::<_, BoxError>(())
        };
        if let Err(error) = kept.await {
            tracing::error!(
                target: "dodo::billing", session_id, %error,
                "the context of a checkout was not kept; its payment may lack the campaign"
            );
        }
    }

    /// Whether a subscription of the owner ever had a trial.
    pub(crate) async fn had_trial(&self) -> Result<bool, Error> {
        let facts = self.facts().await?;
        Ok(facts.into_iter().any(|fact| match fact.kind {
            BillingFactKind::Subscription { body, .. } | BillingFactKind::Snapshot { body } => {
                body.trial_period_days.is_some_and(|days| days > 0)
            }
            _ => false,
        }))
    }
}

/// Refuses a second subscription of the same plan.
fn refuse_second(
    access: &Access,
    plan: Option<&str>,
    options: &CheckoutOptions,
) -> Result<(), Error> {
    let is_current = |source: &AccessSource| {
        source.plan.as_deref() == plan && (source.is_live() || source.recoverable)
    };
    if plan.is_some() && access.subscriptions().any(is_current) {
        let message = "there is a subscription of this plan: change, resume or pay for it instead";
        return Err(conflict("already_subscribed", message));
    }
    if access.pending() && !options.force {
        let message = "a payment is being processed: wait for its result";
        return Err(conflict("payment_in_progress", message));
    }
    Ok(())
}
