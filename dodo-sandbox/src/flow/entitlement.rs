//! Grants: the goods of a purchase, their delivery, their revocation.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Error, id,
    state::{
        World,
        grant::{Grant, GrantStatus, License},
        payment::Payment,
        product::{Period, RenewalInterval},
        webhook::Subject,
    },
};

/// The terms of the license keys of one sale.
struct KeyTerms {
    activations_limit: Option<u32>,
    duration: Option<Period>,
}

/// Creates the keys, grants and credits that this payment bought.
///
/// # Errors
/// 404 for an unknown payment.
pub(crate) fn issue(world: &mut World, payment_id: &str) -> Result<(), Error> {
    let payment = world.payments.find(payment_id)?.clone();
    for line in &payment.lines {
        let Some(product) = world.products.get(&line.product_id).cloned() else { continue };
        let own = |id: &&String| {
            world.subscriptions.get(id).is_some_and(|s| s.product_id == line.product_id)
        };
        let subscription_id = payment.subscription_ids.iter().find(own).cloned();
        if let Some(plan) = &product.license {
            let terms =
                KeyTerms { activations_limit: plan.activations_limit, duration: plan.duration };
            let license = license(world, &payment, (&product.id, subscription_id.clone()), terms);
            let grant = grant(
                world,
                &payment,
                &plan.entitlement_id,
                "license_key",
                subscription_id.clone(),
            );
            deliver_at_once(world, grant, Some(license));
        }
        for entitlement_id in attached(product.fields.get("entitlements"), "entitlement_id") {
            grant_entitlement(
                world,
                &payment,
                &product.id,
                &entitlement_id,
                subscription_id.clone(),
            );
        }
        let source = match &subscription_id {
            Some(id) => ("subscription", Some(id.clone())),
            None => ("one_time", Some(payment.id.clone())),
        };
        super::credit::grant_for_product(
            world,
            &product.id,
            &payment.customer_id,
            source,
            line.quantity,
        );
    }
    Ok(())
}

/// The ids in a list of attachments.
fn attached(list: Option<&Value>, name: &str) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| item.get(name).or(item.get("id"))?.as_str().map(str::to_owned))
        .collect()
}

fn grant_entitlement(
    world: &mut World,
    payment: &Payment,
    product_id: &str,
    entitlement_id: &str,
    subscription_id: Option<String>,
) {
    let Ok(entitlement) = world.objects.find("/entitlements", entitlement_id) else { return };
    let integration = entitlement.text("integration_type").unwrap_or_default().to_owned();
    let config = entitlement.get("integration_config").cloned().unwrap_or_default();
    let grant = grant(world, payment, entitlement_id, &integration, subscription_id.clone());
    let manual = config.get("fulfillment_mode").is_some_and(|mode| mode == "manual");
    match integration.as_str() {
        "license_key" if !manual => {
            let number = |name: &str| u32::try_from(config.get(name)?.as_u64()?).ok();
            let interval = config.get("duration_interval").cloned().unwrap_or_default();
            let interval: Option<RenewalInterval> = serde_json::from_value(interval).ok();
            let duration = number("duration_count").zip(interval);
            let terms = KeyTerms {
                activations_limit: number("activations_limit"),
                duration: duration.map(|(count, interval)| Period { count, interval }),
            };
            let license = license(world, payment, (product_id, subscription_id), terms);
            deliver_at_once(world, grant, Some(license));
        }
        "digital_files" | "feature_flag" => deliver_at_once(world, grant, None),
        // The customer must connect an account first, or the merchant sends the key.
        _ => {
            let id = grant.id.clone();
            world.grants.insert(grant);
            world.emit("entitlement_grant.created", Subject::Grant(id));
        }
    }
}

fn grant(
    world: &World,
    payment: &Payment,
    entitlement_id: &str,
    integration: &str,
    subscription_id: Option<String>,
) -> Grant {
    let now = world.now();
    Grant {
        id: id::new("entg_"),
        entitlement_id: entitlement_id.to_owned(),
        integration: integration.to_owned(),
        status: GrantStatus::Pending,
        license_id: None,
        customer_id: payment.customer_id.clone(),
        payment_id: Some(payment.id.clone()),
        subscription_id,
        created_at: now,
        updated_at: now,
        delivered_at: None,
        revoked: None,
        error: None,
        metadata: Map::new(),
    }
}

fn license(
    world: &World,
    payment: &Payment,
    (product_id, subscription_id): (&str, Option<String>),
    terms: KeyTerms,
) -> License {
    let now = world.now();
    License {
        id: id::new("lic_"),
        key: id::license_key(),
        status: "active",
        source: "auto",
        product_id: product_id.to_owned(),
        customer_id: payment.customer_id.clone(),
        payment_id: Some(payment.id.clone()),
        subscription_id,
        activations_limit: terms.activations_limit,
        expires_at: terms.duration.map(|duration| duration.after(now)),
        created_at: now,
    }
}

/// A grant without a wait: it is created as delivered.
fn deliver_at_once(world: &mut World, grant: Grant, license: Option<License>) {
    let grant = Grant {
        status: GrantStatus::Delivered,
        delivered_at: Some(grant.created_at),
        license_id: license.as_ref().map(|license| license.id.clone()),
        ..grant
    };
    if let Some(license) = license {
        let id = license.id.clone();
        world.licenses.insert(license);
        world.emit("license_key.created", Subject::License(id));
    }
    let id = grant.id.clone();
    world.grants.insert(grant);
    world.emit("entitlement_grant.created", Subject::Grant(id.clone()));
    if world.settings.delivered_after_created {
        world.emit("entitlement_grant.delivered", Subject::Grant(id));
    }
}

fn pending<'a>(world: &'a mut World, grant_id: &str) -> Result<&'a mut Grant, Error> {
    let grant = world.grants.find_mut(grant_id)?;
    match grant.status {
        GrantStatus::Pending => Ok(grant),
        _ => Err(Error::conflict("CONFLICT", "the grant is not pending")),
    }
}

/// The merchant sends the key of a pending grant.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it waits for a key.
pub(crate) fn fulfill(
    world: &mut World,
    grant_id: &str,
    key: &str,
    activations_limit: Option<u32>,
    expires_at: Option<Timestamp>,
) -> Result<(), Error> {
    let now = world.now();
    let grant = pending(world, grant_id)?.clone();
    if grant.integration != "license_key" {
        return Err(Error::conflict("CONFLICT", "the grant is not for a license key"));
    }
    let payment = grant.payment_id.as_ref().and_then(|id| world.payments.get(id));
    let product_id = payment.and_then(|payment| Some(payment.lines.first()?.product_id.clone()));
    let license = License {
        id: id::new("lic_"),
        key: key.to_owned(),
        status: "active",
        source: "manual",
        product_id: product_id.unwrap_or_default(),
        customer_id: grant.customer_id.clone(),
        payment_id: grant.payment_id.clone(),
        subscription_id: grant.subscription_id.clone(),
        activations_limit,
        expires_at,
        created_at: now,
    };
    let license_id = license.id.clone();
    world.licenses.insert(license);
    world.grants.find_mut(grant_id)?.license_id = Some(license_id.clone());
    world.emit("license_key.created", Subject::License(license_id));
    deliver(world, grant_id)
}

/// A pending grant is delivered: the customer connected the account.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it is pending.
pub(crate) fn deliver(world: &mut World, grant_id: &str) -> Result<(), Error> {
    let now = world.now();
    let grant = pending(world, grant_id)?;
    grant.status = GrantStatus::Delivered;
    (grant.delivered_at, grant.updated_at) = (Some(now), now);
    world.emit("entitlement_grant.delivered", Subject::Grant(grant_id.to_owned()));
    Ok(())
}

/// The delivery of a pending grant fails at the integration.
///
/// # Errors
/// 404 for an unknown grant; 409 unless it is pending.
pub(crate) fn fail(world: &mut World, grant_id: &str) -> Result<(), Error> {
    let now = world.now();
    let grant = pending(world, grant_id)?;
    grant.status = GrantStatus::Failed;
    grant.error = Some(("INTEGRATION_ERROR", "The integration refused the delivery."));
    grant.updated_at = now;
    world.emit("entitlement_grant.failed", Subject::Grant(grant_id.to_owned()));
    Ok(())
}

/// Revokes the grants that `which` selects.
pub(crate) fn revoke(world: &mut World, reason: &'static str, which: impl Fn(&Grant) -> bool) {
    let now = world.now();
    let mut revoked = Vec::new();
    for grant in world.grants.iter_mut().filter(|grant| grant.revoked.is_none() && which(grant)) {
        grant.revoked = Some((reason, now));
        grant.status = GrantStatus::Revoked;
        grant.updated_at = now;
        revoked.push((grant.id.clone(), grant.license_id.clone()));
    }
    for (grant_id, license_id) in revoked {
        if let Some(license) = license_id.and_then(|id| world.licenses.get_mut(&id)) {
            license.status = "disabled";
        }
        world.emit("entitlement_grant.revoked", Subject::Grant(grant_id));
    }
}

/// Revokes the grants of a subscription.
pub(crate) fn revoke_of(world: &mut World, reason: &'static str, subscription_id: &str) {
    revoke(world, reason, |grant| grant.subscription_id.as_deref() == Some(subscription_id));
}

/// A subscription is paid again: each revoked entitlement is granted anew.
pub(crate) fn grant_again(world: &mut World, subscription_id: &str) {
    let now = world.now();
    let own = |grant: &&Grant| grant.subscription_id.as_deref() == Some(subscription_id);
    let mut again: Vec<Grant> = Vec::new();
    for old in world.grants.iter().rev().filter(own) {
        let known = again.iter().any(|grant| grant.entitlement_id == old.entitlement_id);
        if !known && old.revoked.is_some() {
            again.push(old.clone());
        }
    }
    for old in again {
        if let Some(license) = old.license_id.as_ref().and_then(|id| world.licenses.get_mut(id)) {
            license.status = "active";
        }
        let grant = Grant {
            id: id::new("entg_"),
            status: GrantStatus::Delivered,
            created_at: now,
            updated_at: now,
            delivered_at: Some(now),
            revoked: None,
            ..old
        };
        let id = grant.id.clone();
        world.grants.insert(grant);
        world.emit("entitlement_grant.created", Subject::Grant(id));
    }
}
