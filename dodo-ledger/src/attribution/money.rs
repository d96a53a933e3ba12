//! What goes back of a payment: shares, remainders, and never more than was paid.

use dodo_core::money::{Currency, Money};

/// What was paid, as far as money that goes back is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) money: Money,
    /// What has not gone back yet, in minor units.
    pub(super) left: i64,
}

impl Paid {
    /// What went back already, in minor units.
    fn gone(&self) -> i64 {
        self.money.gross.saturating_sub(self.left)
    }

    /// The part of the net amount that belongs to so much of the gross amount.
    ///
    /// A movement's net is the difference of two of these, so that however much is rounded, all that
    /// was paid is exactly all that was earned.
    fn net_of(&self, gross: i64) -> i64 {
        share(gross, self.money.net, self.money.gross)
    }
}

/// What is to go back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Minor units, positive; `None` if the delivery did not say.
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<Currency>,
    /// Without an amount, everything that is left goes back.
    pub(super) whole: bool,
}

/// What goes back, and what is odd about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Back {
    /// Negative; `None` if nobody knows how much.
    pub(super) money: Option<Money>,
    pub(super) parent_missing: bool,
    pub(super) currency_mismatch: bool,
    pub(super) amount_unknown: bool,
    /// More was demanded than was left: so many minor units were not booked.
    pub(super) excess: Option<i64>,
}

/// Takes what is demanded from what was paid.
///
/// Without a payment, or in another currency than its, nothing is clamped and the share of tax is not
/// known: net is gross.
pub(super) fn take(
    paid: Option<&mut Paid>,
    demand: Demand,
    exponent: impl Fn(Currency) -> u8,
) -> Back {
    let mut back = Back {
        money: None,
        parent_missing: paid.is_none(),
        currency_mismatch: false,
        amount_unknown: false,
        excess: None,
    };
    let amount = demand.amount.map(|amount| amount.saturating_abs());
    let same = |paid: &Paid| demand.currency.is_none_or(|c| c == paid.money.currency);
    let Some(paid) = paid.filter(|paid| same(paid)) else {
        back.currency_mismatch = !back.parent_missing;
        back.amount_unknown = amount.is_none() || demand.currency.is_none();
        back.money = amount.zip(demand.currency).map(|(amount, currency)| {
            Money::new(amount, None, currency).with_exponent(exponent(currency)).negated()
        });
        return back;
    };
    let Some(wanted) = amount.or(demand.whole.then_some(paid.left)) else {
        back.amount_unknown = true;
        return back;
    };
    let taken = wanted.min(paid.left);
    let before = paid.gone();
    paid.left -= taken;
    back.excess = (taken < wanted).then_some(wanted - taken);
    let net = paid.net_of(paid.gone()).saturating_sub(paid.net_of(before));
    let tax = paid.money.tax.map(|_| taken.saturating_sub(net));
    let money = Money::new(taken, tax, paid.money.currency).with_net(net);
    back.money = Some(money.with_exponent(paid.money.exponent).negated());
    back
}

/// `amount * part / whole`, rounded to the nearest, halves to even; exact in between.
pub(super) fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let (product, whole) = (i128::from(amount) * i128::from(part), i128::from(whole));
    let (product, whole) = if whole < 0 { (-product, -whole) } else { (product, whole) };
    let (floor, rest) = (product.div_euclid(whole), product.rem_euclid(whole));
    let up = match (rest * 2).cmp(&whole) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => floor & 1,
    };
    i64::try_from(floor + up).unwrap_or(if floor < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exponent(currency: Currency) -> u8 {
        currency.exponent()
    }

    #[test]
    fn halves_go_to_the_even_side() {
        for (amount, part, whole, expected) in [
            (1, 1, 2, 0),
            (3, 1, 2, 2),
            (5, 1, 2, 2),
            (-1, 1, 2, 0),
            (-3, 1, 2, -2),
            (1, 2, 3, 1),
            (500, 1700, 2000, 425),
            (i64::MAX, i64::MAX, i64::MAX, i64::MAX),
            (7, 3, 0, 0),
        ] {
            assert_eq!(share(amount, part, whole), expected, "{amount} * {part} / {whole}");
        }
    }

    proptest! {
        /// However a full refund is split, nothing stays, and nobody's share is off by more than one.
        #[test]
        fn shares_of_all_are_all(
            gross in 1_i64..1_000_000,
            tax in 0_i64..1_000_000,
            cuts in prop::collection::btree_set(0_i64..1_000_000, 0..40),
        ) {
            let money = Money::new(gross, Some(tax.min(gross)), Currency::EUR);
            let mut paid = Paid { money, left: gross };
            let (mut back, mut from) = (money, 0);
            for until in cuts.into_iter().map(|cut| cut.min(gross)).chain([gross]) {
                let part = until - from;
                from = until;
                let demand = Demand { amount: Some(part), currency: None, whole: false };
                let taken = take(Some(&mut paid), demand, exponent).money.unwrap();
                prop_assert_eq!(taken.gross, -part);
                let off = i128::from(-taken.net) * i128::from(gross)
                    - i128::from(part) * i128::from(money.net);
                prop_assert!(off.abs() <= i128::from(gross), "{} of {part}", taken.net);
                back.gross += taken.gross;
                back.net += taken.net;
                back.tax = back.tax.zip(taken.tax).map(|(all, tax)| all + tax);
            }
            prop_assert_eq!((back.gross, back.net, back.tax), (0, 0, Some(0)));
        }

        #[test]
        fn what_goes_back_never_exceeds_what_was_paid(
            gross in 0_i64..1_000_000,
            tax in 0_i64..1_000_000,
            demands in prop::collection::vec((prop::option::of(0_i64..1_500_000), any::<bool>()), 0..8),
        ) {
            let tax = tax.min(gross);
            let mut paid = Paid { money: Money::new(gross, Some(tax), Currency::EUR), left: gross };
            let (mut back, mut excess, mut wanted) = (0, 0, 0);
            for (amount, whole) in demands {
                let left = paid.left;
                let demand = Demand { amount, currency: Some(Currency::EUR), whole };
                let taken = take(Some(&mut paid), demand, exponent);
                let Some(money) = taken.money else {
                    prop_assert!(amount.is_none() && !whole && taken.amount_unknown);
                    continue;
                };
                prop_assert_eq!(money.gross, money.net + money.tax.unwrap());
                prop_assert!(money.net <= 0 && money.net >= money.gross);
                back -= money.gross;
                excess += taken.excess.unwrap_or(0);
                wanted += amount.unwrap_or(left);
            }
            prop_assert!(back <= gross);
            prop_assert_eq!(back + excess, wanted);
            prop_assert_eq!(paid.left, gross - back);
        }
    }
}
