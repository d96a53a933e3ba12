//! The dashboard's pages in a browser: axe-core finds no violation, nothing overflows, the keyboard
//! and print work, and the numbers are there without a script.
//!
//! With `DODO_SCREENSHOTS=folder` the test keeps every page as a picture.

use std::time::Duration;

use axum::Router;
use dodo_axum::mount;
use dodo_core::{
    BoxError, Environment, EventKind, RequestHead, WebhookKey, Webhooks,
    capture::{CheckoutContext, CheckoutContextStore},
    event::{Payment, Refund},
    testing::EventBuilder,
    webhook::Inbox,
};
use dodo_dashboard::{Dashboard, Permission};
use dodo_ledger::{Ledger, Store, Workers};
use dodo_sandbox::{Product, Sandbox, Simulation};
use dodo_tests::browser::Browser;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";

/// An app with a ledger, its webhook route and the dashboard.
struct App {
    url: String,
    ledger: Ledger,
    workers: Workers,
    _sandbox: Option<Sandbox>,
}

impl App {
    async fn start(key: WebhookKey, address: TcpListener, sandbox: Option<Sandbox>) -> Self {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let ledger = Ledger::builder(store).books_in(noon()).open().await.unwrap();
        let (hooks, workers) = ledger.attach(Webhooks::builder(key)).unwrap();
        let all = Permission::view().with_people().with_operations();
        let dashboard = Dashboard::builder(&ledger)
            .allow(move |_: RequestHead| async move { Ok::<_, BoxError>(all) })
            .title("Acme")
            .back_link("/admin", "Admin")
            .product_names(|id| (id == "pdt_pro").then(|| "Pro plan".to_owned()))
            .person_link(|person| Some(format!("/admin/users/{}", person.customer_id.as_ref()?)))
            .build()
            .unwrap();
        let url = format!("http://{}/admin/revenue", address.local_addr().unwrap());
        let app = Router::new()
            .route("/api/webhook", dodo_axum::webhooks(hooks))
            .nest("/admin/revenue", mount(dashboard));
        tokio::spawn(async move { axum::serve(address, app).await });
        Self { url, ledger, workers, _sandbox: sandbox }
    }

    /// Without a payment.
    async fn empty() -> Self {
        let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test);
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start(key.unwrap(), address, None).await
    }

    /// A year of business, from signed deliveries.
    async fn full() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::builder()
            .clock_rate(0.0)
            .webhook_url(format!("http://{}/api/webhook", address.local_addr().unwrap()))
            .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
            .product(Product::one_time("pdt_book", "A good book", "USD", 2900))
            .product(Product::one_time("pdt_map", "A map", "JPY", 1500))
            .start()
            .await
            .unwrap();
        let key = WebhookKey::new(sandbox.webhook_secret(), Environment::Test).unwrap();
        let app = Self::start(key, address, None).await;
        let mut plan = Simulation::default();
        (plan.days, plan.sales) = (120, 120);
        let year = sandbox.simulate(plan).await.unwrap();
        for visit in &year.visits {
            let context = serde_json::from_value(serde_json::to_value(visit).unwrap()).unwrap();
            app.ledger.store(&visit.session_id, &context).await.unwrap();
        }
        sandbox.wait_until_idle().await;
        let app = Self { _sandbox: Some(sandbox), ..app };
        app.accept(&strange()).await;
        app.sessions().await;
        app
    }

    /// Checkout sessions: paid, failed and left.
    async fn sessions(&self) {
        let at = Timestamp::now() - SignedDuration::from_hours(50);
        for (nth, source) in [LONG, "newsletter", "newsletter", "رسالة إخبارية"].iter().enumerate()
        {
            let session = format!("cks_{nth}");
            let context =
                json!({ "captured_at": at.to_string(), "campaign": { "source": source } });
            let context: CheckoutContext = serde_json::from_value(context).unwrap();
            self.ledger.store(&session, &context).await.unwrap();
            let of_session =
                |event: EventBuilder| event.set_json("checkout_session_id", session.as_str());
            let paid = charge(&format!("session_{nth}"), (2900, 0), "USD", json!({}));
            let failed = EventBuilder::new(EventKind::PaymentFailed)
                .timestamp(at + SignedDuration::from_mins(1))
                .set_json("payment_id", format!("pay_failed_{nth}"))
                .set_json("error_code", "INSUFFICIENT_FUNDS");
            if nth < 2 {
                self.accept(&[of_session(failed)]).await;
            }
            if nth % 2 == 0 {
                self.accept(&[of_session(paid)]).await;
            }
        }
    }

    async fn accept(&self, events: &[EventBuilder]) {
        for event in events {
            self.ledger.accept(&event.to_verified()).await.unwrap();
        }
        self.ledger.settled().await.unwrap();
    }

    async fn end(self) {
        self.workers.shutdown(Duration::from_secs(10)).await;
    }
}

/// A zone in which it is about noon now, so that the last hours are of today.
fn noon() -> String {
    let hour = Timestamp::now().to_zoned(TimeZone::UTC).hour();
    // `Etc/GMT-3` is three hours east of Greenwich.
    format!("Etc/GMT{:+}", hour - 12)
}

fn charge(
    id: &str,
    (total, tax): (i64, i64),
    currency: &str,
    metadata: serde_json::Value,
) -> EventBuilder {
    let at = Timestamp::now() - SignedDuration::from_hours(2);
    EventBuilder::new(EventKind::PaymentSucceeded)
        .timestamp(at)
        .modify(|payment: &mut Payment| {
            payment.payment_id = format!("pay_{id}");
            (payment.total_amount, payment.tax) = (total, Some(tax));
            payment.currency = currency.parse().unwrap();
            payment.created_at = Some((at - SignedDuration::from_mins(3)).into());
            payment.customer.customer_id = Some(format!("cus_{id}"));
            payment.customer.name = Some("محمد بن عبد الله".to_owned());
        })
        .unwrap()
        .set_json("metadata", metadata)
}

/// Long names, text from right to left, markup, three decimals, and a refund.
fn strange() -> Vec<EventBuilder> {
    let campaign = |source: &str, name: &str| json!({ "utm_source": source, "utm_campaign": name, "utm_medium": "email" });
    let refund = EventBuilder::new(EventKind::RefundSucceeded)
        .timestamp(Timestamp::now() - SignedDuration::from_hours(1))
        .modify(|refund: &mut Refund| {
            refund.refund_id = "ref_long".to_owned();
            refund.payment_id = Some("pay_long".to_owned());
            (refund.amount, refund.is_partial) = (Some(1000), true);
        })
        .unwrap();
    let dispute = EventBuilder::new(EventKind::DisputeOpened)
        .timestamp(Timestamp::now() - SignedDuration::from_mins(90))
        .set_json("dispute_id", "dp_long")
        .set_json("payment_id", "pay_long");
    vec![
        charge("long", (22_610, 3610), "USD", campaign(LONG, LONG)),
        refund,
        dispute,
        charge("rtl", (5000, 0), "USD", campaign("رسالة إخبارية", "ربيع")),
        charge(
            "markup",
            (4000, 0),
            "USD",
            campaign("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>"),
        ),
        charge("dinar", (11_305, 1805), "KWD", campaign("newsletter", "spring")),
    ]
}

const PAGES: [(&str, &str); 14] = [
    ("overview", ""),
    ("overview-year", "?range=12m"),
    ("overview-dinar", "?cur=KWD"),
    ("breakdown", "?page=breakdown&by=campaign&range=90d"),
    ("breakdown-filtered", "?page=breakdown&is=source%3Anewsletter&range=ytd&sorce=x"),
    ("payments", "?page=payments&range=90d"),
    ("payment", "?page=payment&id=pay_long"),
    ("people", "?page=people&range=90d"),
    ("subscriptions", "?page=subscriptions"),
    ("person", "?page=person&id=cus_rtl"),
    ("funnel", "?page=funnel&range=90d"),
    ("settings", "?page=settings"),
    ("deliveries", "?page=deliveries"),
    ("search", "?page=payments&q=pay_nothing"),
];

/// Every page, full and empty, with its address.
async fn pages_of(full: &App, empty: &App) -> Vec<(String, String)> {
    let pages = PAGES.iter().map(|(name, query)| (*name, format!("{}{query}", full.url)));
    let mut pages: Vec<(String, String)> =
        pages.map(|(name, url)| (name.to_owned(), url)).collect();
    let list = reqwest::get(format!("{}?page=subscriptions&format=json", full.url)).await.unwrap();
    let list: Value = list.json().await.unwrap();
    let id = list["tables"]["subscriptions"]["rows"][0][0].as_str().expect("a subscription");
    pages.push(("subscription".into(), format!("{}?page=subscription&id={id}", full.url)));
    for page in
        ["overview", "breakdown", "payments", "people", "subscriptions", "funnel", "deliveries"]
    {
        pages.push((format!("empty-{page}"), format!("{}?page={page}", empty.url)));
    }
    pages.push(("empty-payment".into(), format!("{}?page=payment&id=pay_x", empty.url)));
    pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_pages_are_accessible_at_any_width() {
    let Some(browser) = Browser::start("dashboard_pages").await else { return };
    let (full, empty) = (App::full().await, App::empty().await);
    let pages = pages_of(&full, &empty).await;
    let mut faults = Vec::new();
    for (width, scheme) in [
        (1440, "light"),
        (1440, "dark"),
        (768, "light"),
        (768, "dark"),
        (390, "light"),
        (390, "dark"),
    ] {
        browser.look_like(width, 900, scheme).await;
        for (name, url) in &pages {
            browser.open(url).await;
            faults.extend(browser.faults(&format!("{name} at {width} px, {scheme}")).await);
            browser.picture("dashboard", &format!("{name}-{width}-{scheme}")).await;
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let complaints = browser.console().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    full.end().await;
    empty.end().await;
}

/// The numbers and links of a page, and whether the script says that it is live.
const CONTENT: &str = "return JSON.stringify([\
    [...document.querySelectorAll('.value, .change, td, th, dd, .timeline li, .note')].map(e => e.textContent),\
    [...document.querySelectorAll('#live a')].map(e => e.getAttribute('href')),\
    [...document.querySelectorAll('form')].map(e => e.textContent)])";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_work_narrow_on_paper_and_without_a_script() {
    let Some(browser) = Browser::start("dashboard_plain").await else { return };
    let (full, empty) = (App::full().await, App::empty().await);
    let pages = pages_of(&full, &empty).await;
    let mut faults = Vec::new();
    // WCAG 2.2, 1.4.10: a window of 1280 px at 400 %.
    browser.look_like(320, 600, "light").await;
    let mut contents = Vec::new();
    for (name, url) in &pages {
        browser.open(url).await;
        let wide = browser.overflow().await;
        faults.extend(wide.map(|wide| format!("{name} at 320 px: {wide}")));
        contents.push(browser.script(CONTENT).await);
    }
    browser.scripts(false).await;
    for ((name, url), with) in pages.iter().zip(&contents) {
        browser.open(url).await;
        if browser.texts("[role=status]").await.concat() != "" {
            faults.push(format!("{name}: a script ran"));
        }
        let without = browser.script(CONTENT).await;
        if without != *with {
            faults.push(format!("{name} without a script: {without}, and not {with}"));
        }
    }
    // Filters are links.
    browser.open(&format!("{}?page=breakdown&range=90d", full.url)).await;
    browser.click(".card:not(.chart) tbody th a").await;
    browser.wait_for_texts(".chips li", |chips| chips.len() == 1).await;
    // So are forms without a script.
    browser.fill(".period input[name=from]", "01012026").await;
    browser.fill(".period input[name=to]", "01312026").await;
    browser.click(".period button").await;
    let sent = browser.wait("the period of the form", async || {
        Some(browser.url().await).filter(|url| url.contains("from=2026-01-01"))
    });
    assert!(sent.await.contains("to=2026-01-31"));
    browser.scripts(true).await;

    // A4 without its margins.
    browser.look_like(718, 1000, "light").await;
    for (name, url) in &pages {
        browser.open(url).await;
        browser.print().await;
        let wide = browser.overflow().await;
        faults.extend(wide.map(|wide| format!("{name} on paper: {wide}")));
        let cut = browser.script(
            "return [...document.querySelectorAll('.scroll, .plotbox, .card')].filter(e => \
             !e.closest('details:not([open])') && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 120)).join(' | ')",
        );
        let cut = cut.await;
        if cut != "" {
            faults.push(format!("{name} on paper is cut: {cut}"));
        }
        let shown = browser.script(
            "return [...document.querySelectorAll('nav, form, .status, .skip')].filter(e => \
             e.getClientRects().length).map(e => e.outerHTML.slice(0, 120)).join(' | ')",
        );
        let shown = shown.await;
        if shown != "" {
            faults.push(format!("{name} on paper has controls: {shown}"));
        }
        browser.picture("dashboard", &format!("{name}-paper")).await;
        browser.look_like(718, 1000, "light").await;
    }
    assert!(faults.is_empty(), "{faults:#?}");
    full.end().await;
    empty.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyboard_reads_every_value_of_every_chart() {
    let Some(browser) = Browser::start("dashboard_keyboard").await else { return };
    let app = App::full().await;
    browser.look_like(1440, 900, "light").await;
    for page in ["", "?range=12m", "?page=breakdown&by=campaign&range=90d", "?page=subscriptions"] {
        browser.open(&format!("{}{page}", app.url)).await;
        let charts = browser.script("return document.querySelectorAll('.plot').length").await;
        let charts = charts.as_u64().unwrap();
        assert!(charts > 0, "{page}");
        for chart in 0..charts {
            // The rows of the table beside the chart: every amount that is not zero.
            let rows = format!(
                "const card = document.querySelectorAll('.chart')[{chart}];\
                 card.querySelector('details').open = true;\
                 card.querySelector('.col').focus();\
                 return [...card.querySelectorAll('tbody tr')].map(row => \
                 [...row.querySelectorAll('td')].map(e => e.textContent.trim()).filter(t => /[1-9]/.test(t)))"
            );
            let rows = browser.script(&rows).await;
            let rows = rows.as_array().unwrap().clone();
            for (nth, row) in rows.iter().enumerate() {
                let label = browser
                    .script("return document.activeElement.getAttribute('aria-label')")
                    .await;
                let label = label.as_str().unwrap_or_default().to_owned();
                for amount in row.as_array().unwrap() {
                    let amount = amount.as_str().unwrap();
                    assert!(label.contains(amount), "{page} {chart} {nth}: {amount} in {label}");
                }
                let shown = browser.texts(".tip:not([hidden])").await;
                assert!(shown.contains(&label), "{page}: {shown:?}, {label}");
                browser.press(&['\u{e014}']).await; // right
            }
        }
    }
    app.end().await;
}

/// Looks for changes at once, as a tab does that becomes visible again.
async fn poll(browser: &Browser) {
    browser.script("document.dispatchEvent(new Event('visibilitychange')); return true").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_change_in_place_and_the_keyboard_reads_the_chart() {
    let Some(browser) = Browser::start("dashboard_live").await else { return };
    let app = App::empty().await;
    app.accept(&[charge("first", (1900, 0), "USD", json!({}))]).await;
    browser.look_like(1440, 900, "light").await;
    browser.open(&app.url).await;
    assert_eq!(browser.texts("[data-key=net] .value").await, ["$19.00"]);
    browser.script("document.querySelector('.chart details').open = true; document.querySelector('.chart summary').focus(); return true").await;
    // Nothing changed: the answer is 304, and the page stays as it is.
    poll(&browser).await;
    app.accept(&[charge("second", (2900, 0), "USD", json!({}))]).await;
    poll(&browser).await;
    browser.wait_for_texts("[data-key=net] .value", |texts| texts == ["$48.00"]).await;
    assert_eq!(browser.texts("[role=status]").await, ["1 new payment"]);
    let state = "return [document.activeElement.tagName, document.querySelector('.chart details').open].join()";
    assert_eq!(browser.script(state).await, "SUMMARY,true");

    let focused = "return document.activeElement.getAttribute('aria-label')";
    browser.script("document.querySelector('.col[tabindex=\"0\"]').focus(); return true").await;
    let first = browser.script(focused).await.to_string();
    browser.press(&['\u{e014}']).await; // right
    assert_ne!(browser.script(focused).await.to_string(), first);
    browser.press(&['\u{e010}']).await; // end
    let last = browser.script(focused).await.to_string();
    assert!(last.contains("(not yet complete): total $48.00"), "{last}");
    let shown = browser.texts(".tip:not([hidden])").await;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].contains("$48.00"), "{shown:?}");
    browser.press(&['\u{e00c}']).await; // escape
    assert!(browser.texts(".tip:not([hidden])").await.is_empty());
    let complaints = browser.console().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    app.end().await;
}
