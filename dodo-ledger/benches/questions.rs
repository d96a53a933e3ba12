//! The questions of the pages of the dashboard, at 10^6 payments in 7 currencies over 24 months.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench questions
//! ```
//! The ledger books the first 10,000 payments. The bench copies their rows with other ids and at other times,
//! and the ledger computes the sums. Facts are not copied: no question of a page reads them. PostgreSQL is
//! measured when `DODO_TEST_POSTGRES_URL` names a server, in a schema `dodo_questions`. `-- --copies 19`:
//! 2 * 10^5 payments. `KEPT=/path/of/a/folder`: both databases stay for the next run, `ledger.db` there and the
//! schema; remove both after a change of the tables.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dodo_core::{money::Currency, webhook::VerifiedEvent};
use dodo_ledger::{
    Ledger, Store,
    attribution::{Batch, Fact, Rules, context_fact, parse},
    booking::GroupStore,
    query::{Dimension, Interval, MoneyQuery, Period, Range, Which},
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, SqliteConnection},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{SAMPLE, cpu_time, run_on, server_cpu};

const DROP: &str = "DROP SCHEMA IF EXISTS dodo_questions CASCADE";
/// Customers that the ledger books, with four payments each.
const CUSTOMERS: usize = 2_500;
const DAYS: usize = 730;
const CURRENCIES: [&str; 10] =
    ["USD", "USD", "USD", "USD", "EUR", "EUR", "GBP", "JPY", "INR", "KWD"];
const NOW: &str = "2026-11-28T12:00:00Z";
/// Runs of each page, unless they take longer than [`LONGEST`].
const RUNS: usize = 15;
const LONGEST: Duration = Duration::from_secs(2);

fn at(day: usize, second: usize) -> Timestamp {
    let end: Timestamp = NOW.parse().unwrap();
    let ago = (DAYS - day % DAYS) * 86_400 - second % 80_000;
    end.checked_sub(Duration::from_secs(u64::try_from(ago).unwrap())).unwrap()
}

fn event(kind: &str, id: &str, at: Timestamp, data: &Value) -> VerifiedEvent {
    let body = json!({
        "type": kind, "business_id": "bus_1", "timestamp": at.to_string(), "data": data,
    });
    VerifiedEvent::from_trusted_parts(&format!("msg_{id}"), Bytes::from(body.to_string()), at, true)
}

fn context(session: &str, n: usize, at: Timestamp) -> Fact {
    let campaign = json!({
        "source": format!("source {}", n % 20), "medium": format!("medium {}", n % 6),
        "campaign_id": format!("campaign {}", n % 300), "content": format!("content {}", n % 50),
        "term": format!("term {}", n % 100), "link_id": format!("link {}", n % 500),
    });
    let campaign = if n.is_multiple_of(5) { Value::Null } else { campaign };
    let context = json!({
        "captured_at": at.to_string(), "campaign": campaign, "device": "mobile",
        "landing_path": format!("/page/{}", n % 100), "referrer_host": format!("site{}.example", n % 80),
    });
    context_fact(session, &serde_json::from_value(context).unwrap(), at)
}

/// The facts of a customer: four payments, each with a checkout or of a subscription, and some refunds.
fn facts(n: usize, rules: &Rules) -> Vec<Fact> {
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let currency = CURRENCIES[n / 7 % CURRENCIES.len()];
    let is_subscriber = n.is_multiple_of(3);
    let customer = json!({ "customer_id": format!("cus_{n}"), "email": format!("{n}@example.com"), "name": "A" });
    let start = n * 7;
    let mut facts = Vec::new();
    let mut book = |event: VerifiedEvent| facts.extend(parse(&event, rules).unwrap());
    if is_subscriber {
        let data = json!({
            "payload_type": "Subscription", "subscription_id": format!("sub_{n}"),
            "created_at": at(start, n).to_string(), "customer": customer, "metadata": {},
            "product_id": format!("pdt_{}", n % 30), "currency": currency,
            "recurring_pre_tax_amount": 1000 + n % 9 * 500, "trial_period_days": 0,
            "payment_frequency_count": 1, "payment_frequency_interval": "Month",
            "on_demand": false, "status": "active",
            "next_billing_date": at(start + 30, n).to_string(),
        });
        book(event("subscription.active", &format!("sub_{n}"), at(start, n), &data));
    }
    for nth in 0..4 {
        let id = n * 4 + nth;
        let time = at(start + nth * 30, id * 37);
        let mut data = sample["data"].clone();
        data["payment_id"] = format!("pay_{id}").into();
        data["created_at"] = time.to_string().into();
        data["currency"] = currency.into();
        data["total_amount"] = (1_000 + id % 90 * 100).into();
        data["tax"] = (id % 90 * 10).into();
        data["customer"] = customer.clone();
        data["metadata"] = json!({});
        data["billing"]["country"] = ["DE", "US", "FR", "IN", "JP", "GB", "BR"][n % 7].into();
        data["product_cart"] = json!([{ "product_id": format!("pdt_{}", id % 30), "quantity": 1 }]);
        data["subscription_id"] =
            if is_subscriber { format!("sub_{n}").into() } else { Value::Null };
        let has_checkout = !is_subscriber || nth == 0;
        if has_checkout && id.is_multiple_of(6) {
            let mut failed = data.clone();
            failed["payment_id"] = format!("pay_{id}f").into();
            failed["checkout_session_id"] = format!("cks_{id}").into();
            failed["error_code"] = format!("REASON_{}", id / 6 % 12).into();
            book(event("payment.failed", &format!("pay_{id}f"), time, &failed));
        }
        data["checkout_session_id"] =
            if has_checkout { format!("cks_{id}").into() } else { Value::Null };
        book(event("payment.succeeded", &format!("pay_{id}"), time, &data));
        if id.is_multiple_of(33) {
            let refund = json!({
                "payload_type": "Refund", "refund_id": format!("ref_{id}"),
                "payment_id": format!("pay_{id}"), "amount": 500, "currency": currency,
                "is_partial": true, "created_at": time.to_string(), "customer": customer,
            });
            book(event("refund.succeeded", &format!("ref_{id}"), time, &refund));
        }
    }
    for nth in 0..4 {
        let id = n * 4 + nth;
        if !is_subscriber || nth == 0 {
            facts.push(context(&format!("cks_{id}"), n + nth, at(start + nth * 30, id * 37)));
        }
    }
    facts
}

/// A database, by its URL.
struct Database<'a>(&'a str);

impl Database<'_> {
    async fn run(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        if self.0.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(self.0).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(self.0).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        }
    }

    /// The template, its copies, and their sums.
    async fn fill(&self, copies: usize) {
        let begun = Instant::now();
        let rules = Rules::default();
        let groups = GroupStore::new(Store::open(self.0).await.unwrap(), rules.clone());
        for first in (0..CUSTOMERS).step_by(250) {
            let facts = (first..first + 250).flat_map(|n| facts(n, &rules));
            groups.book(Batch::from_facts(facts)).await.unwrap();
        }
        println!("    {:44} {:9.1?}", "booked the first 10,000 payments", begun.elapsed());
        let numbers = format!(
            "WITH RECURSIVE copies (k) AS (
                SELECT 1 UNION ALL SELECT k + 1 FROM copies WHERE k < {copies})"
        );
        let no = |column: &str, table: &str| {
            format!("{column} + k * (SELECT MAX({column}) + 1 FROM {table})")
        };
        let renamed = |column: &str| {
            ["pay", "cus", "sub", "ref", "cks"].iter().fold(column.to_owned(), |text, id| {
                format!("replace({text}, '{id}_', '{id}_' || k || 'x')")
            })
        };
        // The copies of a row are five days apart, inside of the two years. They are stored in the order of
        // time, as a ledger books them.
        let start = at(0, 0).as_microsecond();
        let span = DAYS * 86_400_000_000;
        let later =
            |column: &str| format!("{start} + ({column} - {start} + k * 434592000000) % {span}");
        let later_by = |column: &str, of: &str| format!("{} + {column} - {of}", later(of));
        // The customers of the copies have values of their own.
        let customer = Dimension::Customer.number().unwrap();
        let value = no("id", "dodo_value");
        let money_customer = "CASE WHEN customer > 0
            THEN customer + k * (SELECT MAX(id) + 1 FROM dodo_value) ELSE 0 END";
        self.run(&format!(
            "{numbers} INSERT INTO dodo_money (live, currency, at, no, kind, is_first, channel, source, medium,
                campaign, content, term, link, landing, referrer, device, country, product, lead, reason,
                visitor, customer, gross, net)
             SELECT live, currency, {}, {}, kind, is_first, channel, source, medium, campaign, content, term,
                link, landing, referrer, device, country, product, lead, reason, visitor,
                {money_customer}, gross, net
             FROM copies CROSS JOIN dodo_money ORDER BY 3;
             {numbers} INSERT INTO dodo_value (id, dim, text, uses)
             SELECT {value}, dim, {}, uses FROM copies CROSS JOIN dodo_value WHERE dim = {customer}",
            later("at"),
            no("no", "dodo_record"),
            renamed("text"),
        ))
        .await;
        self.run(&format!(
            "{numbers} INSERT INTO dodo_record (no, id, group_id, version, state, record, visit_context, excess, kind,
                live, business_id, payment_id, customer_id, checkout_session_id, product_id, link_id,
                campaign_id, source, medium, content, term, channel, reason, landing_path, referrer_host,
                device, country, is_first, currency, exponent, gross, tax, net, is_charge, created_micros,
                occurred_micros)
             SELECT {}, {}, {}, version, state, {}, visit_context, excess, kind, live, business_id, {}, {}, {},
                product_id, link_id, campaign_id, source, medium, content, term, channel, reason,
                landing_path, referrer_host, device, country, is_first, currency, exponent, gross, tax, net,
                is_charge, {}, {}
             FROM copies CROSS JOIN dodo_record ORDER BY 36",
            no("no", "dodo_record"),
            renamed("id"),
            no("group_id", "dodo_record"),
            renamed("record"),
            renamed("payment_id"),
            renamed("customer_id"),
            renamed("checkout_session_id"),
            later_by("created_micros", "occurred_micros"),
            later("occurred_micros"),
        ))
        .await;
        self.run(&format!(
            "{numbers} INSERT INTO dodo_funnel (at, no, session_id, live, tried, paid_at, kept, failure,
                channel, source, medium, campaign, content, term, link)
             SELECT {}, {}, {}, live, tried, {}, kept, failure, channel, source, medium, campaign, content,
                term, link
             FROM copies CROSS JOIN dodo_funnel ORDER BY 1;
             {numbers} INSERT INTO dodo_subscription (id, live, currency, customer_id, product_id, source,
                status, since, amount, unit, count, mrr, counts_until, at_risk, ending, next_billing,
                trial_end, trial_mrr)
             SELECT {}, live, currency, {}, product_id, source, status, {}, amount, unit, count, mrr,
                counts_until, at_risk, ending, next_billing, trial_end, trial_mrr
             FROM copies CROSS JOIN dodo_subscription;
             {numbers} INSERT INTO dodo_mrr (live, currency, at, subscription_id, kind, reason, amount)
             SELECT live, currency, {}, {}, kind, reason, amount FROM copies CROSS JOIN dodo_mrr ORDER BY 3",
            later("at"),
            // Numbers of the funnel are random.
            "no % 1000000000000 + k * 1000000000000",
            renamed("session_id"),
            later_by("paid_at", "at"),
            renamed("id"),
            renamed("customer_id"),
            later("since"),
            later("at"),
            renamed("subscription_id"),
        ))
        .await;
        self.run(
            "INSERT INTO dodo_inbox (id, state, live, received_at, available_at, booked_at, finished_at)
             SELECT 'msg_' || no, CASE WHEN no % 1000 = 0 THEN 'parked' ELSE 'done' END, 1, no, no, no, no
             FROM dodo_record;
             UPDATE dodo_books SET complete = 0",
        )
        .await;
        println!("    {:44} {:9.1?}", "copied them", begun.elapsed());
        groups.complete_sums().await.unwrap();
        self.run(if self.0.starts_with("sqlite:") { "ANALYZE" } else { "VACUUM ANALYZE" }).await;
        println!("    {:44} {:9.1?}", "computed the sums", begun.elapsed());
    }
}

/// A period of a page, with the one before.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    range: Range,
    before: Option<Range>,
    interval: Interval,
    /// Milliseconds for a page with filters.
    goal: u32,
}

fn narrowed(money: MoneyQuery, filters: usize) -> MoneyQuery {
    let all = [
        (Dimension::Source, "source 1"),
        (Dimension::Country, "US"),
        (Dimension::Medium, "medium 1"),
        (Dimension::Device, "mobile"),
        (Dimension::Kind, "one_time"),
    ];
    all.into_iter().take(filters).fold(money, |money, (by, value)| money.filter(by, value))
}

/// What the pages of the dashboard ask.
struct Pages<'a> {
    ledger: &'a Ledger,
    /// The URL of PostgreSQL.
    server: Option<&'a str>,
    now: Timestamp,
}

impl Pages<'_> {
    /// The processor time of this process, and of the server.
    async fn cpu(&self) -> Duration {
        let server = match self.server {
            Some(server) => server_cpu(server).await,
            None => Duration::ZERO,
        };
        cpu_time("self").unwrap_or_default() + server
    }

    /// The median and the longest time of a page, and its processor time. `goal`: milliseconds.
    async fn measure(&self, label: &str, goal: u32, ask: impl AsyncFn()) {
        ask().await;
        let mut took = Vec::new();
        let (begun, cpu) = (Instant::now(), self.cpu().await);
        while took.len() < RUNS && begun.elapsed() < LONGEST {
            let begun = Instant::now();
            ask().await;
            took.push(begun.elapsed());
        }
        // Connections of others end, too.
        let cpu = self.cpu().await.saturating_sub(cpu) / u32::try_from(took.len()).unwrap();
        took.sort_unstable();
        let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
        let mark = if median > Duration::from_millis(goal.into()) { "missed" } else { "" };
        println!("    {label:44} {median:9.1?} {longest:9.1?} {cpu:9.1?}  goal {goal:3} ms {mark}");
    }

    /// What every page asks first.
    async fn frame(&self) {
        self.ledger.change_number().await.unwrap();
        self.ledger.money().currencies().await.unwrap();
    }

    fn money(&self, span: Span, filters: usize) -> MoneyQuery {
        let money = self.ledger.money().currency(Currency::USD).between(span.range);
        narrowed(money.versus(span.before), filters)
    }

    /// The tables of these dimensions, the chart of the first, and the values that have a color.
    async fn charted(&self, by: &[Dimension], rows: u32, span: Span, filters: usize) -> u64 {
        let zone = self.ledger.zone();
        let asked = self.money(span, filters).top(rows);
        let (tables, _) = asked.charted(by, 5, span.interval, zone).await.unwrap();
        let year = Period::Months(12).range(self.now, zone);
        let money = self.ledger.money().currency(Currency::USD).between(year);
        money.group_by(by[0]).top(5).rows().await.unwrap();
        tables[0].total.now.charges
    }

    async fn overview(&self, span: Span, filters: usize) {
        self.frame().await;
        let by = [
            Dimension::Source,
            Dimension::Campaign,
            Dimension::LandingPath,
            Dimension::Product,
            Dimension::Channel,
        ];
        self.charted(&by, 10, span, filters).await;
        self.ledger.open_disputes().await.unwrap();
        let subscriptions = self.ledger.subscriptions().currency(Currency::USD).at(self.now);
        subscriptions.only(Which::AtRisk).summary().await.unwrap();
        self.ledger.refunds_without_amount(span.range, true).await.unwrap();
        let newest = self.ledger.records().revenue_only().newest_first().limit(10);
        assert_eq!(newest.fetch().await.unwrap().len(), 10);
    }

    async fn breakdown(&self, span: Span, filters: usize) {
        self.frame().await;
        let charges = self.charted(&[Dimension::Campaign], 50, span, filters).await;
        // Five filters leave some hundred of 10^6 payments.
        assert!(filters > 1 || charges > 0);
    }

    async fn payments(&self, span: Span) {
        self.frame().await;
        let records = self.ledger.records().revenue_only().currency(Currency::USD).newest_first();
        let records = records.between(span.range.from, span.range.until);
        let page = records.filter(Dimension::Campaign, "campaign 3").page().await.unwrap();
        assert!(!page.records.is_empty());
    }

    async fn funnel(&self, by: Dimension, span: Span, filters: usize) {
        self.frame().await;
        let funnel = || {
            let funnel = self.ledger.funnel().between(span.range);
            let funnel = funnel.versus(span.before).at(self.now);
            if filters > 0 { funnel.filter(Dimension::Source, "source 1") } else { funnel }
        };
        assert!(funnel().group_by(by).rows().await.unwrap().total.now.opened > 0);
        funnel().waits().await.unwrap();
        funnel().failures().await.unwrap();
    }

    async fn subscriptions(&self) {
        self.frame().await;
        let all = || self.ledger.subscriptions().at(self.now);
        let one = || all().currency(Currency::USD);
        let zone = self.ledger.zone();
        let months = Period::Months(13).range(self.now, zone);
        let mrr = self.ledger.mrr().currency(Currency::USD);
        let (_, sums) = tokio::try_join!(mrr.months(months, zone), one().summary()).unwrap();
        all().currencies().await.unwrap();
        assert!(sums.iter().any(|sums| sums.counting.subscriptions > 0));
        one().page(1, None).await.unwrap();
        tokio::try_join!(one().by_plan(), one().by_source()).unwrap();
        let month = self.now.checked_add(Duration::from_secs(30 * 86_400)).unwrap();
        one().only(Which::Due(month)).page(10, None).await.unwrap();
        assert_eq!(one().page(50, None).await.unwrap().subscriptions.len(), 50);
    }

    async fn deliveries(&self) {
        self.frame().await;
        self.ledger.stats().await.unwrap();
        let newest = self.ledger.records().revenue_only().newest_first().limit(1);
        newest.fetch().await.unwrap();
        self.ledger.failed_event_page(50, None).await.unwrap();
    }

    async fn measure_all(&self) {
        let zone = self.ledger.zone();
        let money = self.ledger.money().currency(Currency::USD).span().await.unwrap().unwrap();
        let days = |name, days: i32, interval, goal| {
            let period = Period::Days(days);
            let range = period.range(self.now, zone);
            Span { name, range, before: period.before(self.now, zone), interval, goal }
        };
        let all = Range::new(money.from, self.now);
        for span in [
            days("28 days", 28, Interval::Day, 50),
            days("90 days", 90, Interval::Day, 50),
            days("12 months", 365, Interval::Month, 120),
            Span { name: "all", range: all, before: None, interval: Interval::Month, goal: 350 },
        ] {
            let name = span.name;
            self.measure(&format!("overview, {name}"), 50, async || self.overview(span, 0).await)
                .await;
            let label = format!("breakdown by campaign, {name}");
            self.measure(&label, 50, async || self.breakdown(span, 0).await).await;
            for filters in [1, 5] {
                let label = format!("overview, {filters} filters, {name}");
                self.measure(&label, span.goal, async || self.overview(span, filters).await).await;
                let label = format!("breakdown by campaign, {filters} filters, {name}");
                self.measure(&label, span.goal, async || self.breakdown(span, filters).await).await;
            }
            let label = format!("payments of a campaign, {name}");
            self.measure(&label, span.goal, async || self.payments(span).await).await;
            let (source, campaign) = (Dimension::Source, Dimension::Campaign);
            for (by, filters) in [(source, 0), (campaign, 0), (campaign, 1)] {
                let label = format!("funnel by {by:?}, {filters} filters, {name}");
                let ask = async || self.funnel(by, span, filters).await;
                self.measure(&label, span.goal, ask).await;
            }
        }
        self.measure("subscriptions", 50, async || self.subscriptions().await).await;
        self.measure("deliveries", 50, async || self.deliveries().await).await;
        self.measure("all revenue by source", 50, async || {
            let rows = self.ledger.revenue().group_by(Dimension::Source).fetch().await.unwrap();
            assert!(rows.len() > 100);
        })
        .await;
    }
}

async fn store(label: &str, url: &str, server: Option<&str>, copies: Option<usize>) {
    println!("{label}: median, longest, processor time; {url}");
    let ledger = Ledger::open(url).await.unwrap();
    if let Some(copies) = copies {
        println!("    {} payments", (copies + 1) * CUSTOMERS * 4);
        Database(url).fill(copies).await;
    }
    Pages { ledger: &ledger, server, now: NOW.parse().unwrap() }.measure_all().await;
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--copies").skip(1);
    let copies = arguments.next().map_or(99, |number| number.parse().unwrap());
    let kept = std::env::var_os("KEPT").map(PathBuf::from);
    let own = std::env::temp_dir().join(format!("dodo-questions-{}", std::process::id()));
    let directory = kept.as_ref().unwrap_or(&own);
    std::fs::create_dir_all(directory).unwrap();
    let file = directory.join("ledger.db");
    let missing = (!file.exists()).then_some(copies);
    store("sqlite", &format!("sqlite:{}", file.display()), None, missing).await;
    if kept.is_none() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else { return };
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let found = "SELECT 1 FROM pg_namespace WHERE nspname = 'dodo_questions'";
    let found = sqlx::query(found).fetch_optional(&mut connection).await.unwrap();
    let missing = (kept.is_none() || found.is_none()).then_some(copies);
    if missing.is_some() {
        run_on(&server, DROP).await;
        run_on(&server, "CREATE SCHEMA dodo_questions").await;
    }
    let url = format!("{server}?options=-csearch_path%3Ddodo_questions");
    store("postgres", &url, Some(&server), missing).await;
    if kept.is_none() {
        run_on(&server, DROP).await;
    }
}
