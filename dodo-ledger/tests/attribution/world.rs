//! The same stories on every store.

use std::collections::BTreeMap;

use std::time::Duration;

use dodo_core::{
    attribution::AttributionRecord,
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::Inbox,
};
use dodo_ledger::{Identity, Ledger, attribution::Rules};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    memory::MemoryLedger,
    payloads::{Delivery, day},
    reconcile::api,
    support::{hooks, work},
};

/// What happens in a story.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Deliver(Delivery),
    /// No delivery: the API is asked for the object, as it is in one. A ledger with a store asks now.
    Asked(Delivery, Timestamp),
    /// A checkout session was made and this was captured.
    Bind(String, Value),
    /// The application said whose address this is.
    Identify {
        email: String,
        visitor: String,
    },
}

impl From<Delivery> for Act {
    fn from(delivery: Delivery) -> Self {
        Self::Deliver(delivery)
    }
}

/// The API is asked for an object that a delivery might have brought: it knows when it was made.
pub(crate) fn asked(delivery: Delivery, at: Timestamp) -> Act {
    let mut object = delivery;
    let data = &object.body["data"];
    let id = data["refund_id"].as_str().or(data["payment_id"].as_str()).unwrap();
    object.id = format!("asked_{id}");
    let (made_at, business) = (data["created_at"].clone(), data["business_id"].clone());
    (object.body["timestamp"], object.body["business_id"]) = (made_at, business);
    Act::Asked(object, at)
}

/// A checkout session was made and this was captured.
pub(crate) fn bind(session: &str, context: Value) -> Act {
    let mut all = json!({ "captured_at": day(0).to_string() });
    all.as_object_mut().unwrap().extend(context.as_object().unwrap().clone());
    Act::Bind(session.to_owned(), all)
}

pub(crate) fn identified(email: &str, visitor: &str) -> Act {
    Act::Identify { email: email.to_owned(), visitor: visitor.to_owned() }
}

/// A ledger that stories happen to.
#[derive(Debug)]
pub(crate) enum World {
    Memory(Box<MemoryLedger>),
    Stored(Ledger),
}

impl World {
    pub(crate) fn in_memory(rules: &Rules) -> Self {
        Self::Memory(Box::new(MemoryLedger::new(rules)))
    }

    pub(crate) async fn act(&mut self, act: &Act) {
        match self {
            Self::Memory(ledger) => {
                ledger.act(act);
            }
            Self::Stored(ledger) => match act {
                Act::Deliver(delivery) => {
                    ledger.accept(&delivery.event()).await.unwrap();
                }
                Act::Asked(object, _) => {
                    let data = object.body["data"].clone();
                    let (refunds, payments): (Vec<Value>, Vec<Value>) =
                        [data].into_iter().partition(|object| object["refund_id"].is_string());
                    let (client, _) = api(payments, refunds);
                    ledger.reconcile(&client, day(0), day(365), |_| {}).await.unwrap();
                }
                Act::Bind(session, context) => {
                    let context: CheckoutContext = serde_json::from_value(context.clone()).unwrap();
                    ledger.store(session, &context).await.unwrap();
                }
                Act::Identify { email, visitor } => {
                    ledger.identify(Identity::new(email).visitor(visitor)).await.unwrap();
                }
            },
        }
    }

    pub(crate) async fn play(&mut self, acts: &[Act]) -> Records {
        for act in acts {
            self.act(act).await;
        }
        self.records().await
    }

    pub(crate) async fn records(&mut self) -> Records {
        match self {
            Self::Memory(ledger) => ledger.records(),
            Self::Stored(ledger) => {
                let workers = work(ledger, hooks());
                let settled = tokio::time::timeout(Duration::from_secs(20), ledger.settled()).await;
                settled.unwrap().unwrap();
                workers.shutdown(Duration::from_secs(5)).await;
                let live = ledger.records().fetch().await.unwrap();
                let test = ledger.records().test_mode().fetch().await.unwrap();
                Records(live.into_iter().chain(test).map(|r| (r.id.clone(), r)).collect())
            }
        }
    }
}

/// All records by key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Records(pub(crate) BTreeMap<String, AttributionRecord>);

impl Records {
    #[track_caller]
    pub(crate) fn get(&self, id: &str) -> &AttributionRecord {
        self.0.get(id).unwrap_or_else(|| panic!("no record {id} among {:?}", self.0.keys()))
    }

    /// The keys of records about money.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).filter(|id| !id.starts_with("subscription:")).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.ids().iter().map(|id| self.get(id).kind.as_str()).collect()
    }

    /// Gross and net in minor units.
    #[track_caller]
    pub(crate) fn money(&self, id: &str) -> Option<(i64, i64)> {
        self.get(id).money.map(|money| (money.gross, money.net))
    }

    /// Visitor and step.
    #[track_caller]
    pub(crate) fn visitor(
        &self,
        id: &str,
    ) -> Option<(&str, dodo_core::attribution::AttributionStep)> {
        self.get(id).visitor.as_ref().map(|found| (found.value.as_str(), found.step))
    }

    /// Everything that counts, in one currency.
    pub(crate) fn net(&self) -> i64 {
        self.0.values().filter(|r| r.kind.is_revenue()).filter_map(|r| r.money).map(|m| m.net).sum()
    }
}
