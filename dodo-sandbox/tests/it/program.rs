//! The program.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Receiver, http};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dodo-sandbox"));
    // The machine's own settings must not decide a test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DODO_SANDBOX_")) {
        command.env_remove(name);
    }
    command
}

/// A running program, with the lines that it printed.
struct Running {
    child: Child,
    lines: Vec<String>,
    url: String,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        Self::spawn(program().args(["serve", "--port", "0"]).args(args))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<_> =
            lines.map(Result::unwrap).take_while(|l| !l.starts_with("Open ")).collect();
        let url = lines[0].rsplit(' ').next().unwrap().to_owned();
        Self { child, lines, url }
    }

    fn run(&self, args: &[&str]) -> Output {
        program().args(args).args(["--url", &self.url]).output().unwrap()
    }

    /// The command's output; it must succeed.
    fn output(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn api(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let request = http()
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .bearer_auth("sk_test_sandbox")
            .json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Ends the program as a container runtime does, and returns whether it ended well.
    fn terminate(mut self) -> bool {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn serve_prints_settings_and_names_taken_port() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let running = Running::start(&[
        "--api-key=it's a key",
        "--webhook-secret",
        secret,
        "--webhook-url",
        "http://127.0.0.1:1/hook",
    ]);
    let port = running.url.rsplit(':').next().unwrap();
    let text = running.lines.join("\n");
    for needed in [
        format!("  export DODO_PAYMENTS_BASE_URL=http://127.0.0.1:{port}\n"),
        format!("  export DODO_PAYMENTS_CHECKOUT_URL=http://127.0.0.1:{port}\n"),
        "  export DODO_PAYMENTS_API_KEY='it'\\''s a key'\n".to_owned(),
        format!("  export DODO_PAYMENTS_WEBHOOK_KEY={secret}\n"),
        "  export DODO_PAYMENTS_ENVIRONMENT=test_mode\n".to_owned(),
        "Webhooks go to http://127.0.0.1:1/hook".to_owned(),
    ] {
        assert!(text.contains(&needed), "{needed} in\n{text}");
    }
    let second = program().args(["--port", port]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("port {port} is taken")), "{error}");
    assert!(running.terminate(), "SIGTERM is a normal end");
}

#[tokio::test]
async fn variables_configure_the_program() {
    let mut command = program();
    command.env("DODO_SANDBOX_API_KEY", "schlüssel").env("DODO_SANDBOX_PORT", "0");
    command.env("DODO_SANDBOX_NOW", "2026-01-31T10:00:00Z");
    let mut running = Running::spawn(command.arg("serve"));
    assert!(running.lines.join("\n").contains("DODO_PAYMENTS_API_KEY='schlüssel'"));
    for (key, status) in [("schlüssel", 200), ("schlussel", 401)] {
        let request = http().get(format!("{}/products", running.url)).bearer_auth(key);
        assert_eq!(request.send().await.unwrap().status(), status, "{key}");
    }
    let (_, clock) = running.api("GET", "/__sandbox/clock", Value::Null).await;
    assert!(clock.contains("2026-01-31T10:00:"), "{clock}");
    running.child.kill().unwrap();
}

#[test]
fn wrong_arguments_are_named() {
    for (args, code, expected) in [
        (&["--prot", "1"][..], 2, "unexpected argument '--prot'"),
        (&["--port"], 2, "a value is required for '--port"),
        (&["--port", "99999"], 2, "invalid value '99999'"),
        (&["--pages-from", "2"], 2, "2 is not in 0..=1"),
        (&["--now", "yesterday"], 2, "invalid value 'yesterday'"),
        (&["--port", "0", "--webhook-secret", "short"], 1, "a webhook secret is whsec_"),
        (&["--port", "0", "--clock-rate=-1"], 1, "clock rate out of range"),
        (
            &["--port", "0", "--webhook-url", "nowhere"],
            1,
            "url: must be an absolute http or https URL",
        ),
        (&["--port", "0", "--api-key", " "], 1, "unusable API key"),
        (&["--port", "0", "--config", "/nowhere.toml"], 1, "/nowhere.toml: No such file"),
        (&["trigger", "payment.succeeded", "--url", "http://127.0.0.1:1"], 1, "no sandbox at"),
    ] {
        let output = program().args(args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"A local Dodo Payments"));
    let version = program().arg("--version").output().unwrap();
    assert!(version.stdout.starts_with(b"dodo-sandbox 0."));
}

fn temporary(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("dodo-sandbox-{}-{name}", std::process::id()));
    std::fs::remove_dir_all(&path).ok();
    std::fs::create_dir_all(&path).unwrap();
    path
}

const CONFIG: &str = r#"
[[products]]
id = "pdt_pro"
name = "Pro"
currency = "USD"
price = 1900
every = "Month"
license_key = true

[[discounts]]
code = "HALF"
percent = 50

[behavior]
grace_days = 3
"#;

#[tokio::test]
async fn config_file_sets_up_the_account() {
    let directory = temporary("config");
    let path = directory.join("sandbox.toml");
    std::fs::write(&path, CONFIG).unwrap();
    let running = Running::start(&["--config", path.to_str().unwrap()]);
    let cart = json!({
        "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
        "discount_codes": ["HALF"], "billing_address": { "country": "US" },
    });
    let (status, preview) = running.api("POST", "/checkouts/preview", cart).await;
    assert_eq!(status, 200, "{preview}");
    let (_, behavior) = running.api("GET", "/__sandbox/behavior", Value::Null).await;
    assert!(behavior.contains("\"grace_days\":3"), "{behavior}");

    std::fs::write(&path, CONFIG.replace("pdt_pro", "pdt_later")).unwrap();
    let said = running.output(&["seed", path.to_str().unwrap()]);
    assert_eq!(said, "added 1 products, 1 discounts, 0 endpoints\n");
    assert_eq!(running.api("GET", "/products/pdt_later", Value::Null).await.0, 200);

    std::fs::write(&path, "[[products]]\nname = \"Pro\"\npricee = 1\n").unwrap();
    let wrong = running.run(&["seed", path.to_str().unwrap()]);
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(error.contains("unknown field `pricee`") && error.contains("line 3"), "{error}");
}

const SOLD: &str = r#"{"product_cart": [{"product_id": "pdt_pro", "quantity": 1}],
    "customer": {"email": "ada@example.com", "name": "Ada"}, "billing_address": {"country": "DE"}}"#;

/// A subscription with a renewal, and a refund.
async fn business(running: &Running) {
    let (_, session) = running.api("POST", "/checkouts", serde_json::from_str(SOLD).unwrap()).await;
    let session: Value = serde_json::from_str(&session).unwrap();
    let path = format!("/__sandbox/sessions/{}/pay", session["session_id"].as_str().unwrap());
    let (status, paid) = running.api("POST", &path, json!({ "card": "4242424242424242" })).await;
    assert_eq!(status, 200, "{paid}");
    let paid: Value = serde_json::from_str(&paid).unwrap();
    running.api("POST", "/__sandbox/clock", json!({ "days": 29 })).await;
    let refund = json!({ "payment_id": paid["payment_id"] });
    let (status, refund) = running.api("POST", "/refunds", refund).await;
    assert_eq!(status, 200, "{refund}");
}

/// All that the API and the events show.
async fn everything(running: &Running) -> String {
    let mut text = String::new();
    for path in ["/payments", "/subscriptions", "/refunds", "/customers", "/products"] {
        text += &running.api("GET", path, Value::Null).await.1;
        text.push('\n');
    }
    text + &running.output(&["events", "--json"])
}

fn start_with(directory: &Path, config: &str, more: &[&str]) -> Running {
    let path = directory.join("sandbox.toml");
    std::fs::write(&path, config).unwrap();
    let mut args = vec!["--config", path.to_str().unwrap(), "--clock-rate", "0"];
    args.extend(["--public-url", "http://sandbox.test"]);
    args.extend(more);
    let mut running = Running::start(&args);
    if running.url.contains("sandbox.test") {
        running.url = format!("http://127.0.0.1:{}", port_of(running.child.id()));
    }
    running
}

/// The port that a process listens on, as Linux shows it.
fn port_of(process: u32) -> u16 {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| {
            Some(std::fs::read_link(entry.ok()?.path()).ok()?.display().to_string())
        })
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let listening = table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let own = sockets.contains(&format!("socket:[{}]", fields.get(9)?));
        let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        (own && *fields.get(3)? == "0A").then_some(port)
    });
    listening.unwrap()
}

#[tokio::test]
async fn equal_seeds_and_clocks_write_equal_bytes() {
    let directory = temporary("seeded");
    let mut runs = Vec::new();
    for seed in ["7", "7", "8"] {
        let args = ["--seed", seed, "--now", "2026-01-31T10:00:00Z"];
        let running = start_with(&directory, CONFIG, &args);
        business(&running).await;
        running.output(&["trigger", "dispute.lost", "--override", "data.amount=\"123\""]);
        runs.push(everything(&running).await);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2], "another seed makes other ids");
    assert!(runs[0].contains("\"timestamp\":\"2026-02-28T10:00:00"), "{}", runs[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_survives_restart_and_snapshot() {
    let directory = temporary("data");
    let receiver = Receiver::start().await;
    let data = directory.join("data");
    let args = ["--data", data.to_str().unwrap(), "--webhook-url", &receiver.url];
    let running = start_with(&directory, CONFIG, &args);
    receiver.answer(500);
    business(&running).await;
    let idle = |deliveries: &str| !deliveries.contains("\"sending\"");
    while !idle(&running.api("GET", "/__sandbox/deliveries", Value::Null).await.1) {}
    let before = everything(&running).await;
    let snapshot = directory.join("snapshot.jsonl");
    running.output(&["snapshot", snapshot.to_str().unwrap()]);
    assert!(running.terminate());
    let sent = receiver.arrivals().len();
    assert!(sent > 0);

    let again = start_with(&directory, CONFIG, &args);
    assert_eq!(everything(&again).await, before, "after the restart");
    let (_, deliveries) = again.api("GET", "/__sandbox/deliveries", Value::Null).await;
    assert!(deliveries.contains("\"status\":500"), "attempts are kept: {deliveries}");
    again.output(&["reset"]);
    assert!(again.output(&["events"]).is_empty(), "nothing has happened yet");
    again.output(&["reset", "--to", snapshot.to_str().unwrap()]);
    assert_eq!(everything(&again).await, before, "after the snapshot");
    drop(again);

    let broken = data.join("journal.jsonl");
    let text = std::fs::read_to_string(&broken).unwrap();
    std::fs::write(&broken, &text[..text.len() - 5]).unwrap();
    let cut = start_with(&directory, CONFIG, &args);
    assert!(!cut.output(&["events"]).is_empty(), "a line that was cut is left out");
    let customer = json!({ "email": "zoe@example.com", "name": "Zoé" });
    assert_eq!(cut.api("POST", "/customers", customer).await.0, 200);
    let mut second = program();
    let second = second.args(["serve", "--port", "0", "--data", data.to_str().unwrap()]).output();
    let text = String::from_utf8(second.unwrap().stderr).unwrap();
    assert!(text.contains("another sandbox uses the data directory"), "{text}");
    assert!(cut.terminate());

    let mut bytes = std::fs::read(&broken).unwrap();
    let place = bytes.iter().rposition(|byte| !byte.is_ascii()).unwrap();
    let zoe = start_with(&directory, CONFIG, &args);
    let customers = zoe.api("GET", "/customers?email=zoe@example.com", Value::Null).await.1;
    assert!(customers.contains("Zoé"), "a change after a cut line is kept: {customers}");
    drop(zoe);
    bytes.truncate(place);
    std::fs::write(&broken, bytes).unwrap();
    let cut = start_with(&directory, CONFIG, &args);
    assert!(!cut.output(&["events"]).is_empty(), "a letter that was cut is left out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listen_shows_requests_and_deliveries() {
    let receiver = Receiver::start().await;
    let running = Running::start(&["--webhook-url", &receiver.url]);
    let mut listen = program();
    listen.args(["listen", "--json", "--url", &running.url]).stdout(Stdio::piped());
    let mut listen = listen.spawn().unwrap();
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines();
    // The first line shows that the command listens.
    let first = std::thread::spawn(move || (lines.next().unwrap().unwrap(), lines));
    while !first.is_finished() {
        running.api("GET", "/products", Value::Null).await;
    }
    let (first, lines) = first.join().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["path"], &first["status"]), (&json!("/products"), &json!(200)));
    let said = running.output(&["trigger", "payout.success", "--override", "data.amount=77"]);
    assert!(said.starts_with("payout.success msg_"), "{said}");
    let delivery = lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .find(|line| line["kind"] == "delivery" && line["type"] == "payout.success")
        .unwrap();
    listen.kill().unwrap();
    listen.wait().unwrap();
    assert_eq!((&delivery["status"], &delivery["url"]), (&json!(200), &json!(receiver.url)));
    let arrivals = receiver.arrivals();
    let payout = arrivals.iter().find(|own| own.body["type"] == "payout.success").unwrap();
    assert_eq!(payout.body["data"]["amount"], 77);
    let requests = running.output(&["requests"]);
    assert!(requests.starts_with("GET /products 200 "), "{requests}");
}

#[test]
fn damaged_journal_is_named_with_its_line() {
    let directory = temporary("damaged");
    let start = r#"{"seed":1,"now":"2026-01-01T00:00:00Z"}"#;
    for (text, fault) in [
        ("x\n".to_owned(), "not a journal or snapshot of the sandbox"),
        (format!("{start}\nx\n{{}}\n"), "journal line 2 is damaged: delete the line"),
    ] {
        std::fs::write(directory.join("journal.jsonl"), text).unwrap();
        let mut serve = program();
        let serve = serve.args(["serve", "--port", "0", "--data", directory.to_str().unwrap()]);
        let output = serve.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(fault), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_without_certificates_delivers_over_http() {
    let receiver = Receiver::start().await;
    let mut command = program();
    command.args(["serve", "--port", "0", "--webhook-url", &receiver.url]);
    let running =
        Running::spawn(command.env("SSL_CERT_FILE", "/none").env("SSL_CERT_DIR", "/none"));
    running.output(&["trigger", "payment.succeeded"]);
    let idle = |deliveries: &str| deliveries.contains("\"delivered\"");
    while !idle(&running.api("GET", "/__sandbox/deliveries", Value::Null).await.1) {}
    assert!(!receiver.arrivals().is_empty());
}
