//! Grants: the goods of a purchase, their delivery, their revocation.

use serde_json::{Map, Value, json};

use super::allowance::{self, Occasion};

use crate::{
    Error,
    api::{
        customers::send_email,
        entitlements::{ENTITLEMENTS, GRANTS},
        licenses::LICENSES,
    },
    clock::rfc3339,
    id,
    state::{
        SandboxState,
        object::Object,
        product::{Period, RenewalInterval},
    },
};

/// Creates the keys, grants and credits that this payment bought.
///
/// # Errors
/// 404 for an unknown payment.
pub(crate) fn issue(state: &mut SandboxState, payment_id: &str) -> Result<(), Error> {
    let payment = state.payments.find(payment_id)?.clone();
    for line in &payment.lines {
        let Some(product) = state.products.get(&line.product_id).cloned() else { continue };
        let own = |id: &&String| {
            state.subscriptions.get(id).is_some_and(|s| s.product_id == line.product_id)
        };
        let subscription_id = payment.subscription_ids.iter().find(own).cloned();
        let bought = |entitlement_id: &str, integration: &str| {
            json!({
                "entitlement_id": entitlement_id,
                "integration_type": integration,
                "customer_id": payment.customer_id,
                "payment_id": payment.id,
                "product_id": product.id,
                "subscription_id": subscription_id,
                "metadata": {},
            })
        };
        if let Some(plan) = &product.license {
            let grant = bought(&plan.entitlement_id, "license_key");
            let key = license(state, grant.clone(), plan.activations_limit, plan.duration);
            let text = product.fields.get("license_key_activation_message").and_then(Value::as_str);
            let text = format!("{}\n{}", license_key(state, &key), text.unwrap_or_default());
            send_email(state, &payment.customer_id, "license_key", "Your license key", &text);
            deliver_at_once(state, grant, Some(key));
        }
        for entitlement_id in attached(product.fields.get("entitlements"), "entitlement_id") {
            let Some(entitlement) = state.get(&ENTITLEMENTS, &entitlement_id) else { continue };
            let integration = entitlement.str("integration_type");
            let config = entitlement.get("integration_config").cloned().unwrap_or_default();
            let grant = bought(&entitlement_id, integration);
            grant_entitlement(state, grant, integration.to_owned().as_str(), &config);
        }
        let source = match &subscription_id {
            Some(id) => ("subscription", Some(id.clone())),
            None => ("one_time", Some(payment.id.clone())),
        };
        allowance::grant_for_product(
            state,
            &product.id,
            &payment.customer_id,
            source,
            line.quantity,
            Occasion::Start,
        );
    }
    Ok(())
}

fn license_key(state: &SandboxState, id: &str) -> String {
    state.get(&LICENSES, id).map_or("", |license| license.str("key")).to_owned()
}

/// The ids in a list of attachments.
fn attached(list: Option<&Value>, name: &str) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| item.get(name).or(item.get("id"))?.as_str().map(str::to_owned))
        .collect()
}

fn grant_entitlement(state: &mut SandboxState, grant: Value, integration: &str, config: &Value) {
    let manual = config.get("fulfillment_mode").is_some_and(|mode| mode == "manual");
    match integration {
        "license_key" if !manual => {
            let number = |name: &str| u32::try_from(config.get(name)?.as_u64()?).ok();
            let interval = config.get("duration_interval").cloned().unwrap_or_default();
            let interval: Option<RenewalInterval> = serde_json::from_value(interval).ok();
            let duration = number("duration_count").zip(interval);
            let duration = duration.map(|(count, interval)| Period { count, interval });
            let key = license(state, grant.clone(), number("activations_limit"), duration);
            deliver_at_once(state, grant, Some(key));
        }
        "digital_files" | "feature_flag" => deliver_at_once(state, grant, None),
        // The customer must connect an account first, or the merchant sends the key.
        _ => drop(insert(state, grant, "Pending", None)),
    }
}

/// Adds a grant: `entitlement_grant.created`. Returns its id.
fn insert(
    state: &mut SandboxState,
    mut grant: Value,
    status: &str,
    license_key_id: Option<String>,
) -> String {
    let delivered_at = (status == "Delivered").then(|| rfc3339(state.now()));
    if let Some(fields) = grant.as_object_mut() {
        fields.insert("status".to_owned(), status.into());
        fields.insert("license_key_id".to_owned(), license_key_id.into());
        fields.insert("delivered_at".to_owned(), delivered_at.into());
    }
    let id = state.add(&GRANTS, grant);
    state.emit("entitlement_grant.created", &GRANTS, &id);
    id
}

/// Adds the license key of a purchase: `license_key.created`. Returns its id.
fn license(
    state: &mut SandboxState,
    mut bought: Value,
    activations_limit: Option<u32>,
    duration: Option<Period>,
) -> String {
    let expires_at = duration.map(|duration| rfc3339(duration.after(state.now())));
    if let Some(fields) = bought.as_object_mut() {
        fields.insert("activations_limit".to_owned(), activations_limit.into());
        fields.insert("expires_at".to_owned(), expires_at.into());
        fields.insert("key".to_owned(), id::license_key().into());
        fields.insert("source".to_owned(), "auto".into());
        fields.insert("status".to_owned(), "active".into());
    }
    let id = state.add(&LICENSES, bought);
    state.emit("license_key.created", &LICENSES, &id);
    id
}

/// A grant without a delay: it is created as delivered.
fn deliver_at_once(state: &mut SandboxState, grant: Value, license_key_id: Option<String>) {
    let id = insert(state, grant, "Delivered", license_key_id);
    if state.settings.delivered_after_created {
        state.emit("entitlement_grant.delivered", &GRANTS, &id);
    }
}

fn pending<'a>(state: &'a mut SandboxState, grant_id: &str) -> Result<&'a mut Object, Error> {
    let grant = state.find_mut(&GRANTS, grant_id)?;
    match grant.has("status", "Pending") {
        true => Ok(grant),
        false => Err(Error::conflict("CONFLICT", "the grant is not pending")),
    }
}

/// The merchant sends the key of a pending grant, with its terms.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it waits for a key.
pub(crate) fn fulfill(
    state: &mut SandboxState,
    grant_id: &str,
    terms: &Map<String, Value>,
) -> Result<(), Error> {
    let grant = pending(state, grant_id)?;
    if !grant.has("integration_type", "license_key") {
        return Err(Error::conflict("CONFLICT", "the grant is not for a license key"));
    }
    let mut license = Map::new();
    for name in ["customer_id", "payment_id", "product_id", "subscription_id"] {
        license.insert(name.to_owned(), grant.get(name).cloned().unwrap_or_default());
    }
    license.extend(terms.clone());
    license.insert("source".to_owned(), "manual".into());
    license.insert("status".to_owned(), "active".into());
    let id = state.add(&LICENSES, license.into());
    state.emit("license_key.created", &LICENSES, &id);
    state.find_mut(&GRANTS, grant_id)?.set("license_key_id", id);
    deliver(state, grant_id)
}

/// A pending grant is delivered: the customer connected the account.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it is pending.
pub(crate) fn deliver(state: &mut SandboxState, grant_id: &str) -> Result<(), Error> {
    let now = state.now();
    let change = json!({ "status": "Delivered", "delivered_at": rfc3339(now) });
    pending(state, grant_id)?.change(change, now);
    state.emit("entitlement_grant.delivered", &GRANTS, grant_id);
    Ok(())
}

/// The delivery of a pending grant fails at the integration.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it is pending.
pub(crate) fn fail(state: &mut SandboxState, grant_id: &str) -> Result<(), Error> {
    let now = state.now();
    let change = json!({
        "status": "Failed",
        "error_code": "INTEGRATION_ERROR",
        "error_message": "The integration refused the delivery.",
    });
    pending(state, grant_id)?.change(change, now);
    state.emit("entitlement_grant.failed", &GRANTS, grant_id);
    Ok(())
}

/// Sets the status of a grant's license key.
fn set_license(state: &mut SandboxState, grant: &Object, status: &str) {
    if let Ok(license) = state.find_mut(&LICENSES, grant.str("license_key_id")) {
        license.set("status", status);
    }
}

/// Revokes the grants that `which` selects.
pub(crate) fn revoke(state: &mut SandboxState, reason: &str, which: impl Fn(&Object) -> bool) {
    let now = state.now();
    let change = json!({
        "status": "Revoked",
        "revocation_reason": reason,
        "revoked_at": rfc3339(now),
    });
    let valid = |grant: &&mut Object| grant.get("revoked_at").is_none() && which(grant);
    let mut revoked = Vec::new();
    for grant in state.all_mut(&GRANTS).filter(valid) {
        grant.change(change.clone(), now);
        revoked.push(grant.clone());
    }
    for grant in revoked {
        set_license(state, &grant, "disabled");
        state.emit("entitlement_grant.revoked", &GRANTS, &grant.id);
    }
}

/// Revokes the grants of a subscription.
pub(crate) fn revoke_of(state: &mut SandboxState, reason: &str, subscription_id: &str) {
    revoke(state, reason, |grant| grant.has("subscription_id", subscription_id));
}

/// A subscription is paid again: each revoked entitlement is granted again.
pub(crate) fn grant_again(state: &mut SandboxState, subscription_id: &str) {
    let mut again: Vec<Object> = Vec::new();
    for old in state.matching(&GRANTS, "subscription_id", subscription_id).rev() {
        let same = |grant: &Object| grant.get("entitlement_id") == old.get("entitlement_id");
        if !again.iter().any(same) && old.get("revoked_at").is_some() {
            again.push(old.clone());
        }
    }
    for old in again {
        set_license(state, &old, "active");
        let license_key_id = old.text("license_key_id").map(str::to_owned);
        let mut fields = old.fields;
        for name in ["id", "created_at", "updated_at", "revoked_at", "revocation_reason"] {
            fields.remove(name);
        }
        insert(state, fields.into(), "Delivered", license_key_id);
    }
}
