//! Databases for tests, and facts of the ledger for them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use dodo_billing::{
    Billing, BillingBuilder, Plans,
    fact::{BillingFact, BillingFactKind as Kind, BoughtItem, PaymentFact, SubscriptionBody},
};
use dodo_core::{
    Dodo, Environment, EventKind,
    event::{DisputeStatus, PaymentStatus, RefundStatus},
};
use dodo_ledger::{
    Store,
    attribution::{
        Charge, Dispute, DisputeStep, Fact, FactKind, FailedPayment, Grant, GrantedKey, Item,
        LicenseKey, Person, Refund, ScheduledChange, ServicePeriod, Source, Subscription,
        Touchpoint,
    },
    sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql},
};
use jiff::Timestamp;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A database for one test, removed at its end.
pub(crate) struct Database {
    pub(crate) url: String,
    directory: Option<PathBuf>,
    schema: Option<(String, String)>,
}

impl Database {
    fn unique() -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        format!("b{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Memory, SQLite, and PostgreSQL if `DODO_TEST_POSTGRES_URL` names a server.
    pub(crate) async fn all(test: &str) -> Vec<Self> {
        let memory = Self { url: "sqlite::memory:".into(), directory: None, schema: None };
        let directory = std::env::temp_dir().join(format!("dodo-billing-{}", Self::unique()));
        std::fs::create_dir_all(&directory).unwrap();
        let url = format!("sqlite:{}/app.db", directory.display());
        let file = Self { url, directory: Some(directory), schema: None };
        [memory, file].into_iter().chain(Self::postgres(test).await).collect()
    }

    #[expect(clippy::print_stderr, reason = "a skipped test prints its reason")]
    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else {
            let required = std::env::var("DODO_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "DODO_REQUIRE_POSTGRES=1, but DODO_TEST_POSTGRES_URL is not set");
            eprintln!("SKIPPED {test} on PostgreSQL: DODO_TEST_POSTGRES_URL is not set");
            return None;
        };
        let schema = Self::unique();
        run(&server, format!("CREATE SCHEMA {schema}")).await;
        let join = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{join}options=-csearch_path%3D{schema}");
        Some(Self { url, directory: None, schema: Some((server, schema)) })
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    pub(crate) async fn remove(self) {
        if let Some(directory) = &self.directory {
            let _gone = std::fs::remove_dir_all(directory);
        }
        if let Some((server, schema)) = &self.schema {
            run(server, format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

async fn run(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

/// A clock that a test sets.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn set(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }
}

/// Billing in test mode with these plans and this clock.
pub(crate) fn builder(plans: Plans, clock: &TestClock) -> BillingBuilder {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let dodo = Dodo::builder("sk_test", KEY, Environment::Test).build().unwrap();
    let clock = clock.clone();
    Billing::builder(&dodo, plans)
        .secret("a secret-of-32-random-characters".replace(' ', "-"))
        .clock(move || Timestamp::from_microsecond(clock.0.load(Ordering::SeqCst)).unwrap())
}

fn items(items: &[BoughtItem]) -> Vec<Item> {
    let quantity = |item: &BoughtItem| Some(i64::from(item.quantity));
    items
        .iter()
        .map(|item| Item { id: item.product_id.clone(), quantity: quantity(item) })
        .collect()
}

/// The fact of the ledger that says the same. `None`: a decision of the app.
pub(crate) fn ledger_fact(fact: &BillingFact, customer: &str, token: &str) -> Option<Fact> {
    let mut event_type = EventKind::Other("test".into());
    let mut source = Source::Webhook;
    let mut attempt = None;
    let kind = match &fact.kind {
        Kind::Subscription { event, attempt_at, body } => {
            event_type = event.clone();
            attempt = *attempt_at;
            FactKind::Subscription(Box::new(subscription(body)))
        }
        Kind::Snapshot { body } => {
            source = Source::Api;
            FactKind::ApiSnapshot(Box::new(subscription(body)))
        }
        Kind::Payment(payment) => {
            event_type = match payment.status {
                PaymentStatus::Succeeded => EventKind::PaymentSucceeded,
                PaymentStatus::Processing => EventKind::PaymentProcessing,
                _ => EventKind::PaymentFailed,
            };
            paid(payment)
        }
        Kind::Refund { refund_id, payment_id, status, amount, partial } => {
            let (refund_id, payment_id) = (refund_id.clone(), payment_id.clone());
            match status {
                RefundStatus::Succeeded => FactKind::Refund(Refund {
                    refund_id,
                    payment_id,
                    amount: *amount,
                    currency: None,
                    partial: *partial,
                }),
                _ => FactKind::RefundFailed { refund_id, payment_id },
            }
        }
        Kind::Dispute { dispute_id, payment_id, status } => FactKind::Dispute(Dispute {
            dispute_id: dispute_id.clone(),
            payment_id: payment_id.clone(),
            step: match status {
                DisputeStatus::Opened => DisputeStep::Opened,
                DisputeStatus::Challenged => DisputeStep::Challenged,
                DisputeStatus::Won | DisputeStatus::Cancelled => DisputeStep::Won,
                _ => DisputeStep::Lost,
            },
            amount: None,
            currency: None,
            rdr: false,
        }),
        Kind::Grant(grant) => FactKind::Grant(Box::new(Grant {
            grant_id: grant.grant_id.clone(),
            status: grant.status.clone(),
            feature_id: grant.feature.clone(),
            license_key: grant
                .license_key_id
                .clone()
                .map(|id| GrantedKey { license_key_id: Some(id), ..GrantedKey::default() }),
            payment_id: grant.payment_id.clone(),
            subscription_id: grant.subscription_id.clone(),
            revocation_reason: grant.revocation_reason.clone(),
            ..Grant::default()
        })),
        Kind::License(key) => FactKind::LicenseKey(Box::new(LicenseKey {
            license_key_id: key.license_key_id.clone(),
            status: key.status.clone(),
            product_id: key.product_id.clone(),
            payment_id: key.payment_id.clone(),
            subscription_id: key.subscription_id.clone(),
            expires_at: key.expires_at,
            ..LicenseKey::default()
        })),
        _ => return None,
    };
    let touchpoint = || Touchpoint { owner: Some(token.to_owned()), ..Touchpoint::default() };
    Some(Fact {
        id: fact.id.clone(),
        source,
        occurred_at: fact.at,
        received_at: fact.at,
        attempt_at: attempt,
        event_type,
        live: false,
        business_id: "bus_1".into(),
        brand_id: None,
        kind,
        person: Some(Person {
            customer_id: Some(customer.to_owned()),
            own: touchpoint(),
            customer: touchpoint(),
            ..Person::default()
        }),
    })
}

fn subscription(body: &SubscriptionBody) -> Subscription {
    let mut fact = Subscription {
        subscription_id: body.subscription_id.clone(),
        status: body.status.clone(),
        created_at: body.created_at,
        on_demand: body.on_demand,
        product_id: body.product_id.clone(),
        quantity: body.quantity.map(i64::from),
        addons: items(&body.addons),
        previous_billing_date: body.previous_billing_date,
        expires_at: body.expires_at,
        paused_at: body.paused_at,
        past_due_ends_at: body.past_due_ends_at,
        has_payment_method: body.has_payment_method == Some(true),
        lacks_payment_method: body.has_payment_method == Some(false),
        scheduled_change: body.scheduled_change.as_ref().map(|change| ScheduledChange {
            product_id: Some(change.product_id.clone()),
            quantity: Some(i64::from(change.quantity)),
            addons: Vec::new(),
            effective_at: Some(change.effective_at),
        }),
        ..Subscription::default()
    };
    let terms = &mut fact.terms;
    terms.recurring_pre_tax_amount = body.renewal_amount;
    terms.currency = body.currency;
    terms.next_billing_date = body.next_billing_date;
    terms.cancelled_at = body.cancelled_at;
    terms.cancel_at_next_billing_date = body.cancel_at_next_billing_date;
    terms.trial_period_days = body.trial_period_days.map(i64::from);
    let interval = body.interval.as_ref();
    terms.payment_frequency_interval = interval.map(|every| every.unit.as_str().to_owned());
    terms.payment_frequency_count = interval.map(|every| i64::from(every.count));
    fact
}

fn paid(payment: &PaymentFact) -> FactKind {
    let (payment_id, items) = (payment.payment_id.clone(), items(&payment.items));
    let subscription_ids = payment.subscription_ids.clone();
    if payment.status != PaymentStatus::Succeeded {
        return FactKind::FailedPayment(Box::new(FailedPayment {
            payment_id,
            created_at: payment.paid_at,
            total: payment.amount,
            subscription_ids,
            card_update: payment.card_update,
            items,
            ..FailedPayment::default()
        }));
    }
    let periods = payment.service_periods.iter();
    FactKind::Charge(Box::new(Charge {
        payment_id,
        created_at: payment.paid_at,
        total: payment.amount,
        subscription_ids,
        card_update: payment.card_update,
        items,
        service_periods: periods
            .map(|(id, end)| ServicePeriod {
                subscription_id: id.clone(),
                starts_at: None,
                ends_at: Some(*end),
            })
            .collect(),
        ..Charge::default()
    }))
}

/// The same fact about other objects: each id gets a prefix.
pub(crate) fn renamed(fact: &BillingFact, prefix: &str) -> BillingFact {
    let mut fact = fact.clone();
    let with = |id: &mut String| *id = format!("{prefix}{id}");
    with(&mut fact.id);
    match &mut fact.kind {
        Kind::Subscription { body, .. } | Kind::Snapshot { body } => {
            with(&mut body.subscription_id)
        }
        Kind::Payment(payment) => {
            with(&mut payment.payment_id);
            payment.subscription_ids.iter_mut().for_each(with);
            payment.service_periods.iter_mut().for_each(|(id, _)| with(id));
        }
        Kind::Refund { refund_id, payment_id, .. } => {
            [refund_id, payment_id].map(with).into_iter().for_each(drop)
        }
        Kind::Dispute { dispute_id, payment_id, .. } => {
            [dispute_id, payment_id].map(with).into_iter().for_each(drop);
        }
        Kind::Grant(grant) => {
            with(&mut grant.grant_id);
            let ids =
                [&mut grant.license_key_id, &mut grant.payment_id, &mut grant.subscription_id];
            ids.into_iter().flatten().for_each(with);
        }
        Kind::License(key) => {
            with(&mut key.license_key_id);
            [&mut key.payment_id, &mut key.subscription_id].into_iter().flatten().for_each(with);
        }
        Kind::Decision(dodo_billing::fact::AppDecision::EndAccess { subscription_id }) => {
            with(subscription_id);
        }
        _ => {}
    }
    fact
}
