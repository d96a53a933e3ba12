//! The client's side: one connection per request, nothing added that a case does not say.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::case::Case;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// All its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Sends a case, with `Host: merchant.example` unless the case has a `Host` of its own.
pub async fn send(server: SocketAddr, case: &Case) -> io::Result<Reply> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);

    let mut request = Request::builder()
        .method(case.method.clone())
        .uri(case.target())
        .body(Full::new(Bytes::from(case.body.clone())))
        .map_err(io::Error::other)?;
    *request.headers_mut() = case.headers.clone();
    request
        .headers_mut()
        .entry(header::HOST)
        .or_insert(header::HeaderValue::from_static("merchant.example"));

    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    connection.abort();
    Ok(Reply { status: parts.status, headers: parts.headers, body })
}

/// Writes bytes as they are and reads until the server closes: for requests that no client would
/// send.
pub async fn raw(server: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
