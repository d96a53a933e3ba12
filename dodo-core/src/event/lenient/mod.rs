//! Reads JSON into a strict type, and mends what does not fit instead of refusing it.
//!
//! The types are plain derives and cost what plain derives cost. Only when one of them refuses the
//! text is the text read again with the place of the fault, the faulty field taken out, and so on
//! until it fits or a field that cannot be missed is the one at fault.

mod cut;
mod sound;

use std::fmt::Write;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::date;
use crate::{Error, ErrorKind};

/// A field that could not be read and is therefore absent, or a date that keeps its text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Where in the body: a JSON Pointer (RFC 6901) such as `/data/customer/email`.
    pub pointer: String,
    /// What is wrong, for people. Never quotes the value.
    pub problem: String,
}

/// What was read, and what had to be left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) warnings: Vec<Warning>,
}

/// After so many faults whole fields go, not single elements of them.
const MANY_FAULTS: usize = 64;

/// What is nested too deep for a tree goes whole: a field, or an entry of its metadata.
const DEEP: usize = 2;

/// More than all fields of any payload.
const MOST_FAULTS: usize = 512;

/// Reads `json` as `T`, leaving out the optional fields that do not fit. `base` is the pointer of
/// `json` itself.
///
/// # Errors
/// [`UnreadableEvent`](ErrorKind::UnreadableEvent), with the pointer, when a required field is missing or does
/// not fit.
#[inline]
pub(crate) fn read<T: DeserializeOwned>(json: &str, base: &str) -> Result<Read<T>, Error> {
    match serde_json::from_str(json) {
        Ok(value) => Ok(Read { value, warnings: Vec::new() }),
        Err(_) => mend(json, base),
    }
}

#[cold]
#[inline(never)]
fn mend<T: DeserializeOwned>(json: &str, base: &str) -> Result<Read<T>, Error> {
    let mut text = json.to_owned();
    let mut warnings: Vec<Warning> = Vec::new();
    for round in 0..MOST_FAULTS {
        let mut json = serde_json::Deserializer::from_str(&text);
        let fault = match serde_path_to_error::deserialize(&mut json) {
            Ok(value) => return Ok(Read { value, warnings }),
            Err(fault) => fault,
        };
        let mut path: Vec<Segment> = fault.path().iter().cloned().collect();
        if round > MANY_FAULTS {
            path.truncate(1);
        }
        let pointer = pointer(base, &path);
        let fault = fault.into_inner();
        let is_data = fault.is_data();
        let problem = describe(&fault);
        if !is_data {
            // The text is JSON, or the envelope would not have found its end: it says something that no
            // text or number of ours can hold, or is nested deeper than a tree may be.
            let sound = sound::text(&text).or_else(|| {
                path.truncate(DEEP);
                cut::remove(&text, &path)
            });
            text = sound.ok_or_else(|| unreadable(&warnings, pointer.clone(), problem.clone()))?;
            warnings.push(Warning { pointer, problem });
            continue;
        }
        if let Some(clean) = cut::without_duplicates(&text, &path) {
            text = clean;
            continue;
        }
        let seen = warnings.last().is_some_and(|last| last.pointer == pointer);
        let is_date = !seen && problem.contains(date::EXPECTED);
        let mended = if is_date { cut::mark(&text, &path) } else { cut::remove(&text, &path) };
        text = match mended {
            Some(text) => text,
            None => return Err(unreadable(&warnings, pointer, problem)),
        };
        if !seen {
            warnings.push(Warning { pointer, problem });
        }
    }
    Err(Error::new(ErrorKind::UnreadableEvent, "the payload has too many faults"))
}

/// The error without the value that `serde` quotes: payloads hold personal data.
pub(crate) fn describe(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let is_plain = !fault.is_data()
        || text.starts_with("missing field `")
        || text.starts_with("duplicate field `");
    // What was expected comes last, so a value that holds the same words does not matter.
    match text.rsplit_once(", expected ") {
        _ if is_plain => text,
        Some((_, expected)) => format!("expected {expected}"),
        None => "does not fit".to_owned(),
    }
}

/// Names the field that cannot be missed, with what was wrong about it when it was there.
fn unreadable(warnings: &[Warning], pointer: String, problem: String) -> Error {
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    let pointer = missing.map_or(pointer.clone(), |(field, _)| format!("{pointer}/{field}"));
    let earlier = warnings.iter().find(|warning| warning.pointer == pointer);
    Error::new(ErrorKind::UnreadableEvent, "the payload cannot be read")
        .with_pointer(&pointer)
        .with_source(earlier.map_or(problem, |warning| warning.problem.clone()))
}

fn pointer(base: &str, path: &[Segment]) -> String {
    let mut pointer = base.to_owned();
    for segment in path {
        match segment {
            Segment::Map { key } => {
                let _ = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Seq { index } => {
                let _ = write!(pointer, "/{index}");
            }
            Segment::Enum { .. } | Segment::Unknown => pointer.push_str("/?"),
        }
    }
    pointer
}
