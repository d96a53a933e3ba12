//! The allocation of reversals to a payment: each takes its share, and together at most the
//! payment.

use dodo_core::money::{Currency, Money};

use super::reversals::Reversal;

/// A payment and the part of it that is not yet reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) money: Money,
    /// Minor units that are not yet reversed.
    pub(super) remaining: i64,
}

impl Balance {
    fn reversed(&self) -> i64 {
        self.money.gross.saturating_sub(self.remaining)
    }

    /// The share of the net amount for this part of the gross amount.
    ///
    /// The net amount of a reversal is the difference of two shares. So the reversals of a whole
    /// payment add up to its net amount exactly, independent of rounding.
    fn net_of(&self, gross: i64) -> i64 {
        share(gross, self.money.net, self.money.gross)
    }
}

/// The demand of one refund or dispute.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReversalRequest {
    /// Minor units. `None`: the payload has no amount.
    pub(super) amount: Option<i64>,
    /// `None`: the currency of the payment.
    pub(super) currency: Option<Currency>,
    /// Without an amount, the request covers the rest of the payment.
    pub(super) remaining: bool,
}

/// Takes a request from a payment.
///
/// Without a payment, or in another currency, nothing is clamped and the share of tax is unknown: net
/// is gross.
pub(super) fn take(
    balance: Option<&mut Balance>,
    request: ReversalRequest,
    exponent: impl Fn(Currency) -> u8,
) -> Reversal {
    let mut reversal = Reversal { parent_missing: balance.is_none(), ..Reversal::default() };
    let amount = request.amount.map(i64::saturating_abs);
    let is_same = |balance: &&mut Balance| {
        request.currency.is_none_or(|currency| currency == balance.money.currency)
    };
    let Some(balance) = balance.filter(is_same) else {
        reversal.currency_mismatch = !reversal.parent_missing;
        reversal.money = amount.zip(request.currency).map(|(amount, currency)| {
            Money::new(amount, None, currency).with_exponent(exponent(currency)).negated()
        });
        reversal.amount_unknown = reversal.money.is_none();
        return reversal;
    };
    let Some(wanted) = amount.or(request.remaining.then_some(balance.remaining)) else {
        reversal.amount_unknown = true;
        return reversal;
    };
    let taken = wanted.min(balance.remaining);
    let before = balance.reversed();
    balance.remaining -= taken;
    reversal.excess = (taken < wanted).then_some(wanted - taken);
    let net = balance.net_of(balance.reversed()).saturating_sub(balance.net_of(before));
    let tax = balance.money.tax.map(|_| taken.saturating_sub(net));
    let money = Money::new(taken, tax, balance.money.currency).with_net(net);
    reversal.money = Some(money.with_exponent(balance.money.exponent).negated());
    reversal
}

/// `amount * part / whole`, rounded to the nearest, halves to even.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
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
    fn share_rounds_halves_to_even() {
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
        /// Each part is off by less than one minor unit.
        #[test]
        fn parts_of_a_full_refund_add_up_to_the_payment(
            gross in 1_i64..1_000_000,
            tax in 0_i64..1_000_000,
            cuts in prop::collection::btree_set(0_i64..1_000_000, 0..40),
        ) {
            let money = Money::new(gross, Some(tax.min(gross)), Currency::EUR);
            let mut balance = Balance { money, remaining: gross };
            let (mut back, mut from) = (money, 0);
            for until in cuts.into_iter().map(|cut| cut.min(gross)).chain([gross]) {
                let part = until - from;
                from = until;
                let request = ReversalRequest { amount: Some(part), currency: None, remaining: false };
                let taken = take(Some(&mut balance), request, exponent).money.unwrap();
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
        fn reversals_never_exceed_the_payment(
            gross in 0_i64..1_000_000,
            tax in 0_i64..1_000_000,
            demands in prop::collection::vec((prop::option::of(0_i64..1_500_000), any::<bool>()), 0..8),
        ) {
            let tax = tax.min(gross);
            let money = Money::new(gross, Some(tax), Currency::EUR);
            let mut balance = Balance { money, remaining: gross };
            let (mut back, mut excess, mut wanted) = (0, 0, 0);
            for (amount, rest) in demands {
                let left = balance.remaining;
                let request = ReversalRequest { amount, currency: Some(Currency::EUR), remaining: rest };
                let taken = take(Some(&mut balance), request, exponent);
                let Some(money) = taken.money else {
                    prop_assert!(amount.is_none() && !rest && taken.amount_unknown);
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
            prop_assert_eq!(balance.remaining, gross - back);
        }
    }
}
