//! What a session checkout costs beyond relaying it: CPU time of the thread per request, for the
//! endpoint and for a bare relay over the same HTTP client, in turns, against the same stub.
//!
//! ```text
//! cargo run --release -p dodo-core --example session_cost
//! ```
//!
//! `-- bare` and `-- ours` run one round of one of the two alone, to count its instructions:
//!
//! ```text
//! valgrind --tool=callgrind target/release/examples/session_cost ours
//! ```
//!
//! No web server is in the measured thread, so that its cost does not make the difference look small.
//! Linux only: the time is read from `/proc/thread-self/schedstat`.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for the command line; a missing member of JSON reads as null"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use bytes::Bytes;
use dodo_core::{BoxError, Client, Environment, checkout::SessionCheckout, endpoint::Endpoint};
use http::Request;
use serde_json::{Value, json};

const ROUNDS: usize = 9;
const REQUESTS: usize = 4_000;
const CONCURRENT: usize = 16;
const KEY: &str = "sk_test_cost";

/// Answers every request on every connection with a session.
fn stub() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let body = r#"{"session_id":"cks_1","checkout_url":"https://test.checkout.dodopayments.com/session/cks_1"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut line, mut request) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap_or(0);
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        request.resize(length, 0);
        reader.read_exact(&mut request)?;
        stream.write_all(answer.as_bytes())?;
    }
}

/// A handler without this crate.
async fn relay(http: &reqwest::Client, url: &str, body: &Bytes) -> Result<Bytes, BoxError> {
    let mut fields: Value = serde_json::from_slice(body)?;
    fields["return_url"] = json!("https://shop.example/thanks");
    let request = http
        .post(format!("{url}/checkouts"))
        .bearer_auth(KEY)
        .header("content-type", "application/json")
        .body(fields.to_string());
    let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
    Ok(Bytes::from(json!({ "checkout_url": answer["checkout_url"] }).to_string()))
}

/// Nanoseconds that this thread was on a CPU.
fn cpu() -> Result<u64, BoxError> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("an empty schedstat")?.parse()?)
}

/// Microseconds of CPU per request.
async fn measure<F, Fut>(request: F) -> Result<f64, BoxError>
where
    F: Fn() -> Fut + Clone + 'static,
    Fut: Future<Output = Result<(), BoxError>> + 'static,
{
    let before = cpu()?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONCURRENT {
        let request = request.clone();
        tasks.spawn_local(async move {
            for _ in 0..REQUESTS / CONCURRENT {
                request().await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok((cpu()? - before) as f64 / REQUESTS as f64 / 1_000.0)
}

async fn compare() -> Result<(), BoxError> {
    let url = stub()?;
    let body = Bytes::from_static(
        br#"{"product_cart":[{"product_id":"pdt_QMDuvLkbVzCRWRQjLNcs","quantity":1}],"customer":{"email":"test@example.com","name":"test"},"metadata":{"plan":"pro"}}"#,
    );
    let http = reqwest::Client::builder().tls_backend_preconfigured(tls()?).build()?;
    let client = Client::builder(KEY, Environment::Live)
        .base_url(&url)
        .return_url("https://shop.example/thanks")
        .build()?;
    let endpoint = SessionCheckout::builder(client).build()?;

    let bare = move |body: Bytes| {
        let (http, url) = (http.clone(), url.clone());
        async move { relay(&http, &url, &body).await.map(|_| ()) }
    };
    let ours = move |body: Bytes| {
        let endpoint = endpoint.clone();
        async move {
            let request = Request::post("/api/checkout")
                .header("host", "shop.example")
                .header("content-type", "application/json")
                .body(body)?;
            let status = endpoint.handle(request).await.status();
            if status == 200 { Ok(()) } else { Err(BoxError::from(status.to_string())) }
        }
    };
    match std::env::args().nth(1).as_deref() {
        Some("bare") => return measure(move || bare(body.clone())).await.map(drop),
        Some("ours") => return measure(move || ours(body.clone())).await.map(drop),
        _ => {}
    }
    let (mut bare_costs, mut our_costs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (bare, ours, one, two) = (bare.clone(), ours.clone(), body.clone(), body.clone());
        let bare = measure(move || bare(one.clone())).await?;
        let ours = measure(move || ours(two.clone())).await?;
        // The first round opens connections and warms caches.
        if round > 0 {
            println!("round {round}: bare relay {bare:.1} us, session checkout {ours:.1} us");
            bare_costs.push(bare);
            our_costs.push(ours);
        }
    }
    let (bare, ours) = (median(bare_costs), median(our_costs));
    println!(
        "median: bare relay {bare:.1} us, session checkout {ours:.1} us, ratio {:.2}",
        ours / bare
    );
    Ok(())
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN)
}

/// reqwest has no TLS backend of its own in this workspace, and makes a client only with one.
fn tls() -> Result<rustls::ClientConfig, BoxError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?.with_platform_verifier()?;
    Ok(builder.with_no_client_auth())
}

fn main() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, compare())
}
