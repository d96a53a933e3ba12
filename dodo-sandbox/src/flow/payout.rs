//! Payouts: the balance of the business, its ledger, and the money that goes to the bank.

use serde_json::{Value, json};

use crate::{
    Error, id, money,
    state::{World, object::Object, webhook::Subject},
};

/// The table of payouts.
pub(crate) const TABLE: &str = "/payouts";

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
pub(crate) fn ledger(world: &World) -> Vec<Entry> {
    let dollars = |amount, currency: &str| money::settlement(currency).1(amount);
    let mut entries = Vec::new();
    let mut add = |at, kind, amount: i64, reference: &str| {
        if amount != 0 {
            entries.push(Entry { at, kind, amount, reference: reference.to_owned() });
        }
    };
    for payment in world.payments.iter().filter(|payment| payment.succeeded()) {
        let at = payment.updated_at.unwrap_or(payment.created_at);
        let total = dollars(payment.total, &payment.currency);
        add(at, "payment", total, &payment.id);
        add(at, "tax", -dollars(payment.tax, &payment.currency), &payment.id);
        if total > 0 {
            add(at, "payment_fees", -(money::share(total, FEE.0, 10_000) + FEE.1), &payment.id);
        }
    }
    for refund in world.refunds.iter().filter(|refund| refund.status == "succeeded") {
        let amount = -dollars(refund.amount, &refund.currency);
        add(refund.created_at, "refund", amount, &refund.id);
    }
    for dispute in world.disputes.iter() {
        let amount = dollars(dispute.amount, &dispute.currency);
        add(dispute.created_at, "dispute", -amount, &dispute.id);
        if matches!(dispute.status, "dispute_won" | "dispute_cancelled") {
            add(dispute.created_at, "dispute_reversal", amount, &dispute.id);
        }
    }
    for payout in world.objects.all(TABLE).filter(|payout| payout.text("status") != Some("failed"))
    {
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
pub(crate) fn create(world: &mut World) -> Result<String, Error> {
    let amount: i64 = ledger(world).iter().map(|entry| entry.amount).sum();
    if amount <= 0 {
        return Err(Error::conflict("CONFLICT", "the balance is not positive"));
    }
    let fields = json!({
        "amount": amount,
        "business_id": world.business_id,
        "currency": "USD",
        "fee": 0,
        "payment_method": "bank_transfer",
        "name": "Sandbox business",
        "status": "not_initiated",
    });
    let (id, now) = (id::new("pyt_"), world.now());
    let fields = fields.as_object().cloned().unwrap_or_default();
    world.objects.add(TABLE, ("payout_id", id.clone()), now, fields);
    announce(world, "payout.created", &id);
    Ok(id)
}

fn announce(world: &mut World, event: &str, id: &str) {
    let id = id.to_owned();
    world.emit(event, Subject::Object { payload_type: "Payout", table: TABLE, id });
}

/// Moves a payout on, with its event.
///
/// # Errors
/// 404 for an unknown payout; 422 for an unknown status.
pub(crate) fn set_status(world: &mut World, id: &str, status: &str) -> Result<(), Error> {
    let event = match status {
        "in_progress" => "payout.in_progress",
        "on_hold" => "payout.on_hold",
        "success" => "payout.success",
        "failed" => "payout.failed",
        _ => return Err(Error::invalid("status: in_progress, on_hold, success or failed")),
    };
    let now = world.now();
    let fields = json!({ "status": status }).as_object().cloned().unwrap_or_default();
    world.objects.find_mut(TABLE, id)?.change(fields, now);
    announce(world, event, id);
    Ok(())
}

/// The entries that a payout pays out: those before it and after the payout before.
pub(crate) fn entries(world: &World, payout: &Object) -> Vec<Entry> {
    let earlier = world.objects.all(TABLE).filter(|own| own.created_at < payout.created_at);
    let from =
        earlier.filter(|own| own.text("status") != Some("failed")).map(|own| own.created_at).max();
    let covered = |entry: &Entry| {
        entry.kind != "payout"
            && entry.at <= payout.created_at
            && from.is_none_or(|from| entry.at > from)
    };
    ledger(world).into_iter().filter(covered).collect()
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
