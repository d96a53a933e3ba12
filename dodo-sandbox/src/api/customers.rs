//! Customers: their portal, payment methods, wallets, grants and e-mails.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    body,
    call::{Call, Reply},
    credits::{BALANCES, CREDIT_ENTITLEMENTS},
    entitlements::{ENTITLEMENTS, GRANTS},
    resource::Resource,
    rules::{Rule, at_least},
};
use crate::{
    Error,
    clock::rfc3339,
    money,
    state::{SandboxState, object::Object},
};

pub(crate) static CUSTOMERS: Resource = Resource {
    name: "customer",
    path: "/customers",
    id: "customer_id",
    prefix: "cus_",
    defaults: |_| json!({ "metadata": {} }),
    rules: &[&[("email", Rule::Email), ("name", Rule::Length(1, 512)), ("amount", at_least(1))]],
    routes: &[
        ("POST /customers/{}/customer-portal/session", portal),
        ("GET /customers/{}/payment-methods", payment_methods),
        ("DELETE /customers/{}/payment-methods/{}", |state, call| {
            state.find(&CUSTOMERS, call.id())?;
            let method = state.payment_method(call.id(), call.last_id());
            let id = method.ok_or_else(|| Error::not_found("payment method"))?.id.clone();
            state.removed_methods.insert(id);
            Ok(Reply::Empty)
        }),
        ("GET /customers/{}/wallets", wallets),
        ("POST /customers/{}/wallets/ledger-entries", book),
        ("GET /customers/{}/credit-entitlements", credit_entitlements),
        ("GET /customers/{}/entitlements", entitlements),
        ("GET /customers/{}/emails/{}/body", |state, call| {
            let email = state.find(&EMAILS, call.last_id())?;
            match email.has("customer_id", call.id()) {
                true => Ok(Reply::Json(
                    json!({ "text": email.get("text"), "merchant_authored": false }),
                )),
                false => Err(Error::not_found("e-mail")),
            }
        }),
    ],
    ..Resource::PLAIN
};

/// The e-mails that Dodo Payments would have sent.
pub(crate) static EMAILS: Resource = Resource {
    name: "e-mail",
    path: "/customers/{}/emails",
    parents: &[&["customer_id"]],
    id: "email_log_id",
    prefix: "eml_",
    ..Resource::PLAIN
};

/// By customer and currency.
static WALLETS: Resource = Resource { path: "wallets", ..Resource::PLAIN };

pub(crate) static WALLET_LEDGER: Resource = Resource {
    path: "/customers/{}/wallets/ledger-entries",
    parents: &[&["customer_id"]],
    prefix: "cwt_",
    ..Resource::PLAIN
};

/// By their token.
pub(crate) static PORTAL_LINKS: Resource =
    Resource { name: "portal link", path: "portal-links", prefix: "ses_", ..Resource::PLAIN };

/// The lifetime of a portal link.
const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

fn portal(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let return_url = body::page_url("return_url", call.query("return_url").map(str::to_owned))?;
    state.find(&CUSTOMERS, call.id())?;
    let link = json!({
        "customer_id": call.id(),
        "return_url": return_url,
        "expires_at": rfc3339(state.after(LINK_LIFE)),
    });
    let token = state.add(&PORTAL_LINKS, link);
    let url = state.url(&["portal", &token]);
    if call.query("send_email") == Some("true") {
        send_email(state, call.id(), "customer_portal_link", "Your customer portal", &url);
    }
    Ok(Reply::Json(json!({ "link": url })))
}

/// Logs an e-mail that Dodo Payments would have sent.
pub(crate) fn send_email(
    state: &mut SandboxState,
    customer_id: &str,
    kind: &str,
    subject: &str,
    text: &str,
) {
    let Some(customer) = state.get(&CUSTOMERS, customer_id) else { return };
    let fields = json!({
        "category": "customer",
        "customer_id": customer_id,
        "email_type": kind,
        "from": "sandbox@example.com",
        "has_preview": true,
        "policies": { "resend_allowed": true, "resends_remaining": 3 },
        "recipient": customer.get("email"),
        "status": "delivered",
        "subject": subject,
        "text": text,
    });
    state.add(&EMAILS, fields);
}

fn payment_methods(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CUSTOMERS, call.id())?;
    let items: Vec<_> = state
        .payment_methods(call.id())
        .into_iter()
        .map(|(method, used)| {
            json!({
                "payment_method_id": method.id,
                "payment_method": "card",
                "payment_method_type": "credit",
                "recurring_enabled": true,
                "last_used_at": rfc3339(used),
                "card": {
                    "card_holder_name": method.holder,
                    "card_issuing_country": method.country,
                    "card_network": method.network(),
                    "card_type": "CREDIT",
                    "expiry_month": "12",
                    "expiry_year": "2034",
                    "last4_digits": method.last_four(),
                },
            })
        })
        .collect();
    Ok(Reply::Json(json!({ "items": items })))
}

fn wallets(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CUSTOMERS, call.id())?;
    let own: Vec<&Object> = state.matching(&WALLETS, "customer_id", call.id()).collect();
    let dollars = |wallet: &&Object| {
        let (_, convert) = money::settlement(wallet.text("currency").unwrap_or_default());
        convert(wallet.number("balance").unwrap_or(0))
    };
    let total = own.iter().map(dollars).fold(0, i64::saturating_add);
    let items: Vec<_> = own.into_iter().map(|own| own.fields.clone()).collect();
    Ok(Reply::Json(json!({ "items": items, "total_balance_usd": total })))
}

/// Credits or debits a wallet.
fn book(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CUSTOMERS, call.id())?;
    let amount = call.body.get("amount").and_then(Value::as_i64).unwrap_or(0);
    let used = |entry: &Object| entry.text("idempotency_key") == call.text("idempotency_key");
    if call.text("idempotency_key").is_some() && state.all(&WALLET_LEDGER).any(used) {
        return Err(Error::conflict("CONFLICT", "this idempotency key is in use"));
    }
    let currency = call.text("currency").unwrap_or_default();
    let key = format!("{}:{currency}", call.id());
    let before = state.get(&WALLETS, &key);
    let before = before.and_then(|wallet| wallet.number("balance")).unwrap_or(0);
    let is_credit = call.text("entry_type") == Some("credit");
    let after = if is_credit { before.saturating_add(amount) } else { before - amount };
    if after < 0 {
        return Err(Error::unprocessable("INSUFFICIENT_BALANCE", "amount: more than the balance"));
    }
    let now = state.now();
    if state.get(&WALLETS, &key).is_none() {
        let fields = json!({ "customer_id": call.id(), "currency": currency });
        state.put(&WALLETS, key.clone(), fields);
    }
    let entry = json!({
        "after_balance": after,
        "amount": amount,
        "before_balance": before,
        "currency": currency,
        "customer_id": call.id(),
        "event_type": "merchant_adjustment",
        "is_credit": is_credit,
        "reason": call.text("reason"),
        "idempotency_key": call.text("idempotency_key"),
    });
    state.add(&WALLET_LEDGER, entry);
    let wallet = state.find_mut(&WALLETS, &key)?;
    wallet.change(json!({ "balance": after }), now);
    Ok(Reply::Json(Value::Object(wallet.fields.clone())))
}

fn credit_entitlements(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CUSTOMERS, call.id())?;
    let item = |balance: &Object| {
        let id = balance.text("credit_entitlement_id")?;
        let mut fields = state.get(&CREDIT_ENTITLEMENTS, id)?.fields.clone();
        fields.extend(balance.fields.clone());
        Some(Value::Object(fields))
    };
    let items: Vec<_> =
        state.matching(&BALANCES, "customer_id", call.id()).filter_map(item).collect();
    Ok(Reply::Json(json!({ "items": items })))
}

fn entitlements(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    state.find(&CUSTOMERS, call.id())?;
    let item = |grant: &Object| {
        let entitlement = state.get(&ENTITLEMENTS, grant.str("entitlement_id"));
        let text = |name: &str| entitlement.and_then(|entitlement| entitlement.text(name));
        let mut fields = grant.fields.clone();
        for (name, value) in [
            ("grant_id", json!(grant.id)),
            ("entitlement_description", json!(text("description"))),
            ("entitlement_name", json!(text("name").unwrap_or("License key"))),
            ("status", json!(grant.str("status").to_lowercase())),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Value::Object(fields)
    };
    let own = state.matching(&GRANTS, "customer_id", call.id()).rev();
    Ok(Reply::Json(json!({ "items": own.map(item).collect::<Vec<_>>() })))
}
