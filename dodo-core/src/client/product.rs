use std::{
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, ProductId};

/// A product of Dodo Payments, with the fields that a checkout needs. The other fields are in
/// [`raw`](Self::raw).
///
/// `Debug` shows the id only.
#[derive(Clone, Deserialize)]
#[serde(from = "Map<String, Value>")]
#[non_exhaustive]
pub struct CatalogProduct {
    raw: Map<String, Value>,
}

impl From<Map<String, Value>> for CatalogProduct {
    fn from(raw: Map<String, Value>) -> Self {
        Self { raw }
    }
}

impl CatalogProduct {
    /// Whether the product is sold as a subscription. `None`: the answer does not have it.
    #[must_use]
    pub fn is_recurring(&self) -> Option<bool> {
        let by_price = || match self.raw.get("price")?.get("type")?.as_str()? {
            "one_time_price" => Some(false),
            "recurring_price" | "usage_based_price" => Some(true),
            _ => None,
        };
        self.raw.get("is_recurring").and_then(Value::as_bool).or_else(by_price)
    }

    /// The name that customers see.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.raw.get("name").and_then(Value::as_str)
    }

    /// The whole answer of Dodo Payments.
    #[must_use]
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }
}

impl fmt::Debug for CatalogProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.raw.get("product_id").and_then(Value::as_str);
        f.debug_struct("CatalogProduct").field("product_id", &id).finish_non_exhaustive()
    }
}

/// Lookups of products. Ids come from clients, and a client must not be able to exhaust the
/// merchant's rate limit. So the cache stores answers and failures, and each id has one lookup at a
/// time.
pub(super) struct ProductCache {
    time: Duration,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    found: Kept<CatalogProduct>,
    failed: Kept<Error>,
    running: HashMap<ProductId, Arc<Mutex<Flight>>>,
}

/// The time for which an unknown id is cached. It is short, because a merchant adds products.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// The time for which any other failure is cached.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// The cache keeps at most this number of products, and of failures.
const MAX_ENTRIES: usize = 1_000;

impl ProductCache {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, entries: Mutex::default() }
    }

    /// Returns the cached answer, else waits for the running lookup, else runs `look_up`.
    pub(super) async fn get<F>(
        &self,
        id: &ProductId,
        look_up: impl FnOnce() -> F,
    ) -> Result<CatalogProduct, Error>
    where
        F: Future<Output = Result<CatalogProduct, Error>>,
    {
        if self.time.is_zero() {
            return look_up().await;
        }
        let landing = loop {
            let flight = {
                let mut entries = self.lock();
                if let Some(product) = entries.found.get(id) {
                    return Ok(product.clone());
                }
                if let Some(error) = entries.failed.get(id) {
                    return Err(error.repeat());
                }
                match entries.running.get(id) {
                    Some(flight) => Arc::clone(flight),
                    None => {
                        let flight = Arc::<Mutex<Flight>>::default();
                        entries.running.insert(id.clone(), Arc::clone(&flight));
                        break Landing { cache: self, id, flight };
                    }
                }
            };
            landed(&flight).await;
        };
        let result = look_up().await;
        let mut entries = self.lock();
        match &result {
            Ok(product) => entries.found.put(id.clone(), product.clone(), self.time),
            Err(error) => {
                let time = match error.kind() {
                    ErrorKind::NotFound => UNKNOWN_FOR,
                    _ => FAILED_FOR,
                };
                entries.failed.put(id.clone(), error.repeat(), time.min(self.time));
            }
        }
        drop(entries);
        drop(landing);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running lookup. Other callers wait for its end.
#[derive(Default)]
struct Flight {
    landed: bool,
    waiting: Vec<Waker>,
}

async fn landed(flight: &Mutex<Flight>) {
    poll_fn(|cx| {
        let mut flight = flight.lock().unwrap_or_else(PoisonError::into_inner);
        if flight.landed {
            return Poll::Ready(());
        }
        if !flight.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            flight.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    })
    .await;
}

/// Ends a lookup, even if its future is dropped.
struct Landing<'a> {
    cache: &'a ProductCache,
    id: &'a ProductId,
    flight: Arc<Mutex<Flight>>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.cache.lock().running.remove(self.id);
        let mut flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        flight.landed = true;
        flight.waiting.drain(..).for_each(Waker::wake);
    }
}

/// A cache with expiring values and a limited size.
struct Kept<V>(HashMap<ProductId, (Instant, V)>);

impl<V> Default for Kept<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> Kept<V> {
    fn get(&self, id: &ProductId) -> Option<&V> {
        let (until, value) = self.0.get(id)?;
        (Instant::now() < *until).then_some(value)
    }

    fn put(&mut self, id: ProductId, value: V, time: Duration) {
        let now = Instant::now();
        let Some(until) = now.checked_add(time) else { return };
        if self.0.len() >= MAX_ENTRIES {
            self.0.retain(|_, (until, _)| now < *until);
        }
        if self.0.len() >= MAX_ENTRIES {
            self.0.clear();
        }
        self.0.insert(id, (until, value));
    }
}

impl fmt::Debug for ProductCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProductCache").field("time", &self.time).finish_non_exhaustive()
    }
}
