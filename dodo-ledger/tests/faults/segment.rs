//! A fake Segment that fails in every way on demand, and stores its requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The behavior after it has read a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    Well,
    Broken,
    /// 429 with `Retry-After`.
    Busy,
    /// Never answers.
    Silent,
    /// Cuts the connection.
    Cut,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct SendOutcome {
    pub(crate) at: Instant,
    pub(crate) mood: Mood,
    pub(crate) ids: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) url: String,
    pub(crate) retry_after: Duration,
    mood: Arc<Mutex<Mood>>,
    log: Arc<Mutex<Vec<SendOutcome>>>,
}

impl Segment {
    pub(crate) async fn start(retry_after: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(Mood::Well));
        let segment = Self { url, retry_after, mood, log: Arc::default() };
        let serving = segment.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        segment
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn log(&self) -> Vec<SendOutcome> {
        self.log.lock().unwrap().clone()
    }

    /// How many requests it met in each mood.
    pub(crate) fn requests(&self) -> BTreeMap<Mood, usize> {
        let mut requests = BTreeMap::new();
        for told in self.log.lock().unwrap().iter() {
            *requests.entry(told.mood).or_default() += 1;
        }
        requests
    }

    async fn serve(&self, mut stream: TcpStream) {
        while let Some(ids) = read(&mut stream).await {
            let mood = *self.mood.lock().unwrap();
            self.log.lock().unwrap().push(SendOutcome { at: Instant::now(), mood, ids });
            let (status, retry_after) = match mood {
                Mood::Cut => return,
                Mood::Silent => return std::future::pending().await,
                Mood::Well => (200, String::new()),
                Mood::Broken => (500, String::new()),
                Mood::Busy => (429, format!("retry-after: {}\r\n", self.retry_after.as_secs())),
            };
            let answer =
                format!("HTTP/1.1 {status} Said\r\n{retry_after}content-length: 2\r\n\r\n{{}}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The message ids of one request. Nothing may follow before it is answered.
async fn read(stream: &mut TcpStream) -> Option<Vec<String>> {
    let mut request = Vec::new();
    let body = loop {
        let mut chunk = [0; 65536];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend_from_slice(&chunk[..read]),
        }
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        if request.len() >= end + 4 + length.trim().parse::<usize>().ok()? {
            break request.split_off(end + 4);
        }
    };
    let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let id = |event: &serde_json::Value| event["messageId"].as_str().map(str::to_owned);
    body["batch"].as_array()?.iter().map(id).collect()
}
