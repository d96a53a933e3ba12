//! Billing in a database: the table of edge cases once more, through a ledger; bookings side by side; what
//! the app hears.

use std::sync::{Arc, Mutex};

use dodo_billing::{
    AccessChanged, AccessListener, AccessState, Billing, OwnerId, days, derive,
    fact::{AppDecision, BillingFact, BillingFactKind as Kind},
};
use dodo_core::{BoxError, Environment, WebhookKey, Webhooks};
use dodo_ledger::{
    Ledger, Store, Workers,
    attribution::{FactKind, Touchpoint},
    projection::ProjectionTx,
    sqlx::{self, Connection as _, PgConnection},
    store::sql::{Sql, args, sql},
};
use jiff::Timestamp;

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

/// Facts by their notation, about objects with a prefix.
fn named(text: &str, prefix: &str) -> Vec<BillingFact> {
    facts(text, &Default::default()).iter().map(|fact| renamed(fact, prefix)).collect()
}

/// Two groups of one owner, booked at the same time on two connections: the second booking sees the first.
#[tokio::test(flavor = "multi_thread")]
async fn two_groups_of_one_owner_lose_no_update() {
    let Some(database) = Database::postgres("two_groups_of_one_owner").await else { return };
    let clock = TestClock::default();
    clock.set(day(10.0));
    let plans = plans().build().unwrap();
    let billing = builder(plans.clone(), &clock).build().unwrap();
    let store = database.open().await;
    let ledger = opened(&store, &billing).await;
    book(&ledger, &billing, &clock, "user_1", &named("B", "first_")).await;

    // Both bookings write their facts, and wait for the row of the owner.
    let mut gate = PgConnection::connect(&database.url).await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM dodo_billing_owner WHERE owner = 'user_1' FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut gate).await.unwrap();
    let mut bookings = Vec::new();
    for (group, product) in [("b", "B"), ("c", "C")] {
        let (billing, store) = (billing.clone(), database.open().await);
        let ledger = opened(&store, &billing).await;
        let text = format!("active@1->31{{product {product}}}");
        let token = billing.owner("user_1").token().unwrap();
        let facts = named(&text, group);
        let facts: Vec<_> =
            facts.iter().filter_map(|f| ledger_fact(f, &format!("cus_{group}"), &token)).collect();
        bookings.push(tokio::spawn(async move { ledger.book_facts(facts).await }));
    }
    let mut watch = PgConnection::connect(&database.url).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND query LIKE '%dodo_billing_owner%'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watch).await.unwrap() < 2 {}
    sqlx::raw_sql("COMMIT").execute(&mut gate).await.unwrap();
    for booking in bookings {
        booking.await.unwrap().unwrap();
    }
    let access = billing.owner("user_1").await.unwrap();
    assert!(["a", "b", "c"].iter().all(|plan| access.has(plan)), "{access:?}");
    drop((ledger, store, gate, watch));
    database.remove().await;
}

/// Keeps what it hears.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Waits until this many lines were heard.
    async fn wait(&self, lines: usize) -> Vec<String> {
        while self.0.lock().unwrap().len() < lines {
            tokio::task::yield_now().await;
        }
        self.take()
    }
}

impl AccessListener for Heard {
    async fn access_changed(
        &self,
        event: &AccessChanged,
        _: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        let change = &event.change;
        let states = format!("{} to {}", change.before.state(), change.after.state());
        let line = format!("{}: {states}, {}", event.owner.as_str(), change.reason.code);
        self.0.lock().unwrap().push(line);
        Ok(())
    }

    async fn trial_ending(
        &self,
        owner: &OwnerId,
        access: &dodo_billing::Access,
        _: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        let line = format!("{}: trial until {:?}", owner.as_str(), access.until());
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}

fn workers(ledger: &Ledger) -> Workers {
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let key = WebhookKey::new(KEY, Environment::Test).unwrap();
    ledger.attach(Webhooks::builder(key)).unwrap().1
}

/// The clock of the machine moves, so the days are around it.
fn around_now(text: &str, prefix: &str, shift: jiff::SignedDuration) -> Vec<BillingFact> {
    let mut facts = named(text, prefix);
    for fact in &mut facts {
        fact.at += shift;
        match &mut fact.kind {
            Kind::Subscription { body, .. } => {
                let at = body.next_billing_date.as_mut().unwrap();
                *at += shift;
            }
            Kind::Payment(payment) => payment.paid_at += shift,
            _ => {}
        }
    }
    facts
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_hears_each_change_once_and_the_end_of_a_trial() {
    for database in Database::all("listener_hears_each_change_once").await {
        let (clock, heard) = (TestClock::default(), Heard::default());
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock);
        let billing = billing.listener(heard.clone()).trial_notice(days(3)).build().unwrap();
        let ledger = opened(&store, &billing).await;
        // Two instances.
        let other = opened(&store, &billing).await;
        let running = [workers(&ledger), workers(&other)];

        // Day 11 is now: the trial of 14 days ends in 3 days, so its notice is due.
        let now = Timestamp::now();
        let shift = now.duration_since(day(11.0)) - jiff::SignedDuration::from_millis(300);
        clock.set(now - days(1));
        let mut trial = around_now("T", "t_", shift);
        book(&ledger, &billing, &clock, "user_1", &trial).await;
        // Two workers hear them, in any order.
        let mut lines = heard.wait(2).await;
        lines.sort();
        assert_eq!(lines[0], "user_1: none to trialing, trial");
        assert!(lines[1].starts_with("user_1: trial until Some(At("), "{lines:?}");
        clock.set(now);

        // The same facts again, and a fact that changes nothing.
        trial.extend(around_now("updated@1->14{trial 14}", "t_", shift));
        trial.last_mut().unwrap().id = "t_msg_again".to_owned();
        book(&ledger, &billing, &clock, "user_1", &trial).await;
        // A decision is heard like a fact.
        billing.owner("user_1").block().await.unwrap();
        assert_eq!(heard.wait(1).await, ["user_1: trialing to ended, blocked"]);
        billing.owner("user_1").unblock().await.unwrap();
        assert_eq!(heard.wait(1).await, ["user_1: ended to trialing, trial"]);

        // The paid time of another owner ended a moment ago, by the clock of the app: the timer finds it.
        let shift = now.duration_since(day(30.0)) + jiff::SignedDuration::from_millis(200);
        clock.set(now - days(1));
        let ending = around_now("active@0->30, pay@0, updated@1->30{flag}", "e_", shift);
        book(&ledger, &billing, &clock, "user_2", &ending).await;
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.ends_with(" ended, cancelled")) {
            lines.extend(heard.wait(1).await);
        }
        let ends = lines.iter().filter(|line| line.ends_with(" ended, cancelled"));
        assert_eq!(ends.count(), 1, "{lines:?}");
        clock.set(now + days(1));
        assert_eq!(billing.owner("user_2").await.unwrap().state(), AccessState::Ended);
        for workers in running {
            workers.shutdown(std::time::Duration::from_secs(5)).await;
        }
        assert_eq!(heard.take(), Vec::<String>::new(), "{}", database.url);
        drop((ledger, other, store));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_plans_answer_at_once_and_forged_owners_never() {
    for database in Database::all("new_plans_answer_at_once").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock).build().unwrap();
        let ledger = opened(&store, &billing).await;
        book(&ledger, &billing, &clock, "user_1", &named("B", "n_")).await;
        assert!(!billing.owner("user_1").await.unwrap().can("later"));

        // The row is of the old plans: the answer comes from the facts.
        let new = plans().plan(dodo_billing::Plan::new("d").product("pdt_D").includes("a"));
        let new = new.product(dodo_billing::SoldProduct::once("pdt_A2").feature("later"));
        let renewed = builder(new.build().unwrap(), &clock).build().unwrap();
        let again = opened(&store, &renewed).await;
        assert!(renewed.owner("user_1").await.unwrap().can("export"));

        // A token of another secret, and of another owner's making, binds nothing.
        let forger = builder(plans().build().unwrap(), &clock);
        let forger = forger.secret("another-secret-of-32-characters").build().unwrap();
        let forged = forger.owner("user_2").token().unwrap();
        for (token, prefix) in [(&*forged, "f_"), ("o1.x.dXNlcl8y.AAAAAAAAAAAAAAAAAAAAAA", "g_")] {
            for fact in named("B", prefix) {
                let fact = ledger_fact(&fact, &format!("cus_{prefix}"), token).unwrap();
                ledger.book_facts(vec![fact]).await.unwrap();
            }
        }
        assert_eq!(billing.owner("user_2").await.unwrap().state(), AccessState::None);
        let wrong = billing.owner("ada@example.com").await.unwrap_err();
        assert_eq!(wrong.code(), "invalid_owner");
        drop((ledger, again, store));
        database.remove().await;
    }
}

/// A payment link carries the token of one owner, and its payer types the address of a stranger. Dodo
/// Payments gives such a payment to the customer of the stranger.
#[tokio::test(flavor = "multi_thread")]
async fn token_owns_its_purchase_and_not_the_customer() {
    for database in Database::all("token_owns_its_purchase").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock).build().unwrap();
        let ledger = opened(&store, &billing).await;
        let link_of_eve = billing.owner("eve").token().unwrap();
        for (text, prefix, token) in [
            ("active@1->31, pay@1", "stranger_", ""),
            ("active@2->32{product B}, pay@2", "eve_", &*link_of_eve),
            ("active@3->33{product C}, pay@3", "later_", ""),
        ] {
            for fact in named(text, prefix) {
                let mut fact = ledger_fact(&fact, "cus_stranger", token).unwrap();
                // The metadata of the link comes with the payment, and never with the customer.
                fact.person.as_mut().unwrap().customer = Touchpoint::default();
                ledger.book_facts(vec![fact]).await.unwrap();
            }
        }
        let access = billing.owner("eve").await.unwrap();
        let plans = ["a", "b", "c"].map(|plan| access.has(plan));
        assert_eq!(plans, [false, true, false], "{}: {access:?}", database.url);
        const BOUND: Sql = sql!("SELECT count(*) FROM dodo_billing_customer");
        let rows = store.fetch(&BOUND, args![]).await.unwrap();
        assert_eq!(rows.into_iter().next().unwrap().int(0).unwrap(), 0, "{}", database.url);
        drop((ledger, store));
        database.remove().await;
    }
}

/// Books the facts of a checkout session that the app opened for an owner. They have no token.
async fn book_session(
    ledger: &Ledger,
    store: &Store,
    owner: &str,
    customer: &str,
    facts: &[BillingFact],
) {
    const OPENED: Sql = sql!(
        "INSERT INTO dodo_billing_checkout
            (return_key, session_id, live, owner, cart, checkout_url, created_at)
         VALUES ($1, $1, 0, $2, '', '', 0)"
    );
    let session = format!("cks_{owner}");
    store.run(&OPENED, args![&*session, owner]).await.unwrap();
    for fact in facts {
        let mut fact = ledger_fact(fact, customer, "").unwrap();
        if let FactKind::Charge(charge) = &mut fact.kind {
            charge.session_id = Some(session.clone());
        }
        ledger.book_facts(vec![fact]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_owner_keeps_the_customer() {
    for database in Database::all("first_owner_keeps_the_customer").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock).build().unwrap();
        let ledger = opened(&store, &billing).await;
        // The ids of the second owner sort before those of the first.
        for (owner, prefix) in [("first", "z_"), ("second", "a_")] {
            book_session(&ledger, &store, owner, "cus_1", &named("B", prefix)).await;
        }
        for fact in named("active@3->33{product C}, pay@3", "later_") {
            let fact = ledger_fact(&fact, "cus_1", "").unwrap();
            ledger.book_facts(vec![fact]).await.unwrap();
        }
        for (owner, has_later) in [("first", true), ("second", false)] {
            let access = billing.owner(owner).await.unwrap();
            let found = (access.has("a"), access.has("c"));
            assert_eq!(found, (true, has_later), "{} {owner}", database.url);
        }
        drop((ledger, store));
        database.remove().await;
    }
}

/// The rows of each table of billing that name the owner or an object of the owner.
async fn rows_with_canary(store: &Store) -> [i64; 5] {
    const OWNER: Sql =
        sql!("SELECT count(*) FROM dodo_billing_owner WHERE owner || answer LIKE '%canary%'");
    const GROUP: Sql = sql!("SELECT count(*) FROM dodo_billing_group WHERE owner LIKE '%canary%'");
    const CUSTOMER: Sql = sql!(
        "SELECT count(*) FROM dodo_billing_customer WHERE owner || customer_id LIKE '%canary%'"
    );
    const GRANT: Sql = sql!("SELECT count(*) FROM dodo_billing_grant WHERE owner LIKE '%canary%'");
    const CHANGE: Sql =
        sql!("SELECT count(*) FROM dodo_billing_change WHERE before || after LIKE '%canary%'");
    let mut counts = [0; 5];
    for (count, table) in counts.iter_mut().zip([OWNER, GROUP, CUSTOMER, GRANT, CHANGE]) {
        let rows = store.fetch(&table, args![]).await.unwrap();
        *count = rows.into_iter().next().unwrap().int(0).unwrap();
    }
    counts
}

/// The ledger erases a customer: billing hears of it in the same transaction.
#[tokio::test(flavor = "multi_thread")]
async fn erased_customer_takes_its_owner_along() {
    for database in Database::all("erased_customer_takes_its_owner_along").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let heard = Heard::default();
        let billing = builder(plans().build().unwrap(), &clock).listener(heard);
        let billing = billing.build().unwrap();
        let ledger = opened(&store, &billing).await;
        // One owner has one customer, another one has two.
        book(&ledger, &billing, &clock, "canary", &named("B", "canary_")).await;
        billing.owner("canary").grant("g1", "b", None, "beta").await.unwrap();
        book(&ledger, &billing, &clock, "user_2", &named("B", "kept_")).await;
        // The app opened the checkout of the second customer, so its session names the owner.
        let facts = named("active@1->31{product B}, pay@1", "canary2_");
        book_session(&ledger, &store, "user_2", "cus_canary2", &facts).await;
        let both = billing.owner("user_2").await.unwrap();
        assert!(both.has("a") && both.has("b"), "{both:?}");

        for customer in ["cus_canary", "cus_canary2", "cus_unknown"] {
            ledger.erase_customer(customer).await.unwrap();
        }
        let [owner, group, customer, grant, _] = rows_with_canary(&store).await;
        assert_eq!([owner, group, customer, grant], [0; 4], "{}", database.url);
        assert_eq!(billing.owner("canary").await.unwrap().state(), AccessState::None);
        let kept = billing.owner("user_2").await.unwrap();
        assert!(kept.has("a") && !kept.has("b"), "{kept:?}");
        // The workers run the changes. A change that the listener has seen is deleted.
        let workers = workers(&ledger);
        while rows_with_canary(&store).await[4] > 0 {
            tokio::task::yield_now().await;
        }
        workers.shutdown(std::time::Duration::from_secs(5)).await;
        drop((ledger, store));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_owner_is_in_no_table_of_billing() {
    for database in Database::all("erased_owner_is_in_no_table").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock).build().unwrap();
        let ledger = opened(&store, &billing).await;
        book(&ledger, &billing, &clock, "canary", &named("B", "canary_")).await;
        let owner = billing.owner("canary");
        owner.grant("g1", "b", None, "beta").await.unwrap();
        assert!(owner.access().await.unwrap().has("b"));
        assert_ne!(rows_with_canary(&store).await, [0; 5], "{}", database.url);
        owner.erase().await.unwrap();
        assert_eq!(rows_with_canary(&store).await, [0; 5], "{}", database.url);
        assert_eq!(billing.owner("canary").await.unwrap().state(), AccessState::None);
        // The row of the owner is locked and new, so it holds nothing of before.
        let again = billing.owner("canary").withdraw_grant("g1").await.unwrap();
        assert_eq!(again.state(), AccessState::None);
        drop((ledger, store));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_all_owners_and_about_another_time() {
    for database in Database::all("questions_about_all_owners").await {
        let clock = TestClock::default();
        clock.set(day(10.0));
        let store = database.open().await;
        let billing = builder(plans().build().unwrap(), &clock).build().unwrap();
        let ledger = opened(&store, &billing).await;
        book(&ledger, &billing, &clock, "user_1", &named("B", "q_")).await;
        book(
            &ledger,
            &billing,
            &clock,
            "user_2",
            &named("B, payment.failed@30, on_hold@30->30", "r_"),
        )
        .await;
        billing.owner("user_3").grant("g1", "b", Some(day(20.0)), "beta").await.unwrap();
        let with = async |billing: &Billing, plan| {
            let owners = billing.owners_with(plan).await.unwrap();
            owners.iter().map(|owner| owner.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(with(&billing, "b").await, ["user_3"]);
        assert_eq!(with(&billing, "a").await, ["user_1", "user_2"]);
        // Rows of other plans, and rows whose answer is over, answer from the facts.
        let renewed = builder(plans().hold_grace(days(9)).build().unwrap(), &clock);
        let renewed = renewed.build().unwrap();
        let again = opened(&store, &renewed).await;
        assert_eq!(with(&renewed, "a").await, ["user_1", "user_2"]);
        clock.set(day(25.0));
        assert_eq!(with(&billing, "b").await, [""; 0]);

        // A longer grace would keep one owner.
        clock.set(day(34.0));
        let changes = billing.preview_plans(renewed.plans()).await.unwrap();
        let [(owner, change)] = &*changes else { panic!("{changes:?}") };
        assert_eq!(owner.as_str(), "user_2");
        assert_eq!(
            (change.before.state(), change.after.state()),
            (AccessState::Ended, AccessState::Grace)
        );

        let owner = billing.owner("user_2");
        assert_eq!(owner.at(day(10.0)).await.unwrap().state(), AccessState::Active);
        assert_eq!(owner.at(day(31.0)).await.unwrap().state(), AccessState::Grace);
        let why = owner.why().await.unwrap().to_string();
        let lines: Vec<_> = why.lines().collect();
        assert!(why.contains("subscription.active of r_sub_1: active, 1 x pdt_A"), "{why}");
        assert!(
            why.contains("Payment r_pay_sub_1_0 of 1900 minor units for r_sub_1: succeeded."),
            "{why}"
        );
        assert!(why.contains("subscription.on_hold"), "{why}");
        assert!(lines.last().unwrap().starts_with("ended: A charge failed on"), "{why}");
        drop((ledger, again, store));
        database.remove().await;
    }
}
