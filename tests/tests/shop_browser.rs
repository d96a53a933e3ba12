//! The example shops as a person uses them: the real program, its sandbox, and headless Chromium.

use dodo_tests::{browser::Browser, program::Program};

/// The shops that must behave the same.
const CARD_OK: &str = "4242424242424242";
const CARD_DECLINED: &str = "4000000000000002";

/// A shop in a browser.
struct Visit {
    shop: String,
    sandbox: String,
    browser: Browser,
    _program: Program,
}

impl Visit {
    async fn start(test: &str, package: &str) -> Option<Self> {
        let browser = Browser::start(test).await?;
        let mut program = Program::start(package, ["--port", "0"], &[]).await;
        let shop = program.line("The shop is open: ").await;
        let sandbox = program.line("Payments go to a sandbox in this process: ").await;
        Some(Self { shop, sandbox, browser, _program: program })
    }

    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.shop)).await;
    }

    /// Presses Buy and comes to the hosted page.
    async fn begin(&self, product: &str) {
        self.open("/").await;
        self.browser.click(&format!("[data-buy='{product}']")).await;
        self.arrive(&self.sandbox).await;
    }

    async fn arrive(&self, at: &str) {
        let there = async || self.browser.url().await.starts_with(at).then_some(());
        self.browser.wait(at, there).await;
    }

    async fn pay_with(&self, card: &str) {
        let filled =
            self.browser.script("return document.querySelector('[name=email]').value").await;
        if filled == "" {
            self.browser.fill("[name='email']", "ada@example.com").await;
            self.browser.fill("[name='name']", "Ada Lovelace").await;
        }
        self.browser.fill("[name='card']", card).await;
        self.browser.click("#pay").await;
    }

    async fn buy(&self, product: &str) {
        self.begin(product).await;
        self.pay_with(CARD_OK).await;
        self.arrive(&self.shop).await;
        self.browser
            .wait_for_texts("h1", |h1| h1 == ["Thank you"] || h1 == ["Welcome aboard"])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shop_browser_axum() {
    let Some(visit) = Visit::start("shop_browser_axum", "axum-shop").await else { return };
    let browser = &visit.browser;
    visit.open("/?utm_source=newsletter&utm_medium=email&utm_campaign=autumn").await;
    visit.buy("pdt_field_guide").await;
    let _ = CARD_DECLINED;
    visit.open("/revenue").await;
    println!("{:?}", browser.texts("[data-total]").await);
    println!("{:?}", browser.console().await);
}
