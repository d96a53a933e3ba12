//! The table of edge cases: each row in every order of its facts, with a repeated fact.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use dodo_billing::{
    Access, AccessSource, CancelNow, CheckCause, PartialRefund, Plan, Plans, PlansBuilder, Problem,
    SoldProduct, Until, days, derive, fact::BillingFact,
};
use dodo_core::attribution::DisputePolicy;
use jiff::{SignedDuration, Timestamp};

use crate::notation::{day, facts};

/// The plans of all rows.
pub(crate) fn builder() -> PlansBuilder {
    let a = Plan::new("a").product("pdt_A").feature("export").limit("projects", 100).seats("seats");
    Plans::builder()
        .free_plan(Plan::new("free").limit("projects", 3))
        .plan(a)
        .plan(Plan::new("b").product("pdt_B").feature("priority"))
        .plan(Plan::new("c").product("pdt_C").includes("a"))
        .product(SoldProduct::once("pdt_X").feature("templates"))
        .product(SoldProduct::once("pdt_Y").feature("templates").term(days(365)))
        .product(SoldProduct::once("pdt_L").includes("a"))
        .product(SoldProduct::addon("adn_seats").additive_limit("seats", 5))
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) plans: Plans,
    pub(crate) facts: Vec<BillingFact>,
    pub(crate) now: Timestamp,
    pub(crate) answer: String,
}

pub(crate) static ROWS: LazyLock<Vec<Row>> = LazyLock::new(rows);

fn rows() -> Vec<Row> {
    let mut known = BTreeMap::new();
    let lines = include_str!("rows.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [name, input, now, answer] = cells[..] else { panic!("four cells in {line:?}") };
            let (rules, input) = match input.strip_prefix('[') {
                Some(rest) => rest.split_once(']').unwrap(),
                None => ("", input),
            };
            let facts = facts(input, &known);
            assert!(known.insert(name.to_owned(), facts.clone()).is_none(), "{name} is repeated");
            let (name, answer) = (name.to_owned(), answer.to_owned());
            Row { name, plans: plans(rules), facts, now: day(now.parse().unwrap()), answer }
        })
        .collect()
}

fn plans(rules: &str) -> Plans {
    let builder = builder();
    let builder = match rules {
        "" => builder,
        "strict" => builder.strict_first_payment(),
        "hold_grace 0" => builder.hold_grace(SignedDuration::ZERO),
        "slack 0" => builder.renewal_slack(SignedDuration::ZERO),
        "end_now" => builder.cancel_now(CancelNow::EndNow),
        "partial_end" => builder.partial_refund(PartialRefund::End),
        "on_open" => builder.disputes(DisputePolicy::OnOpen),
        "features" => builder.features_from_dodo(),
        other => panic!("{other:?} is not a rule"),
    };
    builder.build().unwrap()
}

#[test]
fn each_row_gives_its_answer() {
    let rows = &*ROWS;
    let wrong: Vec<_> = rows.iter().filter_map(difference).collect();
    assert!(rows.len() > 140, "only {} rows were read", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn order_and_repetition_change_no_row() {
    for row in &*ROWS {
        let expected = derive(&row.facts, &row.plans, row.now);
        for facts in orders(&row.facts) {
            assert_eq!(derive(&facts, &row.plans, row.now), expected, "{}", row.name);
        }
    }
}

/// All orders of up to five facts, 150 others beyond. Each repeats one fact.
fn orders(facts: &[BillingFact]) -> Vec<Vec<BillingFact>> {
    let all: usize = (1..=facts.len().min(6)).product();
    let count = if facts.len() <= 5 { all } else { 150 };
    let mut seed = 1_usize;
    let shuffle = |index: usize| {
        let mut order = facts.to_vec();
        let mut rest = index;
        for place in (1..order.len()).rev() {
            // Up to five facts, the index itself counts all orders.
            let random = if facts.len() <= 5 { rest } else { seed };
            order.swap(place, random % (place + 1));
            rest /= place + 1;
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 1;
        }
        let repeated = order.get(index % order.len().max(1)).cloned();
        order.extend(repeated);
        order
    };
    (0..count).map(shuffle).collect()
}

/// The difference between the answer of a row and the answer of `derive`.
fn difference(row: &Row) -> Option<String> {
    let access = derive(&row.facts, &row.plans, row.now);
    let mut words = row.answer.split(' ');
    let head: Vec<_> = words.by_ref().take(3).collect();
    let mut wrong = Vec::new();
    let found = head_of(&access);
    if head.join(" ") != found {
        wrong.push(found);
    }
    let (mut checks, mut problems) = (BTreeSet::new(), BTreeSet::new());
    let (mut recoverable, mut pending, mut estimated) = (false, false, false);
    for word in words {
        match word {
            "recoverable" => recoverable = true,
            "pending" => pending = true,
            "estimated" => estimated = true,
            _ if word.starts_with('*') => {
                checks.insert(word[1..].to_owned());
            }
            _ if word.starts_with('!') => {
                problems.insert(word[1..].to_owned());
            }
            _ if !holds(&access, word) => wrong.push(format!("not {word}")),
            _ => {}
        }
    }
    let found = access.checks().iter().map(|check| name_of(check.cause).to_owned()).collect();
    if checks != found {
        wrong.push(format!("checks {found:?}"));
    }
    let found = access.problems().iter().map(problem).collect();
    if problems != found {
        wrong.push(format!("problems {found:?}"));
    }
    let is_estimated = access.sources().first().is_some_and(|source| source.estimated);
    let found = [access.recoverable(), access.pending(), is_estimated];
    if found != [recoverable, pending, estimated] {
        wrong.push(format!("recoverable, pending, estimated: {found:?}"));
    }
    (!wrong.is_empty()).then(|| format!("{}: {}", row.name, wrong.join("; ")))
}

/// State, end and reason code.
fn head_of(access: &Access) -> String {
    let until = match access.until() {
        None => "-".to_owned(),
        Some(Until::NoEnd) => "no_end".to_owned(),
        Some(Until::Unknown) => "unknown".to_owned(),
        Some(Until::At(at)) => in_days(at),
    };
    format!("{} {until} {}", access.state(), access.reason().code)
}

fn in_days(at: Timestamp) -> String {
    format!("{}", at.duration_since(day(0.0)).as_secs_f64() / 86_400.0)
}

fn holds(access: &Access, word: &str) -> bool {
    let first = || access.sources().first().unwrap();
    match word {
        "renews" => access.will_renew(),
        "no_renewal" => !access.will_renew(),
        "license=valid" => access.licenses()[0].is_valid,
        "license=invalid" => !access.licenses()[0].is_valid,
        _ if word.starts_with('+') => access.can(&word[1..]),
        _ if word.starts_with('-') => !access.can(&word[1..]),
        _ => {
            if let Some((name, value)) = word.split_once('=') {
                return match name {
                    "a" | "b" | "c" => state_of(access, name) == value,
                    "units" => access.units("pdt_X") == value.parse::<u64>().unwrap(),
                    "sources" => access.sources().len() == value.parse::<usize>().unwrap(),
                    "remaining" => {
                        first().remaining.is_some_and(|rest| rest == days(value.parse().unwrap()))
                    }
                    "change" => {
                        let change = first().scheduled_change.as_ref().unwrap();
                        let product = change.product_id.strip_prefix("pdt_").unwrap();
                        format!("{product}@{}", in_days(change.effective_at)) == value
                    }
                    limit => access.limit(limit) == Some(value.parse().unwrap()),
                };
            }
            let (test, name) = word.split_once(':').unwrap_or_else(|| panic!("{word:?}"));
            access.has(name) == (test == "has")
        }
    }
}

fn state_of(access: &Access, plan: &str) -> String {
    let state = |source: &AccessSource| source.state.to_string();
    access.source_of(plan).map_or("none".to_owned(), state)
}

fn name_of(cause: CheckCause) -> &'static str {
    match cause {
        CheckCause::FirstPaymentUnconfirmed => "first_payment",
        CheckCause::RenewalUnconfirmed => "renewal",
        CheckCause::EstimatedEnd => "estimated",
        CheckCause::UnknownEnd => "unknown_end",
        CheckCause::Contradiction => "contradiction",
        CheckCause::OnHoldButPaid => "on_hold_but_paid",
        CheckCause::UnknownStatus => "unknown_status",
        CheckCause::DuplicateSubscription => "duplicate",
        CheckCause::RefundedButBilled => "refunded_but_billed",
        _ => "other",
    }
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::Contradiction { .. } => "contradiction".to_owned(),
        Problem::DuplicateSubscriptions { plan } => format!("duplicate:{plan}"),
        Problem::RefundedButBilled { .. } => "refunded_but_billed".to_owned(),
        Problem::PartialRefund { .. } => "partial_refund".to_owned(),
        _ => "other".to_owned(),
    }
}
