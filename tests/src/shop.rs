//! An example shop as a person uses it: the real program with its sandbox, and headless Chromium.

use http::Method;
use serde_json::Value;

use crate::{
    browser::Browser,
    case::Case,
    client,
    program::{Folder, Program, address_of},
};

/// A card that pays.
pub const CARD_OK: &str = "4242424242424242";
/// A card that is declined.
pub const CARD_DECLINED: &str = "4000000000000002";

/// A shop in a browser. It ends when this is dropped.
#[derive(Debug)]
pub struct Visit {
    /// The name of the test, for its pictures.
    pub test: String,
    /// The address of the shop.
    pub shop: String,
    /// The address of its sandbox.
    pub sandbox: String,
    /// The link for the merchant.
    pub merchant: String,
    /// The browser.
    pub browser: Browser,
    _program: Program,
    _folder: Folder,
}

impl Visit {
    /// Starts a shop of this package. `None` without a browser.
    ///
    /// # Panics
    /// If the shop does not start.
    pub async fn start(test: &str, package: &str) -> Option<Self> {
        let browser = Browser::start(test).await?;
        let folder = Folder::new(test);
        let database = folder.sqlite();
        let variables = [("DATABASE_URL", database.as_str())];
        let mut program = Program::start(package, ["--port", "0"], &variables).await;
        let shop = program.line("The shop is open: ").await;
        let sandbox = program.line("Payments go to a sandbox in this process: ").await;
        let merchant = program.line("The dashboard, for you alone: ").await;
        Some(Self {
            test: test.to_owned(),
            shop,
            sandbox,
            merchant,
            browser,
            _program: program,
            _folder: folder,
        })
    }

    /// Opens a path of the shop.
    pub async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.shop)).await;
    }

    /// Waits until the browser is at this site.
    pub async fn arrive(&self, site: &str) {
        let is_there = async || self.browser.url().await.starts_with(site).then_some(());
        self.browser.wait(site, is_there).await;
    }

    /// Signs in, which opens a new account.
    pub async fn sign_in(&self, name: &str) {
        self.open("/sign-in").await;
        self.browser.fill("[name=name]", name).await;
        self.browser.click("main button").await;
        self.browser.wait_for_texts("h1", |h1| h1 == [name]).await;
    }

    /// Presses Buy and comes to the hosted page.
    pub async fn begin(&self, product: &str) {
        self.open("/").await;
        self.browser.click(&format!("[data-buy='{product}']")).await;
        self.arrive(&self.sandbox).await;
    }

    /// Fills in the hosted page with an address in Germany, and pays.
    pub async fn pay_with(&self, card: &str) {
        let value_of = async |name: &str| {
            let script = format!("return document.querySelector('[name={name}]')?.value ?? null");
            self.browser.script(&script).await
        };
        if value_of("email").await == "" {
            self.browser.fill("[name=email]", "ada@example.com").await;
            self.browser.fill("[name=name]", "Ada Lovelace").await;
        }
        if !value_of("country").await.is_null() {
            self.browser.click("[name=country] option[value=DE]").await;
        }
        self.browser.fill("[name=card]", card).await;
        let before = self.browser.url().await;
        self.browser.click("#pay").await;
        let answered = async || (self.browser.url().await != before).then_some(());
        self.browser.wait("an answer of the hosted page", answered).await;
        // The country brought its tax: the page asks to look at the total again.
        let alerts = self.browser.texts("[role=alert]").await.concat();
        if alerts.contains("total has changed") {
            self.browser.click("#pay").await;
        }
    }

    /// Presses a button of the sandbox's dashboard, in another window so to speak.
    ///
    /// # Panics
    /// If the sandbox refuses it.
    pub async fn in_the_dashboard(&self, action: &str, id: &str) {
        let case = Case::new(action, Method::POST, "/")
            .header("host", address_of(&self.sandbox).to_string())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("action={action}&id={id}"));
        let reply = client::send(address_of(&self.sandbox), &case).await.expect("an answer");
        assert_eq!(reply.status, 303, "{action} {id}: {}", String::from_utf8_lossy(&reply.body));
    }

    /// Calls the sandbox's control API.
    ///
    /// # Panics
    /// If the sandbox refuses it.
    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let target = format!("/__sandbox{path}");
        let case = Case::new(&target, method, &target)
            .header("host", address_of(&self.sandbox).to_string())
            .header("content-type", "application/json")
            .body(body.to_string());
        let reply = client::send(address_of(&self.sandbox), &case).await.expect("an answer");
        let text = String::from_utf8_lossy(&reply.body);
        assert!(reply.status.is_success(), "{path}: {} {text}", reply.status);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Waits until no webhook is under way.
    pub async fn settled(&self) {
        let settled = async || {
            self.browser.open(&format!("{}/dashboard/deliveries", self.sandbox)).await;
            let page = self.browser.texts("body").await.concat();
            (!page.contains("under way") && !page.contains("scheduled")).then_some(())
        };
        self.browser.wait("webhooks at rest", settled).await;
    }

    /// Stores pictures of the page, wide and narrow, light and dark, if `DODO_SCREENSHOTS` is set.
    pub async fn picture(&self, name: &str) {
        for (size, width, height) in [("wide", 1180, 800), ("narrow", 390, 844)] {
            for scheme in ["light", "dark"] {
                self.browser.look_like(width, height, scheme).await;
                self.browser.picture(&self.test, &format!("{name}-{size}-{scheme}")).await;
            }
        }
        self.browser.look_like(1180, 800, "light").await;
    }
}
