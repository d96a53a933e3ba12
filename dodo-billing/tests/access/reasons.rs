//! The sentence of each reason.

use std::collections::BTreeSet;

use dodo_billing::{AccessChange, Plan, Plans, derive};

use crate::{
    notation::{day, facts},
    rows::{ROWS, builder},
};

/// The row and the sentence.
const SENTENCES: [(&str, &str); 33] = [
    ("paid_subscription_is_active", "Paid until 30 Jan 2027."),
    ("active_before_its_payment_gives_access", "No payment is confirmed yet."),
    ("failed_start_never_gave_access", "No payment succeeded."),
    ("processing_payment_is_pending", "The first payment is being processed."),
    ("trial_gives_access", "Trial until 14 Jan 2027."),
    ("canceled_trial_runs_to_its_end", "Canceled. Trial until 14 Jan 2027."),
    ("trial_canceled_now_runs_to_its_end", "Canceled on 3 Jan 2027. Trial until 14 Jan 2027."),
    ("trial_without_card_ends", "The trial ended on 14 Jan 2027. No payment method is stored."),
    (
        "missing_payment_method_ends_at_paid_date",
        "The paid time ended on 30 Jan 2027. No payment method is stored.",
    ),
    ("renewal_without_events_has_slack", "Paid until 30 Jan 2027. No renewal is confirmed."),
    ("hold_has_grace", "A charge failed on 30 Jan 2027. Access ends on 2 Feb 2027."),
    ("hold_grace_ends", "A charge failed on 30 Jan 2027."),
    ("hold_with_charge_is_paid", "A charge failed on 30 Jan 2027. Paid until 1 Mar 2027."),
    ("cancellation_on_hold_ends", "A charge failed on 30 Jan 2027. Canceled on 9 Feb 2027."),
    (
        "scheduled_cancellation_keeps_paid_time",
        "Canceled. Paid until 30 Jan 2027. It does not renew.",
    ),
    ("paid_date_is_exclusive", "Canceled. It ended on 30 Jan 2027."),
    (
        "cancel_now_keeps_paid_time",
        "Canceled on 10 Jan 2027. Paid until 30 Jan 2027. It does not renew.",
    ),
    ("cancel_now_ends_by_rule", "Canceled on 10 Jan 2027."),
    ("app_ends_access", "Access was ended on 10 Jan 2027."),
    (
        "early_expiry_keeps_paid_time",
        "Reported as expired, but paid until 30 Jan 2027. A check is due.",
    ),
    ("expiry_after_cancellation_ends", "The term is over."),
    ("pause_ends_access_and_keeps_rest", "Paused on 10 Jan 2027."),
    ("unpaid_pause_is_paused", "Paused on 10 Jan 2027. A payment failed."),
    ("purchase_has_no_end", "Bought on 31 Dec 2026. It has no end date."),
    ("second_term_counts_from_its_payment", "Bought on 27 Oct 2027. It ends on 26 Oct 2028."),
    ("term_ends_purchase", "Bought on 31 Dec 2026. It ended on 31 Dec 2027."),
    ("full_refund_ends_purchase", "Bought on 31 Dec 2026, refunded on 1 Jan 2027."),
    ("refund_of_newest_charge_ends", "The last charge was refunded on 2 Feb 2027."),
    ("lost_dispute_ends_subscription", "The last charge was disputed on 5 Jan 2027."),
    ("app_grant_gives_plan", "Granted until 10 Apr 2027: beta."),
    ("block_ends_everything", "Blocked on 5 Jan 2027."),
    ("unknown_status_keeps_paid_time", "Dodo Payments reports the unknown status \"suspended\"."),
    ("on_demand_has_no_end", "Active. It has no end date."),
];

#[test]
fn reason_is_a_sentence_with_dates() {
    let mut wrong = Vec::new();
    for (name, sentence) in SENTENCES {
        let row = ROWS.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name}"));
        let access = derive(&row.facts, &row.plans, row.now);
        if access.reason().text != sentence {
            wrong.push(format!("{name}: {}", access.reason()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn table_has_a_row_for_each_reason() {
    let source = include_str!("../../src/reason.rs");
    let codes = source.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("    ")?.split_once(" = \"")?;
        rest.strip_suffix("\",")
    });
    let codes: BTreeSet<_> = codes.map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for row in &*ROWS {
        let access = derive(&row.facts, &row.plans, row.now);
        found.insert(access.reason().code.to_string());
        found.extend(access.sources().iter().map(|source| source.reason.code.to_string()));
    }
    assert!(codes.len() > 20, "{codes:?}");
    assert_eq!(codes, found);
}

#[test]
fn change_has_before_after_and_reason() {
    let plans = builder().build().unwrap();
    let none = std::collections::BTreeMap::new();
    let before = derive(&facts("B", &none), &plans, day(10.0));
    let ended = facts("B, refund@11{of 0}", &none);
    let after = derive(&ended, &plans, day(11.0));
    let change = AccessChange::between(&before, &after).unwrap();
    assert_eq!((&change.before, &change.after), (&before, &after));
    assert_eq!(change.reason.text, "The last charge was refunded on 11 Jan 2027.");
    assert_eq!(change.lost().collect::<Vec<_>>(), ["export"]);
    assert_eq!(change.gained().count(), 0);
    let back = AccessChange::between(&after, &before).unwrap();
    assert_eq!(back.gained().collect::<Vec<_>>(), ["export"]);
}

#[test]
fn fact_without_effect_changes_nothing() {
    let plans = builder().build().unwrap();
    let none = std::collections::BTreeMap::new();
    let before = derive(&facts("B", &none), &plans, day(10.0));
    let after = derive(&facts("B, updated@5->30, pay@0", &none), &plans, day(11.0));
    assert_eq!(AccessChange::between(&before, &after), None);
}

#[test]
fn changed_rules_are_a_change() {
    let none = std::collections::BTreeMap::new();
    let facts = facts("B", &none);
    let before = derive(&facts, &builder().build().unwrap(), day(1.0));
    let plans =
        Plans::builder().plan(Plan::new("a").product("pdt_A").feature("new")).build().unwrap();
    let after = derive(&facts, &plans, day(1.0));
    let change = AccessChange::between(&before, &after).unwrap();
    assert_eq!(change.gained().collect::<Vec<_>>(), ["new"]);
    assert_eq!(change.lost().collect::<Vec<_>>(), ["export"]);
}
