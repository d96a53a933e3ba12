//! The headers of a delivery, which are not verified yet.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};

use super::id::DeliveryId;

/// The reason why a delivery was refused. Only the log has it, never the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    IdMissing,
    IdRepeated,
    IdMalformed,
    TimestampMissing,
    TimestampRepeated,
    TimestampMalformed,
    TimestampOutsideTolerance,
    SignatureMissing,
    SignatureTooLong,
    SignatureMismatch,
}

impl Refusal {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::IdMissing => "id_missing",
            Self::IdRepeated => "id_repeated",
            Self::IdMalformed => "id_malformed",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampRepeated => "timestamp_repeated",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampOutsideTolerance => "timestamp_outside_tolerance",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureTooLong => "signature_too_long",
            Self::SignatureMismatch => "signature_mismatch",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Refusal {}

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

const MOST_SIGNATURES: usize = 16;
const LONGEST_HEADER: usize = 4096;

/// An HMAC-SHA256.
pub(super) type Mac = [u8; 32];

/// The three headers, well-formed.
pub(super) struct Claim<'a> {
    pub(super) id: &'a str,
    /// The signed text of the timestamp, not its number.
    pub(super) timestamp: &'a str,
    /// Unix seconds.
    pub(super) seconds: u64,
    headers: &'a HeaderMap,
}

impl<'a> Claim<'a> {
    /// Reads each header in the only form that a sender writes. A header with one value occurs once. The
    /// signatures are a list, so they may be spread over several lines (RFC 9110, section 5.3).
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let id = only(headers, &ID, Refusal::IdMissing, Refusal::IdRepeated)?;
        let timestamp =
            only(headers, &TIMESTAMP, Refusal::TimestampMissing, Refusal::TimestampRepeated)?;
        if !headers.contains_key(&SIGNATURE) {
            return Err(Refusal::SignatureMissing);
        }
        let id = Some(id).filter(|id| DeliveryId::is_valid(id)).and_then(text);
        let bytes: usize = headers.get_all(&SIGNATURE).iter().map(|line| line.len()).sum();
        if bytes > LONGEST_HEADER || candidates(headers).count() > MOST_SIGNATURES {
            return Err(Refusal::SignatureTooLong);
        }
        let (timestamp, seconds) = seconds(timestamp).ok_or(Refusal::TimestampMalformed)?;
        Ok(Self { id: id.ok_or(Refusal::IdMalformed)?, timestamp, seconds, headers })
    }

    /// The signatures that could be an HMAC-SHA256. Other versions and anything malformed are
    /// skipped: senders may add versions at any time.
    pub(super) fn macs(&self) -> impl Iterator<Item = Mac> + 'a {
        candidates(self.headers).filter_map(|signature| decode(signature.strip_prefix(b"v1,")?))
    }
}

/// Blanks separate signatures.
fn candidates(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(&SIGNATURE).iter();
    let words = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b' '));
    words.filter(|word| !word.is_empty())
}

/// Padded standard base64 of exactly 32 bytes.
fn decode(signature: &[u8]) -> Option<Mac> {
    // 33 bytes: the most that 44 characters of base64 can hold.
    let mut bytes = [0; 33];
    if signature.len() != 44 {
        return None;
    }
    let length = STANDARD.decode_slice(signature, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

/// `[1-9][0-9]{0,11}`: no sign, no leading zero, no blank.
fn seconds(value: &[u8]) -> Option<(&str, u64)> {
    let well_formed = matches!(value, [b'1'..=b'9', rest @ ..]
        if rest.len() < 12 && rest.iter().all(u8::is_ascii_digit));
    let text = text(value).filter(|_| well_formed)?;
    Some((text, text.parse().ok()?))
}

fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    missing: Refusal,
    repeated: Refusal,
) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(missing),
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(repeated),
    }
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}
