//! The examples that nest payments in an application with middleware of its own, on the sandbox.

use std::net::TcpListener;

use accounts::{Account, Accounts};
use dodo_core::{BoxError, Client, CustomerId, Environment, WebhookKey};
use dodo_sandbox::{Sandbox, cards};
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "a long password";

type Serve = fn(TcpListener, Accounts, &Client, WebhookKey) -> Result<(), BoxError>;

fn on_axum(
    listener: TcpListener,
    accounts: Accounts,
    dodo: &Client,
    key: WebhookKey,
) -> Result<(), BoxError> {
    let app = axum_nested::app(accounts, dodo, key)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

fn on_actix(
    listener: TcpListener,
    accounts: Accounts,
    dodo: &Client,
    key: WebhookKey,
) -> Result<(), BoxError> {
    let parts = actix_nested::Parts::new(accounts, dodo, key)?;
    let server = actix_web::HttpServer::new(move || actix_nested::app(parts.clone()));
    tokio::spawn(server.workers(2).disable_signals().listen(listener)?.run());
    Ok(())
}

/// The application, running, with one account that is a customer of the sandbox.
struct Running {
    sandbox: Sandbox,
    url: String,
    browser: reqwest::Client,
    customer: String,
    webhook_key: WebhookKey,
}

impl Running {
    async fn start(serve: Serve) -> Result<Self, BoxError> {
        let sandbox = Sandbox::start().await?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let secret = sandbox.register_webhook(&format!("{url}/payments/webhook"))?;
        let dodo = Client::builder(sandbox.api_key(), Environment::Live)
            .base_url(sandbox.url())
            .build()?;
        let created = dodo.call(
            Method::POST,
            "/customers",
            &[],
            Some(&json!({"email": EMAIL, "name": "Ada"})),
        );
        let created: Value = created.json().await?;
        let customer = created.get("customer_id").and_then(Value::as_str).ok_or("no customer")?;

        let accounts = Accounts::default();
        let account = Account { email: EMAIL.into(), customer: Some(CustomerId::new(customer)?) };
        accounts.add(account, PASSWORD);
        let webhook_key = WebhookKey::new(&secret, Environment::Live)?;
        serve(listener, accounts, &dodo, webhook_key.clone())?;
        let no_redirects = reqwest::redirect::Policy::none();
        let browser = reqwest::Client::builder().redirect(no_redirects).build()?;
        Ok(Self { sandbox, url, browser, customer: customer.to_owned(), webhook_key })
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.browser.request(method, format!("{}{path}", self.url))
    }

    async fn sign_in(&self) -> Result<String, BoxError> {
        let form = [("email", EMAIL), ("password", PASSWORD)];
        let answer = self.ask(Method::POST, "/sign-in").form(&form).send().await?;
        let cookie = answer.headers().get(header::SET_COOKIE).ok_or("no session")?;
        Ok(cookie.to_str()?.split(';').next().unwrap_or_default().to_owned())
    }
}

async fn purchase_passes_all_middleware(app: Running) -> Result<(), BoxError> {
    let session = app.sign_in().await?;
    let products: Value = app
        .browser
        .get(format!("{}/products", app.sandbox.url()))
        .bearer_auth(app.sandbox.api_key())
        .send()
        .await?
        .json()
        .await?;
    let product = products.pointer("/items/0/product_id").ok_or("the catalog is empty")?;
    let order = json!({
        "product_cart": [{"product_id": product, "quantity": 1}],
        "customer": {"email": EMAIL, "name": "Ada"},
        "billing_address": {"country": "DE"},
    });
    let checkout = app.ask(Method::POST, "/payments/checkout").json(&order).send().await?;
    assert!(checkout.headers().contains_key("x-audited-bytes"));
    let checkout: Value = checkout.json().await?;
    let id = checkout.get("session_id").and_then(Value::as_str);
    app.sandbox.pay_session(id.ok_or_else(|| format!("no session: {checkout}"))?, cards::OK)?;
    app.sandbox.wait_until_idle().await;

    let orders = app.ask(Method::GET, "/orders").header("cookie", &session).send().await?;
    assert!(orders.text().await?.starts_with("pay_"), "the delivery did not get through");
    assert_eq!(app.ask(Method::GET, "/orders").send().await?.status(), 401);
    Ok(())
}

async fn signatures_survive_middleware_that_reads_bodies(app: Running) -> Result<(), BoxError> {
    let body = r#"{ "type":"payment.succeeded" ,"data":{"payment_id":"pay_1","total_amount":1,"currency":"EUR","customer":{"email":"ada@example.com"}}}"#;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let signature = app.webhook_key.sign("msg_1", now, body.as_bytes());
    let deliver = |body: String| {
        app.ask(Method::POST, "/payments/webhook")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", &signature)
            .body(body)
            .send()
    };
    assert_eq!(deliver(body.to_owned()).await?.status(), 200);
    assert_eq!(deliver(body.replace(" ", "")).await?.status(), 401);
    Ok(())
}

async fn portal_opens_for_signed_in_customer(app: Running) -> Result<(), BoxError> {
    let session = app.sign_in().await?;
    let portal = |query: &str| app.ask(Method::GET, &format!("/payments/portal{query}"));
    assert_eq!(portal("").send().await?.status(), 401);
    assert_eq!(portal(&format!("?customer_id={}", app.customer)).send().await?.status(), 401);
    assert_eq!(portal("").header("cookie", "session=made-up").send().await?.status(), 401);
    let opened = portal("?customer_id=cus_other").header("cookie", session).send().await?;
    assert_eq!(opened.status(), 302);
    let asked = app.sandbox.recorded_requests().into_iter().map(|request| request.path);
    let sessions: Vec<_> =
        asked.filter(|path| path.ends_with("/customer-portal/session")).collect();
    assert_eq!(sessions, [format!("/customers/{}/customer-portal/session", app.customer)]);
    Ok(())
}

async fn own_middleware_of_app_still_works(app: Running) -> Result<(), BoxError> {
    let page = app.ask(Method::GET, "/").header("accept-encoding", "gzip").send().await?;
    assert_eq!(page.headers().get("content-encoding").ok_or("not compressed")?, "gzip");
    let preflight = app
        .ask(Method::OPTIONS, "/payments/checkout")
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "POST");
    let preflight = preflight.send().await?;
    assert_eq!(preflight.status(), 200);
    assert!(preflight.headers().contains_key("access-control-allow-methods"));
    Ok(())
}

macro_rules! in_both {
    ($($test:ident)*) => { $(
        mod $test {
            use super::*;

            #[tokio::test]
            async fn axum() -> Result<(), BoxError> {
                super::$test(Running::start(on_axum).await?).await
            }

            #[tokio::test]
            async fn actix() -> Result<(), BoxError> {
                super::$test(Running::start(on_actix).await?).await
            }
        }
    )* };
}

in_both! {
    purchase_passes_all_middleware
    signatures_survive_middleware_that_reads_bodies
    portal_opens_for_signed_in_customer
    own_middleware_of_app_still_works
}
