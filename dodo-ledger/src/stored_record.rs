//! The stored form of a record: columns for what queries read, JSON for the rest.

use dodo_core::{
    attribution::AttributionRecord,
    capture::consent::Consent,
    money::{Currency, Money},
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    attribution::{
        Record, RecordState, StepReason,
        row::{compacted, from_json, hash_of, is_default},
    },
    error::Error,
    store::sql::{Row, Sql, sql},
};

/// The columns of a row that [`read`] reads. A statement can read others after them.
pub(crate) const COLUMNS: &str = RECORD.sqlite;
/// The number of the columns.
pub(crate) const WIDTH: usize = 19;
const RECORD: Sql = sql!(RECORD);

/// The fields of a record that are columns and not in its JSON.
const OMITTED: [&str; 8] = [
    "id",
    "live",
    "occurred_at",
    "created_at",
    "payment_id",
    "customer_id",
    "checkout_session_id",
    "money",
];

/// The omitted fields without which the JSON cannot be read. The columns replace these values.
const REQUIRED: &str = r#"{"id":"","live":false,"occurred_at":"1970-01-01T00:00:00Z","#;

/// The JSON of a record: the fields without a column, except for those with their default.
pub(crate) fn to_json(record: &AttributionRecord) -> Result<String, Error> {
    let failed = |error| Error::corrupt("a record cannot be written as JSON").with_source(error);
    let mut json = compacted(serde_json::to_value(record).map_err(failed)?, Value::is_null);
    if let Value::Object(fields) = &mut json {
        if let Some(flags) = fields.get_mut("flags") {
            *flags = compacted(flags.take(), is_default);
        }
        // An empty contact is another value than none.
        let is_empty = |name: &str, value: &Value| {
            ["flags", "tool_ids"].contains(&name) && value.as_object().is_some_and(Map::is_empty)
        };
        let is_omitted = |name: &str, value: &Value| match name {
            "consent" => record.consent == Consent::default(),
            "retry_attempt" => record.retry_attempt == 0,
            "email_sha256" => record.email_sha256 == hash_of(record.contact.as_ref()),
            _ => OMITTED.contains(&name) || is_default(value) || is_empty(name, value),
        };
        fields.retain(|name, value| !is_omitted(name, value));
    }
    serde_json::to_string(&json).map_err(failed)
}

/// The record of a row that begins with [`COLUMNS`].
pub(crate) fn read(row: &mut Row) -> Result<Record, Error> {
    let state = RecordState::from_number(row.int(0)?);
    let state = state.ok_or_else(|| Error::corrupt("a stored record has an unknown state"))?;
    let json = row.text(1)?;
    let visit_context = row.opt_text(2)?.map(|json| from_json(&json)).transpose()?;
    let excess = row.opt_int(3)?;
    let reason = row.opt_text(4)?.and_then(|name| StepReason::from_name(&name));
    let (country, is_first) = (row.opt_text(5)?, row.int(6)? != 0);
    let mut record = read_json(&json)?;
    read_fields(row, &mut record)?;
    Ok(Record { record, visit_context, reason, excess, country, is_first, state })
}

/// The fields of the JSON. The others have no value yet.
fn read_json(json: &str) -> Result<AttributionRecord, Error> {
    let Some(fields) = json.strip_prefix('{') else {
        return Err(Error::corrupt("a stored record is not a JSON object"));
    };
    let mut record: AttributionRecord = from_json(&[REQUIRED, fields].concat())?;
    record.email_sha256 = record.email_sha256.or_else(|| hash_of(record.contact.as_ref()));
    Ok(record)
}

/// The fields that are columns.
fn read_fields(row: &mut Row, record: &mut AttributionRecord) -> Result<(), Error> {
    let at = |micros| {
        Timestamp::from_microsecond(micros)
            .map_err(|_| Error::corrupt("a stored record has an invalid time"))
    };
    (record.id, record.live) = (row.text(7)?, row.int(8)? != 0);
    record.occurred_at = at(row.int(9)?)?;
    record.created_at = row.opt_int(10)?.map(at).transpose()?;
    record.payment_id = row.opt_text(11)?.unwrap_or_default();
    (record.customer_id, record.checkout_session_id) = (row.opt_text(12)?, row.opt_text(13)?);
    record.money = row.opt_text(14)?.map(|code| read_money(row, &code)).transpose()?;
    Ok(())
}

fn read_money(row: &mut Row, code: &str) -> Result<Money, Error> {
    let currency: Currency = code.parse().map_err(|error: dodo_core::Error| {
        Error::corrupt("a stored record has no readable currency").with_source(error)
    })?;
    let exponent = u8::try_from(row.int(15)?);
    let exponent = exponent.map_err(|_| Error::corrupt("a stored record has no exponent"))?;
    let (gross, tax, net) = (row.int(16)?, row.opt_int(17)?, row.int(18)?);
    Ok(Money::new(gross, tax, currency).with_exponent(exponent).with_net(net))
}
