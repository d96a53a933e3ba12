use dodo_tests::{case::Case, fixture::Shop, parity::Parity, stub::Call};
use serde_json::{Value, json};

/// A session checkout and the metadata that must reach Dodo.
fn buys(name: &str, target: &str, metadata: Value) -> Case {
    let mut sent = json!({
        "product_cart": [{"product_id": "pdt_a", "quantity": 1}],
        "return_url": "https://merchant.example/return",
    });
    if metadata.as_object().is_some_and(|pairs| !pairs.is_empty()) {
        sent["metadata"] = metadata;
    }
    Case::post(name, target, r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}]}"#)
        .status(200)
        .upstream([Call::post("/checkouts", sent)])
}

fn page(name: &str, target: &str) -> Case {
    Case::get(name, target)
        .header("accept", "text/html")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-mode", "navigate")
}

#[tokio::test]
async fn visitor_and_campaign_travel_with_payment() {
    let none = json!({});
    let cases = [
        buys("no cookie", "/checkout", none.clone()),
        buys("a cookie", "/checkout", json!({"visitor": "v-1"})).header("cookie", "visitor=v-1"),
        buys("among others", "/checkout", json!({"visitor": "v-1"}))
            .header("cookie", "a=b; visitor=v-1; c=d"),
        buys("in a second header", "/checkout", json!({"visitor": "v-1"}))
            .header("cookie", "a=b")
            .header("cookie", "visitor=v-1"),
        buys("invalid UTF-8 beside it", "/checkout", json!({"visitor": "v-1"}))
            .header("cookie", b"a=\xff\xfe; visitor=v-1"),
        buys("empty", "/checkout", none.clone()).header("cookie", "visitor="),
        buys("a placeholder", "/checkout", none.clone()).header("cookie", "visitor=undefined"),
        buys("the longest", "/checkout", json!({"visitor": "v".repeat(500)}))
            .header("cookie", format!("visitor={}", "v".repeat(500))),
        buys("too long", "/checkout", none.clone())
            .header("cookie", format!("visitor={}", "v".repeat(501))),
        buys("no consent", "/checkout", none.clone())
            .header("cookie", "visitor=v-1")
            .header("sec-gpc", "1"),
        buys("campaign in the query", "/checkout?utm_source=news", json!({"utm_source": "news"})),
        buys("percent-encoded", "/checkout?utm_source=a%20b%C3%A9", json!({"utm_source": "a bé"})),
    ];
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("capture at the checkout");
}

#[tokio::test]
async fn landing_page_keeps_campaign() {
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    let landing = page("landing", "/page/optional?utm_source=news&utm_medium=mail");
    let mut cookies = Vec::new();
    for (framework, observed) in parity.observe(&landing).await.unwrap() {
        let cookie = observed.headers.get("set-cookie").map(|all| all.join("\n"));
        let cookie = cookie.unwrap_or_else(|| panic!("{framework} sets no cookie: {observed:?}"));
        assert!(cookie.contains("\"utm_source\":\"news\""), "{framework}: {cookie}");
        cookies.push(cookie);
    }
    let cases = [
        landing,
        page("nothing new", "/page/optional"),
        page("no consent", "/page/optional?utm_source=news").header("sec-gpc", "1"),
        page("on a refusal too", "/page/visitor?utm_source=news").problem(400, "visitor_unknown"),
        page("an unknown page", "/nowhere?utm_source=news").status(404),
        page("a cookie that is not ours", "/page/optional").header("cookie", "dodo_campaign=x.y"),
    ];
    parity.check(cases).await.assert_equal("capture on a page");
}

#[tokio::test]
async fn handlers_of_the_application_get_the_visitor() {
    let text =
        |case: Case| case.status(200).answer_header("content-type", "text/plain; charset=utf-8");
    let with = |target: &str, cookie: &str| Case::get(cookie, target).header("cookie", cookie);
    let cases = [
        text(with("/page/visitor", "visitor=v-1")),
        text(with("/page/optional", "visitor=v-1")),
        text(Case::get("nobody", "/page/optional")),
        Case::get("nobody", "/page/visitor").problem(400, "visitor_unknown"),
        with("/page/visitor", "visitor=null").problem(400, "visitor_unknown"),
    ];
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    for (framework, observed) in parity.observe(&cases[0]).await.unwrap() {
        assert_eq!(observed.body, "v-1", "{framework}");
    }
    parity.check(cases).await.assert_equal("extractors of the visitor");
}
