//! The color of a value, which is the same in every chart.

use dodo_ledger::{
    Error,
    query::{Dimension, Range},
};
use jiff::ToSpan;

use super::Loader;
use crate::{
    chart::{COLORS, Color},
    question::Mode,
};

/// The number of months whose money decides.
const MONTHS: i32 = 12;

impl Loader<'_> {
    /// The most valuable values of a dimension in the 12 months before this one, each at its color. The
    /// filters of the page do not count, and the colors change at most with the month. In the first month
    /// of a ledger, this month decides.
    pub(super) async fn slots(&self, by: Dimension) -> Result<Vec<String>, Error> {
        let month = self.now.first_of_month().and_then(|first| first.start_of_day());
        let month = month.unwrap_or_else(|_| self.now.clone());
        let first = month.checked_sub(MONTHS.months()).unwrap_or_else(|_| month.clone());
        let (first, month) = (first.timestamp(), month.timestamp());
        for range in [Range::new(first, month), Range::new(month, self.now.timestamp())] {
            let Some((unit, _)) = self.currencies.first() else { break };
            let money = self.settings.ledger.money().currency(unit.currency).between(range);
            let money = if self.mode == Mode::Test { money.test_mode() } else { money };
            let most = u32::try_from(COLORS).unwrap_or(u32::MAX);
            let found = money.group_by(by).top(most).rows().await?;
            if !found.rows.is_empty() {
                return Ok(found.rows.into_iter().map(|row| row.value).collect());
            }
        }
        Ok(Vec::new())
    }
}

/// A color for each of these values: its own, or one that no other of them has.
pub(super) fn colors(slots: &[String], values: &[&str]) -> Vec<Color> {
    let own = |value: &str| slots.iter().position(|known| known == value);
    let taken: Vec<usize> = values.iter().filter_map(|value| own(value)).collect();
    let mut free = (0..COLORS).filter(|slot| !taken.contains(slot));
    let color = |value: &&str| own(value).or_else(|| free.next()).map_or(Color::Other, Color::Of);
    values.iter().map(color).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_belongs_to_its_value() {
        let slots = ["a", "b", "c", "d", "e"].map(str::to_owned);
        for (values, expected) in [
            (&["a", "b", "c", "d", "e"][..], &[0, 1, 2, 3, 4][..]),
            // A filter leaves some of them: they keep their colors.
            (&["c"], &[2]),
            (&["e", "a"], &[4, 0]),
            // Values without a color take those that no other value on the page has.
            (&["x", "b", "y"], &[0, 1, 2]),
            (&["v", "w", "x", "y", "z"], &[0, 1, 2, 3, 4]),
            (&[], &[]),
        ] {
            let expected: Vec<Color> = expected.iter().map(|slot| Color::Of(*slot)).collect();
            assert_eq!(colors(&slots, values), expected, "{values:?}");
        }
    }
}
