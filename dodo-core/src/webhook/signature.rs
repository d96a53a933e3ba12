//! What a delivery claims in its headers. Nothing here is trusted yet.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};

use super::id::DeliveryId;

/// Why a delivery was refused. For the log: the answer never says.
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
    SignatureRepeated,
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
            Self::SignatureRepeated => "signature_repeated",
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
    /// The text that was signed, not the number it stands for.
    pub(super) timestamp: &'a str,
    /// Unix seconds.
    pub(super) seconds: u64,
    signatures: &'a str,
}

impl<'a> Claim<'a> {
    /// Exactly one of each header, each in the only form that a sender writes.
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let id = only(headers, &ID, Refusal::IdMissing, Refusal::IdRepeated)?;
        let timestamp =
            only(headers, &TIMESTAMP, Refusal::TimestampMissing, Refusal::TimestampRepeated)?;
        let signatures =
            only(headers, &SIGNATURE, Refusal::SignatureMissing, Refusal::SignatureRepeated)?;

        let id = Some(id).filter(|id| DeliveryId::is_valid(id)).and_then(text);
        let signatures = match signatures.len() {
            0..=LONGEST_HEADER => text(signatures).ok_or(Refusal::SignatureMismatch)?,
            _ => return Err(Refusal::SignatureTooLong),
        };
        if candidates(signatures).count() > MOST_SIGNATURES {
            return Err(Refusal::SignatureTooLong);
        }
        let (timestamp, seconds) = seconds(timestamp).ok_or(Refusal::TimestampMalformed)?;
        Ok(Self { id: id.ok_or(Refusal::IdMalformed)?, timestamp, seconds, signatures })
    }

    /// The signatures that could be an HMAC-SHA256. Other versions and anything malformed are
    /// skipped: senders may add versions at any time.
    pub(super) fn macs(&self) -> impl Iterator<Item = Mac> + 'a {
        candidates(self.signatures).filter_map(|signature| decode(signature.strip_prefix("v1,")?))
    }
}

fn candidates(signatures: &str) -> impl Iterator<Item = &str> {
    signatures.split(' ').filter(|signature| !signature.is_empty())
}

/// Padded standard base64 of exactly 32 bytes.
fn decode(signature: &str) -> Option<Mac> {
    // 33 bytes: what 44 characters of base64 might hold at most.
    let mut bytes = [0; 33];
    if signature.len() != 44 {
        return None;
    }
    let length = STANDARD.decode_slice(signature, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

/// `[1-9][0-9]{0,11}`: what a sender writes. No sign, no leading zero, no blank.
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
