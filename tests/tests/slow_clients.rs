//! Clients that send one byte per second must not block others, and must be disconnected.
//!
//! Against real processes, with the limits that a merchant gets: bodies are cut off by the endpoint's
//! deadline, heads by the server's own timeout.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, time::Duration};

use dodo_tests::{
    client,
    delivery::{Delivery, sample},
    process::Server,
    server::Framework,
    stub::Stub,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
};

const SLOW_BODIES: usize = 450;
const SLOW_HEADS: usize = 50;
const GOOD: usize = 100;
const MEMORY: u64 = 150 << 20;

/// One framework at a time: all slow clients need a file descriptor here.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Sends `start`, then a byte per second until the server has enough. Says what it answered.
async fn dribble(mut stream: TcpStream) -> String {
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let reading = read.read_to_end(&mut answer);
    let writing = async {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            if write.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! { _ = reading => {}, () = writing => {} }
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).unwrap_or("closed").to_owned()
}

async fn connect(server: SocketAddr, start: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(start.as_bytes()).await?;
    Ok(stream)
}

async fn good_traffic(server: SocketAddr) {
    for n in 0..GOOD {
        let case =
            Delivery::new(&format!("msg_{n}"), sample("payment.succeeded")).to("/api/webhook");
        assert_eq!(client::send(server, &case).await.unwrap().status, 200, "delivery {n}");
    }
}

async fn slow_clients(framework: Framework) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let upstream = Stub::start().await.unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_conformance"));
    let server = Server::start(binary, framework, &upstream.url(), &[]).unwrap();
    let address = server.address;

    let mut clients = JoinSet::new();
    for n in 0..SLOW_BODIES {
        let path = ["/api/webhook", "/api/checkout/session"][n % 2];
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90000\r\n\r\n"
        );
        clients.spawn(dribble(connect(address, &head).await.unwrap()));
    }
    for _ in 0..SLOW_HEADS {
        clients
            .spawn(dribble(connect(address, "POST /api/webhook HTTP/1.1\r\nx: ").await.unwrap()));
    }
    good_traffic(address).await;
    assert!(clients.try_join_next().is_none(), "{framework}: no client was slow any longer");

    let mut ends = BTreeMap::<String, usize>::new();
    while let Some(end) = clients.join_next().await {
        *ends.entry(end.unwrap()).or_default() += 1;
    }
    good_traffic(address).await;
    let peak = server.peak_memory().unwrap();
    println!("{framework}: {ends:?}, at most {} KiB", peak / 1024);
    assert_eq!(ends.values().sum::<usize>(), SLOW_BODIES + SLOW_HEADS);
    assert!(ends.keys().all(|end| end == "408" || end == "closed"), "{framework}: {ends:?}");
    assert!(ends.get("408").is_some_and(|late| *late >= SLOW_BODIES), "{framework}: {ends:?}");
    assert!(peak < MEMORY, "{framework}: {peak} bytes");
}

#[tokio::test]
async fn axum() {
    slow_clients(Framework::Axum).await;
}

#[tokio::test]
async fn actix() {
    slow_clients(Framework::Actix).await;
}

#[tokio::test]
async fn tower() {
    slow_clients(Framework::Tower).await;
}
