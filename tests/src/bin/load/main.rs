//! Puts load on the middleware and on what one would write by hand, in one go:
//!
//! ```text
//! cargo run --release -p dodo-tests --bin load -- [--seconds 5] [--connections 32] [--rounds 1]
//! ```
//!
//! Each server is a process of its own, one at a time, with a short warm-up. Where Node is there,
//! `@dodopayments/express` runs too, from `tests/load/node_modules` (`npm install --prefix tests/load
//! express@5.3.0 @dodopayments/express@0.2.6`). The figure to trust on a busy machine is the server's processor
//! time per request.

mod bare;
mod drive;
#[path = "../../../../dodo-core/benches/plain/mod.rs"]
mod plain;

use std::{net::TcpListener, path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use dodo_core::BoxError;
use dodo_tests::{
    case::Case,
    conformance::Conformance,
    delivery::{Delivery, KEY, sample},
    process::Server,
    server::{self, Framework, Settings},
    stub::Stub,
};

/// Ticks per second, in which `/proc` counts processor time.
fn ticks_per_second() -> Result<f64, BoxError> {
    let output = std::process::Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

struct Options {
    seconds: u64,
    connections: usize,
    rounds: usize,
}

fn options() -> Result<Options, BoxError> {
    let mut options = Options { seconds: 5, connections: 32, rounds: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("every option needs a value")?;
        match name.as_str() {
            "--seconds" => options.seconds = value.parse()?,
            "--connections" => options.connections = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

/// A server under load, and its name in the table.
struct Contestant {
    name: String,
    start: Start,
}

/// Starts it against this upstream.
type Start = Box<dyn Fn(&str) -> std::io::Result<Server>>;

fn contestants() -> Result<Vec<Contestant>, BoxError> {
    let own = std::env::current_exe()?;
    let mut all = Vec::new();
    for framework in [Framework::Axum, Framework::Actix] {
        for bare in ["yes", "no"] {
            let own = own.clone();
            all.push(Contestant {
                name: if bare == "yes" {
                    format!("bare {framework}")
                } else {
                    format!("dodo-{framework}")
                },
                start: Box::new(move |upstream| {
                    Server::start(&own, framework, upstream, &["--bare", bare])
                }),
            });
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("load");
    if folder.join("node_modules/@dodopayments/express").exists() {
        let script = folder.join("express.mjs");
        all.push(Contestant {
            name: "express".to_owned(),
            start: Box::new(move |upstream| Server::start_node(&script, upstream)),
        });
    } else {
        println!("express is left out: there is no {}", folder.join("node_modules").display());
    }
    Ok(all)
}

async fn measure(options: &Options) -> Result<(), BoxError> {
    let upstream = Stub::start().await?;
    let paid: serde_json::Value = serde_json::from_slice(&sample("payment.succeeded"))?;
    let webhook = Delivery::new("msg_1", paid.to_string()).to("/api/webhook-bench");
    let order = r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}],"customer":{"email":"a@example.com","name":"A"}}"#;
    let session = Case::post("session", "/api/checkout/session", order);
    let time = Duration::from_secs(options.seconds);
    let ticks = ticks_per_second()?;

    for (what, case) in [("webhook", &webhook), ("session checkout", &session)] {
        println!(
            "\n{what}: {} bytes, {} connections, {} s",
            case.body.len(),
            options.connections,
            options.seconds
        );
        println!(
            "{:14} {:>9} {:>9} {:>9} {:>14} {:>9}",
            "server", "req/s", "p50 us", "p99 us", "cpu us/request", "peak MiB"
        );
        for round in 0..options.rounds {
            for contestant in contestants()? {
                let server = (contestant.start)(&upstream.url())?;
                drive::drive(server.address, case, options.connections, time / 5).await?;
                let before = server.processor_ticks()?;
                let seen = drive::drive(server.address, case, options.connections, time).await?;
                let used = (server.processor_ticks()? - before) as f64 / ticks;
                let _ = upstream.take_calls();
                let count = seen.latencies.len() as f64;
                println!(
                    "{:14} {:9.0} {:9} {:9} {:14.1} {:9.1}{}",
                    contestant.name,
                    count / seen.elapsed.as_secs_f64(),
                    seen.quantile(0.5).as_micros(),
                    seen.quantile(0.99).as_micros(),
                    used / count * 1e6,
                    server.peak_memory()? as f64 / (1024.0 * 1024.0),
                    if options.rounds > 1 {
                        format!("  round {}", round + 1)
                    } else {
                        String::new()
                    },
                );
            }
        }
    }
    Ok(())
}

/// Serves, as a child of this program: `--framework X --listen Y --bare yes|no`.
async fn serve(arguments: &[String]) -> Result<(), BoxError> {
    let [_, framework, _, listen, _, bare] = arguments else {
        return Err("a server needs --framework, --listen and --bare".into());
    };
    let framework: Framework = framework.parse()?;
    let listener = TcpListener::bind(listen)?;
    println!("{framework} listens on http://{}", listener.local_addr()?);
    if bare == "no" {
        server::serve(framework, listener, Conformance::from_env()?, Settings::default()).await?;
        return Ok(());
    }
    let key = STANDARD.decode(KEY.trim_start_matches("whsec_"))?;
    let relay = bare::Relay::new(std::env::var("DODO_PAYMENTS_BASE_URL")?);
    listener.set_nonblocking(true)?;
    match framework {
        Framework::Actix => {
            let app = move || {
                let (key, relay) = (key.clone(), relay.clone());
                actix_web::App::new()
                    .configure(move |config| bare::on_actix::routes(config, key, relay))
            };
            let workers = Settings::default().workers;
            actix_web::HttpServer::new(app).workers(workers).listen(listener)?.run().await?;
        }
        Framework::Axum | Framework::Tower => {
            let router = bare::on_axum::router(key, relay);
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--framework") {
        return serve(&arguments).await;
    }
    measure(&options()?).await
}
