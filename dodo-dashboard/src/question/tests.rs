use jiff::civil::Date;
use proptest::{option, prelude::*, sample::select};

use super::{
    parse::Unanswerable,
    values::{Preset, *},
    *,
};

const TODAY: Date = Date::constant(2026, 11, 28);

fn parse(query: &str) -> Parsed {
    Question::parse(query, TODAY).unwrap_or_else(|_| panic!("{query} is answered"))
}

fn any_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn text() -> impl Strategy<Value = String> {
    // Values of the visitor: every character, and those that mean something in a query.
    prop_oneof!["[a-z0-9:!&=%+.<>\"' -]{1,40}", "\\PC{1,40}"]
        .prop_filter("not blank", |text| text.trim() == text && text != "!")
}

fn period() -> impl Strategy<Value = Period> {
    let days = (0_i32..300_000, 0_i32..2000).prop_map(|(first, length)| {
        let first = Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(first));
        Period::Days(first, first.saturating_add(jiff::Span::new().days(length)))
    });
    prop_oneof![any_of(Preset::ALL).prop_map(Period::Preset), days]
}

fn condition() -> impl Strategy<Value = Condition> {
    (any_of(By::ALL), option::of(text()), any::<bool>())
        .prop_map(|(by, value, excluded)| Condition { by, value, excluded })
}

fn question() -> impl Strategy<Value = Question> {
    let choices = (
        any_of(Page::ALL),
        period(),
        any_of(Versus::ALL),
        any_of(By::ALL),
        option::of(select(vec!["USD", "EUR", "KWD", "ZZZ"])),
        proptest::collection::btree_set(condition(), 0..=MOST_CONDITIONS),
        option::of(any_of(Interval::ALL)),
        any_of(Sort::ALL),
    );
    let texts = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    let month = option::of((1970_i16..=2999, 1_i8..=12).prop_map(|(y, m)| Date::constant(y, m, 1)));
    let how =
        (any::<bool>(), option::of(any_of(Mode::ALL)), any_of(Format::ALL), any::<bool>(), month);
    (choices, texts, how).prop_map(|(choices, texts, how)| {
        let (page, period, versus, by, currency, conditions, interval, sort) = choices;
        let (after, search, id, table) = texts;
        let (ascending, mode, format, live, month) = how;
        let currency = currency.map(|code| code.parse().unwrap());
        let conditions = conditions.into_iter().collect();
        Question {
            page,
            period,
            versus,
            by,
            currency,
            conditions,
            interval,
            sort,
            ascending,
            after,
            search,
            id,
            month,
            mode,
            format,
            live,
            table,
        }
    })
}

proptest! {
    #[test]
    fn printed_question_is_read_as_itself(question in question()) {
        let printed = question.to_string();
        let parsed = parse(printed.strip_prefix('?').unwrap());
        prop_assert_eq!(&parsed.notices, &[]);
        prop_assert_eq!(parsed.question, question, "{}", printed);
    }

    #[test]
    fn any_query_is_read_and_its_canonical_form_stays(query in "\\PC{0,200}|([a-z]{1,6}=[a-z0-9:.!%]{0,20}&?){0,8}") {
        if let Ok(parsed) = Question::parse(&query, TODAY) {
            let canonical = parsed.question.to_string();
            let again = parse(canonical.strip_prefix('?').unwrap());
            prop_assert_eq!(again.question.to_string(), canonical);
            prop_assert_eq!(&again.notices, &[]);
        }
    }
}

#[test]
fn canonical_form_is_sorted_and_without_defaults() {
    for (query, canonical) in [
        ("", "?"),
        ("page=overview&range=28d&vs=before&sort=net&dir=desc&format=html", "?"),
        ("vs=year&page=breakdown&by=campaign", "?by=campaign&page=breakdown&vs=year"),
        ("is=source:b&is=source:a&is=source:b", "?is=source%3Aa&is=source%3Ab"),
        ("is=source:!&not=device:phone", "?is=source%3A%21&not=device%3Aphone"),
        ("cur=eur&q=+pay_1+", "?cur=EUR&q=pay_1"),
        ("range=2026-11-01..2026-11-28", "?range=2026-11-01..2026-11-28"),
        ("q=&id=&range=", "?"),
        ("range=7d&from=2026-11-01&to=2026-11-28", "?range=2026-11-01..2026-11-28"),
        ("from=2026-11-01&to=", "?range=2026-11-01..2026-11-28"),
        ("from=2026-12-01", "?range=2026-12-01..2026-12-01"),
        ("to=2026-11-01", "?range=2026-11-01..2026-11-01"),
        ("preset=7d&from=2026-11-01&to=2026-11-28", "?range=7d"),
        ("preset=&from=2026-11-01&to=2026-11-28", "?range=2026-11-01..2026-11-28"),
        ("range=7d&month=2026-11", "?month=2026-11&range=7d"),
    ] {
        let parsed = parse(query);
        assert_eq!(parsed.question.to_string(), canonical, "{query}");
        assert_eq!(parsed.notices, [], "{query}");
    }
}

#[test]
fn parts_that_the_page_does_not_follow_are_named() {
    for (query, text) in [
        ("source=newsletter", "“source” is not a parameter. Did you mean is=source:newsletter?"),
        ("rang=7d", "“rang” is not a parameter. Did you mean range?"),
        ("utm_campaign=x", "“utm_campaign” is not a parameter, so it changes nothing."),
        (
            "range=2026-11-28..2026-11-01",
            "The first day is after the last one. The page shows the last 28 days.",
        ),
        (
            "range=2026-02-30..2026-03-01",
            "range does not take “2026-02-30..2026-03-01”. It takes today, 7d, 28d, 90d, 12m, mtd, last-month, ytd, all, days such as 2026-11-01..2026-11-28.",
        ),
        ("vs=week", "vs does not take “week”. It takes before, year, none."),
        ("month=2026-13", "month does not take “2026-13”. It takes a month such as 2026-11."),
        ("month=2026-11-02", "month does not take “2026-11-02”."),
        ("dir=up", "dir does not take “up”. It takes asc and desc."),
        ("cur=EURO", "cur does not take “EURO”. It takes a code such as EUR."),
        ("part=chart", "part does not take “chart”. It takes live."),
        ("page=a&page=overview", "page does not take “a”."),
        ("by=source&by=medium", "by is there twice. The first one counts."),
        (
            "is=device:a&is=device:b&is=device:c&is=device:d&is=device:e&is=device:f",
            "The page filters by the first 5 conditions.",
        ),
        ("is=newsletter", "is does not take “newsletter”. It takes source, medium,"),
    ] {
        let notices = parse(query).notices;
        let first = notices.first().unwrap_or_else(|| panic!("{query}")).to_string();
        assert!(first.starts_with(text), "{query}: {first}");
    }
}

#[test]
fn questions_that_are_too_long_are_refused() {
    let long = |length: usize| format!("q={}", "ä".repeat(length));
    assert!(Question::parse(&long(200), TODAY).is_ok());
    assert_eq!(Question::parse(&long(201), TODAY), Err(Unanswerable));
    assert_eq!(Question::parse(&"a".repeat(4097), TODAY), Err(Unanswerable));
    assert_eq!(parse(&"a&".repeat(2000)).notices.len(), 1);
}

#[test]
fn value_that_no_link_can_hold_has_no_link() {
    let with = |value: &str| {
        let condition =
            Condition { by: By::Landing, value: Some(value.to_owned()), excluded: false };
        Question::default().with(condition)
    };
    assert!(with(&"x".repeat(192)).is_some());
    assert!(with(&"x".repeat(193)).is_none());
    assert!(with("!").is_none());
}
