//! Credit entitlements, and the balances of customers with their grants and their ledger.

use serde_json::json;

use super::{
    call::{Call, Reply},
    customers::CUSTOMERS,
    resource::Resource,
};
use crate::{
    Error,
    flow::credit::{self, NewGrant},
    state::{SandboxState, credits::Credits, object::Object},
};

pub(crate) static CREDIT_ENTITLEMENTS: Resource = Resource {
    name: "credit entitlement",
    path: "/credit-entitlements",
    prefix: "cde_",
    defaults: |_| json!({ "overage_behavior": "forgive_at_reset" }),
    ..Resource::PLAIN
};

/// By credit entitlement and customer.
pub(crate) static BALANCES: Resource = Resource {
    name: "balance",
    path: "/credit-entitlements/{}/balances",
    parents: &[&["credit_entitlement_id"]],
    routes: &[
        ("GET /credit-entitlements/{}/balances/{}", |state, call| {
            state.find(&CREDIT_ENTITLEMENTS, call.id())?;
            let key = credit::key(call.id(), call.last_id());
            state.find(&BALANCES, &key)?;
            Ok(Reply::Json(state.json(&BALANCES, &key)))
        }),
        ("POST /credit-entitlements/{}/balances/{}/ledger-entries", adjust),
    ],
    ..Resource::PLAIN
};

pub(crate) static GRANTS: Resource = Resource {
    name: "credit grant",
    path: "/credit-entitlements/{}/balances/{}/grants",
    parents: &[&["credit_entitlement_id", "customer_id"]],
    prefix: "cgr_",
    filters: &[("status", |_, grant: &Object, wanted| {
        wanted
            == match (grant.is("is_expired"), grant.has("remaining_amount", "0")) {
                (true, _) => "expired",
                (_, true) => "depleted",
                _ => "active",
            }
    })],
    ..Resource::PLAIN
};

pub(crate) static LEDGER: Resource = Resource {
    name: "ledger entry",
    path: "/credit-entitlements/{}/balances/{}/ledger",
    parents: &[&["credit_entitlement_id", "customer_id"]],
    prefix: "cle_",
    payload_type: "CreditLedgerEntry",
    filters: &[
        ("start_date", |_, entry: &Object, date| {
            date.parse().is_ok_and(|at| entry.created_at >= at)
        }),
        ("end_date", |_, entry: &Object, date| date.parse().is_ok_and(|at| entry.created_at <= at)),
    ],
    ..Resource::PLAIN
};

/// The data of `credit.balance_low`.
pub(crate) static WARNINGS: Resource = Resource {
    path: "credit-warnings",
    prefix: "clw_",
    payload_type: "CreditBalanceLow",
    ..Resource::PLAIN
};

fn adjust(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CREDIT_ENTITLEMENTS, call.id())?;
    state.find(&CUSTOMERS, call.last_id())?;
    let amount = call.text("amount").and_then(Credits::parse).filter(|own| *own > Credits::ZERO);
    let amount = amount.ok_or_else(|| Error::invalid("amount: a decimal number above 0"))?;
    if let Some(key) = call.text("idempotency_key")
        && state.matching(&LEDGER, "idempotency_key", key).next().is_some()
    {
        return Err(Error::conflict("CONFLICT", "this idempotency key is in use"));
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
    let id = credit::adjust(state, &grant, is_credit, extra)?;
    Ok(Reply::Json(state.json(&LEDGER, &id)))
}
