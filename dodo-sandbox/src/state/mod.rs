//! The state of the sandbox, in memory. It has no I/O and no locks: callers hold the lock around
//! it.

pub(crate) mod address;
pub(crate) mod card;
pub(crate) mod credits;
pub(crate) mod object;
pub(crate) mod payment;
pub(crate) mod product;
mod product_fields;
pub(crate) mod session;
pub(crate) mod subscription;
pub(crate) mod table;
pub(crate) mod webhook;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use self::{
    card::PaymentMethod,
    object::Objects,
    payment::Payment,
    product::Product,
    session::Session,
    subscription::Subscription,
    table::Table,
    webhook::{Delivery, DeliveryState, Event, Subject},
};
use crate::{
    api::{
        customers::CUSTOMERS,
        resource::Definition,
        webhooks::{ENDPOINTS, accepts},
    },
    clock::{self, Clock},
    deliver::NetworkConditions,
    settings::Behavior,
};

/// The largest number of stored objects of one kind.
pub(crate) const OBJECTS: usize = 20_000;

/// All state of one sandbox.
#[derive(Debug)]
pub(crate) struct SandboxState {
    pub(crate) business_id: String,
    pub(crate) brand_id: String,
    /// The URL of the sandbox, without a slash at the end.
    pub(crate) base_url: String,
    pub(crate) settings: Behavior,
    pub(crate) clock: Clock,
    /// While due things are acted out: the moment they fell due.
    pub(crate) acting: Option<Timestamp>,
    /// While an event of this type is triggered: values for its body.
    pub(crate) overrides: Option<(String, Vec<(String, Value)>)>,
    /// The time of the latest event. No two events have the same time.
    pub(crate) last_event: Timestamp,
    /// Decline so many coming charges, with this code.
    pub(crate) force_decline: Option<(String, u32)>,
    pub(crate) network: NetworkConditions,
    pub(crate) products: Table<Product>,
    pub(crate) objects: Objects,
    pub(crate) sessions: Table<Session>,
    pub(crate) payments: Table<Payment>,
    pub(crate) subscriptions: Table<Subscription>,
    /// Payment methods that the merchant removed.
    pub(crate) removed_methods: BTreeSet<String>,
    pub(crate) events: Table<Event>,
    pub(crate) deliveries: Table<Delivery>,
}

impl SandboxState {
    pub(crate) fn new(base_url: String, clock: Clock, settings: Behavior) -> Self {
        Self {
            business_id: crate::id::new("bus_"),
            brand_id: crate::id::new("brnd_"),
            base_url,
            settings,
            clock,
            acting: None,
            overrides: None,
            last_event: Timestamp::MIN,
            force_decline: None,
            network: NetworkConditions::default(),
            products: Table::new("product", OBJECTS),
            objects: Objects::default(),
            sessions: Table::new("checkout session", OBJECTS),
            payments: Table::new("payment", OBJECTS),
            subscriptions: Table::new("subscription", OBJECTS),
            removed_methods: BTreeSet::new(),
            events: Table::new("event", OBJECTS),
            deliveries: Table::new("delivery", OBJECTS),
        }
    }

    /// The current time of the state.
    pub(crate) fn now(&self) -> Timestamp {
        self.acting.unwrap_or_else(|| self.clock.now())
    }

    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        clock::later(self.now(), wait)
    }

    /// An address of the sandbox; the parts are percent-encoded.
    pub(crate) fn url(&self, parts: &[&str]) -> String {
        const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');
        parts.iter().fold(self.base_url.clone(), |url, part| {
            format!("{url}/{}", utf8_percent_encode(part, PLAIN))
        })
    }

    /// Adds a product that exists from now on.
    pub(crate) fn add_product(&mut self, product: Product) -> Product {
        let now = self.now();
        let product = Product { created_at: now, updated_at: now, ..product };
        self.products.insert(product.clone());
        product
    }

    /// The brand that sells a product.
    pub(crate) fn brand_of(&self, product_id: &str) -> &str {
        let product = self.products.get(product_id);
        product.and_then(|product| product.brand_id.as_deref()).unwrap_or(&self.brand_id)
    }

    /// The form of a customer that other objects carry.
    pub(crate) fn customer_json(&self, id: &str) -> Value {
        self.json(&CUSTOMERS, id)
    }

    /// The payment methods of this customer, with the time of their last use, newest first.
    pub(crate) fn payment_methods(&self, customer_id: &str) -> Vec<(&PaymentMethod, Timestamp)> {
        let own = self.payments.iter().rev().filter(|payment| payment.customer_id == customer_id);
        let used = own.filter(|payment| payment.succeeded());
        let mut methods: Vec<(&PaymentMethod, Timestamp)> = Vec::new();
        for payment in used {
            let Some(method) = &payment.method else { continue };
            let known = methods.iter().any(|(known, _)| known.id == method.id);
            if !known && !self.removed_methods.contains(&method.id) {
                methods.push((method, payment.created_at));
            }
        }
        methods
    }

    /// A payment method of this customer.
    pub(crate) fn payment_method(&self, customer_id: &str, id: &str) -> Option<&PaymentMethod> {
        let methods = self.payment_methods(customer_id);
        methods.into_iter().map(|(method, _)| method).find(|method| method.id == id)
    }

    /// Adds an event of an object, and queues it for every endpoint that receives its type.
    pub(crate) fn emit(&mut self, kind: &str, resource: &'static dyn Definition, id: &str) {
        let event = self.event(kind, Subject::Object { resource, id: id.to_owned() });
        self.announce(event, true);
    }

    /// Queues an event for every endpoint that receives its type.
    pub(crate) fn announce(&mut self, event: Event, retried: bool) {
        let accepting = self.all(&ENDPOINTS).filter(|endpoint| accepts(endpoint, &event.kind));
        let ids: Vec<String> = accepting.map(|endpoint| endpoint.id.clone()).collect();
        for endpoint_id in ids {
            self.queue(&event, endpoint_id, retried);
        }
        self.events.insert(event);
    }

    /// A new event, with the values that a trigger set for it.
    pub(crate) fn event(&mut self, kind: &str, subject: Subject) -> Event {
        let set = self.overrides.as_ref().filter(|(own, _)| *own == kind);
        let overrides = set.map(|(_, values)| values.clone()).unwrap_or_default();
        let (id, at) = (crate::id::new("msg_"), self.next_event());
        Event { id, kind: kind.to_owned(), subject, at, overrides }
    }

    /// The time of the next event: now, or a millisecond after the latest event. Receivers order
    /// events by their time, so a stopped clock must not give all of them one time.
    fn next_event(&mut self) -> Timestamp {
        let after = clock::later(self.last_event, Duration::from_millis(1));
        self.last_event = self.now().max(after);
        self.last_event
    }

    /// Queues one event for one endpoint, under the simulated network conditions.
    pub(crate) fn queue(&mut self, event: &Event, endpoint_id: String, retried: bool) {
        let (state, delay, copies) = self.network.next();
        for _ in 0..copies {
            self.deliveries.insert(Delivery {
                id: crate::id::new("dlv_"),
                webhook_id: event.id.clone(),
                endpoint_id: endpoint_id.clone(),
                event_type: event.kind.clone(),
                state,
                due: clock::later(self.now(), delay),
                attempts: Vec::new(),
                retried,
            });
        }
    }

    /// Whether no delivery is running, and none becomes due before the clock is moved.
    pub(crate) fn deliveries_rest(&self) -> bool {
        let now = self.clock.now();
        !self.deliveries.iter().any(|delivery| match delivery.state {
            DeliveryState::Sending => true,
            DeliveryState::Scheduled => delivery.due <= now,
            _ => false,
        })
    }
}
