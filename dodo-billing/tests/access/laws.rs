//! Laws that hold for all facts.

use dodo_billing::{
    Access, AccessChange, AccessState, Plans, SourceKind, Until, derive,
    fact::{BillingFact, BillingFactKind as Kind, PlannedChange, SubscriptionBody},
};
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, sample::Index};

use crate::{
    life::{Life, steps},
    notation::{day, facts},
    rows::{ROWS, builder},
};

fn plans() -> Plans {
    builder().features_from_dodo().build().unwrap()
}

/// Facts in the notation of the table, with times and dates of their own.
fn any_fact() -> impl Strategy<Value = String> {
    let event = prop::sample::select(vec![
        "active",
        "renewed",
        "updated",
        "cancelled",
        "expired",
        "on_hold",
        "past_due",
        "paused",
        "unpaused",
        "plan_changed",
        "failed",
        "update_payment_method",
        "api",
    ]);
    let option = prop::sample::select(vec![
        "",
        "flag",
        "product B",
        "quantity 3",
        "status on_hold",
        "status active",
        "status new",
        "status cancelled",
        "trial 14",
        "no_method",
        "ends 35",
        "expires 20",
        "paused 12",
        "attempt 33",
        "previous 30",
        "addon adn_seats 2",
        "on_demand",
        "sub 2",
    ]);
    let other = prop::sample::select(vec![
        "pay@0",
        "pay0@0",
        "pay@30",
        "pay@30{period 61}",
        "pay@45{sub 2}",
        "payment.failed@30",
        "payment.processing@31",
        "buy@3",
        "buy@3{items L X}",
        "buy@3{items Y; id p2}",
        "refund@33{of 30}",
        "refund@34{of 0; amount 900; partial}",
        "refund.failed@35{of 30}",
        "dispute.opened@20{of 0}",
        "dispute.lost@25{of 0}",
        "dispute.won@26{of 0}",
        "grant@0",
        "revoked@30{reason subscription_on_hold}",
        "revoked@31{reason manual}",
        "license@0",
        "app.grant@5{plan b; until 50}",
        "app.withdraw@40",
        "app.end@22",
        "pay@30{card}",
    ]);
    let time = 0..80_u32;
    let next = prop_oneof![Just(String::new()), (1..100_u32).prop_map(|next| format!("->{next}"))];
    let event = (event, time, next, option.clone(), option).prop_map(|(kind, at, next, a, b)| {
        let options: Vec<_> = [a, b].into_iter().filter(|option| !option.is_empty()).collect();
        format!("{kind}@{at}{next}{{{}}}", options.join("; "))
    });
    prop_oneof![3 => event, 2 => other.prop_map(str::to_owned)]
}

fn any_facts() -> impl Strategy<Value = Vec<BillingFact>> {
    prop::collection::vec(any_fact(), 0..12)
        .prop_map(|parts| facts(&parts.join(", "), &std::collections::BTreeMap::new()))
}

/// The part of an answer that an application sees.
fn answer(access: &Access) -> impl PartialEq + std::fmt::Debug + use<> {
    let features: Vec<_> = access.features().map(str::to_owned).collect();
    let limits: Vec<_> = access.limits().map(|(name, value)| (name.to_owned(), value)).collect();
    (access.state(), access.until(), access.reason().clone(), features, limits)
}

fn moved(facts: &[BillingFact], by: SignedDuration) -> Vec<BillingFact> {
    let to = |at: &mut Timestamp| *at += by;
    let body = |body: &mut SubscriptionBody| {
        let dates = [
            &mut body.created_at,
            &mut body.next_billing_date,
            &mut body.previous_billing_date,
            &mut body.cancelled_at,
            &mut body.paused_at,
            &mut body.past_due_ends_at,
            &mut body.expires_at,
        ];
        dates.into_iter().flatten().for_each(to);
        if let Some(PlannedChange { effective_at, .. }) = &mut body.scheduled_change {
            to(effective_at);
        }
    };
    let mut facts = facts.to_vec();
    for fact in &mut facts {
        to(&mut fact.at);
        match &mut fact.kind {
            Kind::Subscription { attempt_at, body: object, .. } => {
                attempt_at.iter_mut().for_each(to);
                body(object);
            }
            Kind::Snapshot { body: object } => body(object),
            Kind::Payment(payment) => {
                to(&mut payment.paid_at);
                payment.service_periods.iter_mut().for_each(|(_, end)| to(end));
            }
            Kind::License(license) => license.expires_at.iter_mut().for_each(to),
            Kind::Decision(dodo_billing::fact::AppDecision::GrantPlan { until, .. }) => {
                until.iter_mut().for_each(to);
            }
            _ => {}
        }
    }
    facts
}

fn is_live(access: &Access) -> bool {
    access.state().is_live()
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        facts in any_facts(),
        shuffled in any::<prop::sample::Index>(),
        repeated in prop::collection::vec(any::<Index>(), 0..4),
        now in 0..120_u32,
    ) {
        let now = day(now.into());
        let mut others = facts.clone();
        if !facts.is_empty() {
            others.rotate_left(shuffled.index(facts.len()));
            others.reverse();
            others.extend(repeated.iter().map(|index| index.get(&facts).clone()));
        }
        prop_assert_eq!(derive(&facts, &plans(), now), derive(&others, &plans(), now));
    }

    /// The answer depends on differences of time only, so no clock is part of it.
    #[test]
    fn moving_all_times_moves_the_answer(facts in any_facts(), now in 0..120_u32, by in 1..4000_i64) {
        let (now, by) = (day(now.into()), SignedDuration::from_hours(by * 24));
        let access = derive(&facts, &plans(), now);
        let later = derive(&moved(&facts, by), &plans(), now + by);
        prop_assert_eq!(later.state(), access.state());
        prop_assert_eq!(later.reason().code, access.reason().code);
        let time = |until: Option<Until>| until.and_then(Until::time);
        prop_assert_eq!(time(later.until()), time(access.until()).map(|at| at + by));
        prop_assert_eq!(later.next_change(), access.next_change().map(|at| at + by));
        prop_assert!(later.features().eq(access.features()));
        prop_assert!(later.limits().eq(access.limits()));
    }

    /// Statuses and names of events end nothing that is paid.
    #[test]
    fn access_lasts_until_the_paid_date(
        events in prop::collection::vec((
            prop::sample::select(vec![
                "cancelled", "expired", "on_hold", "past_due", "failed", "updated", "renewed",
                "payment.failed", "update_payment_method",
            ]),
            0..30_u32,
            prop::sample::select(vec![
                "", "status on_hold", "status past_due", "status cancelled", "status new",
                "status expired", "status active", "flag", "no_method",
            ]),
            0..3_u32,
        ), 0..8),
        now in 0..30_u32,
    ) {
        let parts = events.iter().map(|(kind, at, option, late)| {
            let attempt = at + late;
            format!("{kind}@{at}->30{{{option}; attempt {attempt}}}")
        });
        let text = format!("active@0->30, pay@0, {}", parts.collect::<Vec<_>>().join(", "));
        let facts = facts(&text, &std::collections::BTreeMap::new());
        let access = derive(&facts, &plans(), day(f64::from(now) + 0.99));
        prop_assert!(is_live(&access), "{}: {}", text, access.reason());
        prop_assert!(access.can("export"));
    }

    /// A paid period more never moves the end back, whichever of its events are lost.
    #[test]
    fn end_is_monotone_with_paid_periods(
        periods in prop::collection::vec((any::<bool>(), any::<bool>()), 1..6),
        more in (any::<bool>(), any::<bool>()),
        hour in 0..24_u32,
    ) {
        let text = |periods: &[(bool, bool)]| {
            let mut parts = vec!["B".to_owned()];
            for (index, (paid, renewed)) in periods.iter().enumerate() {
                let start = 30 * (index + 1);
                // Both events lost is a period that was not paid.
                if *paid || !renewed {
                    parts.push(format!("pay@{start}"));
                }
                if *renewed {
                    parts.push(format!("renewed@{start}->{}{{previous {start}}}", start + 30));
                }
            }
            parts.join(", ")
        };
        let none = std::collections::BTreeMap::new();
        let now = day((30 * periods.len()) as f64 + f64::from(hour) / 24.0);
        let before = derive(&facts(&text(&periods), &none), &plans(), now);
        let longer = [periods, vec![more]].concat();
        let after = derive(&facts(&text(&longer), &none), &plans(), now);
        prop_assert!(after.until() > before.until(), "{:?} {:?}", before.until(), after.until());
        prop_assert!(is_live(&before) && is_live(&after));
    }

    /// Until the next change the answer is the same, and then it differs.
    #[test]
    fn next_change_is_the_first_difference(facts in any_facts(), now in 0..120_u32, part in 0.0..1.0_f64) {
        let now = day(now.into());
        let access = derive(&facts, &plans(), now);
        let Some(next) = access.next_change() else {
            let never = derive(&facts, &plans(), day(100_000.0));
            prop_assert!(AccessChange::between(&access, &never).is_none());
            return Ok(());
        };
        prop_assert!(next > now);
        let passed: f64 = next.duration_since(now).as_secs_f64() * part;
        let between = now + SignedDuration::from_secs_f64(passed.floor());
        let same = derive(&facts, &plans(), between);
        prop_assert!(AccessChange::between(&access, &same).is_none());
        prop_assert_eq!(same.next_change(), Some(next));
        let then = derive(&facts, &plans(), next);
        prop_assert!(AccessChange::between(&access, &then).is_some());
    }

    /// No source removes a feature or a limit that another source gives.
    #[test]
    fn other_sources_remove_nothing(facts in any_facts(), index in any::<Index>(), now in 0..120_u32) {
        let row = index.get(&ROWS);
        let other = moved_to_other_objects(&row.facts);
        let now = day(now.into());
        let alone = derive(&facts, &plans(), now);
        let both = derive(&[facts, other].concat(), &plans(), now);
        if both.reason().code.as_str() != "blocked" {
            prop_assert!(alone.features().all(|feature| both.can(feature)));
            prop_assert!(alone.limits().all(|(name, value)| both.limit(name) >= Some(value)));
            prop_assert!(both.state() <= alone.state() || alone.state() == AccessState::None);
        }
    }

    /// Dodo Payments renders a body at each attempt. The answer does not depend on the attempt.
    #[test]
    fn late_bodies_give_the_same_answer((has_trial, steps) in steps(), day_of_question in 0..40_u32) {
        let life = Life::new(has_trial, &steps);
        let now = life.end() + SignedDuration::from_hours(24 * i64::from(day_of_question));
        let prompt = derive(&life.prompt(), &plans(), now);
        let late = derive(&life.late(), &plans(), now);
        prop_assert_eq!(answer(&prompt), answer(&late));
    }

    /// Without a lost event the answer follows the object at Dodo Payments.
    #[test]
    fn life_without_lost_events_needs_no_check((has_trial, steps) in steps()) {
        let life = Life::new(has_trial, &steps);
        let access = derive(&life.prompt(), &plans(), life.end() - SignedDuration::from_hours(28));
        let status = life.object().status.clone().unwrap();
        let expected: &[AccessState] = match status.as_str() {
            "active" if life.object().cancel_at_next_billing_date => &[AccessState::Cancelled],
            "active" => &[AccessState::Active, AccessState::Trialing],
            "paused" => &[AccessState::Paused],
            "cancelled" => &[AccessState::Cancelled, AccessState::Ended],
            _ => &[AccessState::Grace, AccessState::Ended],
        };
        prop_assert!(expected.contains(&access.state()), "{}: {}", status, access.reason());
        prop_assert!(access.checks().is_empty(), "{:?}", access.checks());
        if status.as_str() == "active" {
            prop_assert_eq!(access.until(), life.object().next_billing_date.map(Until::At));
        }
    }

    #[test]
    fn extreme_times_and_amounts_do_not_panic(
        facts in any_facts(),
        extremes in prop::collection::vec((any::<Index>(), any::<bool>(), any::<i64>()), 1..6),
        late in any::<bool>(),
    ) {
        let mut facts = facts;
        for (index, late, amount) in extremes {
            if facts.is_empty() {
                break;
            }
            let end = if late { Timestamp::MAX } else { Timestamp::MIN };
            let at = index.index(facts.len());
            facts[at].at = end;
            match &mut facts[at].kind {
                Kind::Subscription { body, .. } | Kind::Snapshot { body } => {
                    body.next_billing_date = Some(end);
                    body.trial_period_days = Some(u32::MAX);
                    body.quantity = Some(u32::MAX);
                    body.interval.iter_mut().for_each(|interval| interval.count = u16::MAX);
                }
                Kind::Payment(payment) => (payment.amount, payment.paid_at) = (amount, end),
                Kind::Refund { amount: refunded, .. } => *refunded = Some(amount),
                _ => {}
            }
        }
        let now = if late { Timestamp::MAX } else { Timestamp::MIN };
        for now in [now, day(40.0)] {
            let access = derive(&facts, &plans(), now);
            prop_assert!(access.next_change().is_none_or(|next| next > now));
        }
    }
}

/// The same facts about other subscriptions, payments and grants.
fn moved_to_other_objects(facts: &[BillingFact]) -> Vec<BillingFact> {
    let rename = |id: &mut String| id.insert_str(0, "other_");
    let mut facts = facts.to_vec();
    facts.retain(|fact| !matches!(fact.kind, Kind::Decision(_)));
    for fact in &mut facts {
        rename(&mut fact.id);
        match &mut fact.kind {
            Kind::Subscription { body, .. } | Kind::Snapshot { body } => {
                rename(&mut body.subscription_id);
            }
            Kind::Payment(payment) => {
                rename(&mut payment.payment_id);
                payment.subscription_ids.iter_mut().for_each(rename);
                payment.service_periods.iter_mut().for_each(|(id, _)| rename(id));
            }
            Kind::Refund { refund_id, payment_id, .. } => {
                [refund_id, payment_id].into_iter().for_each(rename)
            }
            Kind::Dispute { dispute_id, payment_id, .. } => {
                [dispute_id, payment_id].into_iter().for_each(rename)
            }
            Kind::Grant(grant) => {
                rename(&mut grant.grant_id);
                grant.subscription_id.iter_mut().for_each(rename);
            }
            Kind::License(license) => {
                rename(&mut license.license_key_id);
                license.subscription_id.iter_mut().for_each(rename);
            }
            _ => {}
        }
    }
    facts
}

#[test]
fn sources_name_their_objects() {
    let text = "B, buy@1{id x}, app.grant@2, grant@3";
    let facts = facts(text, &std::collections::BTreeMap::new());
    let access = derive(&facts, &plans(), day(4.0));
    let mut kinds: Vec<_> = access.sources().iter().map(|source| source.kind.clone()).collect();
    kinds.sort();
    let expected = [
        SourceKind::Subscription("sub_1".to_owned()),
        SourceKind::Purchase("pay_x".to_owned()),
        SourceKind::DodoGrant("g1".to_owned()),
        SourceKind::AppGrant("grant_1".to_owned()),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(access.subscription("a").unwrap().quantity, 1);
}
