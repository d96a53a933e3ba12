//! The example shops over plain HTTP: from the visitor's cookie to the revenue page, and what
//! outlives a shop that is killed.

use std::{net::SocketAddr, time::Duration};

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
async fn the_loop_runs_from_cookie_to_revenue_and_outlives_a_killed_shop() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-http-{package}"));
        the_loop_runs(package, &folder.sqlite()).await;
    }
}

#[tokio::test]
async fn the_loop_runs_on_postgres() {
    let Some(server) = postgres::server("the_loop_runs_on_postgres") else { return };
    for package in SHOPS {
        let schema = Schema::create(server.clone(), &format!("loop_{package}")).await;
        the_loop_runs(package, &schema.url()).await;
        schema.drop().await;
    }
}

async fn the_loop_runs(package: &str, database: &str) {
    let shop = Running::start(package, database).await;
    let mut jar = Jar::new("visitor=v_http");
    jar.get(shop.address, "/?utm_source=newsletter&utm_campaign=autumn").await;
    jar.get(shop.address, "/").await;

    let checkout =
        json!({ "product_cart": [{ "product_id": "pdt_washi_set", "quantity": 2 }] }).to_string();
    let opened = jar.post(shop.address, "/api/checkout", "application/json", &checkout);
    let opened: Value = serde_json::from_slice(&opened.await.body).expect("JSON");
    let session = opened["session_id"].as_str().expect("a session").to_owned();
    let page = format!("/session/{session}/pay");
    let form = "email=ada%40example.com&name=Ada&country=DE&card=4242424242424242";
    let paid = Jar::new("").post(shop.sandbox, &page, FORM, form).await;
    let back = location(&paid);
    assert!(back.contains("/return?") && back.contains("status=succeeded"), "{back}");
    let target = back.split_once("/return").map(|(_, rest)| format!("/return{rest}"));
    let thanks = location(&jar.get(shop.address, &target.expect("a target")).await);
    assert!(thanks.starts_with("/thanks?payment_id=pay_"), "{thanks}");
    assert!(!thanks.contains("email"), "no e-mail address in the address bar: {thanks}");

    let fulfilled = ["Kyoto washi set", "¥3,570", "Fulfilled"];
    jar.shows(shop.address, "/account", &fulfilled).await;
    let booked = ["v_http", "newsletter", "autumn", "¥3,570", "¥570", "¥3,000"];
    let page = jar.shows(shop.address, "/revenue", &booked).await;
    assert!(!page.contains("3,000.00"), "yen have no decimals");
    let ages = jar.shows(shop.address, "/revenue?from=1900-01-01&to=9999-12-31", &booked).await;
    let column = ": newsletter ¥3,000</title>";
    assert!(ages.contains(column), "the chart shows the days that have come");
    let nothing = "/revenue?to=1900-01-01";
    jar.shows(shop.address, nothing, &["No revenue on these days"]).await;

    // SIGKILL, in the middle of other people's requests.
    let mut crowd = Crowd::at(shop.address, &checkout);
    crowd.wait_for_answers(100).await;
    drop(shop);
    crowd.wait_for_silence().await;
    let shop = Running::start(package, database).await;
    jar.shows(shop.address, "/account", &fulfilled).await;
    jar.shows(shop.address, "/revenue", &booked).await;
    Jar::new("").shows(shop.address, "/account", &["No order yet."]).await;
}

#[tokio::test]
async fn wrong_requests_are_answered() {
    for package in SHOPS {
        let folder = Folder::new(&format!("shop-wrong-{package}"));
        let shop = Running::start(package, &folder.sqlite()).await;
        let unsold = json!({ "product_cart": [{ "product_id": "pdt_other", "quantity": 1 }] });
        let cases = [
            (Case::get("unknown page", "/nope"), 404),
            (Case::get("unknown record", "/revenue/charge:pay_x"), 404),
            (Case::get("odd record", "/revenue/%22%3E%3Cscript%3E"), 404),
            (Case::get("odd dates", "/revenue?from=%3Cscript%3E&to=9999-99-99"), 200),
            (Case::get("farthest dates", "/revenue?from=-009999-01-01&to=9999-12-31"), 200),
            (Case::get("forged return", "/thanks?status=succeeded&payment_id=%3Cscript%3E"), 200),
            (Case::get("forged cookie", "/account").header("cookie", "shop_account=e30.AAAA"), 200),
            (Case::new("wrong method", Method::DELETE, "/account"), 405),
            (Case::new("no form", Method::POST, "/sign-in"), 303),
            (
                Case::new("foreign form", Method::POST, "/sign-in")
                    .header("origin", "https://evil.example"),
                403,
            ),
            (
                Case::new("foreign farewell", Method::POST, "/sign-out")
                    .header("sec-fetch-site", "cross-site"),
                403,
            ),
            (Case::post("huge form", "/sign-in", vec![b'x'; 64 << 10]), 413),
            (Case::get("nobody's portal", "/api/portal"), 401),
            (Case::post("not sold here", "/api/checkout", unsold.to_string()), 400),
            (Case::post("unsigned webhook", "/api/webhook", "{}"), 401),
        ];
        for (case, status) in cases {
            let reply = client::send(shop.address, &case).await.expect("an answer");
            let body = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, status, "{package}, {}: {body}", case.name);
            assert!(!body.contains("<script>"), "{package}, {}: {body}", case.name);
        }
        let head = Case::new("head", Method::HEAD, "/");
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

const FORM: &str = "application/x-www-form-urlencoded";

/// A shop and its sandbox.
struct Running {
    address: SocketAddr,
    sandbox: SocketAddr,
    _program: Program,
}

impl Running {
    async fn start(package: &str, database: &str) -> Self {
        let variables = [("DATABASE_URL", database)];
        let mut program = Program::start(package, ["--port", "0"], &variables).await;
        let address = address_of(&program.line("The shop is open: ").await);
        let sandbox = program.line("Payments go to a sandbox in this process: ").await;
        Self { address, sandbox: address_of(&sandbox), _program: program }
    }
}

/// Visitors who look at pages and open checkouts until nobody answers any more.
struct Crowd {
    answers: mpsc::UnboundedReceiver<StatusCode>,
    visitors: JoinSet<()>,
}

impl Crowd {
    fn at(server: SocketAddr, checkout: &str) -> Self {
        let (answered, answers) = mpsc::unbounded_channel();
        let mut visitors = JoinSet::new();
        for _ in 0..8 {
            let answered = answered.clone();
            let cases = [
                Case::get("page", "/"),
                Case::new("checkout", Method::POST, "/api/checkout")
                    .header("content-type", "application/json")
                    .body(checkout),
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

    async fn get(&mut self, server: SocketAddr, target: &str) -> Reply {
        self.send(server, Case::get(target, target).header("accept", "text/html")).await
    }

    async fn post(&mut self, server: SocketAddr, target: &str, kind: &str, body: &str) -> Reply {
        let case = Case::new(target, Method::POST, target).header("content-type", kind);
        self.send(server, case.body(body)).await
    }

    async fn send(&mut self, server: SocketAddr, case: Case) -> Reply {
        let cookies: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let case = case.header("cookie", cookies.join("; ")).header("host", server.to_string());
        let reply = client::send(server, &case).await.expect("an answer");
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            self.keep(cookie.split(';').next().unwrap_or_default());
        }
        reply
    }

    /// Waits until a page shows all of this, and gives the page.
    async fn shows(&mut self, server: SocketAddr, target: &str, parts: &[&str]) -> String {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let reply = self.get(server, target).await;
                assert_eq!(reply.status, StatusCode::OK);
                let page = String::from_utf8_lossy(&reply.body).into_owned();
                if parts.iter().all(|part| page.contains(part)) {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{target} does not show all of {parts:?}"))
    }
}

fn location(reply: &Reply) -> String {
    assert!(reply.status.is_redirection(), "{}", String::from_utf8_lossy(&reply.body));
    reply.headers[header::LOCATION].to_str().expect("ASCII").to_owned()
}
