//! The fast path: reads the usual delivery in one pass, an envelope of plain texts around a valid
//! `data`.
//!
//! For all other bodies the result is `None`, which is not an error: the slow path
//! ([`Envelope::read`], then [`lenient`](crate::event::lenient)) reads them. If this path returns
//! an event, both paths return the same event.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::envelope::Envelope;
use crate::event::{EventKind, RawJson, read_date};

/// Reads the envelope and, in the same pass, `data` as `T`. It boxes the payload at once, because
/// payloads are large and are moved several times.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Option<(Envelope, Box<T>)> {
    let text = std::str::from_utf8(body).ok()?;
    let mut json = Cursor(text);
    let (mut kind, mut timestamp, mut business_id, mut data) = (None, None, None, None);
    json.take('{')?;
    loop {
        let key = json.plain_text()?;
        json.take(':')?;
        // A repeated or further key needs the slow path.
        match key {
            "type" if kind.is_none() => kind = Some(EventKind::from(json.plain_text()?)),
            "timestamp" if timestamp.is_none() => timestamp = Some(read_date(json.plain_text()?)?),
            "business_id" if business_id.is_none() => business_id = Some(json.plain_text()?),
            "data" if data.is_none() => data = Some(json.object::<T>()?),
            _ => return None,
        }
        if json.take(',').is_none() {
            break;
        }
    }
    json.take('}')?;
    if !json.is_over() {
        return None;
    }
    let (value, span) = data?;
    let envelope = Envelope {
        kind: kind?,
        timestamp: timestamp?,
        business_id: business_id?.to_owned(),
        data: RawJson::slice(body, span),
        warnings: Vec::new(),
    };
    Some((envelope, value))
}

/// The number of bytes at each end of a body that are searched for the type, before the whole body
/// is searched.
const EDGE: usize = 256;

/// The probable type of the body. Use it only to choose the payload type to try.
pub(super) fn guess(body: &Bytes) -> Option<EventKind> {
    const NAME: &str = "\"type\"";
    let after = |found: Option<(&str, &str)>| {
        let mut json = Cursor(found?.1);
        json.take(':')?;
        Some(EventKind::from(json.plain_text()?)).filter(EventKind::is_known)
    };
    let text = std::str::from_utf8(body).ok()?;
    let tail = text.get(text.len().saturating_sub(EDGE)..).unwrap_or_default();
    let head = text.get(..EDGE).unwrap_or_default();
    // The type is before `data` or after it: a `type` inside of `data` is neither the first nor the
    // last one.
    after(tail.rsplit_once(NAME))
        .or_else(|| after(head.split_once(NAME)))
        .or_else(|| after(text.rsplit_once(NAME)))
        .or_else(|| after(text.split_once(NAME)))
}

/// The rest of a JSON text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, token: char) -> Option<()> {
        self.skip_blanks();
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }

    /// A text without escapes.
    fn plain_text(&mut self) -> Option<&'a str> {
        self.take('"')?;
        let (text, rest) = self.0.split_once('"')?;
        if text.bytes().any(|byte| byte == b'\\' || byte < b' ') {
            return None;
        }
        self.0 = rest;
        Some(text)
    }

    /// Reads an object that `T` accepts, and returns it with its text.
    fn object<T: DeserializeOwned>(&mut self) -> Option<(Box<T>, &'a str)> {
        self.skip_blanks();
        if !self.0.starts_with('{') {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<Box<T>>();
        let value = values.next()?.ok()?;
        let (object, rest) = self.0.split_at_checked(values.byte_offset())?;
        self.0 = rest;
        Some((value, object))
    }

    fn is_over(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;

    /// If the fast path returns an event, the slow path returns the same event.
    fn agree(text: &str) -> bool {
        let body = Bytes::copy_from_slice(text.as_bytes());
        let Some((quick, value)) = read::<Value>(&body) else { return false };
        let patient = Envelope::read(&body, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(quick.kind, patient.kind, "{text}");
        assert_eq!(quick.timestamp, patient.timestamp, "{text}");
        assert_eq!(quick.business_id, patient.business_id, "{text}");
        assert_eq!(quick.data, patient.data, "{text}");
        assert!(patient.warnings.is_empty(), "{text}");
        assert_eq!(*value, patient.data.deserialize::<serde_json::Value>().unwrap(), "{text}");
        true
    }

    const USUAL: &str = r#"{"business_id":"b","data":{"type":"x","a":"}"},"timestamp":"2026-11-03T14:22:07Z","type":"payment.failed"}"#;

    #[test]
    fn fast_path_reads_usual_form_in_any_order_and_spacing() {
        assert!(agree(USUAL));
        assert!(agree(&USUAL.replace(':', " : ").replace("T14 : 22 : 07", "T14:22:07")));
        assert!(agree(&format!("\n{}\t", USUAL.replace(',', "\r\n,\t"))));
        let turned = r#"{"type":"payment.failed","timestamp":"2026-11-03T14:22:07Z","data":{"type":[1]},"business_id":"b"}"#;
        assert!(agree(turned));
        for text in [USUAL, turned] {
            let body = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(guess(&body), Some(EventKind::PaymentFailed), "{text}");
        }
    }

    #[test]
    fn fast_path_leaves_other_forms_to_the_slow_path() {
        for (from, to) in [
            ("\"b\"", "\"\\u0062\""),
            ("\"b\"", "null"),
            ("\"b\"", "\"b\u{1}\""),
            ("\"type\":\"payment", "\"\\u0074ype\":\"payment"),
            ("2026-11-03", "2026-13-03"),
            ("\"type\":\"payment", "\"type\":\"a\",\"type\":\"payment"),
            ("\"data\":{", "\"data\":{},\"data\":{"),
            ("\"business_id\"", "\"version\":2,\"business_id\""),
            ("\"data\":{\"type\":\"x\",\"a\":\"}\"}", "\"data\":[]"),
            ("\"data\":{", "\"data\":{,"),
            ("failed\"}", "failed\"},"),
            ("failed\"}", "failed\",}"),
            ("failed\"}", "failed\"} x"),
            ("failed\"}", "failed\""),
            ("{\"business_id\"", "\u{feff}{\"business_id\""),
            ("\"b\",", "\"b\""),
        ] {
            let text = USUAL.replacen(from, to, 1);
            assert_ne!(text, USUAL);
            assert!(!agree(&text), "{text}");
        }
    }
}
