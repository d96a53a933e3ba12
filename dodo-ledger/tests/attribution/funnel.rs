//! The funnel: after any story it is the recount of the facts, on every store.

use std::{collections::BTreeMap, time::Duration};

use dodo_core::EventKind;
use dodo_ledger::{
    ErrorKind, Ledger,
    attribution::{Dimension, Fact, FactKind, Record, RecordState, Rules},
    query::{Funnel, FunnelSums, Range},
};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    booking::{open, play, texts},
    memory::MemoryLedger,
    payloads::{customer, day, dispute, hour, paid, payment, refunded},
    property::disturbed,
    stories::{rules, story},
    support::TestStore,
    world::{Act, World, bind},
};

/// One session, counted from the facts.
#[derive(Clone, Debug, Default)]
struct Counted {
    at: Timestamp,
    live: Option<bool>,
    tried: bool,
    paid_at: Option<Timestamp>,
    net: i64,
    failed: Option<String>,
    source: Option<String>,
    campaign: Option<String>,
    channel: &'static str,
}

/// Counts without the function under test: each session from the facts that name it.
fn recount<'a>(
    facts: impl Iterator<Item = &'a Fact> + Clone,
    records: &BTreeMap<String, Record>,
) -> Vec<Counted> {
    let mut all = Vec::new();
    // Two facts of a payment can name two sessions: the later one counts.
    let mut charges: Vec<&Fact> = facts.clone().collect();
    charges.sort_by_key(|fact| (fact.occurred_at, &fact.id));
    let mut paid_by = BTreeMap::new();
    for fact in charges {
        if let FactKind::Charge(charge) = &fact.kind
            && let Some(session) = &charge.session_id
        {
            paid_by.insert((fact.live, &charge.payment_id), session);
        }
    }
    for context in facts.clone() {
        let FactKind::Context { session_id, consent } = &context.kind else { continue };
        let mut session = Counted { at: context.occurred_at, ..Counted::default() };
        let person = context.person.as_ref().filter(|_| consent.allows());
        let campaign = person.and_then(|person| person.own.campaign.clone());
        let visit_context =
            person.and_then(|person| person.visit_context.clone()).unwrap_or_default();
        session.channel =
            match (&campaign, &visit_context.referrer_host, &visit_context.landing_path) {
                (Some(_), ..) => "campaign",
                (_, Some(_), _) => "referral",
                (.., Some(_)) => "direct",
                _ => "not_attributed",
            };
        session.source = match session.channel {
            "campaign" => campaign.as_ref().and_then(|campaign| campaign.source.clone()),
            "referral" => visit_context.referrer_host,
            "direct" => Some("direct".to_owned()),
            _ => None,
        };
        session.campaign = campaign.and_then(|campaign| campaign.campaign_id);
        for fact in facts.clone() {
            let (of, failed) = match &fact.kind {
                FactKind::Charge(charge) => (&charge.session_id, None),
                FactKind::FailedPayment(failed) if fact.event_type == EventKind::PaymentFailed => {
                    (&failed.session_id, Some(failed.error_code.clone().unwrap_or_default()))
                }
                FactKind::FailedPayment(failed) => (&failed.session_id, None),
                _ => continue,
            };
            if of.as_ref() == Some(session_id) {
                session.tried = true;
                session.live = Some(fact.live);
                session.failed = failed.or(session.failed);
            }
        }
        for record in records.values().filter(|record| record.state == RecordState::Valid) {
            let row = &record.record;
            let paid = paid_by.get(&(row.live, &row.payment_id));
            if !row.kind.is_revenue() || paid.is_none_or(|paid| *paid != session_id) {
                continue;
            }
            session.net += row.money.map_or(0, |money| money.net);
            if row.kind.is_charge() {
                let at = session.paid_at.unwrap_or(row.occurred_at).min(row.occurred_at);
                session.paid_at = Some(at);
            }
        }
        all.push(session);
    }
    all
}

fn sums<'a>(sessions: impl IntoIterator<Item = &'a Counted>, now: Timestamp) -> FunnelSums {
    let mut sums = FunnelSums::default();
    for session in sessions {
        let is_paid = session.paid_at.is_some();
        sums.opened += 1;
        sums.tried += u64::from(session.tried);
        sums.paid += u64::from(is_paid);
        sums.kept += u64::from(is_paid && session.net > 0);
        sums.open += u64::from(!is_paid && now.duration_since(session.at).as_hours() < 24);
        sums.recovered += u64::from(is_paid && session.failed.is_some());
    }
    sums
}

/// A question: its mode, a span from an hour of the story to another, and the filter.
#[derive(Clone, Debug)]
struct Question {
    test_mode: bool,
    range: Option<(i64, i64)>,
    only: Option<(Dimension, Option<String>)>,
    not: Option<(Dimension, Option<String>)>,
    by: Dimension,
    now: i64,
}

fn value(session: &Counted, by: Dimension) -> Option<String> {
    match by {
        Dimension::Source => session.source.clone(),
        Dimension::Campaign => session.campaign.clone(),
        _ => Some(session.channel.to_owned()),
    }
}

const GROUPED: [Dimension; 3] = [Dimension::Source, Dimension::Campaign, Dimension::Channel];

fn question() -> impl Strategy<Value = Question> {
    let values = ["s0", "s1", "c1", "direct", "news.example", "campaign", "not_attributed"];
    let values: Vec<Option<String>> =
        values.into_iter().map(|value| Some(value.to_owned())).chain([None]).collect();
    let condition = (prop::sample::select(&GROUPED[..]), prop::sample::select(values));
    (
        prop::bool::weighted(0.2),
        prop::option::of((0_i64..200, 0_i64..200)),
        prop::option::of(condition.clone()),
        prop::option::weighted(0.3, condition),
        prop::sample::select(&GROUPED[..]),
        0_i64..200,
    )
        .prop_map(|(test_mode, range, only, not, by, now)| {
            let range = range.map(|(a, b)| (a.min(b), a.max(b)));
            Question { test_mode, range, only, not, by, now }
        })
}

impl Question {
    fn range(&self) -> Option<Range> {
        self.range.map(|(from, until)| Range::new(hour(from), hour(until)))
    }

    fn ask(&self, ledger: &Ledger) -> Funnel {
        let mut funnel = ledger.funnel().at(hour(self.now));
        if self.test_mode {
            funnel = funnel.test_mode();
        }
        if let Some(range) = self.range() {
            funnel = funnel.between(range);
        }
        if let Some((dimension, value)) = &self.only {
            funnel = funnel.filter(*dimension, value.as_deref());
        }
        if let Some((dimension, value)) = &self.not {
            funnel = funnel.exclude(*dimension, value.as_deref());
        }
        funnel
    }

    fn has(&self, session: &Counted) -> bool {
        session.live != Some(self.test_mode)
            && self.range().is_none_or(|r| r.from <= session.at && session.at < r.until)
            && self.only.as_ref().is_none_or(|(by, wanted)| value(session, *by) == *wanted)
            && self.not.as_ref().is_none_or(|(by, other)| value(session, *by) != *other)
    }
}

async fn answers(ledger: &Ledger, sessions: &[Counted], question: &Question) {
    let now = hour(question.now);
    let found: Vec<&Counted> = sessions.iter().filter(|session| question.has(session)).collect();
    let all = sums(found.iter().copied(), now);
    assert_eq!(question.ask(ledger).totals().await.unwrap().now, all, "{question:?}");
    let mut expected: BTreeMap<Option<String>, Vec<&Counted>> = BTreeMap::new();
    for session in &found {
        expected.entry(value(session, question.by)).or_default().push(session);
    }
    let none = expected.remove(&None).unwrap_or_default();
    let expected: BTreeMap<String, FunnelSums> = expected
        .into_iter()
        .map(|(value, sessions)| (value.unwrap(), sums(sessions, now)))
        .collect();
    let rows = question.ask(ledger).group_by(question.by).top(50).rows().await.unwrap();
    assert_eq!((rows.total.now, rows.none.now), (all, sums(none, now)), "{question:?}");
    assert_eq!(usize::try_from(rows.count).unwrap(), expected.len(), "{question:?}");
    let opened: Vec<u64> = rows.rows.iter().map(|row| row.sums.now.opened).collect();
    assert!(opened.windows(2).all(|two| two[0] >= two[1]), "{opened:?}");
    let seen: BTreeMap<String, FunnelSums> =
        rows.rows.into_iter().map(|row| (row.value, row.sums.now)).collect();
    assert_eq!(seen, expected, "{question:?}");
    // Compared with itself, each count is the same.
    let mut compared = question.ask(ledger).group_by(question.by).top(2);
    if let Some(range) = question.range() {
        compared = compared.versus(range);
        let compared = compared.rows().await.unwrap();
        for row in compared.rows.iter().map(|row| row.sums).chain([compared.total, compared.none]) {
            assert_eq!(row.before, Some(row.now), "{question:?}");
        }
    }
    let failures = question.ask(ledger).failures().await.unwrap();
    let mut expected: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
    for session in &found {
        let Some(code) = &session.failed else { continue };
        let counts =
            expected.entry(Some(code.clone()).filter(|code| !code.is_empty())).or_default();
        counts.0 += 1;
        counts.1 += u64::from(session.paid_at.is_some());
    }
    let failures = failures.into_iter().map(|row| (row.code, (row.sessions, row.recovered)));
    assert_eq!(failures.collect::<BTreeMap<_, _>>(), expected, "{question:?}");
    let mut waits: Vec<i64> = found
        .iter()
        .filter_map(|session| Some(session.paid_at?.as_microsecond() - session.at.as_microsecond()))
        .map(|wait| wait.max(0))
        .collect();
    waits.sort_unstable();
    let found = question.ask(ledger).waits().await.unwrap();
    let within = |hours: i64| {
        u64::try_from(waits.iter().filter(|wait| **wait <= hours * 3_600_000_000).count()).unwrap()
    };
    let classes = [found.hour, found.day, found.week, found.month, found.longer];
    let sums: Vec<u64> = classes
        .iter()
        .scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        })
        .collect();
    assert_eq!(sums, [within(1), within(24), within(168), within(720), within(1_000_000)]);
    let waits: Vec<i64> = waits.into_iter().map(rounded_up).collect();
    let middle = waits.get(waits.len().saturating_sub(1) / 2).zip(waits.get(waits.len() / 2));
    let median = middle.map(|(a, b)| SignedDuration::from_micros(a + (b - a) / 2));
    assert_eq!(found.median, median, "{question:?}");
}

/// A wait in microseconds, rounded up to a second, a minute, an hour or a day.
fn rounded_up(wait: i64) -> i64 {
    const STEPS: [(i64, i64); 3] =
        [(120_000_000, 1_000_000), (7_200_000_000, 60_000_000), (172_800_000_000, 3_600_000_000)];
    let step = STEPS.into_iter().find(|(longest, _)| wait <= *longest);
    let unit = step.map_or(86_400_000_000, |(_, unit)| unit);
    (wait + unit - 1) / unit * unit
}

/// Checkouts with their contexts, payments and refunds, in any order with another story.
fn checkouts() -> impl Strategy<Value = Vec<Act>> {
    let session = (
        0_i64..100,
        prop::sample::select(&["s0", "s1", "named", "referral", "direct", "nothing", "denied"][..]),
        prop::bool::weighted(0.8),
        prop::sample::select(&["none", "failed", "declined", "processing"][..]),
        prop::option::of(0_i64..100),
        prop::option::of(1_i64..3),
        any::<bool>(),
    );
    prop::collection::vec(session, 0..8).prop_flat_map(|sessions| {
        let mut acts = Vec::new();
        for (n, (at, visit, live, attempt, paid_after, refund, own)) in
            sessions.into_iter().enumerate()
        {
            let session = format!("cks_f{n}");
            let mut context = match visit {
                "named" => json!({ "campaign": { "source": "s1", "campaign_id": "c1" } }),
                "referral" => json!({ "referrer_host": "news.example" }),
                "direct" => json!({ "landing_path": "/" }),
                "nothing" => json!({ "visitor": "v1" }),
                "denied" => json!({ "consent": "denied", "campaign": { "source": "s0" } }),
                source => json!({ "campaign": { "source": source } }),
            };
            context["captured_at"] = json!(hour(at).to_string());
            acts.push(bind(&session, context));
            let mode = |act: crate::payloads::Delivery| if live { act } else { act.test_mode() };
            let who = customer(if own { "own" } else { "ann" });
            let in_session = || json!({ "checkout_session_id": session, "customer": who });
            if attempt != "none" {
                let mut extra = in_session();
                if attempt == "declined" {
                    extra["error_code"] = json!("CARD_DECLINED");
                }
                let kind = if attempt == "processing" { attempt } else { "failed" };
                let kind = format!("payment.{kind}");
                acts.push(
                    mode(payment(&kind, &format!("pay_f{n}a"), hour(at), 1000, extra)).into(),
                );
            }
            let Some(after) = paid_after else { continue };
            let id = format!("pay_f{n}");
            acts.push(
                mode(paid(&id, hour(at + after * 10), 1000 * (after % 4), in_session())).into(),
            );
            if let Some(part) = refund {
                let partial = json!({ "is_partial": part == 1 });
                let amount = json!(1000 * (after % 4) / part);
                let refund = refunded(&format!("ref_f{n}"), &id, hour(at + 400), amount, partial);
                acts.push(mode(refund).into());
            }
        }
        (Just(acts).prop_shuffle(), story(20), prop::collection::vec(any::<bool>(), 40)).prop_map(
            |(mine, other, turns)| {
                let (mut mine, mut other) = (mine.into_iter(), other.into_iter());
                let mut acts = Vec::new();
                for turn in turns {
                    acts.extend(if turn { mine.next() } else { other.next() });
                }
                acts.into_iter().chain(mine).chain(other).collect()
            },
        )
    })
}

fn counted(memory: &MemoryLedger) -> Vec<Counted> {
    let facts = || memory.timelines().flat_map(|timeline| timeline.facts());
    let all: Vec<&Fact> = facts().collect();
    recount(all.into_iter(), &memory.stored())
}

async fn holds(store: &TestStore, story: &[Act], rules: &Rules, questions: &[Question]) {
    let groups = open(store, rules).await;
    let ledger = store.ledger().await;
    let mut memory = MemoryLedger::play_in_batches(rules, story, 5);
    play(&groups, rules, story, 5).await;
    let check = async |memory: &MemoryLedger| {
        let sessions = counted(memory);
        for question in questions {
            answers(&ledger, &sessions, question).await;
        }
    };
    check(&memory).await;
    assert_eq!(groups.rebuild().await.unwrap(), dodo_ledger::RebuildReport::default());
    // Another zone, and back: the sums are computed again.
    for zone in ["Asia/Kathmandu", "UTC"] {
        groups.keep_books_in(zone).await.unwrap();
        groups.complete_sums().await.unwrap();
    }
    check(&memory).await;
    memory.erase("cus_ann", day(300));
    groups.erase_customer("cus_ann", day(300)).await.unwrap();
    while groups.resolve_queued().await.unwrap().is_some() {}
    check(&memory).await;
    // Retention deletes facts, and the counts stay.
    let answer = async || {
        let mut all = Vec::new();
        for question in questions {
            all.push(question.ask(&ledger).totals().await.unwrap());
        }
        all
    };
    let before = answer().await;
    groups.prune_unpaid(Timestamp::MAX).await.unwrap();
    assert_eq!(answer().await, before);
    assert_eq!(groups.rebuild().await.unwrap(), dodo_ledger::RebuildReport::default());
    assert_eq!(answer().await, before);
}

fn on_store(
    open: impl AsyncFnOnce() -> Option<TestStore>,
    story: &[Act],
    rules: &Rules,
    questions: &[Question],
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(store) = open().await else { return };
        holds(&store, story, rules, questions).await;
        store.remove().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// In memory, with duplicates, in any order, the function counts what the facts say.
    #[test]
    fn order_of_deliveries_does_not_change_the_funnel(
        story in checkouts(),
        repeats in prop::collection::vec(any::<(prop::sample::Index, bool)>(), 0..8),
        order in prop::collection::vec(any::<u32>(), 60),
        rules in rules(),
    ) {
        let sessions = |acts: &[Act]| {
            let ledger = MemoryLedger::play(&rules, acts);
            let records = ledger.stored();
            let mut all: Vec<_> = ledger
                .timelines()
                .flat_map(|timeline| {
                    dodo_ledger::attribution::funnel_sessions(timeline, records.values())
                })
                .collect();
            all.sort_by(|a, b| a.id.cmp(&b.id));
            all
        };
        assert_eq!(sessions(&story), sessions(&disturbed(&story, &repeats, &order)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn funnel_of_sqlite_is_the_recount_of_the_facts(
        story in checkouts(), rules in rules(), questions in prop::collection::vec(question(), 5),
    ) {
        on_store(TestStore::sqlite, &story, &rules, &questions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn funnel_of_postgres_is_the_recount_of_the_facts(
        story in checkouts(), rules in rules(), questions in prop::collection::vec(question(), 5),
    ) {
        on_store(async || TestStore::postgres("funnel").await, &story, &rules, &questions);
    }
}

crate::on_every_store! {
    worked_rows_about_the_funnel,
    funnel_refuses_other_dimensions,
    rebuild_repairs_the_funnel,
    retention_keeps_counts_without_ids,
}

fn opened(n: u8, at: Timestamp, context: Value) -> Act {
    let mut context = context;
    context["captured_at"] = json!(at.to_string());
    bind(&format!("cks_{n}"), context)
}

fn in_session(n: u8, extra: Value) -> Value {
    let mut all =
        json!({ "checkout_session_id": format!("cks_{n}"), "customer": customer(&n.to_string()) });
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    all
}

/// F1 to F4 of the worked rows, smaller: five sessions, three tried, two paid, one kept.
async fn worked_rows_about_the_funnel(store: &TestStore) {
    let ledger = store.ledger().await;
    let begin: Timestamp = "2026-10-31T23:50:00Z".parse().unwrap();
    let after = |minutes: i64| begin.checked_add(minutes.minutes()).unwrap();
    let source = |source: &str| json!({ "campaign": { "source": source } });
    let story = story![
        opened(1, begin, source("News ")),
        paid("pay_1", after(20), 2261, in_session(1, json!({ "tax": 361 }))),
        opened(2, begin, source("news")),
        payment(
            "payment.failed",
            "pay_2a",
            after(1),
            1000,
            in_session(2, json!({ "error_code": "DO_NOT_HONOR" }))
        ),
        paid("pay_2", after(5040), 1000, in_session(2, json!({}))),
        refunded("ref_2", "pay_2", after(6000), json!(1000), json!({ "customer": customer("2") })),
        opened(3, begin, json!({ "landing_path": "/" })),
        payment("payment.failed", "pay_3", after(1), 1000, in_session(3, json!({}))),
        opened(4, begin, json!({ "consent": "denied", "campaign": { "source": "news" } })),
        opened(5, after(2880), source("ads")),
        // A payment without a context is in no session.
        paid("pay_6", after(1), 500, in_session(6, json!({}))),
        // The free start of a trial is not a charge.
        opened(7, begin, source("trial")),
        paid("pay_7", after(1), 0, in_session(7, json!({}))),
        dispute("opened", "dp_1", "pay_1", after(9000), json!("2261"), json!({})),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let october = Range::new(after(-60), after(60));
    let now = after(3000);
    let funnel = || ledger.funnel().at(now);
    let all = funnel().totals().await.unwrap().now;
    assert_eq!((all.opened, all.tried, all.paid, all.kept), (6, 4, 2, 1), "F1");
    assert_eq!((all.open, all.abandoned(), all.recovered), (1, 3, 1));
    let october = funnel().between(october).totals().await.unwrap().now;
    assert_eq!((october.opened, october.paid), (5, 2), "F2: the day of the opening counts");
    let rows = funnel().group_by(Dimension::Source).rows().await.unwrap();
    let seen: Vec<_> = rows
        .rows
        .iter()
        .map(|row| (row.value.as_str(), row.sums.now.opened, row.sums.now.paid, row.sums.now.kept))
        .collect();
    assert_eq!(seen[0], ("news", 2, 2, 1));
    assert_eq!((rows.none.now.opened, rows.count), (1, 4), "denied");
    let waits = funnel().waits().await.unwrap();
    assert_eq!(
        (waits.hour, waits.day, waits.week, waits.month, waits.longer),
        (1, 0, 1, 0, 0),
        "F3"
    );
    let failures = funnel().failures().await.unwrap();
    let failures: Vec<_> =
        failures.iter().map(|row| (row.code.as_deref(), row.sessions, row.recovered)).collect();
    assert_eq!(failures, [(None, 1, 0), (Some("DO_NOT_HONOR"), 1, 1)]);
    let test = ledger.funnel().test_mode().totals().await.unwrap().now;
    assert_eq!((test.opened, test.tried), (2, 0), "their mode is not known");
    let change = ledger.change_number().await.unwrap();
    World::Stored(ledger.clone()).play(&[opened(8, begin, json!({}))]).await;
    assert!(ledger.change_number().await.unwrap() > change);
}

async fn funnel_refuses_other_dimensions(store: &TestStore) {
    let ledger = store.ledger().await;
    for dimension in [Dimension::Product, Dimension::Customer, Dimension::Kind, Dimension::Day] {
        assert!(!dimension.has_funnel());
        for asked in [
            ledger.funnel().group_by(dimension),
            ledger.funnel().filter(dimension, "x").group_by(Dimension::Source),
        ] {
            assert_eq!(asked.rows().await.unwrap_err().kind(), ErrorKind::Config, "{dimension:?}");
        }
    }
    assert_eq!(ledger.funnel().rows().await.unwrap_err().kind(), ErrorKind::Config);
    let empty = ledger.funnel().group_by(Dimension::Source).rows().await.unwrap();
    assert_eq!((empty.rows.len(), empty.total.now, empty.count), (0, FunnelSums::default(), 0));
    assert_eq!(ledger.funnel().waits().await.unwrap().median, None);
    assert!(ledger.funnel().failures().await.unwrap().is_empty());
}

async fn rebuild_repairs_the_funnel(store: &TestStore) {
    if store.url.contains(":memory:") {
        return;
    }
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let ledger = store.ledger().await;
    let story = story![
        opened(1, day(0), json!({ "campaign": { "source": "news", "term": "x" } })),
        opened(2, day(0), json!({ "campaign": { "source": "ads" } })),
        paid("pay_1", day(1), 1000, in_session(1, json!({}))),
    ];
    play(&groups, &rules, &story, 2).await;
    let answer = async || ledger.funnel().group_by(Dimension::Source).rows().await.unwrap();
    let rows = async || {
        texts(store, "SELECT session_id || ' ' || tried || ' ' || kept || ' ' || at FROM dodo_funnel ORDER BY session_id").await
    };
    let (right, stored) = (answer().await, rows().await);
    for damage in [
        "UPDATE dodo_funnel SET kept = 1 - kept",
        "UPDATE dodo_funnel SET at = at + 1",
        "DELETE FROM dodo_funnel WHERE session_id = 'cks_1'",
        "UPDATE dodo_funnel SET session_id = 'cks_x' WHERE session_id = 'cks_1'",
        "DELETE FROM dodo_value",
        "UPDATE dodo_value SET uses = 0",
        "UPDATE dodo_funnel SET source = 99",
        "UPDATE dodo_funnel_roll SET paid = paid + 1",
        "DELETE FROM dodo_funnel_roll WHERE dim = 0",
        "UPDATE dodo_funnel_roll SET bucket = bucket + 1",
    ] {
        store.run(damage).await;
        let report = groups.rebuild().await.unwrap();
        assert_ne!(report, dodo_ledger::RebuildReport::default(), "{damage}");
        let found = answer().await;
        let sums = |rows: &dodo_ledger::query::FunnelBreakdown| {
            let all = rows.rows.iter().map(|row| (row.value.clone(), row.sums.now));
            (
                all.collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>(),
                rows.total.now,
                rows.count,
            )
        };
        assert_eq!((sums(&found), rows().await), (sums(&right), stored.clone()), "{damage}");
        assert_eq!(
            groups.rebuild().await.unwrap(),
            dodo_ledger::RebuildReport::default(),
            "{damage}"
        );
    }
}

/// The counts of an abandoned checkout stay after its facts, without the id of its session.
async fn retention_keeps_counts_without_ids(store: &TestStore) {
    if store.url.contains(":memory:") {
        return;
    }
    let ledger = store.ledger().await;
    let story = story![
        opened(1, day(0), json!({ "campaign": { "source": "news" }, "landing_path": "/of/ann" })),
        payment("payment.failed", "pay_1", day(0), 1000, in_session(1, json!({}))),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let answer = async || ledger.funnel().group_by(Dimension::Source).rows().await.unwrap();
    let before = answer().await;
    assert_eq!((before.total.now.opened, before.total.now.tried), (1, 1));
    store.run("UPDATE dodo_group SET unpaid_since = 0").await;
    ledger.prune_contexts(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(answer().await, before);
    ledger.rebuild().await.unwrap();
    assert_eq!(answer().await, before);
    let ids = texts(store, "SELECT COALESCE(session_id, 'none') FROM dodo_funnel").await;
    assert_eq!(ids, ["none"]);
    assert_eq!(texts(store, "SELECT text FROM dodo_value").await, ["news"]);
}
