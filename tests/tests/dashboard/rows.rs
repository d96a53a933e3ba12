//! The worked rows about money, time and attribution, through the pages.
//!
//! Each row happens in a month of its own, so one ledger holds them all. In ids, `@` is the row.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, date},
    tz::TimeZone,
};
use serde_json::{Value, json};

use crate::{
    html::text,
    world::{Act, ago, charged, customer, disputed, each_store, opened, paid, refunded},
};

/// Query, table, row and column, and the value of this cell.
type WorkedCell = (&'static str, &'static str, &'static str, &'static str, fn() -> Value);

/// A row: acts by the first day of its month, and the cells that follow.
struct Worked {
    name: &'static str,
    acts: fn(&Month) -> Vec<Act>,
    cells: &'static [WorkedCell],
    /// Texts of pages.
    texts: &'static [(&'static str, &'static str)],
}

/// The month of a row.
struct Month {
    nth: usize,
    first: Date,
}

impl Month {
    fn of(nth: usize) -> Self {
        let months = i64::try_from(nth).unwrap() * 2;
        Self { nth, first: date(2016, 1, 1).checked_add(months.months()).unwrap() }
    }

    /// Noon of a day, in UTC. Day 0 is the first; earlier days are of the month before.
    fn at(&self, day: i64) -> Timestamp {
        let day = self.first.checked_add(day.days()).unwrap();
        day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
    }

    fn id(&self, text: &str) -> String {
        text.replace('@', &format!("{}x", self.nth))
    }

    /// Four weeks from the first day on.
    fn range(&self) -> String {
        format!("{}..{}", self.first, self.first.checked_add(27.days()).unwrap())
    }

    /// The charge of the reference: gross 22.61, tax 3.61.
    fn base(&self) -> Act {
        paid(&self.id("pay_@"), self.at(1), (2261, 361), json!({}))
    }

    fn charge(&self, id: &str, day: i64, net: i64, extra: Value) -> Act {
        paid(&self.id(id), self.at(day), (net, 0), extra)
    }

    fn refund(&self, nth: i64, amount: impl Into<Value>) -> Act {
        let id = self.id(&format!("ref_@{nth}"));
        refunded(&id, &self.id("pay_@"), self.at(1 + nth), amount.into())
    }

    /// A charge of 10.00 after a visit.
    fn visit(&self, net: i64, nth: i64, visit: &Value) -> Vec<Act> {
        let session = self.id(&format!("cks_@{nth}"));
        let extra = json!({ "checkout_session_id": session });
        let id = format!("pay_@{nth}");
        vec![opened(&session, self.at(1), visit), self.charge(&id, 1, net, extra)]
    }
}

fn from(source: &str) -> Value {
    json!({ "metadata": { "utm_source": source } })
}

const ROWS: &[Worked] = &[
    Worked {
        name: "M1",
        acts: |m| vec![m.base()],
        cells: &[
            ("", "totals", "now", "net", || json!(1900)),
            ("", "totals", "now", "payments", || json!(1)),
            ("", "totals", "now", "average", || json!(1900)),
        ],
        texts: &[("", "$19.00")],
    },
    Worked {
        name: "M2",
        acts: |m| vec![m.base(), m.refund(1, 2261)],
        cells: &[
            ("", "totals", "now", "net", || json!(0)),
            ("", "totals", "now", "payments", || json!(1)),
            ("", "totals", "now", "refund_rate", || json!(100.0)),
        ],
        texts: &[("", "100.0\u{a0}%")],
    },
    Worked {
        name: "M3",
        acts: |m| vec![m.base(), m.refund(1, 1000), m.refund(2, 1000), m.refund(3, 261)],
        cells: &[
            ("page=payments", "payments", "#0", "net", || json!(-219)),
            ("page=payments", "payments", "#0", "gross", || json!(-261)),
            ("page=payments", "payments", "#1", "net", || json!(-841)),
            ("page=payments", "payments", "#2", "net", || json!(-840)),
            ("page=payments", "payments", "#2", "gross", || json!(-1000)),
            ("", "totals", "now", "net", || json!(0)),
        ],
        texts: &[("page=payment&id=pay_@", "−$8.41")],
    },
    Worked {
        name: "M4",
        acts: |m| {
            let dispute = disputed("lost", &m.id("dp_@"), &m.id("pay_@"), m.at(9), "22.61");
            vec![m.base(), m.refund(1, 1000), dispute]
        },
        cells: &[
            ("page=payments", "payments", "#0", "gross", || json!(-1261)),
            ("page=payments", "payments", "#0", "net", || json!(-1060)),
            ("", "totals", "now", "net", || json!(0)),
        ],
        texts: &[("page=payment&id=pay_@", "10.00 USD exceed the rest of the payment")],
    },
    Worked {
        name: "M5",
        acts: |m| {
            let step =
                |step, day| disputed(step, &m.id("dp_@"), &m.id("pay_@"), m.at(day), "22.61");
            vec![m.base(), m.refund(1, 1000), step("lost", 9), step("won", 12)]
        },
        cells: &[
            ("page=payments", "payments", "#0", "gross", || json!(1261)),
            ("page=payments", "payments", "#0", "net", || json!(1060)),
            ("", "totals", "now", "net", || json!(1060)),
        ],
        texts: &[],
    },
    Worked {
        name: "M6 and M7",
        acts: |m| {
            vec![
                m.base(),
                paid(&m.id("pay_@j"), m.at(1), (1785, 285), json!({ "currency": "JPY" })),
                paid(&m.id("pay_@k"), m.at(1), (11_305, 1805), json!({ "currency": "KWD" })),
            ]
        },
        cells: &[
            ("", "totals", "now", "net", || json!(1900)),
            ("cur=JPY", "totals", "now", "net", || json!(1500)),
            ("cur=KWD", "totals", "now", "net", || json!(9500)),
        ],
        texts: &[("cur=KWD", "KWD\u{a0}9.500"), ("cur=JPY", "¥1,500"), ("", "JPY"), ("", "KWD")],
    },
    Worked {
        name: "M8",
        acts: |m| vec![m.charge("pay_@", 1, 0, json!({}))],
        cells: &[("", "totals", "now", "payments", || json!(0))],
        texts: &[
            ("page=payments", "None in this period."),
            ("page=breakdown", "None in this period."),
        ],
    },
    Worked {
        name: "M9",
        acts: |m| vec![m.base(), m.refund(1, Value::Null)],
        cells: &[("", "totals", "now", "net", || json!(1900))],
        texts: &[
            ("", "1 refund without amount"),
            ("page=payment&id=pay_@", "no amount, so no money is counted"),
        ],
    },
    Worked {
        name: "M12",
        acts: |m| {
            let charge = |id, net| m.charge(id, 1, net, json!({}));
            vec![
                charge("pay_@", 1900),
                charge("pay_@b", 1200),
                charge("pay_@c", 1900),
                m.refund(1, 1900),
            ]
        },
        cells: &[
            ("", "totals", "now", "average", || json!(1667)),
            ("", "totals", "now", "net", || json!(3100)),
            ("", "totals", "now", "payments", || json!(3)),
        ],
        texts: &[],
    },
    Worked {
        name: "M13",
        acts: |m| {
            let charge = |id| m.charge(id, 1, 2500, json!({}));
            vec![
                charge("pay_@"),
                charge("pay_@b"),
                charge("pay_@c"),
                charge("pay_@d"),
                m.refund(1, 2500),
            ]
        },
        cells: &[("", "totals", "now", "refund_rate", || json!(25.0))],
        texts: &[("", "1 refund for 4 payments")],
    },
    Worked {
        name: "M14",
        acts: |m| vec![paid(&m.id("pay_@"), m.at(-5), (2261, 361), json!({})), m.refund(1, 2261)],
        cells: &[
            ("", "totals", "now", "net", || json!(-1900)),
            ("", "totals", "now", "refund_rate", || Value::Null),
            ("", "totals", "now", "average", || Value::Null),
        ],
        texts: &[("", "−$19.00")],
    },
    Worked {
        name: "C1",
        acts: |m| {
            let charge = |id, day, net, source| m.charge(id, day, net, from(source));
            vec![
                charge("pay_@a", -5, 2100, "a"),
                charge("pay_@b", 1, 3990, "a"),
                charge("pay_@c", -5, 300, "b"),
                charge("pay_@d", 1, 100, "b"),
            ]
        },
        cells: &[
            ("page=breakdown", "breakdown", "a", "change", || json!(90.0)),
            ("page=breakdown", "breakdown", "b", "change", || json!(-66.7)),
        ],
        texts: &[("page=breakdown", "+90.0\u{a0}%"), ("page=breakdown", "−66.7\u{a0}%")],
    },
    Worked {
        name: "C2",
        acts: |m| {
            vec![
                m.charge("pay_@a", 1, 500, from("a")),
                paid(&m.id("pay_@"), m.at(-30), (200, 0), from("b")),
                refunded(&m.id("ref_@"), &m.id("pay_@"), m.at(-5), json!(200)),
                m.charge("pay_@c", 1, 500, from("b")),
            ]
        },
        cells: &[("page=breakdown", "breakdown", "a", "change", || Value::Null)],
        texts: &[("page=breakdown", ">new<"), ("page=breakdown", "+$7.00")],
    },
    Worked {
        name: "C3",
        acts: |m| {
            vec![
                paid(&m.id("pay_@"), m.at(1), (10000, 0), json!({})),
                refunded(&m.id("ref_@"), &m.id("pay_@"), m.at(2), json!(310)),
                paid(&m.id("pay_@b"), m.at(-20), (10000, 0), json!({})),
                refunded(&m.id("ref_@b"), &m.id("pay_@b"), m.at(-19), json!(350)),
            ]
        },
        cells: &[("", "totals", "now", "refund_rate", || json!(3.1))],
        texts: &[("", "\u{2212}0.4 points")],
    },
    Worked {
        name: "A1",
        acts: |m| {
            let visit =
                |nth, source| m.visit(1000, nth, &json!({ "campaign": { "source": source } }));
            [visit(1, "Newsletter "), visit(2, "newsletter")].concat()
        },
        cells: &[
            ("page=breakdown", "breakdown", "newsletter", "net", || json!(2000)),
            ("page=breakdown", "breakdown", "newsletter", "charges", || json!(2)),
        ],
        texts: &[],
    },
    Worked {
        name: "A2 and A3",
        acts: |m| {
            let referral = json!({ "referrer_host": "www.news.example" });
            [m.visit(1000, 1, &referral), m.visit(500, 2, &json!({ "landing_path": "/" }))].concat()
        },
        cells: &[
            ("page=breakdown", "breakdown", "news.example", "net", || json!(1000)),
            ("page=breakdown", "breakdown", "direct", "net", || json!(500)),
            ("page=breakdown&by=channel", "breakdown", "referral", "net", || json!(1000)),
            ("page=breakdown&by=channel", "breakdown", "direct", "net", || json!(500)),
        ],
        texts: &[],
    },
    Worked {
        name: "A4 and A5",
        acts: |m| {
            let denied = json!({ "consent": "denied", "landing_path": "/" });
            [m.visit(700, 1, &json!({ "visitor": "v1" })), m.visit(300, 2, &denied)].concat()
        },
        cells: &[
            ("page=breakdown&by=reason", "breakdown", "not in context", "net", || json!(700)),
            ("page=breakdown&by=reason", "breakdown", "consent denied", "net", || json!(300)),
            ("page=breakdown", "breakdown", "not attributed", "net", || json!(1000)),
        ],
        texts: &[],
    },
    Worked {
        name: "A6 and A7",
        acts: |m| {
            let click =
                |nth, name: &str| m.visit(1000, nth, &json!({ "click_ids": { name: "x" } }));
            [click(1, "gclid"), click(2, "fbclid")].concat()
        },
        cells: &[
            ("page=breakdown", "breakdown", "google", "net", || json!(1000)),
            ("page=breakdown", "breakdown", "facebook", "net", || json!(1000)),
            ("page=breakdown&by=medium", "breakdown", "paid", "net", || json!(1000)),
            ("page=breakdown&by=channel", "breakdown", "paid click", "net", || json!(1000)),
            ("page=breakdown&by=channel", "breakdown", "referral", "net", || json!(1000)),
        ],
        texts: &[],
    },
    Worked {
        name: "A8",
        acts: |m| {
            [
                m.visit(6000, 1, &json!({ "campaign": { "source": "x" } })),
                m.visit(1000, 2, &json!({ "referrer_host": "news.example" })),
                m.visit(1000, 3, &json!({ "landing_path": "/" })),
                vec![m.charge("pay_@4", 1, 2000, json!({}))],
            ]
            .concat()
        },
        cells: &[("", "totals", "now", "attributed", || json!(70.0))],
        texts: &[("", "with direct visits 80.0\u{a0}%")],
    },
    Worked {
        name: "A9",
        acts: |m| {
            let item = |id: &str| json!({ "product_id": id, "quantity": 1 });
            let cart = json!({ "product_cart": [item("pdt_a"), item("pdt_b")] });
            vec![m.charge("pay_@", 1, 1000, cart)]
        },
        cells: &[("page=breakdown&by=product", "breakdown", "(2 products)", "net", || json!(1000))],
        texts: &[],
    },
    Worked {
        name: "A10",
        acts: |m| {
            vec![
                m.charge("pay_@", -5, 500, from("b")),
                m.charge("pay_@a", 1, 300, from("a")),
                m.refund(1, 500),
            ]
        },
        cells: &[
            ("page=breakdown", "breakdown", "a", "share", || Value::Null),
            ("page=breakdown", "breakdown", "b", "share", || Value::Null),
            ("page=breakdown", "breakdown", "b", "net", || json!(-500)),
            ("page=breakdown", "breakdown", "total", "net", || json!(-200)),
        ],
        texts: &[],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_worked_rows() {
    each_store("pages_show_worked_rows", "UTC", async |world| {
        let months: Vec<Month> = (0..ROWS.len()).map(Month::of).collect();
        let acts: Vec<Act> =
            ROWS.iter().zip(&months).flat_map(|(row, month)| (row.acts)(month)).collect();
        world.happen(&acts).await;
        for (row, month) in ROWS.iter().zip(&months) {
            let full = |query: &str| {
                let currency = if query.contains("cur=") { "" } else { "&cur=USD" };
                month.id(&format!("?range={}&{query}{currency}", month.range()))
            };
            for (query, table, at, column, expected) in row.cells {
                let query = full(query);
                let cell = world.tables(&query).await.cell(table, at, column);
                assert_eq!(cell, expected(), "{}: {query} {table} {at} {column}", row.name);
            }
            for (query, text) in row.texts {
                let query = full(query);
                assert!(world.get(&query).await.contains(text), "{}: {query}: {text}", row.name);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_names_the_payment_that_its_attribution_comes_from() {
    let of = |name: &str, session: Option<&str>| json!({ "customer": customer(name), "checkout_session_id": session });
    let visit = json!({ "campaign": { "source": "newsletter", "campaign_id": "spring" } });
    let acts = [
        // A trial of nothing has the visit; the first paid charge follows.
        opened("cks_trial", ago(99), &visit),
        charged("pay_trial", "sub_a", ago(98), (0, 0), &of("a", Some("cks_trial"))),
        charged("pay_first", "sub_a", ago(50), (1900, 0), &of("a", None)),
        charged("pay_renewal", "sub_a", ago(20), (1900, 0), &of("a", None)),
        // A purchase has the visit; the same customer subscribes later.
        opened("cks_book", ago(99), &visit),
        paid("pay_book", ago(98), (900, 0), of("b", Some("cks_book"))),
        charged("pay_start", "sub_b", ago(50), (1900, 0), &of("b", None)),
        charged("pay_later", "sub_b", ago(20), (1900, 0), &of("b", None)),
    ];
    each_store("renewal_names_the_payment", "UTC", async |world| {
        world.happen(&acts).await;
        for (payment, winner) in [
            ("pay_trial", None),
            ("pay_first", Some("pay_trial")),
            ("pay_renewal", Some("pay_trial")),
            ("pay_book", None),
            ("pay_start", Some("pay_book")),
            ("pay_later", Some("pay_book")),
        ] {
            let shown = world.get(&format!("?page=payment&id={payment}")).await;
            let said = text(&shown);
            assert!(said.contains("Credited to newsletter / spring."), "{payment}");
            let named = said.split_once("The attribution comes from the payment ");
            let named = named.and_then(|(_, rest)| Some(rest.split_once("Money")?.0));
            assert_eq!(named, winner, "{payment}");
        }
    })
    .await;
}

/// The rows T1 to T8, in years that are over: instants, and the days that they count on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_begin_at_midnight_of_the_books() {
    for (zone, money, net_of) in [
        (
            // T1, T2: summer time begins. T8: the year begins before midnight UTC.
            "Europe/Berlin",
            &[
                ("2024-03-30T22:59:59Z", 1),
                ("2024-03-30T23:00:00Z", 10),
                ("2024-03-31T21:59:59Z", 100),
                ("2024-03-31T22:00:00Z", 1000),
                ("2024-12-31T23:30:00Z", 10_000),
            ][..],
            &[
                ("2024-03-30..2024-03-30", "2024-03-30T00:00:00", 1),
                ("2024-03-31..2024-03-31", "2024-03-31T00:00:00", 110),
                ("2024-04-01..2024-04-01", "2024-04-01T00:00:00", 1000),
                ("2025-01-01..2025-01-01", "2025-01-01T00:00:00", 10_000),
                ("2024-12-01..2025-01-31&int=month", "2025-01-01T00:00:00", 10_000),
                ("2024-12-01..2025-01-31&int=week", "2024-12-30T00:00:00", 10_000),
            ][..],
        ),
        (
            // T4.
            "Asia/Kolkata",
            &[("2024-11-19T18:29:59Z", 1), ("2024-11-19T18:30:00Z", 10)],
            &[
                ("2024-11-19..2024-11-19", "2024-11-19T00:00:00", 1),
                ("2024-11-20..2024-11-20", "2024-11-20T00:00:00", 10),
            ],
        ),
        (
            // T6: a day of 24.5 hours.
            "Australia/Lord_Howe",
            &[
                ("2024-04-06T13:00:00Z", 1),
                ("2024-04-07T13:29:59Z", 10),
                ("2024-04-07T13:30:00Z", 100),
            ],
            &[("2024-04-07..2024-04-07", "2024-04-07T00:00:00", 11)],
        ),
        (
            // T7: a day without a midnight.
            "America/Santiago",
            &[
                ("2024-09-08T03:59:59Z", 1),
                ("2024-09-08T04:00:00Z", 10),
                ("2024-09-09T02:59:59Z", 100),
            ],
            &[("2024-09-08..2024-09-08", "2024-09-08T01:00:00", 110)],
        ),
    ] {
        let test = format!("days_{}", zone.replace(['/', '-'], "_").to_lowercase());
        each_store(&test, zone, async |world| {
            let acts = money.iter().enumerate().map(|(nth, (at, net))| {
                paid(&format!("pay_{nth}"), at.parse().unwrap(), (*net, 0), json!({}))
            });
            world.happen(&acts.collect::<Vec<_>>()).await;
            for (range, bucket, net) in net_of {
                let is_day = !range.contains("int=");
                let int = if is_day { "&int=day" } else { "" };
                let shown = world.tables(&format!("?range={range}{int}")).await;
                assert_eq!(shown.cell("net", bucket, "total"), json!(net), "{zone} {range}");
                if is_day {
                    assert_eq!(shown.cell("totals", "now", "net"), json!(net), "{zone} {range}");
                }
            }
        })
        .await;
    }
}
