//! Requests over keep-alive connections, as many as there is time for.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dodo_tests::case::Case;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// The measurements from outside.
pub(crate) struct Seen {
    /// How long each request took, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Seen {
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let index = (self.latencies.len() as f64 * part) as usize;
        self.latencies[index.min(self.latencies.len() - 1)]
    }
}

/// When it is enough.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Passed(Duration),
    /// So many requests were sent over each connection.
    Sent(usize),
}

/// Sends `case` again and again over so many connections; every answer must be a 200.
pub(crate) async fn drive(
    server: SocketAddr,
    case: &Case,
    connections: usize,
    until: Until,
) -> io::Result<Seen> {
    let started = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..connections {
        all.spawn(connection(server, case.clone(), started, until));
    }
    let mut latencies = Vec::new();
    while let Some(one) = all.join_next().await {
        latencies.extend(one.map_err(io::Error::other)??);
    }
    latencies.sort_unstable();
    Ok(Seen { latencies, elapsed: started.elapsed() })
}

async fn connection(
    server: SocketAddr,
    case: Case,
    all_started: Instant,
    until: Until,
) -> io::Result<Vec<Duration>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let body = Bytes::from(case.body.clone());
    let mut latencies = Vec::new();
    let go_on = |sent| match until {
        Until::Passed(time) => all_started.elapsed() < time,
        Until::Sent(requests) => sent < requests,
    };
    while go_on(latencies.len()) {
        let request = Request::builder().method(case.method.clone()).uri(case.target());
        let mut request = request.body(Full::new(body.clone())).map_err(io::Error::other)?;
        *request.headers_mut() = case.headers.clone();
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("merchant.example"));
        let started = Instant::now();
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        response.into_body().collect().await.map_err(io::Error::other)?;
        if status != 200 {
            return Err(io::Error::other(format!("{} answered {status}", case.target())));
        }
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}
