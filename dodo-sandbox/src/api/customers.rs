//! Customers: their portal, payment methods, wallets, grants and e-mails, and the block list.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    body,
    call::{Call, Reply, Route},
    list::{list, list_of},
};
use crate::{
    Error,
    clock::rfc3339,
    flow::{credit, subscription},
    id, money,
    state::{PortalLink, World, customer::Customer, grant::Grant, object::Object},
};

const WALLETS: &str = "wallets";
const WALLET_LEDGER: &str = "wallet-ledger";
/// E-mails that Dodo would have sent.
pub(crate) const EMAILS: &str = "emails";
const BLOCKED: &str = "/blocklist/customers";

pub(crate) const ROUTES: &[Route] = &[
    ("GET /customers", |world, call| list(world, call, &world.customers)),
    ("POST /customers", create),
    ("GET /customers/{}", |world, call| show(world, call.id())),
    ("PATCH /customers/{}", patch),
    ("POST /customers/{}/customer-portal/session", portal),
    ("GET /customers/{}/payment-methods", payment_methods),
    ("DELETE /customers/{}/payment-methods/{}", |world, call| {
        world.customers.find(call.id())?;
        let method = world.payment_method(call.id(), call.last_id());
        let id = method.ok_or_else(|| Error::not_found("payment method"))?.id.clone();
        world.removed_methods.insert(id);
        Ok(Reply::Empty)
    }),
    ("GET /customers/{}/wallets", wallets),
    ("GET /customers/{}/wallets/ledger-entries", |world, call| {
        own_objects(world, call, WALLET_LEDGER)
    }),
    ("POST /customers/{}/wallets/ledger-entries", book),
    ("GET /customers/{}/credit-entitlements", credit_entitlements),
    ("GET /customers/{}/entitlements", entitlements),
    ("GET /customers/{}/entitlement-grants", |world, call| {
        world.customers.find(call.id())?;
        list_of(
            world,
            call,
            world.grants.iter().rev().filter(|grant| grant.customer_id == call.id()),
        )
    }),
    ("GET /customers/{}/emails", |world, call| own_objects(world, call, EMAILS)),
    ("GET /customers/{}/emails/{}/body", |world, call| {
        let email = world.objects.find(EMAILS, call.last_id())?;
        if email.text("customer_id") != Some(call.id()) {
            return Err(Error::not_found("e-mail"));
        }
        Ok(Reply::Json(json!({ "text": email.get("text"), "merchant_authored": false })))
    }),
    ("GET /blocklist/customers", |world, call| {
        list_of(world, call, world.objects.all(BLOCKED).rev())
    }),
    ("POST /blocklist/customers", block),
    ("GET /blocklist/customers/{}", |world, call| {
        Ok(Reply::Json(Value::Object(world.objects.find(BLOCKED, call.id())?.fields.clone())))
    }),
    ("DELETE /blocklist/customers/{}", unblock),
    ("POST /blocklist/customers/{}/notes", add_note),
    ("PATCH /blocklist/customers/{}/notes/{}", patch_note),
];

/// How long a portal link works.
const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

fn show(world: &World, id: &str) -> Result<Reply, Error> {
    Ok(Reply::Json(world.customers.find(id)?.json(&world.business_id)))
}

/// The objects of a table that belong to the customer of the path.
fn own_objects(world: &World, call: &Call, table: &str) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let own = |object: &&Object| object.text("customer_id") == Some(call.id());
    list_of(world, call, world.objects.all(table).rev().filter(own))
}

/// Checks the fields that a request has.
fn check(call: &Call) -> Result<Option<Map<String, Value>>, Error> {
    if call.text("email").is_some_and(|email| !body::is_email(email)) {
        return Err(Error::invalid("email is not an e-mail address"));
    }
    if call.text("name").is_some_and(|name| name.trim().is_empty() || name.len() > 512) {
        return Err(Error::invalid("name must have 1 to 512 characters"));
    }
    let metadata = call.body.get("metadata").and_then(Value::as_object).cloned();
    metadata.map(|metadata| body::metadata(Some(metadata))).transpose()
}

fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let metadata = check(call)?.unwrap_or_default();
    let text = |name: &str| call.text(name).map(str::to_owned);
    let customer = Customer {
        id: id::new("cus_"),
        email: text("email").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        phone: text("phone_number"),
        metadata,
        blocked: None,
        created_at: world.now(),
    };
    let id = customer.id.clone();
    world.customers.insert(customer);
    show(world, &id)
}

fn patch(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let metadata = check(call)?;
    let customer = world.customers.find_mut(call.id())?;
    for (name, field) in [("email", &mut customer.email), ("name", &mut customer.name)] {
        if let Some(text) = call.text(name) {
            text.clone_into(field);
        }
    }
    customer.phone = call.text("phone_number").map(str::to_owned).or(customer.phone.take());
    if let Some(metadata) = metadata {
        customer.metadata = metadata;
    }
    show(world, call.id())
}

fn portal(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let return_url = body::web_url("return_url", call.query("return_url").map(str::to_owned))?;
    let link = PortalLink {
        token: id::new("ses_"),
        customer_id: world.customers.find(call.id())?.id.clone(),
        return_url,
        expires_at: world.after(LINK_LIFE),
    };
    let url = world.url(&["portal", &link.token]);
    world.portal_links.insert(link);
    if call.query("send_email") == Some("true") {
        send_email(world, call.id(), "customer_portal_link", "Your customer portal", &url);
    }
    Ok(Reply::Json(json!({ "link": url })))
}

/// Logs an e-mail that Dodo would have sent.
pub(crate) fn send_email(
    world: &mut World,
    customer_id: &str,
    kind: &str,
    subject: &str,
    text: &str,
) {
    let Some(customer) = world.customers.get(customer_id) else { return };
    let fields = json!({
        "category": "customer",
        "customer_id": customer_id,
        "email_type": kind,
        "from": "sandbox@example.com",
        "has_preview": true,
        "policies": { "resend_allowed": true, "resends_remaining": 3 },
        "recipient": customer.email,
        "status": "delivered",
        "subject": subject,
        "text": text,
    });
    let now = world.now();
    let fields = fields.as_object().cloned().unwrap_or_default();
    world.objects.add(EMAILS, ("email_log_id", id::new("eml_")), now, fields);
}

fn payment_methods(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let items: Vec<_> = world
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

fn wallets(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let own = |object: &&Object| object.text("customer_id") == Some(call.id());
    let own: Vec<&Object> = world.objects.all(WALLETS).filter(own).collect();
    let dollars = |wallet: &&Object| {
        let (_, convert) = money::settlement(wallet.text("currency").unwrap_or_default());
        convert(wallet.number("balance").unwrap_or(0))
    };
    let total = own.iter().map(dollars).fold(0, i64::saturating_add);
    let items: Vec<_> = own.into_iter().map(|own| own.fields.clone()).collect();
    Ok(Reply::Json(json!({ "items": items, "total_balance_usd": total })))
}

/// Credits or debits a wallet.
fn book(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let amount = call.body.get("amount").and_then(Value::as_i64).unwrap_or(0);
    if amount < 1 {
        return Err(Error::invalid("amount is at least 1"));
    }
    let used = |entry: &Object| entry.text("idempotency_key") == call.text("idempotency_key");
    if call.text("idempotency_key").is_some() && world.objects.all(WALLET_LEDGER).any(used) {
        return Err(Error::conflict("CONFLICT", "this idempotency key is in use"));
    }
    let currency = call.text("currency").unwrap_or_default();
    let key = format!("{}:{currency}", call.id());
    let before = world.objects.find(WALLETS, &key).ok();
    let before = before.and_then(|wallet| wallet.number("balance")).unwrap_or(0);
    let is_credit = call.text("entry_type") == Some("credit");
    let after = if is_credit { before.saturating_add(amount) } else { before - amount };
    if after < 0 {
        return Err(Error::unprocessable("INSUFFICIENT_BALANCE", "amount: more than the balance"));
    }
    let now = world.now();
    if world.objects.find(WALLETS, &key).is_err() {
        let fields = json!({ "customer_id": call.id(), "currency": currency });
        let fields = fields.as_object().cloned().unwrap_or_default();
        world.objects.add(WALLETS, ("id", key.clone()), now, fields);
    }
    let entry = json!({
        "after_balance": after,
        "amount": amount,
        "before_balance": before,
        "business_id": world.business_id,
        "currency": currency,
        "customer_id": call.id(),
        "event_type": "merchant_adjustment",
        "is_credit": is_credit,
        "reason": call.text("reason"),
        "idempotency_key": call.text("idempotency_key"),
    });
    let entry = entry.as_object().cloned().unwrap_or_default();
    world.objects.add(WALLET_LEDGER, ("id", id::new("cwt_")), now, entry);
    let wallet = world.objects.find_mut(WALLETS, &key)?;
    wallet.set("balance", after);
    wallet.set("updated_at", rfc3339(now));
    Ok(Reply::Json(Value::Object(wallet.fields.clone())))
}

fn credit_entitlements(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let own = |balance: &&Object| balance.text("customer_id") == Some(call.id());
    let item = |balance: &Object| {
        let id = balance.text("credit_entitlement_id")?;
        let mut fields = world.objects.find("/credit-entitlements", id).ok()?.fields.clone();
        fields.extend(balance.fields.clone());
        Some(Value::Object(fields))
    };
    let items: Vec<_> = world.objects.all(credit::BALANCES).filter(own).filter_map(item).collect();
    Ok(Reply::Json(json!({ "items": items })))
}

fn entitlements(world: &mut World, call: &Call) -> Result<Reply, Error> {
    world.customers.find(call.id())?;
    let item = |grant: &Grant| {
        let entitlement = world.objects.find("/entitlements", &grant.entitlement_id).ok();
        let text = |name: &str| entitlement.and_then(|entitlement| entitlement.text(name));
        json!({
            "created_at": rfc3339(grant.created_at),
            "delivered_at": grant.delivered_at.map(rfc3339),
            "entitlement_description": text("description"),
            "entitlement_id": grant.entitlement_id,
            "entitlement_name": text("name").unwrap_or("License key"),
            "grant_id": grant.id,
            "integration_type": grant.integration,
            "revoked_at": grant.revoked.map(|(_, at)| rfc3339(at)),
            "status": format!("{:?}", grant.status).to_lowercase(),
            "updated_at": rfc3339(grant.updated_at),
        })
    };
    let own = world.grants.iter().rev().filter(|grant| grant.customer_id == call.id());
    Ok(Reply::Json(json!({ "items": own.map(item).collect::<Vec<_>>() })))
}

/// Blocks a customer: their subscriptions end, and they cannot pay.
fn block(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let same = |customer: &&Customer| {
        call.text("customer_id").map_or_else(
            || call.text("email").is_some_and(|own| own.eq_ignore_ascii_case(&customer.email)),
            |id| id == customer.id,
        )
    };
    let customer = world.customers.iter().find(same).ok_or_else(|| Error::not_found("customer"))?;
    let customer = customer.clone();
    if customer.blocked.is_some() {
        return Err(Error::conflict("CONFLICT", "the customer is blocked already"));
    }
    let own = world.subscriptions.iter().filter(|own| own.customer_id == customer.id);
    let ids: Vec<_> = own.filter(|own| !own.is_over()).map(|own| own.id.clone()).collect();
    for id in &ids {
        subscription::cancel(world, id, Some("merchant"))?;
    }
    let now = world.now();
    let entry = json!({
        "cancelled_subscription_ids": ids,
        "customer_email": customer.email,
        "customer_id": customer.id,
        "customer_name": customer.name,
        "identifier": customer.email,
        "notes": [],
        "reason": call.text("reason"),
        "remaining_subscription_ids": [],
        "source": call.text("source").unwrap_or("api"),
        "subscriptions_swept": true,
    });
    let entry = entry.as_object().cloned().unwrap_or_default();
    let id = id::new("blk_");
    let answer = world.objects.add(BLOCKED, ("id", id.clone()), now, entry);
    world.customers.find_mut(&customer.id)?.blocked = Some((id, now));
    Ok(Reply::Json(answer))
}

fn unblock(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(world.now());
    let entry = world.objects.find_mut(BLOCKED, call.id())?;
    entry.set("unblocked_at", now);
    let customer_id = entry.text("customer_id").unwrap_or_default().to_owned();
    world.customers.find_mut(&customer_id)?.blocked = None;
    Ok(Reply::Empty)
}

fn add_note(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(world.now());
    let entry = world.objects.find_mut(BLOCKED, call.id())?;
    let note = json!({ "id": id::new("nte_"), "note": call.text("note"), "created_at": now });
    let mut notes = entry.list("notes").to_vec();
    notes.push(note.clone());
    entry.set("notes", notes);
    Ok(Reply::Json(note))
}

fn patch_note(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(world.now());
    let entry = world.objects.find_mut(BLOCKED, call.id())?;
    let notes = entry.fields.get_mut("notes").and_then(Value::as_array_mut);
    let own = |note: &&mut Value| note.get("id").is_some_and(|id| id == call.last_id());
    let note = notes.into_iter().flatten().find(own).and_then(Value::as_object_mut);
    let note = note.ok_or_else(|| Error::not_found("note"))?;
    note.insert("note".to_owned(), call.text("note").into());
    note.insert("updated_at".to_owned(), now.into());
    Ok(Reply::Json(Value::Object(note.clone())))
}
