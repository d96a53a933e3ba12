//! Packs events into requests: at most 32 KB an event, 500 KB and 2,500 events a batch.

use std::ops::Range;

/// The most bytes of one event.
const MAX_EVENT: usize = 32 * 1024;
/// The most bytes of one request.
const MAX_BATCH: usize = 500 * 1024;
/// The most events of one request.
pub(super) const MAX_EVENTS: usize = 2_500;
const HEAD: &str = "{\"batch\":[";
const TAIL: &str = "]}";

/// Events of some records that travel in one request.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The numbers of the records, each once.
    records: Vec<usize>,
    /// For each record its events, joined by commas.
    texts: Vec<String>,
    events: usize,
    bytes: usize,
}

impl Batch {
    pub(super) fn records(&self) -> &[usize] {
        &self.records
    }

    /// The request for some of its records.
    pub(super) fn body(&self, part: Range<usize>) -> String {
        let texts = self.texts.get(part).unwrap_or_default();
        format!("{HEAD}{}{TAIL}", texts.join(","))
    }

    fn fits(&self, events: usize, bytes: usize) -> bool {
        let frame = HEAD.len() + TAIL.len() + self.texts.len() + 1;
        self.events + events <= MAX_EVENTS && self.bytes + bytes + frame <= MAX_BATCH
    }
}

/// Packs the events of each record; the events of one record stay together. The second value has
/// the numbers of records with an event that is too large.
pub(super) fn pack(records: Vec<Vec<String>>) -> (Vec<Batch>, Vec<usize>) {
    let (mut batches, mut too_large) = (Vec::new(), Vec::new());
    let mut open = Batch::default();
    for (record, events) in records.into_iter().enumerate() {
        if events.is_empty() {
            continue;
        }
        if events.iter().any(|event| event.len() > MAX_EVENT) {
            too_large.push(record);
            continue;
        }
        let text = events.join(",");
        if !open.fits(events.len(), text.len()) {
            batches.push(std::mem::take(&mut open));
        }
        open.records.push(record);
        open.events += events.len();
        open.bytes += text.len();
        open.texts.push(text);
    }
    if !open.records.is_empty() {
        batches.push(open);
    }
    (batches, too_large)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn batches_keep_limits_and_all_events(
            sizes in prop::collection::vec(prop::collection::vec(2_usize..40_000, 0..3), 0..60),
        ) {
            let events = |sizes: &Vec<usize>| -> Vec<String> {
                sizes.iter().map(|size| format!("\"{}\"", "x".repeat(size - 2))).collect()
            };
            let (batches, too_large) = pack(sizes.iter().map(events).collect());
            let mut packed = Vec::new();
            for batch in &batches {
                let body = batch.body(0..batch.records().len());
                prop_assert!(body.len() <= MAX_BATCH);
                let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
                let expected: usize = batch.records().iter().map(|r| sizes[*r].len()).sum();
                prop_assert_eq!(parsed["batch"].as_array().unwrap().len(), expected);
                packed.extend_from_slice(batch.records());
            }
            packed.extend(&too_large);
            packed.sort_unstable();
            let full: Vec<usize> = (0..sizes.len()).filter(|r| !sizes[*r].is_empty()).collect();
            prop_assert_eq!(packed, full);
            for record in too_large {
                prop_assert!(sizes[record].iter().any(|size| *size > MAX_EVENT));
            }
        }
    }
}
