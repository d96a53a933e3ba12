//! The log lines of each server.
//!
//! Servers of one process share one subscriber. Each runs on its own threads, and each thread has
//! the name of its server.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, Once, PoisonError},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, Registry, layer::Context, prelude::*};

/// One event, or the opening of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Its level.
    pub level: tracing::Level,
    /// Its target; libraries that speak `log` appear under their own.
    pub target: String,
    /// Its fields, the text under `message`.
    pub fields: BTreeMap<String, String>,
}

/// The events of one server.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<Vec<LogEvent>>>);

thread_local! {
    static OWNER: RefCell<Option<Logs>> = const { RefCell::new(None) };
}

static INSTALL: Once = Once::new();

impl Logs {
    /// Keeps what this thread logs from now on, at every level down to TRACE.
    pub fn keep_this_thread(&self) {
        INSTALL.call_once(|| {
            let subscriber = Registry::default().with(Collector);
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
            tracing_log::LogTracer::init().expect("no other logger");
        });
        OWNER.set(Some(self.clone()));
    }

    /// Answers and clears what was kept.
    #[must_use]
    pub fn take(&self) -> Vec<LogEvent> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Collector;

impl Collector {
    fn keep(&self, metadata: &tracing::Metadata<'_>, fields: Fields) {
        OWNER.with_borrow(|owner| {
            let Some(Logs(events)) = owner else { return };
            let target = fields.0.get("log.target").map_or(metadata.target(), String::as_str);
            events.lock().unwrap_or_else(PoisonError::into_inner).push(LogEvent {
                level: *metadata.level(),
                target: target.to_owned(),
                fields: fields.0,
            });
        });
    }
}

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.keep(event.metadata(), fields);
    }

    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.keep(span.metadata(), fields);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
