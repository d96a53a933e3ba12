//! A change of the plan: first its price, then the change at that price.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dodo_core::{
    Error, ErrorKind, ProductId,
    client::{ChangeTime, PaymentId, PlanChange, PlanChangePreview, Proration, SubscriptionId},
    event::{BillingInterval, PaymentStatus, Subscription},
    money::Currency,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{conflict, not_found, subscription::subscription_id};
use crate::{access::Access, fact::BoughtItem, owner_handle::Owner, until::later};

/// The lifetime of a quote.
const QUOTE: SignedDuration = SignedDuration::from_mins(10);

/// The time of a plan change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeWhen {
    /// Now, with a prorated charge.
    Now,
    /// At the end of the paid period.
    PeriodEnd,
}

/// The price of a plan change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangePreview {
    /// The charge now, in minor units of `currency`, with tax.
    pub due_now: i64,
    /// The tax in it. `None`: unknown.
    pub tax: Option<i64>,
    /// The currency. `None`: unknown.
    pub currency: Option<Currency>,
    /// The time of the change.
    pub when: ChangeWhen,
    /// One renewal after the change, before tax.
    pub then: Option<i64>,
    /// The signed quote for [`Owner::change`]. It ends after 10 minutes.
    pub quote: String,
}

/// The result of a plan change.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum PlanChanged {
    /// The plan changed, or it changes at the end of the period.
    Done(Box<Access>),
    /// The charge needs a confirmation of the customer, for example for 3-D Secure: send the
    /// customer to this page. The old plan stays until then.
    NeedsCustomer(String),
}

/// `Debug` does not show the link, because it opens a payment.
impl fmt::Debug for PlanChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(access) => f.debug_tuple("Done").field(access).finish(),
            Self::NeedsCustomer(_) => f.write_str("NeedsCustomer(..)"),
        }
    }
}

/// The content of a quote.
#[derive(Serialize, Deserialize)]
struct Quote {
    owner: String,
    subscription: String,
    product: String,
    quantity: u32,
    addons: Vec<BoughtItem>,
    when: ChangeWhen,
    due_now: i64,
    currency: Option<String>,
    ends_at: Timestamp,
}

impl Quote {
    fn change(&self) -> Result<PlanChange, Error> {
        let product = ProductId::new(&self.product)?;
        let change = PlanChange::new(&product, self.quantity, Proration::ProratedImmediately);
        let change = change.at(match self.when {
            ChangeWhen::Now => ChangeTime::Immediately,
            ChangeWhen::PeriodEnd => ChangeTime::NextBillingDate,
        });
        // Dodo Payments removes each add-on that the change does not name.
        let addons = self.addons.iter();
        Ok(addons.fold(change, |change, addon| change.addon(&addon.product_id, addon.quantity)))
    }
}

impl Owner {
    /// The price of a change to a plan or product, and a quote for it. A higher price per day is due now, a
    /// lower one begins with the next period; `when` decides otherwise. The add-ons stay.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) `plan_not_found` or `subscription_not_found`;
    /// [`Conflict`](ErrorKind::Conflict) `several_subscriptions`; those of [`access`](Self::access) and of
    /// [`preview_plan_change`](dodo_core::Client::preview_plan_change).
    pub async fn preview_change(
        &self,
        subscription: Option<&str>,
        plan_or_product: &str,
        quantity: Option<u32>,
        when: Option<ChangeWhen>,
    ) -> Result<ChangePreview, Error> {
        let billing = &self.billing;
        let (id, source) = self.pick(subscription).await?;
        let product = billing
            .plans()
            .plan_product(plan_or_product)
            .ok_or_else(|| not_found("plan_not_found", "there is no such plan or product"))?;
        let mut quote = Quote {
            owner: self.id()?.as_str().to_owned(),
            subscription: id.as_str().to_owned(),
            product: product.to_owned(),
            quantity: quantity.unwrap_or(source.quantity).max(1),
            addons: source.addons,
            when: when.unwrap_or(ChangeWhen::Now),
            due_now: 0,
            currency: None,
            ends_at: later(billing.now(), QUOTE),
        };
        let client = billing.client();
        let mut price = client.preview_plan_change(&id, &quote.change()?).await?;
        if when.is_none() {
            let current = client.subscription(&id).await?;
            if per_day(&price.new_plan) < per_day(&current) {
                quote.when = ChangeWhen::PeriodEnd;
                price = client.preview_plan_change(&id, &quote.change()?).await?;
            }
        }
        quote.due_now = due_now(&price, quote.when);
        quote.currency = price.currency.map(|currency| currency.to_string());
        Ok(ChangePreview {
            due_now: quote.due_now,
            tax: price.tax.filter(|_| quote.when == ChangeWhen::Now),
            currency: price.currency,
            when: quote.when,
            then: price.new_plan.recurring_pre_tax_amount,
            quote: self.seal(&quote)?,
        })
    }

    /// Makes the change of a quote. It asks Dodo Payments for the price again. Two requests with one quote
    /// charge once.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) `quote_invalid` for a quote that is not of this owner
    /// or too old; [`Conflict`](ErrorKind::Conflict) `price_changed`, or `payment_failed`: the charge failed
    /// and the old plan stays; those of [`preview_change`](Self::preview_change).
    pub async fn change(&self, quote: &str) -> Result<PlanChanged, Error> {
        let quote = self.unseal(quote)?;
        self.alone(|owner| async move { owner.change_alone(&quote).await }).await
    }

    async fn change_alone(&self, quote: &Quote) -> Result<PlanChanged, Error> {
        let billing = &self.billing;
        let (id, _) = self.pick(Some(&quote.subscription)).await?;
        let change = quote.change()?;
        let price = billing.client().preview_plan_change(&id, &change).await?;
        let currency = price.currency.map(|currency| currency.to_string());
        if due_now(&price, quote.when) != quote.due_now || currency != quote.currency {
            return Err(conflict("price_changed", "the price changed: ask for it again"));
        }
        let charge = billing.client().change_plan(&id, &change).await?;
        let access = self.refresh(&id).await?;
        if let Some(link) = charge.payment_link {
            return Ok(PlanChanged::NeedsCustomer(link));
        }
        let has_new_plan = access.subscriptions().any(|source| {
            subscription_id(source) == Some(&quote.subscription)
                && source.product.as_ref() == Some(&quote.product)
        });
        if let Some(payment) = charge.payment_id.filter(|_| !has_new_plan) {
            let payment = billing.client().payment(&PaymentId::new(payment)?).await?;
            if payment.status == Some(PaymentStatus::Failed) {
                let message = "the charge failed and the plan stays: change the payment method";
                return Err(conflict("payment_failed", message));
            }
        }
        Ok(PlanChanged::Done(Box::new(access)))
    }

    /// Drops the plan change that is scheduled for the next period.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub async fn drop_change(&self, subscription: Option<&str>) -> Result<Access, Error> {
        let (id, _) = self.pick(subscription).await?;
        self.billing.client().drop_scheduled_change(&id).await?;
        self.refresh(&id).await
    }

    /// Reads a subscription at Dodo Payments, and books it.
    async fn refresh(&self, id: &SubscriptionId) -> Result<Access, Error> {
        let subscription = self.billing.client().subscription(id).await?;
        self.billing.book_subscription(&subscription).await?;
        self.access().await
    }

    fn seal(&self, quote: &Quote) -> Result<String, Error> {
        let body = serde_json::to_vec(quote).map_err(|error| {
            Error::new(ErrorKind::CallbackFailed, "a quote cannot be written").with_source(error)
        })?;
        let body = URL_SAFE_NO_PAD.encode(body);
        let tag = self.billing.secrets().tag(&body, self.billing.live());
        Ok(format!("{body}.{tag}"))
    }

    fn unseal(&self, quote: &str) -> Result<Quote, Error> {
        let (secrets, live) = (self.billing.secrets(), self.billing.live());
        let read = || {
            let (body, tag) = quote.split_once('.')?;
            let body = secrets.has_tagged(body, tag, live).then(|| URL_SAFE_NO_PAD.decode(body))?;
            serde_json::from_slice::<Quote>(&body.ok()?).ok()
        };
        let owner = self.id()?.as_str();
        let is_valid = |q: &Quote| q.owner == owner && self.billing.now() < q.ends_at;
        read().filter(is_valid).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the quote is not valid: ask for the price again")
                .with_code("quote_invalid")
                .with_field("quote")
        })
    }
}

fn due_now(price: &PlanChangePreview, when: ChangeWhen) -> i64 {
    match when {
        ChangeWhen::Now => price.due_now.unwrap_or_default().max(0),
        ChangeWhen::PeriodEnd => 0,
    }
}

/// The price of one day. Prices of two currencies are not compared: a subscription keeps its currency.
fn per_day(subscription: &Subscription) -> i64 {
    let days = match subscription.payment_frequency_interval {
        Some(BillingInterval::Day) => 1,
        Some(BillingInterval::Week) => 7,
        Some(BillingInterval::Year) => 365,
        _ => 30,
    };
    let days = days * subscription.payment_frequency_count.unwrap_or(1).max(1);
    // In thousandths of a minor unit.
    subscription.recurring_pre_tax_amount.unwrap_or_default().saturating_mul(1_000) / days
}
