//! A headless Chromium, steered over WebDriver (a W3C standard) through `chromedriver`.

use std::{
    env,
    fmt::Debug,
    future::Future,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{case::Case, client, program::outlive_nobody};

/// How long a page may take to show what is waited for.
const DEADLINE: Duration = Duration::from_secs(30);
/// The time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Finds violations of the Web Content Accessibility Guidelines.
const AXE: &str = include_str!("../data/axe/axe.min.js");
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with an empty profile. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts Chromium for the test of this name.
    ///
    /// Without Chromium or its driver this says that the test was skipped, and is `None`; with
    /// `DODO_REQUIRE_BROWSER=1` it fails instead.
    ///
    /// # Panics
    /// If the browser is required and not there, or does not start.
    pub async fn start(test: &str) -> Option<Self> {
        let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find);
        let (Some(chromium), Some(driver)) = (chromium, find("chromedriver")) else {
            assert!(
                env::var_os("DODO_REQUIRE_BROWSER").is_none_or(|required| required != "1"),
                "{test} needs Chromium and chromedriver"
            );
            println!("skipped: {test}: no Chromium with chromedriver");
            return None;
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let port = port_of(&mut driver).await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let profile = env::temp_dir().join(format!("dodo-browser-{}-{port}", std::process::id()));
        let mut browser = Self { driver, address, session: String::new(), profile };
        let session = browser.call(Method::POST, "/session", &browser.wishes(&chromium)).await;
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        let chromium = session["capabilities"]["goog:processID"].as_u64();
        let chromium = chromium.and_then(|id| u32::try_from(id).ok());
        outlive_nobody(browser.driver.id().into_iter().chain(chromium));
        Some(browser)
    }

    fn wishes(&self, chromium: &Path) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &profile,
        ];
        let options = json!({ "binary": chromium, "args": arguments });
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "WARNING" },
        } } })
    }

    /// Goes to an address and waits until the page is loaded.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// The address of the page.
    pub async fn url(&self) -> String {
        let url = self.ask(Method::GET, "/url", &Value::Null).await;
        url.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script's function body in the page and gives what it returns.
    pub async fn script(&self, body: &str) -> Value {
        self.ask(Method::POST, "/execute/sync", &json!({ "script": body, "args": [] })).await
    }

    /// The texts of all elements that a CSS selector matches, as a person sees them.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let script = format!(
            "return Array.from(document.querySelectorAll({}), e => e.innerText.trim())",
            Value::from(selector)
        );
        let texts = self.script(&script).await;
        let texts = texts.as_array().cloned().unwrap_or_default();
        texts.into_iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until some element matches, and clicks the first as a person would.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.ask(Method::POST, &format!("/element/{element}/click"), &json!({})).await;
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.ask(Method::POST, &format!("/element/{element}/clear"), &json!({})).await;
        self.ask(Method::POST, &format!("/element/{element}/value"), &json!({ "text": text }))
            .await;
    }

    /// Presses and releases keys, one after the other, on the focused element.
    pub async fn press(&self, keys: &[char]) {
        let strokes = keys.iter().flat_map(|key| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        });
        let strokes: Vec<Value> = strokes.collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        self.ask(Method::POST, "/actions", &json!({ "actions": actions })).await;
    }

    /// Sends these headers with every request from now on.
    pub async fn send_headers(&self, headers: Value) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setExtraHTTPHeaders", json!({ "headers": headers })).await;
    }

    async fn element(&self, selector: &str) -> String {
        let using = json!({ "using": "css selector", "value": selector });
        let found = self.wait(selector, async || {
            let elements = self.ask(Method::POST, "/elements", &using).await;
            elements[0][ELEMENT].as_str().map(str::to_owned)
        });
        found.await
    }

    /// Looks again and again until `look` finds something.
    ///
    /// # Panics
    /// With the page's address and text, when it takes too long.
    pub async fn wait<T, F, Fut>(&self, what: &str, look: F) -> T
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Option<T>>,
    {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if tokio::time::Instant::now() > end {
                let page = self.texts("body").await.concat();
                panic!("{what}: not on {}:\n{page}", self.url().await);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the texts that a selector matches are as wanted, and gives them.
    pub async fn wait_for_texts(
        &self,
        selector: &str,
        wanted: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let look = async || Some(self.texts(selector).await).filter(|texts| wanted(texts));
        self.wait(selector, look).await
    }

    /// Pretends a window of this size and a color scheme, `light` or `dark`.
    pub async fn look_like(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Shows the pages as on paper. [`look_like`](Self::look_like) shows them on a screen again.
    pub async fn print(&self) {
        self.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    }

    /// Runs no script of the pages that are opened from now on, or runs them again.
    pub async fn scripts(&self, run: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).await;
    }

    /// The violations that axe-core finds, and the elements that are wider than the window. `page`
    /// names the page in the texts.
    ///
    /// # Panics
    /// If axe-core does not answer.
    pub async fn faults(&self, page: &str) -> Vec<String> {
        self.script(AXE).await;
        let found = self
            .script(
                "return axe.run().then(result => result.violations.map(violation => violation.id + ': ' + \
                 violation.nodes.map(node => node.html.slice(0, 200)).join(' | ')))",
            )
            .await;
        let found = found.as_array().unwrap_or_else(|| panic!("{page}: {found}")).clone();
        let mut faults: Vec<_> = found.iter().map(|fault| format!("{page}: {fault}")).collect();
        let wide = self.overflow().await;
        faults.extend(wide.map(|wide| format!("{page}: overflows: {wide}")));
        faults
    }

    /// The last elements that are wider than the window. `None`: the page fits.
    pub async fn overflow(&self) -> Option<String> {
        let wide = self
            .script(
                "const root = document.documentElement; return root.scrollWidth > root.clientWidth && \
                 [...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > \
                 root.clientWidth + 1).map(e => e.outerHTML.slice(0, 120)).slice(-3).join(' | ')",
            )
            .await;
        (wide != false).then(|| wide.to_string())
    }

    /// The page as a PNG, in base64.
    pub async fn screenshot(&self) -> String {
        let shot =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        shot.await["data"].as_str().unwrap_or_default().to_owned()
    }

    /// The visible part of the page as WebP of this quality, 1 to 100.
    ///
    /// # Panics
    /// If the browser sends no picture.
    pub async fn webp(&self, quality: u8) -> Vec<u8> {
        let shot = json!({ "format": "webp", "quality": quality });
        let shot = self.devtools("Page.captureScreenshot", shot).await;
        BASE64.decode(shot["data"].as_str().unwrap_or_default()).expect("base64")
    }

    /// Keeps the page as a picture in a folder of `DODO_SCREENSHOTS`, if that is set.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub async fn picture(&self, folder: &str, name: &str) {
        let Some(all) = env::var_os("DODO_SCREENSHOTS") else { return };
        let folder = Path::new(&all).join(folder);
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        let png = BASE64.decode(self.screenshot().await).expect("base64");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("a file");
    }

    /// What the pages wrote to the console as warnings and errors since the last look.
    pub async fn console(&self) -> Vec<String> {
        let log = self.ask(Method::POST, "/se/log", &json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let call = json!({ "cmd": command, "params": parameters });
        self.ask(Method::POST, "/goog/cdp/execute", &call).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let mut case =
            Case::new(path, method.clone(), path).header("host", self.address.to_string());
        if method == Method::POST {
            case = case.header("content-type", "application/json").body(body.to_string());
        }
        let reply = client::send(self.address, &case).await.expect("the driver answers");
        let mut answer: Value =
            serde_json::from_slice(&reply.body).expect("the driver speaks JSON");
        assert!(
            reply.status.is_success(),
            "{method} {path} {body}: {}",
            answer["value"]["message"]
        );
        answer["value"].take()
    }
}

/// The driver ends Chromium when it is asked to, and not when it is killed itself.
impl Drop for Browser {
    fn drop(&mut self) {
        self.end().ok();
        std::fs::remove_dir_all(&self.profile).ok();
    }
}

impl Browser {
    fn end(&self) -> io::Result<()> {
        let limit = Duration::from_secs(10);
        let mut driver = std::net::TcpStream::connect_timeout(&self.address, limit)?;
        driver.set_read_timeout(Some(limit))?;
        write!(
            driver,
            "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.session, self.address
        )?;
        driver.read_to_end(&mut Vec::new()).map(drop)
    }
}

/// The first program of this name in the search path.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The port that a driver chose, from its own words: "... started successfully on port 12345."
async fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
    let mut port = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let number = line.split("on port ").nth(1).map(|rest| rest.trim_end_matches('.'));
        port = number.and_then(|number| number.parse().ok()).filter(|port| *port != 0);
        if port.is_some() {
            break;
        }
    }
    // No test reads on, but the driver must be able to write.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    port.expect("chromedriver says its port")
}
