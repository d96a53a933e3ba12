//! Decides whether a verified event can be read.
//!
//! It checks only the required fields and the amounts. Booking, callbacks and extractors share this
//! decision. [`lenient`](super::lenient) omits every other invalid field.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::{EventKind, PayloadType, fields::MAX_AMOUNT, lenient::well_formed_text};
use crate::{Error, ErrorKind, money::Currency};

/// The largest number of checked fields.
const MOST: usize = 8;

/// Decides whether `data` can be read as the payload of its kind. Kinds that this version does not know
/// have no required fields.
///
/// # Errors
/// [`UnreadableEvent`](ErrorKind::UnreadableEvent) with the pointer and the reason.
pub(crate) fn check(kind: &EventKind, data: &str) -> Result<(), Error> {
    let Some(payload) = kind.payload_type() else { return Ok(()) };
    check_payload(payload, data).map_err(|Fault { field, problem }| {
        let pointer = if field.is_empty() { "/data".to_owned() } else { format!("/data/{field}") };
        Error::new(ErrorKind::UnreadableEvent, "the payload cannot be read")
            .with_pointer(&pointer)
            .with_source(problem)
    })
}

struct Fault {
    field: &'static str,
    problem: Cow<'static, str>,
}

fn fault(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Fault {
    Fault { field, problem: problem.into() }
}

fn check_payload(payload: PayloadType, data: &str) -> Result<(), Fault> {
    let id = payload.id_field();
    let amounts = payload.amounts();
    let is_payment = payload == PayloadType::Payment;
    let others = if is_payment { &["currency"][..] } else { &[] };
    let wanted = || [id].into_iter().chain(amounts.iter().copied()).chain(others.iter().copied());

    let mut json = serde_json::Deserializer::from_str(data);
    let found = de::DeserializeSeed::deserialize(Wanted(wanted()), &mut json)
        .map_err(|_| fault("", "expected an object"))?;
    let value = |field: &str| {
        let at = wanted().position(|name| name == field)?;
        found.get(at).copied().flatten().map(RawValue::get).filter(|value| *value != "null")
    };
    let required = |field: &'static str| {
        value(field).ok_or_else(|| fault(field, format!("missing field `{field}`")))
    };

    if text(required(id)?).is_none_or(|text| text.trim().is_empty()) {
        return Err(fault(id, "expected an id"));
    }
    if is_payment {
        match amount(required("total_amount")?) {
            Amount::Minor(total) if total < 0 => {
                return Err(fault("total_amount", "the total of a payment is negative"));
            }
            Amount::NoNumber => {
                return Err(fault("total_amount", "expected an integer, or one as text"));
            }
            Amount::Minor(_) | Amount::TooLarge => {}
        }
        if text(required("currency")?).is_none_or(|code| code.parse::<Currency>().is_err()) {
            return Err(fault("currency", "expected a currency code of three letters"));
        }
    }
    for field in amounts {
        if value(field).is_some_and(|value| matches!(amount(value), Amount::TooLarge)) {
            return Err(fault(field, "the amount is beyond 2^53-1 minor units"));
        }
    }
    Ok(())
}

/// The text that a JSON value holds.
fn text(value: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    if let Ok(Text(text)) = serde_json::from_str(value) {
        return Some(text);
    }
    let repaired = well_formed_text(value)?;
    serde_json::from_str(&repaired).ok().map(Cow::Owned)
}

enum Amount {
    Minor(i64),
    TooLarge,
    /// Not an integer. An optional field with such a value is omitted.
    NoNumber,
}

/// Reads an amount as [`fields`](super::fields) does.
fn amount(value: &str) -> Amount {
    let is_quoted = value.starts_with('"');
    let text = if is_quoted { text(value) } else { Some(Cow::Borrowed(value)) };
    let Some(text) = text else { return Amount::NoNumber };
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    if let Ok(minor) = whole.parse::<i64>() {
        let fits = minor.unsigned_abs() <= MAX_AMOUNT.unsigned_abs();
        return if fits { Amount::Minor(minor) } else { Amount::TooLarge };
    }
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse::<f64>() {
        #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact")]
        Ok(number) if is_number && number.abs() > MAX_AMOUNT as f64 => Amount::TooLarge,
        #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53")]
        Ok(number) if is_number && !is_quoted && number.fract() == 0.0 => {
            Amount::Minor(number as i64)
        }
        _ => Amount::NoNumber,
    }
}

/// Finds the values of some keys of an object; of two equal keys the last one counts, as in
/// JavaScript.
struct Wanted<N>(N);

impl<'de, N> de::DeserializeSeed<'de> for Wanted<N>
where
    N: Iterator<Item = &'static str> + Clone,
{
    type Value = [Option<&'de RawValue>; MOST];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, N> de::Visitor<'de> for Wanted<N>
where
    N: Iterator<Item = &'static str> + Clone,
{
    type Value = [Option<&'de RawValue>; MOST];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; MOST];
        while let Some(at) = map.next_key_seed(Position(self.0.clone()))? {
            match at.and_then(|at| found.get_mut(at)) {
                Some(place) => *place = Some(map.next_value()?),
                None => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// The position of a key among the wanted keys. It copies no key.
struct Position<N>(N);

impl<'de, N> de::DeserializeSeed<'de> for Position<N>
where
    N: Iterator<Item = &'static str>,
{
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // Reads keys as bytes, because half a surrogate pair in a key must not fail the event.
        deserializer.deserialize_bytes(self)
    }
}

impl<N> de::Visitor<'_> for Position<N>
where
    N: Iterator<Item = &'static str>,
{
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(mut self, key: &[u8]) -> Result<Option<usize>, E> {
        Ok(self.0.position(|name| name.as_bytes() == key))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Option<usize>, E> {
        self.visit_bytes(key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{Payment, Refund, lenient};

    fn problem(kind: EventKind, data: &str) -> Option<(String, String)> {
        let error = check(&kind, data).err()?;
        let source = std::error::Error::source(&error).unwrap().to_string();
        Some((error.pointer().unwrap().to_owned(), source))
    }

    #[test]
    fn required_fields_and_amounts_decide() {
        let pay = |rest: &str| format!("{{\"payment_id\":\"pay_1\",\"currency\":\"EUR\",{rest}}}");
        let refund = |amount: &str| format!("{{\"refund_id\":\"ref_1\",\"amount\":{amount}}}");
        let paid = || EventKind::PaymentSucceeded;
        let refunded = || EventKind::RefundSucceeded;
        for (kind, data, pointer) in [
            (paid(), pay("\"total_amount\":0"), None),
            (paid(), pay("\"total_amount\":\" 100 \""), None),
            (paid(), pay("\"total_amount\":100.0"), None),
            (paid(), pay("\"total_amount\":9007199254740991"), None),
            (paid(), pay("\"total_amount\":1,\"tax\":\"x\",\"\\ud800\":[]"), None),
            (paid(), pay("\"total_amount\":9007199254740992"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":9223372036854775807"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":\"9223372036854775808\""), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":1e400"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":-1"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":1.5"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":1,\"total_amount\":null"), Some("/data/total_amount")),
            (paid(), pay("\"total_amount\":1,\"tax\":-9007199254740992"), Some("/data/tax")),
            (paid(), pay("\"total_amount\":1,\"currency\":\" usd \""), None),
            (paid(), pay("\"total_amount\":1,\"currency\":null"), Some("/data/currency")),
            (paid(), pay("\"total_amount\":1,\"payment_id\":\" \""), Some("/data/payment_id")),
            (paid(), "[]".to_owned(), Some("/data")),
            (paid(), "null".to_owned(), Some("/data")),
            (refunded(), refund("null"), None),
            (refunded(), refund("\"x\""), None),
            (refunded(), refund("1e300"), Some("/data/amount")),
            (
                EventKind::DunningStarted,
                json!({"subscription_id": 1}).to_string(),
                Some("/data/subscription_id"),
            ),
            ("future.thing".into(), "null".to_owned(), None),
        ] {
            let found = problem(kind, &data);
            assert_eq!(found.as_ref().map(|(at, _)| at.as_str()), pointer, "{data} {found:?}");
        }
        let (_, reason) = problem(paid(), &pay("\"total_amount\":-1")).unwrap();
        assert_eq!(reason, "the total of a payment is negative");
    }

    proptest! {
        /// The decision accepts exactly the texts that the payload's own type reads.
        #[test]
        fn decision_agrees_with_the_payload_types(
            id in value(), amount in value(), currency in value(), other in value(),
        ) {
            let data = format!(
                "{{\"payment_id\":{id},\"refund_id\":{id},\"total_amount\":{amount},\
                 \"currency\":{currency},\"status\":{other},\"customer\":{other},\"metadata\":{other}}}"
            );
            let read = lenient::read::<Payment>(&data, "").is_ok();
            prop_assert_eq!(check(&EventKind::PaymentFailed, &data).is_ok(), read, "{}", data);
            let read = lenient::read::<Refund>(&data, "").is_ok();
            prop_assert_eq!(check(&EventKind::RefundFailed, &data).is_ok(), read, "{}", data);
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            (-3_i64..=3).prop_map(|n| (9_007_199_254_740_991 + n).to_string()),
            any::<f64>().prop_filter_map("JSON", |n| n.is_finite().then(|| json!(n).to_string())),
            (-1000_i64..1000).prop_map(|n| json!(format!(" {n} ")).to_string()),
            Just("\"EUR\"".to_owned()),
            Just("\" usd\"".to_owned()),
            Just("\"1e3\"".to_owned()),
            Just("\"12.00\"".to_owned()),
            Just("\"\\ud83d\"".to_owned()),
            "[a-zA-Z_ ]{0,5}".prop_map(|text| json!(text).to_string()),
            Just("[1,{}]".to_owned()),
            Just("{\"a\":[],\"a\":1}".to_owned()),
            Just("1e400".to_owned()),
        ]
    }
}
