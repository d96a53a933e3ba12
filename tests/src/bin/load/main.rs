//! Puts load on the middleware and on what one would write by hand, in one go:
//!
//! ```text
//! cargo run --release -p dodo-tests --bin load -- [--seconds 5] [--connections 32] [--rounds 1] [--instructions 0]
//! ```
//!
//! Each server is a process of its own, one at a time, with a short warm-up. If Node is installed,
//! `@dodopayments/express` also runs, from `tests/load/node_modules` (`npm install --prefix
//! tests/load express@5.3.0 @dodopayments/express@0.2.6`). The figure to trust on a busy machine is
//! the server's processor time per request. With `--instructions 50` the servers run under
//! `valgrind`, answer so many requests over each connection, and the instructions of one are
//! printed: they do not depend on what else the machine does.

mod bare;
mod drive;
mod instructions;
mod ours;
#[path = "../../../../dodo-core/benches/plain/mod.rs"]
mod plain;

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use actix_web::{App, HttpServer, web::ServiceConfig};
use dodo_core::BoxError;
use dodo_tests::{
    case::Case,
    delivery::{Delivery, KEY, sample},
    process::Server,
    server::Framework,
    stub::Stub,
};

use self::{bare::Bare, drive::Until, instructions::Asked, ours::Ours};

/// Ticks per second, in which `/proc` counts processor time.
fn ticks_per_second() -> Result<f64, BoxError> {
    let output = std::process::Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

struct Options {
    seconds: u64,
    connections: usize,
    rounds: usize,
    instructions: usize,
}

fn options() -> Result<Options, BoxError> {
    let mut options = Options { seconds: 5, connections: 32, rounds: 1, instructions: 0 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("every option needs a value")?;
        match name.as_str() {
            "--seconds" => options.seconds = value.parse()?,
            "--connections" => options.connections = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--instructions" => options.instructions = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

/// A server under load, its name in the table, and how it is started.
struct Contestant {
    name: String,
    command: Command,
}

fn contestants() -> Result<Vec<Contestant>, BoxError> {
    let own = std::env::current_exe()?;
    let mut all = Vec::new();
    for framework in [Framework::Axum, Framework::Actix] {
        for (bare, by) in [("yes", "bare "), ("no", "dodo-")] {
            let name = format!("{by}{framework}");
            let mut command = Command::new(&own);
            command.args(["--framework", &framework.to_string(), "--listen", "127.0.0.1:0"]);
            command.args(["--bare", bare]);
            all.push(Contestant { name, command });
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("load");
    if folder.join("node_modules/@dodopayments/express").exists() {
        let mut command = Command::new("node");
        command.arg(folder.join("express.mjs")).env("NODE_ENV", "production");
        all.push(Contestant { name: "express".to_owned(), command });
    } else {
        println!("express is left out: there is no {}", folder.join("node_modules").display());
    }
    Ok(all)
}

/// The requests and their names.
fn cases() -> Result<[(&'static str, Case); 2], BoxError> {
    let paid: serde_json::Value = serde_json::from_slice(&sample("payment.succeeded"))?;
    let webhook = Delivery::new("msg_1", paid.to_string()).to("/api/webhook-bench");
    let order = r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}],"customer":{"email":"a@example.com","name":"A"}}"#;
    let session = Case::post("session", "/api/checkout/session", order);
    Ok([("webhook", webhook), ("session checkout", session)])
}

async fn count_instructions(options: &Options) -> Result<(), BoxError> {
    let upstream = Stub::start().await?;
    for (what, case) in cases()? {
        println!("\n{what}: {} bytes, {} connections", case.body.len(), options.connections);
        for contestant in contestants()? {
            if contestant.name == "express" {
                continue; // Node compiles while it runs.
            }
            let asked = Asked {
                server: &contestant.command,
                upstream: &upstream.url(),
                case: &case,
                connections: options.connections,
            };
            let count = asked.per_request(options.instructions).await?;
            println!("{:14} {count:>9} instructions/request", contestant.name);
            let _ = upstream.take_calls();
        }
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<(), BoxError> {
    let upstream = Stub::start().await?;
    let time = Duration::from_secs(options.seconds);
    let ticks = ticks_per_second()?;

    for (what, case) in cases()? {
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
            for mut contestant in contestants()? {
                let server = Server::run(&mut contestant.command, &upstream.url())?;
                drive::drive(server.address, &case, options.connections, Until::Passed(time / 5))
                    .await?;
                let before = server.processor_ticks()?;
                let seen =
                    drive::drive(server.address, &case, options.connections, Until::Passed(time))
                        .await?;
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
    listener.set_nonblocking(true)?;
    let upstream = std::env::var("DODO_PAYMENTS_BASE_URL")?;
    match (framework, bare.as_str()) {
        (Framework::Actix, "yes") => {
            let bare = Bare::new(KEY, &upstream)?;
            on_actix(listener, move |config| bare::on_actix::routes(config, bare.clone())).await
        }
        (Framework::Actix, _) => {
            let ours = Ours::new(KEY, &upstream)?;
            on_actix(listener, move |config| ours::on_actix::routes(config, ours.clone())).await
        }
        (_, "yes") => on_axum(listener, bare::on_axum::router(Bare::new(KEY, &upstream)?)).await,
        (_, _) => on_axum(listener, ours::on_axum::router(Ours::new(KEY, &upstream)?)).await,
    }
}

async fn on_axum(listener: TcpListener, router: axum::Router) -> Result<(), BoxError> {
    Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?)
}

async fn on_actix(
    listener: TcpListener,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<(), BoxError> {
    let workers = std::thread::available_parallelism()?.get();
    let app = move || App::new().configure(|config| routes(config));
    Ok(HttpServer::new(app).workers(workers).listen(listener)?.run().await?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--framework") {
        return serve(&arguments).await;
    }
    let options = options()?;
    if options.instructions > 0 {
        return count_instructions(&options).await;
    }
    measure(&options).await
}
