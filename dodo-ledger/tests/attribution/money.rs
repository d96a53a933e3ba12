//! Questions about money: any of them gives the sums of the records, on every store.

use std::collections::BTreeMap;

use dodo_core::money::Currency;
use dodo_ledger::{
    Ledger,
    attribution::{Channel, Dimension, MoneyRow, Record, Rules},
    query::{Cursor, Interval, MoneyQuery, Order, Range, Sort, Sums, TimeZone},
};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    booking::{open, play, stored},
    payloads::hour,
    stories::{rules, story},
    support::TestStore,
    world::Act,
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
            money = money.filter(*dimension, value.as_deref());
        }
        for (dimension, value) in &self.not {
            money = money.exclude(*dimension, value.as_deref());
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

/// The list of the records adds up to the sums, page by page and in both orders. The narrow money rows and
/// the records themselves find the same ones.
async fn lists(ledger: &Ledger, rows: &[&MoneyRow], question: &Question) {
    let mut records = ledger.records().revenue_only();
    if let Some(range) = question.range() {
        records = records.between(range.from, range.until);
    }
    for (dimension, value) in &question.only {
        records = records.filter(*dimension, value.as_deref());
    }
    for (dimension, value) in &question.not {
        records = records.exclude(*dimension, value.as_deref());
    }
    let by_column = records.clone().filter(Dimension::Currency, "USD");
    let all = by_column.clone().fetch().await.unwrap();
    let (mut net, mut gross) = (0, 0);
    for money in all.iter().filter_map(|record| record.money) {
        net += i128::from(money.net);
        gross += i128::from(money.gross);
    }
    let expected = sums(rows.iter().copied());
    assert_eq!((all.len(), net, gross), (rows.len(), expected.net, expected.gross), "{question:?}");
    let ids: Vec<&str> = all.iter().map(|record| record.id.as_str()).collect();
    for asked in [records.currency(Currency::USD), by_column] {
        let whole = asked.clone().fetch().await.unwrap();
        assert_eq!(whole.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ids, "{question:?}");
        for newest_first in [false, true] {
            let mut page = asked.clone().limit(2);
            if newest_first {
                page = page.newest_first();
            }
            let (mut seen, mut next) = (Vec::new(), None);
            loop {
                let found = page.clone().after(next).page().await.unwrap();
                assert!(found.records.len() == 2 || found.next.is_none());
                seen.extend(found.records.into_iter().map(|listed| listed.record.id));
                next = found.next.map(|next| next.to_string().parse().unwrap());
                if next.is_none() {
                    break;
                }
            }
            if newest_first {
                seen.reverse();
            }
            assert_eq!(seen, ids, "{question:?}");
        }
    }
}

/// Revenue by one dimension, by kind, and by two dimensions, from sums and from single rows.
async fn revenue(ledger: &Ledger, rows: &[&MoneyRow], question: &Question) {
    if !question.not.is_empty() {
        return;
    }
    let by = question.by;
    for group in [vec![], vec![by], vec![Dimension::Kind, by], vec![by, Dimension::Medium]] {
        let mut asked = ledger.revenue().currency(Currency::USD);
        if let Some(range) = question.range() {
            asked = asked.between(range.from, range.until);
        }
        for (dimension, value) in &question.only {
            asked = asked.filter(*dimension, value.as_deref());
        }
        for dimension in &group {
            asked = asked.group_by(*dimension);
        }
        let mut expected: BTreeMap<Vec<Option<String>>, Vec<&MoneyRow>> = BTreeMap::new();
        for row in rows {
            let keys = group.iter().map(|dimension| value(row, *dimension)).collect();
            expected.entry(keys).or_default().push(row);
        }
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .map(|(keys, rows)| {
                let sums = sums(rows.iter().copied());
                let charges = usize::try_from(sums.charges).unwrap();
                (keys, (sums.gross, sums.net, charges, rows.len() - charges))
            })
            .collect();
        let found = asked.fetch().await.unwrap().into_iter().map(|row| {
            let (charges, reversals) = (row.charges, row.reversals);
            let count = |n: u64| usize::try_from(n).unwrap();
            (row.keys, (row.gross, row.net, count(charges), count(reversals)))
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{group:?} {question:?}");
    }
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
        let page = question.money(ledger).group_by(by).top(2).after(cursor).rows().await.unwrap();
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

    lists(ledger, &rows, question).await;
    revenue(ledger, &rows, question).await;

    // Several dimensions at once are the same as one by one.
    let dimensions = [by, Dimension::Source, Dimension::Kind];
    let many = question.money(ledger).top(3).breakdowns(&dimensions).await.unwrap();
    for (dimension, breakdown) in dimensions.into_iter().zip(many) {
        let one = question.money(ledger).group_by(dimension).top(3).rows().await.unwrap();
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
        let series =
            question.money(ledger).group_by(by).top(2).series(interval, &zone).await.unwrap();
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
