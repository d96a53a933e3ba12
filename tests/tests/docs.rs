//! The pages of this repository: links lead somewhere, code compiles, requests are answered as shown.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use dodo_core::{
    BoxError, Client, CustomerPortal, Environment, WebhookKey, Webhooks,
    capture::{Preset, VisitorCapture},
    checkout::{DynamicCheckout, SessionCheckout, StaticCheckout},
    endpoint::Endpoint,
};
use dodo_sandbox::Sandbox;
use dodo_tests::{
    case::Case,
    client,
    docs::{
        self,
        requests::{Request, is_as_shown, requests},
    },
    program::address_of,
    server::{self, Application, Framework, Middleware, Mount, Settings},
};
use http::Method;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "md" || e == "txt");
    let in_folder = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(is_page).collect::<Vec<_>>()
    };
    [in_folder(root()), in_folder(root().join("docs"))].concat()
}

/// The targets of `[text](target)` that are files of this repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| {
            !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:")
        })
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or_default();
            followed += 1;
            if !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    println!("{followed} links followed");
    assert!(followed > 30, "only {followed} links were found: are the pages still read?");
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// The quick starts on the pages are the programs that the workspace builds.
#[test]
fn pages_show_the_quick_starts() {
    for name in ["axum", "axum_ledger", "actix_ledger"] {
        let source = root().join(format!("examples/quickstart/src/bin/{name}.rs"));
        let block = format!("```rust,no_run\n{}```\n", fs::read_to_string(source).unwrap());
        for page in ["README.md", "llms.txt"] {
            let text = fs::read_to_string(root().join(page)).unwrap();
            assert!(text.contains(&block), "{page} does not show {name}.rs");
        }
    }
}

/// The configurations that `tests/proxies/run` tries are the ones that the page shows.
#[test]
fn proxies_page_shows_the_tried_configurations() {
    for (name, language, file) in [
        ("nginx", "nginx", "nginx.conf"),
        ("apache", "apacheconf", "apache.conf"),
        ("haproxy", "haproxy", "haproxy.cfg"),
        ("caddy", "caddyfile", "Caddyfile"),
        ("varnish", "vcl", "varnish.vcl"),
    ] {
        let tried = fs::read_to_string(root().join("tests/proxies").join(file)).unwrap();
        docs::check("proxies.md", name, &format!("```{language}\n{tried}```\n"));
    }
}

/// Code in the pages is compiled as documentation of this crate. This test finds pages that are not
/// included there.
#[test]
fn every_rust_block_is_compiled() {
    let compiled = fs::read_to_string(root().join("tests/src/lib.rs")).unwrap();
    let (mut blocks, mut failures) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        // An opening fence without a language is Rust to rustdoc, too.
        let fences = text.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
        let opening: Vec<&str> = fences.step_by(2).collect();
        for language in &opening {
            if !language.starts_with("rust") && !language.is_empty() {
                continue;
            }
            blocks += 1;
            if language.contains("ignore") || language.contains("compile_fail") {
                failures.push(format!("{name}: ```{language} is not compiled"));
            }
            if !compiled.contains(&format!("include_str!(\"../../{name}\")")) {
                failures.push(format!("{name} is not included in tests/src/lib.rs"));
            }
        }
    }
    println!("{blocks} blocks");
    assert!(blocks >= 20, "only {blocks} blocks were found: are the pages still read?");
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The application of the README, on the sandbox.
#[derive(Clone, Debug)]
struct Readme {
    client: Client,
    hooks: Webhooks,
}

impl Readme {
    fn new(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let client = Client::builder(sandbox.api_key(), Environment::Test)
            .base_url(sandbox.url())
            .checkout_url(sandbox.url())
            .build()?;
        let key = sandbox.register_webhook("http://127.0.0.1:9/unused")?;
        Ok(Self {
            client,
            hooks: Webhooks::builder(WebhookKey::new(&key, Environment::Test)?).build()?,
        })
    }
}

impl Application for Readme {
    fn mount(&self, mount: &mut impl Mount) {
        let client = || self.client.clone();
        let link = StaticCheckout::builder(client()).build().expect("a checkout");
        let session = SessionCheckout::builder(client()).build().expect("a checkout");
        let dynamic = DynamicCheckout::builder(client()).build().expect("a checkout");
        mount.checkout("/api/checkout", link.or(session));
        mount.checkout("/api/checkout/dynamic", dynamic);
        let portal = CustomerPortal::builder(client()).build().expect("a portal");
        mount.portal("/api/portal", portal);
        mount.webhooks("/api/webhook", self.hooks.clone());
    }

    fn middleware(&self) -> Middleware {
        let capture = VisitorCapture::visitors_now().preset(Preset::Bantico).preset(Preset::Utm);
        Middleware { capture: Some(capture), sign_in: true }
    }
}

fn serve(application: impl Application) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(server::serve(Framework::Axum, listener, application, Settings::default()));
    Ok(url)
}

/// Every request of every page, against the application that it is for.
#[tokio::test]
async fn requests_of_the_pages_are_answered_as_shown() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let app = serve(Readme::new(&sandbox)?)?;
    let product = first_product(&sandbox).await;
    let (mut sent, mut failures) = (0, Vec::new());
    for page in pages() {
        let name = page.strip_prefix(root())?.display().to_string();
        match requests(&name, &fs::read_to_string(&page)?) {
            Err(unread) => failures.extend(unread),
            Ok(found) => {
                for request in found {
                    sent += 1;
                    let of_sandbox = request.target.contains("127.0.0.1:4010")
                        || request.target.starts_with("/__sandbox");
                    let server = match request.app.as_deref() {
                        None if of_sandbox => sandbox.url(),
                        None => &app,
                        Some(other) => {
                            failures.push(format!("{}: no app {other:?}", request.place));
                            continue;
                        }
                    };
                    let filled = |text: &str| {
                        text.replace("pdt_...", &product).replace("sk_...", sandbox.api_key())
                    };
                    failures.extend(answered_otherwise(server, &request, filled).await);
                }
            }
        }
    }
    println!("{sent} requests sent");
    assert!(sent >= 3, "only {sent} requests were found: are the pages still read?");
    assert!(failures.is_empty(), "{failures:#?}");
    Ok(())
}

async fn first_product(sandbox: &Sandbox) -> String {
    let case = Case::get("products", "/products")
        .header("authorization", format!("Bearer {}", sandbox.api_key()))
        .header("host", address_of(sandbox.url()).to_string());
    let reply = client::send(address_of(sandbox.url()), &case).await.expect("an answer");
    let products: Value = serde_json::from_slice(&reply.body).expect("JSON");
    products["items"][0]["product_id"].as_str().expect("a product").to_owned()
}

/// Sends a request, and says how the answer differs from the page.
async fn answered_otherwise(
    server: &str,
    request: &Request,
    filled: impl Fn(&str) -> String,
) -> Option<String> {
    let path = request
        .target
        .split_once("://")
        .map_or(request.target.as_str(), |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let (target, body) = (filled(path), filled(&request.body));
    let place = format!("{}: {} {target}", request.place, request.method);
    if (target.clone() + &body).contains("...") {
        return Some(format!("{place}: the test has no value for `...`"));
    }
    let mut case = Case::new(&request.place, request.method.clone(), &target).body(body);
    for (name, value) in &request.headers {
        case = case.header(name, filled(value));
    }
    if !request.headers.iter().any(|(name, _)| name == "host") {
        case = case.header("host", address_of(server).to_string());
    }
    let reply = client::send(address_of(server), &case).await.expect("an answer");
    let text = String::from_utf8_lossy(&reply.body);
    let answer = &request.answer;
    let is_status = match answer.status {
        Some(status) => reply.status == status,
        None => reply.status.is_success(),
    };
    if !is_status {
        return Some(format!("{place}: {} {text}", reply.status));
    }
    for (name, value) in &answer.headers {
        let real = reply.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let real = real.map(|value| Value::from(value.into_owned())).unwrap_or_default();
        if !is_as_shown(&Value::from(value.as_str()), &real) {
            return Some(format!("{place}: {name} is {real}"));
        }
    }
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if answer.body.as_ref().is_some_and(|shown| !is_as_shown(shown, &body)) {
        return Some(format!("{place}: {text}"));
    }
    let missing = answer.fields.iter().find(|name| body.get(name.as_str()).is_none());
    missing.map(|name| format!("{place}: no field {name} in {text}"))
}

/// A page cannot show a request in a form that the test leaves out.
#[test]
fn unreadable_request_in_a_page_is_an_error() {
    for page in [
        "```sh\ncurl $URL\n```",
        "```sh\necho x | curl -d @- http://127.0.0.1:4010/x\n```",
        "```sh\ncurl --form a=b http://127.0.0.1:4010/x\n```",
        "```text\ncurl http://127.0.0.1:4010/x\n```",
        "```js\nfetch(url)\n```",
        "```js\nfetch(\"/a\", { body: JSON.stringify(cart) })\n```",
        "```js\nfetch(\"/a\"); fetch(\"/b\")\n```",
        "```http\nPOST\n```",
        "```http\nGET /\n\nHTTP/1.1 200 OK\n\n{no JSON}\n```",
        "```json\n{\"quantity\": 0}\n```",
        "```python\nrequests.post(url)\n```",
        "Send `{\"quantity\": 0}` to the checkout.",
    ] {
        assert!(requests("page", page).is_err(), "{page}");
    }
    let page = "```http\nPOST /a?b=c\nX-Y: z\n\n{\"d\": 1}\n\nHTTP/1.1 201 Created\nE: ...\n\n{\"f\": \"g...\"}\n```";
    let found = requests("page", page).unwrap();
    let [request] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&request.method, request.target.as_str()), (&Method::POST, "/a?b=c"));
    assert_eq!((request.body.as_str(), request.answer.status), ("{\"d\": 1}", Some(201)));
    assert!(is_as_shown(
        request.answer.body.as_ref().unwrap(),
        &serde_json::json!({"f": "gh", "i": 1})
    ));
    assert!(!is_as_shown(request.answer.body.as_ref().unwrap(), &serde_json::json!({"f": "h"})));
}
