//! What the ledger adds up to, on every store.

use dodo_core::{attribution::Contact, money::Currency};
use dodo_ledger::{
    Ledger,
    query::{Dimension, ExportFormat, Records, TimeZone},
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    payloads::{charged, customer, day, hour, paid, refunded},
    support::TestStore,
    world::{Act, World, bind},
};

/// Two visitors, two currencies, a refund, a renewal, and a payment in test mode.
fn story() -> Vec<Act> {
    vec![
        bind("cks_1", json!({ "visitor": "v1", "campaign": { "source": "news", "medium": "email" }, "landing_path": "/pricing", "referrer_host": "blog.example", "device": "mobile" })),
        charged("pay_1", "sub_1", day(0), 2000, json!({ "tax": 300, "checkout_session_id": "cks_1" })).into(),
        charged("pay_2", "sub_1", day(31), 2000, json!({ "tax": 300 })).into(),
        paid("pay_3", hour(2), 4900, json!({ "currency": "JPY", "tax": 400, "metadata": { "visitor": "v2", "source": "=cmd" }, "customer": customer("bob"), "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] })).into(),
        paid("pay_4", day(1), 1000, json!({ "customer": customer("eve") })).into(),
        refunded("ref_1", "pay_1", day(2), json!(1000), json!({ "is_partial": true })).into(),
        paid("pay_5", day(1), 7777, json!({ "customer": customer("tim") })).test_mode().into(),
    ]
}

async fn ledger(store: &TestStore) -> Ledger {
    let ledger = store.ledger().await;
    World::Stored(ledger.clone()).play(&story()).await;
    ledger
}

crate::on_every_store! {
    sums_are_per_currency,
    every_dimension_groups_and_filters,
    filters_and_days,
    closed_month_does_not_change,
    exports,
    explanations,
    direct_needs_a_seen_visit,
    sums_of_extreme_amounts_are_exact,
    customers_are_found_by_address_and_have_their_newest_name,
}

async fn customers_are_found_by_address_and_have_their_newest_name(store: &TestStore) {
    let ledger = store.ledger().await;
    let named = |id: &str, name: &str, email: &str| json!({ "customer": { "customer_id": id, "name": name, "email": email } });
    let story: [Act; 4] = [
        paid("pay_1", day(0), 1000, named("cus_a", "Ann", "ann@example.com")).into(),
        paid("pay_2", day(1), 1000, named("cus_a", "Ann Doe", "ann@example.com")).into(),
        paid("pay_3", day(2), 1000, named("cus_b", "Bob", "ANN@example.com")).into(),
        paid("pay_4", day(3), 1000, named("cus_t", "Tim", "ann@example.com")).test_mode().into(),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let ids = ledger.customers_of_email(" Ann@Example.com ", true).await.unwrap();
    assert_eq!(ids, ["cus_a", "cus_b"]);
    assert_eq!(ledger.customers_of_email("ann@example.com", false).await.unwrap(), ["cus_t"]);
    assert!(ledger.customers_of_email("", true).await.unwrap().is_empty());
    let names = async || {
        let found = ledger.contacts(["cus_a", "cus_b", "cus_nobody"]).await.unwrap();
        let name = |(id, contact): (String, Contact)| (id, contact.name.unwrap_or_default());
        found.into_iter().map(name).collect::<Vec<_>>()
    };
    let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(names().await, [pair("cus_a", "Ann Doe"), pair("cus_b", "Bob")]);
    ledger.erase_customer("cus_a").await.unwrap();
    assert_eq!(names().await, [pair("cus_b", "Bob")]);
    assert!(ledger.contacts([]).await.unwrap().is_empty());
}

/// Money without a known visit is not direct.
async fn direct_needs_a_seen_visit(store: &TestStore) {
    let ledger = store.ledger().await;
    let checkout = |payment: &str, session: &str, who: &str| -> Act {
        let extra = json!({ "checkout_session_id": session, "customer": customer(who) });
        paid(payment, day(0), 1000, extra).into()
    };
    let story = [
        bind("cks_direct", json!({ "visitor": "v1", "landing_path": "/" })),
        bind("cks_referral", json!({ "landing_path": "/", "referrer_host": "news.example" })),
        bind("cks_campaign", json!({ "campaign": { "link_id": "lnk_1" } })),
        bind("cks_denied", json!({ "consent": "denied", "landing_path": "/" })),
        bind("cks_blind", json!({ "visitor": "v2" })),
        checkout("pay_direct", "cks_direct", "ann"),
        checkout("pay_referral", "cks_referral", "bob"),
        checkout("pay_campaign", "cks_campaign", "cat"),
        checkout("pay_denied", "cks_denied", "dan"),
        checkout("pay_blind", "cks_blind", "eve"),
        checkout("pay_lost", "cks_lost", "fay"),
        paid("pay_link", day(0), 1000, json!({ "customer": customer("gus") })).into(),
        refunded("ref_1", "pay_link", day(1), json!(1000), json!({})).into(),
        refunded("ref_2", "pay_never", day(1), json!(500), json!({})).into(),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let rows = ledger
        .revenue()
        .group_by(Dimension::Channel)
        .group_by(Dimension::Reason)
        .fetch()
        .await
        .unwrap();
    let mut seen: Vec<_> = rows
        .iter()
        .map(|row| (row.key().unwrap(), row.keys[1].as_deref(), row.gross, row.charges))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("campaign", None, 1000, 1),
            ("direct", None, 1000, 1),
            ("not_attributed", Some("consent_denied"), 1000, 1),
            ("not_attributed", Some("no_context"), 1000, 1),
            ("not_attributed", Some("no_session"), 1000, 1),
            ("not_attributed", Some("not_in_context"), 1000, 1),
            ("not_attributed", Some("payment_not_here"), -500, 0),
            ("not_attributed", Some("payment_unattributed"), -1000, 0),
            ("referral", None, 1000, 1),
        ]
    );
    let mut file = Vec::new();
    ledger.records().payment("pay_direct").export(ExportFormat::Csv, &mut file).await.unwrap();
    assert!(String::from_utf8(file).unwrap().ends_with(",,,direct,\r\n"));
    let mut file = Vec::new();
    ledger.records().payment("pay_lost").export(ExportFormat::JsonLines, &mut file).await.unwrap();
    let line: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(
        (&line["channel"], &line["reason"]),
        (&json!("not_attributed"), &json!("no_context"))
    );
    assert_eq!(line["id"], "charge:pay_lost");
    for (payment, sentence) in [
        ("pay_direct", "Direct: a visit was seen, without a campaign."),
        ("pay_denied", "Not attributed: the visitor did not consent to being attributed."),
    ] {
        let text = ledger.explain(payment).await.unwrap().unwrap().to_string();
        assert!(text.contains(sentence), "{text}");
    }
}

/// As an older version may have booked them, one a month. No sum leaves its type, neither of single rows
/// nor of stored sums.
async fn sums_of_extreme_amounts_are_exact(store: &TestStore) {
    if store.url.contains(":memory:") {
        return; // another connection is another database
    }
    let ledger = store.ledger().await;
    let extremes = [i64::MAX, i64::MAX, i64::MAX, i64::MIN, -1, 7];
    let months = || (0_i64..).map(|n| day(n * 31)).zip(&extremes).enumerate();
    let acts = months().map(|(n, (at, _))| paid(&format!("pay_{n}"), at, 1, json!({})).into());
    World::Stored(ledger.clone()).play(&acts.collect::<Vec<Act>>()).await;
    for (n, (at, amount)) in months() {
        let record = format!("SELECT no FROM dodo_record WHERE id = 'charge:pay_{n}'");
        let set = format!("gross = {amount}, net = {amount}");
        store.run(&format!("UPDATE dodo_money SET {set} WHERE no = ({record})")).await;
        let date = TimeZone::UTC.to_datetime(at).date();
        let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        let days = at.as_second() / 86_400;
        let of = format!("grain = 0 AND bucket = {days} OR grain = 1 AND bucket = {month}");
        let set = format!("charges_gross = {amount}, charges_net = {amount}, net = {amount}");
        store.run(&format!("UPDATE dodo_roll SET {set} WHERE {of}")).await;
    }
    let sum: i128 = extremes.iter().map(|amount| i128::from(*amount)).sum();
    for question in [ledger.revenue(), ledger.revenue().group_by(Dimension::Visitor)] {
        let rows = question.fetch().await.unwrap();
        assert_eq!((rows[0].gross, rows[0].tax, rows[0].net), (sum, 0, sum));
        assert_eq!(rows[0].net_major(), dodo_core::internals::minor_to_major(sum, 2));
    }
    let customers = ledger.money().currency(Currency::USD).group_by(Dimension::Customer);
    assert_eq!(customers.rows().await.unwrap().rows[0].sums.now.net, sum);
}

async fn sums_are_per_currency(store: &TestStore) {
    let ledger = ledger(store).await;
    let rows = ledger.revenue().group_by(Dimension::Visitor).fetch().await.unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.key(),
                row.currency.to_string(),
                row.gross,
                row.tax,
                row.net,
                row.charges,
                row.reversals,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some("v2"), "JPY".to_owned(), 4900, 400, 4500, 1, 0),
            (Some("v1"), "USD".to_owned(), 3000, 450, 2550, 2, 1),
            (None, "USD".to_owned(), 1000, 0, 1000, 1, 0),
        ]
    );
    assert_eq!(rows[0].net_major(), "4500");
    assert_eq!(rows[1].net_major(), "25.50");

    let key_of = async |dimension| {
        let rows =
            ledger.revenue().group_by(dimension).currency(Currency::USD).fetch().await.unwrap();
        rows.into_iter()
            .map(|row| (row.keys[0].clone().unwrap_or_default(), row.net))
            .collect::<Vec<_>>()
    };
    let row = |key: &str, net| (key.to_owned(), net);
    // The visit context of the first charge is that of its renewal and of its refund, too.
    assert_eq!(key_of(Dimension::Source).await, [row("news", 2550), row("", 1000)]);
    assert_eq!(key_of(Dimension::Medium).await, [row("email", 2550), row("", 1000)]);
    assert_eq!(key_of(Dimension::LandingPath).await, [row("/pricing", 2550), row("", 1000)]);
    assert_eq!(key_of(Dimension::Referrer).await, [row("blog.example", 2550), row("", 1000)]);
    assert_eq!(key_of(Dimension::Device).await, [row("mobile", 2550), row("", 1000)]);
    assert_eq!(
        key_of(Dimension::Kind).await,
        [
            row("subscription_new", 1700),
            row("subscription_renewal", 1700),
            row("one_time", 1000),
            row("refund", -850)
        ]
    );
    let products = ledger
        .revenue()
        .group_by(Dimension::Product)
        .currency("JPY".parse().unwrap())
        .fetch()
        .await
        .unwrap();
    assert_eq!(products[0].key(), Some("pdt_a"));
}

/// One payment that has a value of its own in each dimension, and one that has none.
async fn every_dimension_groups_and_filters(store: &TestStore) {
    let ledger = store.ledger().await;
    let campaign = json!({
        "campaign_id": "spring", "link_id": "lnk_1", "source": "news", "medium": "email",
        "content": "banner", "term": "shoes", "lead_id": "lead_1",
    });
    let context = json!({
        "visitor": "v1", "campaign": campaign, "landing_path": "/pricing",
        "referrer_host": "blog.example", "device": "mobile",
    });
    let bought = json!({
        "checkout_session_id": "cks_1", "currency": "EUR",
        "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }, { "product_id": "pdt_b", "quantity": 1 }],
    });
    let story = [
        bind("cks_1", context),
        charged("pay_1", "sub_1", day(1), 2000, bought).into(),
        paid("pay_2", day(0), 700, json!({ "customer": null })).into(),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    use Dimension as By;
    let table = [
        (By::Visitor, Some("v1"), None),
        (By::Campaign, Some("spring"), None),
        (By::Link, Some("lnk_1"), None),
        (By::Source, Some("news"), None),
        (By::Medium, Some("email"), None),
        (By::Content, Some("banner"), None),
        (By::Term, Some("shoes"), None),
        (By::Lead, Some("lead_1"), None),
        (By::Channel, Some("campaign"), Some("not_attributed")),
        (By::Reason, None, Some("no_session")),
        (By::LandingPath, Some("/pricing"), None),
        (By::Referrer, Some("blog.example"), None),
        (By::Device, Some("mobile"), None),
        (By::Product, Some("(2 products)"), None),
        (By::Customer, Some("cus_ann"), None),
        (By::Kind, Some("subscription_new"), Some("one_time")),
        (By::Day, Some("2026-03-02"), Some("2026-03-01")),
        (By::Currency, Some("EUR"), Some("USD")),
    ];
    for (by, of_the_first, of_the_other) in table {
        let rows = ledger.revenue().group_by(by).fetch().await.unwrap();
        let mut seen: Vec<_> =
            rows.iter().map(|row| (row.net, row.key(), row.currency.to_string())).collect();
        seen.sort();
        let (usd, eur) = ("USD".to_owned(), "EUR".to_owned());
        assert_eq!(seen, [(700, of_the_other, usd), (2000, of_the_first, eur)], "{by:?}");
        for (key, net) in [(of_the_first, 2000), (of_the_other, 700)] {
            let rows = ledger.revenue().filter(by, key).fetch().await.unwrap();
            let seen: Vec<_> = rows.iter().map(|row| row.net).collect();
            assert_eq!(seen, [net], "{by:?} {key:?}");
        }
    }
    // Several at once are keys in their order.
    let both =
        ledger.revenue().group_by(By::Campaign).group_by(By::Customer).fetch().await.unwrap();
    let first = both.iter().find(|row| row.net == 2000).unwrap();
    assert_eq!(first.keys, [Some("spring".to_owned()), Some("cus_ann".to_owned())]);
}

async fn filters_and_days(store: &TestStore) {
    let ledger = ledger(store).await;
    let days =
        ledger.revenue().group_by(Dimension::Day).currency(Currency::USD).fetch().await.unwrap();
    let seen: Vec<_> = days.iter().map(|row| (row.key().unwrap(), row.net)).collect();
    assert_eq!(
        seen,
        [("2026-03-01", 1700), ("2026-03-02", 1000), ("2026-03-03", -850), ("2026-04-01", 1700)]
    );

    // Noon in UTC is the next day 13 hours east.
    let east = ledger
        .revenue()
        .group_by(Dimension::Day)
        .utc_offset_minutes(13 * 60)
        .currency(Currency::USD);
    assert_eq!(east.fetch().await.unwrap()[0].key(), Some("2026-03-02"));

    let march =
        ledger.revenue().between(day(0), day(31)).currency(Currency::USD).fetch().await.unwrap();
    assert_eq!((march.len(), march[0].net), (1, 1850), "the end is not in it");
    let of_v1 = ledger.revenue().filter(Dimension::Visitor, "v1").fetch().await.unwrap();
    assert_eq!(of_v1[0].net, 2550);
    let nobody = ledger.revenue().filter(Dimension::Visitor, None).fetch().await.unwrap();
    assert_eq!(nobody[0].net, 1000);
    let one_day = ledger.revenue().filter(Dimension::Day, "2026-03-03").fetch().await.unwrap();
    assert_eq!(one_day[0].net, -850);
    let test = ledger.revenue().test_mode().fetch().await.unwrap();
    assert_eq!((test.len(), test[0].net), (1, 7777));
    assert!(ledger.revenue().between(day(100), day(101)).fetch().await.unwrap().is_empty());
}

/// A bank transfer that was begun in October and arrives in November.
async fn closed_month_does_not_change(store: &TestStore) {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let mut transfer = paid("pay_2", at("2026-10-31T20:00:00Z"), 2000, json!({ "tax": 300 }));
    transfer.body["timestamp"] = json!("2026-11-05T09:00:00.123456Z");
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let october = async || {
        let question =
            ledger.revenue().between(at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        question.fetch().await.unwrap()
    };
    world
        .play(&[
            paid("pay_1", at("2026-10-31T21:00:00Z"), 1000, json!({})).into(),
            paid("pay_3", at("2026-11-01T08:00:00Z"), 700, json!({})).into(),
            refunded(
                "ref_1",
                "pay_1",
                at("2026-11-04T00:00:00Z"),
                json!(400),
                json!({ "is_partial": true }),
            )
            .into(),
        ])
        .await;
    let closed = october().await;
    assert_eq!(closed[0].net, 1000);
    world.play(&[transfer.into()]).await;
    assert_eq!(october().await, closed);

    let days = ledger.revenue().group_by(Dimension::Day).fetch().await.unwrap();
    let days: Vec<_> = days.iter().map(|row| (row.key().unwrap(), row.net_major())).collect();
    let expected = [
        ("2026-10-31", "10.00".to_owned()),
        ("2026-11-01", "7.00".to_owned()),
        ("2026-11-04", "-4.00".to_owned()),
        ("2026-11-05", "17.00".to_owned()),
    ];
    assert_eq!(days, expected);
    let that_day = ledger.revenue().filter(Dimension::Day, "2026-11-05").fetch().await.unwrap();
    assert_eq!(that_day[0].net, 1700);

    // Lists and files use the same time, and show it.
    let mut csv = Vec::new();
    ledger.records().revenue_only().export(ExportFormat::Csv, &mut csv).await.unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let listed = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let listed: Vec<_> =
        listed.map(|cell| (cell[2][..10].to_owned(), cell[13].to_owned())).collect();
    assert_eq!(listed, expected.map(|(day, net)| (day.to_owned(), net)));
    let november = ledger.records().between(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let ids = async |question: Records| {
        let found = question.fetch().await.unwrap();
        found.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(november.clone()).await, ["charge:pay_3", "refund:ref_1", "charge:pay_2"]);
    assert_eq!(ids(november.newest_first().limit(1)).await, ["charge:pay_2"]);
    // To the microsecond, and the end is not in it.
    let moment = at("2026-11-05T09:00:00.123456Z");
    let next = at("2026-11-05T09:00:00.123457Z");
    assert_eq!(ids(ledger.records().between(moment, next)).await, ["charge:pay_2"]);
    assert!(ids(ledger.records().between(at("2026-11-05T00:00:00Z"), moment)).await.is_empty());
}

async fn exports(store: &TestStore) {
    let ledger = ledger(store).await;
    let mut csv = Vec::new();
    assert_eq!(
        ledger.records().revenue_only().export(ExportFormat::Csv, &mut csv).await.unwrap(),
        5
    );
    let csv = String::from_utf8(csv).unwrap();
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 6);
    let yen = lines.iter().find(|line| line.starts_with("charge:pay_3")).unwrap();
    assert!(yen.contains(",JPY,4900,400,4500,v2,1,"), "{yen}");
    assert!(yen.contains("\"'=cmd\""), "a formula stays text: {yen}");
    let refund = lines.iter().find(|line| line.starts_with("refund:ref_1")).unwrap();
    assert!(refund.contains(",USD,-10.00,-1.50,-8.50,v1,2,"), "{refund}");

    let mut json = Vec::new();
    ledger
        .records()
        .limit(3)
        .newest_first()
        .export(ExportFormat::JsonLines, &mut json)
        .await
        .unwrap();
    let ids: Vec<String> = String::from_utf8(json)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<dodo_core::attribution::AttributionRecord>(line).unwrap().id
        })
        .collect();
    assert_eq!(ids, ["charge:pay_2", "refund:ref_1", "charge:pay_4"]);
}

async fn explanations(store: &TestStore) {
    let ledger = ledger(store).await;
    let found = ledger.explain("pay_1").await.unwrap().unwrap().to_string();
    for part in [
        "The first paid charge of a subscription: no earlier charge is known.",
        "20.00 USD with tax, 17.00 USD revenue.",
        "Visitor v1: captured when the checkout cks_1 was opened.",
        "Metadata of the payment: no visitor or campaign, the metadata does not name one.",
        "refund:ref_1",
        "Metadata of the refund: no visitor or campaign, the metadata does not name one.",
        "Visitor v1: known from the payment pay_1.",
    ] {
        assert!(found.contains(part), "{part:?} is missing in\n{found}");
    }
    let lost = ledger.explain("pay_4").await.unwrap().unwrap();
    assert_eq!(lost.records[0].steps.len(), 7);
    assert!(lost.to_string().contains("No visitor was found."));
    assert!(lost.hints.iter().any(|hint| hint.contains("`identify`")), "{:?}", lost.hints);
    assert!(ledger.explain("pay_unknown").await.unwrap().is_none());

    // A renewal is made by no link, and its first charge may have been.
    World::Stored(ledger.clone())
        .play(&[
            charged("pay_20", "sub_20", day(0), 2000, json!({ "customer": customer("kim") }))
                .into(),
            charged("pay_21", "sub_20", day(31), 2000, json!({ "customer": customer("kim") }))
                .into(),
        ])
        .await;
    for (id, of_a_link) in [("pay_20", true), ("pay_21", false)] {
        let explained = ledger.explain(id).await.unwrap().unwrap();
        let said = explained.hints.iter().any(|hint| hint.contains("by a link"));
        assert_eq!(said, of_a_link, "{id}: {:?}", explained.hints);
        assert!(!explained.hints.is_empty(), "{id}");
    }

    // A refund whose payment has not arrived does not speak as if it had, nor of links.
    World::Stored(ledger.clone())
        .play(&[refunded("ref_9", "pay_9", day(2), json!(500), json!({})).into()])
        .await;
    let alone = ledger.explain("pay_9").await.unwrap().unwrap().to_string();
    for part in [
        "The visit that opened the checkout: no visitor or campaign, the payment has not arrived.",
        "The subscription: no visitor or campaign, the payment has not arrived.",
    ] {
        assert!(alone.contains(part), "{part:?} is missing in\n{alone}");
    }
    assert!(!alone.contains("already searched") && !alone.contains("by a link"), "{alone}");
    let parent = "The subscription: no visitor or campaign, its payment was already searched.";
    assert!(lost_refund(&ledger).await.contains(parent));

    // Where no step was taken, the reason is said once and not for each.
    let customer = ledger.record("charge:pay_1").await.unwrap().unwrap().customer_id.unwrap();
    ledger.erase_customer(&customer).await.unwrap();
    let gone = ledger.explain("pay_1").await.unwrap().unwrap().to_string();
    assert!(gone.contains("No step ran: the customer was erased."), "{gone}");
    assert!(!gone.contains("The subscription:"), "{gone}");
}

/// The explanation of a payment without attribution, with its refund.
async fn lost_refund(ledger: &Ledger) -> String {
    World::Stored(ledger.clone())
        .play(&[
            refunded("ref_4", "pay_4", day(3), json!(100), json!({ "is_partial": true })).into()
        ])
        .await;
    ledger.explain("pay_4").await.unwrap().unwrap().to_string()
}
