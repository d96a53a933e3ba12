//! Questions about money: any of them gives the sums of the records, on every store.

use std::collections::BTreeMap;

use dodo_core::money::Currency;
use dodo_ledger::{
    Ledger,
    attribution::{Channel, Dimension, MoneyRow, Record, Rules},
    query::{Cursor, Interval, MoneyQuery, Order, Period, Range, Sort, Sums, TimeZone, share},
};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    booking::{open, play, stored},
    payloads::{charged, customer, day, dispute, hour, paid, refunded},
    stories::{rules, story},
    support::TestStore,
    world::{Act, World, bind},
};

const GROUPED: [Dimension; 17] = [
    Dimension::Source,
    Dimension::Medium,
    Dimension::Campaign,
    Dimension::Content,
    Dimension::Term,
    Dimension::Link,
    Dimension::LandingPath,
    Dimension::Referrer,
    Dimension::Device,
    Dimension::Country,
    Dimension::Product,
    Dimension::Lead,
    Dimension::Reason,
    Dimension::Visitor,
    Dimension::Customer,
    Dimension::Channel,
    Dimension::Kind,
];

const KINDS: [&str; 7] = [
    "one_time",
    "subscription_new",
    "subscription_renewal",
    "refund",
    "refund_reversal",
    "dispute_loss",
    "dispute_reversal",
];
const CHANNELS: [Channel; 5] = [
    Channel::Campaign,
    Channel::PaidClick,
    Channel::Referral,
    Channel::Direct,
    Channel::NotAttributed,
];

fn value(row: &MoneyRow, by: Dimension) -> Option<String> {
    let nth = |number: i64| usize::try_from(number - 1).unwrap();
    match by {
        Dimension::Channel => Some(CHANNELS[nth(row.channel)].as_str().to_owned()),
        Dimension::Kind => Some(KINDS[nth(row.kind)].to_owned()),
        by => row.texts[Dimension::TEXTS.iter().position(|known| *known == by).unwrap()].clone(),
    }
}

/// The sums of rows, added up without a database.
fn sums<'a>(rows: impl IntoIterator<Item = &'a MoneyRow>) -> Sums {
    let mut sums = Sums::default();
    for row in rows {
        let (gross, net) = (i128::from(row.gross), i128::from(row.net));
        sums.gross += gross;
        sums.net += net;
        sums.new_customers += u64::from(row.is_first);
        match KINDS[usize::try_from(row.kind - 1).unwrap()] {
            "refund" => {
                sums.refunds += 1;
                sums.refunds_gross += gross;
            }
            "refund_reversal" => sums.refunds_gross += gross,
            "dispute_loss" => {
                sums.disputes += 1;
                sums.disputes_gross += gross;
            }
            "dispute_reversal" => sums.disputes_gross += gross,
            _ => {
                sums.charges += 1;
                sums.charges_gross += gross;
                sums.charges_net += net;
            }
        }
    }
    sums
}

/// One question: mode, filters, and a span from an hour of the story to another.
#[derive(Clone, Debug)]
struct Question {
    only: Vec<(Dimension, Option<String>)>,
    not: Vec<(Dimension, Option<String>)>,
    range: Option<(i64, i64)>,
    by: Dimension,
    order: Order,
}

impl Question {
    fn range(&self) -> Option<Range> {
        // Stories begin at noon in UTC: some of these hours are midnights in Berlin.
        self.range.map(|(from, until)| Range::new(hour(from - 13), hour(until - 13)))
    }

    fn money(&self, ledger: &Ledger) -> MoneyQuery {
        let mut money = ledger.money().currency(Currency::USD).order(self.order);
        if let Some(range) = self.range() {
            money = money.between(range);
        }
        for (dimension, value) in &self.only {
            money = money.only(*dimension, value.as_deref());
        }
        for (dimension, value) in &self.not {
            money = money.not(*dimension, value.as_deref());
        }
        money
    }

    fn has(&self, row: &MoneyRow) -> bool {
        let at = Timestamp::from_microsecond(row.at).unwrap();
        let mut by_dimension: BTreeMap<Dimension, bool> = BTreeMap::new();
        for (dimension, wanted) in &self.only {
            *by_dimension.entry(*dimension).or_default() |= value(row, *dimension) == *wanted;
        }
        row.live
            && row.currency == "USD"
            && self.range().is_none_or(|range| range.from <= at && at < range.until)
            && by_dimension.into_values().all(|found| found)
            && self.not.iter().all(|(dimension, other)| value(row, *dimension) != *other)
    }
}

fn condition() -> impl Strategy<Value = (Dimension, Option<String>)> {
    let values =
        ["s0", "s1", "email", "v0", "direct", "/a", "pdt_1", "cus_ann", "refund", "one_time"];
    let more = ["campaign", "not_attributed", "no_session", "mobile", "subscription_renewal", "l1"];
    let values: Vec<Option<&str>> =
        values.iter().chain(&more).copied().map(Some).chain([None, None]).collect();
    (prop::sample::select(&GROUPED[..]), prop::sample::select(values))
        .prop_map(|(dimension, value)| (dimension, value.map(str::to_owned)))
}

fn question() -> impl Strategy<Value = Question> {
    let range = (0_i64..24 * 100, 0_i64..24 * 100, any::<bool>()).prop_map(|(a, b, whole)| {
        let to_day = |hours: i64| if whole { hours / 24 * 24 } else { hours };
        (to_day(a.min(b)), to_day(a.max(b)))
    });
    let sort = prop::sample::select(&[Sort::Net, Sort::Charges, Sort::NewCustomers][..]);
    let order = (sort, any::<bool>()).prop_map(|(by, ascending)| Order { by, ascending });
    (
        prop::collection::vec(condition(), 0..3),
        prop::collection::vec(condition(), 0..2),
        prop::option::weighted(0.7, range),
        prop::sample::select(&GROUPED[..]),
        order,
        0..3_u8,
    )
        .prop_map(|(only, not, range, by, order, filters)| {
            let (only, not) = if filters == 0 { (Vec::new(), Vec::new()) } else { (only, not) };
            Question { only, not, range, by, order }
        })
}

/// Every answer to the question is the one of the rows.
async fn answers(ledger: &Ledger, rows: &[MoneyRow], question: &Question) {
    let rows: Vec<&MoneyRow> = rows.iter().filter(|row| question.has(row)).collect();
    let all = sums(rows.iter().copied());
    assert_eq!(question.money(ledger).totals().await.unwrap().now, all, "{question:?}");

    // Page by page, the values are complete and in order.
    let by = question.by;
    let mut expected: BTreeMap<Option<String>, Vec<&MoneyRow>> = BTreeMap::new();
    for row in &rows {
        expected.entry(value(row, by)).or_default().push(row);
    }
    let expected: BTreeMap<Option<String>, Sums> =
        expected.into_iter().map(|(value, rows)| (value, sums(rows))).collect();
    let (mut seen, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let page = question.money(ledger).by(by).top(2).after(cursor).rows().await.unwrap();
        assert_eq!(page.total.now, all, "{question:?}");
        let none = expected.get(&None).copied().unwrap_or_default();
        assert_eq!(page.none.now, none, "{question:?}");
        assert_eq!(usize::try_from(page.count).unwrap(), expected.keys().flatten().count());
        seen.extend(page.rows.into_iter().map(|row| (row.value, row.sums.now)));
        cursor = page.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            break;
        }
    }
    let place = |sums: &Sums| match question.order.by {
        Sort::Charges => i128::from(sums.charges),
        Sort::NewCustomers => i128::from(sums.new_customers),
        _ => sums.net,
    };
    let places: Vec<i128> = seen.iter().map(|(_, sums)| place(sums)).collect();
    let sorted = places
        .windows(2)
        .all(|two| if question.order.ascending { two[0] <= two[1] } else { two[0] >= two[1] });
    assert!(sorted, "{question:?}: {places:?}");
    let seen: BTreeMap<Option<String>, Sums> =
        seen.into_iter().map(|(value, sums)| (Some(value), sums)).collect();
    let named: BTreeMap<_, _> = expected.iter().filter(|(value, _)| value.is_some()).collect();
    assert_eq!(seen.iter().collect::<BTreeMap<_, _>>(), named, "{question:?}");

    // Several dimensions at once are the same as one by one.
    let dimensions = [by, Dimension::Source, Dimension::Kind];
    let many = question.money(ledger).top(3).breakdowns(&dimensions).await.unwrap();
    for (dimension, breakdown) in dimensions.into_iter().zip(many) {
        let one = question.money(ledger).by(dimension).top(3).rows().await.unwrap();
        assert_eq!(breakdown, one, "{question:?}");
    }

    // A chart adds up to the total, and each of its parts to the rows of that time.
    for (interval, zone) in [
        (Interval::Day, "Europe/Berlin"),
        (Interval::Week, "Europe/Berlin"),
        (Interval::Month, "Europe/Berlin"),
        (Interval::Day, "Asia/Kathmandu"),
    ] {
        let zone = TimeZone::get(zone).unwrap();
        let series = question.money(ledger).by(by).top(2).series(interval, &zone).await.unwrap();
        for (nth, bucket) in series.buckets.iter().enumerate() {
            let inside = |row: &&&MoneyRow| {
                let at = Timestamp::from_microsecond(row.at).unwrap();
                bucket.range.from <= at && at < bucket.range.until
            };
            let inside: Vec<&MoneyRow> = rows.iter().filter(inside).copied().collect();
            assert_eq!(series.total[nth], sums(inside.iter().copied()), "{question:?} {bucket:?}");
            for row in &series.rows {
                let of_value = inside
                    .iter()
                    .copied()
                    .filter(|other| value(other, by).as_deref() == Some(row.value.as_str()));
                assert_eq!(row.sums[nth], sums(of_value), "{question:?} {bucket:?} {}", row.value);
            }
            let parts = series.rows.iter().map(|row| row.sums[nth].net).sum::<i128>();
            let rest = series.none[nth].net + series.other[nth].net;
            assert_eq!(parts + rest, series.total[nth].net, "{question:?} {bucket:?}");
        }
        let added: i128 = series.total.iter().map(|sums| sums.net).sum();
        assert_eq!(added, all.net, "{question:?} {interval:?}");
    }
}

fn rows_of(records: &BTreeMap<String, Record>) -> Vec<MoneyRow> {
    records.values().filter_map(MoneyRow::from_record).collect()
}

fn on_store(
    open_store: impl AsyncFnOnce() -> Option<TestStore>,
    story: &[Act],
    rules: &Rules,
    questions: &[Question],
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(store) = open_store().await else { return };
        let groups = open(&store, rules).await;
        let ledger = store.builder().await.books_in("Europe/Berlin").build().unwrap();
        ledger.migrate().await.unwrap();
        play(&groups, rules, story, 7).await;
        let rows = rows_of(&stored(&groups).await);
        for question in questions {
            answers(&ledger, &rows, question).await;
        }
        // While the sums of another zone are wrong, the answers are right.
        groups.keep_books_in("Asia/Kolkata").await.unwrap();
        for question in questions.iter().take(2) {
            answers(&ledger, &rows, question).await;
        }
        store.remove().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_with_the_sums_of_the_rows(
        story in story(60), rules in rules(), questions in prop::collection::vec(question(), 6),
    ) {
        on_store(TestStore::sqlite, &story, &rules, &questions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_answers_with_the_sums_of_the_rows(
        story in story(60), rules in rules(), questions in prop::collection::vec(question(), 6),
    ) {
        on_store(async || TestStore::postgres("money").await, &story, &rules, &questions);
    }
}

crate::on_every_store! {
    worked_rows_about_money,
    worked_rows_about_attribution,
    comparison_is_with_the_span_before,
    questions_that_cannot_be_answered,
}

/// M1 to M14 of the worked rows: each a story, its currency, and its sums.
async fn worked_rows_about_money(store: &TestStore) {
    let base = |id: &str| -> Act { paid(id, day(0), 2261, json!({ "tax": 361 })).into() };
    let refund = |id: &str, at: i64, amount: i64| -> Act {
        let partial = json!({ "is_partial": amount != 2261 });
        refunded(id, "pay_1", day(at), json!(amount), partial).into()
    };
    let step = |step: &str, at: i64| -> Act {
        dispute(step, "dp_1", "pay_1", day(at), json!("2261"), json!({})).into()
    };
    let in_currency = |id: &str, currency: &str, total: i64, tax: i64| -> Act {
        let extra = json!({ "currency": currency, "tax": tax, "customer": customer(id) });
        paid(id, day(0), total, extra).into()
    };
    let usd = Currency::USD;
    // Story, currency; net, gross, tax, charges, average, refund rate.
    type Numbers = (i128, i128, i128, u64, Option<i128>, Option<i64>);
    let rows: Vec<(&str, Vec<Act>, Currency, Numbers)> = vec![
        ("M1", story![base("pay_1")], usd, (1900, 2261, 361, 1, Some(1900), Some(0))),
        (
            "M2",
            story![base("pay_1"), refund("ref_1", 1, 2261)],
            usd,
            (0, 0, 0, 1, Some(1900), Some(1000)),
        ),
        (
            "M3",
            story![
                base("pay_1"),
                refund("r1", 1, 1000),
                refund("r2", 2, 1000),
                refund("r3", 3, 261)
            ],
            usd,
            (0, 0, 0, 1, Some(1900), Some(1000)),
        ),
        (
            "M4",
            story![base("pay_1"), refund("r1", 1, 1000), step("lost", 2)],
            usd,
            (0, 0, 0, 1, Some(1900), Some(442)),
        ),
        (
            "M5",
            story![base("pay_1"), refund("r1", 1, 1000), step("lost", 2), step("won", 3)],
            usd,
            (1060, 1261, 201, 1, Some(1900), Some(442)),
        ),
        (
            "M6",
            story![in_currency("pay_1", "USD", 2261, 361), in_currency("pay_2", "JPY", 1785, 285)],
            Currency::JPY,
            (1500, 1785, 285, 1, Some(1500), Some(0)),
        ),
        (
            "M7",
            story![in_currency("pay_1", "KWD", 11305, 1805)],
            "KWD".parse().unwrap(),
            (9500, 11305, 1805, 1, Some(9500), Some(0)),
        ),
        ("M8", story![paid("pay_1", day(0), 0, json!({}))], usd, (0, 0, 0, 0, None, None)),
        (
            "M9",
            story![
                base("pay_1"),
                refunded("ref_1", "pay_1", day(1), Value::Null, json!({ "is_partial": true }))
            ],
            usd,
            (1900, 2261, 361, 1, Some(1900), Some(0)),
        ),
        (
            "M12",
            story![
                paid("pay_1", day(0), 1900, json!({})),
                paid("pay_2", day(0), 1200, json!({})),
                paid("pay_3", day(0), 1900, json!({})),
                refunded("ref_1", "pay_1", day(1), json!(1900), json!({})),
            ],
            usd,
            (3100, 3100, 0, 3, Some(1667), Some(380)),
        ),
    ];
    for (number, story, currency, expected) in rows {
        let store = store.fresh().await;
        let ledger = store.ledger().await;
        World::Stored(ledger.clone()).play(&story).await;
        let now = ledger.money().currency(currency).totals().await.unwrap().now;
        let seen = (now.net, now.gross, now.tax(), now.charges, now.average(), now.refund_rate());
        assert_eq!(seen, expected, "{number}");
        if number == "M6" {
            let all = ledger.money().currencies().await.unwrap();
            let all: Vec<_> =
                all.iter().map(|row| (row.currency.as_str(), row.sums.net, row.exponent)).collect();
            assert_eq!(all, [("JPY", 1500, 0), ("USD", 1900, 2)]);
        }
        if number == "M3" || number == "M4" {
            let parts = ledger.money().currency(usd).not(Dimension::Kind, "one_time");
            let zone = TimeZone::UTC;
            let days = parts.series(Interval::Day, &zone).await.unwrap();
            let nets: Vec<_> =
                days.total.iter().map(|sums| (sums.net, sums.tax())).skip(1).collect();
            match number {
                "M3" => assert_eq!(nets, [(-840, -160), (-841, -159), (-219, -42)]),
                _ => assert_eq!(nets, [(-840, -160), (-1060, -201)]),
            }
        }
        store.remove().await;
    }
    // M14: a month with nothing but the refund of an earlier charge.
    let ledger = store.ledger().await;
    let story = story![
        paid("pay_1", "2026-10-20T12:00:00Z".parse().unwrap(), 1900, json!({})),
        refunded("ref_1", "pay_1", "2026-11-20T12:00:00Z".parse().unwrap(), json!(1900), json!({})),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let november = Range::new(
        "2026-11-01T00:00:00Z".parse().unwrap(),
        "2026-12-01T00:00:00Z".parse().unwrap(),
    );
    let now = ledger.money().currency(usd).between(november).totals().await.unwrap().now;
    assert_eq!((now.net, now.refund_rate(), now.average()), (-1900, None, None), "M14");
}

/// A1, A8 and A10: one row for two spellings, shares of channels, and no share of a negative total.
async fn worked_rows_about_attribution(store: &TestStore) {
    let ledger = store.ledger().await;
    let bought = |n: u8, context: Value, total: i64| {
        let session = format!("cks_{n}");
        let extra = json!({ "checkout_session_id": session, "customer": customer(&n.to_string()) });
        story![bind(&session, context), paid(&format!("pay_{n}"), day(0), total, extra)]
    };
    let story = [
        bought(1, json!({ "campaign": { "source": "Newsletter " } }), 2000),
        bought(2, json!({ "campaign": { "source": "newsletter" } }), 4000),
        bought(3, json!({ "referrer_host": "www.news.example" }), 1000),
        bought(4, json!({ "landing_path": "/" }), 1000),
        bought(5, json!({ "visitor": "v1" }), 2000),
    ]
    .concat();
    World::Stored(ledger.clone()).play(&story).await;
    let usd = || ledger.money().currency(Currency::USD);
    let sources = usd().by(Dimension::Source).rows().await.unwrap();
    let mut seen: Vec<_> =
        sources.rows.iter().map(|row| (row.value.as_str(), row.sums.now.net)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("direct", 1000), ("news.example", 1000), ("newsletter", 6000)], "A1");
    assert_eq!((sources.none.now.net, sources.count, sources.next), (2000, 3, None));
    let channels = usd().by(Dimension::Channel).rows().await.unwrap();
    let net = |names: &[&str]| -> i128 {
        let rows = channels.rows.iter().filter(|row| names.contains(&row.value.as_str()));
        rows.map(|row| row.sums.now.charges_net).sum()
    };
    let all = channels.total.now.charges_net;
    let attributed = net(&["campaign", "referral", "paid_click"]);
    assert_eq!(share(attributed, all), Some(700), "A8");
    assert_eq!(share(attributed + net(&["direct"]), all), Some(800), "A8");

    let two = [Some("newsletter"), None];
    let mut question = usd();
    for value in two {
        question = question.only(Dimension::Source, value);
    }
    assert_eq!(question.totals().await.unwrap().now.net, 8000, "any of two values");
    assert_eq!(usd().not(Dimension::Source, None).totals().await.unwrap().now.net, 8000);
}

async fn comparison_is_with_the_span_before(store: &TestStore) {
    let ledger = store.ledger().await;
    let story = story![
        charged("pay_1", "sub_1", day(0), 1000, json!({ "metadata": { "source": "a" } })),
        charged("pay_2", "sub_1", day(31), 2000, json!({})),
        paid(
            "pay_3",
            day(32),
            500,
            json!({ "customer": customer("bob"), "metadata": { "source": "b" } })
        ),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let now = day(34);
    let zone = TimeZone::UTC;
    let (range, before) =
        (Period::Days(20).range(now, &zone), Period::Days(40).before(now, &zone).unwrap());
    assert_eq!(before.from, "2026-01-15T00:00:00Z".parse().unwrap());
    let before = Range::new(before.from, range.from);
    let question = ledger.money().currency(Currency::USD).between(range).versus(before);
    let totals = question.clone().totals().await.unwrap();
    assert_eq!((totals.now.net, totals.before.unwrap().net), (2500, 1000));
    assert_eq!((totals.now.new_customers, totals.before.unwrap().new_customers), (1, 1));
    let rows = question.clone().by(Dimension::Source).rows().await.unwrap();
    let rows: Vec<_> = rows
        .rows
        .iter()
        .map(|row| (row.value.as_str(), row.sums.now.net, row.sums.before.unwrap().net))
        .collect();
    assert_eq!(rows, [("a", 2000, 1000), ("b", 500, 0)]);
    let series = question.series(Interval::Week, &zone).await.unwrap();
    let nets: Vec<_> = series.total.iter().map(|sums| sums.net).collect();
    assert_eq!(nets.iter().sum::<i128>(), 2500);
    assert_eq!(series.before.unwrap().iter().map(|sums| sums.net).sum::<i128>(), 1000);
    let span = ledger.money().currency(Currency::USD).span().await.unwrap().unwrap();
    assert_eq!(span.from, day(0).checked_add(2.seconds()).unwrap());
}

async fn questions_that_cannot_be_answered(store: &TestStore) {
    use dodo_ledger::ErrorKind::Config as Setup;
    let ledger = store.ledger().await;
    let usd = || ledger.money().currency(Currency::USD);
    assert_eq!(ledger.money().totals().await.unwrap_err().kind(), Setup, "no currency");
    assert_eq!(usd().rows().await.unwrap_err().kind(), Setup, "no dimension");
    assert_eq!(usd().by(Dimension::Day).rows().await.unwrap_err().kind(), Setup);
    assert_eq!(usd().by(Dimension::Currency).rows().await.unwrap_err().kind(), Setup);
    assert_eq!(usd().only(Dimension::Day, "x").totals().await.unwrap_err().kind(), Setup);
    assert!("1.2".parse::<Cursor>().is_err() && "x.y.z".parse::<Cursor>().is_err());
    let empty = usd().by(Dimension::Source).rows().await.unwrap();
    assert_eq!((empty.rows.len(), empty.total.now, empty.count), (0, Sums::default(), 0));
    assert!(ledger.money().currencies().await.unwrap().is_empty());
    let series = usd().series(Interval::Day, &TimeZone::UTC).await.unwrap();
    assert!(series.buckets.is_empty());
    assert_eq!(ledger.change_number().await.unwrap(), 0);
    World::Stored(ledger.clone()).play(&story![paid("pay_1", day(0), 1000, json!({}))]).await;
    assert!(ledger.change_number().await.unwrap() > 0);
}
