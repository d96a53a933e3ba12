//! What the resolution chain reads and writes, inside one transaction.

use std::{future::Future, ops::RangeInclusive};

use jiff::Timestamp;

use super::entry::{Class, Entry, Head, Link, Position};
use crate::error::Error;

/// The ledger's past, seen and changed inside one transaction.
///
/// Two transactions that book must not run side by side: a refund and its payment, each booked
/// without seeing the other, would stay apart for ever. SQLite has one writer; a store on PostgreSQL
/// takes one advisory lock per booking transaction.
pub trait History: Send {
    /// The entry under this key.
    fn entry(&mut self, id: &str) -> impl Future<Output = Result<Option<Entry>, Error>> + Send;

    /// The entries that match, by position, each once.
    fn find(&mut self, find: &Find) -> impl Future<Output = Result<Vec<Entry>, Error>> + Send;

    /// Writes an entry under its key; later reads see it.
    fn put(&mut self, entry: &Entry) -> impl Future<Output = Result<(), Error>> + Send;

    /// Facts that are no entries, as JSON texts by key, such as `subscription:sub_x`. The answer has
    /// one element per key, in the same order; the empty key is no fact.
    fn facts(
        &mut self,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<String>>, Error>> + Send;

    /// Writes a fact; later reads see it.
    fn put_fact(&mut self, key: &str, json: &str)
    -> impl Future<Output = Result<(), Error>> + Send;

    /// Forgets a fact.
    fn remove_fact(&mut self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Notes whom a fact is about, besides whom it is already.
    fn note_about(
        &mut self,
        key: &str,
        links: &[Link],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The keys of the facts that are about one of these.
    fn about(&mut self, links: &[Link]) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Forgets whom a fact is about.
    fn forget_about(&mut self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Which entries to find. Every condition that is set has to hold.
#[derive(Clone, Debug, Default)]
pub struct Find {
    /// At least one of these links.
    pub links: Vec<Link>,
    /// Of this class.
    pub class: Option<Class>,
    /// Charges that brought money.
    pub paid: bool,
    /// Strictly after this position.
    pub after: Option<Position>,
    /// Strictly before this position.
    pub before: Option<Position>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// At this time or earlier.
    pub until: Option<Timestamp>,
    /// At least one of these holds; all of them empty: no condition.
    pub steps: Steps,
    /// From the newest to the oldest; otherwise from the oldest.
    pub newest_first: bool,
    /// At most so many.
    pub limit: Option<u32>,
}

/// A condition on how an entry was attributed: the visitor's step is in the first range, or the
/// campaign's in the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// For the visitor; 8 is "nothing found".
    pub visitor: Option<RangeInclusive<u8>>,
    /// For the campaign; 8 is "nothing found".
    pub campaign: Option<RangeInclusive<u8>>,
}

impl Find {
    /// Entries with one of these links.
    #[must_use]
    pub fn links(links: impl IntoIterator<Item = Link>) -> Self {
        Self { links: links.into_iter().collect(), ..Self::default() }
    }

    /// Only of this class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// Only charges that brought money.
    #[must_use]
    pub fn paid(mut self) -> Self {
        self.paid = true;
        self
    }

    /// Only before this position.
    #[must_use]
    pub fn before(mut self, position: Position) -> Self {
        self.before = Some(position);
        self
    }

    /// Only after this position.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.after = Some(position);
        self
    }

    /// Only the newest.
    #[must_use]
    pub fn newest(mut self) -> Self {
        self.newest_first = true;
        self.limit = Some(1);
        self
    }

    /// Only the oldest.
    #[must_use]
    pub fn oldest(mut self) -> Self {
        self.newest_first = false;
        self.limit = Some(1);
        self
    }

    /// Whether an entry that has one of the links matches. `limit` and order are the store's business.
    #[must_use]
    pub fn matches(&self, head: &Head) -> bool {
        let here = head.place();
        let in_range = |range: &Option<RangeInclusive<u8>>, step| {
            range.as_ref().is_some_and(|range| range.contains(&step))
        };
        self.class.is_none_or(|class| class as i64 == head.class)
            && (!self.paid || head.paid)
            && self.after.as_ref().is_none_or(|after| here > place(after))
            && self.before.as_ref().is_none_or(|before| here < place(before))
            && self.since.is_none_or(|since| head.at_micros >= since.as_microsecond())
            && self.until.is_none_or(|until| head.at_micros <= until.as_microsecond())
            && (self.steps == Steps::default()
                || in_range(&self.steps.visitor, head.visitor_step)
                || in_range(&self.steps.campaign, head.campaign_step))
    }

    /// Leaves what matches, in order, up to the limit.
    pub fn arrange(&self, heads: &mut Vec<&Head>) {
        heads.retain(|head| self.matches(head));
        heads.sort_by(|a, b| a.place().cmp(&b.place()));
        if self.newest_first {
            heads.reverse();
        }
        if let Some(limit) = self.limit {
            heads.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
    }
}

fn place(position: &Position) -> (i64, &str) {
    (position.at.as_microsecond(), &position.id)
}
