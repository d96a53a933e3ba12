//! A sink with a script of answers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use dodo_core::{attribution::AttributionRecord, capture::consent::Consent};
use dodo_ledger::{OutboxRecord, SendOutcome, Sink};

/// The time of a request, and its records with their attempts.
pub(crate) type Call = (Instant, Vec<(String, u32)>);

/// The requests and answers of a sink: the script first, then `Delivered`.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) answers: Arc<Mutex<VecDeque<Answer>>>,
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    pub(crate) dedup_window: Option<Duration>,
    /// From this many calls on it remembers nothing.
    pub(crate) dedups_until: Option<usize>,
    pub(crate) batch: u32,
    /// Panics this often when it is asked how large a batch may be.
    pub(crate) panics: Arc<AtomicU32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Each(SendOutcome),
    /// For each record of a batch its own.
    These(Vec<SendOutcome>),
    Nothing,
    Panic,
    /// Takes the record and never answers.
    Hang,
    Slowly(Duration),
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            batch: 1,
            ..Self::default()
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().flat_map(|(_, batch)| batch.iter().map(|(id, _)| id.clone())).collect()
    }
}

impl Sink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        assert_ne!(record.payment_id, "pay_unclear", "in the sink");
        record.payment_id != "pay_unwanted" && record.consent != Consent::Denied
    }

    fn max_batch(&self) -> u32 {
        let left = |panics: u32| panics.checked_sub(1);
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        assert!(panics.is_err(), "in the sink");
        self.batch
    }

    fn dedup_window(&self) -> Option<Duration> {
        let calls = self.calls.lock().unwrap().len();
        match self.dedups_until {
            Some(enough) if calls >= enough => Some(Duration::ZERO),
            _ => self.dedup_window,
        }
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let ids = records.iter().map(|out| (out.record.id.clone(), out.attempt)).collect();
        self.calls.lock().unwrap().push((Instant::now(), ids));
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.unwrap_or(Answer::Each(SendOutcome::Accepted)) {
            Answer::Each(told) => vec![told; records.len()],
            Answer::These(answers) => answers,
            Answer::Nothing => Vec::new(),
            Answer::Panic => panic!("in the sink"),
            Answer::Hang => std::future::pending().await,
            Answer::Slowly(time) => {
                tokio::time::sleep(time).await;
                vec![SendOutcome::Accepted; records.len()]
            }
        }
    }
}
