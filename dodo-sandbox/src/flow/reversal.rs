//! Reversals: refunds and disputes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    Error,
    api::{
        order::or_default,
        refunds::{DISPUTES, REFUNDS},
    },
    clock::later,
    flow::entitlement,
    money,
    settings::RefundOutcome,
    state::{
        SandboxState,
        object::Object,
        payment::{Line, Payment},
    },
};

/// The time after the payment in which it can be refunded.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A part of a payment to refund.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct RefundItem {
    pub(crate) item_id: String,
    /// `None`: the rest of the item.
    pub(crate) amount: Option<i64>,
    /// Whether the amount includes the tax. Default: yes.
    pub(crate) tax_inclusive: Option<bool>,
}

impl RefundItem {
    /// The amount with tax, if it is set.
    fn gross(&self, line: &Line) -> Option<i64> {
        let net = line.amount.saturating_sub(line.tax);
        match self.tax_inclusive {
            Some(false) if net > 0 => self.amount.map(|own| money::share(own, line.amount, net)),
            _ => self.amount,
        }
    }
}

/// A requested refund.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(crate) struct RefundRequest {
    pub(crate) payment_id: String,
    /// Empty: the rest of the payment.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) items: Vec<RefundItem>,
    pub(crate) reason: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) metadata: Map<String, Value>,
}

/// Refunds a payment. Returns the id of the refund.
///
/// # Errors
/// 404 for an unknown payment or item; 409 when it did not succeed, is too old or was refunded; 422
/// when the amounts do not fit.
pub(crate) fn refund(state: &mut SandboxState, request: RefundRequest) -> Result<String, Error> {
    let payment = refundable(state, &request.payment_id)?.clone();
    let parts = parts(&payment, &request.items)?;
    let amount = parts.iter().map(|(_, amount)| *amount).fold(0, i64::saturating_add);
    let fields = json!({
        "payment_id": payment.id,
        "customer_id": payment.customer_id,
        "status": "pending",
        "amount": amount,
        "currency": payment.currency,
        "is_partial": amount < payment.total,
        // Of each item of the payment.
        "parts": parts,
        "reason": request.reason,
        "metadata": request.metadata,
    });
    let refund_id = state.add(&REFUNDS, fields);
    change_lines(state, &payment.id, &parts, i64::saturating_add);
    match state.settings.refund_outcome {
        RefundOutcome::Succeeded => resolve_refund(state, &refund_id, true)?,
        RefundOutcome::Failed => resolve_refund(state, &refund_id, false)?,
        RefundOutcome::Pending => {}
    }
    Ok(refund_id)
}

/// Refunds an amount, or the rest, independent of the items. Returns the id of the refund.
///
/// # Errors
/// As [`refund`].
pub(crate) fn refund_amount(
    state: &mut SandboxState,
    payment_id: &str,
    amount: Option<i64>,
) -> Result<String, Error> {
    let mut request =
        RefundRequest { payment_id: payment_id.to_owned(), ..RefundRequest::default() };
    if let Some(amount) = amount {
        if amount < 1 {
            return Err(Error::invalid("amount is at least 1"));
        }
        let payment = refundable(state, payment_id)?;
        let mut missing = amount;
        for line in &payment.lines {
            let part = missing.min(line.amount.saturating_sub(line.refunded));
            if part > 0 {
                let item = RefundItem {
                    item_id: line.id.clone(),
                    amount: Some(part),
                    tax_inclusive: None,
                };
                request.items.push(item);
                missing -= part;
            }
        }
        if missing > 0 {
            return Err(Error::unprocessable(
                "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT",
                "amount: more than is left of the payment",
            ));
        }
    }
    refund(state, request)
}

fn refundable<'a>(state: &'a SandboxState, payment_id: &str) -> Result<&'a Payment, Error> {
    let payment = state.payments.find(payment_id)?;
    if !payment.succeeded() {
        return Err(Error::conflict("PAYMENT_NOT_SUCCEEDED", "the payment did not succeed"));
    }
    if payment.total == 0 {
        return Err(Error::conflict(
            "ZERO_AMOUNT_PAYMENT_REFUND_NOT_ALLOWED",
            "there is nothing to refund in a payment of 0",
        ));
    }
    if payment.refunded(state) >= payment.total {
        return Err(Error::conflict(
            "PAYMENT_ALREADY_REFUNDED",
            "the payment has been refunded in full",
        ));
    }
    if state.now() > later(payment.created_at, WINDOW) {
        return Err(Error::conflict(
            "REFUND_WINDOW_EXPIRED",
            "payments can be refunded for 30 days",
        ));
    }
    Ok(payment)
}

/// The amount to refund of each item: of the named items, or of all items with a rest.
fn parts(payment: &Payment, items: &[RefundItem]) -> Result<Vec<(String, i64)>, Error> {
    if items.is_empty() {
        let left = |line: &Line| (line.id.clone(), line.amount.saturating_sub(line.refunded));
        return Ok(payment.lines.iter().map(left).filter(|(_, left)| *left > 0).collect());
    }
    let mut parts: Vec<(String, i64)> = Vec::with_capacity(items.len());
    for item in items {
        let line = payment
            .lines
            .iter()
            .find(|line| line.id == item.item_id)
            .ok_or_else(|| Error::not_found("line item"))?;
        if parts.iter().any(|(id, _)| *id == item.item_id) {
            return Err(Error::invalid("items: an item is named twice"));
        }
        let left = line.amount.saturating_sub(line.refunded);
        let amount = item.gross(line).unwrap_or(left);
        if !(1..=left).contains(&amount) {
            return Err(Error::unprocessable(
                "LINE_ITEM_REFUND_AMOUNT_INVALID",
                "items: an amount is not between 1 and the rest of the item",
            ));
        }
        parts.push((line.id.clone(), amount));
    }
    Ok(parts)
}

/// Books the parts of a refund on the payment's items, or removes them.
fn change_lines(
    state: &mut SandboxState,
    payment_id: &str,
    parts: &[(String, i64)],
    change: fn(i64, i64) -> i64,
) {
    let lines = state.payments.get_mut(payment_id).map(|payment| &mut payment.lines);
    for line in lines.into_iter().flatten() {
        for (_, amount) in parts.iter().filter(|(id, _)| *id == line.id) {
            line.refunded = change(line.refunded, *amount);
        }
    }
}

/// The bank answers a refund.
///
/// # Errors
/// 404 for an unknown refund, 409 for one that was answered.
pub(crate) fn resolve_refund(
    state: &mut SandboxState,
    refund_id: &str,
    good: bool,
) -> Result<(), Error> {
    let refund = state.find_mut(&REFUNDS, refund_id)?;
    if !refund.has("status", "pending") {
        return Err(Error::conflict("CONFLICT", "the refund has been resolved already"));
    }
    refund.set("status", if good { "succeeded" } else { "failed" });
    let (payment_id, partial) = (refund.str("payment_id").to_owned(), refund.is("is_partial"));
    let parts = refund.get("parts").cloned().unwrap_or_default();
    let parts: Vec<(String, i64)> = serde_json::from_value(parts).unwrap_or_default();
    if !good {
        change_lines(state, &payment_id, &parts, i64::saturating_sub);
    }
    let now = state.now();
    if let Some(payment) = state.payments.get_mut(&payment_id) {
        payment.updated_at = Some(now);
    }
    state.emit(if good { "refund.succeeded" } else { "refund.failed" }, &REFUNDS, refund_id);
    if good && !partial {
        entitlement::revoke(state, "refund", |grant| {
            grant.get("subscription_id").is_none() && grant.has("payment_id", &payment_id)
        });
    }
    Ok(())
}

/// Opens a dispute of a payment. Returns the id of the dispute.
///
/// # Errors
/// 404 for an unknown payment, 409 for one that did not succeed or is disputed already.
pub(crate) fn open_dispute(state: &mut SandboxState, payment_id: &str) -> Result<String, Error> {
    let id = insert_dispute(state, payment_id)?;
    state.emit("dispute.opened", &DISPUTES, &id);
    Ok(id)
}

/// Visa resolves a dispute at once in favor of the cardholder. Returns the id of the dispute.
///
/// # Errors
/// As [`open_dispute`].
pub(crate) fn rapid_dispute(state: &mut SandboxState, payment_id: &str) -> Result<String, Error> {
    let id = insert_dispute(state, payment_id)?;
    if state.settings.opened_before_rdr {
        state.emit("dispute.opened", &DISPUTES, &id);
    }
    state.find_mut(&DISPUTES, &id)?.set("is_resolved_by_rdr", true);
    resolve_dispute(state, &id, DisputeOutcome::Lost)?;
    Ok(id)
}

fn insert_dispute(state: &mut SandboxState, payment_id: &str) -> Result<String, Error> {
    let payment = state.payments.find(payment_id)?;
    if !payment.succeeded() {
        return Err(Error::conflict("PAYMENT_NOT_SUCCEEDED", "the payment did not succeed"));
    }
    if state.matching(&DISPUTES, "payment_id", payment_id).any(|dispute| !is_final(dispute)) {
        return Err(Error::conflict("CONFLICT", "a dispute of this payment is open"));
    }
    let fields = json!({
        "payment_id": payment.id,
        "customer_id": payment.customer_id,
        "amount": payment.total,
        "currency": payment.currency,
        "dispute_stage": "dispute",
        "dispute_status": "dispute_opened",
        "is_resolved_by_rdr": false,
        "payment_provider": "dodo",
        "reason": "fraudulent",
    });
    Ok(state.add(&DISPUTES, fields))
}

/// The result of a dispute step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DisputeOutcome {
    /// The merchant sent evidence; the dispute goes on.
    Challenged,
    /// The merchant accepted the dispute.
    Accepted,
    /// The cardholder withdrew the dispute.
    Cancelled,
    /// The merchant did not answer in time.
    Expired,
    /// Decided for the merchant.
    Won,
    /// Decided for the cardholder.
    Lost,
}

impl DisputeOutcome {
    /// The event, and the status that the dispute takes.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Challenged => ("dispute.challenged", "dispute_challenged"),
            Self::Accepted => ("dispute.accepted", "dispute_accepted"),
            Self::Cancelled => ("dispute.cancelled", "dispute_cancelled"),
            Self::Expired => ("dispute.expired", "dispute_expired"),
            Self::Won => ("dispute.won", "dispute_won"),
            Self::Lost => ("dispute.lost", "dispute_lost"),
        }
    }
}

pub(crate) fn is_final(dispute: &Object) -> bool {
    !matches!(dispute.str("dispute_status"), "dispute_opened" | "dispute_challenged")
}

/// Moves a dispute on.
///
/// # Errors
/// 404 for an unknown dispute, 409 for one that is over.
pub(crate) fn resolve_dispute(
    state: &mut SandboxState,
    id: &str,
    outcome: DisputeOutcome,
) -> Result<(), Error> {
    let (event, status) = outcome.names();
    let dispute = state.find_mut(&DISPUTES, id)?;
    if is_final(dispute) {
        return Err(Error::conflict("CONFLICT", "the dispute is over"));
    }
    dispute.set("dispute_status", status);
    state.emit(event, &DISPUTES, id);
    Ok(())
}
