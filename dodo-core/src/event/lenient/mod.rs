//! Reads JSON into a strict type, and omits invalid parts instead of refusing the whole text.
//!
//! The types are plain `serde` derives, and a valid text needs one pass. If a type refuses the
//! text, this module reads it again part by part: it tries each member of an object and each
//! element of a list alone, and omits an invalid part. So it reads each byte a small constant
//! number of times, independent of the number of faults.

mod parts;
mod well_formed;

use std::{borrow::Cow, fmt::Write};

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use self::parts::Parts;
pub(crate) use self::well_formed::text as well_formed_text;
use super::date;
use crate::{Error, ErrorKind};

/// A field that is absent because it was unreadable, or a date that keeps its text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldWarning {
    /// The place in the body: a JSON Pointer (RFC 6901) such as `/data/customer/email`.
    pub pointer: String,
    /// The problem, for people. Never quotes the value.
    pub problem: String,
}

/// The value, and the omitted fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) warnings: Vec<FieldWarning>,
}

/// The most warnings of one event. Further faults are repaired without one.
const MOST_WARNINGS: usize = 64;

/// The number of levels at which single parts are omitted. No payload has more levels. A value that
/// is nested deeper is omitted as a whole.
const DEEPEST: usize = 6;

/// Reads `json` as `T` and omits invalid optional fields. `base` is the pointer of `json` itself.
///
/// # Errors
/// [`UnreadableEvent`](ErrorKind::UnreadableEvent), with the pointer, when a required field is missing
/// or does not fit.
#[inline]
pub(crate) fn read<T: DeserializeOwned>(json: &str, base: &str) -> Result<Read<T>, Error> {
    match serde_json::from_str(json) {
        Ok(value) => Ok(Read { value, warnings: Vec::new() }),
        Err(_) => read_in_parts(json, base),
    }
}

#[cold]
#[inline(never)]
fn read_in_parts<T: DeserializeOwned>(json: &str, base: &str) -> Result<Read<T>, Error> {
    let mut repair = Repair { base, place: Vec::new(), warnings: Vec::new() };
    let mut json = Cow::Borrowed(json);
    let mut fault = match probe::<T>(&json) {
        Ok(value) => return Ok(Read { value, warnings: repair.warnings }),
        Err(fault) => fault,
    };
    // JSON that no text or number of Rust holds, such as half a surrogate pair.
    if !fault.is_data
        && let Some(repaired) = well_formed::text(&json)
    {
        json = Cow::Owned(repaired);
        repair.warn_at(&fault.path, fault.problem.clone());
        fault = match probe::<T>(&json) {
            Ok(value) => return Ok(Read { value, warnings: repair.warnings }),
            Err(fault) => fault,
        };
    }
    if let Some(repaired) = repair.parts::<T>(&json, &Wrapper::default()) {
        json = Cow::Owned(repaired);
        fault = match probe::<T>(&json) {
            Ok(value) => return Ok(Read { value, warnings: repair.warnings }),
            Err(fault) => fault,
        };
    }
    Err(repair.unreadable(fault))
}

/// The reason why a text is not a `T`.
struct Fault {
    path: Vec<Segment>,
    problem: String,
    /// The text is JSON, but not valid for this type.
    is_data: bool,
}

fn probe<T: DeserializeOwned>(json: &str) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().iter().cloned().collect();
        let error = error.into_inner();
        Fault { path, problem: describe(&error), is_data: error.is_data() }
    })
}

/// The text around a part, so that `T` reads only that part.
#[derive(Clone, Default)]
struct Wrapper {
    before: String,
    after: String,
    depth: usize,
}

impl Wrapper {
    fn member(&self, name: &str) -> Self {
        let name = serde_json::Value::from(name);
        self.inside(&format!("{{{name}:"), "}")
    }

    fn element(&self) -> Self {
        self.inside("[", "]")
    }

    fn inside(&self, open: &str, close: &str) -> Self {
        Self {
            before: format!("{}{open}", self.before),
            after: format!("{close}{}", self.after),
            depth: self.depth + 1,
        }
    }

    fn around(&self, part: &str) -> String {
        format!("{}{part}{}", self.before, self.after)
    }
}

struct Repair<'b> {
    base: &'b str,
    /// The place of the current part in the text.
    place: Vec<Segment>,
    warnings: Vec<FieldWarning>,
}

impl Repair<'_> {
    /// Reads the parts of an object or list one by one. Returns it without the invalid parts, or
    /// `None` if it has no parts.
    fn parts<T: DeserializeOwned>(&mut self, json: &str, around: &Wrapper) -> Option<String> {
        match parts::from_json(json)? {
            Parts::Object(members) => {
                let mut out = parts::Object::default();
                for (name, value) in &members {
                    self.place.push(Segment::Map { key: name.clone().into_owned() });
                    if let Some(kept) = self.part::<T>(value.get(), &around.member(name)) {
                        out.push(name, &kept);
                    }
                    self.place.pop();
                }
                Some(out.finish())
            }
            Parts::List(elements) => {
                let mut out = String::with_capacity(json.len());
                for (index, value) in elements.iter().enumerate() {
                    self.place.push(Segment::Seq { index });
                    let kept = self.part::<T>(value.get(), &around.element());
                    self.place.pop();
                    out.push(if index == 0 { '[' } else { ',' });
                    // The others keep their index.
                    out.push_str(kept.as_deref().unwrap_or("null"));
                }
                out.push_str(if elements.is_empty() { "[]" } else { "]" });
                Some(out)
            }
        }
    }

    /// Returns a part as it can be read, or `None` if it cannot.
    fn part<'j, T: DeserializeOwned>(
        &mut self,
        json: &'j str,
        around: &Wrapper,
    ) -> Option<Cow<'j, str>> {
        let Some(fault) = fault_of::<T>(json, around) else { return Some(Cow::Borrowed(json)) };
        if fault.problem.contains(date::EXPECTED) && fault.path.len() == around.depth {
            let marked = date::marked(json);
            let is_read = |text: &String| fault_of::<T>(text, around).is_none();
            if let Some(marked) = marked.filter(is_read) {
                self.warn(fault.problem);
                return Some(Cow::Owned(marked));
            }
        }
        let is_inside = fault.path.len() > around.depth;
        let is_duplicate = fault.problem.starts_with("duplicate field `");
        if (is_inside || is_duplicate)
            && around.depth < DEEPEST
            && let Some(repaired) = self.parts::<T>(json, around)
        {
            match fault_of::<T>(&repaired, around) {
                None => return Some(Cow::Owned(repaired)),
                Some(fault) => self.warn(fault.problem),
            }
            return None;
        }
        self.warn(fault.problem);
        None
    }

    fn warn(&mut self, problem: String) {
        let place = std::mem::take(&mut self.place);
        self.warn_at(&place, problem);
        self.place = place;
    }

    fn warn_at(&mut self, place: &[Segment], problem: String) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(FieldWarning { pointer: pointer(self.base, place), problem });
        }
    }

    /// Names the required field that is missing or invalid, and its fault.
    fn unreadable(&self, fault: Fault) -> Error {
        let Fault { path, problem, .. } = fault;
        let pointer = pointer(self.base, &path);
        let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let pointer = missing.map_or(pointer.clone(), |(field, _)| format!("{pointer}/{field}"));
        let earlier = self.warnings.iter().find(|warning| warning.pointer == pointer);
        Error::new(ErrorKind::UnreadableEvent, "the payload cannot be read")
            .with_pointer(&pointer)
            .with_source(earlier.map_or(problem, |warning| warning.problem.clone()))
    }
}

/// The reason why `T` cannot read this part. `None`: `T` can read it, or only lacks other parts.
fn fault_of<T: DeserializeOwned>(json: &str, around: &Wrapper) -> Option<Fault> {
    probe::<T>(&around.around(json)).err().filter(|fault| {
        let lacks_others =
            fault.path.len() < around.depth && fault.problem.starts_with("missing field `");
        !lacks_others
    })
}

/// The error without the value that `serde` quotes: payloads hold personal data.
pub(crate) fn describe(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let is_plain = !fault.is_data()
        || text.starts_with("missing field `")
        || text.starts_with("duplicate field `");
    // The expected form comes last, so a value with the same words does not matter.
    match text.rsplit_once(", expected ") {
        _ if is_plain => text,
        Some((_, expected)) => format!("expected {expected}"),
        None => "does not fit".to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use serde::{Deserialize, Deserializer};

    use super::*;

    thread_local! {
        static VALUES_READ: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts the reads of a value. Even numbers are valid.
    struct Even;

    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            VALUES_READ.set(VALUES_READ.get() + 1);
            let odd = || serde::de::Error::custom("odd");
            (u64::deserialize(deserializer)? % 2 == 0).then_some(Self).ok_or_else(odd)
        }
    }

    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        metadata: BTreeMap<String, Even>,
        #[serde(default)]
        list: Vec<Option<Even>>,
    }

    #[test]
    fn work_grows_with_the_body_and_not_with_the_faults() {
        for count in [100_usize, 10_000] {
            let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
            let elements: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let json = format!(
                "{{\"metadata\":{{{}}},\"list\":[{}]}}",
                members.join(","),
                elements.join(",")
            );
            VALUES_READ.set(0);
            let read = read::<Payload>(&json, "").unwrap();
            assert_eq!(read.value.metadata.len(), count / 2);
            assert_eq!(read.value.list.iter().flatten().count(), count / 2);
            assert_eq!(read.warnings.len(), MOST_WARNINGS);
            let values = 2 * count;
            println!("{values} values were read {} times", VALUES_READ.get());
            assert!(VALUES_READ.get() <= 4 * values, "{} reads", VALUES_READ.get());
        }
    }
}
