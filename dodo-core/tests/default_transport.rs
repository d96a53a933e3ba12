//! The transport for production against servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![cfg(feature = "reqwest")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use dodo_core::{Client, Environment, Error, ErrorKind, client::ApiError};
use http::Method;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// A server that does the same with every connection, and how many there were.
fn serve(
    act: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            // A client may disconnect.
            let _ = act(stream.unwrap());
        }
    });
    (port, connections)
}

/// Reads a request's head; these requests have no body to speak of.
fn read(stream: &mut impl Read) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    stream.read(&mut buffer).map(|_| ())
}

async fn call(base: String, method: Method) -> Result<serde_json::Value, Error> {
    let client = Client::builder("sk_test_CANARY", Environment::Live)
        .base_url(base)
        .connect_timeout(Duration::from_secs(2))
        .max_retries(0)
        .build()?;
    client.call(method, "/things", &[], None).await
}

#[tokio::test]
async fn redirects_are_not_followed_and_the_key_goes_nowhere_else() {
    let (elsewhere, visits) = serve(|_| Ok(()));
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (port, _) = serve(move |mut stream| {
            read(&mut stream)?;
            write!(
                stream,
                "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
            )
        });
        for method in [Method::GET, Method::POST] {
            let error = call(format!("http://127.0.0.1:{port}"), method).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UpstreamFailed, "{status}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_are_read_up_to_a_limit() {
    for (length, header) in [(1 << 20, true), (1 << 20, false), (11 << 20, true), (64 << 20, false)]
    {
        let (port, _) = serve(move |mut stream| {
            read(&mut stream)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n")?;
            if header {
                write!(stream, "content-length: {}\r\n", length + 2)?;
            }
            stream.write_all(b"\r\n\"")?;
            let chunk = vec![b'x'; 1 << 16];
            for _ in 0..length >> 16 {
                stream.write_all(&chunk)?;
            }
            stream.write_all(b"\"")
        });
        let answer = call(format!("http://127.0.0.1:{port}"), Method::GET).await;
        let expected = (length > 10 << 20).then_some(ErrorKind::UpstreamFailed);
        assert_eq!(answer.err().map(|e| e.kind()), expected, "{length} {header}");
    }
}

#[tokio::test]
async fn server_without_trusted_certificate_gets_no_request() {
    let pem = |name: &str| format!("{}/../tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(pem("self-signed.cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("self-signed.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let (port, connections) = serve(move |stream| {
        let session =
            rustls::ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(session, stream);
        read(&mut stream)?;
        count.fetch_add(1, Ordering::SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    });
    let error = call(format!("https://localhost:{port}"), Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert!(connections.load(Ordering::SeqCst) > 0, "the server was not asked at all");
    assert_eq!(answered.load(Ordering::SeqCst), 0, "a request was sent");
}

#[tokio::test]
async fn closed_port_is_upstream_failure_without_secret() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = call(format!("http://127.0.0.1:{port}"), Method::GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert!(ApiError::from_error(&error).is_some_and(|failure| failure.status().is_none()));
    let shown = format!("{error:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
}
