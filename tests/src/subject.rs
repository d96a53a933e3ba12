//! One server in this process, and everything it did for one request.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    case::Case,
    client::{self, Reply},
    logs::{LogEvent, Logs},
    record::{Callback, Recorder},
    server::{self, Application, Framework, Settings},
    stub::{Call, Stub},
};

/// A running server with an upstream of its own. It stops when dropped.
#[derive(Debug)]
pub struct Subject {
    /// What the application is mounted in.
    pub framework: Framework,
    /// Where it listens.
    pub address: SocketAddr,
    stub: Stub,
    recorder: Recorder,
    logs: Logs,
    _stop: oneshot::Sender<()>,
}

/// What an application is built from: the same for every framework.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The base URL of the upstream.
    pub upstream: String,
    /// Where callbacks are to be recorded.
    pub recorder: Recorder,
}

impl Subject {
    /// Starts the application on a free port of this machine, on threads of its own.
    pub async fn start<A: Application>(
        framework: Framework,
        build: impl FnOnce(Surroundings) -> A + Send + 'static,
    ) -> io::Result<Self> {
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (recorder, logs) = (Recorder::default(), Logs::default());
        let (own_recorder, own_logs) = (recorder.clone(), logs.clone());

        std::thread::Builder::new().name(format!("{framework}")).spawn(move || {
            own_logs.keep_this_thread();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let stub = Stub::start().await?;
                let surroundings = Surroundings { upstream: stub.url(), recorder: own_recorder };
                let application = build(surroundings);
                let settings = Settings {
                    workers: 1,
                    on_thread_start: Arc::new(move || own_logs.keep_this_thread()),
                    ..Settings::default()
                };
                let _ = ready.send(stub);
                tokio::select! {
                    result = server::serve(framework, listener, application, settings) => result,
                    _ = stopped => Ok(()),
                }
            })
        })?;
        let stub = started.await.map_err(io::Error::other)?;
        Ok(Self { framework, address, stub, recorder, logs, _stop: stop })
    }

    /// Sends a request and gathers what came of it, inside and outside.
    pub async fn observe(&self, case: &Case) -> io::Result<Observed> {
        let reply = client::send(self.address, case).await?;
        Ok(Observed::new(reply, self))
    }

    /// The calls to Dodo's API since the last request.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        self.stub.take_calls()
    }

    /// Everything logged since the last request, at every level and by every library.
    #[must_use]
    pub fn take_logs(&self) -> Vec<LogEvent> {
        self.logs.take()
    }
}

/// What one request led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The status of the answer.
    pub status: u16,
    /// Its headers, values in order, without [those of the server](SERVER_HEADERS).
    pub headers: BTreeMap<String, Vec<String>>,
    /// Its body.
    pub body: String,
    /// The calls to Dodo's API.
    pub upstream: Vec<Call>,
    /// The callbacks that ran.
    pub callbacks: Vec<Callback>,
    /// What dodo-core and its adapters logged, with the address of the upstream taken out.
    pub log: Vec<LogEvent>,
    /// What everybody logged. Not compared: frameworks log what they like.
    pub full_log: Unequal<Vec<LogEvent>>,
}

/// Headers that a server adds on its own and that no middleware has a say in. The length is seen in
/// the body; on a `HEAD`, actix-web and axum send it and hyper alone does not.
pub const SERVER_HEADERS: [&str; 3] = ["connection", "content-length", "date"];

/// Carried along, and never a difference.
#[derive(Clone, Debug)]
pub struct Unequal<T>(pub T);

impl<T> PartialEq for Unequal<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Observed {
    fn new(reply: Reply, subject: &Subject) -> Self {
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in &reply.headers {
            if !SERVER_HEADERS.contains(&name.as_str()) {
                let value = without_time(&String::from_utf8_lossy(value.as_bytes()));
                headers.entry(name.to_string()).or_default().push(value);
            }
        }
        let full_log = subject.logs.take();
        let ours = full_log.iter().filter(|event| event.target.starts_with("dodo"));
        let upstream = subject.stub.url();
        let log = ours.cloned().map(|mut event| {
            event.fields.remove("duration_ms");
            for value in event.fields.values_mut() {
                *value = value.replace(&upstream, "http://upstream");
            }
            event
        });
        Self {
            status: reply.status.as_u16(),
            headers,
            body: String::from_utf8_lossy(&reply.body).into_owned(),
            upstream: subject.stub.take_calls(),
            callbacks: subject.recorder.take(),
            log: log.collect(),
            full_log: Unequal(full_log),
        }
    }
}

/// Shows what the campaign cookie holds, but for the second in which it was written.
#[must_use]
pub fn without_time(value: &str) -> String {
    let opened = || {
        let (payload, attributes) = value.strip_prefix("dodo_campaign=")?.split_once(';')?;
        let mut kept: Value = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
        kept.as_object_mut()?.remove("t")?;
        Some(format!("dodo_campaign={kept};{attributes}"))
    };
    opened().unwrap_or_else(|| value.to_owned())
}
