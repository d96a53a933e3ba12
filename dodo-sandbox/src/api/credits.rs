//! Credit balances of customers, with their grants and their ledger.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Call, Reply, Route},
    list::page,
};
use crate::{
    Error,
    flow::credit::{self, NewGrant},
    state::{World, credits::Credits, object::Object},
};

const TABLE: &str = "/credit-entitlements";

pub(crate) const ROUTES: &[Route] = &[
    ("GET /credit-entitlements/{}/balances", |world, call| {
        let customer = call.query("customer_id").map(str::to_owned);
        rows(world, call, credit::BALANCES, |row| {
            customer.as_deref().is_none_or(|id| row.text("customer_id") == Some(id))
        })
    }),
    ("GET /credit-entitlements/{}/balances/{}", |world, call| {
        world.objects.find(TABLE, call.id())?;
        let key = format!("{}:{}", call.id(), call.last_id());
        let balance = world.objects.find(credit::BALANCES, &key)?;
        Ok(Reply::Json(Value::Object(balance.fields.clone())))
    }),
    ("GET /credit-entitlements/{}/balances/{}/grants", |world, call| {
        let status = call.query("status").map(str::to_owned);
        rows(world, call, credit::GRANTS, |row| {
            let depleted = row.text("remaining_amount") == Some("0");
            let own = match (row.is("is_expired"), depleted) {
                (true, _) => "expired",
                (_, true) => "depleted",
                _ => "active",
            };
            status.as_deref().is_none_or(|wanted| wanted == own)
        })
    }),
    ("GET /credit-entitlements/{}/balances/{}/ledger", |world, call| {
        let (from, to): (Option<Timestamp>, Option<Timestamp>) =
            (call.parse("start_date")?, call.parse("end_date")?);
        let kind = call.query("transaction_type").map(str::to_owned);
        rows(world, call, credit::LEDGER, |row| {
            from.is_none_or(|from| row.created_at >= from)
                && to.is_none_or(|to| row.created_at <= to)
                && kind.as_deref().is_none_or(|kind| row.text("transaction_type") == Some(kind))
        })
    }),
    ("POST /credit-entitlements/{}/balances/{}/ledger-entries", adjust),
];

/// The rows of the credit entitlement, and of the customer if the path names one.
fn rows(
    world: &World,
    call: &Call,
    table: &str,
    selects: impl Fn(&Object) -> bool,
) -> Result<Reply, Error> {
    world.objects.find(TABLE, call.id())?;
    let customer = call.path.get(1).map(|(_, id)| id.as_str());
    let rows = world.objects.all(table).rev().filter(|row| {
        row.text("credit_entitlement_id") == Some(call.id())
            && customer.is_none_or(|id| row.text("customer_id") == Some(id))
            && selects(row)
    });
    page(world, call, rows, |row| Value::Object(row.fields.clone()))
}

fn adjust(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.objects.find(TABLE, call.id())?;
    world.customers.find(call.last_id())?;
    let amount = call.text("amount").and_then(Credits::parse).filter(|own| *own > Credits::ZERO);
    let amount = amount.ok_or_else(|| Error::invalid("amount: a decimal number above 0"))?;
    if let Some(key) = call.text("idempotency_key") {
        let used = |entry: &Object| entry.text("idempotency_key") == Some(key);
        if world.objects.all(credit::LEDGER).any(used) {
            return Err(Error::conflict("CONFLICT", "this idempotency key is in use"));
        }
    }
    let grant = NewGrant {
        entitlement_id: call.id(),
        customer_id: call.last_id(),
        amount,
        source: ("api", None),
        expires_at: call.text("expires_at").and_then(|date| date.parse().ok()),
        rollovers: 0,
    };
    let extra = json!({
        "entry_type": call.text("entry_type"),
        "reason": call.text("reason"),
        "description": call.text("reason"),
        "idempotency_key": call.text("idempotency_key"),
        "metadata": call.body.get("metadata").filter(|own| !own.is_null()).cloned().unwrap_or(json!({})),
    });
    let is_credit = call.text("entry_type") == Some("credit");
    let id = credit::adjust(world, &grant, is_credit, extra)?;
    Ok(Reply::Json(Value::Object(world.objects.find(credit::LEDGER, &id)?.fields.clone())))
}
