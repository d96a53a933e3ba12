//! The stored answer of an owner: the access now, and the changes that need no further fact.

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{access::Access, fact::BillingFact, holdings::Holdings, plans::Plans};

/// The most answers that one row holds. Later ones are derived from the facts.
const MOST: usize = 8;

/// Answers, each from its time on.
pub(crate) struct Answer(Vec<(Timestamp, Access)>);

impl Answer {
    /// The answers from `now` on.
    pub(crate) fn of(facts: &[BillingFact], plans: &Plans, now: Timestamp) -> Self {
        let holdings = Holdings::new(facts, plans);
        let mut answers = Vec::new();
        let mut next = Some(now);
        while let Some(at) = next.filter(|_| answers.len() < MOST) {
            let access = holdings.access(plans, at);
            next = access.next_change();
            answers.push((at, access));
        }
        Self(answers)
    }

    /// The answer now.
    pub(crate) fn now(&self) -> Option<&Access> {
        self.0.first().map(|(_, access)| access)
    }

    /// As the row keeps it.
    pub(crate) fn to_json(&self) -> String {
        let answers = self.0.iter().map(|(at, access)| (at.as_microsecond(), access));
        serde_json::to_string(&answers.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// Reads the answer at a time. `None`: the row has none for this time.
    pub(crate) fn read(json: &str, now: Timestamp) -> Option<Access> {
        let answers: Vec<(i64, &RawValue)> = serde_json::from_str(json).ok()?;
        let now_micros = now.as_microsecond();
        let current = answers.partition_point(|(at, _)| *at <= now_micros);
        // The clocks of two instances differ a little, so a time before the first answer is its time.
        let (_, access) = answers.get(current.max(1) - 1)?;
        let access: Access = serde_json::from_str(access.get()).ok()?;
        access.next_change().is_none_or(|change| now < change).then_some(access)
    }

    /// The first answer of a row: the last one that was reported.
    pub(crate) fn reported(json: &str) -> Option<Access> {
        let answers: Vec<(i64, &RawValue)> = serde_json::from_str(json).ok()?;
        serde_json::from_str(answers.first()?.1.get()).ok()
    }
}
