//! A client that writes its whole body before it reads gets the answer of a refused request. nginx and
//! other proxies are such clients: an answer that comes with a closed connection is a 502 to them.

use std::{io, net::SocketAddr, time::Duration};

use dodo_tests::{conformance::Conformance, fixture::Shop, server::Framework, subject::Subject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const KIB: usize = 1024;

/// Writes everything, then reads. Writes in small pieces, as a body arrives over a network.
async fn write_then_read(server: SocketAddr, head: &str, body: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; 16 * KIB];
    let mut left = body;
    while left > 0 {
        let size = left.min(piece.len());
        stream.write_all(&piece[..size]).await?;
        left -= size;
        // The server gets to run, and to close the connection if it does not read on.
        sleep(Duration::from_millis(1)).await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn announced(method: &str, path: &str, body: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {body}\r\n\r\n"
    )
}

#[tokio::test]
async fn refused_request_is_answered_after_its_body() {
    for framework in Framework::ALL {
        let subject = Subject::start(framework, Conformance::surrounded).await.unwrap();
        for (method, path, body, status) in [
            ("POST", "/api/webhook", 600 * KIB, "413"),
            ("POST", "/api/webhook", 1000 * KIB, "413"),
            ("POST", "/api/checkout/session", 600 * KIB, "413"),
            ("PUT", "/api/webhook", 600 * KIB, "405"),
            ("DELETE", "/api/checkout/static", 600 * KIB, "405"),
            ("POST", "/api/me/portal", 1000 * KIB, "405"),
            ("POST", "/api/webhook", 200 * KIB, "401"),
        ] {
            let head = announced(method, path, body);
            let sent = write_then_read(subject.address, &head, body);
            let answer = timeout(Duration::from_secs(60), sent).await.expect("an answer");
            let answer = answer.unwrap_or_else(|error| {
                panic!("{framework}: {method} {path} with {body} bytes: {error}")
            });
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{framework}: {method} {path} with {body} bytes: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn late_body_of_a_browser_goes_to_the_error_page() {
    for framework in Framework::ALL {
        let subject = Subject::start(framework, Shop::surrounded).await.unwrap();
        for (accept, status, location) in
            [("text/html", "303", Some("/oops?code=body_timeout")), ("*/*", "408", None)]
        {
            let head = announced("POST", "/checkout/impatient", 10);
            let head = head.replace("host: x", &format!("host: x\r\naccept: {accept}"));
            let answer = write_then_read(subject.address, &head, 3).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{framework}: {answer}");
            let line = |location| answer.contains(&format!("location: {location}\r\n"));
            assert!(location.is_none_or(line), "{framework}: {answer}");
        }
    }
}
