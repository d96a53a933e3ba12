//! The groups of recent bookings, in memory: a booking that locks one of them does not read its facts and
//! records again.
//!
//! Each booking gives its groups a new random version. The cache returns a group only if the locked
//! row has the same version. After a booking of another process, a merge, an erasure or a restored
//! backup the versions differ, and the booking reads the group again.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::attribution::Group;

/// The limit of facts in all cached groups. A fact has about 1 KB.
const MOST_FACTS: usize = 20_000;

/// The groups of the latest committed bookings. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    groups: HashMap<i64, Entry>,
    /// The groups by the time of their last booking, the oldest first.
    order: BTreeMap<u64, i64>,
    facts: usize,
    next: u64,
}

struct Entry {
    version: i64,
    turn: u64,
    group: Group,
}

/// Groups after a booking. The cache takes them after the commit.
#[derive(Debug, Default)]
pub(crate) struct Booking {
    pub(super) version: i64,
    pub(super) groups: BTreeMap<i64, Group>,
}

impl Cache {
    /// Takes a group out of the cache, if the cache has this version. The booking returns it after
    /// its commit.
    pub(super) fn take(&self, id: i64, version: i64) -> Option<Group> {
        let entry = self.kept().remove(id)?;
        (entry.version == version).then_some(entry.group)
    }

    /// Drops groups that changed without a booking of events.
    pub(super) fn evict<'i>(&self, ids: impl IntoIterator<Item = &'i i64>) {
        let mut kept = self.kept();
        ids.into_iter().for_each(|id| drop(kept.remove(*id)));
    }

    /// Stores the groups of a committed booking and drops the oldest groups.
    pub(super) fn put(&self, booking: Booking) {
        let mut kept = self.kept();
        for (id, group) in booking.groups {
            kept.remove(id);
            let (turn, facts) = (kept.next, group.timeline.facts().len());
            if facts > MOST_FACTS {
                continue;
            }
            kept.next += 1;
            kept.facts += facts;
            kept.order.insert(turn, id);
            kept.groups.insert(id, Entry { version: booking.version, turn, group });
        }
        while kept.facts > MOST_FACTS {
            let Some((_, oldest)) = kept.order.first_key_value() else { break };
            let oldest = *oldest;
            kept.remove(oldest);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, id: i64) -> Option<Entry> {
        let entry = self.groups.remove(&id)?;
        self.order.remove(&entry.turn);
        self.facts = self.facts.saturating_sub(entry.group.timeline.facts().len());
        Some(entry)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("Cache")
            .field("groups", &kept.groups.len())
            .field("facts", &kept.facts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::attribution::void_fact;

    fn group(facts: usize) -> Group {
        let mut group = Group::default();
        let fact = |n: String| void_fact(&n, "pay_1", true, "", Timestamp::UNIX_EPOCH);
        let all = (0..facts).map(|n| fact(format!("charge:{n:06}"))).collect();
        group.timeline.load(all);
        group
    }

    fn booking(version: i64, groups: impl IntoIterator<Item = (i64, usize)>) -> Booking {
        let groups = groups.into_iter().map(|(id, facts)| (id, group(facts))).collect();
        Booking { version, groups }
    }

    #[test]
    fn group_counts_once_and_only_in_its_version() {
        let cache = Cache::default();
        cache.put(booking(7, [(1, 2), (2, 1)]));
        assert!(cache.take(1, 8).is_none());
        assert!(cache.take(1, 7).is_none(), "another version drops it");
        assert_eq!(cache.take(2, 7), Some(group(1)));
        assert!(cache.take(2, 7).is_none(), "a booking has it");
        cache.put(booking(9, [(2, 1)]));
        cache.evict([&2]);
        assert!(cache.take(2, 9).is_none());
    }

    #[test]
    fn oldest_groups_make_room() {
        let cache = Cache::default();
        let third = MOST_FACTS / 3;
        for id in 1..=3 {
            cache.put(booking(7, [(id, third)]));
        }
        cache.put(booking(8, [(1, third)]));
        cache.put(booking(7, [(4, third)]));
        cache.put(booking(7, [(5, MOST_FACTS + 1)]));
        let kept = [(1, 8), (2, 7), (3, 7), (4, 7), (5, 7)]
            .map(|(id, version)| cache.take(id, version).is_some());
        assert_eq!(kept, [true, false, true, true, false]);
        let kept = cache.kept();
        assert_eq!((kept.facts, kept.order.len()), (0, 0));
    }
}
