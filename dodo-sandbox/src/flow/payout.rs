//! Payouts: the balance of the business, its ledger, and the money that goes to the bank.

use serde_json::{Value, json};

use crate::{
    Error,
    api::{
        payouts::PAYOUTS,
        refunds::{DISPUTES, REFUNDS},
    },
    money,
    state::{SandboxState, object::Object},
};

/// Dodo's share of a payment, in basis points, and its fixed part in US cents.
const FEE: (i64, i64) = (400, 40);

/// An entry of the business's ledger, in US cents.
pub(crate) struct Entry {
    pub(crate) at: jiff::Timestamp,
    pub(crate) kind: &'static str,
    /// Negative for debits.
    pub(crate) amount: i64,
    pub(crate) reference: String,
}

/// The entries of all payments, refunds, disputes and payouts so far, oldest first.
pub(crate) fn ledger(state: &SandboxState) -> Vec<Entry> {
    let dollars = |amount, currency: &str| money::settlement(currency).1(amount);
    let mut entries = Vec::new();
    let mut add = |at, kind, amount: i64, reference: &str| {
        if amount != 0 {
            entries.push(Entry { at, kind, amount, reference: reference.to_owned() });
        }
    };
    for payment in state.payments.iter().filter(|payment| payment.succeeded()) {
        let at = payment.updated_at.unwrap_or(payment.created_at);
        let total = dollars(payment.total, &payment.currency);
        add(at, "payment", total, &payment.id);
        add(at, "tax", -dollars(payment.tax, &payment.currency), &payment.id);
        if total > 0 {
            add(at, "payment_fees", -(money::share(total, FEE.0, 10_000) + FEE.1), &payment.id);
        }
    }
    for refund in state.matching(&REFUNDS, "status", "succeeded") {
        let amount = -dollars(refund.number("amount").unwrap_or(0), refund.str("currency"));
        add(refund.created_at, "refund", amount, &refund.id);
    }
    for dispute in state.all(&DISPUTES) {
        let amount = dollars(dispute.number("amount").unwrap_or(0), dispute.str("currency"));
        add(dispute.created_at, "dispute", -amount, &dispute.id);
        if matches!(dispute.str("dispute_status"), "dispute_won" | "dispute_cancelled") {
            add(dispute.created_at, "dispute_reversal", amount, &dispute.id);
        }
    }
    for payout in state.all(&PAYOUTS).filter(|payout| !payout.has("status", "failed")) {
        let amount = payout.number("amount").unwrap_or(0);
        add(payout.created_at, "payout", -amount, &payout.id);
    }
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// Creates a payout of the whole balance: `payout.created`. Returns its id.
///
/// # Errors
/// 409 without a balance.
pub(crate) fn create(state: &mut SandboxState) -> Result<String, Error> {
    let amount: i64 = ledger(state).iter().map(|entry| entry.amount).sum();
    if amount <= 0 {
        return Err(Error::conflict("CONFLICT", "the balance is not positive"));
    }
    let fields = json!({
        "amount": amount,
        "currency": "USD",
        "fee": 0,
        "payment_method": "bank_transfer",
        "name": "Sandbox business",
        "status": "not_initiated",
    });
    let id = state.add(&PAYOUTS, fields);
    state.emit("payout.created", &PAYOUTS, &id);
    Ok(id)
}

/// Moves a payout on, with its event.
///
/// # Errors
/// 404 for an unknown payout; 422 for an unknown status.
pub(crate) fn set_status(state: &mut SandboxState, id: &str, status: &str) -> Result<(), Error> {
    let event = match status {
        "in_progress" => "payout.in_progress",
        "on_hold" => "payout.on_hold",
        "success" => "payout.success",
        "failed" => "payout.failed",
        _ => return Err(Error::invalid("status: in_progress, on_hold, success or failed")),
    };
    let now = state.now();
    state.find_mut(&PAYOUTS, id)?.change(json!({ "status": status }), now);
    state.emit(event, &PAYOUTS, id);
    Ok(())
}

/// The entries that a payout pays out: those before it and after the payout before.
pub(crate) fn entries(state: &SandboxState, payout: &Object) -> Vec<Entry> {
    let earlier = state.all(&PAYOUTS).filter(|own| own.created_at < payout.created_at);
    let from = earlier.filter(|own| !own.has("status", "failed")).map(|own| own.created_at).max();
    let covered = |entry: &Entry| {
        entry.kind != "payout"
            && entry.at <= payout.created_at
            && from.is_none_or(|from| entry.at > from)
    };
    ledger(state).into_iter().filter(covered).collect()
}

impl Entry {
    /// As the ledger and the details of a payout show it.
    pub(crate) fn json(&self, business_id: &str) -> Value {
        json!({
            "id": format!("bal_{}_{}", self.kind, self.reference),
            "business_id": business_id,
            "created_at": crate::clock::rfc3339(self.at),
            "event_type": self.kind,
            "amount": self.amount.abs(),
            "is_credit": self.amount > 0,
            "currency": "USD",
            "original_amount": self.amount,
            "original_currency": "USD",
            "payout_currency_amount": self.amount,
            "usd_equivalent_amount": self.amount.abs(),
            "reference_object_id": self.reference,
        })
    }
}
