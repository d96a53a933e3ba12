//! The same stories on every store.

use std::collections::BTreeMap;

use dodo_core::{AttributionRecord, CheckoutContext};
use dodo_ledger::attribution::{Evidence, MemoryHistory, Rules, bind_context, book, identify};
use serde_json::{Value, json};

use crate::payloads::{Delivery, day};

/// What happens in a story.
#[derive(Clone, Debug)]
pub enum Act {
    Deliver(Delivery),
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

/// A checkout session was made and this was captured.
pub fn bind(session: &str, context: Value) -> Act {
    let mut all = json!({ "captured_at": day(0).to_string() });
    all.as_object_mut().unwrap().extend(context.as_object().unwrap().clone());
    Act::Bind(session.to_owned(), all)
}

pub fn identified(email: &str, visitor: &str) -> Act {
    Act::Identify { email: email.to_owned(), visitor: visitor.to_owned() }
}

/// A ledger that stories happen to.
#[derive(Debug)]
pub enum World {
    Memory { history: MemoryHistory, rules: Rules },
}

impl World {
    pub fn in_memory(rules: &Rules) -> Self {
        Self::Memory { history: MemoryHistory::default(), rules: rules.clone() }
    }

    pub async fn act(&mut self, act: &Act) {
        match self {
            Self::Memory { history, rules } => match act {
                Act::Deliver(delivery) => {
                    if let Some(evidence) = Evidence::of_event(&delivery.event(), rules).unwrap() {
                        book(rules, history, evidence).await.unwrap();
                    }
                }
                Act::Bind(session, context) => {
                    let context: CheckoutContext = serde_json::from_value(context.clone()).unwrap();
                    bind_context(rules, history, session, &context).await.unwrap();
                }
                Act::Identify { email, visitor } => {
                    identify(rules, history, email, Some(visitor), None, None).await.unwrap();
                }
            },
        }
    }

    pub async fn play(&mut self, acts: &[Act]) -> Records {
        for act in acts {
            self.act(act).await;
        }
        self.records().await
    }

    pub async fn records(&mut self) -> Records {
        match self {
            Self::Memory { history, .. } => {
                Records(history.entries().map(|e| (e.id.clone(), e.record.clone())).collect())
            }
        }
    }
}

/// All records by key.
#[derive(Clone, Debug, PartialEq)]
pub struct Records(pub BTreeMap<String, AttributionRecord>);

impl Records {
    #[track_caller]
    pub fn get(&self, id: &str) -> &AttributionRecord {
        self.0.get(id).unwrap_or_else(|| panic!("no record {id} among {:?}", self.0.keys()))
    }

    /// The keys of records about money.
    pub fn ids(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).filter(|id| !id.starts_with("subscription:")).collect()
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        self.ids().iter().map(|id| self.get(id).kind.as_str()).collect()
    }

    /// Gross and net in minor units.
    #[track_caller]
    pub fn money(&self, id: &str) -> Option<(i64, i64)> {
        self.get(id).money.map(|money| (money.gross, money.net))
    }

    /// Visitor and step.
    #[track_caller]
    pub fn visitor(&self, id: &str) -> Option<(&str, dodo_core::Step)> {
        self.get(id).visitor.as_ref().map(|found| (found.value.as_str(), found.step))
    }

    /// Everything that counts, in one currency.
    pub fn net(&self) -> i64 {
        self.0.values().filter(|r| r.is_revenue()).filter_map(|r| r.money).map(|m| m.net).sum()
    }
}
