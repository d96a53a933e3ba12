//! The example shops as a person uses them: the real program with the sandbox inside it, and headless
//! Chromium. Both shops go through one story.
//!
//! With `DODO_SCREENSHOTS=folder` every page is kept as a picture: wide and narrow, light and dark.

use dodo_tests::shop::{CARD_DECLINED, CARD_OK, Visit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shop_browser_axum() {
    story("shop_browser_axum", "axum-shop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shop_browser_actix() {
    story("shop_browser_actix", "actix-shop").await;
}

async fn story(test: &str, package: &str) {
    let Some(visit) = Visit::start(test, package).await else { return };
    let browser = &visit.browser;

    banner_asks_before_anything_is_captured(&visit).await;
    let visitor = land(&visit).await;
    declined_payment_leaves_no_trace(&visit).await;

    for (product, greeting) in [
        ("pdt_field_guide", "Thank you"),
        ("pdt_washi_set", "Thank you"),
        ("pdt_print_club", "Welcome aboard"),
    ] {
        visit.begin(product).await;
        visit.pay_with(CARD_OK).await;
        visit.arrive(&visit.shop).await;
        browser.wait_for_texts("h1", |h1| h1 == [greeting]).await;
        let url = browser.url().await;
        assert!(!url.contains("email"), "an e-mail address stays in the address bar: {url}");
    }
    visit.picture("thanks").await;

    account_shows_what_was_bought(&visit).await;
    dashboard_shows_who_brought_it(&visit, &visitor).await;
    refund_and_renewal_appear_live(&visit, &visitor).await;
    canceled_subscription_is_open_until_it_is_paid(&visit).await;
    strangers_see_nothing(&visit).await;

    let complaints = browser.console().await;
    let expected = |text: &String| ["401", "403", "404"].iter().any(|status| text.contains(status));
    assert!(complaints.iter().all(expected), "the pages complain: {complaints:#?}");
}

/// The keys of WebDriver.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const SPACE: char = ' ';

/// The banner is usable with a keyboard and on a phone, and "no" is as easy as "yes".
async fn banner_asks_before_anything_is_captured(visit: &Visit) {
    let browser = &visit.browser;
    let banner_is = async |shown: usize| {
        browser.wait_for_texts(".consent h2", |found| found.len() == shown).await;
    };
    let visitor = async || {
        let found = browser.script("return document.cookie.includes('visitor=')").await;
        found.as_bool().unwrap_or_default()
    };

    browser.look_like(390, 844, "light").await;
    visit.open("/").await;
    banner_is(1).await;
    assert!(!visitor().await, "a cookie before the answer");
    let looks = browser.script(
        "const styles = ['backgroundColor', 'color', 'borderColor', 'fontSize', 'opacity'];\
         return Array.from(document.querySelectorAll('.consent button'), button => {\
             const box = button.getBoundingClientRect(), style = getComputedStyle(button);\
             const seen = box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;\
             return [seen, box.height, ...styles.map(name => style[name])].join();\
         })",
    );
    let looks = looks.await;
    assert_eq!(looks[0], looks[1], "both answers look the same");
    assert!(looks[0].as_str().is_some_and(|looks| looks.starts_with("true,")), "{looks}");
    let wide = "return document.documentElement.scrollWidth";
    assert_eq!(browser.script(wide).await, 390, "nothing is wider than a phone");
    visit.picture("banner").await;

    // The link that skips to the content is first, then the answers: "Decline", "Accept".
    browser.press(&[TAB, TAB, SPACE]).await;
    banner_is(0).await;
    assert_eq!(browser.texts(".trail .card p").await.len(), 1);
    assert!(!visitor().await, "a cookie after a no");
    visit.open("/account").await;
    assert!(!visitor().await, "a cookie after a no");

    browser.click(".choice button").await;
    banner_is(1).await;
    assert!(browser.url().await.ends_with("/account"), "the answer leads back to the page");
    browser.press(&[TAB, TAB, TAB]).await;
    let focus = "const style = getComputedStyle(document.activeElement);\
                 return [document.activeElement.value, style.outlineStyle].join()";
    assert_eq!(browser.script(focus).await, "granted,solid", "a focus that is seen");
    browser.press(&[ENTER]).await;
    banner_is(0).await;
    assert!(visitor().await, "the page's script names the visit after a yes");

    browser.click(".choice button").await;
    banner_is(1).await;
    assert!(!visitor().await, "the cookie is removed when the answer is");
    browser.send_headers(serde_json::json!({ "Sec-GPC": "1" })).await;
    visit.open("/").await;
    banner_is(0).await; // the browser has answered
    assert!(browser.texts(".choice").await.concat().contains("Global Privacy Control"));
    browser.send_headers(serde_json::json!({})).await;
    browser.look_like(1180, 800, "light").await;
}

/// A visitor comes by a newsletter and accepts. Gives the id that the page's script chose.
async fn land(visit: &Visit) -> String {
    visit.open("/?utm_source=newsletter&utm_medium=email&utm_campaign=autumn").await;
    visit.browser.click(".consent [value=granted]").await;
    visit.browser.wait_for_texts(".consent h2", <[String]>::is_empty).await;
    visit.open("/").await;
    let facts = visit.browser.texts(".trail dd").await;
    let [visitor, campaign @ ..] = facts.as_slice() else { panic!("no facts") };
    assert!(visitor.starts_with("v_"), "{visitor} is in the cookie `visitor`");
    assert_eq!(
        campaign,
        ["newsletter", "email", "autumn"],
        "the campaign outlives the landing page"
    );
    visit.picture("shop").await;
    visitor.clone()
}

async fn declined_payment_leaves_no_trace(visit: &Visit) {
    visit.begin("pdt_field_guide").await;
    visit.pay_with(CARD_DECLINED).await;
    let declined = |alerts: &[String]| alerts.concat().contains("declined");
    visit.browser.wait_for_texts("[role=alert]", declined).await;
    visit.settled().await;
    visit.open("/revenue").await;
    assert!(visit.browser.url().await.ends_with("/merchant"), "the shop's own page says why");
    assert_eq!(visit.browser.texts(".center h1").await, ["For the merchant"]);
    visit.picture("merchant-of-others").await;
    visit.browser.open(&visit.merchant).await;
    assert!(visit.browser.url().await.ends_with("/merchant"), "no key in the address bar");
    visit.picture("merchant").await;
    visit.browser.click("main a[href='/revenue']").await;
    let empty = |notes: &[String]| notes.concat().contains("holds no payment yet");
    visit.browser.wait_for_texts("#live", empty).await;
    visit.open("/account").await;
    assert_eq!(visit.browser.texts("[data-order], [data-subscription]").await, [""; 0]);
    visit.open("/thanks?checkout=x&payment_id=pay_x&status=succeeded").await;
    assert_eq!(visit.browser.texts("h1").await, ["No such checkout"]);
}

async fn account_shows_what_was_bought(visit: &Visit) {
    visit.open("/account").await;
    let orders = visit.browser.texts("[data-order]").await.join("\n");
    for part in ["Letterpress field guide", "$22.61", "Kyoto washi set", "¥1,785", "Fulfilled"] {
        assert!(orders.contains(part), "{part} in {orders}");
    }
    assert_eq!(visit.browser.texts("[data-subscription] .pill").await, ["Active"]);
    visit.picture("account").await;
}

async fn dashboard_shows_who_brought_it(visit: &Visit, visitor: &str) {
    let browser = &visit.browser;
    for (currency, net) in [("USD", "$31.00"), ("JPY", "¥1,500")] {
        visit.open(&format!("/revenue?cur={currency}")).await;
        browser.wait_for_texts("[data-key=net] .value", |value| value == [net]).await;
        let sums = browser.texts("#live").await.concat();
        assert!(sums.contains("newsletter") && sums.contains("autumn"), "{sums}");
    }
    visit.open("/revenue?cur=USD").await;
    assert_eq!(browser.texts("[data-key=payments] .value").await, ["2"], "each payment once");
    visit.picture("dashboard").await;
    browser.click("a[href$='page=payment']").await;
    let links = |page: &[String]| page.concat().contains(visitor);
    browser.wait_for_texts("#live", links).await;
    visit.picture("payment").await;
}

async fn refund_and_renewal_appear_live(visit: &Visit, visitor: &str) {
    let browser = &visit.browser;
    visit.open("/account").await;
    let of = async |kind: &str| {
        let script = format!("return document.querySelector('[data-{kind}]').dataset.{kind}");
        browser.script(&script).await.as_str().unwrap_or_default().to_owned()
    };
    let guide = browser.script(
        "return [...document.querySelectorAll('[data-order]')]\
             .find(row => row.innerText.includes('field guide')).dataset.payment",
    );
    let guide = guide.await.as_str().unwrap_or_default().to_owned();
    let subscription = of("subscription").await;

    visit.open("/revenue?cur=USD").await;
    visit.in_the_dashboard("refund", &guide).await;
    visit.in_the_dashboard("renew", &subscription).await;
    // The page is not reloaded: its script looks for changes.
    browser.wait_for_texts("[data-key=net] .value", |value| value == ["$24.00"]).await;
    assert_eq!(browser.texts("[data-key=payments] .value").await, ["3"]);

    visit.open(&format!("/revenue?page=payment&id={guide}")).await;
    let reasons = browser.texts("#live").await.concat();
    for part in [&*guide, visitor, "Refund", "newsletter"] {
        assert!(reasons.contains(part), "{part} in {reasons}");
    }
    visit.picture("refunded-payment").await;

    visit.open("/account").await;
    browser.wait_for_texts("[data-order] .pill", |p| p.contains(&"Refunded".to_owned())).await;
}

async fn canceled_subscription_is_open_until_it_is_paid(visit: &Visit) {
    visit.open("/account").await;
    visit.browser.click("form[action='/billing/portal'] button").await;
    visit.arrive(&visit.sandbox).await;
    visit.browser.click("button[value=cancel]").await;
    visit.settled().await;
    visit.open("/account").await;
    let ending = |pills: &[String]| pills == ["Canceled"];
    visit.browser.wait_for_texts("[data-subscription] .pill", ending).await;
    visit.picture("account-later").await;
}

async fn strangers_see_nothing(visit: &Visit) {
    visit.open("/sign-in").await;
    visit.picture("sign-in").await;
    visit.sign_in("Mallory <script>alert(1)</script>").await;
    assert_eq!(visit.browser.texts("[data-order], [data-subscription]").await, [""; 0]);
    let portal =
        "return fetch('/billing/portal', { method: 'POST' }).then(answer => answer.json())";
    let answer = visit.browser.script(portal).await;
    assert_eq!(answer["code"], "no_customer", "no portal without a customer: {answer}");
    visit.open("/nope").await;
    assert_eq!(visit.browser.texts("h1").await, ["Nothing here"]);
    visit.picture("not-found").await;
}
