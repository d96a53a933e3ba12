//! Records as files.

use std::io;

use dodo_core::attribution::{AttributionRecord, AttributionStep};

use serde::Serialize;

use crate::attribution::{Channel, Record};

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// RFC 4180 with a header line. Amounts are decimals in major units. `occurred_at` is the time
    /// when money moved, in UTC; [`Revenue`](super::Revenue) uses the same time. A text that a
    /// spreadsheet could run as a formula, at its start or after a separator, gets an apostrophe
    /// before it.
    Csv,
    /// One JSON object per line: the record, its `channel` and, if it is not attributed, the `reason`.
    JsonLines,
}

/// The columns of the CSV. New columns are added at the end only.
const COLUMNS: [&str; 31] = [
    "id",
    "kind",
    "occurred_at",
    "live",
    "payment_id",
    "refund_id",
    "dispute_id",
    "subscription_id",
    "customer_id",
    "product_ids",
    "currency",
    "gross",
    "tax",
    "net",
    "visitor",
    "visitor_step",
    "campaign_id",
    "link_id",
    "source",
    "medium",
    "content",
    "campaign_step",
    "basis",
    "plan_change",
    "on_demand",
    "consent",
    "flags",
    "term",
    "lead_id",
    "channel",
    "reason",
];

pub(super) struct Writer<'w, W> {
    format: ExportFormat,
    out: &'w mut W,
}

impl<'w, W: io::Write> Writer<'w, W> {
    pub(super) fn begin(format: ExportFormat, out: &'w mut W) -> io::Result<Self> {
        if format == ExportFormat::Csv {
            write!(out, "{}\r\n", COLUMNS.join(","))?;
        }
        Ok(Self { format, out })
    }

    pub(super) fn record(&mut self, stored: &Record) -> io::Result<()> {
        let channel = Channel::from_record(stored);
        let reason = channel.reason(stored.reason);
        let record = &stored.record;
        match self.format {
            ExportFormat::Csv => write!(self.out, "{}\r\n", row(record, channel, reason).join(",")),
            ExportFormat::JsonLines => {
                serde_json::to_writer(&mut *self.out, &Line { record, channel, reason })?;
                self.out.write_all(b"\n")
            }
        }
    }
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a AttributionRecord,
    channel: Channel,
    reason: Option<&'static str>,
}

/// The cells of a record, in the order of [`COLUMNS`].
fn row(record: &AttributionRecord, channel: Channel, reason: Option<&str>) -> Vec<String> {
    let money = record.money.as_ref();
    let campaign = record.campaign.as_ref().map(|found| &found.value);
    let some = |value: Option<&String>| value.map(|value| text(value)).unwrap_or_default();
    let step = |step: Option<AttributionStep>| step_number(step).to_string();
    vec![
        text(&record.id),
        record.kind.as_str().to_owned(),
        record.occurred_at.to_string(),
        record.live.to_string(),
        text(&record.payment_id),
        some(record.refund_id.as_ref()),
        some(record.dispute_id.as_ref()),
        text(&record.subscription_ids.join(" ")),
        some(record.customer_id.as_ref()),
        text(&record.product_ids.join(" ")),
        money.map(|money| money.currency.to_string()).unwrap_or_default(),
        money.map(|money| money.gross_major()).unwrap_or_default(),
        money.and_then(|money| money.tax_major()).unwrap_or_default(),
        money.map(|money| money.net_major()).unwrap_or_default(),
        some(record.visitor.as_ref().map(|found| &found.value)),
        step(record.visitor.as_ref().map(|found| found.step)),
        some(campaign.and_then(|campaign| campaign.campaign_id.as_ref())),
        some(campaign.and_then(|campaign| campaign.link_id.as_ref())),
        some(campaign.and_then(|campaign| campaign.source.as_ref())),
        some(campaign.and_then(|campaign| campaign.medium.as_ref())),
        some(campaign.and_then(|campaign| campaign.content.as_ref())),
        step(record.campaign.as_ref().map(|found| found.step)),
        name(&record.basis),
        record.plan_change.to_string(),
        record.on_demand.to_string(),
        name(&record.consent),
        flags(record),
        some(campaign.and_then(|campaign| campaign.term.as_ref())),
        some(campaign.and_then(|campaign| campaign.lead_id.as_ref())),
        channel.to_string(),
        reason.unwrap_or_default().to_owned(),
    ]
}

/// The number of the step that found the visitor or the campaign. 8: no step.
const fn step_number(step: Option<AttributionStep>) -> u8 {
    match step {
        Some(AttributionStep::EventMetadata) => 1,
        Some(AttributionStep::PaymentRecord) => 2,
        Some(AttributionStep::CheckoutContext) => 3,
        Some(AttributionStep::SubscriptionRecord) => 4,
        Some(AttributionStep::RecoveredFrom) => 5,
        Some(AttributionStep::CustomerRecord) => 6,
        Some(AttributionStep::EmailMatch) => 7,
        _ => 8,
    }
}

/// The name that a value has in JSON.
fn name(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The flags that are set.
fn flags(record: &AttributionRecord) -> String {
    let Ok(serde_json::Value::Object(flags)) = serde_json::to_value(record.flags) else {
        return String::new();
    };
    let set = flags.into_iter().filter(|(_, set)| set == true).map(|(name, _)| name);
    set.collect::<Vec<_>>().join(" ")
}

/// The characters that begin a formula, with their full-width forms: OWASP, "CSV Injection".
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Returns a cell of text that no spreadsheet runs as a formula. RFC 4180 demands quotes for
/// commas, quotes and line breaks. Some spreadsheets also divide cells at semicolons and tabs, even
/// inside of quotes. So the text after each of these gets an apostrophe as well, if it begins like
/// a formula.
#[doc(hidden)]
#[must_use]
pub fn text(value: &str) -> String {
    let (mut cell, mut quoted, mut begins) = (String::new(), false, true);
    for (at, char) in value.char_indices() {
        let blank = at == 0 && matches!(char, '\t' | '\r' | '\n');
        if begins && (blank || FORMULAS.contains(&char)) {
            cell.push('\'');
            quoted = true;
        }
        cell.push(char);
        if char == '"' {
            cell.push(char);
        }
        let divides = matches!(char, ';' | '\t' | '\r' | '\n');
        quoted |= divides || matches!(char, '"' | ',');
        begins = divides || begins && char == '"';
    }
    if quoted { format!("\"{cell}\"") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (value, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1+2", "\"'-1+2\""),
            ("+49", "\"'+49\""),
            // In locales with a decimal comma, a spreadsheet divides lines at semicolons.
            ("x;=cmd|'/C calc'!A0;y", "\"x;'=cmd|'/C calc'!A0;y\""),
            ("x;y", "\"x;y\""),
            ("a;-5;+6;@b;c=d", "\"a;'-5;'+6;'@b;c=d\""),
            ("a\t=1", "\"a\t'=1\""),
            ("a\n=1\r\n@b\r-c", "\"a\n'=1\r\n'@b\r'-c\""),
            ("x;\"=1", "\"x;\"\"'=1\""),
            (";=1", "\";'=1\""),
            ("=1;=2", "\"'=1;'=2\""),
            ("\t=1", "\"'\t'=1\""),
            ("\n=1", "\"'\n'=1\""),
            ("＝1+2", "\"'＝1+2\""),
            ("＋49", "\"'＋49\""),
            ("－1", "\"'－1\""),
            ("x;＠SUM(A1)", "\"x;'＠SUM(A1)\""),
            ("a＝b", "a＝b"),
            ("a=b-c", "a=b-c"),
            ("", ""),
        ] {
            assert_eq!(text(value), cell);
        }
    }

    #[test]
    fn every_column_has_a_cell() {
        let at = "2026-11-20T00:00:00Z".parse().unwrap();
        let record =
            AttributionRecord::new("charge:pay_1", dodo_core::attribution::RecordKind::OneTime, at);
        assert_eq!(row(&record, Channel::Direct, None).len(), COLUMNS.len());
    }
}
