//! A server that notes what it is sent, and misbehaves on demand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the server does with a request after it has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Answers with this status, and `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// Reads everything, takes it, and cuts the connection.
    TakeAndCut,
    /// Cuts the connection without taking anything.
    Cut,
}

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) mood: Mood,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the sender's message arrived, whatever the sender knows.
    pub(crate) fn was_taken(&self) -> bool {
        matches!(self.mood, Mood::Well | Mood::TakeAndCut)
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    mood: Arc<Mutex<Mood>>,
    log: Arc<Mutex<Vec<Received>>>,
    body: Arc<Mutex<String>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, body) = (Mutex::new(Mood::Well), Mutex::new("{}".to_owned()));
        let server = Self { url, mood: mood.into(), log: Arc::default(), body: body.into() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Sets the body of the answer. Default: `{}`.
    pub(crate) fn say(&self, body: &str) {
        body.clone_into(&mut self.body.lock().unwrap());
    }

    pub(crate) fn log(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some((mut received, rest)) = read_request(&mut stream, &mut buffer).await {
            buffer = rest;
            let mood = *self.mood.lock().unwrap();
            received.mood = mood;
            self.log.lock().unwrap().push(received);
            let (status, after) = match mood {
                Mood::Cut | Mood::TakeAndCut => return,
                Mood::Well => (200, None),
                Mood::Status(status, after) => (status, after),
            };
            let after = after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
            let body = self.body.lock().unwrap().clone();
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} Said\r\n{after}content-length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Returns one request, and the bytes after it.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Received, Vec<u8>)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut chunk = [0; 8192];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = words.next().zip(words.next())?;
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = buffer.split_off(end + 4);
    while body.len() < length {
        let mut chunk = [0; 65536];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => body.extend_from_slice(&chunk[..read]),
        }
    }
    let rest = body.split_off(length);
    let at = Instant::now();
    Some((Received { at, mood: Mood::Well, method, path, headers, body }, rest))
}
