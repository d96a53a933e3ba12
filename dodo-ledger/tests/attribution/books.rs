//! Money rows, values and sums: after any story they are those of the records, on every store.

use std::collections::BTreeMap;

use dodo_ledger::{
    ErrorKind, Ledger, Store,
    attribution::{
        Dimension, MoneyDelta, MoneyRow, Record, RecordChange, RollKey, Rolls, Rules, TEXTS, roll,
    },
};
use jiff::tz::TimeZone;
use proptest::{prelude::*, sample::Index};
use serde_json::json;

use crate::{
    booking::{open, play, stored, texts},
    memory::{MemoryLedger, fact},
    payloads::{customer, day, hour, paid, refunded},
    property::disturbed,
    stories::{rules, story},
    support::TestStore,
    world::{Act, bind},
};

/// Rows, values with their use count, and sums, each as a line of text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    money: Vec<String>,
    values: Vec<String>,
    sums: Vec<String>,
}

/// A dictionary that numbers the values as they come.
#[derive(Default)]
struct Dictionary {
    ids: BTreeMap<(i64, String), i64>,
    uses: BTreeMap<(i64, String), i64>,
}

impl Dictionary {
    fn ids_of(&mut self, row: &MoneyRow) -> [i64; TEXTS] {
        let mut ids = [0; TEXTS];
        for (slot, (dim, text)) in ids.iter_mut().zip((1..).zip(&row.texts)) {
            let Some(text) = text else { continue };
            let next = i64::try_from(self.ids.len()).unwrap() + 1;
            *slot = *self.ids.entry((dim, text.clone())).or_insert(next);
        }
        ids
    }

    fn count(&mut self, row: &MoneyRow, sign: i64) {
        for (dim, text) in (1..).zip(&row.texts) {
            let Some(text) = text else { continue };
            *self.uses.entry((dim, text.clone())).or_default() += sign;
        }
    }
}

fn row_line(id: &str, row: &MoneyRow) -> String {
    let texts = row.texts.iter().map(|text| text.as_deref().unwrap_or("-"));
    let (live, first) = (i64::from(row.live), i64::from(row.is_first));
    let MoneyRow { currency, at, kind, channel, gross, net, .. } = row;
    let own = format!("{id}|{live}|{currency}|{at}|{kind}|{first}|{channel}|{gross}|{net}");
    texts.fold(own, |line, text| format!("{line}|{text}"))
}

fn books(mut money: Vec<String>, dictionary: &Dictionary, rolls: &Rolls) -> Books {
    money.sort();
    let names: BTreeMap<i64, &String> =
        dictionary.ids.iter().map(|((_, text), id)| (*id, text)).collect();
    let uses = dictionary.uses.iter().filter(|(_, uses)| **uses != 0);
    let mut values: Vec<String> =
        uses.map(|((dim, text), uses)| format!("{dim}|{text}|{uses}")).collect();
    values.sort();
    let mut sums: Vec<String> = rolls
        .iter()
        .filter(|(_, sums)| sums[0] != 0)
        .map(|(key, sums)| {
            let value = match key.dim {
                1..=15 => names.get(&key.value).map_or("-", |text| text.as_str()).to_owned(),
                _ => key.value.to_string(),
            };
            let live = i64::from(key.live);
            let RollKey { currency, dim, grain, bucket, .. } = key;
            let own = format!("{live}|{currency}|{dim}|{grain}|{bucket}|{value}");
            sums.iter().fold(own, |line, sum| format!("{line}|{sum}"))
        })
        .collect();
    sums.sort();
    Books { money, values, sums }
}

/// The books that follow from records alone.
fn of_records<'a>(records: impl IntoIterator<Item = &'a Record>, zone: &TimeZone) -> Books {
    let (mut dictionary, mut rolls, mut money) = (Dictionary::default(), Rolls::new(), Vec::new());
    for record in records {
        let Some(row) = MoneyRow::from_record(record) else { continue };
        let ids = dictionary.ids_of(&row);
        dictionary.count(&row, 1);
        roll(&mut rolls, &row.entry(ids), zone, 1);
        money.push(row_line(record.id(), &row));
    }
    books(money, &dictionary, &rolls)
}

/// The books that the differences of all bookings add up to.
#[derive(Default)]
struct Added {
    dictionary: Dictionary,
    rolls: Rolls,
    money: BTreeMap<String, MoneyRow>,
}

impl Added {
    fn add(&mut self, changes: &[RecordChange], zone: &TimeZone) {
        let delta = MoneyDelta::from_changes(changes);
        for (rows, sign) in [(&delta.old, -1), (&delta.new, 1)] {
            for (id, row) in rows {
                let ids = self.dictionary.ids_of(row);
                self.dictionary.count(row, sign);
                roll(&mut self.rolls, &row.entry(ids), zone, sign);
                match sign {
                    1 => self.money.insert(id.clone(), row.clone()),
                    _ => self.money.remove(id),
                };
            }
        }
    }

    fn books(&self) -> Books {
        let money = self.money.iter().map(|(id, row)| row_line(id, row)).collect();
        books(money, &self.dictionary, &self.rolls)
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// The stored tables as text.
async fn of_tables(store: &TestStore) -> Books {
    const MONEY: &str = "SELECT (SELECT id FROM dodo_record WHERE dodo_record.no = m.no)
        || '|' || live || '|' || currency || '|' || at || '|' || kind || '|' || is_first || '|' || channel
        || '|' || gross || '|' || net
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = source AND dim = 1), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = medium AND dim = 2), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = campaign AND dim = 3), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = content AND dim = 4), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = term AND dim = 5), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = link AND dim = 6), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = landing AND dim = 7), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = referrer AND dim = 8), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = device AND dim = 9), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = country AND dim = 10), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = product AND dim = 11), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = lead AND dim = 12), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = reason AND dim = 13), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = visitor AND dim = 14), '-')
        || '|' || COALESCE((SELECT text FROM dodo_value WHERE id = customer AND dim = 15), '-')
        FROM (SELECT live, currency, at, no, kind, is_first, channel, gross, net, source, medium, campaign,
            content, term, link, landing, referrer, device, country, product, lead, reason, visitor,
            customer FROM dodo_money) AS m";
    // The funnel uses values, too: a use of neither money nor funnel stays here.
    const VALUES: &str = "SELECT dim || '|' || text || '|' || n FROM (
            SELECT dim, text, uses, uses - (SELECT COUNT(*) FROM dodo_funnel
                WHERE dodo_value.id IN (source, medium, campaign, content, term, link)) AS n
            FROM dodo_value) AS counted
        WHERE n <> 0 OR uses = 0";
    const SUMS: &str =
        "SELECT live || '|' || currency || '|' || dim || '|' || grain || '|' || bucket
        || '|' || CASE WHEN dim BETWEEN 1 AND 15
            THEN COALESCE((SELECT text FROM dodo_value WHERE id = value), '-')
            ELSE CAST(value AS TEXT) END
        || '|' || n || '|' || firsts || '|' || charges || '|' || refunds || '|' || disputes
        || '|' || net || '|' || charges_net || '|' || charges_gross || '|' || refunds_gross
        || '|' || disputes_gross FROM dodo_roll";
    let sorted = async |sql| {
        let mut lines = texts(store, sql).await;
        lines.sort();
        lines
    };
    Books { money: sorted(MONEY).await, values: sorted(VALUES).await, sums: sorted(SUMS).await }
}

#[track_caller]
fn assert_same(expected: &Books, found: &Books) {
    for (expected, found) in [
        (&expected.money, &found.money),
        (&expected.values, &found.values),
        (&expected.sums, &found.sums),
    ] {
        let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
        let extra: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// In memory, with duplicates, in any order.
    #[test]
    fn differences_add_up_to_the_books_of_the_records(
        story in story(30),
        repeats in prop::collection::vec(any::<(Index, bool)>(), 0..8),
        order in prop::collection::vec(any::<u32>(), 40),
        rules in rules(),
    ) {
        let acts = disturbed(&story, &repeats, &order);
        let (mut ledger, mut added) = (MemoryLedger::new(&rules), Added::default());
        for act in &acts {
            added.add(&ledger.act(act), &berlin());
        }
        let records = ledger.stored();
        assert_same(&of_records(records.values(), &berlin()), &added.books());
        added.add(&ledger.erase("cus_ann", day(300)), &berlin());
        let erased = ledger.stored();
        assert_same(&of_records(erased.values(), &berlin()), &added.books());
        // Money moves with no erasure, and no customer is new twice.
        let sums = |records: &BTreeMap<String, Record>| {
            let rows: Vec<_> = records.values().filter_map(MoneyRow::from_record).collect();
            (rows.len(), rows.iter().map(|row| i128::from(row.net)).sum::<i128>())
        };
        assert_eq!(sums(&records), sums(&erased));
        let again = MemoryLedger::play(&rules, &story).stored();
        let same = MemoryLedger::play(&rules, &acts).stored();
        assert_same(&of_records(again.values(), &berlin()), &of_records(same.values(), &berlin()));
    }
}

async fn holds_books(store: &TestStore, story: &[Act], rules: &Rules) {
    let groups = open(store, rules).await;
    groups.keep_books_in("Europe/Berlin").await.unwrap();
    play(&groups, rules, story, 5).await;
    let check = async |zone: &TimeZone| {
        let records = stored(&groups).await;
        assert_same(&of_records(records.values(), zone), &of_tables(store).await);
    };
    check(&berlin()).await;
    groups.erase_customer("cus_ann", day(300)).await.unwrap();
    while groups.resolve_queued().await.unwrap().is_some() {}
    check(&berlin()).await;
    assert_eq!(groups.rebuild().await.unwrap(), dodo_ledger::RebuildReport::default());
    groups.keep_books_in("Asia/Kathmandu").await.unwrap();
    groups.complete_sums().await.unwrap();
    check(&TimeZone::get("Asia/Kathmandu").unwrap()).await;
}

fn on_store(open: impl AsyncFnOnce() -> Option<TestStore>, story: &[Act], rules: &Rules) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(store) = open().await else { return };
        holds_books(&store, story, rules).await;
        store.remove().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn books_of_sqlite_are_those_of_its_records(story in story(40), rules in rules()) {
        on_store(TestStore::sqlite, &story, &rules);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn books_of_postgres_are_those_of_its_records(story in story(40), rules in rules()) {
        on_store(async || TestStore::postgres("books").await, &story, &rules);
    }
}

crate::on_every_store! { rebuild_repairs_the_books, bookings_count_while_the_zone_changes }

/// Nothing beside the ledger reads a database in memory.
fn is_in_memory(store: &TestStore) -> bool {
    store.url.contains(":memory:")
}

fn sales() -> Vec<Act> {
    story![
        bind("cks_1", json!({ "campaign": { "source": "News" } })),
        paid("pay_1", hour(11), 2261, json!({ "tax": 361, "checkout_session_id": "cks_1" })),
        paid("pay_2", day(31), 1000, json!({ "customer": customer("bob") })),
        refunded("ref_1", "pay_1", day(40), json!(1000), json!({ "is_partial": true })),
    ]
}

async fn rebuild_repairs_the_books(store: &TestStore) {
    if is_in_memory(store) {
        return;
    }
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    play(&groups, &rules, &sales(), 2).await;
    let right = of_tables(store).await;
    assert_eq!(right.money.len(), 3);
    for damage in [
        "UPDATE dodo_money SET gross = gross + 1",
        "DELETE FROM dodo_money WHERE kind = 4",
        "UPDATE dodo_money SET at = at + 1",
        "UPDATE dodo_value SET uses = uses + 1",
        "DELETE FROM dodo_value",
        "UPDATE dodo_roll SET net = net - 1 WHERE dim = 1",
        "DELETE FROM dodo_roll",
        "UPDATE dodo_roll SET bucket = bucket + 7 WHERE dim = 2",
        "UPDATE dodo_record SET gross = gross + 1 WHERE net IS NOT NULL",
    ] {
        store.run(damage).await;
        let report = groups.rebuild().await.unwrap();
        assert_ne!(report, dodo_ledger::RebuildReport::default(), "{damage}");
        assert_same(&right, &of_tables(store).await);
        assert_eq!(groups.rebuild().await.unwrap(), dodo_ledger::RebuildReport::default());
    }
}

/// A booking between the change of the zone and the repair is in the sums of the new zone.
async fn bookings_count_while_the_zone_changes(store: &TestStore) {
    if is_in_memory(store) {
        return;
    }
    let rules = Rules::default();
    let groups = open(store, &rules).await;
    let (first, rest) = (&sales()[..2], &sales()[2..]);
    play(&groups, &rules, first, 1).await;
    groups.keep_books_in("Asia/Kathmandu").await.unwrap();
    play(&groups, &rules, rest, 1).await;
    groups.complete_sums().await.unwrap();
    let zone = TimeZone::get("Asia/Kathmandu").unwrap();
    let records = stored(&groups).await;
    assert_same(&of_records(records.values(), &zone), &of_tables(store).await);
}

#[tokio::test]
async fn unknown_zone_is_an_error_at_build() {
    let builder = || async { Ledger::builder(Store::open("sqlite::memory:").await.unwrap()) };
    let error = builder().await.books_in("Mars/Olympus").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(builder().await.books_in("Australia/Lord_Howe").build().is_ok());
}

/// The values of worked rows A1 to A9 of a dashboard.
#[test]
fn dimensions_of_a_record() {
    let row = |context: serde_json::Value, payment: serde_json::Value| {
        let mut extra = json!({ "checkout_session_id": "cks_1" });
        extra.as_object_mut().unwrap().extend(payment.as_object().unwrap().clone());
        let story = story![bind("cks_1", context), paid("pay_1", day(0), 1000, extra)];
        let ledger = MemoryLedger::play(&Rules::default(), &story);
        MoneyRow::from_record(&ledger.record("charge:pay_1")).unwrap()
    };
    let value = |row: &MoneyRow, dimension: Dimension| {
        let at = Dimension::TEXTS.iter().position(|known| *known == dimension).unwrap();
        row.texts[at].clone().unwrap_or_default()
    };
    use Dimension as By;
    let none = || json!({});
    let cart = json!({ "product_cart": [
        { "product_id": "pdt_a", "quantity": 1 }, { "product_id": "pdt_b", "quantity": 1 }] });
    for (number, context, payment, by, expected, channel) in [
        (
            "A1",
            json!({ "campaign": { "source": "Newsletter " } }),
            none(),
            By::Source,
            "newsletter",
            1,
        ),
        (
            "A1",
            json!({ "campaign": { "source": "newsletter" } }),
            none(),
            By::Source,
            "newsletter",
            1,
        ),
        ("A1", json!({ "campaign": { "campaign_id": "x" } }), none(), By::Source, "campaign x", 1),
        (
            "A2",
            json!({ "referrer_host": "www.news.example" }),
            none(),
            By::Source,
            "news.example",
            3,
        ),
        (
            "A2",
            json!({ "referrer_host": "www.news.example" }),
            none(),
            By::Referrer,
            "news.example",
            3,
        ),
        ("A3", json!({ "landing_path": "/" }), none(), By::Source, "direct", 4),
        ("A4", json!({ "visitor": "v1" }), none(), By::Reason, "not_in_context", 5),
        ("A4", json!({ "visitor": "v1" }), none(), By::Source, "", 5),
        (
            "A5",
            json!({ "consent": "denied", "landing_path": "/" }),
            none(),
            By::Reason,
            "consent_denied",
            5,
        ),
        ("A6", json!({ "click_ids": { "gclid": "g" } }), none(), By::Source, "google", 2),
        ("A6", json!({ "click_ids": { "gclid": "g" } }), none(), By::Medium, "paid", 2),
        ("A7", json!({ "click_ids": { "fbclid": "f" } }), none(), By::Source, "facebook", 3),
        ("A9", none(), cart, By::Product, "(2 products)", 5),
        ("country", none(), json!({ "billing": { "country": "DE" } }), By::Country, "DE", 5),
    ] {
        let row = row(context, payment);
        assert_eq!((value(&row, by).as_str(), row.channel), (expected, channel), "{number} {by:?}");
    }
}

/// Only the earliest charge of a customer is a first one, whatever arrives first.
#[test]
fn first_charge_of_a_customer_moves() {
    let rules = Rules::default();
    let acts = story![
        paid("pay_2", day(5), 1000, json!({})),
        paid("pay_1", day(1), 1000, json!({})),
        paid("pay_3", day(2), 1000, json!({ "customer": customer("bob") })),
        paid("pay_4", day(0), 1000, json!({ "customer": null })),
    ];
    let first = |ledger: &MemoryLedger| -> Vec<String> {
        let rows = ledger.stored();
        rows.values().filter(|r| r.is_first).map(|r| r.record.payment_id.clone()).collect()
    };
    let mut ledger = MemoryLedger::new(&rules);
    ledger.book(fact(&acts[0], &rules));
    assert_eq!(first(&ledger), ["pay_2"]);
    acts[1..].iter().for_each(|act| drop(ledger.book(fact(act, &rules))));
    assert_eq!(first(&ledger), ["pay_1", "pay_3"]);
    ledger.erase("cus_ann", day(300));
    assert_eq!(first(&ledger), ["pay_1", "pay_3"], "erased customers count");
}
