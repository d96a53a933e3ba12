use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};

use super::Client;
use crate::{
    Error, ProductId, SubscriptionId,
    event::{Date, Subscription, fields, lenient},
    json::to_value,
    money::Currency,
};

/// The way in which Dodo Payments charges a plan change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proration {
    /// The unused time of the old plan counts against a new full period.
    ProratedImmediately,
    /// The full price of the new plan.
    FullImmediately,
    /// The difference of the prices.
    DifferenceImmediately,
    /// Nothing until the next billing date.
    DoNotBill,
}

/// The time of a plan change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeTime {
    /// Now.
    #[default]
    Immediately,
    /// At the end of the paid period.
    NextBillingDate,
}

/// A change of the product, the quantity or the add-ons of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct PlanChange {
    product_id: String,
    quantity: u32,
    proration_billing_mode: Proration,
    effective_at: ChangeTime,
    on_payment_failure: &'static str,
    addons: Vec<Addon>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Addon {
    addon_id: String,
    quantity: u32,
}

impl PlanChange {
    /// Changes to this product, now. The old plan stays if the charge fails.
    pub fn new(product: &ProductId, quantity: u32, proration: Proration) -> Self {
        Self {
            product_id: product.as_str().to_owned(),
            quantity,
            proration_billing_mode: proration,
            effective_at: ChangeTime::Immediately,
            on_payment_failure: "prevent_change",
            addons: Vec::new(),
        }
    }

    /// Sets the time. Default: now.
    pub fn at(mut self, time: ChangeTime) -> Self {
        self.effective_at = time;
        self
    }

    /// Adds an add-on. Dodo Payments removes each add-on of the subscription that the change does not
    /// name.
    pub fn addon(mut self, addon_id: impl Into<String>, quantity: u32) -> Self {
        self.addons.push(Addon { addon_id: addon_id.into(), quantity });
        self
    }
}

/// The cost of a plan change. Amounts are minor units of `currency`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlanChangePreview {
    /// The charge now, with tax. Negative or 0: nothing is charged.
    pub due_now: Option<i64>,
    /// The tax in it.
    pub tax: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The lines of the charge.
    pub lines: Vec<PreviewLine>,
    /// The time of the change.
    pub effective_at: Option<Date>,
    /// The subscription after the change.
    pub new_plan: Subscription,
}

/// The charge of a plan change.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PlanChangeCharge {
    /// The payment of the change. `None`: nothing was charged.
    pub payment_id: Option<String>,
    /// The page on which the customer confirms the payment, for example for 3-D Secure. `None`: no
    /// confirmation is needed. Each person with the link can pay.
    pub payment_link: Option<String>,
}

/// Does not show the link.
impl fmt::Debug for PlanChangeCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanChangeCharge")
            .field("payment_id", &self.payment_id)
            .finish_non_exhaustive()
    }
}

/// One line of the charge of a plan change.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PreviewLine {
    /// The name that customers see.
    pub name: Option<String>,
    /// Minor units for one unit.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub unit_price: Option<i64>,
    /// Units.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub quantity: Option<i64>,
    /// The charged part of the price: 1 is the whole price, and a negative number is a credit.
    pub proration_factor: Option<f64>,
}

#[derive(Deserialize)]
struct Preview {
    #[serde(default)]
    immediate_charge: Charge,
    new_plan: Subscription,
}

#[derive(Default, Deserialize)]
struct Charge {
    effective_at: Option<Date>,
    #[serde(default, deserialize_with = "fields::objects")]
    line_items: Vec<PreviewLine>,
    #[serde(default)]
    summary: Summary,
}

#[derive(Default, Deserialize)]
struct Summary {
    #[serde(default, deserialize_with = "fields::optional_amount")]
    total_amount: Option<i64>,
    #[serde(default, deserialize_with = "fields::optional_amount")]
    tax: Option<i64>,
    currency: Option<Currency>,
}

impl Client {
    /// Returns the cost of a plan change, and changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) `subscription_not_found`, else as [`call`](Self::call).
    pub async fn preview_plan_change(
        &self,
        id: &SubscriptionId,
        change: &PlanChange,
    ) -> Result<PlanChangePreview, Error> {
        let body = to_value(change);
        let preview: Preview = self
            .subscription_call(Method::POST, id, "/change-plan/preview", Some(&body))
            .object()
            .await?;
        let Charge { effective_at, line_items: lines, summary } = preview.immediate_charge;
        let Summary { total_amount: due_now, tax, currency } = summary;
        let new_plan = preview.new_plan;
        Ok(PlanChangePreview { due_now, tax, currency, lines, effective_at, new_plan })
    }

    /// Changes the plan of a subscription. Dodo Payments answers with the charge and without the new state:
    /// read the subscription after it.
    ///
    /// # Errors
    /// As [`preview_plan_change`](Self::preview_plan_change). Not repeated when it may have happened,
    /// because it can charge.
    pub async fn change_plan(
        &self,
        id: &SubscriptionId,
        change: &PlanChange,
    ) -> Result<PlanChangeCharge, Error> {
        let body = to_value(change);
        let answer =
            self.subscription_call(Method::POST, id, "/change-plan", Some(&body)).bytes().await?;
        // The plan is changed, so an unreadable answer does not fail the call.
        let charge = lenient::read::<PlanChangeCharge>(&String::from_utf8_lossy(&answer), "");
        let mut charge = charge.map(|read| read.value).unwrap_or_default();
        charge.payment_link = charge.payment_link.filter(|link| self.trusts_link(link));
        Ok(charge)
    }

    /// Drops the plan change that is scheduled for the next billing date.
    ///
    /// # Errors
    /// As [`preview_plan_change`](Self::preview_plan_change).
    pub async fn drop_scheduled_change(&self, id: &SubscriptionId) -> Result<(), Error> {
        let call = self.subscription_call(Method::DELETE, id, "/change-plan/scheduled", None);
        call.bytes().await.map(drop)
    }
}
