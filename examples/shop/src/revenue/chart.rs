//! The geometry of the column chart, in integers.

use jiff::{ToSpan, civil::Date};

use super::Days;

/// The values of an axis: evenly spaced, round numbers that include zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    step: i128,
    /// How many steps lie below zero.
    below: i128,
    /// How many steps lie above zero.
    above: i128,
}

impl Ticks {
    /// An axis that holds both values with at most about five steps.
    fn holding(low: i64, high: i64) -> Self {
        let (low, high) = (i128::from(low.min(0)), i128::from(high.max(0)));
        let mut step = 1;
        for factor in [2, 5, 10].into_iter().cycle() {
            let fits = |step: i128| ceil_div(high, step) + ceil_div(-low, step) <= 5;
            if fits(step) {
                break;
            }
            // 1, 2, 5, 10, 20, 50, ...
            let decade = match factor {
                2 => step,
                5 => step / 2,
                _ => step / 5,
            };
            step = decade * factor;
        }
        let above = ceil_div(high, step);
        let below = ceil_div(-low, step);
        Self { step, below, above: if above + below == 0 { 1 } else { above } }
    }

    /// The values from top to bottom.
    pub(crate) fn values(&self) -> impl Iterator<Item = i64> + '_ {
        (-self.below..=self.above).rev().map(|at| {
            i64::try_from(at * self.step).unwrap_or(if at < 0 { i64::MIN } else { i64::MAX })
        })
    }

    /// Where a value lies, in thousandths of the height from the top.
    pub(crate) fn y(&self, value: i128) -> i128 {
        let span = (self.above + self.below) * self.step;
        (self.above * self.step - value) * 1000 / span
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    (value + by - 1).div_euclid(by)
}

/// One rectangle of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Which source, as an index into the legend.
    pub(crate) source: usize,
    pub(crate) value: i64,
    /// Thousandths of the height from the top.
    pub(crate) top: i128,
    pub(crate) height: i128,
}

/// The most days that are shown.
const MOST_DAYS: i32 = 400;

/// Columns per day, stacked by source: charges above the zero line, reversals below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) ticks: Ticks,
    pub(crate) days: Vec<(Date, Vec<Block>)>,
}

impl Columns {
    /// The days `from..=to`, at most the last 400 of them: a visitor chooses both. `legend` gives the
    /// order of the sources.
    pub(crate) fn new(days: &Days, legend: &[&str], from: Date, to: Date) -> Self {
        let from = from.max(to.saturating_sub((MOST_DAYS - 1).days()));
        let shown = || from.series(1.day()).take_while(|day| *day <= to);
        let values = |day: Date| {
            let of_day = days.get(&day);
            legend.iter().enumerate().flat_map(move |(source, name)| {
                let flow = of_day.and_then(|day| day.get(*name)).copied().unwrap_or_default();
                [(source, flow.came), (source, flow.went)].into_iter().filter(|(_, v)| *v != 0)
            })
        };
        let (mut low, mut high) = (0_i64, 0_i64);
        for day in shown() {
            let stacked = |up: bool| {
                values(day)
                    .map(|(_, v)| v)
                    .filter(|v| (*v > 0) == up)
                    .fold(0_i64, i64::saturating_add)
            };
            high = high.max(stacked(true));
            low = low.min(stacked(false));
        }
        let ticks = Ticks::holding(low, high);
        let column = |day| {
            let (mut up, mut down) = (0_i128, 0_i128);
            values(day)
                .map(|(source, value)| {
                    let end = if value > 0 { &mut up } else { &mut down };
                    let start = *end;
                    *end += i128::from(value);
                    let (top, bottom) = (ticks.y(start.max(*end)), ticks.y(start.min(*end)));
                    Block { source, value, top, height: bottom - top }
                })
                .collect()
        };
        Self { days: shown().map(|day| (day, column(day))).collect(), ticks }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;

    use super::{super::Flow, *};

    #[test]
    fn axes_hold_every_value_in_round_steps() {
        for (low, high, expected) in [
            (0, 0, vec![1, 0]),
            (0, 4, vec![4, 3, 2, 1, 0]),
            (0, 1700, vec![2000, 1500, 1000, 500, 0]),
            (-400, 1700, vec![2000, 1500, 1000, 500, 0, -500]),
            (-9, 0, vec![0, -2, -4, -6, -8, -10]),
        ] {
            let ticks = Ticks::holding(low, high);
            assert_eq!(ticks.values().collect::<Vec<_>>(), expected, "{low}..{high}");
        }
        let widest = Ticks::holding(i64::MIN, i64::MAX);
        assert!(widest.values().count() <= 6, "the widest axis is finite too");
    }

    #[test]
    fn reversals_are_below_the_zero_line() {
        let day = date(2026, 11, 20);
        let sources = BTreeMap::from([
            ("direct".into(), Flow { came: 0, went: -500 }),
            ("newsletter".into(), Flow { came: 1500, went: 0 }),
        ]);
        let columns =
            Columns::new(&BTreeMap::from([(day, sources)]), &["newsletter", "direct"], day, day);
        assert_eq!(columns.ticks.values().collect::<Vec<_>>(), [1500, 1000, 500, 0, -500]);
        let (_, blocks) = &columns.days[0];
        assert_eq!((blocks[0].top, blocks[0].height), (0, 750));
        assert_eq!((blocks[1].top, blocks[1].height), (750, 250));
    }

    #[test]
    fn a_range_of_anybodys_choice_is_cut() {
        let columns = Columns::new(&BTreeMap::new(), &[], date(1, 1, 1), date(9999, 12, 31));
        assert_eq!(columns.days.len(), 400);
        assert_eq!(columns.days.last().map(|(day, _)| *day), Some(date(9999, 12, 31)));
    }

    #[test]
    fn days_without_money_keep_their_place() {
        let (from, to) = (date(2026, 2, 26), date(2026, 3, 2));
        let columns = Columns::new(&BTreeMap::new(), &[], from, to);
        assert_eq!(columns.days.len(), 5);
        assert!(columns.days.iter().all(|(_, blocks)| blocks.is_empty()));
    }
}
