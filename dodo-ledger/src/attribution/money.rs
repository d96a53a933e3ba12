//! Money rows: one narrow row for each record that counts, their difference, and their sums.
//!
//! A row is a function of its record. A change of a record is therefore the new row minus the old one,
//! whatever the cause: a late context, another kind, a void, a merge or an erasure.

use std::collections::BTreeMap;

use dodo_core::attribution::RecordKind;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    channel::Channel,
    diff::RecordChange,
    dimension::{Dimension, TEXTS, Texts, texts},
    record::{Record, RecordState},
};

/// The kind of a money row. The place of a kind is its stored number, from 1.
const KINDS: [&str; 7] = [
    "one_time",
    "subscription_new",
    "subscription_renewal",
    "refund",
    "refund_reversal",
    "dispute_loss",
    "dispute_reversal",
];

/// The stored number of a kind of money: 1 to 7. `None`: the kind has no money.
pub(crate) fn kind_number(name: &str) -> Option<i64> {
    (1..).zip(KINDS).find(|(_, known)| *known == name).map(|(number, _)| number)
}

/// The name of a stored number.
pub(crate) fn kind_name(number: i64) -> Option<&'static str> {
    KINDS.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

/// The largest number of a charge: a one-time payment, a first charge or a renewal.
pub(crate) const LAST_CHARGE: i64 = 3;

/// The dimension of the sums of all rows.
pub(super) const TOTAL: i64 = 0;

/// The money of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyRow {
    /// `true` in live mode.
    pub live: bool,
    /// The currency.
    pub currency: String,
    /// The time at which the money moved, in microseconds since 1970.
    pub at: i64,
    /// 1 to 3: a charge. 4 to 7: a refund, a failed refund, a lost dispute, a reversed loss.
    pub kind: i64,
    /// The first charge of its customer.
    pub is_first: bool,
    /// The number of the [`Channel`].
    pub channel: i64,
    /// The values of the dimensions.
    pub texts: Texts,
    /// Minor units with tax. Negative: money left.
    pub gross: i64,
    /// Minor units without tax. The tax is gross minus net.
    pub net: i64,
}

impl MoneyRow {
    /// The row of a record. `None`: it is withdrawn or void, or has no money.
    #[must_use]
    pub fn from_record(record: &Record) -> Option<Self> {
        let money = record.record.money.filter(|_| record.state == RecordState::Valid)?;
        let kind = &record.record.kind;
        if matches!(kind, RecordKind::NonRevenue { .. }) {
            return None;
        }
        Some(Self {
            live: record.record.live,
            currency: money.currency.to_string(),
            at: record.record.occurred_at.as_microsecond(),
            kind: kind_number(kind.as_str())?,
            is_first: record.is_first,
            channel: Channel::from_record(record).number(),
            texts: texts(record),
            gross: money.gross,
            net: money.net,
        })
    }

    /// The entry of the row, with the id of each of its values.
    #[must_use]
    pub fn entry(&self, values: [i64; TEXTS]) -> RollEntry<'_> {
        let Self { live, at, kind, is_first, channel, gross, net, .. } = *self;
        let currency = &self.currency;
        RollEntry { live, currency, at, kind, is_first, channel, values, gross, net }
    }

    /// The values in the dictionary, each with the number of its dimension.
    pub(crate) fn values(&self) -> impl Iterator<Item = (i64, &str)> {
        (1..).zip(&self.texts).filter_map(|(dim, text)| Some((dim, text.as_deref()?)))
    }
}

/// The rows that a booking removes and puts, by the id of their record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoneyDelta {
    /// The rows before the booking.
    pub old: BTreeMap<String, MoneyRow>,
    /// The rows after it.
    pub new: BTreeMap<String, MoneyRow>,
}

impl MoneyDelta {
    /// The difference of changed records.
    #[must_use]
    pub fn from_changes(changes: &[RecordChange]) -> Self {
        let mut delta = Self::default();
        for change in changes {
            let old = change.old.as_ref().and_then(MoneyRow::from_record);
            let new = MoneyRow::from_record(&change.new);
            if old == new {
                continue;
            }
            let id = change.new.id();
            delta.old.extend(old.map(|row| (id.to_owned(), row)));
            delta.new.extend(new.map(|row| (id.to_owned(), row)));
        }
        delta
    }

    /// Whether no row changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty()
    }

    /// How often the rows use each value, after minus before. A value that both use has 0.
    pub(crate) fn uses(&self) -> BTreeMap<(i64, &str), i64> {
        let mut uses = BTreeMap::new();
        for (rows, sign) in [(&self.old, -1), (&self.new, 1)] {
            for value in rows.values().flat_map(MoneyRow::values) {
                *uses.entry(value).or_insert(0) += sign;
            }
        }
        uses
    }
}

/// One row of sums: a mode, a currency, a dimension with one value, and a day or a month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollKey {
    /// `true` in live mode.
    pub live: bool,
    /// The currency.
    pub currency: String,
    /// The number of the dimension. 0: all rows.
    pub dim: i64,
    /// 0: a civil day. 1: a civil month.
    pub grain: i64,
    /// Days since 1970, or months since the year 0.
    pub bucket: i64,
    /// The id of the value. 0: none. For the channel and the kind: its number.
    pub value: i64,
}

/// The sums of some rows, in the order of the columns of `dodo_roll`. The first one is the number of rows.
pub type RollSum = [i64; 10];

/// The sums of rows by key.
pub type Rolls = BTreeMap<RollKey, RollSum>;

/// A money row with the ids of its values in the order of the dimensions; 0: none.
#[derive(Clone, Copy, Debug)]
pub struct RollEntry<'a> {
    /// As in [`MoneyRow`], like the fields below.
    pub live: bool,
    /// The currency.
    pub currency: &'a str,
    /// Microseconds since 1970.
    pub at: i64,
    /// The number of the kind.
    pub kind: i64,
    /// The first charge of its customer.
    pub is_first: bool,
    /// The number of the channel.
    pub channel: i64,
    /// The ids of the values.
    pub values: [i64; TEXTS],
    /// Minor units with tax.
    pub gross: i64,
    /// Minor units without tax.
    pub net: i64,
}

/// The dimensions with sums.
pub(crate) fn summed() -> impl Iterator<Item = i64> {
    let texts = Dimension::TEXTS.into_iter().filter(|dimension| dimension.has_sums());
    let numbers = texts.chain([Dimension::Channel, Dimension::Kind]).filter_map(Dimension::number);
    [TOTAL].into_iter().chain(numbers)
}

/// Adds a row to the sums (`sign` 1) or takes it from them (`sign` -1).
pub fn roll(rolls: &mut Rolls, row: &RollEntry<'_>, zone: &TimeZone, sign: i64) {
    let (day, month) = buckets(row.at, zone);
    let texts = (1..).zip(Dimension::TEXTS).zip(row.values);
    let texts = texts.filter(|((_, dimension), _)| dimension.has_sums());
    let texts = texts.map(|((number, _), id)| (number, id));
    let channel = Dimension::Channel.number().map(|number| (number, row.channel));
    let kind = Dimension::Kind.number().map(|number| (number, row.kind));
    for (dim, value) in [(TOTAL, 0)].into_iter().chain(texts).chain(channel).chain(kind) {
        for (grain, bucket) in [(0, day), (1, month)] {
            let (live, currency) = (row.live, row.currency.to_owned());
            let key = RollKey { live, currency, dim, grain, bucket, value };
            let sums = rolls.entry(key).or_default();
            for (sum, number) in sums.iter_mut().zip(sums_of(row)) {
                *sum = sum.saturating_add(number.saturating_mul(sign));
            }
        }
    }
}

/// The sums of one row.
fn sums_of(row: &RollEntry<'_>) -> RollSum {
    let RollEntry { kind, gross, net, .. } = *row;
    let first = i64::from(row.is_first);
    match kind {
        ..=LAST_CHARGE => [1, first, 1, 0, 0, net, net, gross, 0, 0],
        4 | 5 => [1, first, 0, i64::from(kind == 4), 0, net, 0, 0, gross, 0],
        _ => [1, first, 0, 0, i64::from(kind == 6), net, 0, 0, 0, gross],
    }
}

/// The civil day and the civil month of a time.
pub(crate) fn buckets(at: i64, zone: &TimeZone) -> (i64, i64) {
    let at = Timestamp::from_microsecond(at).unwrap_or_default();
    let date = zone.to_datetime(at).date();
    (day_number(date), month_number(date))
}

/// Days since 1970.
pub(crate) fn day_number(date: Date) -> i64 {
    const BEGIN: Date = Date::constant(1970, 1, 1);
    let days = date.since((jiff::Unit::Day, BEGIN));
    days.map_or(0, |span| i64::from(span.get_days()))
}

/// Months since the year 0.
pub(crate) fn month_number(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}
