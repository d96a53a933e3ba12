//! A short notation for facts. Times are days after 31 December 2026, so day 10 is 10 January 2027.
//!
//! `kind@t->P{options}` is an event at day t. Its body has the status of its name and the next billing date
//! P. `api@t->P` is an API response. `pay@t` is a charge of 1900 of the subscription, `pay0@t` one of 0,
//! and `buy@t` a one-time purchase. The id of a payment is `pay_<subscription>_<t>` or the option `id`.

use std::collections::BTreeMap;

use dodo_billing::fact::{
    AppDecision, BillingFact, BillingFactKind as Kind, BillingPeriod, BoughtItem, GrantFact,
    LicenseFact, PaymentFact, PlannedChange, SubscriptionBody,
};
use dodo_core::{
    EventKind,
    event::{
        BillingInterval, DisputeStatus, GrantStatus, PaymentStatus, RefundStatus, RevocationReason,
        SubscriptionStatus,
    },
};
use jiff::{SignedDuration, Timestamp};

/// A number of days as a time.
pub(crate) fn day(day: f64) -> Timestamp {
    let start: Timestamp = "2026-12-31T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs((day * 86_400.0).round() as i64)
}

const PAID: &str = "active@0->30, pay@0, renewed@0->30, updated@0->30";
const TRIAL: &str = "active@0->14{trial 14}, pay0@0";

/// Reads facts. `rows` holds the facts of earlier rows, for `=name`.
pub(crate) fn facts(text: &str, rows: &BTreeMap<String, Vec<BillingFact>>) -> Vec<BillingFact> {
    let mut facts = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part {
            "B" => facts.extend(self::facts(PAID, rows)),
            "T" => facts.extend(self::facts(TRIAL, rows)),
            _ => match part.strip_prefix('=') {
                Some(name) => facts.extend(rows[name].iter().cloned()),
                None => facts.push(fact(part)),
            },
        }
    }
    // The ids show no order.
    for (index, fact) in facts.iter_mut().enumerate() {
        fact.id = format!("msg_{}", (index * 7 + 3) % 31);
    }
    facts
}

struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn day(&self, name: &str) -> Option<Timestamp> {
        self.get(name).map(|text| day(number(text)))
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

fn fact(text: &str) -> BillingFact {
    let (head, options) = match text.split_once('{') {
        Some((head, options)) => (head, options.strip_suffix('}').unwrap()),
        None => (text, ""),
    };
    let options = options.split(';').map(str::trim).filter(|option| !option.is_empty());
    let options = Options(options.map(|o| o.split_once(' ').unwrap_or((o, ""))).collect());
    let (name, time) = head.split_once('@').unwrap_or_else(|| panic!("{text:?} has no time"));
    let (time, next) = match time.split_once("->") {
        Some((time, next)) => (time, Some(day(number(next)))),
        None => (time, None),
    };
    let at = day(number(time));
    let subscription_id = format!("sub_{}", options.get("sub").unwrap_or("1"));
    let payment_id = |time: &str| match options.get("id") {
        Some(id) if name != "refund" && name != "refund.failed" => format!("pay_{id}"),
        _ => format!("pay_{subscription_id}_{time}"),
    };
    let kind = match name {
        "api" => Kind::Snapshot { body: body("active", &options, subscription_id, next) },
        "pay" | "pay0" | "payment.failed" | "payment.processing" | "buy" => {
            payment(name, payment_id(time), subscription_id, at, &options)
        }
        "refund" | "refund.failed" => Kind::Refund {
            refund_id: format!("ref_{}", options.get("id").unwrap_or("1")),
            payment_id: payment_id(options.get("of").unwrap()),
            status: if name == "refund" { RefundStatus::Succeeded } else { RefundStatus::Failed },
            amount: options.get("amount").map(|amount| amount.parse().unwrap()),
            partial: options.has("partial"),
        },
        "grant" | "revoked" => grant(name, &options, subscription_id),
        "license" => Kind::License(Box::new(LicenseFact {
            license_key_id: "lic_1".to_owned(),
            subscription_id: Some(subscription_id),
            expires_at: options.day("expires"),
            ..LicenseFact::default()
        })),
        _ => match name.split_once('.') {
            Some(("app", decision)) => Kind::Decision(app(decision, &options, subscription_id)),
            Some(("dispute", step)) => Kind::Dispute {
                dispute_id: "dp_1".to_owned(),
                payment_id: payment_id(options.get("of").unwrap()),
                status: DisputeStatus::from(&*format!("dispute_{step}")),
            },
            _ => {
                let status = match name {
                    "updated"
                    | "renewed"
                    | "unpaused"
                    | "plan_changed"
                    | "update_payment_method" => "active",
                    status => status,
                };
                let body = body(status, &options, subscription_id, next);
                let event = EventKind::from(&*format!("subscription.{name}"));
                assert!(!matches!(event, EventKind::Other(_)), "{name} is not an event");
                Kind::Subscription { event, attempt_at: options.day("attempt"), body }
            }
        },
    };
    let at = options.day("at").unwrap_or(at);
    BillingFact { id: String::new(), at, kind }
}

fn body(
    status: &str,
    options: &Options<'_>,
    subscription_id: String,
    next_billing_date: Option<Timestamp>,
) -> Box<SubscriptionBody> {
    let product = format!("pdt_{}", options.get("product").unwrap_or("A"));
    let every = options.get("every").map_or(30, |days| days.parse().unwrap());
    let addons = options.get("addon").map(|text| {
        let (id, quantity) = text.split_once(' ').unwrap();
        BoughtItem { product_id: id.to_owned(), quantity: quantity.parse().unwrap() }
    });
    let change = options.get("change").map(|text| {
        let (product, at) = text.split_once(' ').unwrap();
        let product_id = format!("pdt_{product}");
        PlannedChange { product_id, quantity: 1, effective_at: day(number(at)) }
    });
    Box::new(SubscriptionBody {
        subscription_id,
        status: Some(SubscriptionStatus::from(options.get("status").unwrap_or(status))),
        created_at: options.day("created"),
        product_id: Some(product),
        quantity: options.get("quantity").map(|quantity| quantity.parse().unwrap()),
        addons: addons.into_iter().collect(),
        next_billing_date,
        previous_billing_date: options.day("previous"),
        cancelled_at: None,
        cancel_at_next_billing_date: options.has("flag"),
        paused_at: options.day("paused"),
        past_due_ends_at: options.day("ends"),
        expires_at: options.day("expires"),
        trial_period_days: options.get("trial").map(|days| days.parse().unwrap()),
        renewal_amount: Some(1900),
        currency: Some("USD".parse().unwrap()),
        interval: Some(BillingPeriod { unit: BillingInterval::Day, count: every }),
        on_demand: options.has("on_demand"),
        has_payment_method: options.has("no_method").then_some(false),
        scheduled_change: change,
    })
}

fn payment(
    name: &str,
    payment_id: String,
    subscription_id: String,
    paid_at: Timestamp,
    options: &Options<'_>,
) -> Kind {
    let bought = name == "buy" || options.has("no_sub");
    let items = options.get("items").or((name == "buy").then_some("X"));
    let item = |text: &str| {
        let (product, quantity) = text.split_once('*').unwrap_or((text, "1"));
        let product_id = format!("pdt_{product}");
        BoughtItem { product_id, quantity: quantity.parse().unwrap() }
    };
    let default = if name == "pay0" { "0" } else { "1900" };
    let period = options.day("period").map(|end| (subscription_id.clone(), end));
    Kind::Payment(Box::new(PaymentFact {
        payment_id,
        status: match name {
            "payment.failed" => PaymentStatus::Failed,
            "payment.processing" => PaymentStatus::Processing,
            _ => PaymentStatus::Succeeded,
        },
        paid_at,
        amount: options.text("amount", default).parse().unwrap(),
        subscription_ids: if bought { Vec::new() } else { vec![subscription_id] },
        card_update: options.has("card"),
        items: items.into_iter().flat_map(|items| items.split(' ')).map(item).collect(),
        service_periods: period.into_iter().collect(),
    }))
}

fn grant(name: &str, options: &Options<'_>, subscription_id: String) -> Kind {
    let default = if name == "grant" { "Delivered" } else { "Revoked" };
    let of_key = options.has("key");
    Kind::Grant(Box::new(GrantFact {
        grant_id: options.text("id", "g1"),
        status: Some(GrantStatus::from(options.get("status").unwrap_or(default))),
        feature: (!of_key).then(|| "beta".to_owned()),
        license_key_id: of_key.then(|| "lic_1".to_owned()),
        payment_id: None,
        subscription_id: (!options.has("no_sub")).then_some(subscription_id),
        revocation_reason: options.get("reason").map(RevocationReason::from),
    }))
}

fn app(decision: &str, options: &Options<'_>, subscription_id: String) -> AppDecision {
    let grant_id = "grant_1".to_owned();
    match decision {
        "grant" => AppDecision::GrantPlan {
            grant_id,
            plan: options.text("plan", "a"),
            until: options.day("until"),
            why: "beta".to_owned(),
        },
        "withdraw" => AppDecision::WithdrawGrant { grant_id },
        "block" => AppDecision::Block,
        "unblock" => AppDecision::Unblock,
        "end" => AppDecision::EndAccess { subscription_id },
        other => panic!("{other:?} is not a decision"),
    }
}
