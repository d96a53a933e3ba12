//! The state of an owner as a document.

use dodo_core::Error;
use serde_json::{Map, Value, json};

use crate::{
    access::Access,
    license::LicenseAccess,
    owner_handle::Owner,
    reason::ReasonCode,
    source::{AccessSource, SourceKind},
    state::AccessState,
};

/// The document of `GET /`, and of each write.
pub(crate) fn state_of(owner: &Owner, access: &Access) -> Result<Value, Error> {
    let limits = access.limits().map(|(name, value)| (name.to_owned(), json!({ "value": value })));
    let best = access.sources().first();
    let plan = best.and_then(|source| source.plan.as_deref()).filter(|plan| access.has(plan));
    let purchases = access.purchases().map(|source| {
        json!({
            "payment": id_of(source), "product": source.product, "quantity": source.quantity,
            "state": source.state.as_str(), "until": source.until.and_then(|until| until.time()),
        })
    });
    Ok(json!({
        "owner": owner.id()?.as_str(),
        "test": !owner.billing.live(),
        "plan": plan.or(owner.billing.plans().free()),
        "state": access.state().as_str(),
        "access": access.state().is_live(),
        "until": access.until().and_then(|until| until.time()),
        "will_renew": access.will_renew(),
        "recoverable": access.recoverable(),
        "pending": access.pending(),
        "reason": { "code": access.reason().code.as_str(), "text": access.reason().text },
        "features": access.features().collect::<Vec<_>>(),
        "limits": limits.collect::<Map<_, _>>(),
        "subscriptions": access.subscriptions().map(subscription).collect::<Vec<_>>(),
        "purchases": purchases.collect::<Vec<_>>(),
        "licenses": licenses(access),
    }))
}

/// The license keys, masked.
pub(super) fn licenses(access: &Access) -> Value {
    let license = |key: &LicenseAccess| {
        json!({
            "id": key.license_key_id, "product": key.product, "valid": key.is_valid,
            "key": key.key_end.as_ref().map(|end| format!("****{end}")),
            "expires_at": key.expires_at,
        })
    };
    access.licenses().iter().map(license).collect()
}

fn subscription(source: &AccessSource) -> Value {
    let change = source.scheduled_change.as_ref().map(|change| {
        json!({
            "product": change.product_id, "quantity": change.quantity, "at": change.effective_at,
        })
    });
    json!({
        "id": id_of(source), "plan": source.plan, "product": source.product,
        "quantity": source.quantity, "addons": source.addons,
        "amount": source.price.as_ref().map(|price| price.amount),
        "currency": source.price.as_ref().map(|price| &price.currency),
        "interval": source.price.as_ref().and_then(|price| price.interval.as_deref()),
        "interval_count": source.price.as_ref().map(|price| price.interval_count),
        "state": source.state.as_str(),
        "period_end": source.until.and_then(|until| until.time()),
        "will_renew": source.will_renew, "scheduled_change": change,
        "reason": { "code": source.reason.code.as_str(), "text": source.reason.text },
        "actions": actions(source),
    })
}

fn id_of(source: &AccessSource) -> &str {
    match &source.kind {
        SourceKind::Subscription(id)
        | SourceKind::Purchase(id)
        | SourceKind::DodoGrant(id)
        | SourceKind::AppGrant(id) => id,
    }
}

/// The buttons that work.
fn actions(source: &AccessSource) -> Vec<&'static str> {
    match (source.state, source.reason.code) {
        (AccessState::Active | AccessState::Trialing, _) => {
            vec!["change", "cancel", "payment_method"]
        }
        (AccessState::Cancelled, ReasonCode::CancelScheduled) => vec!["resume", "change"],
        (AccessState::Cancelled, ReasonCode::TrialCancelled) => vec!["resume"],
        (AccessState::Paused, _) => vec!["resume", "cancel"],
        (AccessState::Grace, _) => vec!["payment_method", "cancel"],
        _ if source.recoverable => vec!["payment_method"],
        _ => Vec::new(),
    }
}
