use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dodo_core::{
    BoxError, Environment, Event, EventKind, WebhookKey, Webhooks,
    event::{
        AbandonedCheckout, CreditBalanceLow, CreditLedgerEntry, Dispute, DunningAttempt,
        EntitlementGrant, FieldWarning, LicenseKey, Payload, PayloadType, Payment, Payout, Refund,
        Subscription,
    },
    webhook::WebhooksBuilder,
};
use serde_json::Value;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// When all deliveries of these tests are signed and verified, in unix seconds.
pub(crate) const NOW: u64 = 1_795_000_000;

pub(crate) fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn key() -> WebhookKey {
    key_in(Environment::Live)
}

pub(crate) fn key_in(environment: Environment) -> WebhookKey {
    WebhookKey::new(SECRET, environment).unwrap().with_clock(|| time(NOW))
}

/// All samples: file name and text.
pub(crate) fn samples() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/samples");
    let mut samples = Vec::new();
    for folder in [folder.clone(), folder.join("extra")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                samples.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    samples.sort();
    samples
}

/// What a typed callback saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) kind: EventKind,
    pub(crate) object: String,
    pub(crate) data: Value,
    /// Its `Debug`.
    pub(crate) shown: String,
    pub(crate) warnings: Vec<FieldWarning>,
}

pub(crate) type Log = Arc<Mutex<Vec<Seen>>>;

async fn note<T: Payload>(event: Event<T, Log>) -> Result<(), BoxError> {
    event.state.lock().unwrap().push(Seen {
        kind: event.kind.clone(),
        object: event.data.id().to_owned(),
        data: serde_json::to_value(&event.data).unwrap(),
        shown: format!("{event:?}"),
        warnings: event.warnings().to_vec(),
    });
    Ok(())
}

/// Webhooks with a typed callback for every kind. Each callback records its event.
pub(crate) fn noting(log: &Log) -> Webhooks {
    let hooks = Webhooks::builder(key()).with_state(log.clone());
    EventKind::ALL.iter().cloned().fold(hooks, note_kind).build().unwrap()
}

fn note_kind<P>(hooks: WebhooksBuilder<Log, P>, kind: EventKind) -> WebhooksBuilder<Log, P> {
    match kind.payload_type().unwrap() {
        PayloadType::AbandonedCheckout => hooks.on(kind, note::<AbandonedCheckout>),
        PayloadType::CreditBalanceLow => hooks.on(kind, note::<CreditBalanceLow>),
        PayloadType::CreditLedgerEntry => hooks.on(kind, note::<CreditLedgerEntry>),
        PayloadType::Dispute => hooks.on(kind, note::<Dispute>),
        PayloadType::DunningAttempt => hooks.on(kind, note::<DunningAttempt>),
        PayloadType::EntitlementGrant => hooks.on(kind, note::<EntitlementGrant>),
        PayloadType::LicenseKey => hooks.on(kind, note::<LicenseKey>),
        PayloadType::Payment => hooks.on(kind, note::<Payment>),
        PayloadType::Payout => hooks.on(kind, note::<Payout>),
        PayloadType::Refund => hooks.on(kind, note::<Refund>),
        PayloadType::Subscription => hooks.on(kind, note::<Subscription>),
        other => panic!("no callback for {other:?}"),
    }
}

/// The keys of a payload that hold amounts of money.
pub(crate) fn amounts(payload: PayloadType) -> &'static [&'static str] {
    match payload {
        PayloadType::Payment => &["total_amount", "tax", "settlement_amount", "settlement_tax"],
        PayloadType::Payout => &["amount", "fee", "tax", "refunds", "chargebacks"],
        PayloadType::Dispute | PayloadType::Refund => &["amount"],
        PayloadType::Subscription => &["recurring_pre_tax_amount", "trial_amount"],
        _ => &[],
    }
}

/// The keys of a payload that must be there.
pub(crate) fn required(payload: PayloadType) -> &'static [&'static str] {
    match payload {
        PayloadType::Payment => &["payment_id", "total_amount", "currency"],
        PayloadType::AbandonedCheckout => &["payment_id"],
        PayloadType::CreditBalanceLow => &["customer_id"],
        PayloadType::CreditLedgerEntry
        | PayloadType::EntitlementGrant
        | PayloadType::LicenseKey => &["id"],
        PayloadType::Dispute => &["dispute_id"],
        PayloadType::DunningAttempt | PayloadType::Subscription => &["subscription_id"],
        PayloadType::Payout => &["payout_id"],
        PayloadType::Refund => &["refund_id"],
        other => panic!("unknown payload {other:?}"),
    }
}
