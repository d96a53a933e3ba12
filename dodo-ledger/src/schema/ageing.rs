//! Erasing what was learned of people who did not pay, when it is old.

use std::time::Duration;

use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, millis, sql},
    },
};

/// Facts of one kind that are old enough: those that somebody paid for are kept and not looked at again,
/// the others go.
struct Ageing {
    keep: Sql,
    erase: Sql,
    /// Whom facts were about that are no more.
    forget_about: Sql,
}

/// A literal, or the ids of a fact that is a list of them, as a table with a column `value`.
macro_rules! piece {
    (sqlite (ids $list:literal)) => {
        concat!("json_each(", $list, ")")
    };
    (postgres (ids $list:literal)) => {
        concat!("jsonb_array_elements_text(", $list, "::jsonb)")
    };
    ($dialect:ident $text:literal) => {
        $text
    };
}

/// The facts from one key up to another; when one was paid for, and when it has to wait.
macro_rules! ageing {
    (@keep $dialect:ident $from:literal $to:literal ($($paid:tt)+)) => {
        concat!(
            "UPDATE dodo_fact SET kept = 1 WHERE id IN (
                SELECT id FROM dodo_fact AS old
                WHERE id >= '", $from, "' AND id < '", $to, "' AND kept = 0
                  AND changed_at <= ", sql!(@$dialect NOW), " - $1 AND (",
            $(piece!($dialect $paid),)+
            ") LIMIT $2)"
        )
    };
    (@erase $dialect:ident $from:literal $to:literal ($($paid:tt)+) $waits:literal) => {
        concat!(
            "DELETE FROM dodo_fact WHERE id IN (
                SELECT id FROM dodo_fact AS old
                WHERE id >= '", $from, "' AND id < '", $to, "' AND kept = 0
                  AND changed_at <= ", sql!(@$dialect NOW), " - $1 AND NOT (",
            $(piece!($dialect $paid),)+
            ") AND NOT (", $waits, ") LIMIT $2)"
        )
    };
    ($from:literal, $to:literal, paid: $paid:tt, waits: $waits:literal) => {
        Ageing {
            keep: Sql {
                sqlite: ageing!(@keep sqlite $from $to $paid),
                postgres: ageing!(@keep postgres $from $to $paid),
            },
            erase: Sql {
                sqlite: ageing!(@erase sqlite $from $to $paid $waits),
                postgres: ageing!(@erase postgres $from $to $paid $waits),
            },
            forget_about: sql!(
                "DELETE FROM dodo_about WHERE fact_id >= '" $from "' AND fact_id < '" $to "'
                   AND NOT EXISTS (SELECT 1 FROM dodo_fact WHERE dodo_fact.id = dodo_about.fact_id)"
            ),
        }
    };
}

/// Payments that failed: paid for if another payment recovered one. The body of the fact that says so is
/// a list of ids; as long as there is one, such a payment may still be delivered.
const ATTEMPTS: Ageing = ageing!(
    "attempt:", "attempt;",
    paid: ("EXISTS (SELECT 1 FROM dodo_fact AS recovery CROSS JOIN " (ids "recovery.body") " AS one
                    JOIN dodo_entry ON dodo_entry.id = 'charge:' || one.value
                    WHERE recovery.id = 'recovered_by:' || substr(old.id, 9))"),
    waits: "EXISTS (SELECT 1 FROM dodo_fact AS recovery
                    WHERE recovery.id = 'recovered_by:' || substr(old.id, 9))"
);
/// What recovered what, in both directions: paid for if such a payment is in the ledger.
const RECOVERED: Ageing = ageing!(
    "recovered:", "recovered;",
    paid: ("EXISTS (SELECT 1 FROM dodo_entry WHERE dodo_entry.id = 'charge:' || substr(old.id, 11))"),
    waits: "1 = 0"
);
const RECOVERED_BY: Ageing = ageing!(
    "recovered_by:", "recovered_by;",
    paid: ("EXISTS (SELECT 1 FROM " (ids "old.body") " AS one
                    JOIN dodo_entry ON dodo_entry.id = 'charge:' || one.value)"),
    waits: "1 = 0"
);
/// Contexts of checkouts: paid for if a payment of the session is in the ledger. They wait for the
/// payments that failed there, which may have been recovered.
const CONTEXTS: Ageing = ageing!(
    "checkout:", "checkout;",
    paid: ("EXISTS (SELECT 1 FROM dodo_link
                    WHERE dodo_link.kind = 'k' AND dodo_link.value = substr(old.id, 10))"),
    waits: "EXISTS (SELECT 1 FROM dodo_about
                    WHERE dodo_about.kind = 'k' AND dodo_about.value = substr(old.id, 10))"
);
/// Rows per transaction, so that nobody waits long for the lock.
const BATCH: u32 = 500;

/// Erases what was captured for checkouts so long ago that nobody paid, and what is known of payments
/// that failed and were not recovered. Says of how many.
pub(crate) async fn erase_contexts(store: &Store, older_than: Duration) -> Result<u64, Error> {
    let age = millis(older_than);
    // Each of them decides on the next.
    let pointers = RECOVERED.erase(store, age).await? + RECOVERED_BY.erase(store, age).await?;
    let erased = ATTEMPTS.erase(store, age).await? + CONTEXTS.erase(store, age).await?;
    if erased + pointers > 0 {
        store.scrub().await;
    }
    Ok(erased)
}

impl Ageing {
    async fn erase(&self, store: &Store, age: i64) -> Result<u64, Error> {
        let (mut erased, mut kept) = (0, u64::from(BATCH));
        loop {
            // A booking of the payment may be under way: it writes the link.
            let mut tx = store.begin_booking().await?;
            tx.lock_booking().await?;
            if kept == u64::from(BATCH) {
                kept = tx.execute(&self.keep, args![age, BATCH]).await?;
            }
            let batch = tx.execute(&self.erase, args![age, BATCH]).await?;
            if batch > 0 {
                tx.execute(&self.forget_about, args![]).await?;
            }
            tx.commit().await?;
            erased += batch;
            if batch.max(kept) < u64::from(BATCH) {
                return Ok(erased);
            }
        }
    }
}
