use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ProductId;

/// A product of Dodo Payments, as far as checkout needs it; the rest is in [`raw`](Self::raw).
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Map<String, Value>")]
#[non_exhaustive]
pub struct Product {
    raw: Map<String, Value>,
}

impl From<Map<String, Value>> for Product {
    fn from(raw: Map<String, Value>) -> Self {
        Self { raw }
    }
}

impl Product {
    /// Whether it is sold as a subscription. `None` if Dodo did not say.
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

    /// Everything that Dodo said about it.
    #[must_use]
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }
}

/// Products that were looked up, for a while. Bounded, because ids come from clients.
pub(super) struct ProductCache {
    time: Duration,
    entries: Mutex<HashMap<ProductId, (Instant, Product)>>,
}

/// More products than this are not remembered.
const MAX_ENTRIES: usize = 1_000;

impl ProductCache {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, entries: Mutex::default() }
    }

    pub(super) fn get(&self, id: &ProductId) -> Option<Product> {
        let entries = self.lock();
        let (at, product) = entries.get(id)?;
        (at.elapsed() < self.time).then(|| product.clone())
    }

    pub(super) fn put(&self, id: &ProductId, product: &Product) {
        if self.time.is_zero() {
            return;
        }
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, (at, _)| at.elapsed() < self.time);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(id.clone(), (Instant::now(), product.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProductId, (Instant, Product)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ProductCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProductCache").field("time", &self.time).finish_non_exhaustive()
    }
}
