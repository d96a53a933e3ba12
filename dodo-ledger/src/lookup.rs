//! Asking Dodo Payments whether a charge is a first one, before the transaction that books it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use dodo_core::{
    Client, Environment, Error as CoreError, ErrorKind, client::path_segment, event::Date,
};
use http::Method;
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    attribution::{self, Charge, Evidence, Position, Wanted, What, charge_id},
    error::Error,
    ledger::Shared,
    schema::Past,
};

/// The longest that a booking waits for all the answers it would like to have.
const PATIENCE: Duration = Duration::from_secs(3);
/// Charges that are asked about at the same time.
const AT_ONCE: usize = 8;
/// How long nobody is asked after questions that nobody answered in time.
const QUIET: Duration = Duration::from_secs(30);
/// Payments of one subscription that are looked at.
const LOOKED_AT: usize = 300;
/// Subscriptions of one charge that are asked about.
const SUBSCRIPTIONS: usize = 10;

/// What Dodo Payments answered, by payment: whether it knows an earlier paid charge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(HashMap<String, bool>);

impl Answers {
    /// Keeps the answer about a charge with its evidence.
    pub(crate) fn note(&self, evidence: &mut Evidence) {
        if let What::Charge(charge) = &mut evidence.what
            && let Some(earlier_paid) = self.0.get(&charge.payment_id)
        {
            charge.earlier_paid = Some(*earlier_paid);
        }
    }
}

/// Who is asked for earlier charges.
#[derive(Debug)]
pub(crate) struct Lookup {
    client: Client,
    /// Until when nobody is asked, because nobody answered.
    quiet_until: Mutex<Option<Instant>>,
}

impl Lookup {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, quiet_until: Mutex::default() }
    }

    fn is_quiet(&self) -> bool {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// After questions that nobody answered: others would only hold up what is to be booked.
    fn be_quiet(&self) {
        let until = Some(Instant::now() + QUIET);
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Shared {
    /// Asks about the charges of which nothing that is known says whether they are the first. One that is
    /// not answered in time, or not well, is missing in the answers. Must not be called in a transaction.
    pub(crate) async fn ask_about(&self, evidence: &[Evidence]) -> Result<Answers, Error> {
        let Some(lookup) = self.earlier_charges.as_ref().filter(|lookup| !lookup.is_quiet()) else {
            return Ok(Answers::default());
        };
        let live = lookup.client.environment() == Environment::Live;
        let open = |evidence: &&Evidence| {
            evidence.origin.live == live && attribution::is_open_by_itself(evidence)
        };
        let open: Vec<&Evidence> = evidence.iter().filter(open).collect();
        if open.is_empty() {
            return Ok(Answers::default());
        }
        let mut past = Past::of(self.store.look().await?);
        let mut wanted = Wanted::default();
        open.iter().for_each(|evidence| wanted.add(evidence));
        past.read_ahead(wanted).await?;
        let mut questions = Vec::new();
        for evidence in open {
            if attribution::is_open(&mut past, evidence).await? {
                questions.extend(Question::of(evidence));
            }
        }
        drop(past);
        Ok(lookup.ask(questions).await)
    }
}

/// Whether there is an earlier paid charge than this one.
struct Question {
    payment_id: String,
    subscription_ids: Vec<String>,
    position: Position,
}

/// A payment in a list. Lists leave out whether it is a card update.
#[derive(Deserialize)]
struct Listed {
    payment_id: String,
    created_at: Date,
    total_amount: i64,
}

/// A payment by itself.
#[derive(Deserialize)]
struct Single {
    is_update_payment_method: Option<bool>,
}

impl Question {
    fn of(evidence: &Evidence) -> Option<Self> {
        let What::Charge(Charge { payment_id, created_at, subscription_ids, .. }) = &evidence.what
        else {
            return None;
        };
        (subscription_ids.len() <= SUBSCRIPTIONS).then(|| Self {
            payment_id: payment_id.clone(),
            subscription_ids: subscription_ids.clone(),
            position: Position { at: *created_at, id: charge_id(payment_id) },
        })
    }

    async fn ask(&self, client: &Client) -> Result<bool, CoreError> {
        for subscription in &self.subscription_ids {
            if self.ask_for(client, subscription).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask_for(&self, client: &Client, subscription: &str) -> Result<bool, CoreError> {
        let until = self.position.at.to_string();
        let filters = [
            ("subscription_id", subscription),
            ("status", "succeeded"),
            ("created_at_lte", until.as_str()),
        ];
        let mut payments = client.list::<Listed>("/payments", &filters);
        for _ in 0..LOOKED_AT {
            let Some(listed) = payments.next().await? else { return Ok(false) };
            if self.comes_after(&listed)? && is_a_charge(client, &listed).await? {
                return Ok(true);
            }
        }
        Err(CoreError::new(ErrorKind::UpstreamFailed, "too many payments without money to look at"))
    }

    /// Whether the other was made earlier, and paid.
    fn comes_after(&self, other: &Listed) -> Result<bool, CoreError> {
        let Some(at) = other.created_at.timestamp() else {
            return Err(CoreError::new(
                ErrorKind::UpstreamFailed,
                "a payment has no readable date",
            ));
        };
        let place = Position { at, id: charge_id(&other.payment_id) };
        // The charge itself is in the list, and may tell another time than its delivery did.
        let is_another = place.id != self.position.id;
        Ok(other.total_amount > 0 && is_another && place < self.position)
    }
}

/// Whether a payment is more than a check of a new card.
async fn is_a_charge(client: &Client, listed: &Listed) -> Result<bool, CoreError> {
    let path = format!("/payments/{}", path_segment(&listed.payment_id)?);
    let payment: Single = client.call(Method::GET, &path, &[], None).json().await?;
    Ok(payment.is_update_payment_method != Some(true))
}

impl Lookup {
    /// Asks in tasks of their own: a transport is code of others, and may panic or never answer.
    async fn ask(&self, questions: Vec<Question>) -> Answers {
        let end = Instant::now() + PATIENCE;
        let mut answers = Answers::default();
        let (mut waiting, mut running) = (questions.into_iter(), JoinSet::new());
        loop {
            while running.len() < AT_ONCE
                && let Some(question) = waiting.next()
            {
                let client = self.client.clone();
                running.spawn(async move {
                    let answer = question.ask(&client).await;
                    (question.payment_id, answer)
                });
            }
            match timeout_at(end, running.join_next()).await {
                Ok(None) => return answers,
                Ok(Some(Ok((payment_id, Ok(earlier_paid))))) => {
                    answers.0.insert(payment_id, earlier_paid);
                }
                Ok(Some(Ok((payment_id, Err(error))))) => tracing::warn!(
                    target: "dodo::ledger", id = payment_id, code = error.code(), %error,
                    "Dodo Payments could not be asked for earlier charges: this one is taken for the first"
                ),
                Ok(Some(Err(_))) => tracing::warn!(
                    target: "dodo::ledger",
                    "asking for earlier charges panicked: one charge is taken for the first"
                ),
                Err(_) => {
                    let charges = running.len() + waiting.len();
                    tracing::warn!(
                        target: "dodo::ledger", charges,
                        "Dodo Payments did not answer in time: these charges are taken for the first"
                    );
                    if answers.0.is_empty() {
                        self.be_quiet();
                    }
                    return answers;
                }
            }
        }
    }
}
