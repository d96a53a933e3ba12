//! Money goes back: refunds and disputes.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    Error,
    clock::later,
    flow::entitlement,
    id,
    settings::RefundOutcome,
    state::{
        World,
        payment::{Line, Payment},
        reversal::{Dispute, Refund},
        webhook::Subject,
    },
};

/// How long after the payment it can be refunded.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A part of a payment to give back.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct RefundItem {
    pub(crate) item_id: String,
    /// Tax included; `None`: all that is left of the item.
    pub(crate) amount: Option<i64>,
}

/// A refund, as it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefundRequest {
    pub(crate) payment_id: String,
    /// Empty: all that is left of the payment.
    pub(crate) items: Vec<RefundItem>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Map<String, Value>,
}

/// Refunds a payment. The id of the refund.
///
/// # Errors
/// 404 for an unknown payment or item; 409 when it did not succeed, is too old or was refunded; 422
/// when the amounts do not fit.
pub(crate) fn refund(world: &mut World, request: RefundRequest) -> Result<String, Error> {
    let payment = refundable(world, &request.payment_id)?.clone();
    let parts = parts(&payment, &request.items)?;
    let amount = parts.iter().map(|(_, amount)| *amount).fold(0, i64::saturating_add);
    let refund = Refund {
        id: id::new("ref_"),
        payment_id: payment.id.clone(),
        customer_id: payment.customer_id.clone(),
        status: "pending",
        amount,
        currency: payment.currency.clone(),
        is_partial: amount < payment.total,
        parts: parts.clone(),
        reason: request.reason,
        metadata: request.metadata,
        created_at: world.now(),
    };
    let refund_id = refund.id.clone();
    world.refunds.insert(refund);
    change_lines(world, &payment.id, &parts, i64::saturating_add);
    match world.settings.refund_outcome {
        RefundOutcome::Succeeded => resolve_refund(world, &refund_id, true)?,
        RefundOutcome::Failed => resolve_refund(world, &refund_id, false)?,
        RefundOutcome::Pending => {}
    }
    Ok(refund_id)
}

/// Refunds an amount, or all that is left, whatever the items. The id of the refund.
///
/// # Errors
/// As [`refund`].
pub(crate) fn refund_amount(
    world: &mut World,
    payment_id: &str,
    amount: Option<i64>,
) -> Result<String, Error> {
    let mut request =
        RefundRequest { payment_id: payment_id.to_owned(), ..RefundRequest::default() };
    if let Some(amount) = amount {
        if amount < 1 {
            return Err(Error::invalid("amount is at least 1"));
        }
        let payment = refundable(world, payment_id)?;
        let mut missing = amount;
        for line in &payment.lines {
            let part = missing.min(line.amount.saturating_sub(line.refunded));
            if part > 0 {
                let item = RefundItem { item_id: line.id.clone(), amount: Some(part) };
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
    refund(world, request)
}

fn refundable<'a>(world: &'a World, payment_id: &str) -> Result<&'a Payment, Error> {
    let payment = world.payments.find(payment_id)?;
    if !payment.succeeded() {
        return Err(Error::conflict("PAYMENT_NOT_SUCCEEDED", "the payment did not succeed"));
    }
    if payment.total == 0 {
        return Err(Error::conflict(
            "ZERO_AMOUNT_PAYMENT_REFUND_NOT_ALLOWED",
            "there is nothing to refund in a payment of 0",
        ));
    }
    if payment.refunded(world) >= payment.total {
        return Err(Error::conflict(
            "PAYMENT_ALREADY_REFUNDED",
            "the payment has been refunded in full",
        ));
    }
    if world.now() > later(payment.created_at, WINDOW) {
        return Err(Error::conflict(
            "REFUND_WINDOW_EXPIRED",
            "payments can be refunded for 30 days",
        ));
    }
    Ok(payment)
}

/// The amount to give back of each item: of those named, or of all that have something left.
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
        let amount = item.amount.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            return Err(Error::unprocessable(
                "LINE_ITEM_REFUND_AMOUNT_INVALID",
                "items: an amount is not between 1 and what is left of the item",
            ));
        }
        parts.push((line.id.clone(), amount));
    }
    Ok(parts)
}

/// Books the parts of a refund on the payment's items, or takes them back.
fn change_lines(
    world: &mut World,
    payment_id: &str,
    parts: &[(String, i64)],
    change: fn(i64, i64) -> i64,
) {
    let lines = world.payments.get_mut(payment_id).map(|payment| &mut payment.lines);
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
pub(crate) fn resolve_refund(world: &mut World, refund_id: &str, good: bool) -> Result<(), Error> {
    let refund = world.refunds.find_mut(refund_id)?;
    if refund.status != "pending" {
        return Err(Error::conflict("CONFLICT", "the refund has been resolved already"));
    }
    refund.status = if good { "succeeded" } else { "failed" };
    let (payment_id, partial) = (refund.payment_id.clone(), refund.is_partial);
    let parts = refund.parts.clone();
    if !good {
        change_lines(world, &payment_id, &parts, i64::saturating_sub);
    }
    let now = world.now();
    if let Some(payment) = world.payments.get_mut(&payment_id) {
        payment.updated_at = Some(now);
    }
    world.emit(
        if good { "refund.succeeded" } else { "refund.failed" },
        Subject::Refund(refund_id.to_owned()),
    );
    if good && !partial {
        entitlement::revoke(world, "refund", |grant| {
            grant.subscription_id.is_none() && grant.payment_id.as_ref() == Some(&payment_id)
        });
    }
    Ok(())
}

/// The cardholder disputes a payment. The id of the dispute.
///
/// # Errors
/// 404 for an unknown payment, 409 for one that did not succeed or is disputed already.
pub(crate) fn open_dispute(world: &mut World, payment_id: &str) -> Result<String, Error> {
    let id = insert_dispute(world, payment_id)?;
    world.emit("dispute.opened", Subject::Dispute(id.clone()));
    Ok(id)
}

/// Visa resolves a dispute at once in the cardholder's favour. The id of the dispute.
///
/// # Errors
/// As [`open_dispute`].
pub(crate) fn rapid_dispute(world: &mut World, payment_id: &str) -> Result<String, Error> {
    let id = insert_dispute(world, payment_id)?;
    if world.settings.opened_before_rdr {
        world.emit("dispute.opened", Subject::Dispute(id.clone()));
    }
    world.disputes.find_mut(&id)?.by_rdr = true;
    resolve_dispute(world, &id, DisputeOutcome::Lost)?;
    Ok(id)
}

fn insert_dispute(world: &mut World, payment_id: &str) -> Result<String, Error> {
    let payment = world.payments.find(payment_id)?;
    if !payment.succeeded() {
        return Err(Error::conflict("PAYMENT_NOT_SUCCEEDED", "the payment did not succeed"));
    }
    let open = |d: &&Dispute| d.payment_id == payment_id && !is_final(d.status);
    if world.disputes.iter().any(|dispute| open(&dispute)) {
        return Err(Error::conflict("CONFLICT", "a dispute of this payment is open"));
    }
    let dispute = Dispute {
        id: id::new("dp_"),
        payment_id: payment.id.clone(),
        customer_id: payment.customer_id.clone(),
        amount: payment.total,
        currency: payment.currency.clone(),
        stage: "dispute",
        status: "dispute_opened",
        by_rdr: false,
        reason: Some("fraudulent".to_owned()),
        remarks: None,
        created_at: world.now(),
    };
    let id = dispute.id.clone();
    world.disputes.insert(dispute);
    Ok(id)
}

/// What becomes of a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DisputeOutcome {
    /// The merchant sent evidence; the dispute goes on.
    Challenged,
    /// The merchant gave in.
    Accepted,
    /// The cardholder took it back.
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

fn is_final(status: &str) -> bool {
    !matches!(status, "dispute_opened" | "dispute_challenged")
}

/// Moves a dispute on.
///
/// # Errors
/// 404 for an unknown dispute, 409 for one that is over.
pub(crate) fn resolve_dispute(
    world: &mut World,
    id: &str,
    outcome: DisputeOutcome,
) -> Result<(), Error> {
    let (event, status) = outcome.names();
    let dispute = world.disputes.find_mut(id)?;
    if is_final(dispute.status) {
        return Err(Error::conflict("CONFLICT", "the dispute is over"));
    }
    dispute.status = status;
    world.emit(event, Subject::Dispute(id.to_owned()));
    Ok(())
}
