//! Sums of money, and the numbers that follow from them. Integers only: a page formats them.

/// The sums of some records in one currency. Minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sums {
    /// Everything with tax. Reversals are negative.
    pub gross: i128,
    /// Everything without tax.
    pub net: i128,
    /// The number of charges.
    pub charges: u64,
    /// The charges with tax.
    pub charges_gross: i128,
    /// The charges without tax.
    pub charges_net: i128,
    /// The number of refunds.
    pub refunds: u64,
    /// Refunds and failed refunds with tax: 0 or less.
    pub refunds_gross: i128,
    /// The number of lost disputes.
    pub disputes: u64,
    /// Lost disputes and reversed losses with tax: 0 or less.
    pub disputes_gross: i128,
    /// The number of customers with their first charge.
    pub new_customers: u64,
}

impl Sums {
    /// Adds other sums.
    pub(super) fn more(mut self, other: &Self) -> Self {
        self.gross += other.gross;
        self.net += other.net;
        self.charges += other.charges;
        self.charges_gross += other.charges_gross;
        self.charges_net += other.charges_net;
        self.refunds += other.refunds;
        self.refunds_gross += other.refunds_gross;
        self.disputes += other.disputes;
        self.disputes_gross += other.disputes_gross;
        self.new_customers += other.new_customers;
        self
    }

    /// Subtracts other sums.
    pub(super) fn less(mut self, other: &Self) -> Self {
        self.gross -= other.gross;
        self.net -= other.net;
        self.charges = self.charges.saturating_sub(other.charges);
        self.charges_gross -= other.charges_gross;
        self.charges_net -= other.charges_net;
        self.refunds = self.refunds.saturating_sub(other.refunds);
        self.refunds_gross -= other.refunds_gross;
        self.disputes = self.disputes.saturating_sub(other.disputes);
        self.disputes_gross -= other.disputes_gross;
        self.new_customers = self.new_customers.saturating_sub(other.new_customers);
        self
    }

    /// The tax.
    #[must_use]
    pub const fn tax(&self) -> i128 {
        self.gross - self.net
    }

    /// The net amount of an average charge, half to even. `None`: no charges.
    #[must_use]
    pub fn average(&self) -> Option<i128> {
        divide(self.charges_net, i128::from(self.charges))
    }

    /// The refunded share of the charges, in tenths of a percent. `None`: no charges.
    #[must_use]
    pub fn refund_rate(&self) -> Option<i64> {
        permille(-self.refunds_gross, self.charges_gross)
    }
}

/// `dividend / divisor`, half to even. `None`: the divisor is 0 or less.
pub(crate) fn divide(dividend: i128, divisor: i128) -> Option<i128> {
    if divisor <= 0 {
        return None;
    }
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match (rest.checked_mul(2)?).cmp(&divisor) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => floor & 1,
    };
    Some(floor + up)
}

/// The share of a part in a whole, in tenths of a percent, half to even. `None`: the whole is 0 or
/// less.
pub(crate) fn permille(part: i128, whole: i128) -> Option<i64> {
    divide(part.checked_mul(1000)?, whole).and_then(|share| i64::try_from(share).ok())
}

/// The share of a row in tenths of a percent, half to even. `None`: one of the two is negative, or the
/// whole is 0.
#[must_use]
pub fn share(part: i128, whole: i128) -> Option<i64> {
    permille(part, whole).filter(|_| part >= 0)
}

/// The change from the value before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Tenths of a percent of the value before, half to even.
    Percent(i64),
    /// The value before was 0, and this value is not.
    New,
    /// Both values are 0.
    Nothing,
    /// The value before was negative: the difference, in the unit of the value.
    Amount(i128),
}

/// The change of a value.
#[must_use]
pub fn change(now: i128, before: i128) -> Change {
    match before {
        0 if now == 0 => Change::Nothing,
        0 => Change::New,
        1.. => permille(now.saturating_sub(before), before)
            .map_or(Change::Amount(now.saturating_sub(before)), Change::Percent),
        _ => Change::Amount(now.saturating_sub(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked rows C1 and C2.
    #[test]
    fn changes() {
        for (now, before, expected) in [
            (3990, 2100, Change::Percent(900)),
            (100, 300, Change::Percent(-667)),
            (500, 0, Change::New),
            (0, 0, Change::Nothing),
            (500, -200, Change::Amount(700)),
            (i128::MAX, 1, Change::Amount(i128::MAX - 1)),
        ] {
            assert_eq!(change(now, before), expected, "{now} after {before}");
        }
    }

    /// Worked rows A8, A10, M2, M12, M13 and M14.
    #[test]
    fn rates_and_shares() {
        assert_eq!((share(70, 100), share(80, 100)), (Some(700), Some(800)), "A8");
        assert_eq!((share(300, -200), share(-500, -200), share(0, 0)), (None, None, None), "A10");
        let sums =
            |charges, charges_gross, charges_net, refunds, refunds_gross, refunds_net| Sums {
                gross: charges_gross + refunds_gross,
                net: charges_net + refunds_net,
                charges,
                charges_gross,
                charges_net,
                refunds,
                refunds_gross,
                ..Sums::default()
            };
        let refunded = sums(1, 2261, 1900, 1, -2261, -1900);
        assert_eq!((refunded.gross, refunded.tax(), refunded.net), (0, 0, 0), "M2");
        assert_eq!((refunded.charges, refunded.refund_rate()), (1, Some(1000)), "M2");
        let many = sums(3, 6783, 5000, 1, -2261, -1900);
        assert_eq!((many.average(), many.net, many.charges), (Some(1667), 3100, 3), "M12");
        let some = sums(4, 10000, 10000, 1, -2500, -2500);
        assert_eq!((some.refund_rate(), some.refunds), (Some(250), 1), "M13");
        let only = sums(0, 0, 0, 1, -1900, -1900);
        assert_eq!((only.net, only.refund_rate(), only.average()), (-1900, None, None), "M14");
    }

    #[test]
    fn halves_go_to_even() {
        for (dividend, divisor, expected) in [
            (5, 2, Some(2)),
            (7, 2, Some(4)),
            (-5, 2, Some(-2)),
            (5000, 3, Some(1667)),
            (1, 0, None),
        ] {
            assert_eq!(divide(dividend, divisor), expected, "{dividend} / {divisor}");
        }
    }
}
