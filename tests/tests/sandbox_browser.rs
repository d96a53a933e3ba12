//! The sandbox's pages in a browser: axe-core finds no violation, nothing overflows, the keyboard works.
//!
//! With `DODO_SCREENSHOTS=folder` the test keeps every page as a picture.

use dodo_sandbox::{Product, Sandbox, Simulation, cards};
use dodo_tests::browser::Browser;
use serde_json::{Value, json};

const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";

async fn call(sandbox: &Sandbox, path: &str, body: Option<Value>) -> Value {
    let url = format!("{}{path}", sandbox.url());
    let client = reqwest::Client::new();
    let request = match body {
        Some(body) => client.post(url).body(body.to_string()),
        None => client.get(url),
    };
    let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn checkout(sandbox: &Sandbox, body: Value) -> String {
    let answer = call(sandbox, "/checkouts", Some(body)).await;
    answer["session_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// An account with all kinds of objects and long names.
async fn account() -> Sandbox {
    let mut behavior = dodo_sandbox::Behavior::default();
    behavior.business_name = format!("{LONG} & Co.");
    let sandbox = Sandbox::builder()
        .clock_rate(0.0)
        .behavior(behavior)
        .webhook_url("http://127.0.0.1:1/a/long/path/to/the/webhook/endpoint/of/the/application")
        .product(Product::monthly("pdt_pro", LONG, "USD", 1900).description(LONG))
        .product(Product::one_time("pdt_book", "A good book", "EUR", 2900))
        .discount("HALF", 5000)
        .start()
        .await
        .unwrap();
    let mut plan = Simulation::default();
    (plan.days, plan.sales) = (60, 20);
    sandbox.simulate(plan).await.unwrap();
    sandbox.trigger("dispute.opened", &[]).await.unwrap();
    sandbox.wait_until_idle().await;
    sandbox
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandbox_pages_are_accessible_at_any_width() {
    let Some(browser) = Browser::start("sandbox_pages").await else { return };
    let sandbox = account().await;
    let customer = json!({ "email": "ada@example.com", "name": LONG });
    let cart = json!([{ "product_id": "pdt_pro", "quantity": 2 }]);
    let order =
        json!({ "product_cart": cart, "customer": customer, "metadata": { "visitor": LONG } });
    let paid = checkout(&sandbox, order.clone()).await;
    let payment = sandbox.pay_session(&paid, cards::OK).unwrap().payment_id;
    let payment_json = call(&sandbox, &format!("/payments/{payment}"), None).await;
    let customer_id = payment_json["customer"]["customer_id"].as_str().unwrap();
    let known = json!({ "product_cart": cart, "customer": { "customer_id": customer_id },
        "show_saved_payment_methods": true });
    let dark = json!({ "product_cart": cart, "customization": { "theme": "dark" } });
    let colors =
        json!({ "bg_primary": "#fdf6e3", "bg_secondary": "#ffffff", "button_primary": "#7c2d12" });
    let branded = json!({ "product_cart": cart, "customization": {
        "force_language": "pt-BR", "show_order_details": false,
        "theme_config": { "light": colors, "font_size": "lg", "radius": "2px", "pay_button_text": LONG },
    }, "subscription_data": { "on_demand": { "mandate_only": false } } });
    let log = call(&sandbox, "/__sandbox/log", None).await;
    let seq = log["entries"].as_array().unwrap().iter().rev();
    let seq = seq.clone().find(|entry| entry["kind"] == "request").unwrap()["seq"].to_string();
    let portal = format!("/customers/{customer_id}/customer-portal/session");
    let portal = call(&sandbox, &portal, Some(json!({}))).await;
    let portal = portal["link"].as_str().unwrap().replace(sandbox.url(), "");
    let delivery = sandbox.deliveries().last().unwrap().id().to_owned();
    let pages = [
        ("overview", "/".to_owned()),
        ("overview-search", "/?q=zzz".to_owned()),
        ("requests", "/dashboard/requests".to_owned()),
        ("request", format!("/dashboard/requests/{seq}")),
        ("deliveries", "/dashboard/deliveries".to_owned()),
        ("delivery", format!("/dashboard/deliveries/{delivery}")),
        ("events", "/dashboard/events".to_owned()),
        ("payment", format!("/dashboard/objects/{payment}")),
        ("settings", "/dashboard/settings".to_owned()),
        ("checkout", format!("/session/{}", checkout(&sandbox, order).await)),
        ("checkout-known", format!("/session/{}", checkout(&sandbox, known).await)),
        ("checkout-dark", format!("/session/{}", checkout(&sandbox, dark).await)),
        ("checkout-branded", format!("/session/{}", checkout(&sandbox, branded).await)),
        ("thanks", format!("/session/{paid}")),
        ("portal", portal),
        ("unknown", "/session/cks_unknown".to_owned()),
    ];
    let mut faults = Vec::new();
    for (width, scheme) in [(1440, "light"), (390, "light"), (390, "dark")] {
        browser.look_like(width, 900, scheme).await;
        for (name, path) in &pages {
            browser.open(&format!("{}{path}", sandbox.url())).await;
            faults.extend(browser.faults(&format!("{name} at {width} px, {scheme}")).await);
            browser.picture("sandbox", &format!("{name}-{width}-{scheme}")).await;
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let complaints = browser.console().await;
    let unexpected = |text: &&String| !text.contains("404");
    assert_eq!(complaints.iter().filter(unexpected).count(), 0, "{complaints:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkout_asks_for_customer_and_takes_discount() {
    let Some(browser) = Browser::start("sandbox_checkout").await else { return };
    let sandbox = account().await;
    let cart = json!([{ "product_id": "pdt_book", "quantity": 1 }]);
    let id = checkout(&sandbox, json!({ "product_cart": cart })).await;
    let page = format!("{}/session/{id}", sandbox.url());
    browser.open(&page).await;
    browser.fill("[name=discount_code]", "NOPE").await;
    browser.click("[value=discount]").await;
    browser.wait_for_texts("[role=alert]", |alerts| alerts.len() == 1).await;
    browser.fill("[name=discount_code]", "HALF").await;
    browser.click("[value=discount]").await;
    browser.wait_for_texts(".discount, p.actions", |texts| texts.concat().contains("HALF")).await;
    assert_eq!(browser.texts("#total").await, ["EUR 14.50"]);
    // The browser itself asks for the missing customer.
    browser.fill("[name=card]", cards::OK).await;
    browser.click("#pay").await;
    let asks = browser.script("return document.querySelector('[name=email]').matches(':invalid')");
    assert_eq!(asks.await, true);
    browser.fill("[name=email]", "grace@example.com").await;
    browser.fill("[name=name]", "Grace Hopper").await;
    browser.click("#pay").await;
    browser.wait_for_texts("h1", |h1| h1 == ["Thank you"]).await;
    let customers = call(&sandbox, "/customers", None).await;
    assert_eq!(customers["items"][0]["email"], "grace@example.com");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_is_live_and_works_by_keyboard() {
    let Some(browser) = Browser::start("sandbox_dashboard").await else { return };
    let sandbox = account().await;
    browser.open(&format!("{}/dashboard/requests?q=live-check", sandbox.url())).await;
    call(&sandbox, "/products?q=live-check", None).await;
    // The page shows the request without a reload.
    browser.wait_for_texts("tbody tr", |rows| rows.len() == 1).await;
    browser.open(&format!("{}/dashboard/settings", sandbox.url())).await;
    let unreachable = browser.script(
        "return [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]\
         .filter(e => { e.focus(); return document.activeElement !== e }).length",
    );
    assert_eq!(unreachable.await, 0, "elements without keyboard focus");
    browser.click("[name=dunning]").await;
    // Only the page before the submission has this mark.
    browser.script("window.beforeSubmit = true; return true").await;
    browser.click("form button.main").await;
    let saved = async || {
        let script = "const box = document.querySelector('[name=dunning]');\
                      return !window.beforeSubmit && box !== null && box.checked";
        (browser.script(script).await == true).then_some(())
    };
    browser.wait("the saved setting", saved).await;
}
