//! A year of business: visitors, sources, sales, renewals, failures, recoveries, refunds, disputes.
//! Every step is a request as an app, a customer or the bank makes it, and the clock moves between.

mod sources;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fastrand::Rng;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::sources::{SOURCES, Source};
use crate::{
    Error, api::refunds::DISPUTES, app::App, cards, journal::Op, local::Local, state::SandboxState,
};

const DAY: u64 = 24 * 60 * 60;

/// The amount of business to simulate. The same values make the same year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Simulation {
    /// The number of days, at most 366. Default: 365.
    pub days: u32,
    /// The number of checkouts that lead to a sale, about. Default: 1,000.
    pub sales: u32,
    /// The seed of all choices. Default: 1.
    pub seed: u64,
}

impl Default for Simulation {
    fn default() -> Self {
        Self { days: 365, sales: 1_000, seed: 1 }
    }
}

/// The result of a simulation, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SimulatedYear {
    /// Visitors of the shop.
    pub visitors: u64,
    /// Visitors by source.
    pub visitors_by_source: BTreeMap<String, u64>,
    /// Checkouts that were opened.
    pub checkouts: u64,
    /// First payments that succeeded.
    pub sales: u64,
    /// Renewals that were paid.
    pub renewals: u64,
    /// Payments that were declined.
    pub failed_payments: u64,
    /// Failed renewals that a new card paid.
    pub recoveries: u64,
    /// Refunds.
    pub refunds: u64,
    /// Disputes.
    pub disputes: u64,
    /// Subscriptions that the customer canceled.
    pub cancellations: u64,
    /// Events that were sent.
    pub events: u64,
    /// The visits that opened a checkout, in their order. The answer of the HTTP API leaves them out.
    #[serde(skip)]
    pub visits: Vec<SimulatedVisit>,
}

/// The visit that opened a checkout. An app sees it, and Dodo Payments does not.
///
/// Its JSON has the form of a `CheckoutContext` of `dodo-core`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SimulatedVisit {
    /// `cks_...`.
    #[serde(skip)]
    pub session_id: String,
    /// The first page of the visit. `None`: the visitor hides it.
    pub landing_path: Option<&'static str>,
    /// The host of the site that sent the visitor.
    pub referrer_host: Option<&'static str>,
    /// `mobile`, `tablet` or `desktop`.
    pub device: &'static str,
    /// The id of the visitor.
    pub visitor: Option<String>,
    /// The campaign, by the field names of `Campaign` of `dodo-core`.
    pub campaign: Option<BTreeMap<&'static str, &'static str>>,
    /// The time at which the checkout was opened.
    pub captured_at: Timestamp,
}

const FIRST_NAMES: [&str; 12] = [
    "Amara", "Bjorn", "Chloe", "Diego", "Emeka", "Fatima", "Grace", "Hiro", "Ines", "Jonas",
    "Kavya", "Liam",
];
const LAST_NAMES: [&str; 10] = [
    "Andersen", "Costa", "Diallo", "Fischer", "Garcia", "Ivanova", "Kim", "Novak", "Patel", "Smith",
];
const DEVICES: [&str; 10] = [
    "mobile", "mobile", "mobile", "mobile", "desktop", "desktop", "desktop", "desktop", "desktop",
    "tablet",
];
const COUNTRIES: [&str; 10] = ["US", "US", "US", "DE", "GB", "FR", "IN", "JP", "CA", "BR"];

/// Simulates business. A fresh account gets the past: the simulation sets its clock back first, so it
/// ends at the present. An account with payments gets the future.
///
/// # Errors
/// 409 while another simulation runs; 422 for values out of range; the error of a failed request.
pub(crate) async fn run(app: &Arc<App>, plan: Simulation) -> Result<SimulatedYear, Error> {
    if !(1..=366).contains(&plan.days) || !(1..=10_000).contains(&plan.sales) {
        return Err(Error::invalid("days: 1 to 366; sales: 1 to 10,000"));
    }
    if app.simulating.swap(true, Ordering::AcqRel) {
        return Err(Error::conflict("SIMULATION_RUNS", "another simulation runs"));
    }
    let result = Shop::new(app, plan).run().await;
    app.simulating.store(false, Ordering::Release);
    result
}

/// The fields of a campaign, from the keys of the metadata.
fn campaign_of(source: &Source) -> BTreeMap<&'static str, &'static str> {
    let field = |(key, value): &(&'static str, &'static str)| {
        let field = match *key {
            "utm_campaign" | "campaignId" => "campaign_id",
            "linkId" => "link_id",
            "leadId" => "lead_id",
            "visitor" => return None,
            key => key.strip_prefix("utm_").unwrap_or(key),
        };
        Some((field, *value))
    };
    source.metadata.iter().filter_map(field).collect()
}

struct Shop<'a> {
    app: &'a Arc<App>,
    local: Local,
    plan: Simulation,
    rng: Rng,
    year: SimulatedYear,
    customers: u32,
}

impl<'a> Shop<'a> {
    fn new(app: &'a Arc<App>, plan: Simulation) -> Self {
        Self {
            app,
            local: Local::step_by_step(app),
            plan,
            rng: Rng::with_seed(plan.seed),
            year: SimulatedYear::default(),
            customers: 0,
        }
    }

    async fn run(mut self) -> Result<SimulatedYear, Error> {
        let (fresh, now, events) = self.app.with(|state| {
            let fresh = state.payments.len() == 0 && state.sessions.len() == 0;
            (fresh, state.now(), state.events.added())
        });
        if fresh {
            let past = Duration::from_secs(u64::from(self.plan.days) * DAY);
            let op = Op::SetClock { now: now.checked_sub(past).unwrap_or(now) };
            self.app.record(op.clone(), |state| op.apply(state));
        }
        let start = self.app.with(|state| state.now());
        for day in 0..self.plan.days {
            self.day(day).await?;
        }
        self.app.with(|state| {
            for payment in state.payments.iter().filter(|payment| payment.created_at >= start) {
                match payment.status {
                    Some("failed") => self.year.failed_payments += 1,
                    Some("succeeded") if payment.retry_attempt > 0 => self.year.recoveries += 1,
                    Some("succeeded") if payment.is_renewal() => self.year.renewals += 1,
                    _ => {}
                }
            }
            self.year.events = state.events.added() - events;
        });
        Ok(self.year)
    }

    /// `true` in so many of 10,000 cases.
    fn chance(&mut self, of_ten_thousand: u32) -> bool {
        self.rng.u32(0..10_000) < of_ten_thousand
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let place = self.rng.usize(0..from.len().max(1));
        from.get(place).copied()
    }

    async fn day(&mut self, day: u32) -> Result<(), Error> {
        // Business grows to the threefold over the year, and rests on two days of the week.
        let growth = 0.5 + f64::from(day) / f64::from(self.plan.days);
        let weekday = if day % 7 < 5 { 1.15 } else { 0.6 };
        let expected = f64::from(self.plan.sales) / f64::from(self.plan.days) * growth * weekday;
        let mut sales = expected.floor() as u32;
        sales += u32::from(self.rng.f64() < expected.fract());
        let mut times: Vec<u64> = (0..sales).map(|_| self.rng.u64(0..DAY)).collect();
        times.sort_unstable();
        let mut passed = 0;
        for (time, next) in times.iter().zip(times.iter().skip(1).chain([&DAY])) {
            self.advance(time - passed).await?;
            passed = *time;
            // The customer pays before the next one opens a checkout.
            let wait = self.rng.u64(20..900).min(next - time);
            passed += self.sale(wait).await?;
        }
        self.advance(DAY - passed).await?;
        self.subscriptions().await?;
        self.reversals().await
    }

    async fn advance(&self, seconds: u64) -> Result<(), Error> {
        let body = json!({ "seconds": seconds });
        self.local.json("POST", "/__sandbox/clock", body).await.map(drop)
    }

    fn source(&mut self) -> &'static Source {
        let mut left = self.rng.u32(0..SOURCES.iter().map(|source| source.weight).sum());
        let chosen = SOURCES.iter().find(|source| {
            let found = left < source.weight;
            left = left.saturating_sub(source.weight);
            found
        });
        chosen.unwrap_or(&SOURCES[0])
    }

    /// Opens a checkout and pays after `wait` seconds. Returns the seconds that passed.
    async fn sale(&mut self, wait: u64) -> Result<u64, Error> {
        let source = self.source();
        let visitors = self.rng.u64(1..source.visitors_per_sale * 2);
        self.year.visitors += visitors;
        *self.year.visitors_by_source.entry(source.name.to_owned()).or_default() += visitors;
        let mut metadata = Map::new();
        for (key, value) in source.metadata {
            let mut visitor = || format!("v_{:016x}", self.rng.u64(..));
            let value = if value.is_empty() { visitor() } else { (*value).to_owned() };
            metadata.insert((*key).to_owned(), value.into());
        }
        let products: Vec<(String, i64)> = self.app.with(|state| {
            state.products.iter().map(|product| (product.id.clone(), product.price)).collect()
        });
        let place = self.rng.usize(0..products.len().max(1));
        let Some((product, price)) = products.get(place) else { return Ok(0) };
        // One buyer in ten has bought before.
        let known = self.customers;
        let customer = if known > 0 && self.chance(1_000) { self.rng.u32(0..known) } else { known };
        self.customers = self.customers.max(customer + 1);
        let mut person = Rng::with_seed(self.plan.seed.wrapping_add(u64::from(customer)));
        let mut name = |names: &[&'static str]| {
            names.get(person.usize(0..names.len())).copied().unwrap_or_default()
        };
        let (first, last, country) = (name(&FIRST_NAMES), name(&LAST_NAMES), name(&COUNTRIES));
        let chosen = |state: &mut SandboxState| {
            state.products.get(product).is_some_and(|product| product.pay_what_you_want)
        };
        let amount = self.app.with(chosen).then_some(*price);
        let item = json!({ "product_id": product, "quantity": 1, "amount": amount });
        let body = json!({
            "product_cart": [item],
            "customer": {
                "name": format!("{first} {last}"),
                "email": format!("{}.{customer}@example.com", first.to_lowercase()),
            },
            "billing_address": { "country": country },
            "metadata": &metadata,
        });
        let session = self.local.checkout(body).await?;
        self.year.checkouts += 1;
        self.year.visits.push(SimulatedVisit {
            session_id: session.clone(),
            landing_path: source.landing_path,
            referrer_host: source.referrer_host,
            device: name(&DEVICES),
            visitor: metadata.get("visitor").and_then(Value::as_str).map(str::to_owned),
            campaign: Some(campaign_of(source)).filter(|campaign| !campaign.is_empty()),
            captured_at: self.app.with(|state| state.now()),
        });
        let card = match self.rng.u32(0..100) {
            0..=69 => cards::OK,
            70..=87 => cards::OK_MASTERCARD,
            88..=92 => cards::RENEWAL_FAILS,
            93..=95 => cards::DECLINED,
            96..=97 => cards::INSUFFICIENT_FUNDS,
            _ => {
                let path = format!("/__sandbox/sessions/{session}/abandon");
                return self.local.json("POST", &path, json!({})).await.map(|_| 0);
            }
        };
        self.advance(wait).await?;
        // A free trial takes any card.
        let (_, declined) = self.local.pay(&session, card).await?;
        if declined && self.chance(4_000) {
            return Ok(wait); // The customer leaves.
        }
        if declined {
            self.local.pay(&session, cards::OK).await?;
        }
        self.year.sales += 1;
        Ok(wait)
    }

    /// One day of the subscribers: they cancel, pause, change the plan, or enter a new card.
    async fn subscriptions(&mut self) -> Result<(), Error> {
        let all: Vec<(String, &'static str, String)> = self.app.with(|state| {
            let all = state.subscriptions.iter().filter(|subscription| !subscription.is_over());
            all.map(|s| (s.id.clone(), s.status, s.product_id.clone())).collect()
        });
        for (id, status, product) in all {
            let path = format!("/subscriptions/{id}");
            let result = match status {
                "active" if self.chance(14) => {
                    self.year.cancellations += 1;
                    let body = json!({
                        "cancel_at_next_billing_date": true,
                        "cancel_reason": "cancelled_by_customer",
                    });
                    self.local.json("PATCH", &path, body).await
                }
                "active" if self.chance(4) => {
                    self.year.cancellations += 1;
                    let path = format!("/__sandbox{path}/cancel");
                    self.local.json("POST", &path, json!({})).await
                }
                "active" if self.chance(3) => {
                    self.local.json("PATCH", &path, json!({ "status": "paused" })).await
                }
                "active" if self.chance(5) => self.change_plan(&path, &product).await,
                "paused" if self.chance(500) => {
                    self.local.json("PATCH", &path, json!({ "status": "active" })).await
                }
                "on_hold" | "past_due" if self.chance(1_500) => {
                    self.local.new_card(&id, cards::OK).await.map(|()| Value::Null)
                }
                "on_hold" | "past_due" if self.chance(300) => {
                    self.year.cancellations += 1;
                    self.local.json("POST", &format!("/__sandbox{path}/cancel"), json!({})).await
                }
                _ => continue,
            };
            // The account may not allow a step, such as a second plan in another currency.
            if let Err(error) = result {
                tracing::debug!(target: "dodo::sandbox", %error, "simulated step refused");
            }
        }
        Ok(())
    }

    async fn change_plan(&mut self, path: &str, product: &str) -> Result<Value, Error> {
        let others: Vec<String> = self.app.with(|state| {
            let currency = state.products.get(product).map(|product| product.currency.clone());
            let fits = |other: &&crate::Product| {
                other.recurring.is_some()
                    && other.id != product
                    && Some(&other.currency) == currency.as_ref()
            };
            state.products.iter().filter(fits).map(|product| product.id.clone()).collect()
        });
        let place = self.rng.usize(0..others.len().max(1));
        let Some(other) = others.get(place) else { return Ok(Value::Null) };
        let body = json!({
            "product_id": other, "quantity": 1,
            "proration_billing_mode": "prorated_immediately",
        });
        self.local.json("POST", &format!("{path}/change-plan"), body).await
    }

    /// One day of refunds and disputes.
    async fn reversals(&mut self) -> Result<(), Error> {
        let recent: Vec<(String, i64)> = self.app.with(|state| {
            let since =
                state.now().checked_sub(Duration::from_secs(14 * DAY)).unwrap_or(state.now());
            let paid =
                state.payments.iter().rev().take_while(|payment| payment.created_at >= since);
            paid.filter(|payment| payment.succeeded() && payment.total > 0)
                .map(|payment| (payment.id.clone(), payment.total))
                .collect()
        });
        for (id, total) in recent {
            let path = format!("/__sandbox/payments/{id}");
            if self.chance(18) {
                let amount = if self.chance(3_000) { Some(total / 2) } else { None };
                let body = json!({ "amount": amount });
                let refund = self.local.json("POST", &format!("{path}/refund"), body).await;
                self.year.refunds += u64::from(refund.is_ok());
            } else if self.chance(3) {
                let rapid = self.chance(3_000);
                let body = json!({ "rapid": rapid });
                let dispute = self.local.json("POST", &format!("{path}/dispute"), body).await;
                self.year.disputes += u64::from(dispute.is_ok());
            }
        }
        let open = |state: &mut SandboxState| -> Vec<String> {
            let open = state.matching(&DISPUTES, "dispute_status", "dispute_opened");
            open.map(|dispute| dispute.id.clone()).collect()
        };
        for id in self.app.with(open) {
            if self.chance(1_000) {
                let outcome = self.pick(&["won", "won", "lost", "lost", "lost", "accepted"]);
                let path = format!("/__sandbox/disputes/{id}/resolve");
                self.local.json("POST", &path, json!({ "outcome": outcome })).await?;
            }
        }
        Ok(())
    }
}
