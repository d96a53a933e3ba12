//! A proxy between the ledger and its server. It delays answers, and goes silent like a vanished
//! host.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Passes connections on to a server.
pub(crate) struct Proxy {
    port: u16,
    /// Whether answers of the server are held back.
    held: watch::Sender<bool>,
    /// How often the host vanished. Connections of before are silent.
    vanished: watch::Sender<u32>,
    /// The bytes sent to the server.
    sent: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone)]
struct Way {
    held: watch::Receiver<bool>,
    vanished: watch::Receiver<u32>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// In front of the server of a URL.
    pub(crate) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (held, is_held) = watch::channel(false);
        let (vanished, has_vanished) = watch::channel(0);
        let sent = Arc::<Mutex<Vec<u8>>>::default();
        let way = Way { held: is_held, vanished: has_vanished, sent: sent.clone() };
        let server = place(url).to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, way) = (server.clone(), way.clone());
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    way.pass_on(client, server).await;
                });
            }
        });
        Self { port, held, vanished, sent }
    }

    /// The URL by way of the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replacen(place(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Holds the server's answers back, or lets them through.
    pub(crate) fn hold(&self, held: bool) {
        self.sent.lock().unwrap().clear();
        self.held.send_replace(held);
    }

    /// Whether this was sent to the server since.
    pub(crate) fn was_sent(&self, text: &str) -> bool {
        let sent = self.sent.lock().unwrap();
        sent.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// From now on the open connections are silent, without an error. The server drops them. New
    /// connections work.
    pub(crate) fn vanish(&self) {
        self.vanished.send_modify(|times| *times += 1);
    }
}

/// Host and port in a URL.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.split_once('/').unwrap().0;
    rest.rsplit_once('@').map_or(rest, |(_, place)| place)
}

impl Way {
    async fn pass_on(mut self, client: TcpStream, server: TcpStream) {
        let (mut from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let vanished = *self.vanished.borrow();
        let mut gone = self.vanished.clone();
        tokio::select! {
            () = self.clone().requests(&mut from_client, to_server) => {}
            () = self.answers(from_server, &to_client) => {}
            () = async { drop(gone.wait_for(|times| *times != vanished).await) } => {
                // The server's side is closed. The client's stays, and swallows what it gets.
                let mut swallowed = [0; 1024];
                while from_client.read(&mut swallowed).await.is_ok_and(|read| read > 0) {}
            }
        }
    }

    async fn requests(self, client: &mut OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = client.read(&mut buffer).await {
            if server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            self.sent.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    }

    async fn answers(&mut self, mut server: OwnedReadHalf, client: &OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = server.read(&mut buffer).await {
            if self.held.wait_for(|held| !held).await.is_err() {
                return;
            }
            let mut left = &buffer[..read];
            while !left.is_empty() {
                if client.writable().await.is_err() {
                    return;
                }
                match client.try_write(left) {
                    Ok(written) => left = &left[written..],
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
    }
}
