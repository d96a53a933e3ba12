/// The values of an axis: evenly spaced round numbers, with zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    step: i128,
    /// The steps below zero.
    below: i128,
    /// The steps above zero.
    above: i128,
}

/// The height of a chart, in its own units.
pub(super) const HEIGHT: i128 = 1000;

impl Axis {
    /// An axis that holds both values with at most six steps.
    pub(crate) fn holding(low: i128, high: i128) -> Self {
        let (low, high) = (low.min(0), high.max(0));
        let mut step = 1;
        // 1, 2, 5, 10, 20, 50, ...
        for factor in [2, 5, 10].into_iter().cycle() {
            if ceil_div(high, step) + ceil_div(-low, step) <= 6 {
                break;
            }
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

    /// The values from top to bottom, at most seven.
    pub(crate) fn values(&self) -> impl Iterator<Item = i128> + '_ {
        (-self.below..=self.above).rev().map(|at| at * self.step)
    }

    /// The place of a value, in thousandths of the height from the top.
    pub(crate) fn y(&self, value: i128) -> i128 {
        let span = (self.above + self.below) * self.step;
        (self.above * self.step - value) * HEIGHT / span
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    (value + by - 1).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_every_value_in_round_steps() {
        for (low, high, expected) in [
            (0, 0, vec![1, 0]),
            (0, 4, vec![4, 3, 2, 1, 0]),
            (0, 1700, vec![2000, 1500, 1000, 500, 0]),
            (-400, 1700, vec![2000, 1500, 1000, 500, 0, -500]),
            (-9, 0, vec![0, -2, -4, -6, -8, -10]),
            (0, 570, vec![600, 500, 400, 300, 200, 100, 0]),
        ] {
            let axis = Axis::holding(low, high);
            assert_eq!(axis.values().collect::<Vec<_>>(), expected, "{low}..{high}");
        }
        let widest = Axis::holding(i64::MIN.into(), i64::MAX.into());
        assert!(widest.values().count() <= 7, "the widest axis is finite too");
        assert_eq!(Axis::holding(0, 1000).y(1000), 0);
        assert_eq!(Axis::holding(0, 1000).y(0), HEIGHT);
    }
}
