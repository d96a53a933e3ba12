//! Billing in a database: the table of edge cases once more, through a ledger; and bookings side by side.

use std::sync::Arc;

use dodo_billing::{
    Billing, derive,
    fact::{AppDecision, BillingFact, BillingFactKind as Kind},
};
use dodo_core::BoxError;
use dodo_ledger::{
    Ledger, Store,
    sqlx::{self, Connection as _, PgConnection, Row as _},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    notation::{day, facts},
    rows::{ROWS, builder as plans},
    store::{Database, TestClock, builder, ledger_fact, renamed},
};

/// A ledger with billing in a database.
async fn opened(store: &Store, billing: &Billing) -> Ledger {
    Ledger::builder(store.clone()).projection(billing.clone()).open().await.unwrap()
}

/// Books facts about an owner, each alone and in the given order. Decisions go through the API.
async fn book(
    ledger: &Ledger,
    billing: &Billing,
    clock: &TestClock,
    owner: &str,
    facts: &[BillingFact],
) {
    let token = billing.owner(owner).token().unwrap();
    let customer = format!("cus_{owner}");
    for fact in facts {
        if let Some(fact) = ledger_fact(fact, &customer, &token) {
            ledger.book_facts(vec![fact]).await.unwrap();
            continue;
        }
        clock.set(fact.at);
        let Kind::Decision(decision) = &fact.kind else { panic!("a fact without a form") };
        decide(billing, owner, decision).await;
    }
}

async fn decide(billing: &Billing, owner: &str, decision: &AppDecision) {
    let owner = billing.owner(owner);
    let decided = match decision {
        AppDecision::GrantPlan { grant_id, plan, until, why } => {
            owner.grant(grant_id, plan, *until, why).await
        }
        AppDecision::WithdrawGrant { grant_id } => owner.withdraw_grant(grant_id).await,
        AppDecision::Block => owner.block().await,
        AppDecision::Unblock => owner.unblock().await,
        AppDecision::EndAccess { subscription_id } => owner.end_access(subscription_id).await,
        other => panic!("{other:?} is new"),
    };
    decided.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_gives_its_answer_from_memory_sqlite_and_postgresql() {
    for database in Database::all("each_row_gives_its_answer").await {
        let store = database.open().await;
        for (index, row) in ROWS.iter().enumerate() {
            let clock = TestClock::default();
            clock.set(row.now);
            let billing = builder(row.plans.clone(), &clock).build().unwrap();
            let ledger = opened(&store, &billing).await;
            let (owner, prefix) = (format!("user_{index}"), format!("r{index}_"));
            let facts: Vec<_> = row.facts.iter().map(|fact| renamed(fact, &prefix)).collect();
            // The last fact arrives first.
            let arrived: Vec<_> = facts.iter().rev().cloned().collect();
            book(&ledger, &billing, &clock, &owner, &arrived).await;
            clock.set(row.now);
            let expected = derive(&facts, &row.plans, row.now);
            let case = format!("row {} on {}", row.name, database.url);
            assert_eq!(billing.owner(&owner).await.unwrap(), expected, "{case}");
        }
        drop(store);
        database.remove().await;
    }
}
