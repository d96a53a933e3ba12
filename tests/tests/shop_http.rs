//! The example shops over plain HTTP: from the visitor's cookie to the dashboard, and what
//! outlives a shop that is killed.

use std::{net::SocketAddr, time::Duration};

use dodo_sandbox::{Product, Sandbox};
use dodo_tests::{
    case::Case,
    client::{self, Reply},
    postgres::{self, Schema},
    program::{Folder, Program, address_of},
};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};

const SHOPS: [&str; 2] = ["axum-shop", "actix-shop"];

#[tokio::test]
async fn cookie_to_revenue_loop_survives_a_killed_shop() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-http-{package}"));
        loop_runs(package, &folder.sqlite()).await;
    }
}

#[tokio::test]
async fn loop_runs_on_postgres() {
    let Some(server) = postgres::server("loop_runs_on_postgres") else { return };
    for package in SHOPS {
        let schema = Schema::create(server.clone(), &format!("loop_{package}")).await;
        loop_runs(package, &schema.url()).await;
        schema.drop().await;
    }
}

async fn loop_runs(package: &str, database: &str) {
    let washi_set = Product::one_time("pdt_washi_set", "Kyoto washi set", "JPY", 1500);
    let sandbox = Sandbox::builder().product(washi_set).start().await.expect("a sandbox");
    let shop = Running::at(&sandbox, package, database, 0).await;
    sandbox.register_webhook(&format!("http://{}/api/webhook", shop.address)).expect("a URL");
    let mut jar = Jar::new("visitor=v_http");
    let landing = "/?utm_source=newsletter&utm_campaign=autumn";
    jar.get(shop.address, landing).await;
    jar.accept_capture(shop.address, landing).await;
    jar.get(shop.address, landing).await;
    jar.get(shop.address, "/").await;

    let back = buy(&shop, &mut jar, &washi(2)).await;
    assert!(back.contains("/return?") && back.contains("status=succeeded"), "{back}");
    let target = back.split_once("/return").map(|(_, rest)| format!("/return{rest}"));
    let thanks = location(&jar.get(shop.address, &target.expect("a target")).await);
    assert!(thanks.starts_with("/thanks?checkout="), "{thanks}");
    assert!(!thanks.contains("email"), "no e-mail address in the address bar: {thanks}");
    jar.shows(shop.address, &thanks, &["Thank you", "Kyoto washi set"]).await;
    // The key of another account is unknown, whatever the redirect claims.
    let stranger = format!("{thanks}&status=succeeded");
    Jar::new("").shows(shop.address, &stranger, &["No such checkout"]).await;

    let fulfilled = ["Kyoto washi set", "¥3,570", "Fulfilled"];
    jar.shows(shop.address, "/account", &fulfilled).await;
    jar.open_the_merchants_link(&shop).await;
    let payment = thanks.split(['=', '&']).find(|part| part.starts_with("pay_")).expect("an id");
    let payment = format!("/revenue?page=payment&id={payment}");
    let booked = ["v_http", "newsletter", "autumn", "¥3,570", "¥570", "¥3,000"];
    let page = jar.shows(shop.address, &payment, &booked).await;
    assert!(!page.contains("3,000.00"), "yen have no decimals");
    let sums = ["newsletter", "autumn", "¥3,000", "Kyoto washi set"];
    jar.shows(shop.address, "/revenue?range=all", &sums).await;

    // SIGKILL, in the middle of other people's requests. A customer pays while the shop is away.
    let open = open_checkout(&shop, &mut jar, &washi(1)).await;
    let mut crowd = Crowd::at(shop.address, &jar, &washi(3));
    crowd.wait_for_answers(100).await;
    let port = shop.address.port();
    drop(shop);
    crowd.wait_for_silence().await;
    pay(sandbox_of(&sandbox), &open).await;
    let shop = Running::at(&sandbox, package, database, port).await;
    sandbox.advance(Duration::from_secs(6 * 3600)).expect("a time"); // Dodo's next attempts
    let paid = ["¥1,785", "¥3,570"];
    let page = jar.shows(shop.address, "/account", &paid).await;
    assert_eq!(page.matches("data-payment").count(), 2, "{page}");
    let both_fulfilled = |page: &str| page.matches("Fulfilled").count() == 2;
    jar.shows_when(shop.address, "/account", both_fulfilled).await;
    jar.open_the_merchants_link(&shop).await;
    jar.shows(shop.address, &payment, &booked).await;
    Jar::new("").shows(shop.address, "/account", &["No payment yet."]).await;
}

fn sandbox_of(sandbox: &Sandbox) -> SocketAddr {
    address_of(sandbox.url())
}

#[tokio::test]
async fn wrong_requests_are_answered() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-wrong-{package}"));
        let shop = Running::start(package, &folder.sqlite()).await;
        let mut jar = Jar::new("");
        jar.open_the_merchants_link(&shop).await;
        jar.get(shop.address, "/").await;
        let unsold = json!({ "product": "pdt_other" }).to_string();
        let priced = json!({ "product": "pdt_washi_set", "price": 1 }).to_string();
        let club = json!({ "product": "pdt_print_club" }).to_string();
        let cases = [
            (Case::get("unknown page", "/nope"), 404),
            (jar.case(Case::get("path below the dashboard", "/revenue/%22%3E%3Ci%3Ex")), 404),
            (jar.case(Case::get("odd dates", "/revenue?from=%3Ci%3Ex&to=9999-99-99")), 200),
            (Case::get("dashboard without a key", "/revenue"), 303),
            (Case::get("numbers without a key", "/revenue?format=json"), 401),
            (Case::get("forged merchant", "/revenue").header("cookie", "shop_merchant=AAAA"), 303),
            (Case::get("merchant without a key", "/merchant"), 403),
            (Case::get("merchant with a wrong key", "/merchant?key=AAAAAAAAAAAAAAAA"), 403),
            (Case::get("merchant with an empty key", "/merchant?key="), 403),
            (Case::get("live page without a key", "/live/merchant"), 403),
            (Case::new("year without a key", Method::POST, "/merchant/year"), 403),
            (
                jar.case(
                    Case::new("year from another site", Method::POST, "/merchant/year")
                        .header("origin", "https://evil.example"),
                ),
                403,
            ),
            (Case::get("forged return", "/thanks?checkout=%3Ci%3Ex&payment_id=pay_x"), 200),
            (Case::get("members without a plan", "/members"), 303),
            (Case::get("change to nothing", "/change?product=%3Ci%3Ex"), 404),
            (Case::get("change of nothing", "/change?product=pdt_print_club"), 409),
            (Case::get("forged cookie", "/account").header("cookie", "shop_account=e30.AAAA"), 200),
            (Case::new("wrong method", Method::DELETE, "/account"), 405),
            (Case::new("no form", Method::POST, "/sign-in"), 303),
            (
                Case::new("foreign form", Method::POST, "/sign-in")
                    .header("origin", "https://evil.example"),
                403,
            ),
            (
                Case::new("foreign consent", Method::POST, "/consent")
                    .header("origin", "https://evil.example"),
                403,
            ),
            (
                Case::new("foreign farewell", Method::POST, "/sign-out")
                    .header("sec-fetch-site", "cross-site"),
                403,
            ),
            (Case::post("huge form", "/sign-in", vec![b'x'; 64 << 10]), 413),
            (Case::new("portal without an account", Method::POST, "/billing/portal"), 401),
            (Case::post("purchase without an account", "/billing/checkout", club), 401),
            (jar.case(Case::new("no customer", Method::POST, "/billing/portal")), 404),
            (jar.case(Case::post("not sold here", "/billing/checkout", unsold)), 404),
            (jar.case(Case::post("own price", "/billing/checkout", priced)), 400),
            (jar.case(Case::get("foreign invoice", "/billing/invoices/pay_x")), 404),
            (Case::post("unsigned webhook", "/api/webhook", "{}"), 401),
        ];
        for (case, status) in cases {
            let case = case.header("host", shop.address.to_string());
            let reply = client::send(shop.address, &case).await.expect("an answer");
            let body = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, status, "{package}, {}: {body}", case.name);
            assert!(!body.contains("<i>x"), "{package}, {}: {body}", case.name);
        }
        let head = Case::new("head", Method::HEAD, "/").header("host", "localhost");
        let head = client::send(shop.address, &head).await.expect("an answer");
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
}

#[tokio::test]
async fn mistakes_at_the_start_are_named() {
    let folder = Folder::new("shop-start");
    let shop = Running::start("axum-shop", &folder.sqlite()).await;
    let taken = shop.address.port().to_string();
    let database = folder.sqlite();
    let cases = [
        (vec!["--port", &taken], vec![]),
        (vec!["--prot", "1"], vec![]),
        (vec!["--port", "0"], vec![("DODO_PAYMENTS_API_KEY", "sk_test_key")]),
        (vec!["--port", "0"], vec![("DATABASE_URL", "mysql://localhost/shop")]),
        (vec!["--port", "0"], vec![("DODO_PUBLIC_URL", "https://shop.example/path")]),
        (vec!["--port", "0"], vec![("DODO_PUBLIC_URL", "https://a.example https://b.example")]),
        (vec!["--port", "0"], vec![("DODO_PUBLIC_URL", "shop.example")]),
        (vec!["--port", "0"], vec![("DODO_PAYMENTS_API_KEY", "'sk_test_key'")]),
        (vec!["--port", "0"], vec![("DATABASE_URL", "\"sqlite::memory:\"")]),
        (vec!["--port", "0"], vec![("SEGMENT_WRITE_KEY", "key other")]),
        (vec!["--port", "0"], vec![("SEGMENT_URL", "'https://api.segment.io'")]),
        (vec![], vec![("PORT", "\"0\"")]),
    ];
    for (arguments, mut variables) in cases {
        if !variables.iter().any(|(name, _)| *name == "DATABASE_URL") {
            variables.push(("DATABASE_URL", &database));
        }
        let mut program = Program::start("axum-shop", &arguments, &variables).await;
        let status = program.ended(Duration::from_secs(30)).await.expect("it ends by itself");
        assert_eq!(status.code(), Some(1), "{arguments:?} {variables:?}");
        assert!(program.output().is_empty(), "it never said that the shop is open");
    }
}

/// DNS rebinding: a page of another site lets its own name point to this machine.
#[tokio::test]
async fn request_for_another_host_is_refused() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-hosts-{package}"));
        let public = [("DODO_PUBLIC_URL", "https://shop.example")];
        let shop = Running::start_with(package, &folder.sqlite(), &public).await;
        let paths = [
            (Method::GET, "/", 200),
            (Method::GET, "/assets/shop.js", 200),
            (Method::GET, "/merchant", 403),
            (Method::GET, "/revenue", 303),
            (Method::GET, "/billing", 401),
            (Method::POST, "/billing/checkout", 401),
            (Method::POST, "/api/webhook", 401),
        ];
        for (method, path, status) in paths {
            for (host, wanted) in [
                ("evil.example", 421),
                ("127.0.0.1.evil.example", 421),
                ("shop.example", status),
                ("localhost:3000", status),
                ("127.0.0.1", status),
            ] {
                let case = Case::new(host, method.clone(), path).header("host", host);
                let reply = client::send(shop.address, &case).await.expect("an answer");
                assert_eq!(reply.status, wanted, "{package}, {method} {path} at {host}");
            }
        }
    }
}

#[tokio::test]
async fn account_survives_split_and_foreign_cookies() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-cookies-{package}"));
        let shop = Running::start(package, &folder.sqlite()).await;
        let mut jar = Jar::new("");
        jar.post(shop.address, "/sign-in", FORM, "name=Grace&email=grace%40example.com").await;
        let [(name, value)] = jar.0.as_slice() else { panic!("one cookie: {:?}", jar.0) };
        let account = format!("{name}={value}");
        let cookies: [&[&[u8]]; 4] = [
            &[b"theme=dark", account.as_bytes()],
            &[account.as_bytes(), b"theme=dark"],
            &["name=Zoë".as_bytes(), account.as_bytes()],
            &[&[b"name=\xff; ", account.as_bytes()].concat()],
        ];
        for headers in cookies {
            let mut case = Case::get("account", "/account").header("host", "localhost");
            for header in headers {
                case = case.header("cookie", header);
            }
            let reply = client::send(shop.address, &case).await.expect("an answer");
            let page = String::from_utf8_lossy(&reply.body);
            assert!(page.contains("<h1>Grace</h1>"), "{package}: {headers:?}");
        }
    }
}

/// A shop behind a proxy whose certificate only browsers trust gets the deliveries all the same.
#[tokio::test]
async fn sandbox_delivers_to_the_local_address() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-local-{package}"));
        let public = [("DODO_PUBLIC_URL", "https://127.0.0.1:9")]; // nothing listens there
        let shop = Running::start_with(package, &folder.sqlite(), &public).await;
        let mut jar = Jar::new("");
        jar.get(shop.address, "/").await;
        let back = buy(&shop, &mut jar, &washi(1)).await;
        assert!(back.starts_with("https://127.0.0.1:9/return?"), "{back}");
        jar.shows(shop.address, "/account", &["Kyoto washi set", "Fulfilled"]).await;
    }
}

#[tokio::test]
async fn visitor_is_captured_only_after_consent() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-consent-{package}"));
        let shop = Running::start(package, &folder.sqlite()).await;
        let mut jar = Jar::new("visitor=v_shy");
        let landing = "/?utm_source=newsletter";
        let seen = "<code>v_shy</code>";
        for _ in 0..2 {
            let page = jar.shows(shop.address, landing, &["May this shop remember"]).await;
            assert!(!page.contains(seen) && !page.contains("data-visit"), "{package}: {page}");
        }
        assert!(jar.cookie("dodo_campaign").is_none(), "{package}: a cookie before the answer");

        jar.accept_capture(shop.address, landing).await;
        let page = jar.shows(shop.address, landing, &[seen, "data-visit"]).await;
        assert!(!page.contains("May this shop remember"), "{package}: asked again");
        assert!(jar.cookie("dodo_campaign").is_some_and(|cookie| !cookie.is_empty()), "{package}");

        let gpc = Case::get("privacy control", "/").header("sec-gpc", "1");
        let reply = jar.send(shop.address, gpc).await;
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(
            page.contains("Global Privacy Control") && !page.contains(seen),
            "{package}: {page}"
        );
        assert!(!page.contains("May this shop remember") && !page.contains("data-visit"));

        jar.post(shop.address, "/consent", FORM, "choice=denied&back=%2F").await;
        assert_eq!(jar.cookie("visitor"), Some(""), "{package}: the script's cookie is removed");
        jar.keep("visitor=v_shy"); // and if a browser keeps it, nothing reads it
        let page = jar.shows(shop.address, "/", &["You declined."]).await;
        assert!(!page.contains(seen) && !page.contains("data-visit"), "{package}: {page}");
        assert_eq!(jar.cookie("dodo_campaign"), Some(""), "{package}: the campaign is removed");

        for (back, there) in
            [("%2Faccount", "/account"), ("%2F%2Fevil.example", "/"), ("%2F%5Cevil.example", "/")]
        {
            let form = format!("choice=denied&back={back}");
            let reply = jar.post(shop.address, "/consent", FORM, &form).await;
            assert_eq!(location(&reply), there, "{package}: {back}");
        }
    }
}

/// Grace visits on her phone and buys on another device, which no analytics tool knows.
#[tokio::test]
async fn signed_in_visitor_is_found_by_email_address() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-email-{package}"));
        let shop = Running::start(package, &folder.sqlite()).await;
        let mut phone = Jar::new("visitor=v_phone");
        phone.accept_capture(shop.address, "/").await;
        let form = "name=Grace&email=grace%40example.com";
        phone.post(shop.address, "/sign-in", FORM, form).await;

        let mut desk = Jar::new("");
        desk.accept_capture(shop.address, "/").await;
        desk.post(shop.address, "/sign-in", FORM, form).await;
        buy(&shop, &mut desk, &washi(1)).await;
        desk.open_the_merchants_link(&shop).await;
        let payments = "/revenue?page=payments&format=json";
        let payment = desk.first_payment(shop.address, payments).await;
        let page = format!("/revenue?page=payment&id={payment}");
        desk.shows(shop.address, &page, &["v_phone", "¥1,785"]).await;
    }
}

/// Booked records go to Segment, if there is a key for it.
#[tokio::test]
async fn segment_gets_booked_records() {
    for package in SHOPS {
        let (sent, mut requests) = mpsc::unbounded_channel();
        let segment = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
            let _all_read = sent.send((head, body));
            "{}"
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, segment).await });

        let folder = Folder::new(&format!("shop-segment-{package}"));
        let more = [("SEGMENT_WRITE_KEY", "wk_test"), ("SEGMENT_URL", url.as_str())];
        let shop = Running::start_with(package, &folder.sqlite(), &more).await;
        let mut jar = Jar::new("visitor=v_segment");
        jar.accept_capture(shop.address, "/").await;
        jar.get(shop.address, "/").await;
        buy(&shop, &mut jar, &washi(1)).await;
        let request = tokio::time::timeout(Duration::from_secs(30), requests.recv()).await;
        let (head, body) = request.expect("in time").expect("a request");
        assert_eq!(head.uri.path(), "/v1/batch", "{package}");
        let batch: Value = serde_json::from_slice(&body).expect("JSON");
        let events = batch["batch"].as_array().expect("a batch");
        let track = events.iter().find(|event| event["type"] == "track").expect("a track event");
        assert_eq!(track["anonymousId"], "v_segment", "{package}: {track}");
        assert!(track["messageId"].as_str().is_some_and(|id| id.starts_with("charge:pay_")));
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a checkout of washi sets.
fn washi(quantity: u32) -> String {
    json!({ "product": "pdt_washi_set", "quantity": quantity }).to_string()
}

/// Opens a checkout and pays. Returns the address to which the hosted page leads back.
async fn buy(shop: &Running, jar: &mut Jar, checkout: &str) -> String {
    let session = open_checkout(shop, jar, checkout).await;
    pay(shop.sandbox, &session).await
}

/// Opens a checkout. Returns the id of its session.
async fn open_checkout(shop: &Running, jar: &mut Jar, checkout: &str) -> String {
    let opened = jar.post(shop.address, "/billing/checkout", "application/json", checkout).await;
    let opened: Value = serde_json::from_slice(&opened.body).expect("JSON");
    let url = opened["checkout_url"].as_str().unwrap_or_else(|| panic!("{opened}"));
    url.rsplit('/').next().expect("a session").to_owned()
}

async fn pay(sandbox: SocketAddr, session: &str) -> String {
    let page = format!("/session/{session}/pay");
    let form = "email=grace%40example.com&name=Grace&country=DE&card=4242424242424242";
    location(&Jar::new("").post(sandbox, &page, FORM, form).await)
}

/// A shop and its sandbox.
struct Running {
    address: SocketAddr,
    sandbox: SocketAddr,
    /// The path of the link for the merchant.
    merchant: String,
    _program: Program,
}

impl Running {
    async fn start(package: &str, database: &str) -> Self {
        Self::start_with(package, database, &[]).await
    }

    /// A shop with a sandbox that outlives it.
    async fn at(sandbox: &Sandbox, package: &str, database: &str, port: u16) -> Self {
        let settings = sandbox.env();
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let variables: Vec<_> = settings.chain([("DATABASE_URL", database)]).collect();
        let port = port.to_string();
        let mut program = Program::start(package, ["--port", &port], &variables).await;
        let address = address_of(&program.line("The shop is open: ").await);
        Self::of(program, address, sandbox_of(sandbox)).await
    }

    async fn start_with(package: &str, database: &str, more: &[(&str, &str)]) -> Self {
        let variables = [&[("DATABASE_URL", database)], more].concat();
        let mut program = Program::start(package, ["--port", "0"], &variables).await;
        let address = address_of(&program.line("The shop is open: ").await);
        let sandbox = program.line("Payments go to a sandbox in this process: ").await;
        Self::of(program, address, address_of(&sandbox)).await
    }

    async fn of(mut program: Program, address: SocketAddr, sandbox: SocketAddr) -> Self {
        let link = program.line("The dashboard, for you alone: ").await;
        let merchant = link.split_once(&address.to_string()).expect("the local address").1;
        let merchant = merchant.to_owned();
        Self { address, sandbox, merchant, _program: program }
    }
}

/// Visitors who open pages and checkouts until the server stops.
struct Crowd {
    answers: mpsc::UnboundedReceiver<StatusCode>,
    visitors: JoinSet<()>,
}

impl Crowd {
    fn at(server: SocketAddr, jar: &Jar, checkout: &str) -> Self {
        let (answered, answers) = mpsc::unbounded_channel();
        let mut visitors = JoinSet::new();
        for _ in 0..8 {
            let answered = answered.clone();
            let cases = [
                Case::get("page", "/").header("host", "localhost"),
                jar.case(
                    Case::new("checkout", Method::POST, "/billing/checkout")
                        .header("host", "localhost")
                        .header("content-type", "application/json")
                        .body(checkout),
                ),
            ];
            visitors.spawn(async move {
                for case in cases.iter().cycle() {
                    let Ok(reply) = client::send(server, case).await else { return };
                    let _all_seen = answered.send(reply.status);
                }
            });
        }
        Self { answers, visitors }
    }

    async fn wait_for_answers(&mut self, times: usize) {
        for _ in 0..times {
            assert_eq!(self.answers.recv().await, Some(StatusCode::OK));
        }
    }

    /// All of them found out that the server is gone.
    async fn wait_for_silence(mut self) {
        let all = async { while self.visitors.join_next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("a server that is gone");
    }
}

/// A client that keeps cookies.
struct Jar(Vec<(String, String)>);

impl Jar {
    fn new(cookies: &str) -> Self {
        let mut jar = Self(Vec::new());
        jar.keep(cookies);
        jar
    }

    fn keep(&mut self, cookie: &str) {
        if let Some((name, value)) = cookie.split_once('=') {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Opens the link that the shop printed for the merchant.
    async fn open_the_merchants_link(&mut self, shop: &Running) {
        let reply = self.get(shop.address, &shop.merchant).await;
        assert_eq!(location(&reply), "/merchant", "the key does not stay in the address bar");
    }

    /// Waits for the first payment of a list in the dashboard's JSON.
    async fn first_payment(&mut self, server: SocketAddr, list: &str) -> String {
        let page = self.shows(server, list, &["pay_"]).await;
        let id = page.split('"').find(|text| text.starts_with("pay_"));
        id.expect("an id").to_owned()
    }

    /// Answers the banner with "Accept".
    async fn accept_capture(&mut self, server: SocketAddr, back: &str) {
        let mut form = String::from("choice=granted&back=");
        form.extend(percent_encoding::utf8_percent_encode(
            back,
            percent_encoding::NON_ALPHANUMERIC,
        ));
        let reply = self.post(server, "/consent", FORM, &form).await;
        assert_eq!(location(&reply), back);
    }

    /// The case with these cookies.
    fn case(&self, case: Case) -> Case {
        let cookies: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        case.header("cookie", cookies.join("; "))
    }

    async fn get(&mut self, server: SocketAddr, target: &str) -> Reply {
        self.send(server, Case::get(target, target).header("accept", "text/html")).await
    }

    async fn post(&mut self, server: SocketAddr, target: &str, kind: &str, body: &str) -> Reply {
        let case = Case::new(target, Method::POST, target).header("content-type", kind);
        self.send(server, case.body(body)).await
    }

    async fn send(&mut self, server: SocketAddr, case: Case) -> Reply {
        let case = self.case(case).header("host", server.to_string());
        let reply = client::send(server, &case).await.expect("an answer");
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            self.keep(cookie.split(';').next().unwrap_or_default());
        }
        reply
    }

    /// Waits until a page shows all of this, and gives the page.
    async fn shows(&mut self, server: SocketAddr, target: &str, parts: &[&str]) -> String {
        let shown = |page: &str| parts.iter().all(|part| page.contains(part));
        let waited = self.waits(server, target, shown).await;
        waited.unwrap_or_else(|page| panic!("{target} does not show all of {parts:?}: {page}"))
    }

    /// Waits until a page is as wanted.
    async fn shows_when(
        &mut self,
        server: SocketAddr,
        target: &str,
        wanted: impl Fn(&str) -> bool,
    ) {
        let waited = self.waits(server, target, wanted).await;
        waited.unwrap_or_else(|page| panic!("{target} is not as wanted: {page}"));
    }

    /// Looks again until a page is as wanted. Gives the last page.
    async fn waits(
        &mut self,
        server: SocketAddr,
        target: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let reply = self.get(server, target).await;
            assert_eq!(reply.status, StatusCode::OK);
            let page = String::from_utf8_lossy(&reply.body).into_owned();
            if wanted(&page) {
                return Ok(page);
            }
            if tokio::time::Instant::now() > end {
                return Err(page);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn location(reply: &Reply) -> String {
    assert!(reply.status.is_redirection(), "{}", String::from_utf8_lossy(&reply.body));
    reply.headers[header::LOCATION].to_str().expect("ASCII").to_owned()
}
