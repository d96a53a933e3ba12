//! A cache of the last answers, so that the ledger does not add up the same page twice.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// The most answers.
const MOST_ANSWERS: usize = 64;
/// The most bytes of all answers.
const MOST_BYTES: usize = 8 << 20;

/// Answers by their entity tags, the last used at the end.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<VecDeque<(String, Bytes)>>);

impl Cache {
    pub(crate) fn get(&self, tag: &str) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == tag)?;
        let found = kept.remove(at)?;
        let body = found.1.clone();
        kept.push_back(found);
        Some(body)
    }

    pub(crate) fn put(&self, tag: String, body: Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != tag);
        kept.push_back((tag, body));
        while kept.len() > MOST_ANSWERS
            || kept.iter().map(|(_, body)| body.len()).sum::<usize>() > MOST_BYTES
        {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_used_answers_leave_first() {
        let cache = Cache::default();
        let body = |size| Bytes::from(vec![0; size]);
        for at in 0..MOST_ANSWERS {
            cache.put(at.to_string(), body(1));
        }
        assert!(cache.get("0").is_some());
        cache.put("new".into(), body(1));
        assert!(cache.get("0").is_some() && cache.get("1").is_none());
        cache.put("large".into(), body(MOST_BYTES));
        assert!(cache.get("0").is_none() && cache.get("large").is_some());
        cache.put("too large".into(), body(MOST_BYTES + 1));
        assert!(cache.get("too large").is_none());
    }
}
