//! Readers of single fields: numbers as text, `null` for lists, objects and flags.
//!
//! Used with `#[serde(deserialize_with)]`, so that public fields have plain types.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

use super::Decimal;

/// The largest amount, 2^53-1: JavaScript, JSON tools and `f64` hold every integer up to here exactly.
pub(crate) const MAX_AMOUNT: i64 = 9_007_199_254_740_991;

/// An integer that may be written as `5831`, `5831.0`, `"5831"` or `"5831.00"`.
struct Integer(i64);

/// From here on, an `f64` cannot represent every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Integer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, or one as text")
            }
            fn visit_i64<E>(self, n: i64) -> Result<Integer, E> {
                Ok(Integer(n))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Integer, E> {
                i64::try_from(n)
                    .map(Integer)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Integer, E> {
                if n.fract() == 0.0 && n.abs() <= EXACT {
                    #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53")]
                    return Ok(Integer(n as i64));
                }
                Err(E::invalid_value(de::Unexpected::Float(n), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Integer, E> {
                let digits = text.trim();
                let digits = match digits.split_once('.') {
                    Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
                    _ => digits,
                };
                digits
                    .parse()
                    .map(Integer)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// An amount of money within ±(2^53-1) minor units.
struct Amount(i64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Integer(minor) = Integer::deserialize(deserializer)?;
        if (-MAX_AMOUNT..=MAX_AMOUNT).contains(&minor) {
            return Ok(Self(minor));
        }
        let expected = "an amount within 2^53-1 minor units";
        Err(de::Error::invalid_value(de::Unexpected::Signed(minor), &expected))
    }
}

/// The total of a payment: an integer that is required and not negative.
pub(super) fn payment_total<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    price(Amount::deserialize(deserializer)?)
}

/// A price, absent or `null`: an amount of money that is not negative.
pub(super) fn optional_price<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    Option::<Amount>::deserialize(deserializer)?.map(price).transpose()
}

fn price<E: de::Error>(Amount(minor): Amount) -> Result<i64, E> {
    match minor {
        0.. => Ok(minor),
        _ => {
            Err(E::invalid_value(de::Unexpected::Signed(minor), &"an amount that is not negative"))
        }
    }
}

/// The object's own id: a text that is not blank, without blanks around it.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            match text.trim() {
                "" => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                id => Ok(id.to_owned()),
            }
        }
    }
    deserializer.deserialize_str(Visitor)
}

/// An integer, absent or `null`.
pub(crate) fn optional_integer<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Integer>::deserialize(deserializer)?.map(|n| n.0))
}

/// An amount of money, absent or `null`.
pub(crate) fn optional_amount<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Amount>::deserialize(deserializer)?.map(|amount| amount.0))
}

/// An amount of money as a decimal, absent or `null`.
pub(super) fn optional_decimal_amount<'de, D>(deserializer: D) -> Result<Option<Decimal>, D::Error>
where
    D: Deserializer<'de>,
{
    let amount = Option::<Decimal>::deserialize(deserializer)?;
    let number = amount.as_ref().and_then(|amount| amount.as_str().parse::<f64>().ok());
    #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact")]
    if number.is_some_and(|number| number.abs() > MAX_AMOUNT as f64) {
        return Err(de::Error::custom("expected an amount within 2^53-1 minor units"));
    }
    Ok(amount)
}

/// `null` is the default: `false`, an empty map, an object without values.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Accepts only an object, because derived structs also read lists by position.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// An object; `null` is one without values.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(optional_object(deserializer)?.unwrap_or_default())
}

/// An object or `null`.
pub(super) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

/// A list of objects. `null` is empty, and `null` elements are skipped.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    collect(deserializer, |Object(element)| element)
}

/// A list of other values. `null` is empty, and `null` elements are skipped.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    collect(deserializer, |element| element)
}

fn collect<'de, D, T, U>(deserializer: D, map: fn(T) -> U) -> Result<Vec<U>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T, U>(fn(T) -> U);
    impl<'de, T: Deserialize<'de>, U> de::Visitor<'de> for Visitor<T, U> {
        type Value = Vec<U>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_unit<E>(self) -> Result<Vec<U>, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<U>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element::<Option<T>>()? {
                list.extend(element.map(self.0));
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(Visitor(map))
}
