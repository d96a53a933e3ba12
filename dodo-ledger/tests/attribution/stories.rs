//! Stories at random: few objects, so that things meet.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use dodo_ledger::attribution::{RenewalCredit, Rules};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    payloads::{
        self, Delivery, charged, customer, day, dispute, hour, paid, recovered, refund,
        subscription,
    },
    world::{Act, asked, bind, identified},
};

const PEOPLE: [&str; 2] = ["ann", "bob"];

/// Metadata of an object: nothing, a visitor, a campaign, or both.
fn metadata() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!({})),
        2 => (0..3).prop_map(|n| json!({ "visitor": format!("v{n}") })),
        1 => (0..3).prop_map(|n| json!({ "source": format!("s{n}"), "medium": "email" })),
        1 => (0..3).prop_map(|n| json!({ "visitor": format!("v{n}"), "linkId": format!("l{n}"), "datafast_visitor_id": "d" })),
    ]
}

/// A moment of the story: few enough for some to be the same.
fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..60).prop_map(|n| hour(n * 60))
}

fn person() -> impl Strategy<Value = Value> {
    prop::sample::select(&PEOPLE[..]).prop_map(customer)
}

/// Few ids, so that things meet.
fn id(prefix: &'static str, many: u8) -> impl Strategy<Value = String> {
    (0..many).prop_map(move |n| format!("{prefix}_{n}"))
}

/// A charge has one time and one amount, whatever it is delivered as.
fn when(payment: &str) -> Timestamp {
    let n: i64 = payment.rsplit('_').next().unwrap().parse().unwrap();
    day(0).checked_add((n * 17 % 70 * 24).hours()).unwrap()
}

fn payment() -> impl Strategy<Value = Delivery> {
    let sessions = prop::sample::select(&[None, Some("cks_1"), Some("cks_3")][..]);
    let one_time = (id("pay", 12), 0..3_i64, person(), metadata(), sessions).prop_map(
        |(id, amount, who, metadata, session)| {
            let extra = json!({ "customer": who, "metadata": metadata, "tax": amount * 100, "checkout_session_id": session });
            paid(&id, when(&id), 1000 * (amount + 1), extra)
        },
    );
    let kinds = prop::sample::select(&["new", "renewal", "plan_change", "on_demand"][..]);
    let kinds = prop_oneof![5 => Just(Value::Null), 1 => kinds.prop_map(Value::from)];
    let recurring = (id("pay", 12), id("sub", 2), 0..3_i64, metadata(), kinds, 0..8_u8).prop_map(
        |(id, sub, amount, metadata, kind, odd)| {
            let who = customer(PEOPLE[usize::from(sub.ends_with('1'))]);
            let ids = if odd == 2 { json!(["sub_0", "sub_1"]) } else { json!([sub]) };
            let extra = json!({
                "customer": who, "metadata": metadata, "charge_type": kind, "tax": 77,
                "is_update_payment_method": odd == 0, "retry_attempt": i64::from(odd == 1),
                "is_multi_subscription": odd == 2, "subscription_ids": ids,
            });
            charged(&id, &sub, when(&id), 1000 * amount, extra)
        },
    );
    prop_oneof![1 => one_time, 2 => recurring]
}

/// A refund that succeeded or failed: two of each of three payments. Amount and currency may each be
/// absent.
fn money_back(kind: &'static str) -> impl Strategy<Value = Delivery> {
    let currency = prop::sample::select(&[Some("USD"), Some("USD"), None, Some("EUR")][..]);
    let says = (prop::option::of(1..2500_i64), currency, any::<bool>());
    (0..6_u8, moment(), says, metadata()).prop_map(
        move |(n, at, (amount, currency, partial), metadata)| {
            let (id, payment) = (format!("ref_{n}"), format!("pay_{}", n % 3 * 3));
            let extra =
                json!({ "is_partial": partial, "metadata": metadata, "currency": currency });
            refund(kind, &id, &payment, at, json!(amount), extra)
        },
    )
}

fn attempt() -> impl Strategy<Value = Delivery> {
    let sessions = prop::sample::select(&["cks_2", "cks_3"][..]);
    (id("pay", 12), metadata(), sessions).prop_map(|(id, metadata, session)| {
        let extra = json!({ "metadata": metadata, "checkout_session_id": session });
        payloads::payment("payment.failed", &id, when(&id), 1000, extra)
    })
}

/// The context of a session is the same at every time.
fn context() -> impl Strategy<Value = Act> {
    prop::sample::select(&["cks_1", "cks_2", "cks_3"][..]).prop_map(|session| {
        let captured = match session {
            "cks_1" => json!({ "visitor": "v7", "device": "mobile", "landing_path": "/a" }),
            "cks_2" => json!({ "campaign": { "source": "s7" }, "device": "tablet" }),
            _ => json!({ "consent": "denied" }),
        };
        bind(session, captured)
    })
}

fn act() -> impl Strategy<Value = Act> {
    let steps =
        prop::sample::select(&["opened", "challenged", "lost", "won", "expired", "cancelled"][..]);
    let disputes = (0..3_u8, steps, moment(), 1..2500_i64, any::<bool>()).prop_map(
        |(n, step, at, amount, rdr)| {
            let (id, payment) = (format!("dp_{n}"), format!("pay_{}", n * 3));
            dispute(
                step,
                &id,
                &payment,
                at,
                json!(amount.to_string()),
                json!({ "is_resolved_by_rdr": rdr }),
            )
        },
    );
    let kinds = prop::sample::select(
        &["active", "renewed", "cancelled", "plan_changed", "updated", "expired"][..],
    );
    let subscriptions = (id("sub", 2), kinds, moment(), metadata(), 0..3_i64, any::<bool>())
        .prop_map(|(id, kind, at, metadata, plan, old)| {
            let created = if old { day(-40) } else { day(0) };
            let who = customer(PEOPLE[usize::from(id.ends_with('1'))]);
            let extra = json!({
                "metadata": metadata, "product_id": format!("pdt_{plan}"), "customer": who,
                "created_at": created.to_string(), "trial_period_days": plan * 7,
            });
            subscription(&format!("subscription.{kind}"), &id, at, extra)
        });
    // Some payments make up for several, and several for one.
    let recoveries = (0..6_u8, 6..12_u8, moment())
        .prop_map(|(from, to, at)| recovered(&format!("pay_{from}"), &format!("pay_{to}"), at));
    let people = (prop::sample::select(&PEOPLE[..]), 0..2_u8)
        .prop_map(|(name, n)| identified(&format!("{name}@example.com"), &format!("v{n}")));
    prop_oneof![
        8 => payment().prop_map(Act::from),
        3 => money_back("refund.succeeded").prop_map(Act::from),
        2 => money_back("refund.failed").prop_map(Act::from),
        1 => (payment(), moment()).prop_map(|(object, at)| asked(object, at)),
        1 => (money_back("refund.succeeded"), moment()).prop_map(|(object, at)| asked(object, at)),
        4 => disputes.prop_map(Act::from),
        3 => subscriptions.prop_map(Act::from),
        2 => attempt().prop_map(Act::from),
        2 => recoveries.prop_map(Act::from),
        1 => people,
        2 => context(),
    ]
}

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let credit = prop::sample::select(
        &[RenewalCredit::Always, RenewalCredit::Never, RenewalCredit::Within(20)][..],
    );
    let policy = prop::sample::select(
        &[
            dodo_core::attribution::DisputePolicy::OnLoss,
            dodo_core::attribution::DisputePolicy::OnOpen,
        ][..],
    );
    let credit = prop_oneof![3 => Just(RenewalCredit::Always), 1 => credit];
    (credit, policy, 5_u32..90).prop_map(|(credit, policy, days)| {
        Rules::default().renewal_credit(credit).disputes(policy).lookback_days(days)
    })
}

/// A payment that came to nothing, and two that made up for it, in any order.
fn made_up_for_twice() -> impl Strategy<Value = Vec<Act>> {
    let bought =
        |id: &str, who: &str| paid(id, when(id), 1000, json!({ "customer": customer(who) }));
    let session = prop::sample::select(&["cks_2", "cks_3"][..]);
    (id("pay", 6), metadata(), session, moment(), context())
        .prop_map(move |(from, metadata, session, at, context)| {
            let extra = json!({ "metadata": metadata, "checkout_session_id": session });
            vec![
                payloads::payment("payment.failed", &from, when(&from), 1000, extra).into(),
                recovered(&from, "pay_7", at).into(),
                recovered(&from, "pay_8", at).into(),
                bought("pay_7", "eve").into(),
                bought("pay_8", "tim").into(),
                context,
            ]
        })
        .prop_shuffle()
}

/// A story of fewer acts than this, and a few that belong together.
pub(crate) fn story(acts: usize) -> impl Strategy<Value = Vec<Act>> {
    let together = prop::option::weighted(0.3, made_up_for_twice());
    (prop::collection::vec(act(), 1..acts), together)
        .prop_map(|(acts, together)| named(acts.into_iter().chain(together.into_iter().flatten())))
}

/// Different bodies have different ids, and reconciliation fetches an object once: later it exists.
fn named(acts: impl Iterator<Item = Act>) -> Vec<Act> {
    let mut told: BTreeMap<String, (Delivery, Timestamp)> = BTreeMap::new();
    let mut name = |act| match act {
        Act::Deliver(delivery) => {
            let mut hasher = DefaultHasher::new();
            delivery.body.to_string().hash(&mut hasher);
            let id = format!("{}_{:x}", delivery.id, hasher.finish());
            Act::Deliver(delivery.again_as(&id))
        }
        Act::Asked(object, at) => {
            let (object, at) = told.entry(object.id.clone()).or_insert((object, at)).clone();
            Act::Asked(object, at)
        }
        act => act,
    };
    acts.map(&mut name).collect()
}
