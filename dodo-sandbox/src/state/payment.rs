//! A payment: its lines, its total and its outcome.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    SandboxState,
    address::Address,
    card::PaymentMethod,
    table::{Row, Table},
};
use crate::{
    api::{
        licenses::LICENSES,
        list::Listed,
        refunds::{DISPUTES, REFUNDS},
    },
    clock::{self, rfc3339},
    money,
};

/// What a payment is for: `charge_type` in the newest payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChargeType {
    #[default]
    New,
    Renewal,
    PlanChange,
    OnDemand,
}

impl ChargeType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Renewal => "renewal",
            Self::PlanChange => "plan_change",
            Self::OnDemand => "on_demand",
        }
    }
}

/// One position of a payment: what a partial refund points at.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) product_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) quantity: u32,
    /// Tax included.
    pub(crate) amount: i64,
    pub(crate) tax: i64,
    pub(crate) refunded: i64,
}

/// The time a subscription payment pays for.
#[derive(Clone, Debug)]
pub(crate) struct ServicePeriod {
    pub(crate) subscription_id: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// A payment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payment {
    pub(crate) id: String,
    /// `None` until the first attempt to pay.
    pub(crate) status: Option<&'static str>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) currency: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: i64,
    pub(crate) tax: i64,
    pub(crate) customer_id: String,
    pub(crate) billing: Address,
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) session_id: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) custom_fields: Option<Value>,
    pub(crate) discounts: Option<Value>,
    pub(crate) error: Option<(&'static str, &'static str)>,
    pub(crate) invoice_id: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) subscription_ids: Vec<String>,
    pub(crate) update_payment_method: bool,
    pub(crate) retry_attempt: u32,
    pub(crate) charge_type: ChargeType,
    pub(crate) periods: Vec<ServicePeriod>,
    /// A part of the amount is for metered usage.
    pub(crate) includes_usage: bool,
    /// The cardholder's bank asked for a challenge.
    pub(crate) force_3ds: bool,
    /// The 60 minutes after which it counts as abandoned were over.
    pub(crate) abandonment_seen: bool,
}

impl ServicePeriod {
    fn json(&self) -> Value {
        json!({
            "subscription_id": self.subscription_id,
            "starts_at": rfc3339(self.from),
            "ends_at": rfc3339(self.to),
            "proration_factor": "1",
        })
    }
}

impl Listed for Payment {
    fn table<'a>(state: &'a SandboxState, _: &str) -> Option<&'a Table<Self>> {
        Some(&state.payments)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, state: &SandboxState) -> Value {
        let (settlement_currency, convert) = money::settlement(&self.currency);
        let card = self.method.as_ref();
        let error = self.error;
        let own = |resource| -> Vec<Value> {
            state
                .matching(resource, "payment_id", &self.id)
                .map(|object| object.json(state))
                .collect()
        };
        let (refunds, disputes) = (own(&REFUNDS), own(&DISPUTES));
        // Checking a new card charges for nothing.
        let charge_type = (!self.update_payment_method).then(|| self.charge_type.as_str());
        json!({
            "billing": self.billing.json(),
            "brand_id": self.brand_id(state),
            "business_id": state.business_id,
            "card_holder_name": card.and_then(|card| card.holder.as_deref()),
            "card_issuing_country": card.map(|card| &card.country),
            "card_last_four": card.map(PaymentMethod::last_four),
            "card_network": card.map(PaymentMethod::network),
            "card_type": card.map(|_| "CREDIT"),
            "checkout_session_id": self.session_id,
            "created_at": rfc3339(self.created_at),
            "currency": self.currency,
            "custom_field_responses": self.custom_fields,
            "customer": state.customer_json(&self.customer_id),
            "digital_products_delivered": self.succeeded(),
            "discount_id": self.discounts.as_ref().and_then(|all| all.get(0)?.get("discount_id")),
            "discounts": self.discounts,
            "disputes": disputes,
            "error_code": error.map(|(code, _)| code),
            "error_message": error.map(|(_, message)| message),
            "invoice_id": self.invoice_id,
            "invoice_url": self.invoice_id.as_ref().map(|_| state.url(&["invoices", "payments", &self.id])),
            "is_multi_subscription": self.subscription_ids.len() > 1,
            "is_update_payment_method": self.update_payment_method,
            "metadata": self.metadata,
            "payment_id": self.id,
            "payment_link": self.link,
            "payment_method": card.map(|_| "card"),
            "payment_method_id": card.map(|card| &card.id),
            "payment_method_type": card.map(|_| "credit"),
            "payment_provider": "dodo",
            "product_cart": self.cart_json(),
            "refund_status": self.refund_status(state),
            "refunds": refunds,
            "retry_attempt": self.retry_attempt,
            "settlement_amount": convert(self.total),
            "settlement_currency": settlement_currency,
            "settlement_tax": convert(self.tax),
            "status": self.status,
            "subscription_id": self.subscription_id(),
            "subscription_ids": self.subscription_ids,
            "tax": self.tax,
            "total_amount": self.total,
            "updated_at": self.updated_at.map(rfc3339),
            "charge_type": charge_type,
            "dispute_status": disputes.last().and_then(|dispute| dispute.get("dispute_status")),
            "has_license_key": state.matching(&LICENSES, "payment_id", &self.id).next().is_some(),
            "includes_usage": self.includes_usage,
            "service_periods": self.periods.iter().map(ServicePeriod::json).collect::<Vec<_>>(),
            "three_ds_flow": self.force_3ds.then_some("challenge"),
            "three_ds_status": self.force_3ds.then_some("authenticated"),
            "three_ds_version": self.force_3ds.then_some("2.2.0"),
        })
    }
}

impl Row for Payment {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Payment {
    pub(crate) fn succeeded(&self) -> bool {
        self.status == Some("succeeded")
    }

    pub(crate) fn is_renewal(&self) -> bool {
        self.charge_type == ChargeType::Renewal
    }

    /// Of the only subscription, if it is the only one.
    pub(crate) fn subscription_id(&self) -> Option<&str> {
        match self.subscription_ids.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(crate) fn brand_id<'a>(&self, state: &'a SandboxState) -> &'a str {
        state.brand_of(self.lines.first().map_or("", |line| &line.product_id))
    }

    /// The cart of a one-time purchase; subscription payments show none.
    fn cart_json(&self) -> Option<Vec<Value>> {
        let items = || {
            self.lines
                .iter()
                .map(|line| json!({ "product_id": line.product_id, "quantity": line.quantity }))
                .collect()
        };
        self.subscription_ids.is_empty().then(items)
    }

    /// The sum of all refunds, with the pending ones.
    pub(crate) fn refunded(&self, state: &SandboxState) -> i64 {
        self.refunds(state, |status| status != "failed")
    }

    fn refunds(&self, state: &SandboxState, counts: impl Fn(&str) -> bool) -> i64 {
        state
            .matching(&REFUNDS, "payment_id", &self.id)
            .filter(|refund| counts(refund.str("status")))
            .filter_map(|refund| refund.number("amount"))
            .fold(0, i64::saturating_add)
    }

    fn refund_status(&self, state: &SandboxState) -> Option<&'static str> {
        match self.refunds(state, |status| status == "succeeded") {
            0 => None,
            done if done < self.total => Some("partial"),
            _ => Some("full"),
        }
    }

    /// As GET /payments/{id}/line-items shows it.
    pub(crate) fn lines_json(&self) -> Value {
        let items: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "items_id": line.id,
                    "amount": line.amount,
                    "refundable_amount": line.amount.saturating_sub(line.refunded),
                    "tax": line.tax,
                    "name": line.name,
                    "description": line.description,
                })
            })
            .collect();
        json!({
            "currency": self.currency,
            "items": items,
            "partial_refund_allowed": self.succeeded(),
        })
    }

    /// Sets the outcome of a charge.
    pub(crate) fn set_outcome(&mut self, status: &'static str, at: Timestamp) {
        self.status = Some(status);
        self.updated_at = Some(at);
        if status == "succeeded" {
            self.error = None;
            self.invoice_id.get_or_insert_with(|| crate::id::new("inv_"));
        }
    }

    /// When it counts as abandoned.
    pub(crate) fn abandoned_at(&self) -> Timestamp {
        clock::later(self.created_at, std::time::Duration::from_secs(60 * 60))
    }
}
