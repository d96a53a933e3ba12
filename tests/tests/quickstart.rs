//! The programs of README.md, as they are on the page, on the sandbox.

use std::{net::TcpListener, time::Duration};

use dodo_core::BoxError;
use dodo_ledger::sqlx::{self, ConnectOptions, Row, sqlite::SqliteConnectOptions};
use dodo_sandbox::{Sandbox, cards};
use dodo_tests::program::{Folder, Program};
use serde_json::{Value, json};

const PROGRAMS: [(&str, bool); 3] =
    [("axum", false), ("axum_ledger", true), ("actix_ledger", true)];

#[tokio::test]
async fn quick_start_sells_and_hears_of_the_payment() -> Result<(), BoxError> {
    for (name, has_ledger) in PROGRAMS {
        let folder = Folder::new(&format!("quickstart-{name}"));
        let mut orders = SqliteConnectOptions::new()
            .filename(folder.path().join("shop.db"))
            .create_if_missing(true)
            .connect()
            .await?;
        sqlx::query("CREATE TABLE orders (payment_id TEXT PRIMARY KEY, amount INTEGER)")
            .execute(&mut orders)
            .await?;

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("http://127.0.0.1:{port}");
        let sandbox = Sandbox::start().await?;
        sandbox.register_webhook(&format!("{url}/api/webhook"))?;
        let mut variables = sandbox.env().map(|(name, value)| (name.to_owned(), value)).to_vec();
        variables.push(("PORT".to_owned(), port.to_string()));
        let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut program = Program::start_in(&folder, "quickstart", name, &variables).await;

        let browser = reqwest::Client::new();
        let products = browser.get(format!("{}/products", sandbox.url()));
        let products: Value = products.bearer_auth(sandbox.api_key()).send().await?.json().await?;
        let order = json!({ "product_cart": [
            { "product_id": products["items"][0]["product_id"], "quantity": 1 }
        ], "customer": { "email": "ada@example.com", "name": "Ada" } });
        let opened = within_a_minute(async || {
            browser.post(format!("{url}/api/checkout")).json(&order).send().await.ok()
        });
        let opened: Value = opened.await.json().await?;
        let session = opened["session_id"].as_str().ok_or_else(|| opened.to_string())?;
        sandbox.pay_session(session, cards::OK)?;

        if has_ledger {
            let rows = within_a_minute(async || {
                let rows = sqlx::query("SELECT payment_id FROM orders");
                let mut connection = SqliteConnectOptions::new()
                    .filename(folder.path().join("shop.db"))
                    .connect()
                    .await
                    .ok()?;
                rows.fetch_all(&mut connection).await.ok().filter(|rows| !rows.is_empty())
            });
            let payment: String = rows.await[0].get(0);
            assert!(payment.starts_with("pay_"), "{name}: {payment}");
        } else {
            let printed = program.line("pay_").await;
            assert!(printed.ends_with(" is paid"), "{name}: {printed}");
        }
        let portal = browser.get(format!("{url}/api/portal")).send().await?;
        assert_eq!(portal.status(), 401, "{name}: no user is signed in");
    }
    Ok(())
}

/// Asks again until there is an answer.
async fn within_a_minute<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("an answer within a minute")
}
